"""What receipts teach: the snapshot of a record, a new link to one, or that it moved or is gone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, select

from gateway.contracts import COMPANIONS, LIST, NOTICE, Event, Kind, Receipt, RecordGone, Write
from gateway.leads.record import Record, RecordWritten, Ref, fold
from gateway.store import tables as t
from gateway.store.among import among
from gateway.store.outbox import KNOWN
from gateway.store.rows import RECORD, event_row, record_of
from gateway.sync.receipts import Verdict
from gateway.times import from_micros, to_micros


@dataclass(frozen=True, slots=True)
class Settled:
    """One write with its receipt and what was decided."""

    row: Any
    write: Write
    receipt: Receipt
    verdict: Verdict


People = tuple[str, ...]
"""A lead to plan again; two of them when a record showed that they are one person"""


SECOND = 1_000_000
"""In microseconds."""


def learn(
    connection: Connection, settled: Sequence[Settled], owners: Mapping[str, str], now: int, began: int
) -> Learned:
    """What each receipt says of its record.

    :param owners: write → the lead it is about by now. :param began: when the call did; now, if there was none.
    """
    wanted = {ref for item in settled for ref in refs_of(item)}
    records: dict[Ref, Record] = {}
    c = t.records.c
    for system, object_ in {ref[:2] for ref in wanted}:
        ids = [ref[2] for ref in wanted if ref[:2] == (system, object_)]
        for row in connection.execute(
            # Some may be another lead's, whom nobody keeps from changing them.
            select(*RECORD).where(c.system == system, c.object == object_, among(c.record, ids)).with_for_update()
        ):
            record = record_of(row)
            records[record.ref] = record
    learned = Learned(records, now, began, frozenset(records))
    for item in settled:
        lead = owners.get(item.row.id, "")
        if item.receipt.code == KNOWN or not lead:  # nothing was said, or nobody is left whom it could be about
            continue
        if item.row.object == NOTICE:  # people were told, and no record of anybody
            continue
        learned.take(item, lead)
    return learned


@dataclass(slots=True)
class Learned:
    """What receipts said of their records: the snapshot, a new link, a moved or deleted one.

    News of a record that we just made can be faster than its receipt, and bring no key that leads to us: then the
    record has a lead of its own already, the same person.
    """

    records: dict[Ref, Record]
    now: int
    began: int
    stored: frozenset[Ref]
    """Which of the records were stored already"""
    events: list[dict[str, Any]] = field(default_factory=list)
    again: list[People] = field(default_factory=list)
    before: dict[str, Any] = field(default_factory=dict)
    """write → what its fields held before: [raw value, stamp], None = nobody knows"""

    def take(self, item: Settled, lead: str) -> None:
        """The receipt of a write that is about ``lead``."""
        row, receipt = item.row, item.receipt
        beside = row.object in COMPANIONS  # known under our key, wherever the system keeps it
        before = (row.system, row.object, row.key if beside else row.record or "")
        here = before if beside else (row.system, receipt.object or row.object, receipt.record or row.record or "")
        if receipt.result == "done":
            self._done(item, here, lead)
        elif receipt.result in ("gone", "moved") and before in self.records:
            moved = f"moved to {receipt.object} {receipt.record}" if receipt.result == "moved" else ""
            self._hear(before, partial(_gone, item, before, moved or receipt.message or "deleted over there"))
        if beside:
            if receipt.result == "done" and row.object == LIST and row.create:
                self.again.append((lead,))  # until now nobody knew that there is a place to leave
            return
        if receipt.result == "moved" or (receipt.result == "duplicate" and len(receipt.candidates) == 1):
            there = here if receipt.result == "moved" else (*before[:2], receipt.candidates[0])
            owner = self._link(there, lead)
            self.again.append((lead,) if owner == lead else (lead, owner))

    def _done(self, item: Settled, here: Ref, lead: str) -> None:
        apart = here in self.records and not self.records[here].enrolled
        owner = self._link(here, lead)
        if owner != lead and item.row.object in COMPANIONS:  # a split left it there: our key says whose it is
            self.records[here].entity = lead
            self.again.append((owner,))
        elif owner != lead:
            self.again.append((lead, owner))
        elif apart:  # it was first heard of as history, and what is to stand beside it was withdrawn
            self.again.append((lead,))
        record, fields = self.records[here], item.write.fields
        held = record.snapshot
        self.before[item.row.id] = {name: held[name][:2] if name in held else None for name in fields}
        for name in fields.keys() & record.holds.keys():  # something newer than what was taken back
            if record.holds[name][1] != fields[name]:
                del record.holds[name]
        self._hear(here, partial(_written, item, here))

    def _hear(self, ref: Ref, event_of: Callable[[datetime], Event]) -> None:
        """An answer is an event of its record, so that it is still known when older news comes. It is of the second in
        which we asked: somebody's edit before we heard the answer is newer, and many systems date by whole seconds."""
        record = self.records[ref]
        at = max(self.began - self.began % SECOND - 1, record.last[0] + 1)
        event = event_of(from_micros(at))
        fold(record, [(at, event)], None)
        self.events.append(event_row(event, at, event.key.removeprefix("write:"), self.now, record.mapping))

    def _link(self, ref: Ref, lead: str) -> str:
        """The record is the lead's, unless it is somebody's already. Returns whose."""
        record = self.records.setdefault(ref, Record(*ref, _kind(ref), lead, first_at=self.now))
        record.entity = record.entity or lead
        record.enrolled = True
        return record.entity


def refs_of(item: Settled) -> list[Ref]:
    row, receipt = item.row, item.receipt
    if row.object in COMPANIONS:
        return [(row.system, row.object, row.key)]
    refs = [(row.system, row.object, row.record)] if row.record else []
    if receipt.record:
        refs.append((row.system, receipt.object or row.object, receipt.record))
    if receipt.result == "duplicate" and len(receipt.candidates) == 1:
        refs.append((row.system, row.object, receipt.candidates[0]))
    return refs


def _written(item: Settled, ref: Ref, at: datetime) -> RecordWritten:
    """What the system answered, else what we sent; each value keeps the stamp of its origin."""
    sent, held, stamps = item.write.fields, item.receipt.held, item.row.stamps
    if ref[1] in COMPANIONS:  # of fields that are ours, whatever a system makes of them
        held = {"id": item.receipt.record, "of": next(iter(item.write.refs.values()), "")}
    values: dict[str, list[Any]] = {
        name: [raw, stamps.get(name, to_micros(at))] for name, raw in {**sent, **held}.items()
    }
    assumed = sorted(sent.keys() - held.keys()) if ref[1] not in COMPANIONS else []
    differing = {name: raw for name, raw in sent.items() if held.get(name, raw) != raw}
    found = item.row.state == "unknown" and item.row.create
    return RecordWritten(**_of(item, ref, at), values=values, assumed=assumed, sent=differing, found=found)


def _gone(item: Settled, ref: Ref, reason: str, at: datetime) -> RecordGone:
    return RecordGone(**_of(item, ref, at), reason=reason)


def _of(item: Settled, ref: Ref, at: datetime) -> dict[str, Any]:
    key = f"write:{item.row.id}"
    return {"system": ref[0], "object": ref[1], "kind": _kind(ref), "record": ref[2], "at": at, "key": key}


def _kind(ref: Ref) -> Kind:
    return COMPANIONS.get(ref[1], "person")
