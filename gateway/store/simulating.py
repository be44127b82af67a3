"""What a simulation reads beside what a rescore does: since when leads are known, and what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, func, select

from gateway.store import tables as t
from gateway.store.among import among
from gateway.store.plain import rows_of
from gateway.store.rescoring import Among, ranges

END = "g"
"""Above every id."""
ACCEPTED = ("accepted", "contacted", "qualified", "won")
"""Outcomes after which sales have taken a lead."""


class Known(NamedTuple):
    """Lead → when it came, why it is never handed over; whether it was handed over, accepted; when it was first won."""

    entered: dict[str, int]
    excluded: set[str]
    handed: set[str]
    accepted: set[str]
    won: dict[str, int]


class Companies(NamedTuple):
    """The leads of the companies whose ids are above ``low``, up to ``high``."""

    low: str
    high: str
    leads: int

    def within(self, column: ColumnElement[Any]) -> ColumnElement[bool]:
        c = t.leads.c
        return column.in_(select(c.id).where(c.company > self.low, c.company <= self.high))


class Alone(NamedTuple):
    """The leads without a company whose ids are above ``low``, up to ``high``."""

    low: str
    high: str
    leads: int

    def within(self, column: ColumnElement[Any]) -> ColumnElement[bool]:
        c = t.leads.c
        return column.in_(select(c.id).where(c.id > self.low, c.id <= self.high, c.company.is_(None)))


def by_company(connection: Connection, size: int) -> list[Companies | Alone]:
    """All leads in parts of about ``size``, those of one company in one part."""
    c = t.leads.c
    whole = select(c.company, func.count()).where(c.company.is_not(None)).group_by(c.company).order_by(c.company)
    found: list[Companies | Alone] = []
    low, leads = "", 0
    for company, count in rows_of(connection, whole):
        leads += count
        if leads >= size:
            found.append(Companies(low, company, leads))
            low, leads = company, 0
    found += [Companies(low, END, leads)] if leads else []
    found += (Alone(*part) for part in ranges(connection, size, c.company.is_(None)))
    return found


def known_of(connection: Connection, part: Among) -> Known:
    """Of some leads, in a constant number of statements."""
    c, h, o, d, b = t.leads.c, t.handoffs.c, t.outcomes.c, t.deals.c, t.deal_leads.c
    within = part.within
    people = rows_of(connection, select(c.id, c.entered_at, c.excluded).where(within(c.id), c.merged_into.is_(None)))
    opened = select(h.lead).where(within(h.lead), h.state.not_in(("held", "withdrawn"))).distinct()
    told = select(o.lead, o.outcome, func.min(o.at)).where(within(o.lead), o.outcome.in_(ACCEPTED))
    outcomes = rows_of(connection, told.group_by(o.lead, o.outcome))
    bought = select(b.lead, func.min(d.status_at)).join(t.deals, d.id == b.deal)
    deals = rows_of(
        connection, bought.where(within(b.lead), d.status == "won", d.status_at.is_not(None)).group_by(b.lead)
    )
    won = {lead: at for lead, outcome, at in outcomes if outcome == "won"}
    for lead, at in deals:
        won[lead] = min(at, won.get(lead, at))
    return Known(
        {row[0]: row[1] for row in people},
        {row[0] for row in people if row[2] is not None},
        {row[0] for row in rows_of(connection, opened)},
        {row[0] for row in outcomes} | won.keys(),
        won,
    )


def entered(connection: Connection, since: int, until: int) -> list[tuple[str, int]]:
    """Living leads that came in a time, and when, in order of their ids."""
    c = t.leads.c
    living = and_(c.merged_into.is_(None), c.erased_at.is_(None), c.excluded.is_(None))
    chosen = select(c.id, c.entered_at).where(living, c.entered_at >= since, c.entered_at < until)
    return [(row.id, row.entered_at) for row in connection.execute(chosen.order_by(c.id))]


def accepted_at(connection: Connection, leads: Sequence[str]) -> dict[str, int]:
    """Lead → when sales first took it."""
    o = t.outcomes.c
    chosen = select(o.lead, func.min(o.at)).where(among(o.lead, leads), o.outcome.in_(ACCEPTED)).group_by(o.lead)
    return {row[0]: row[1] for row in connection.execute(chosen)}
