"""What came back from marketing, and what it brought."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gateway.answers.metrics.asked import Answer, Asked
from gateway.answers.sheet import one_table
from gateway.answers.texts import plural
from gateway.metrics.report import Behind, Table, number, percent, without_revenue
from gateway.metrics.unpriced import leads_without, without

if TYPE_CHECKING:
    from gateway.metrics.recycled import Sale
    from gateway.store.touches import Won


def recycled(asked: Asked) -> Answer:
    """Show how much of what was won had been recycled before, and for which reasons leads come back.

    A deal counts for the handoff that was opened last before it was won, of any of its people. Generation 1 was won at
    the first handoff; each return from marketing is one more.
    """
    from gateway.metrics.recycled import recycled as counted
    from gateway.store.recycled import handoffs

    sold = asked.won()
    data, behind = counted(handoffs(asked.connection), _sales(sold), asked.since, asked.until)
    unpriced = sold.without_revenue()
    data |= {"currency": asked.currency, **without(unpriced)}
    leads = {name: people.copy for name, people in {**behind, **leads_without(unpriced)}.items()}
    definitions = ("deal", "deal revenue", "generation", "recycled", "returned", "reason")
    return Answer(data, _parts(data), _rows(data), leads, definitions)


def _sales(sold: Won) -> list[Sale]:
    from gateway.metrics.recycled import Sale

    return [Sale(one.leads, one.won_at, one.value, one.end) for one in sold.journeys if one.won_at is not None]


def _rows(data: Mapping[str, Any]) -> Iterator[Sequence[object]]:
    """A row for each generation and for each reason: ``kind`` says which. A deal is in its generation, and again
    in the reason of its last recycling."""
    money = f"revenue_{data['currency']}"
    kinds = (("generation", data["generations"]), ("reason", data["reasons"]))
    rows = ({"kind": kind, **one, money: one["revenue"]} for kind, found in kinds for one in found)
    return one_table(({name: value for name, value in row.items() if name != "revenue"} for row in rows), ("kind",))


def _parts(data: Mapping[str, Any]) -> Iterator[str | Table]:
    currency = data["currency"]
    deals = plural(data["deals"], "deal")
    yield f"{deals} of {data['revenue']:,.2f} {currency}" if data["revenue"] else f"{deals}, none with revenue"
    yield from without_revenue(data)
    rows = [
        (_generation(one["generation"]), _deals(one), f"{one['revenue']:,.0f}", percent(one["share"]))
        for one in data["generations"]
    ]
    yield Table(("won at", "deals", f"revenue in {currency}", "share"), rows)
    if (back := data["from_recycling"])["deals"]:
        days = f"{back['median_days']:,.1f} days (90 of 100 within {back['p90_days']:,.1f})"
        yield f"from the last recycling to the deal: a median of {days}"
    because = (
        "recycled because",
        "leads",
        "came back",
        "of them",
        "deals",
        f"revenue in {currency}",
        "days to the deal",
    )
    reasons = [
        (
            one["reason"] or "(no reason)",
            *(
                Behind(number(one[which]), f"{which}/{one['reason'] or '(no reason)'}")
                for which in ("recycled", "returned")
            ),
            percent(one["returned_share"]),
            Behind(number(one["deals"]), f"won after/{one['reason'] or '(no reason)'}"),
            f"{one['revenue']:,.0f}",
            "" if one["median_days"] is None else f"{one['median_days']:,.1f}",
        )
        for one in data["reasons"]
    ]
    yield Table(because, reasons)


def _deals(one: Mapping[str, Any]) -> Behind:
    return Behind(number(one["deals"]), f"won/{one['generation'] or '(never handed over)'}")


def _generation(generation: int | None) -> str:
    return "(never handed over)" if generation is None else f"generation {generation}"
