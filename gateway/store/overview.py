"""What became of everything, per system: the three equations that must hold, and what waits for somebody.

Documents, writes and what waits are counted from their rows, what was read and skipped from the tallies of the
transactions that did it: so an equation can fail, and then something was lost.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Select, and_, case, distinct, func, select

from gateway.store import tables as t
from gateway.store.among import among
from gateway.store.database import read
from gateway.store.due import moves_by
from gateway.store.inbox import STATES as DOCUMENTS
from gateway.store.inbox import Inbox
from gateway.store.outbox import BLOCKED
from gateway.store.rescoring import Progress, progress

OPEN_WRITES = ("waiting", "leased", "unknown")
"""States of a write that the system has not settled yet; people call all of them waiting."""
_w = t.writes.c
LONGEST_WAITING = func.min(case((and_(_w.state.in_(OPEN_WRITES), ~BLOCKED), _w.planned_at)))
"""When the oldest of these writes was planned that the system has not settled, and could have."""
STATES = (*OPEN_WRITES, "confirmed", "superseded", "dead")
"""All that a write can be in."""


@dataclass(frozen=True, slots=True)
class Equation:
    """``total`` is what came in, ``parts`` where it is now."""

    total: int
    parts: Mapping[str, int]

    @property
    def holds(self) -> bool:
        return self.total == sum(self.parts.values())


@dataclass(frozen=True, slots=True)
class SystemCounts:
    """One system; times in microseconds. By reason or field: ``skipped`` events, values ``dropped`` on their way in
    and ``unsent`` because the field over there cannot hold them. ``asked_again``: None while it answers.
    """

    documents: Equation
    events: Equation
    writes: Equation
    duplicates: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)
    unsent: Mapping[str, int] = field(default_factory=dict)
    oldest_document: int | None = None
    oldest_write: int | None = None
    paused: str = ""
    asked_again: int | None = None

    @classmethod
    def empty(cls) -> SystemCounts:
        """Of a system that nothing has come from and nothing was planned for."""
        return _system({}, {}, {}, {}, None, ("", None))

    @property
    def holds(self) -> bool:
        return self.documents.holds and self.events.holds and self.writes.holds


@dataclass(frozen=True, slots=True)
class Overview:
    """``rescores_due``: leads whose score moves by itself by now; ``rescores_queued``: changed models or companies.

    ``rescoring``: how far a changed model is; None = every lead has its score by the model in use. ``crossed``: leads
    that it moved in a way that the journey has yet to answer for.
    """

    systems: Mapping[str, SystemCounts]
    leads: int
    excluded: Mapping[str, int]
    handoffs_open: int
    work_open: int
    rescores_due: int
    rescores_queued: int
    rescoring: Progress | None = None
    crossed: int = 0

    @property
    def holds(self) -> bool:
        return all(counts.holds for counts in self.systems.values())


def overview(connection: Connection, inbox: Inbox, scores: Collection[str], now: int, people: bool = True) -> Overview:
    """Count everything. ``connection`` reads the main database; systems that no file names any more are there too.

    :param people: count the leads, too, which takes longer the more there are.
    """
    documents = inbox.counts()
    oldest_documents = _oldest_documents(inbox)
    tallied = tallies(connection)
    writes = _writes(connection)
    open_events = _open_events(connection)
    stopped = {row.name: (row.paused, row.retry_at if row.failures else None) for row in _stopped(connection)}
    names = documents.keys() | tallied.keys() | writes.keys() | stopped.keys()
    h = t.handoffs.c
    return Overview(
        {
            name: _system(
                documents.get(name, {}),
                tallied.get(name, {}),
                writes.get(name, {}),
                open_events.get(name, {}),
                oldest_documents.get(name),
                stopped.get(name, ("", None)),
            )
            for name in sorted(names)
        },
        _count(connection, select(func.count()).select_from(t.leads).where(t.leads.c.merged_into.is_(None)))
        if people
        else 0,
        excluded(connection) if people else {},
        _count(connection, select(func.count()).select_from(t.handoffs).where(h.state == "open")),
        _count(connection, select(func.count()).select_from(open_work().subquery())),
        _count(connection, select(func.count(distinct(t.scores.c.lead))).where(moves_by(scores, now))),
        _count(connection, select(func.count()).select_from(t.rescores)),
        progress(connection),
        _count(connection, select(func.count()).select_from(t.crossed)),
    )


def _system(
    documents: Mapping[str, int],
    tallied: Mapping[str, Mapping[str, int]],
    writes: Mapping[str, Any],
    open_events: Mapping[str, int],
    oldest_document: int | None,
    stopped: tuple[str, int | None],
) -> SystemCounts:
    def told(what: str) -> int:
        return sum(tallied.get(what, {}).values())

    states: Mapping[str, int] = writes.get("states", {})
    return SystemCounts(
        Equation(documents.get("stored", 0), {name: documents.get(name, 0) for name in DOCUMENTS}),
        Equation(
            told("read"),
            {
                "applied": told("applied"),
                "skipped": told("skipped"),
                "waiting": open_events.get("waiting", 0),
                "dead": open_events.get("dead", 0),
            },
        ),
        Equation(
            told("planned"),
            {
                "confirmed": states.get("confirmed", 0),
                "superseded": states.get("superseded", 0),
                "waiting": sum(states.get(state, 0) for state in OPEN_WRITES),
                "dead": states.get("dead", 0),
            },
        ),
        documents.get("duplicates", 0),
        dict(sorted(tallied.get("skipped", {}).items())),
        dict(sorted(tallied.get("field dropped", {}).items())),
        dict(sorted(tallied.get("not sent", {}).items())),
        oldest_document,
        writes.get("oldest"),
        *stopped,
    )


def _stopped(connection: Connection) -> list[Any]:
    s = t.systems.c
    return list(connection.execute(select(s.name, s.paused, s.failures, s.retry_at)))


def tallies(connection: Connection) -> dict[str, dict[str, dict[str, int]]]:
    """system → what → reason → count."""
    found: dict[str, dict[str, dict[str, int]]] = {}
    for system, what, reason, count in connection.execute(select(t.tallies)):
        found.setdefault(system, {}).setdefault(what, {})[reason] = count
    return found


def open_work() -> Select[Any]:
    """The rows of what needs a person. A dead letter is no work any more once its write was sent or given up."""
    i, w = t.work_items.c, t.writes.c
    of_write = and_(i.key.startswith("dead:"), w.id == func.substr(i.key, len("dead:") + 1))
    letters = t.work_items.outerjoin(t.writes, of_write)
    settled = and_(w.id.is_not(None), w.state != "dead")
    return select(t.work_items).select_from(letters).where(i.resolved_at.is_(None), ~settled)


def excluded(connection: Connection) -> dict[str, int]:
    """Reason of journey.yaml → how many leads are never handed over because of it, most first."""
    c = t.leads.c
    counted = (
        select(c.excluded, func.count().label("n"))
        .where(c.excluded.is_not(None), c.merged_into.is_(None))
        .group_by(c.excluded)
        .order_by(func.count().desc(), c.excluded)
    )
    return {str(row.excluded): row.n for row in connection.execute(counted)}


def standing(connection: Connection, system: str) -> dict[str, int]:
    """What an import moves, as running totals; the difference of two is what happened in between."""
    told = tallies(connection).get(system, {})
    w = t.writes.c
    counts = {f"skipped: {reason}": count for reason, count in told.get("skipped", {}).items()}
    counts |= {what: sum(told.get(what, {}).values()) for what in ("read", "applied", "skipped", "dead")}
    counts["fields dropped"] = sum(told.get("field dropped", {}).values())
    counts["leads"] = _count(
        connection, select(func.count()).select_from(t.leads).where(t.leads.c.merged_into.is_(None))
    )
    counts["handoffs"] = _count(connection, select(func.count()).select_from(t.handoffs))
    counts["writes waiting"] = _count(connection, select(func.count()).where(w.state.in_(OPEN_WRITES)))
    return counts


def queued_rescores(connection: Connection) -> int:
    """How many batches of rescoring are asked for, at least."""
    return _count(connection, select(func.count()).select_from(t.rescores))


def states_of(inbox: Inbox, ids: Sequence[str]) -> dict[str, int]:
    """State → how many of these documents are in it."""
    d = t.documents.c
    with read(inbox.engine) as connection:
        counted = select(d.state, func.count().label("n")).where(among(d.id, ids)).group_by(d.state)
        return {row.state: row.n for row in connection.execute(counted)}


def _writes(connection: Connection) -> dict[str, dict[str, Any]]:
    w = t.writes.c
    found: dict[str, dict[str, Any]] = {}
    rows = connection.execute(select(w.system, w.state, func.count(), LONGEST_WAITING).group_by(w.system, w.state))
    for system, state, count, oldest in rows:
        entry = found.setdefault(system, {"states": {}})
        entry["states"][state] = count
        if state in OPEN_WRITES and oldest is not None:
            entry["oldest"] = min(oldest, entry.get("oldest", oldest))
    return found


def _open_events(connection: Connection) -> dict[str, dict[str, int]]:
    e = t.events.c
    found: dict[str, dict[str, int]] = {}
    counted = select(e.system, e.state, func.count()).where(e.state != "applied").group_by(e.system, e.state)
    for system, state, count in connection.execute(counted):
        found.setdefault(system, {})[state] = count
    return found


def _oldest_documents(inbox: Inbox) -> dict[str, int]:
    d = t.documents.c
    with read(inbox.engine) as connection:
        waiting = (
            select(d.system, func.min(d.received_at).label("oldest")).where(d.state == "waiting").group_by(d.system)
        )
        return {row.system: row.oldest for row in connection.execute(waiting)}


def _count(connection: Connection, statement: Any) -> int:
    return int(connection.scalar(statement) or 0)
