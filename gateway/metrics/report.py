"""The funnel for people: lines and tables with percentages. In: the JSON of ``funnel``. Out: what a command prints."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from gateway.metrics.unpriced import AMOUNT, RATE

NONE = "(none)"
"""Leads without a value; a value that is called so stands in quotes."""


@dataclass(frozen=True, slots=True)
class Table:
    """Cells as texts; all columns but the first (the first ``words``) hold numbers. Without rows it is not there."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""
    words: int = 1


class Behind(str):
    """A cell with a number whose leads can be listed: ``number`` is its name in an ``Answer``."""

    number: str

    def __reduce__(self) -> tuple[type[Self], tuple[str, str]]:
        return type(self), (str(self), self.number)

    def __new__(cls, text: str, number: str) -> Self:
        made = super().__new__(cls, text)
        made.number = number
        return made


def report(data: Mapping[str, Any], by: str | None = None) -> Iterator[str | Table]:
    """Lines and tables in their order; empty parts are left out."""
    currency = data.get("currency", "")
    leads = f"{number(data['entered'])} {'lead' if data['entered'] == 1 else 'leads'}"
    joined = "from {} that entered" if data["basis"] == "cohort" else "won; {} entered"
    brought = f"{data['revenue']:,.2f} {currency} of revenue {joined.format(leads)}"
    yield brought if data["revenue"] else f"{leads} entered"
    yield from without_revenue(data)
    if (nobodys := data["without_leads"])["deals"]:
        name = "names" if nobodys["deals"] == 1 else "name"
        yield f"without {nobodys['revenue']:,.2f} {currency} of {_deals(nobodys['deals'])} that {name} no lead"
    rows = [("entered", Behind(number(data["entered"]), "entered"), "")]
    rows += [
        (f"never handed over: {one['reason']}", Behind(number(one["count"]), f"excluded/{one['reason']}"), "")
        for one in data["excluded"]
    ]
    rows += [
        (one["stage"], Behind(number(one["count"]), one["stage"]), percent(one["conversion"])) for one in data["stages"]
    ]
    yield Table(("stage", "leads", "of the stage before"), rows)
    if data["outcomes"]:
        told = ((one["outcome"], number(one["count"]), f"outcome/{one['outcome']}") for one in data["outcomes"])
        yield Table(("outcome", "leads"), [(name, Behind(count, which)) for name, count, which in told])
    if data["groups"]:
        yield _groups(data["groups"], by or "value")
    if data.get("maturing"):
        took = data["median_days_to_win"]
        needed = "nobody has won yet" if took is None else f"the median lead took {took:,.1f} days to win"
        yield f"still maturing: {', '.join(data['maturing'])}; not to be held against older ones, for {needed}"
    yield from map(_note, data["notes"])


def without_revenue(data: Mapping[str, Any]) -> Iterator[str]:
    """A line for each other currency in which deals were won, and one for those that have no amount at all."""
    for money, count in sorted(data[RATE].items()):
        why = f"rates.yaml has no rate to {data['currency']} for the day"
        yield f"{_deals(count)} in {money}: counted, but without revenue, for {why}"
    if count := data[AMOUNT]:
        yield f"{_deals(count)} without an amount in a currency: counted, but without revenue"


def _deals(count: int) -> str:
    return f"{number(count)} {'deal' if count == 1 else 'deals'}"


def number(count: int) -> str:
    """``13087`` → ``13,087``."""
    return f"{count:,}"


def percent(share: float | None) -> str:
    """``0.10525`` → ``10.525 %``: three digits, because one lead in 8,000 should still be seen. None → empty."""
    return "" if share is None else f"{share * 100:.3f}".rstrip("0").rstrip(".") + " %"


def _groups(groups: Sequence[Mapping[str, Any]], by: str) -> Table:
    """One row per value: the count of each stage, and its share of the stage before."""
    stages = [stage["stage"] for stage in groups[0]["stages"]]
    columns = [by, "revenue", *stages[:1]]
    for before, stage in itertools.pairwise(stages):
        columns += [stage, f"of {before}"]
    rows = []
    for group in groups:
        young = " (maturing)" if group.get("maturing") else ""
        cells = [shown_value(group["value"]) + young, f"{group['revenue']:,.0f}"]
        for position, stage in enumerate(group["stages"]):
            count = Behind(number(stage["count"]), f"{stage['stage']}/{shown_value(group['value'])}")
            cells += [count, percent(stage["conversion"])][: 2 if position else 1]
        rows.append(tuple(cells))
    return Table(tuple(columns), rows)


def shown_value(value: Any) -> str:
    """A value that leads are grouped by, as reports write it."""
    if value is None:
        return NONE
    return value if isinstance(value, str) and value != NONE else json.dumps(value, ensure_ascii=False)


def _note(note: Mapping[str, Any]) -> str:
    count, leads = note["count"], note["leads"]
    named = ", ".join(leads[:10]) + (f" and {number(count - 10)} more" if count > 10 else "")
    what = {"won_before_entry": "won before they became known"}.get(note["kind"], note["kind"])
    return f"{number(count)} {'lead' if count == 1 else 'leads'} {what}: {named}"
