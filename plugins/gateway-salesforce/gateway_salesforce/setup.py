"""What an org must have before we write to it, and what it is.

``gateway salesforce show SYSTEM`` says which org this is, and what in the mapping file it does not have or would
refuse. ``gateway salesforce setup SYSTEM --metadata DIR`` writes our fields and a permission set as a folder to deploy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

import click

from gateway.cli.main import App, pass_app
from gateway.cli.output import json_option, say, say_json, table
from gateway.errors import Refused, TryLater
from gateway_salesforce.meeting import HINTS, PEOPLE
from gateway_salesforce.org import NoAnswer, Org, RefusedCall
from gateway_salesforce.source import ABOUT_PEOPLE, OURS

if TYPE_CHECKING:
    from gateway.contracts import Sink
    from gateway.runtime import Gateway
    from gateway.settings.instance import System

PREFIX = "Gateway_"
"""Fields whose names begin so are ours to make."""
CONNECTORS = {"HubSpot_Inc__": "HubSpot", "pi__": "Account Engagement (Pardot)", "mkto_si__": "Marketo"}
"""What other programs' fields begin with: they write to leads and contacts, too."""
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_XMLNS = "http://soap.sforce.com/2006/04/metadata"
_LONG = "<type>LongTextArea</type><length>32768</length><visibleLines>3</visibleLines>"
_TYPES = {
    "integer": "<type>Number</type><precision>18</precision><scale>0</scale>",
    "number": "<type>Number</type><precision>18</precision><scale>2</scale>",
    "money": "<type>Currency</type><precision>18</precision><scale>2</scale>",
    "boolean": "<type>Checkbox</type><defaultValue>false</defaultValue>",
    "date": "<type>Date</type>",
    "datetime": "<type>DateTime</type>",
    "email": "<type>Email</type>",
    "phone": "<type>Phone</type>",
    "url": "<type>Url</type>",
    "text": _LONG,
    "list": _LONG,
}
_TEXT = "<type>Text</type><length>255</length>"
_KEY = (
    "<type>Text</type><length>64</length><externalId>true</externalId><unique>true</unique>"
    "<caseSensitive>false</caseSensitive>"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a person should look at."""

    object: str
    field: str
    state: str


@click.group()
def salesforce() -> None:
    """Prepare a Salesforce org, and see what it lacks."""


@salesforce.command()
@click.argument("system")
@json_option
@pass_app
def show(app: App, system: str, as_json: bool) -> None:
    """Which org this is, and what the mapping file names in vain. Changes nothing."""
    one, sink = _of(app.gateway, system)
    org: Org = sink.org  # type: ignore[attr-defined]
    try:
        about = identity(org)
        findings = list(look(org, one.mapping, one.settings))
    except RefusedCall as refused:
        raise Refused(f"{system}: Salesforce refused the question: {refused}") from None
    except NoAnswer as exc:
        raise TryLater(30, f"{system}: Salesforce gave no answer ({exc})") from None
    if as_json:
        say_json({**about, "findings": [asdict(finding) for finding in findings]})
        return
    say("  ".join(f"{name}: {value}" for name, value in about.items() if value))
    if findings:
        table(("object", "field", "state"), [(found.object, found.field, found.state) for found in findings])
    else:
        say("The org has everything that the mapping names.")


@salesforce.command()
@click.argument("system")
@click.option(
    "--metadata", "folder", metavar="DIR", required=True, type=click.Path(file_okay=False, path_type=Path),
    help="Folder to write; it must be empty or new.",
)  # fmt: skip
@pass_app
def setup(app: App, system: str, folder: Path) -> None:
    """Write our fields and a permission set as a folder that can be deployed. Calls nobody."""
    one, _ = _of(app.gateway, system)
    if folder.exists() and any(folder.iterdir()):
        raise Refused(f"{folder}: is not empty; name a new folder")
    files = metadata(one.mapping, one.settings)
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        say(f"  {name}")
    say()
    say(f"Deploy it with: sf project deploy start --metadata-dir {folder}")
    say("Then, by hand: assign the permission set Lead_Gateway to the gateway's user, give that user the object")
    say("permissions that the README names, and map our lead fields to the contact's (Map Lead Fields).")


def identity(org: Org) -> dict[str, Any]:
    """The org's name, kind and id, and how many calls it has left today."""
    rows, _ = org.query("SELECT Id, Name, IsSandbox, OrganizationType FROM Organization LIMIT 1")
    row = rows[0] if rows else {}
    about = {
        "org": row.get("Name"),
        "kind": "sandbox" if row.get("IsSandbox") else "production",
        "edition": row.get("OrganizationType"),
        "org_id": row.get("Id"),
    }
    try:
        daily = (org.call("GET", "limits/") or {}).get("DailyApiRequests") or {}
    except RefusedCall:  # it takes a permission of its own
        daily = {}
    if daily:
        about["calls_left"] = f"{daily.get('Remaining'):,} of {daily.get('Max'):,}"
    return about


def look(org: Org, mapping: Any, settings: Mapping[str, Any]) -> Iterator[Finding]:
    """What of the mapping and the settings the org does not have, or would refuse."""
    for name, mapped in mapping.objects.items():
        held = _described(org, name)
        if held is None:
            yield Finding(name, "", "no such object, or hidden from our user")
            continue
        yield from _named(name, mapped, held)
        if mapped.outbound:
            yield from _written(name, mapped, held)
            if name in PEOPLE:
                yield from _key(name, settings["external_id"], held)
        if name in PEOPLE:
            for prefix, whose in CONNECTORS.items():
                if any(field.startswith(prefix) for field in held):
                    yield Finding(name, f"{prefix}*", f"{whose}'s own connector writes here, too")
    if task := settings.get("task"):
        held = _described(org, "Task")
        if held is None:
            yield Finding("Task", "", "no such object, or hidden from our user")
        else:
            yield from _key("Task", task["external_id"], held)


def metadata(mapping: Any, settings: Mapping[str, Any]) -> dict[str, str]:
    """Path → content of a folder in the form of the Metadata API: our fields, and who may write them."""
    fields: dict[str, dict[str, str]] = {}
    for name, mapped in mapping.objects.items():
        if mapped.outbound and name in PEOPLE:
            mine = {path: _TYPES.get(one.type, _TEXT) for path, one in mapped.outbound.items()}
            fields[name] = {path: kind for path, kind in mine.items() if path.startswith(PREFIX)}
            fields[name][settings["external_id"]] = _KEY
    if task := settings.get("task"):
        fields["Activity"] = {task["external_id"]: _KEY}
    members = [f"{object_}.{field}" for object_, mine in sorted(fields.items()) for field in sorted(mine)]
    files = {
        f"objects/{object_}.object": _xml("CustomObject", [_field(name, kind) for name, kind in sorted(mine.items())])
        for object_, mine in fields.items()
    }
    # Activity's fields are Task's where permissions are given.
    allowed = [member.replace("Activity.", "Task.") for member in members]
    files["permissionsets/Lead_Gateway.permissionset"] = _xml(
        "PermissionSet",
        [
            *(
                f"<fieldPermissions><editable>true</editable><field>{escape(name)}</field><readable>true</readable>"
                "</fieldPermissions>"
                for name in allowed
            ),
            "<hasActivationRequired>false</hasActivationRequired>",
            "<label>Lead gateway</label>",
        ],
    )
    listed = "".join(f"<members>{escape(name)}</members>" for name in members)
    files["package.xml"] = _xml(
        "Package",
        [
            f"<types>{listed}<name>CustomField</name></types>",
            "<types><members>Lead_Gateway</members><name>PermissionSet</name></types>",
            f"<version>{settings['api_version']}</version>",
        ],
    )
    return files


def _named(name: str, mapped: Any, held: Mapping[str, Any]) -> Iterator[Finding]:
    relations = {one.get("relationshipName") for one in held.values()}
    for path in sorted(mapped.reader.reads - OURS - {*mapped.outbound}):
        first, _, rest = path.partition(".")
        if first in ABOUT_PEOPLE and name in PEOPLE:
            continue
        if first not in (relations if rest else held):
            yield Finding(name, path, "no such field, or hidden from our user")


def _written(name: str, mapped: Any, held: Mapping[str, Any]) -> Iterator[Finding]:
    for path, field in sorted(mapped.outbound.items()):
        one = held.get(path)
        if path in HINTS:
            continue
        if one is None:
            ours = "; `gateway salesforce setup` writes it" if path.startswith(PREFIX) else ""
            yield Finding(name, path, f"no such field, or hidden from our user{ours}")
        elif not one.get("updateable"):
            yield Finding(name, path, "read-only, but the mapping writes it")
        else:
            yield from _fits(name, path, field, one)
    creates = mapped.create != "never"
    for path, one in sorted(held.items()):
        required = not one.get("nillable", True) and one.get("createable") and not one.get("defaultedOnCreate")
        if creates and required and one.get("type") != "boolean" and path not in mapped.outbound:
            yield Finding(name, path, "required to create one, but the mapping does not write it")


def _fits(name: str, path: str, field: Any, one: Mapping[str, Any]) -> Iterator[Finding]:
    kind, length = one.get("type"), one.get("length") or 0
    if kind in ("double", "int", "currency", "percent") and field.type not in ("integer", "number", "money"):
        yield Finding(name, path, f"takes numbers; the mapping writes {field.type}")
    if kind in ("date", "datetime") and field.type not in ("date", "datetime"):
        yield Finding(name, path, f"takes a {kind}; the mapping writes {field.type}")
    cut = field.typed.options.length
    if cut is not None and length and cut > length:
        yield Finding(name, path, f"holds {length} characters; the mapping cuts at {cut}")
    if one.get("restrictedPicklist") and field.values:
        options = {entry["value"] for entry in one.get("picklistValues") or () if entry.get("active", True)}
        for raw in sorted(str(raw) for raw in field.values if str(raw) not in options):
            yield Finding(name, path, f"has no value {raw!r}, which the mapping may write")


def _key(name: str, field: str, held: Mapping[str, Any]) -> Iterator[Finding]:
    one = held.get(field)
    if one is None:
        yield Finding(name, field, "our key is missing; `gateway salesforce setup` writes it")
    elif not (one.get("externalId") and one.get("unique")):
        yield Finding(name, field, "our key must be External ID and Unique")


def _described(org: Org, object_: str) -> dict[str, Any] | None:
    try:
        return {one["name"]: one for one in org.call("GET", f"sobjects/{object_}/describe")["fields"]}
    except RefusedCall as refused:
        if refused.fault.meaning == "mapping":
            return None
        raise


def _field(name: str, kind: str) -> str:
    label = name.removesuffix("__c").replace("_", " ")
    return f"<fields><fullName>{escape(name)}</fullName><label>{escape(label)}</label>{kind}</fields>"


def _xml(root: str, lines: list[str]) -> str:
    inner = "".join(f"    {line}\n" for line in lines)
    return f'{_HEAD}<{root} xmlns="{_XMLNS}">\n{inner}</{root}>\n'


def _of(gateway: Gateway, system: str) -> tuple[System, Sink]:
    """The system and its sink. Raises ``Refused`` when it is no Salesforce."""
    from gateway.runtime import known_systems

    known_systems(gateway.instance, [system])
    one = gateway.instance.systems[system]
    sink = gateway.sinks.get(system)
    if one.plugin != "salesforce" or sink is None:
        raise Refused(f"{system}: {gateway.problems.get(system) or f'is of plugin {one.plugin}, not salesforce'}")
    return one, sink
