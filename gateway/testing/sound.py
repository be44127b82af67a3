"""What an item is that the gateway can keep, whatever source gives it."""

from __future__ import annotations

from dataclasses import fields as dataclass_fields
from datetime import datetime, timedelta
from typing import get_args

import orjson

from gateway.contracts import OUTCOMES, Event, Kind, OutcomeReported, Quarantined, ReadItem, RecordChanged, Skipped
from gateway.testing.hostile import MARK


def sound(item: ReadItem, system: str) -> None:
    """An event that the gateway can keep; a reason that tells no value."""
    if isinstance(item, Quarantined | Skipped):
        assert item.reason.strip(), f"{type(item).__name__}: without a reason"
        assert MARK not in item.reason, f"{type(item).__name__}: the reason tells a value"
        return
    name = f"{type(item).__name__} of {item.object!r}"
    assert item.system == system, f"{name}: of the system {item.system!r}"
    assert item.object, f"{name}: of no object"
    assert isinstance(item.record, str), f"{name}: a record's id is a text, not {type(item.record).__name__}"
    assert item.record, f"{name}: of no record"
    if not isinstance(item, Event):
        return
    assert type(item) is not Event, f"{name}: an event of no sort; take one of its subclasses"
    assert item.kind in get_args(Kind), f"{name}: {item.kind!r} is none of {', '.join(get_args(Kind))}"
    assert isinstance(item.key, str), f"{name}: a key is a text, not {type(item.key).__name__}"
    assert item.key, f"{name}: without a key"
    for one in dataclass_fields(item):
        at = getattr(item, one.name)
        if isinstance(at, datetime):
            assert at.utcoffset() == timedelta(0), f"{name}: {one.name} is not in UTC"
    if isinstance(item, RecordChanged):
        unsaid = sorted(set(item.values) - item.speaks_of)
        assert not unsaid, f"{name}: values of fields it does not speak of: {', '.join(unsaid)}"
        try:
            orjson.dumps(dict(item.values))
        except TypeError as exc:
            raise AssertionError(f"{name}: values that JSON cannot hold ({exc})") from exc
    if isinstance(item, OutcomeReported):
        assert item.outcome in OUTCOMES, f"{name}: {item.outcome!r} is none of {', '.join(OUTCOMES)}"
