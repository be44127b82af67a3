"""An object's describe as the catalogue a mapping file is held against, with what its items carry beside it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gateway.contracts import Field
from gateway_salesforce.meeting import HINTS
from gateway_salesforce.source import ABOUT_PEOPLE, PEOPLE

_TYPES = {
    "int": "integer", "double": "number", "currency": "money", "percent": "number", "boolean": "boolean",
    "date": "date", "datetime": "datetime", "email": "email", "phone": "phone", "url": "url",
    "multipicklist": "list", "textarea": "text", "picklist": "choice", "id": "reference", "reference": "reference",
    "address": "other", "location": "other", "base64": "other", "anyType": "other", "complexvalue": "other",
}  # fmt: skip


def catalogue(object_: str, fields: Iterable[Mapping[str, Any]]) -> dict[str, Field]:
    """Name → field, from the ``fields`` of a describe."""
    found: dict[str, Field] = {}
    for one in fields:
        found[one["name"]] = _field(one, object_)
        if relation := one.get("relationshipName"):
            found.setdefault(relation, Field(name=relation, type="relation", writable=False))
    return found | {one.name: one for one in _carried(object_)}


def _field(one: Mapping[str, Any], object_: str) -> Field:
    kind = _TYPES.get(one.get("type", ""), "string")
    needed = not one.get("nillable", True) and one.get("createable") and not one.get("defaultedOnCreate")
    return Field(
        name=one["name"],
        type=kind,
        label=str(one.get("label") or ""),
        length=one.get("length") or None,
        # a hint is never sent: it says where to look for somebody before a record is made
        writable=bool(one.get("updateable") or one.get("createable") or (object_ in PEOPLE and one["name"] in HINTS)),
        required=bool(needed and kind != "boolean"),
        options=tuple(entry["value"] for entry in one.get("picklistValues") or () if entry.get("active", True)),
        restricted=bool(one.get("restrictedPicklist")),
    )


def _carried(object_: str) -> Iterator[Field]:
    yield Field(name="object", writable=False)
    if object_ in PEOPLE:
        for other in ABOUT_PEOPLE:
            yield Field(name=other, type="relation", writable=False)
    if object_ == "Opportunity":
        yield Field(name="contact_ids", type="list", writable=False)
        yield Field(name="contact_roles", type="list", writable=False)
        yield Field(name="deal_status", type="choice", options=("open", "won", "lost"), writable=False)
