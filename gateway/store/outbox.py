"""Writes on their way out: claimed under a lease, sent, given back, tried again. ``booking`` takes their receipts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, case, func, not_, or_, select, tuple_, update

from gateway.contracts import COMPANIONS, NOTICE
from gateway.errors import StaleCommit
from gateway.leads.record import Record, primary
from gateway.store import bells
from gateway.store import tables as t
from gateway.store.among import among
from gateway.store.put import Put
from gateway.store.rows import RECORD, record_of
from gateway.times import from_micros

KNOWN = "known already"
"""Code of a receipt that the gateway gave itself: nothing was left to say."""
SENDING = "on its way"
"""Code of a leased write that its worker is sending, or looking up, right now."""
DIED = "worker died"
"""Code of a write that was being sent when its worker died."""
SILENT = "no answer"
"""Code of a write to a system that does not answer: of the one that was the probe, and of those that were held back."""
HELD = "drift:"
"""What the codes of writes that are on hold begin with: then the alarm's key."""
_w, _r, _l = t.writes.c, t.records.c, t.leads.c
_record = select(_r.record).where(_r.entity == _w.lead, _r.system == _w.system, _r.kind == "person", _r.gone.is_(None))
_forgotten = select(_l.id).where(_l.id == _w.lead, _l.erased_at.is_not(None))
BLOCKED = and_(among(_w.object, COMPANIONS), not_(_record.exists()), not_(_forgotten.exists()))
"""What stands beside a person's record that is not there: it says nothing of its system, and may wait for ever where
somebody gave that record up."""
ALONE = 2
"""After so many tries such a write goes alone: it may be what the worker dies of."""


def any_due(connection: Connection, system: str, now: int) -> bool:
    """Whether ``claim`` may find something. Who only asks need not keep others from writing."""
    w = t.writes.c
    due = select(w.id).where(w.system == system, w.state.in_(("waiting", "unknown")), _due(now))
    return connection.scalar(due.limit(1)) is not None


def _due(now: int) -> ColumnElement[bool]:
    """What was planned at a time that is still to come, by a clock that has gone back since, need not wait for it."""
    w = t.writes.c
    return or_(w.due_at <= now, and_(w.planned_at > now, w.code == "", w.attempts == 0))


def claim(connection: Connection, system: str, worker: str, now: int, limit: int = 1000, push: str = "") -> list[Any]:
    """Lease the writes of one system that are due, most urgent first; one per lead and object is on its way at a time.

    The transaction's lock is ``turn(system)``: of two who claim at once, the other would take a lead's next write.

    While nobody knows whether a write arrived, no other goes: it could make a second record. What stands beside a
    person's record is due when that one is known.

    :param push: the name under which all of this can be undone; the minute's by default.
    """
    w = t.writes.c
    beside = among(w.object, COMPANIONS)
    # By lead, not by key: a merged lead has writes under several.
    whom = (case((or_(beside, w.object == NOTICE), w.key), else_=func.coalesce(w.lead, w.key)), w.object)
    busy = select(*whom).where(w.system == system)
    sure = and_(w.state == "waiting", tuple_(*whom).not_in(busy.where(w.state.in_(("leased", "unknown")))))
    unsure = and_(w.state == "unknown", tuple_(*whom).not_in(busy.where(w.state == "leased")))
    due = (
        select(w.id, *whom, and_(w.code == DIED, w.attempts >= ALONE))
        .where(w.system == system, w.state.in_(("waiting", "unknown")), or_(sure, unsure), _due(now))
        .where(not_(BLOCKED))
        .order_by(w.priority, w.due_at, w.id)
        .limit(limit)
        .with_for_update(of=t.writes, skip_locked=True)  # somebody else is at those: they are found at the next look
    )
    first: dict[tuple[str, str], str] = {}
    for id_, *one, suspect in connection.execute(due).all():  # to the end: an unfinished read would keep its view
        if suspect and first:
            break
        first.setdefault((one[0], one[1]), id_)
        if suspect:
            break
    if not first:
        return []
    ids = list(first.values())
    rows = connection.execute(select(t.writes).where(among(w.id, ids)).order_by(w.priority, w.due_at, w.id)).all()
    push = push or push_name(system, now)
    leased = {"state": "leased", "lease": worker, "beat": w.beat + 1, "push": push}
    connection.execute(update(t.writes).where(among(w.id, ids)).values(leased))
    return list(rows)


def turn(system: str) -> str:
    """The lock of who claims writes of ``system``; it keeps nobody else from anything."""
    return f"claim {system}"


def push_name(system: str, now: int, seconds: bool = False) -> str:
    """What was sent to a system in one minute, or second, has a name that people can type: ``crm-20260601-1207``."""
    return f"{system}-{from_micros(now):{'%Y%m%d-%H%M%S' if seconds else '%Y%m%d-%H%M'}}"


def on_hold(connection: Connection, system: str) -> set[str]:
    """The codes of the writes that wait for an alarm's end."""
    w = t.writes.c
    held = select(w.code).where(w.system == system, w.state == "waiting", w.code.startswith(HELD, autoescape=True))
    return set(connection.scalars(held.distinct()))


def let_go(connection: Connection, system: str, codes: Collection[str], now: int, limit: int) -> list[str]:
    """Some of the writes on hold under these codes are due again. Returns whose they are. What somebody else is at just
    now is left for the next time."""
    w = t.writes.c
    mine = select(w.id, w.lead).where(w.system == system, w.state == "waiting", among(w.code, codes))
    free = mine.order_by(w.priority, w.id).limit(limit).with_for_update(skip_locked=True)
    rows = connection.execute(free).all()
    let = update(t.writes).where(among(w.id, [row.id for row in rows]))
    connection.execute(let.values(code="", message="", due_at=now))
    return [row.lead or "" for row in rows]


def waiting(connection: Connection, leads: Collection[str]) -> dict[tuple[str, str], dict[str, Any]]:
    """(system, key) → fields of the writes that wait for these leads."""
    w = t.writes.c
    rows = connection.execute(select(w.system, w.key, w.fields).where(w.state == "waiting", among(w.lead, leads)))
    return {(row.system, row.key): row.fields for row in rows}


def maybe_made(connection: Connection, leads: Collection[str]) -> list[tuple[str, str]]:
    """(system, object) of the records that are just being made of these leads, or may have been."""
    w = t.writes.c
    rows = select(w.system, w.object).where(among(w.lead, leads), w.create, w.state.in_(("leased", "unknown")))
    rows = rows.where(not_(among(w.object, {*COMPANIONS, NOTICE}))).order_by(w.system, w.object).distinct()
    return [(row.system, row.object) for row in connection.execute(rows)]


def give_back(connection: Connection, system: str, worker: str) -> int:
    """Writes a dead worker had on their way: nobody knows whether they arrived, so they are looked up first."""
    w = t.writes.c
    result = connection.execute(
        update(t.writes)
        .where(w.system == system, w.state == "leased", w.lease == worker)
        .values(state="unknown", lease="")
    )
    return int(result.rowcount)


def being_sent(connection: Connection, system: str, worker: str) -> list[Any]:
    """The writes that ``worker`` was sending when it was last heard of."""
    w = t.writes.c
    mine = select(t.writes).where(w.system == system, w.state == "leased", w.lease == worker, w.code == SENDING)
    return list(connection.execute(mine).all())


def sending(connection: Connection, worker: str, ids: Sequence[str]) -> None:
    """``worker`` lives, and is about to send these. Raises ``StaleCommit`` when others have taken them over."""
    w = t.writes.c
    mine = and_(w.state == "leased", w.lease == worker)
    connection.execute(update(t.writes).where(mine).values(beat=w.beat + 1))
    held = connection.execute(update(t.writes).where(mine, among(w.id, ids)).values(code=SENDING))
    if held.rowcount != len(ids):
        raise StaleCommit("another worker took over these writes")


def leases(connection: Connection, system: str) -> dict[str, int]:
    """Who holds leases on writes of ``system``, with the sum of the beats: it moves as long as the holder lives."""
    w = t.writes.c
    rows = connection.execute(
        select(w.lease, func.sum(w.beat)).where(w.system == system, w.state == "leased").group_by(w.lease)
    )
    return {row[0]: int(row[1]) for row in rows}


Whose = tuple[str, ...]
"""(lead, system, object) of a record; what stands beside one has its key as well: a lead may have several"""


def whose(lead: str, system: str, object_: str, key: str) -> Whose:
    return (lead, system, object_, key) if object_ in COMPANIONS or object_ == NOTICE else (lead, system, object_)


@dataclass(frozen=True, slots=True)
class Links:
    """The primary living records of some leads, and of their people: (lead, system) → object → record id."""

    records: Mapping[Whose, Record]
    people: Mapping[tuple[str, str], Mapping[str, str]]


def links(connection: Connection, rows: Sequence[Any]) -> Links:
    """What the systems have of each write's lead."""
    ids = {row.lead for row in rows if row.lead}
    theirs: dict[Whose, list[Record]] = {}
    people: dict[tuple[str, str], dict[str, str]] = {}
    c = t.records.c
    of_system = among(c.system, {row.system for row in rows})
    for row in connection.execute(select(*RECORD).where(among(c.entity, ids), of_system)):
        record = record_of(row)
        theirs.setdefault(whose(record.entity, record.system, record.object, record.record), []).append(record)
    mains = {of: main for of, records in theirs.items() if (main := primary(records)) is not None}
    for (lead, system, object_, *_), record in mains.items():
        if record.kind == "person":
            people.setdefault((lead, system), {})[object_] = record.record
    return Links(mains, people)


def counts(connection: Connection) -> Mapping[str, Mapping[str, int]]:
    """system → state → how many writes."""
    w = t.writes.c
    found: dict[str, dict[str, int]] = {}
    for system, state, count in connection.execute(select(w.system, w.state, func.count()).group_by(w.system, w.state)):
        found.setdefault(system, {})[state] = count
    return found


def retry(
    connection: Connection,
    now: int,
    ids: Collection[str] | None,
    system: str | None,
    anyway: bool = False,
    apart: int = 0,
) -> int:
    """Dead letters back into the queue; those that a newer write has overtaken stay dead. Returns how many.

    :param anyway: a person knows who is there already, and wants a record made all the same.
    :param apart: microseconds between two of them, the oldest first: a system that has just come back is not run over.
    """
    w = t.writes.c
    newer = t.writes.alias()
    same = and_(newer.c.system == w.system, newer.c.key == w.key, newer.c.id > w.id, newer.c.state != "superseded")
    dead = select(w.id, w.system).where(w.state == "dead", ~select(newer.c.id).where(same).exists())
    dead = dead.where(among(w.id, ids)) if ids is not None else dead
    dead = dead.where(w.system == system) if system is not None else dead
    rows = connection.execute(dead.order_by(w.id).with_for_update(of=t.writes)).all()  # a batch may be overtaking them
    if rows:
        again = {"state": "waiting", "attempts": 0, "finished_at": None, **({"anyway": True} if anyway else {})}
        connection.execute(
            update(t.writes).where(w.id == bindparam("one")).values(again | {"due_at": bindparam("at")}),
            [{"one": row.id, "at": now + place * apart} for place, row in enumerate(rows)],
        )
        bells.ring(connection, *{bells.deliver(row.system) for row in rows})
        per_system: dict[str, int] = {}
        for row in rows:
            per_system[row.system] = per_system.get(row.system, 0) + 1
        Put(connection).count(
            t.tallies,
            [{"system": s, "what": "write dead", "reason": "", "count": -n} for s, n in sorted(per_system.items())],
        )
    return len(rows)
