"""The touches of every lead, and the deals they came before: what attribution reads. A constant number of statements.

A won deal is one journey, of all its people; so is a lead that was won without a deal of its own. Everybody else who
was touched is a journey without a deal.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from sqlalchemy import BigInteger, ColumnElement, Connection, String, Text, case, cast, column, func, select, text
from sqlalchemy.dialects.postgresql import aggregate_order_by

from gateway.journey.journey import Journey as Agreed
from gateway.metrics.attribution import Journey, Unsold
from gateway.metrics.calendar import Calendar
from gateway.metrics.money import Rates, split
from gateway.store import tables as t
from gateway.store.among import among
from gateway.store.plain import rows_of

TOUCHED = ("channel", "campaign", "asset")
"""What a touch may be known by."""
MILESTONES = ("mql", "sql")
CHUNK = 10_000


@dataclass(slots=True)
class Sale(Journey):
    """A journey that ended in a deal. ``cents``: its amount, in the company's currency; ``leads``: whose it is."""

    cents: int = 0
    leads: Sequence[str] = ()


@dataclass(slots=True)
class Won:
    """What was won in a period. ``foreign``: currency → deals in it, which are counted without amounts: no rate."""

    agreed: Agreed
    journeys: list[Sale] = field(default_factory=list)
    of_lead: dict[str, list[Sale]] = field(default_factory=lambda: defaultdict(list))
    foreign: Counter[str] = field(default_factory=Counter)
    wins: Sequence[Sequence[Any]] = ()
    """Everybody who ever reached the last stage: (lead, when it entered, when it was won)."""
    earlier: set[str] = field(default_factory=set)
    """Leads that were won outside the period: they are no journey without a deal."""


def shares(sold: Won) -> dict[str, int]:
    """Lead → its part of what was won, in cents: a deal's is split equally among its leads, odd cents to the first."""
    found: dict[str, int] = {}
    for sale in sold.journeys:
        for lead, part in zip(sorted(sale.leads), split(sale.cents, len(sale.leads)), strict=True):
            found[lead] = found.get(lead, 0) + part
    return found


def won(
    connection: Connection,
    agreed: Agreed,
    rates: Rates,
    zone: ZoneInfo,
    since: int | None,
    until: int | None,
    priced: bool = False,
) -> Won:
    """Deals won from ``since`` until before ``until`` (microseconds), without their touches yet.

    Amounts are converted at the rate of the day in ``zone`` on which the deal was won. ``priced``: leads that were won
    without a deal or an amount are in ``wins`` alone: whoever only asks for revenue has no use for a sale of nothing.
    """
    d, o, r = t.deals.c, t.outcomes.c, t.reached.c
    found = Won(agreed)
    add = _Adding(found, rates, Calendar(zone), since, until)
    leads: dict[str, list[str]] = defaultdict(list)
    theirs = select(t.deal_leads.c.deal, t.deal_leads.c.lead).join(t.deals, d.id == t.deal_leads.c.deal)
    for deal, lead in rows_of(connection, theirs.where(d.status == "won", d.merged_into.is_(None))):
        leads[deal].append(lead)
    with_deal: set[str] = set()
    rows = select(d.id, d.status_at, d.amount, d.currency).where(d.status == "won", d.merged_into.is_(None))
    for deal, *what in rows_of(connection, rows.order_by(d.id)):
        with_deal.update(leads[deal])
        add(leads[deal], *what)
    last = select(o.lead, o.amount, o.currency).where(o.outcome == "won").order_by(o.lead, o.at)
    amounts = {lead: (amount, money) for lead, amount, money in connection.execute(last)}
    stages = agreed.shared_stages().get("won", ())
    entered = t.leads.c.entered_at
    alone = select(r.lead, entered, r.at).join(t.leads, t.leads.c.id == r.lead)
    alone = alone.where(r.stage.in_(stages), t.leads.c.merged_into.is_(None))
    if len(stages) > 1:
        alone = alone.with_only_columns(r.lead, entered, func.min(r.at)).group_by(r.lead, entered)
    found.wins = rows_of(connection, alone)
    for lead, _, at in found.wins:
        if lead not in with_deal and (lead in amounts or not priced):
            add([lead], at, *amounts.get(lead, (None, None)))
    return found


@dataclass(frozen=True, slots=True)
class _Adding:
    found: Won
    rates: Rates
    calendar: Calendar
    since: int | None
    until: int | None

    def __call__(self, leads: Sequence[str], at: int | None, amount: str | None, money: str | None) -> None:
        found = self.found
        if at is None or (self.since is not None and at < self.since) or (self.until is not None and at >= self.until):
            found.earlier.update(leads)
            return
        cents: int | None = 0
        if amount is not None:
            own = money == self.rates.currency
            day = date.min if own else date.fromordinal(self.calendar.day(at))
            cents = self.rates.cents(Decimal(amount), money, day)
            if cents is None:
                found.foreign[money or ""] += 1
        sale = Sale([], at, (cents or 0) / 100, {}, cents or 0, leads)
        found.journeys.append(sale)
        for lead in leads:
            found.of_lead[lead].append(sale)


def _milestones(connection: Connection, agreed: Agreed, found: Won) -> None:
    shared = {name: one for one, names in agreed.shared_stages().items() if one in MILESTONES for name in names}
    if not shared or not found.of_lead:
        return
    r = t.reached.c
    stage = case(shared, value=r.stage)
    theirs = select(r.lead, stage, r.at).where(r.stage.in_(shared), among(r.lead, found.of_lead))
    for lead, name, at in rows_of(connection, theirs):
        for journey in found.of_lead[lead]:
            if at < journey.milestones.get(name, at + 1):
                journey.milestones = {**journey.milestones, name: at}


def journeys(connection: Connection, found: Won, by: str, unsold: Unsold) -> Sequence[Journey]:
    """Every deal's journey, with its touches in order of time; all others are counted in ``unsold``.

    :param by: one of ``TOUCHED``; touches without it are no touches. Memory holds the touches of those who bought, and
        the paths of others that differ: the database strings each path together, and most are alike.
    """
    _milestones(connection, found.agreed, found)
    a = t.activities.c
    collected: dict[int, list[tuple[int, str]]] = defaultdict(list)
    theirs = select(a.lead, a.at, a[by]).where(a[by] != "", among(a.lead, found.of_lead))
    for lead, at, name in rows_of(connection, theirs):
        for journey in found.of_lead[lead]:
            collected[id(journey)].append((at, name))
    for journey in found.journeys:
        journey.touches = sorted(collected.get(id(journey), ()))
    _others(connection, {*found.of_lead, *found.earlier}, by, unsold)
    return found.journeys


def _others(connection: Connection, bought: Collection[str], by: str, unsold: Unsold) -> None:
    """Count the paths of everybody else."""
    lead, at, name = column("lead", String), column("at", BigInteger), column(by, String)
    path: ColumnElement[Any]
    times: ColumnElement[Any]
    if connection.dialect.name == "sqlite":
        # Along the primary key, which is in order of time: SQLite knows no order within an aggregate before 3.44.
        source = text("activities NOT INDEXED")
        path, times = func.json_group_array(name), func.json_group_array(at)
    else:
        source = text("activities")
        path, times = (cast(func.json_agg(aggregate_order_by(one, at, column("id"))), Text) for one in (name, at))
    rows = select(path).select_from(source).where(name != "").group_by(lead)
    rows = rows.having(~among(lead, bought))  # asked once for each lead rather than for each of its touches
    streamed = connection.execution_options(yield_per=CHUNK)
    paths: Counter[str] = Counter()
    if unsold.span is None:
        for chunk in streamed.scalars(rows).partitions():
            paths.update(chunk)
    else:
        long = func.max(at) - func.min(at) > unsold.span
        for chunk in streamed.execute(rows.add_columns(times, long)).partitions():
            paths.update(names for names, _, cut in chunk if not cut)
            for names, ats, cut in chunk:
                if cut:
                    unsold.take(orjson.loads(ats), orjson.loads(names))
    for names, count in paths.items():
        unsold.add(orjson.loads(names), count)
