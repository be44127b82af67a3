"""The properties and lists that we write to, made where HubSpot lacks them; what is there stays as it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.contracts import Step
from gateway_hubspot.client import Client, Failure
from gateway_hubspot.lists import CONTACTS
from gateway_hubspot.records import Shape
from gateway_hubspot.subscriptions import carried

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
            if name == key and held[name].get("hasUniqueValue") is not True:
                said = "is there, but not unique; HubSpot cannot change that: name another external_id in the settings"
                yield Step(object=shape.name, name=name, state="by hand", message=said)
            else:
                yield Step(object=shape.name, name=name, state="there")
        elif dry_run:
            yield Step(object=shape.name, name=name, state="missing")
        else:
            yield _make(client, shape, one)
    for name in sorted(set(fields) - set(held)):
        if not name.startswith(OURS) and not carried(name):
            said = "is missing and not ours: make it in HubSpot (Settings > Properties), or correct the mapping"
            yield Step(object=shape.name, name=name, state="by hand", message=said)


def provide_list(client: Client, name: str, dry_run: bool = False) -> Step:
    """Make a list that is filled by hand, or by us."""
    try:
        client.ask(client.lists.get_by_name, name, CONTACTS)
        return Step(object="lists", name=name, state="there")
    except Failure as exc:
        if exc.status != 404:
            raise
    if dry_run:
        return Step(object="lists", name=name, state="missing")
    client.change(client.lists.create, {"name": name, "objectTypeId": CONTACTS, "processingType": "MANUAL"})
    return Step(object="lists", name=name, state="made")


def _held(client: Client, shape: Shape) -> dict[str, Mapping[str, Any]]:
    reply = client.page(client.properties.get_all, shape.path, archived=False)
    return {str(one.get("name")): one for one in reply.results}


def _make_group(client: Client, shape: Shape) -> None:
    try:
        client.change(client.groups.create, shape.path, {"name": GROUP, "label": "Lead gateway", "displayOrder": -1})
    except Failure as exc:
        if exc.status != 409:  # there already
            raise


def _make(client: Client, shape: Shape, one: Mapping[str, Any]) -> Step:
    try:
        client.change(client.properties.create, shape.path, one)
    except Failure as exc:
        if exc.status == 409:
            return Step(object=shape.name, name=one["name"], state="there")
        return Step(object=shape.name, name=one["name"], state="by hand", message=f"could not be made: {exc}")
    return Step(object=shape.name, name=one["name"], state="made")


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
