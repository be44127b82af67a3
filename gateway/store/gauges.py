"""How much waits and how long, cheaply enough to be asked every few seconds: by indexes, never over what is settled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from gateway.store import tables as t
from gateway.store.overview import LONGEST_WAITING, OPEN_WRITES, open_work

DAY = "86400:"


@dataclass(frozen=True, slots=True)
class Waiting:
    """``oldest``: microseconds since 1970, None when nothing waits."""

    count: int
    oldest: int | None


@dataclass(frozen=True, slots=True)
class Gauges:
    """By system: ``writes`` on their way, ``told`` ((system, what) → how often since the store began), ``paused``,
    ``calls`` of this day. ``quarantined``: (plugin, part). ``work``: kind → open items."""

    writes: Mapping[str, Waiting]
    told: Mapping[tuple[str, str], int]
    paused: Mapping[str, bool]
    silent: Mapping[str, bool]
    calls: Mapping[str, int]
    quarantined: Sequence[tuple[str, str]]
    work: Mapping[str, int]
    handoffs_open: int
    handoffs_overdue: int


def documents(connection: Connection) -> dict[str, Waiting]:
    """System → its documents that are not read yet. ``connection`` reads the inbox."""
    d = t.documents.c
    waiting = select(d.system, func.count(), func.min(d.received_at)).where(d.state == "waiting").group_by(d.system)
    return {system: Waiting(count, oldest) for system, count, oldest in connection.execute(waiting)}


def gauges(connection: Connection, now: int, today: int) -> Gauges:
    """``now``: business time, in microseconds. ``today``: the number of this day since 1970, in UTC."""
    w, y, b, h, k = t.writes.c, t.tallies.c, t.budgets.c, t.handoffs.c, t.breakers.c
    names = list(connection.scalars(select(w.system).distinct()))
    writes = {}
    for name in names:  # one system after the other: so the index serves
        mine = select(func.count(), LONGEST_WAITING).where(w.system == name, w.state.in_(OPEN_WRITES))
        count, oldest = connection.execute(mine).one()
        writes[name] = Waiting(count, oldest)
    told = select(y.system, y.what, func.sum(y.count)).group_by(y.system, y.what)
    open_ = select(func.count()).where(h.state == "open")
    work = open_work().subquery()
    s = t.systems.c
    systems = connection.execute(select(s.name, s.paused, s.failures)).all()
    day = select(b.system, b.used).where(b.window == f"{DAY}{today}")
    kinds = select(work.c.kind, func.count()).group_by(work.c.kind)
    kept_out = select(k.plugin, k.part).where(k.opened_at.is_not(None))
    late = open_.where(h.response_due < now, h.accepted_at.is_(None), h.contacted_at.is_(None))
    return Gauges(
        writes,
        {(system, what): int(count) for system, what, count in connection.execute(told)},
        {row.name: bool(row.paused) for row in systems},
        {row.name: row.failures > 0 for row in systems},
        {row.system: row.used for row in connection.execute(day)},
        [(row.plugin, row.part) for row in connection.execute(kept_out)],
        {str(kind): int(count) for kind, count in connection.execute(kinds)},
        int(connection.scalar(open_) or 0),
        int(connection.scalar(late) or 0),
    )
