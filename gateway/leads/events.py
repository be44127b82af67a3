"""Events as the store keeps them: a small JSON body per type, with a version number, and back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from gateway.contracts import (
    ActivityHappened,
    Event,
    Kind,
    Money,
    OutcomeReported,
    PersonErased,
    RecordChanged,
    RecordConverted,
    RecordGone,
    RecordRestored,
    RecordsLinked,
    RecordsMerged,
)

VERSION = 1
TYPES: dict[str, type[Event]] = {
    kind.__name__: kind
    for kind in (
        RecordChanged,
        RecordGone,
        RecordRestored,
        RecordsMerged,
        RecordConverted,
        RecordsLinked,
        ActivityHappened,
        OutcomeReported,
        PersonErased,
    )
}


def body_of(event: Event) -> dict[str, Any]:
    """What makes this event more than its type, record and time, as JSON."""
    if isinstance(event, RecordChanged):
        body: dict[str, Any] = {
            "v": VERSION,
            "values": event.values if type(event.values) is dict else dict(event.values),
        }
        if blank := sorted(event.speaks_of - event.values.keys()):
            body["blank"] = blank
        if event.created:
            body["created"] = event.created.isoformat()
        return body
    body = {"v": VERSION}
    base = Event.__dataclass_fields__
    for name in type(event).__dataclass_fields__:
        if name not in base:
            value = getattr(event, name)
            if isinstance(value, datetime):
                value = value.isoformat()
            body[name] = [str(value.amount), value.currency] if isinstance(value, Money) else value
    return body


def event_from(
    type_: str,
    body: Mapping[str, Any],
    *,
    system: str,
    object: str,
    kind: Kind,
    record: str,
    at: datetime,
    key: str,
    precision: Any,
) -> Event:
    """The inverse of ``body_of``. Raises ``KeyError`` for a type this version does not know."""
    common: dict[str, Any] = {
        "system": system,
        "object": object,
        "kind": kind,
        "record": record,
        "at": at,
        "key": key,
        "precision": precision,
    }
    if type_ == "RecordChanged":
        created = body.get("created")
        return RecordChanged(
            **common,
            values=body["values"],
            speaks_of=frozenset(body["values"]) | frozenset(body.get("blank", ())),
            created=datetime.fromisoformat(created) if created else None,
        )
    extra = {name: value for name, value in body.items() if name != "v"}
    if type_ == "RecordsMerged":
        extra["losers"] = tuple(extra["losers"])
    if extra.get("wake"):
        extra["wake"] = datetime.fromisoformat(extra["wake"])
    if extra.get("amount"):
        extra["amount"] = Money(Decimal(extra["amount"][0]), extra["amount"][1])
    return TYPES[type_](**common, **extra)
