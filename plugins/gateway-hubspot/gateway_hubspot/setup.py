"""What HubSpot must have before we write to it: our properties, made where they are missing; nothing else is changed.

``gateway hubspot setup SYSTEM`` prepares an account; ``gateway hubspot show SYSTEM`` says which account this is, what
the token may read, and what in the mapping file HubSpot does not have.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.main import App, pass_app
from gateway.cli.output import json_option, say, say_json, table
from gateway.errors import AccessRefused, Refused
from gateway_hubspot.activities import STREAMS
from gateway_hubspot.client import Client, Failure
from gateway_hubspot.records import MERGED, Shape, shapes
from gateway_hubspot.sink import CONTACTS, NO_PROPERTIES

if TYPE_CHECKING:
    from gateway.runtime import Gateway

GROUP = "gateway"
OURS = "gw_"
"""Properties whose names begin so are ours to make."""
_TYPES = {
    "integer": ("number", "number"),
    "number": ("number", "number"),
    "money": ("number", "number"),
    "boolean": ("bool", "booleancheckbox"),
    "date": ("date", "date"),
    "datetime": ("datetime", "date"),
    "text": ("string", "textarea"),
}
_OPTIONS = {
    "band": ("great", "good", "bad"),
    "bucket": ("sales_qualified", "sales_rejected", "recycled"),
}
_PROBES: dict[str, tuple[str, list[tuple[str, Any]], str]] = {
    "form_submissions": ("/marketing/v3/forms", [("limit", 1)], "results"),
    "email_events": ("/email/public/v1/events", [("startTimestamp", 1), ("eventType", "OPEN"), ("limit", 1)], "events"),
    "page_views": ("/events/v3/events", [("eventType", "e_visited_page"), ("limit", 1)], "results"),
    "meetings": ("/crm/v3/objects/meetings", [("limit", 1)], "results"),
}


@dataclass(frozen=True, slots=True)
class Step:
    """One property. ``state``: ``there``, ``missing``, ``made``, or what only a person can do about it."""

    object: str
    property: str
    state: str


@click.group()
def hubspot() -> None:
    """Prepare a HubSpot account, and see what it gives us."""


@hubspot.command()
@click.argument("system")
@click.option("--dry-run", is_flag=True, help="Say what would be made, make nothing.")
@json_option
@pass_app
def setup(app: App, system: str, dry_run: bool, as_json: bool) -> None:
    """Make the properties that we write to, where they are missing: our key, and those named gw_...; and our lists.

    What is there stays as it is. Needs crm.schemas.contacts.read and .write (and of companies and deals, if written),
    for lists crm.lists.read and .write.
    """
    client, key = _client(app.gateway, system)
    mapping = app.gateway.instance.systems[system].mapping
    steps = [step for shape, fields in _written(mapping) for step in provide(client, shape, fields, key, dry_run)]
    lists = app.gateway.instance.systems[system].settings["lists"]
    steps += [Step("lists", name, provide_list(client, name, dry_run)) for name in lists]
    _tell(steps, as_json)


@hubspot.command()
@click.argument("system")
@json_option
@pass_app
def show(app: App, system: str, as_json: bool) -> None:
    """Which account this is, which signals it gives, and what the mapping file names in vain."""
    client, key = _client(app.gateway, system)
    account = client.account()
    about = {
        "account": account.get("portalId"),
        "kind": str(account.get("accountType") or "unknown").lower().replace("_", " "),
        "zone": account.get("timeZone"),
        "currency": account.get("companyCurrency"),
    }
    mapping = app.gateway.instance.systems[system].mapping
    steps = [step for shape in _objects(mapping) for step in missing(client, shape, mapping, key)]
    given = list(signals(client, app.gateway.instance.systems[system].settings["activities"]))
    if as_json:
        say_json({**about, "signals": [_row(step) for step in given], "properties": [_row(step) for step in steps]})
        return
    say("  ".join(f"{name}: {value}" for name, value in about.items() if value))
    table(("signal", "state"), [(step.property, step.state) for step in given])
    _tell(steps, False)


def provide(client: Client, shape: Shape, fields: Mapping[str, Any], key: str, dry_run: bool = False) -> Iterator[Step]:
    """Make what is missing of ``fields`` (property → field of the mapping) and of our key.

    :param dry_run: only say it.
    """
    held = _held(client, shape)
    wanted = [_key_property(key), *(_property(name, field) for name, field in fields.items() if name.startswith(OURS))]
    if any(one["name"] not in held for one in wanted) and not dry_run:
        _make_group(client, shape)
    for one in wanted:
        name = one["name"]
        if name in held:
            unique = name != key or held[name].get("hasUniqueValue") is True
            there = "there" if unique else "there, but not unique: HubSpot cannot change that; name another external_id"
            yield Step(shape.path, name, there)
        elif dry_run:
            yield Step(shape.path, name, "missing")
        else:
            yield Step(shape.path, name, _make(client, shape, one))
    for name in sorted(set(fields) - set(held)):
        if not name.startswith(OURS) and name not in NO_PROPERTIES:
            yield Step(shape.path, name, "missing; it is not ours: make it in HubSpot, or correct the mapping")


def provide_list(client: Client, name: str, dry_run: bool = False) -> str:
    """Make a list that is filled by hand, or by us. Returns what became of it."""
    try:
        client.ask(client.lists.get_by_name, name, CONTACTS)
        return "there"
    except Failure as exc:
        if exc.status != 404:
            raise
    if dry_run:
        return "missing"
    client.change(client.lists.create, {"name": name, "objectTypeId": CONTACTS, "processingType": "MANUAL"})
    return "made"


def missing(client: Client, shape: Shape, mapping: Any, key: str) -> Iterator[Step]:
    """What of the mapping one object does not have; nothing else can ever come of those lines."""
    try:
        held = _held(client, shape)
    except (AccessRefused, Failure) as exc:
        yield Step(shape.path, "*", str(exc))
        return
    written = mapping.objects[shape.name].outbound
    for name in sorted({*shape.properties, *written, *([key] if written else [])} - NO_PROPERTIES - {MERGED}):
        if name not in held:
            yield Step(shape.path, name, "missing")
        elif name in written and (held[name].get("modificationMetadata") or {}).get("readOnlyValue") is True:
            yield Step(shape.path, name, "read-only in HubSpot, but the mapping writes it")


def signals(client: Client, named: Collection[str]) -> Iterator[Step]:
    """What people did, beside the counters of their records: which streams the account and the token's scopes give."""
    for name, (path, query, key) in _PROBES.items():
        try:
            client.get(path, query, key)
            state = "pulled" if name in named else "there, but not under activities in the settings"
        except (AccessRefused, Failure) as exc:
            state = f"{'named in the settings, but ' if name in named else ''}{exc}"
        yield Step("activities", name, state)


def _held(client: Client, shape: Shape) -> dict[str, Mapping[str, Any]]:
    reply = client.page(client.properties.get_all, shape.path, archived=False)
    return {str(one.get("name")): one for one in reply.results}


def _make_group(client: Client, shape: Shape) -> None:
    try:
        client.change(client.groups.create, shape.path, {"name": GROUP, "label": "Lead gateway", "displayOrder": -1})
    except Failure as exc:
        if exc.status != 409:  # there already
            raise


def _make(client: Client, shape: Shape, one: Mapping[str, Any]) -> str:
    try:
        client.change(client.properties.create, shape.path, one)
    except Failure as exc:
        if exc.status == 409:
            return "there"
        return f"not made: {exc}"
    return "made"


def _key_property(key: str) -> dict[str, Any]:
    return {
        "groupName": GROUP, "name": key, "label": "Lead gateway key", "type": "string", "fieldType": "text",
        "hasUniqueValue": True, "formField": False,
    }  # fmt: skip


def _property(name: str, field: Any) -> dict[str, Any]:
    kind, form = _TYPES.get(field.type, ("string", "text"))
    options = list(_OPTIONS.get(field.to, ()))
    if options and not field.values:
        kind, form = "enumeration", "select"
    label = name.removeprefix(OURS).replace("_", " ").capitalize()
    one: dict[str, Any] = {
        "groupName": GROUP, "name": name, "label": label, "type": kind, "fieldType": form, "formField": False,
    }  # fmt: skip
    if kind == "bool":
        options = ["true", "false"]
    if kind in ("enumeration", "bool"):
        one["options"] = [
            {
                "label": option.replace("_", " ").capitalize(),
                "value": option,
                "displayOrder": place,
                "hidden": False,
            }
            for place, option in enumerate(options)
        ]
    return one


def _written(mapping: Any) -> Iterator[tuple[Shape, Mapping[str, Any]]]:
    for shape in _objects(mapping):
        if fields := mapping.objects[shape.name].outbound:
            yield shape, fields


def _objects(mapping: Any) -> list[Shape]:
    return [shape for object_, shape in shapes(mapping).items() if object_ not in STREAMS.values()]


def _client(gateway: Gateway, system: str) -> tuple[Client, str]:
    """The system's way out, and the name of our key's property. Raises ``Refused`` when it is no HubSpot."""
    from gateway.runtime import known_systems

    known_systems(gateway.instance, [system])
    one = gateway.instance.systems[system]
    sink = gateway.sinks.get(system)
    if one.plugin != "hubspot" or sink is None:
        raise Refused(f"{system}: {gateway.problems.get(system) or f'is of plugin {one.plugin}, not hubspot'}")
    client: Client = sink.client  # type: ignore[attr-defined]
    return client, one.settings["external_id"]


def _row(step: Step) -> dict[str, str]:
    return {"object": step.object, "property": step.property, "state": step.state}


def _tell(steps: list[Step], as_json: bool) -> None:
    if as_json:
        say_json({"properties": [_row(step) for step in steps]})
    elif steps:
        table(("object", "property", "state"), [(step.object, step.property, step.state) for step in steps])
    else:
        say("HubSpot has everything that the mapping names")
