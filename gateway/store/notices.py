"""Rows of notices: what happened that nobody was told of yet, states that begin and end, and who tells each once.

A notice's key names what it is about, so that it is one, however often and by how many it is found. Whoever sets
``told_at`` first tells it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, String, and_, case, func, literal, literal_column, select, text, union_all, update

from gateway.journey.notify import ESCALATION, EXPIRY, HANDOFF, REASSIGNED, STEP, WARNING
from gateway.journey.words import CLOCK
from gateway.store import tables as t
from gateway.store.among import among
from gateway.store.outbox import BLOCKED, SILENT
from gateway.store.put import Put
from gateway.store.times import new_id

MOST = 500
"""Notices that are found or told in one sweep."""
CLOCK_KINDS = {"warned": WARNING, "escalated": ESCALATION, "reassigned": REASSIGNED, "moved": REASSIGNED}
_n, _h, _e, _s, _k = t.notices.c, t.handoffs.c, t.endings.c, t.steps.c, t.clock_events.c
_OPEN = text("(ended_at IS NULL OR told_at IS NULL OR end_told_at IS NULL)")
"""As its index is written, which serves no other spelling."""


@dataclass(frozen=True, slots=True)
class Happened:
    """One thing to tell. ``at``: business time in microseconds."""

    kind: str
    subject: str
    lead: str | None
    at: int
    words: str = ""

    @property
    def key(self) -> str:
        return f"{self.kind}:{self.subject}"


def opened(connection: Connection, since: int) -> list[Happened]:
    """Handoffs opened, or released, at ``since`` or later that nobody was told of."""
    is_open = _h.state.concat("") == "open"  # not by the index of states: most of a million may be open, few are new
    untold = select(_h.id, _h.lead, _h.decided_at).where(_h.opened_at >= since, is_open, ~_known(HANDOFF, _h.id))
    rows = connection.execute(untold.order_by(_h.opened_at, _h.id).limit(MOST))
    return [Happened(HANDOFF, row.id, row.lead, row.decided_at) for row in rows]


def expired(connection: Connection, since: int) -> list[Happened]:
    """Handoffs that the clock ended at ``since`` or later."""
    subject = _e.handoff.concat(":").concat(_e.decided_at.cast(String))
    rows = connection.execute(
        select(_e.handoff, _e.decided_at, _h.lead)
        .join(t.handoffs, _h.id == _e.handoff)
        .where(_e.decided_at >= since, _e.what == "end", _e.by == CLOCK, ~_known(EXPIRY, subject))
        .order_by(_e.decided_at)
        .limit(MOST)
    )
    return [Happened(EXPIRY, f"{row.handoff}:{row.decided_at}", row.lead, row.decided_at) for row in rows]


def clock_events(connection: Connection, since: int) -> list[Happened]:
    """What the first-response clock did at ``since`` or later, with whose handoffs became."""
    kind = case(*((_k.kind == name, kind) for name, kind in CLOCK_KINDS.items()), else_="")
    known = select(_n.id).where(_n.key == kind.concat(":").concat(_k.handoff).concat(":").concat(_k.id)).exists()
    rows = connection.execute(
        select(_k.id, _k.handoff, _k.lead, _k.kind, _k.at, _k.reason)
        .where(_k.at >= since, _k.kind.in_(list(CLOCK_KINDS)), ~known)
        .order_by(_k.at, _k.id)
        .limit(MOST)
    )
    return [
        Happened(
            CLOCK_KINDS[row.kind],
            f"{row.handoff}:{row.id}",
            row.lead,
            row.at,
            row.reason if row.kind == "reassigned" else "",  # of the others a person may have typed it
        )
        for row in rows
    ]


def asked_steps(connection: Connection) -> list[Happened]:
    """Steps of stages that want somebody told."""
    rows = connection.execute(
        select(_s.id, _s.lead, _s.at, _s.stage).where(_s.state == literal_column("'waiting'")).limit(MOST)
    )
    return [Happened(STEP, row.id, row.lead, row.at, row.stage) for row in rows]


def steps_told(connection: Connection, ids: Collection[str]) -> None:
    connection.execute(update(t.steps).where(among(_s.id, ids), _s.state == "waiting").values(state="done"))


def lasting(connection: Connection) -> list[Any]:
    """The rows of what lasts, or is yet to be told."""
    return list(connection.execute(select(t.notices).where(_OPEN).order_by(_n.id)))


def happened(connection: Connection, found: Sequence[Happened], lasts: bool) -> None:
    """Note each once. What does not last has no end to be told."""
    rows = [
        {
            "id": new_id(),
            "key": one.key,
            "kind": one.kind,
            "subject": one.subject,
            "lead": one.lead,
            "words": one.words,
            "began_at": one.at,
            "ended_at": None if lasts else one.at,
            "end_told_at": None if lasts else one.at,
        }
        for one in found
    ]
    Put(connection).insert(t.notices, rows, ignore=True)


def ended(connection: Connection, ids: Collection[str], now: int) -> None:
    """These states are over; one that begins anew is another. What ended untold is told no more."""
    over = {"ended_at": now, "key": _n.key.concat(":").concat(_n.id)}
    connection.execute(update(t.notices).where(among(_n.id, ids), _n.ended_at.is_(None)).values(over))
    silent = {"told_at": now, "end_told_at": now}
    connection.execute(update(t.notices).where(among(_n.id, ids), _n.told_at.is_(None)).values(silent))


def take(connection: Connection, now: int) -> tuple[list[Any], list[Any]]:
    """The rows whose begin, and whose end, the caller is to tell: nobody else will."""
    begins = select(_n.id).where(_OPEN, _n.told_at.is_(None)).order_by(_n.id).limit(MOST)
    ends = select(_n.id).where(_OPEN, _n.ended_at.is_not(None), _n.told_at.is_not(None), _n.end_told_at.is_(None))
    told = update(t.notices).where(_n.id.in_(begins), _n.told_at.is_(None)).values(told_at=now)
    end_told = update(t.notices).where(_n.id.in_(ends), _n.end_told_at.is_(None)).values(end_told_at=now)
    over = list(connection.execute(end_told.returning(t.notices)))
    return list(connection.execute(told.returning(t.notices))), over


def known(connection: Connection, keys: Collection[str]) -> set[str]:
    """Which of these are noted already."""
    return set(connection.scalars(select(_n.key).where(among(_n.key, keys))))


# -- what messages are made of -----------------------------------------------------------------------------------------


def handoffs(connection: Connection, ids: Collection[str]) -> dict[str, Any]:
    return {row.id: row for row in connection.execute(select(t.handoffs).where(among(_h.id, ids)))}


def moments(connection: Connection, ids: Collection[str]) -> dict[str, Any]:
    """What the first-response clock did, by id."""
    return {row.id: row for row in connection.execute(select(t.clock_events).where(among(_k.id, ids)))}


def steps(connection: Connection, ids: Collection[str]) -> dict[str, Any]:
    return {row.id: row for row in connection.execute(select(t.steps).where(among(_s.id, ids)))}


def people(connection: Connection, leads: Collection[str]) -> dict[str, Mapping[str, Any]]:
    """Attributes of the living ones."""
    c = t.leads.c
    rows = connection.execute(select(c.id, c.attributes).where(among(c.id, leads), c.erased_at.is_(None)))
    return {row.id: row.attributes for row in rows}


def records(connection: Connection, leads: Collection[str]) -> list[Any]:
    """(entity, system, object, record) of the records that these people are written to."""
    c = t.records.c
    rows = select(c.entity, c.system, c.object, c.record).where(among(c.entity, leads), c.kind == "person", c.main)
    return list(connection.execute(rows.where(c.gone.is_(None)).order_by(c.system, c.object)))


def load(connection: Connection, now: int) -> list[Any]:
    """Of each (system, owner): how many handoffs are ``open``, how many of them ``late`` for an answer."""
    silent = and_(_h.accepted_at.is_(None), _h.contacted_at.is_(None), _h.response_due < now)
    late = func.sum(case((silent, 1), else_=0)).label("late")
    grouped = select(_h.system, _h.owner, func.count().label("open"), late).where(_h.state == "open")
    return list(connection.execute(grouped.group_by(_h.system, _h.owner)))


# -- what is wrong with systems ----------------------------------------------------------------------------------------


def held_back(connection: Connection) -> bool:
    """Whether handoffs beyond the capacity wait for a person."""
    return connection.scalar(select(_h.id).where(_h.state == "held").limit(1)) is not None


def paused(connection: Connection) -> list[Any]:
    s = t.systems.c
    return list(connection.execute(select(s.name, s.paused, s.paused_at).where(s.paused != "")))


def silent(connection: Connection) -> list[str]:
    """Systems that did not answer when they were asked last."""
    s = t.systems.c
    return list(connection.scalars(select(s.name).where(s.failures > 0, s.paused == "").order_by(s.name)))


def dead_letters(connection: Connection, systems: Collection[str]) -> dict[str, int]:
    """System → how many of its writes failed for good and wait for a person."""
    w = t.writes.c
    dead = select(w.system, func.count().label("n")).where(among(w.system, systems), w.state == "dead")
    return {row.system: row.n for row in connection.execute(dead.group_by(w.system))}


def failing(connection: Connection) -> list[Any]:
    """(system, n) of writes that a system did not take three times or more, or not answer, and that are tried again."""
    w = t.writes.c
    tried = select(w.system).where(text("attempts >= 3 AND finished_at IS NULL"))
    silent = select(w.system).where(w.state.in_(("waiting", "unknown")), w.attempts < 3, w.code == SILENT)
    both = union_all(tried, silent).subquery()
    return list(connection.execute(select(both.c.system, func.count().label("n")).group_by(both.c.system)))


def late_writes(connection: Connection, systems: Collection[str], before: int) -> list[Any]:
    """(system, due) where writes have been due since before ``before``. What waits for a person's record is not due."""
    w = t.writes.c
    due = select(w.system, func.min(w.due_at).label("due")).where(among(w.system, systems), w.state == "waiting")
    return list(connection.execute(due.where(w.due_at < before, ~BLOCKED).group_by(w.system)))


def _known(kind: str, subject: Any) -> Any:
    return select(_n.id).where(_n.key == literal(f"{kind}:").concat(subject)).exists()
