"""What documents say, put into a batch: every item is new, known already, skipped or dead, and is booked as that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.contracts import (
    Document,
    Event,
    Lookup,
    Quarantined,
    RecordConverted,
    RecordsLinked,
    RecordsMerged,
    Skipped,
)
from gateway.leads.batch import Batch, Timed
from gateway.leads.record import Ref
from gateway.mapping.types import kind_of
from gateway.notices.subscriptions import NOTIFIED
from gateway.store.rows import event_row
from gateway.times import settled, to_micros


@dataclass(slots=True)
class Reading:
    """What ``read`` made of one document, or why it could not."""

    document: Document
    events: list[Event] = field(default_factory=list)
    lookups: list[Lookup] = field(default_factory=list)
    quarantined: list[Quarantined] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    failure: str = ""
    more: bool = False
    """Other parts of the document are worked after this one: it is not read yet"""


def told(readings: Sequence[Reading]) -> Iterator[Event]:
    """All events of some documents, repeats included."""
    return (event for reading in readings for event in reading.events)


def part(readings: Sequence[Reading], records: Collection[Ref]) -> tuple[list[Reading], list[Reading]]:
    """What the documents say of these records, and what is left of them: with its last part goes all else that a
    document says."""
    mine, left = [], []
    for one in readings:
        events: tuple[list[Event], list[Event]] = ([], [])
        for event in one.events:
            events[(event.system, event.object, event.record) in records].append(event)
        if not events[False]:
            mine.append(one)
            continue
        left.append(replace(one, events=events[False]))
        if events[True]:
            mine.append(replace(one, events=events[True], lookups=[], skipped=[], quarantined=[], more=True))
    return mine, left


def gather(readings: Sequence[Reading]) -> tuple[list[Timed], dict[str, int], set[str]]:
    """The distinct events of some documents with their settled times, when each was known, and which are history."""
    events: dict[str, Timed] = {}
    known_at: dict[str, int] = {}
    quiet: set[str] = set()
    for reading in readings:
        received = reading.document.received_at
        heard = to_micros(received)
        for event in reading.events:
            if event.key not in events:
                at, cut = settled(event.at, received)
                events[event.key] = (to_micros(at), replace(event, at=at) if cut else event)
                known_at[event.key] = heard
                if reading.document.history:
                    quiet.add(event.key)
    return list(events.values()), known_at, quiet


def record(
    batch: Batch, readings: Sequence[Reading], events: Sequence[Timed], hashes: Mapping[str, str]
) -> list[Timed]:
    """Book every item of the documents: what is new, known already, skipped, or dead. Returns the new events."""
    told = {event.key: (reading.document, event) for reading in reversed(readings) for event in reading.events}
    fresh = [timed for timed in events if timed[1].key not in batch.known]
    for reading in readings:
        document = reading.document
        if not reading.more:
            batch.documents.append(document.id)
        system = document.system
        batch.note(system, "read", "", len(reading.events) + len(reading.skipped) + len(reading.quarantined))
        for skipped in reading.skipped:
            batch.note(system, "skipped", skipped.reason)
        for position, item in enumerate(reading.quarantined):
            batch.note(system, "dead")
            if item.unmapped is not None:
                batch.unmapped[system, item.object, *item.unmapped] += 1
            batch.events.append(_dead(document, position, item, hashes.get(f"mapping:{system}", "")))
        for lookup in reading.lookups:
            batch.lookups.append(_lookup_row(lookup, batch.now))
            for name in lookup.because:
                batch.note(system, NOTIFIED, f"{lookup.object}.{name}")
    forgotten: list[Event] = []
    if batch.forgotten:
        left = [(at, event, _without(event, batch.forgotten)) for at, event in fresh]
        fresh = [(at, kept) for at, _, kept in left if kept is not None]
        forgotten = [event for _, event, kept in left if kept is None]
        naming = {event.key for _, event, kept in left if kept is not event}
        batch.unwanted |= {
            reading.document.id
            for reading in readings
            if any(event.key in naming or _ref(event) in batch.forgotten for event in reading.events)
        }
    for event in forgotten:
        batch.note(event.system, "skipped", "forgotten person")
    if parts := batch.already | {reading.document.id for reading in readings if reading.more}:
        batch.parts = parts & {told[event.key][0].id for _, event in fresh}
    for system, count in Counter(event.system for _, event in fresh).items():
        batch.note(system, "applied", "", count)
    heard = {reading.document.id: to_micros(reading.document.received_at) for reading in readings}
    for at, event in fresh:
        document, original = told[event.key]
        ref = (event.system, event.object, event.record)
        batch.told_by.setdefault(ref, set()).add(document.id)
        row = event_row(event, at, document.id, heard[document.id], hashes.get(f"mapping:{event.system}", ""))
        if original is not event and original.at != event.at:
            row["reason"] = "time lay in the future: cut to its receipt"
        batch.events.append(row)
    if repeats := _repeats(readings, [*(event for _, event in fresh), *forgotten]):
        for system, count in repeats.items():
            batch.note(system, "skipped", "known already", count)
        first = {key: document.id for key, (document, _) in told.items()} | batch.known
        batch.repeats = _named_by_none(batch, readings, first)
    return fresh


def _ref(event: Event) -> Ref:
    return (event.system, event.object, event.record)


def _named_by_none(batch: Batch, readings: Sequence[Reading], first: Mapping[str, str]) -> set[tuple[Ref, str]]:
    """(record, document) where all that the document says of it was told ``first`` by others. Nobody asks that a
    company be forgotten."""
    said = {
        (_ref(event), reading.document.id)
        for reading in readings
        for event in reading.events
        if event.kind != "company" and first[event.key] != reading.document.id
    }
    said = {one for one in said if one[0] not in batch.forgotten}
    return said - {((row["system"], row["object"], row["record"]), row["document"]) for row in batch.events}


def _without(event: Event, forgotten: Collection[Ref]) -> Event | None:
    """The event as it may be kept: not about people forgotten before, nor telling that they are somebody else."""
    if (event.system, event.object, event.record) in forgotten:
        return None
    if isinstance(event, RecordsMerged):
        losers = tuple(one for one in event.losers if (event.system, event.object, one) not in forgotten)
        return event if losers == event.losers else replace(event, losers=losers) if losers else None
    if isinstance(event, RecordConverted | RecordsLinked):
        return None if (event.system, event.to_object, event.to_record) in forgotten else event
    return event


def _repeats(readings: Sequence[Reading], fresh: Sequence[Event]) -> dict[str, int]:
    repeats: dict[str, int] = {}
    for reading in readings:
        repeats[reading.document.system] = repeats.get(reading.document.system, 0) + len(reading.events)
    for event in fresh:
        repeats[event.system] -= 1
    return {system: count for system, count in repeats.items() if count}


def _dead(document: Document, position: int, item: Quarantined, mapping: str) -> dict[str, Any]:
    at = to_micros(document.received_at)
    return {
        "key": f"{document.id}:{position}",
        "document": document.id,
        "system": document.system,
        "object": item.object,
        "record": item.record,
        "type": "Quarantined",
        "at": at,
        "known_at": at,
        "precision": "unknown",
        "body": {"v": 1},
        "mapping": mapping,
        "state": "dead",
        "reason": item.reason,
    }


def _lookup_row(lookup: Lookup, now: int) -> dict[str, Any]:
    return {
        "system": lookup.system,
        "object": lookup.object,
        "record": lookup.record,
        "fields": list(lookup.fields),
        "asked": 1,
        "due_at": now,
    }


def name_refused(batch: Batch) -> None:
    """Write onto each event which of its fields did not load: dropped, never silently, and never with the value."""
    refused: dict[tuple[str, str, str], list[str]] = {}
    for ref, name in batch.refused:
        refused.setdefault(ref, []).append(name)
    if not refused:
        return
    for row in batch.events:
        values = row["body"].get("values", {})
        names = [name for name in refused.get((row["system"], row["object"], row["record"]), ()) if name in values]
        if names:
            kinds = ", ".join(f"{name} ({kind_of(values[name])})" for name in sorted(set(names)))
            row["reason"] = f"fields dropped, they do not load: {kinds}"
            batch.note(row["system"], "field dropped", ", ".join(sorted(set(names))))
