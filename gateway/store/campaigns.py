"""Leads, stages, scores and revenue by the campaign that brought them, and what campaigns cost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from sqlalchemy import Connection, Subquery, and_, case, distinct, func, select

from gateway.journey.journey import Journey
from gateway.metrics.campaigns import Campaign
from gateway.metrics.costs import Cost
from gateway.metrics.unpriced import Unpriced
from gateway.store import tables as t
from gateway.store.among import among
from gateway.store.put import Put
from gateway.store.rescoring import shown
from gateway.store.touches import Won, shares


def campaigns(
    connection: Connection,
    journey: Journey,
    score_name: str,
    sold: Won,
    since: int | None,
    until: int | None,
) -> tuple[list[Campaign], Unpriced]:
    """By campaign, of leads that entered from ``since`` until before ``until``, and their deals without revenue.

    ``sold``: everything ever won.
    """
    brought = _brought(since, until)
    name, r = brought.c.campaign, t.reached.c
    s = shown(brought, brought.c.lead, score_name)
    found = {
        row[0]: Campaign(row[0], row[1], row[2], int(row[3] or 0), int(row[4] or 0))
        for row in connection.execute(
            select(
                name,
                func.count(),
                func.count(s.total),
                func.sum(s.total),
                func.sum(case((s.band == "great", 1), else_=0)),
            )
            .select_from(s.source)
            .group_by(name)
        )
    }
    shared = {one: stage for stage, names in journey.shared_stages().items() for one in names}
    stage = case(shared, value=r.stage)
    stages: dict[str, dict[str, int]] = defaultdict(dict)
    counted = select(name, stage, func.count(distinct(r.lead))).select_from(
        brought.join(t.reached, r.lead == brought.c.lead)
    )
    for campaign, which, count in connection.execute(counted.where(r.stage.in_(shared)).group_by(name, stage)):
        stages[campaign][which] = count
    for campaign, one in found.items():
        one.stages = stages[campaign]
    part = shares(sold)
    for lead, campaign in connection.execute(select(brought.c.lead, name).where(among(brought.c.lead, part))):
        found[campaign].revenue += part[lead] / 100
    if since is None and until is None:
        return list(found.values()), sold.without_revenue()
    bare = {lead for one in sold.unpriced for lead in one.leads}
    whose = set(connection.scalars(select(brought.c.lead).where(among(brought.c.lead, bare)))) if bare else bare
    return list(found.values()), sold.without_revenue(whose)


def brought(
    connection: Connection, journey: Journey, score_name: str, campaign: str | None, number: str,
    since: int | None, until: int | None,
) -> Sequence[str]:  # fmt: skip
    """The leads of a campaign ("" = of none, None = of all): all of them (``leads``), those with a great score, or who
    ever reached a shared stage."""
    theirs = _brought(since, until)
    rows = select(theirs.c.lead).where(*([theirs.c.campaign == campaign] if campaign is not None else []))
    if number == "great":
        s = t.scores.c
        rows = rows.where(theirs.c.lead.in_(select(s.lead).where(s.name == score_name, s.band == "great")))
    elif number != "leads":
        r = t.reached.c
        rows = rows.where(theirs.c.lead.in_(select(r.lead).where(r.stage.in_(journey.shared_stages()[number]))))
    return connection.scalars(rows.order_by(theirs.c.lead)).all()


def _brought(since: int | None, until: int | None) -> Subquery:
    """Each living lead with the campaign of its first touch that names one, "" without."""
    a, c = t.activities.c, t.leads.c
    place = func.row_number().over(partition_by=a.lead, order_by=(a.at, a.id)).label("place")
    touches = select(a.lead, a.campaign, place).where(a.campaign != "").subquery()
    rows = select(c.id.label("lead"), func.coalesce(touches.c.campaign, "").label("campaign")).select_from(
        t.leads.outerjoin(touches, and_(touches.c.lead == c.id, touches.c.place == 1))
    )
    rows = rows.where(c.merged_into.is_(None))
    rows = rows.where(c.entered_at >= since) if since is not None else rows
    return (rows.where(c.entered_at < until) if until is not None else rows).subquery()


def known(connection: Connection) -> list[str]:
    """Every campaign that an activity ever named."""
    a = t.activities.c
    return sorted(connection.scalars(select(a.campaign).where(a.campaign != "").distinct()))


def costs(connection: Connection) -> list[Cost]:
    """What was imported, in order."""
    c = t.costs.c
    rows = connection.execute(select(t.costs).order_by(c.campaign, c.begins, c.ends, c.currency))
    return [
        Cost(
            row.campaign,
            Decimal(row.amount),
            row.currency,
            date.fromisoformat(row.begins),
            date.fromisoformat(row.ends),
        )
        for row in rows
    ]


def put_costs(connection: Connection, found: Sequence[Cost]) -> int:
    """Take costs in; those of the same campaign, days and currency are replaced. Returns how many are new."""
    before = set(costs(connection))
    sums: dict[tuple[str, str, str, str], Decimal] = defaultdict(Decimal)
    for one in found:
        sums[one.campaign, one.begins.isoformat(), one.ends.isoformat(), one.currency] += one.amount
    rows = [
        {"campaign": campaign, "begins": begins, "ends": ends, "currency": currency, "amount": str(amount)}
        for (campaign, begins, ends, currency), amount in sums.items()
    ]
    Put(connection).upsert(t.costs, rows)
    return len(set(costs(connection)) - before)
