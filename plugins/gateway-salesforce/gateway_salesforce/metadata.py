"""Our fields and who may write them, as a folder in the form of the Metadata API. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from xml.sax.saxutils import escape

from gateway_salesforce.meeting import PEOPLE

PREFIX = "Gateway_"
"""Fields whose names begin so are ours to make."""
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


def metadata(mapping: Any, settings: Mapping[str, Any], only: Collection[str] | None = None) -> dict[str, str]:
    """Path → content of a folder in the form of the Metadata API: our fields, and who may write them.

    :param only: define these alone, such as ``Lead.Gateway_Score__c``; the others are there.
    """
    fields: dict[str, dict[str, str]] = {}
    for name, mapped in mapping.objects.items():
        if mapped.outbound and name in PEOPLE:
            mine = {path: _TYPES.get(one.type, _TEXT) for path, one in mapped.outbound.items()}
            fields[name] = {path: kind for path, kind in mine.items() if path.startswith(PREFIX)}
            fields[name][settings["external_id"]] = _KEY
    if task := settings.get("task"):
        fields["Activity"] = {task["external_id"]: _KEY}
    members = [f"{object_}.{field}" for object_, mine in sorted(fields.items()) for field in sorted(mine)]
    defined = [member for member in members if only is None or member in only]
    files = {}
    for object_, mine in fields.items():
        lines = [_field(name, kind) for name, kind in sorted(mine.items()) if f"{object_}.{name}" in defined]
        if lines:
            files[f"objects/{object_}.object"] = _xml("CustomObject", lines)
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
    listed = "".join(f"<members>{escape(name)}</members>" for name in defined)
    files["package.xml"] = _xml(
        "Package",
        [
            f"<types>{listed}<name>CustomField</name></types>",
            "<types><members>Lead_Gateway</members><name>PermissionSet</name></types>",
            f"<version>{settings['api_version']}</version>",
        ],
    )
    return files


def _field(name: str, kind: str) -> str:
    label = name.removesuffix("__c").replace("_", " ")
    return f"<fields><fullName>{escape(name)}</fullName><label>{escape(label)}</label>{kind}</fields>"


def _xml(root: str, lines: list[str]) -> str:
    inner = "".join(f"    {line}\n" for line in lines)
    return f'{_HEAD}<{root} xmlns="{_XMLNS}">\n{inner}</{root}>\n'
