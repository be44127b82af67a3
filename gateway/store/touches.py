"""The touches of every lead, and the deals they came before: what attribution reads. A constant number of statements.

A won deal is one journey, of all its people; so is a lead that was won without a deal of its own. Everybody else who
was touched is a journey without a deal.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import groupby

from sqlalchemy import Connection, case, func, select

from gateway.journey.journey import Journey as Agreed
from gateway.metrics.attribution import Journey
from gateway.store import tables as t

TOUCHED = ("channel", "campaign", "asset")
"""What a touch may be known by."""
MILESTONES = ("mql", "sql")
CHUNK = 10_000


@dataclass(slots=True)
class Won:
    """What was won in a period. ``foreign``: currency → deals in it, whose amounts are not counted."""

    journeys: list[Journey] = field(default_factory=list)
    of_lead: dict[str, list[Journey]] = field(default_factory=lambda: defaultdict(list))
    foreign: Counter[str] = field(default_factory=Counter)
    earlier: set[str] = field(default_factory=set)
    """Leads that were won outside the period: they are no journey without a deal."""


def won(connection: Connection, agreed: Agreed, currency: str, since: int | None, until: int | None) -> Won:
    """Deals won from ``since`` until before ``until`` (microseconds), without their touches yet."""
    d, o, r = t.deals.c, t.outcomes.c, t.reached.c
    found = Won()
    leads: dict[str, list[str]] = defaultdict(list)
    theirs = select(t.deal_leads.c.deal, t.deal_leads.c.lead).join(t.deals, d.id == t.deal_leads.c.deal)
    for deal, lead in connection.execute(theirs.where(d.status == "won", d.merged_into.is_(None))):
        leads[deal].append(lead)
    with_deal: set[str] = set()
    rows = select(d.id, d.status_at, d.amount, d.currency).where(d.status == "won", d.merged_into.is_(None))
    for row in connection.execute(rows.order_by(d.id)):
        with_deal.update(leads[row.id])
        _add(found, leads[row.id], row.status_at, row.amount, row.currency, currency, since, until)
    last = select(o.lead, o.amount, o.currency).where(o.outcome == "won").order_by(o.lead, o.at)
    amounts = {lead: (amount, money) for lead, amount, money in connection.execute(last)}
    stages = agreed.shared_stages().get("won", ())
    alone = (
        select(r.lead, func.min(r.at).label("at"))
        .join(t.leads, t.leads.c.id == r.lead)
        .where(r.stage.in_(stages), t.leads.c.merged_into.is_(None))
        .group_by(r.lead)
    )
    for lead, at in connection.execute(alone):
        if lead not in with_deal:
            _add(found, [lead], at, *amounts.get(lead, (None, None)), currency, since, until)
    _milestones(connection, agreed, found)
    return found


def _add(
    found: Won,
    leads: Sequence[str],
    at: int | None,
    amount: str | None,
    money: str | None,
    currency: str,
    since: int | None,
    until: int | None,
) -> None:
    if at is None or (since is not None and at < since) or (until is not None and at >= until):
        found.earlier.update(leads)
        return
    if amount is not None and money != currency:
        found.foreign[money or ""] += 1
        amount = None
    journey = Journey([], at, float(Decimal(amount)) if amount is not None else 0.0, {})
    found.journeys.append(journey)
    for lead in leads:
        found.of_lead[lead].append(journey)


def _milestones(connection: Connection, agreed: Agreed, found: Won) -> None:
    shared = {name: one for one, names in agreed.shared_stages().items() if one in MILESTONES for name in names}
    if not shared or not found.of_lead:
        return
    r = t.reached.c
    stage = case(shared, value=r.stage)
    firsts = select(r.lead, stage, func.min(r.at)).where(r.stage.in_(shared)).group_by(r.lead, stage)
    for lead, name, at in connection.execute(firsts):
        for journey in found.of_lead.get(lead, ()):
            if at < journey.milestones.get(name, at + 1):
                journey.milestones = {**journey.milestones, name: at}


def journeys(connection: Connection, found: Won, by: str) -> Iterator[Journey]:
    """Every journey, with its touches in order of time. ``by``: one of ``TOUCHED``; touches without it are no touches.

    The rows are streamed: memory holds the touches of those who bought, and of one other person at a time.
    """
    a = t.activities.c
    name = a[by]
    rows = connection.execution_options(yield_per=CHUNK).execute(
        select(a.lead, a.at, name).where(name != "").order_by(a.lead, a.at, a.id)
    )
    collected: Mapping[int, list[tuple[int, str]]] = defaultdict(list)
    for lead, of_lead in groupby(rows, key=lambda row: row[0]):
        touches = [(row[1], row[2]) for row in of_lead]
        theirs = found.of_lead.get(lead)
        if theirs is None:
            if lead not in found.earlier:
                yield Journey(touches)
            continue
        for journey in theirs:
            collected[id(journey)].extend(touches)
    for journey in found.journeys:
        journey.touches = sorted(collected.get(id(journey), ()))
        yield journey
