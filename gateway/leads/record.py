"""One record as its system holds it: a snapshot of raw values, folded from events in the order of their time.

In: a record's events. Out: the snapshot (each field *held*, *blank* or *unknown*) and the facts that the mapping's
rules and the source itself made of them. Folding is a pure function of the sorted set of events: an event that
arrives late makes the caller fold the whole set again, so any order of arrival ends in the same place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from marshmallow import ValidationError

from gateway.contracts import (
    ActivityHappened,
    Event,
    Kind,
    OutcomeReported,
    RecordChanged,
    RecordGone,
    RecordRestored,
)
from gateway.times import to_micros

Ref = tuple[str, str, str]
"""(system, object, record id)"""
Snapshot = dict[str, list[Any]]
"""system field → [raw value, or None when blank; stamp in microseconds]. A field that is absent is unknown.

A third entry says that the time of the edit is not well known: it lies anywhere between the stamp and this. Where it
is the stamp again, nobody edited: it is what the system made of a write of ours."""
Fact = ActivityHappened | OutcomeReported
DAY = 24 * 3600 * 1_000_000
"""Microseconds."""
ECHO = 300 * 1_000_000
"""Microseconds before a receipt in which the system may date our own write: nobody else edited the value there."""


class Rules(Protocol):
    """The part of an object's mapping that makes facts of observed values."""

    @property
    def inbound(self) -> Mapping[str, Any]: ...

    def listens(self, event: RecordChanged) -> bool: ...
    def emit(self, before: dict[str, Any], event: RecordChanged) -> list[Any]: ...


@dataclass(slots=True)
class Record:
    """A link: this record belongs to ``entity`` (a lead, company or deal id). ``last``: newest (time, key) folded."""

    system: str
    object: str
    record: str
    kind: Kind
    entity: str = ""
    snapshot: Snapshot = field(default_factory=dict, repr=False)
    first_at: int = 0
    created_at: int | None = None
    last: tuple[int, str] = (-(1 << 62), "")
    mapping: str = ""
    main: bool = True
    enrolled: bool = False
    gone: str | None = None
    assumed: list[str] = field(default_factory=list)
    holds: dict[str, list[Any]] = field(default_factory=dict, repr=False)
    """Fields that an undo put back: see ``sync.holds``."""
    told: dict[str, list[Any]] = field(default_factory=dict, repr=False)
    """field → [raw value we last sent, when we sent the same before that, when we sent it]; the middle one may miss"""
    contested: list[str] = field(default_factory=list)
    """Fields that the system changes back whenever we write them: left alone until a person decides."""
    stored: tuple[str, int, str] | None = None
    """(entity, *last) as it was loaded; None = not stored yet"""
    kept: tuple[Any, ...] | None = None
    """``rest`` as it was loaded"""
    dirty: bool = False

    @property
    def ref(self) -> Ref:
        return (self.system, self.object, self.record)

    @property
    def absorbed(self) -> bool:
        """Its system merged or converted it into another record: it stays gone, whatever else is heard of it."""
        return self.gone is not None and self.gone.startswith(("merged into ", "converted"))

    @property
    def known(self) -> bool:
        """False for a placeholder: something was linked to this record before we ever saw it."""
        return bool(self.snapshot) or self.last[1] != ""

    @property
    def rest(self) -> tuple[Any, ...] | None:
        """What news mostly leaves as it is: all but the snapshot and ``last``. None = it holds more, which may move."""
        if self.assumed or self.holds or self.told or self.contested:
            return None
        return self.entity, self.first_at, self.created_at, self.mapping, self.main, self.enrolled, self.gone

    def held(self) -> dict[str, Any]:
        """The raw values that are neither blank nor unknown."""
        return {name: entry[0] for name, entry in self.snapshot.items() if entry[0] is not None}

    def forget(self) -> None:
        """Back to before the first event, for folding the whole set again. What links it to others stays."""
        self.snapshot, self.created_at, self.assumed, self.told = {}, None, [], {}
        if not self.absorbed:
            self.gone = None
        self.last = (-(1 << 62), "")
        self.dirty = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordWritten(Event):
    """What a receipt taught us: the system holds these values. Stamps are those of the values' origin."""

    values: dict[str, list[Any]]
    assumed: list[str]
    """Fields of ``values`` that we sent and the system did not answer."""
    sent: dict[str, Any] = field(default_factory=dict, repr=False)
    """What we sent, where the system answered something else."""
    found: bool = False
    """The write made the record and got no answer; it was found later. What is known of it from news came after."""


def fold(record: Record, events: Iterable[tuple[int, Event]], rules: Rules | None) -> list[Fact]:
    """Fold ``events`` — sorted by (time in microseconds, key), none before ``record.last`` — and return their facts."""
    facts: list[Fact] = []
    for at, event in events:
        if isinstance(event, RecordChanged):
            if rules is not None and (rules.listens(event) or not _speaks(record.snapshot)):
                facts += rules.emit(record.held(), event)
            _change(record, event, at, rules)
        elif isinstance(event, (ActivityHappened, OutcomeReported)):
            facts.append(event)
        elif isinstance(event, RecordWritten):
            _written(record, event)
        elif isinstance(event, (RecordGone, RecordRestored)) and not record.absorbed:
            record.gone = event.reason if isinstance(event, RecordGone) else None
        if not record.first_at or at < record.first_at:
            record.first_at = at
        record.last = (at, event.key)
        record.dirty = True
    return facts


def _speaks(snapshot: Snapshot) -> bool:
    """Whether it holds a value; mostly its first field does."""
    for entry in snapshot.values():  # noqa: SIM110 - a generator is made for most pieces of news
        if entry[0] is not None:
            return True
    return False


def _change(record: Record, event: RecordChanged, at: int, rules: Rules | None) -> None:
    snapshot, values = record.snapshot, event.values
    for name in event.speaks_of:
        raw = values.get(name)
        entry = snapshot.get(name)
        if entry is None:
            snapshot[name] = [raw, at]
            continue
        held = entry[0]
        # A record-level time says nothing of the fields that stayed as they were: they keep their older stamp.
        if held != raw or held.__class__ is not raw.__class__:
            same = _echo(record, name, held, raw, rules)
            snapshot[name] = [raw, *entry[1:]] if same else [raw, at, *_spread(event, at, entry[1])]
    if record.assumed:
        record.assumed = [name for name in record.assumed if name not in event.speaks_of]
    if event.created is not None:
        created = to_micros(event.created)
        if record.created_at is None or created < record.created_at:
            record.created_at = created


def _spread(event: RecordChanged, at: int, before: int) -> tuple[int, ...]:
    """The other end of the time in which an edit happened, where that is no moment: it came after the value before."""
    if event.precision == "day":
        return (at + DAY - 1,)
    return (before + 1,) if event.precision == "unknown" and before < at else ()


def _echo(record: Record, name: str, held: Any, raw: Any, rules: Rules | None) -> bool:
    """The value we hold in the system's own spelling, ``60`` or ``"60"``: nobody changed it, so its stamp stays."""
    rule = rules.inbound.get(name) if rules else None
    if rule is None or held is None or raw is None or not (name in record.assumed or type(held) is not type(raw)):
        return False
    try:
        return bool(rule.load(held) == rule.load(raw))
    except ValidationError:
        return False


def _written(record: Record, event: RecordWritten) -> None:
    at = to_micros(event.at)
    for name, (raw, stamp) in event.values.items():
        entry = record.snapshot.get(name)
        newer = event.found and name in event.assumed and entry is not None
        if not newer and (entry is None or entry[0] != raw or entry[1] > at - ECHO):
            record.snapshot[name] = [raw, stamp, stamp] if name in event.sent else [raw, stamp]
        sent = event.sent.get(name, raw)
        before = record.told.get(name)
        record.told[name] = [sent, before[-1], at] if before and before[0] == sent else [sent, at]
    record.assumed = sorted(({*record.assumed} - event.values.keys()) | {*event.assumed})


def primary(records: Iterable[Record]) -> Record | None:
    """Of one lead's records of one object the one that is written to: one that is there, the main one if it is."""
    return min((r for r in records if r.gone is None), key=lambda r: (not r.main, r.ref), default=None)
