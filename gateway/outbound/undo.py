"""Take back what a push wrote: plan it field by field, hold what is put back, release it again.

An undo sends nothing itself. It puts holds on records (``sync.holds``), and the next plan wants there what was there
before: so what it writes is planned, sent, retried and shown like any other write.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway.contracts import COMPANIONS
from gateway.errors import NotFound, Refused
from gateway.leads.lead import Lead
from gateway.leads.record import Ref
from gateway.outbound.planner import walk
from gateway.outbound.wanted import wanted_writes
from gateway.store import pushes
from gateway.store.database import read, write
from gateway.sync.holds import Hold, hold_of
from gateway.sync.planning import same
from gateway.times import to_micros

if TYPE_CHECKING:
    from gateway.runtime import Gateway

CHUNK = 500
"""Leads that are looked at together."""


@dataclass(frozen=True, slots=True)
class Change:
    """One field that a push wrote. Raw values. ``left``: why it cannot be put back; empty = it can.

    ``held``: what the record is known to hold now, None also where nothing is known.
    """

    ref: Ref
    lead: str
    field: str
    before: Any
    sent: Any
    held: Any
    left: str = ""
    stamp: int = 0


@dataclass(frozen=True, slots=True)
class Undo:
    """``created``: records that the push made; they stay. ``beside``: its tasks and places on lists, which stay too."""

    push: str
    system: str
    changes: Sequence[Change]
    created: Sequence[tuple[Ref, str]]
    beside: int

    @property
    def possible(self) -> list[Change]:
        return [change for change in self.changes if not change.left]


def planned(gateway: Gateway, push: str) -> Undo:
    """What can be put back of a push, and what not, with the reason; as last heard of the system. Changes nothing.

    Raises ``NotFound`` when there is no such push.
    """
    with read(gateway.store.main) as connection:
        rows = pushes.writes(connection, push)
        later = pushes.later(connection, push, rows)
        made = pushes.made(connection, [row.id for row in rows if row.create and row.object not in COMPANIONS])
    if not rows:
        raise NotFound(f"no push {push!r} has written anything; `gateway undo` lists those that have")
    changes: list[Change] = []
    updates = [row for row in rows if row.object not in COMPANIONS and not row.create]
    for lead, theirs in _by_lead(gateway, updates):
        changes += _changes(gateway, lead, theirs, push, later)
    created = [((row.system, row.object, made[row.id]), row.lead) for row in rows if row.id in made]
    return Undo(push, rows[0].system, changes, created, sum(row.object in COMPANIONS for row in rows))


def undo(gateway: Gateway, push: str) -> tuple[Undo, int]:
    """Put back what can be: hold it, and plan it as writes. Returns what was planned, and how many writes wait now.

    Raises ``Refused`` when the system is off: nothing could be sent.
    """
    plan = planned(gateway, push)
    if plan.system not in gateway.model.active:
        raise Refused(f"{plan.system}: outbound is off, nothing could be put back; `gateway activate {plan.system}`")
    at = to_micros(gateway.now())
    holds: dict[str, dict[Ref, dict[str, list[Any]]]] = {}
    for one in plan.possible:
        theirs = holds.setdefault(one.lead, {}).setdefault(one.ref, {})
        theirs[one.field] = list(Hold(one.sent, one.before, one.stamp, at, push))
    leads = sorted(holds)
    for start in range(0, len(leads), CHUNK):  # broken off, it goes on where it was
        chunk = leads[start : start + CHUNK]
        with write(gateway.store.main) as connection:
            for lead in chunk:
                pushes.hold(connection, holds[lead])
        _plan_again(gateway, chunk)
    with read(gateway.store.main) as connection:
        return plan, pushes.waiting(connection, plan.system, leads)


def release(gateway: Gateway, push: str) -> int:
    """Hold nothing any more that an undo of ``push`` put back: it is written again as far as it is still wanted.

    Returns how many fields. Raises ``NotFound`` when none is held.
    """
    with write(gateway.store.main) as connection:
        released = pushes.release(connection, push)
    if not released:
        raise NotFound(f"nothing of push {push!r} is held; `gateway undo` lists what is")
    _plan_again(gateway, sorted({lead for lead, _ in released}))
    return sum(count for _, count in released)


def _plan_again(gateway: Gateway, leads: Sequence[str]) -> None:
    for start in range(0, len(leads), CHUNK):
        gateway.observe(gateway.pipeline.run((), leads[start : start + CHUNK], cause="person"))


def _by_lead(gateway: Gateway, rows: Sequence[Any]) -> Iterator[tuple[Lead, list[Any]]]:
    theirs: dict[str, list[Any]] = {}
    for row in rows:
        theirs.setdefault(row.lead, []).append(row)
    ids = sorted(theirs)
    for start in range(0, len(ids), CHUNK):
        for batch in walk(gateway, ids[start : start + CHUNK]):
            yield from ((lead, theirs[id_]) for id_, lead in sorted(batch.leads.items()) if id_ in theirs)


def _changes(
    gateway: Gateway, lead: Lead, rows: Sequence[Any], push: str, later: Mapping[tuple[Ref, str], str]
) -> Iterator[Change]:
    """The first value before and the last one sent, of each field of each record."""
    first: dict[tuple[Ref, str], Any] = {}
    sent: dict[tuple[Ref, str], Any] = {}
    for row in rows:
        for name, before in (row.before or dict.fromkeys(row.fields)).items():  # emptied, it tells its fields alone
            key = ((row.system, row.object, row.record), name)
            first.setdefault(key, before)
            sent[key] = row.fields[name]
    system = rows[0].system
    objects = {one.name: one for one in gateway.model.objects.get(system, ())}
    newer = {
        (wanted.object, name): raw
        for wanted in wanted_writes(lead, gateway.model, to_micros(gateway.now()), [system])
        for name, raw in wanted.fields.items()
    }
    for (ref, name), before in first.items():
        record, object_ = lead.records.get(ref), objects.get(ref[1])
        rule = object_.outbound.get(name) if object_ is not None else None
        value = sent[ref, name]
        if before is not None and same(rule, before[0], value):
            continue  # it held that before
        held = record.snapshot.get(name, [None])[0] if record is not None else None
        hold = hold_of(record, name)
        if lead.erased_at is not None:
            left = "the person is forgotten"
        elif record is None or record.gone is not None:
            left = f"the record is gone over there: {record.gone}" if record is not None else "it is another lead's now"
        elif hold is not None and hold.push == push:
            left = "put back already" if same(rule, held, hold.before) else "is being put back already"
        elif before is None:
            left = "nobody knows what it held before"
        elif (ref, name) in later:
            left = f"written again since, by push {later[ref, name]}"
        elif not same(rule, held, value):
            left = f"changed in {system} since"
        elif object_ is None or not object_.update:
            left = f"its mapping never updates a {ref[1]}"
        elif (ref[1], name) in newer:
            left = "a newer value is about to be written"
        else:
            left = ""
        raw, stamp = before if before is not None else (None, 0)
        yield Change(ref, lead.id, name, raw, value, held, left, int(stamp))
