"""What each campaign brought, what it cost and returned."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

from gateway.answers.metrics.asked import Answer, Asked
from gateway.answers.sheet import one_table
from gateway.metrics.report import Behind, Table, number, percent, shown_value, without_revenue
from gateway.metrics.unpriced import leads_without, without

if TYPE_CHECKING:
    from gateway.metrics.campaigns import Campaign
    from gateway.metrics.costs import Cost
    from gateway.metrics.money import Rates


def campaigns(asked: Asked) -> Answer:
    """Show what each campaign brought, what came of it, what it cost and returned.

    A lead counts once, for the campaign of its first touch that names one. A deal's revenue is shared equally among
    its people. Costs come with `gateway import FILE --costs` and are spread evenly over their days: those of the
    period count.
    """
    from gateway.metrics.campaigns import campaigns as counted
    from gateway.store import campaigns as store

    connection, journey, currency = asked.connection, asked.journey, asked.currency
    sold = asked.won(ever=True, priced=True)
    found, unpriced = store.campaigns(
        connection, journey, asked.gateway.model.score_name, sold, asked.since, asked.until
    )
    days = [at.replace(tzinfo=None) if at is not None else None for at in (asked.period.since, asked.period.until)]
    unpaid = _price(found, store.costs(connection), asked.instance.rates, *days)
    data = counted(found, [stage for stage in journey.tracked if stage != "target"])
    data |= {"currency": currency, **without(unpriced), "costs_without_rate": unpaid}
    brought_nobody = {one.name for one in found if not one.leads}
    data["unknown_campaigns"] = sorted(brought_nobody.difference(store.known(connection)) if brought_nobody else ())
    brought = partial(store.brought, connection, journey, asked.gateway.model.score_name)
    counted_ = ("leads", "great", *(stage for stage in journey.tracked if stage != "target"))
    leads = {which: partial(brought, None, which, asked.since, asked.until) for which in counted_}
    leads |= {
        f"{which}/{shown_value(one.name or None)}": partial(brought, one.name, which, asked.since, asked.until)
        for one in found
        for which in counted_
    }
    leads |= {name: partial(list, theirs) for name, theirs in leads_without(unpriced).items()}
    return Answer(
        data, _parts(data), _rows(data), leads, ("campaign", "score", "great", "stage", "revenue", "cost", "return")
    )


def _price(
    found: list[Campaign], costs: Iterable[Cost], rates: Rates, since: datetime | None, until: datetime | None
) -> dict[str, str]:
    """Give each campaign its cost; one that brought nobody gets a row of its own. Returns what has no rate."""
    from gateway.metrics.campaigns import Campaign

    by_name = {one.name: one for one in found}
    other: dict[str, Decimal] = defaultdict(Decimal)
    for one in costs:
        amount = one.within(since, until)
        cents = rates.cents(amount, one.currency, one.begins)
        if cents is None:
            other[one.currency] += amount
        elif cents:
            if one.campaign not in by_name:
                found.append(Campaign(one.campaign))
                by_name[one.campaign] = found[-1]
            campaign = by_name[one.campaign]
            campaign.cost = (campaign.cost or 0.0) + cents / 100
    return {money: f"{amount:.2f}" for money, amount in sorted(other.items())}


def _rows(data: Mapping[str, Any]) -> Iterator[Sequence[object]]:
    """A row for each campaign; without a name: leads that no campaign touched."""
    money = data["currency"]
    rows = [
        {name: one[name] for name in ("campaign", "leads", "score_mean", "great_share")}
        | {stage["stage"]: stage["count"] for stage in one["stages"]}
        | {f"revenue_{money}": one["revenue"], f"cost_{money}": one["cost"]}
        | {f"cost_per_{stage['stage']}_{money}": stage["cost_each"] for stage in one["stages"]}
        | {"return": one["return"]}
        for one in data["campaigns"]
    ]
    return one_table(rows, ("campaign",))


def _parts(data: Mapping[str, Any]) -> Iterator[str | Table]:
    currency, stages = data["currency"], [one["stage"] for one in data["total"]["stages"]]
    priced = data["total"]["cost"] is not None
    columns = ("campaign", "leads", "score", "great", *stages, f"revenue in {currency}")
    columns += ("cost", *(f"per {stage}" for stage in stages), "return") if priced else ()
    rows = [
        (shown_value(one["campaign"]), *_cells(one, priced, shown_value(one["campaign"]))) for one in data["campaigns"]
    ]
    yield Table(columns, [*rows, ("in all", *_cells(data["total"], priced))])
    if not data["campaigns"]:
        yield "no leads entered in this time"
    yield from without_revenue(data)
    for name in data["unknown_campaigns"]:
        yield f"no activity names the campaign {name!r}, but costs do: is it called otherwise?"
    for money, amount in data["costs_without_rate"].items():
        yield f"costs of {amount} {money} are left out, for rates.yaml has no rate to {currency} for their days"


def _cells(one: Mapping[str, Any], priced: bool, called: str = "") -> Sequence[str]:
    """``called``: the campaign; empty: all of them."""

    def behind(text: str, which: str) -> Behind:
        return Behind(text, f"{which}/{called}" if called else which)

    def count(leads: int, which: str) -> Behind:
        return behind(number(leads), which)

    score = "" if one["score_mean"] is None else f"{one['score_mean']:.1f}"
    cells = [count(one["leads"], "leads"), score, behind(percent(one["great_share"]), "great")]
    cells += [*(count(stage["count"], stage["stage"]) for stage in one["stages"]), f"{one['revenue']:,.0f}"]
    if priced:
        cells += ["" if one["cost"] is None else f"{one['cost']:,.0f}"]
        cells += ["" if stage["cost_each"] is None else f"{stage['cost_each']:,.0f}" for stage in one["stages"]]
        cells += ["" if one["return"] is None else f"{one['return'] * 100:,.0f} %"]
    return cells
