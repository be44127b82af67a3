"""A webhook's list of notifications becomes lookups and news of records' lives. Pure.

HubSpot promises neither order nor once, and its ``eventId`` is not unique; a notification about values is therefore
only a hint to read the record. Both spellings are read: classic (``contact.merge``) and generic (``object.merge`` with
``objectTypeId``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from gateway.contracts import (
    Lookup,
    PersonErased,
    Quarantined,
    ReadItem,
    RecordGone,
    RecordRestored,
    RecordsLinked,
    RecordsMerged,
    Skipped,
)
from gateway_hubspot.records import Shape, moment, singular

HINTS = ("creation", "propertyChange")


def read_notifications(
    items: Sequence[Any], system: str, shapes: Mapping[str, Shape], portal: int | None
) -> Iterator[ReadItem]:
    """Each notification's meaning. ``portal``: the only account whose notifications count, None = any."""
    asked: dict[Lookup, set[str]] = {}
    for item in items:
        for one in _read(item, system, shapes, portal):
            if isinstance(one, Lookup):
                asked.setdefault(one, set()).update(one.because)
            else:
                yield one
    for lookup, because in asked.items():
        yield replace(lookup, because=tuple(sorted(because)))


def _read(item: Any, system: str, shapes: Mapping[str, Shape], portal: int | None) -> Iterator[ReadItem]:
    if not isinstance(item, Mapping):
        yield Quarantined(object="", record="", reason="a notification is no object")
        return
    type_ = item.get("subscriptionType") or item.get("eventType")
    if not isinstance(type_, str) or "." not in type_:
        yield Quarantined(object="", record="", reason="a notification has no subscriptionType")
        return
    word, _, what = type_.partition(".")
    object_ = singular(str(item.get("objectTypeId") or "") if word == "object" else word)
    if portal is not None and item.get("portalId") != portal:
        yield Skipped(object=object_, record="", reason="of another HubSpot account")
        return
    if what == "associationChange":
        yield from _association(item, system, shapes)
        return
    shape = shapes.get(object_)
    if shape is None:
        yield Skipped(object=object_, record="", reason="of no mapped object")
        return
    record = _id(item.get("newObjectId") or item.get("primaryObjectId") or item.get("objectId"))
    at = moment(item.get("occurredAt"))
    if not record or at is None:
        missing = "objectId" if not record else "occurredAt"
        yield Quarantined(object=shape.name, record=record, reason=f"{type_}: {missing} is missing or malformed")
        return
    yield from _meant(item, what, system, shape, record, at)


def _meant(
    item: Mapping[str, Any], what: str, system: str, shape: Shape, record: str, at: datetime
) -> Iterator[ReadItem]:
    about: dict[str, Any] = {
        "system": system, "object": shape.name, "kind": shape.kind, "record": record, "at": at,
        "key": _key(system, item),
    }  # fmt: skip
    name = item.get("propertyName") if what == "propertyChange" else None
    because = (name[:200],) if isinstance(name, str) else ()
    lookup = Lookup(system=system, object=shape.name, record=record, because=because)
    if what in HINTS:
        yield lookup
    elif what == "merge":
        named = [item.get("primaryObjectId"), *_list(item.get("mergedObjectIds"))]
        losers = dict.fromkeys(loser for one in named if (loser := _id(one)) and loser != record)
        if losers:
            yield RecordsMerged(**about, losers=tuple(losers))
            yield lookup
        else:
            yield Quarantined(object=shape.name, record=record, reason="merge: names no other record")
    elif what == "deletion":
        yield RecordGone(**about, reason="deleted")
    elif what == "privacyDeletion" and shape.kind == "person":
        yield PersonErased(**about, reason="erased in HubSpot for privacy")
    elif what == "restore":
        yield RecordRestored(**about)
        yield lookup
    else:
        yield Skipped(object=shape.name, record=record, reason="of a kind that means nothing here")


def _association(item: Mapping[str, Any], system: str, shapes: Mapping[str, Shape]) -> Iterator[ReadItem]:
    """Both ends are read again; a link that was taken away is told at once, for no record speaks of it any more."""
    words = str(item.get("associationType") or "").lower().split("_to_")
    ends = [
        (shapes.get(singular(word)), _id(item.get(name)))
        for word, name in zip(words, ("fromObjectId", "toObjectId"), strict=False)
    ]
    at = moment(item.get("occurredAt"))
    if len(words) != 2 or len(ends) != 2 or not all(id_ for _, id_ in ends) or at is None:
        yield Quarantined(object="", record="", reason="associationChange: what is associated is missing or malformed")
        return
    known = [(shape, id_) for shape, id_ in ends if shape is not None]
    if not known:
        yield Skipped(object="", record="", reason="of no mapped object")
    if item.get("associationRemoved") is True and len(known) == 2:
        for (shape, record), (other, other_record) in (known, known[::-1]):
            for name, role in shape.roles:
                if name == other.name:
                    yield RecordsLinked(
                        system=system, object=shape.name, kind=shape.kind, record=record, at=at,
                        key=f"{_key(system, item)}:{shape.name}:{role}", to_object=name, to_record=other_record,
                        to_kind=other.kind, role=role, present=False,
                    )  # fmt: skip
    for shape, id_ in known:
        yield Lookup(system=system, object=shape.name, record=id_)


def _key(system: str, item: Mapping[str, Any]) -> str:
    names = ("portalId", "subscriptionType", "eventType", "objectTypeId", "objectId", "fromObjectId", "toObjectId")
    told = [str(item[name])[:60] for name in (*names, "occurredAt", "eventId") if item.get(name) is not None]
    return f"{system}:{':'.join(told)}"[:250]


def _id(value: Any) -> str:
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return text if text.isascii() and text.isdigit() and len(text) < 30 else ""


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
