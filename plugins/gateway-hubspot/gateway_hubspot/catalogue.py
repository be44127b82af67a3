"""HubSpot's properties as the catalogue a mapping file is held against, with what its items carry beside them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from gateway.contracts import Field
from gateway_hubspot.records import PLURALS, STATUS, singular

TEXT = 65_536
_TYPES = {
    "bool": "boolean",
    "enumeration": "choice",
    "phone_number": "phone",
    "json": "other",
    "object_coordinates": "other",
}
_FORMS = {"textarea": "text", "phonenumber": "phone", "checkbox": "list"}
_ABOUT = ("object", "id", "createdAt", "updatedAt")


def catalogue(object_: str, properties: Iterable[Mapping[str, Any]]) -> dict[str, Field]:
    """Name → field, from an answer of the properties API."""
    found = {str(one["name"]): _field(one) for one in properties if one.get("name")}
    return found | {one.name: one for one in _carried(singular(object_))}


def _field(one: Mapping[str, Any]) -> Field:
    metadata = one.get("modificationMetadata")
    read_only = isinstance(metadata, Mapping) and metadata.get("readOnlyValue") is True
    kind = str(one.get("type") or "string")
    named = _TYPES.get(kind, kind)
    if kind in ("string", "enumeration"):
        named = _FORMS.get(str(one.get("fieldType")), named)
    options: Sequence[Any] = (
        one.get("options") or () if kind == "enumeration" and not one.get("externalOptions") else ()
    )
    return Field(
        name=str(one["name"]),
        type=named,
        label=str(one.get("label") or ""),
        length=TEXT if kind == "string" else None,
        writable=not read_only and one.get("calculated") is not True,
        options=tuple(str(option.get("value")) for option in options if isinstance(option, Mapping)),
    )


def _carried(object_: str) -> Iterator[Field]:
    for name in _ABOUT:
        yield Field(name=name, type="datetime" if name.endswith("At") else "string", writable=False)
    yield Field(name="archived", type="boolean", writable=False)
    for other in PLURALS:
        if other != object_:
            yield Field(name=f"{other}_ids", type="list", writable=False)
    if object_ == "deal":
        yield Field(name=STATUS, type="choice", options=("open", "won", "lost"), writable=False)
