"""The touches of every lead, and the deals they came before: what attribution reads. A constant number of statements.

A won deal is one journey, of all its people; so is a lead that was won without a deal of its own. Everybody else who
was touched is a journey without a deal.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Container, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
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
from gateway.times import from_micros, to_micros

MILESTONES = ("mql", "sql")
CHUNK = 10_000
_DAY_LONG = len("2026-11-03")
"""How a canonical time is told from a day."""


@dataclass(slots=True)
class Sale(Journey):
    """A journey that ended in a deal. ``cents``: its amount, in the company's currency; ``leads``: whose it is."""

    cents: int = 0
    leads: Sequence[str] = ()


class Unpriced(NamedTuple):
    """A deal that counts without revenue. ``currency``: which has no rate for the day; "" = no amount is known."""

    currency: str
    leads: Sequence[str]


@dataclass(slots=True)
class Won:
    """What was won in a period."""

    agreed: Agreed
    journeys: list[Sale] = field(default_factory=list)
    of_lead: dict[str, list[Sale]] = field(default_factory=lambda: defaultdict(list))
    unpriced: list[Unpriced] = field(default_factory=list)
    wins: Sequence[Sequence[Any]] = ()
    """Everybody who ever reached the last stage: (lead, when it entered, when it was won)."""
    day_ends: dict[tuple[str, int], int] = field(default_factory=dict)
    """(lead, when it was won) → the last moment of that day, where no more than the day is known."""
    earlier: set[str] = field(default_factory=set)
    """Leads that were won before the period: they are no journey without a deal."""
    since: int | None = None
    until: int | None = None

    def last(self, lead: str, at: int) -> int:
        """The latest time that a win may have had."""
        return self.day_ends.get((lead, at), at)

    def without_revenue(self, whose: Container[str] | None = None) -> dict[str, list[Sequence[str]]]:
        """A currency without a rate, or "" for no amount → the leads of each such deal, of all or of ``whose`` leads.

        Where nothing has an amount, nothing is missing: then nobody tells of money at all.
        """
        if not any(sale.cents for sale in self.journeys) and not any(one.currency for one in self.unpriced):
            return {}
        found: dict[str, list[Sequence[str]]] = defaultdict(list)
        for one in self.unpriced:
            if whose is None or any(lead in whose for lead in one.leads):
                found[one.currency].append(one.leads)
        return dict(sorted(found.items()))


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
    without a deal or an amount are no journeys: whoever only asks for revenue has no use for a sale of nothing.
    """
    d, o, r = t.deals.c, t.outcomes.c, t.reached.c
    found = Won(agreed, since=since, until=until)
    add = _Adding(found, rates, Calendar(zone), zone)
    leads: dict[str, list[str]] = defaultdict(list)
    theirs = select(t.deal_leads.c.deal, t.deal_leads.c.lead).join(t.deals, d.id == t.deal_leads.c.deal)
    for deal, lead in rows_of(connection, theirs.where(d.status == "won", d.merged_into.is_(None))):
        leads[deal].append(lead)
    with_deal: set[str] = set()
    closed = d.attributes["closed_at"].as_string()
    rows = select(d.id, d.status_at, func.length(closed) == _DAY_LONG, d.amount, d.currency)
    for deal, *what in rows_of(connection, rows.where(d.status == "won", d.merged_into.is_(None)).order_by(d.id)):
        with_deal.update(leads[deal])
        add(leads[deal], *what)
    last = select(o.lead, o.amount, o.currency, o.at, o.precision).where(o.outcome == "won").order_by(o.lead, o.at)
    amounts: dict[str, tuple[str | None, str | None]] = {}
    by_day: set[tuple[str, int]] = set()
    for lead, amount, money, at, precision in connection.execute(last):
        amounts[lead] = (amount, money)
        if precision == "day":
            by_day.add((lead, at))
    stages = agreed.shared_stages().get("won", ())
    entered = t.leads.c.entered_at
    alone = select(r.lead, entered, r.at).join(t.leads, t.leads.c.id == r.lead)
    alone = alone.where(r.stage.in_(stages), t.leads.c.merged_into.is_(None))
    if len(stages) > 1:
        alone = alone.with_only_columns(r.lead, entered, func.min(r.at)).group_by(r.lead, entered)
    found.wins = rows_of(connection, alone)
    for lead, _, at in found.wins:
        if lead not in with_deal:
            add([lead], at, (lead, at) in by_day, *amounts.get(lead, (None, None)), bare=priced and lead not in amounts)
    return found


@dataclass(frozen=True, slots=True)
class _Adding:
    found: Won
    rates: Rates
    calendar: Calendar
    zone: ZoneInfo

    def __call__(
        self,
        leads: Sequence[str],
        at: int | None,
        by_day: bool | None,
        amount: str | None,
        money: str | None,
        bare: bool = False,
    ) -> None:
        """``by_day``: only the day is known. ``bare``: there is nothing that anybody would ask of such a sale."""
        found = self.found
        until = self._last_of_day(at) if by_day and at is not None else None
        if until is not None and at is not None:
            found.day_ends |= {(lead, at): until for lead in leads}
        if at is None or (found.since is not None and at < found.since):
            found.earlier.update(leads)
            return
        if found.until is not None and at >= found.until:
            return
        cents: int | None = None
        if amount is not None:
            own = money == self.rates.currency
            day = date.min if own else date.fromordinal(self.calendar.day(at))
            cents = self.rates.cents(Decimal(amount), money, day)
        if cents is None:
            found.unpriced.append(Unpriced(money or "" if amount is not None else "", leads))
        if bare:
            return
        sale = Sale([], at, (cents or 0) / 100, {}, until, cents or 0, leads)
        found.journeys.append(sale)
        for lead in leads:
            found.of_lead[lead].append(sale)

    def _last_of_day(self, at: int) -> int:
        """A day may have 23 hours, or 25."""
        return to_micros(from_micros(at).astimezone(self.zone) + timedelta(days=1)) - 1


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
    """Every deal's journey, with its touches in order of time; all others of the time are counted in ``unsold``.

    :param by: channel, campaign or asset; touches without it are no touches. Memory holds the touches of those who
        bought, and the paths of others that differ: the database strings each path together, and most are alike.
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
    _others(connection, found, by, unsold)
    return found.journeys


def touched(connection: Connection, by: str, name: str, until: int | None) -> Sequence[str]:
    """Everybody who had such a touch, by id."""
    a = t.activities.c
    rows = select(a.lead).distinct().where(a[by] == name)
    rows = rows if until is None else rows.where(a.at < until)
    return connection.scalars(rows.order_by(a.lead)).all()


def _others(connection: Connection, found: Won, by: str, unsold: Unsold) -> None:
    """Count the paths of everybody else who was touched in the period, as they stood at its end."""
    bought: Collection[str] = {*found.of_lead, *found.earlier}
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
    rows = rows.where(at < found.until) if found.until is not None else rows
    rows = rows.having(func.max(at) >= found.since) if found.since is not None else rows
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
