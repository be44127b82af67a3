"""Which companies' roll-ups are due, what they are made of, and what they were at any time.

``mark`` is called where something happened to one of a company's leads; its roll-ups are due an hour after they were
worked out last, or at once. ``claim`` takes due ones on, ``settle`` writes what became of them: whoever dies between
leaves them due again an hour later.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, and_, delete, literal, or_, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from gateway.contracts import Activity, Mark
from gateway.store import tables as t
from gateway.store.among import among
from gateway.store.plain import rows_of
from gateway.store.put import Put
from gateway.store.times import new_id
from gateway.times import from_micros

HOUR = 3_600_000_000
"""Microseconds between two times that a company's roll-ups are worked out."""
MOVED = "the company's roll-ups moved"
_d, _r, _l = t.rollups_due.c, t.rollups.c, t.leads.c


@dataclass(frozen=True, slots=True)
class Some:
    """Some leads of companies. ``leads``: (id, attributes, persona, company). The rest by lead."""

    leads: list[Any]
    activities: Mapping[str, list[Activity]]
    marks: Mapping[str, list[Mark]]


def of(connection: Connection, companies: Collection[str]) -> dict[str, dict[str, Any]]:
    """Each company's numbers as they stand; who has none is left out."""
    current = and_(_r.company == _d.company, _r.at == _d.at)
    rows = select(_d.company, _r.numbers).join(t.rollups, current).where(among(_d.company, companies))
    return {row[0]: row[1] for row in rows_of(connection, rows)}


def at(connection: Connection, company: str, moment: int) -> tuple[int, dict[str, Any]] | None:
    """Since when the numbers stood that were known at a time, and the numbers; None = there were none yet."""
    last = select(_r.at, _r.numbers).where(_r.company == company, _r.at <= moment).order_by(_r.at.desc()).limit(1)
    row = connection.execute(last).first()
    return None if row is None else (row.at, row.numbers)


# -- due ---------------------------------------------------------------------------------------------------------------


def begin(connection: Connection, now: int) -> None:
    """The roll-ups of every company are to be worked out, by a model that has other ones or scores otherwise."""
    every = select(t.companies.c.id, literal(now)).where(t.companies.c.merged_into.is_(None))
    _due(connection, lambda into: into.from_select(["company", "due_at"], every))


def end(connection: Connection, now: int) -> None:
    """The model has no roll-ups any more: from now on none stands; what they were is kept."""
    stood = select(_d.company, literal(now), literal({}, t.rollups.c.numbers.type)).where(_d.at.is_not(None))
    put = _into(connection, t.rollups).from_select(["company", "at", "numbers"], stood)
    connection.execute(
        put.on_conflict_do_update(index_elements=["company", "at"], set_={"numbers": put.excluded.numbers})
    )
    connection.execute(delete(t.rollups_due))


def mark(connection: Connection, companies: Collection[str], now: int) -> None:
    """Something happened to a lead of these. Last in its transaction: others who mark the same one wait for its end."""
    rows = [{"company": company, "due_at": now} for company in sorted(companies)]
    if rows:
        _due(connection, lambda into: into, rows)


def _due(connection: Connection, given: Any, rows: list[dict[str, Any]] | None = None) -> None:
    soon = _d.worked_at + HOUR
    statement = given(_into(connection, t.rollups_due)).on_conflict_do_update(
        index_elements=["company"], set_={"due_at": soon}, where=or_(_d.due_at.is_(None), _d.due_at > soon)
    )
    connection.execute(statement, *([rows] if rows else ()))


def _into(connection: Connection, table: Table) -> Any:
    return (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(table)


def mark_of(connection: Connection, leads: Collection[str]) -> None:
    """These leads are about to leave their companies; a company without roll-ups stays without."""
    theirs = select(_l.company).where(among(_l.id, leads), _l.company.is_not(None))
    connection.execute(update(t.rollups_due).where(_d.company.in_(theirs)).values(due_at=_d.worked_at + HOUR))


def any_due(connection: Connection, now: int) -> bool:
    return connection.scalar(select(_d.company).where(_d.due_at <= now).limit(1)) is not None


def claim(connection: Connection, now: int, limit: int) -> list[str]:
    """Take on the companies that have been due longest. Nobody else does for an hour."""
    due = select(_d.company).where(_d.due_at <= now).order_by(_d.due_at).limit(limit)
    found = list(connection.scalars(due.with_for_update(skip_locked=True)))
    connection.execute(update(t.rollups_due).where(among(_d.company, found)).values(worked_at=now, due_at=_taken(now)))
    return found


def _taken(now: int) -> int:
    """When it is due who was claimed at ``now``: any mark since is earlier."""
    return now + HOUR + 1


# -- what they are made of ---------------------------------------------------------------------------------------------


def living(connection: Connection, companies: Collection[str]) -> list[str]:
    c = t.companies.c
    return list(connection.scalars(select(c.id).where(among(c.id, companies), c.merged_into.is_(None))))


def some_leads(
    connection: Connection, companies: Collection[str], after: tuple[str, str], limit: int, cutoff: int | None
) -> Some:
    """The next ``limit`` leads of these companies after (company, id). ``cutoff``: see ``loading.Need``."""
    theirs = select(_l.id, _l.attributes, _l.persona, _l.company).where(
        among(_l.company, companies), _l.merged_into.is_(None), _l.erased_at.is_(None)
    )
    place = tuple_(_l.company, _l.id)
    theirs = theirs.where(place > tuple_(*map(literal, after))).order_by(_l.company, _l.id).limit(limit)
    leads = list(rows_of(connection, theirs))
    ids = [lead[0] for lead in leads]
    a, m = t.activities.c, t.marks.c
    marks: dict[str, list[Mark]] = defaultdict(list)
    for row in connection.execute(select(t.marks).where(among(m.lead, ids))):
        until = from_micros(row.until) if row.until else None
        marks[row.lead].append(Mark(from_micros(row.at), row.kind, row.points, row.reason, until, row.by, row.id))
    activities: dict[str, list[Activity]] = defaultdict(list)
    did = select(a.lead, a.at, a.kind, a.asset, a.channel, a.campaign, a.id).where(among(a.lead, ids))
    did = did if cutoff is None else did.where(a.at >= cutoff)
    for lead, moment, *rest in rows_of(connection, did.order_by(a.lead, a.at, a.id)):
        activities[lead].append(Activity(from_micros(moment), *rest))
    return Some(leads, activities, marks)


def settle(
    connection: Connection,
    claimed: Collection[str],
    worked_at: int,
    numbers: Mapping[str, Mapping[str, Any]],
    moves: Mapping[str, int | None],
    now: int,
) -> list[str]:
    """Write down the numbers that moved, and have those companies' leads scored again. Returns which companies moved.

    :param claimed: at ``worked_at``; those without ``numbers`` are companies no more. :param moves: company →
        when its numbers may move by themselves.
    """
    mine = select(t.rollups_due).where(among(_d.company, claimed), _d.worked_at == worked_at).with_for_update()
    rows = {row.company: dict(row._mapping) for row in connection.execute(mine)}
    before = of(connection, rows)
    gone = rows.keys() - numbers.keys()
    moved = sorted(company for company in rows.keys() - gone if before.get(company) != numbers[company])
    put = Put(connection)
    put.remove(t.rollups_due, [(company,) for company in sorted(gone)])
    put.insert(t.rollups, [{"company": company, "at": now, "numbers": numbers[company]} for company in moved])
    for company in moved:
        rows[company]["at"] = now
    for company in rows.keys() - gone:
        if rows[company]["due_at"] == _taken(worked_at):  # nothing happened meanwhile
            by_itself = moves[company]
            rows[company]["due_at"] = None if by_itself is None else max(by_itself, worked_at + HOUR)
    put.upsert(t.rollups_due, [rows[company] for company in sorted(rows.keys() - gone)])
    again = {"cause": MOVED, "created_at": now}
    put.insert(t.rescores, [{"id": new_id(), "company": company, **again} for company in moved])
    return moved
