"""How many leads reached each stage, and what they brought."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial
from math import ceil
from typing import TYPE_CHECKING, Any

from gateway.answers.brought import known_field
from gateway.answers.metrics.asked import Answer, Asked
from gateway.answers.sheet import one_table
from gateway.answers.texts import plural
from gateway.metrics.funnel import BASES, maturing
from gateway.metrics.period import MONTHS, midnight, period
from gateway.metrics.report import report, shown_value
from gateway.metrics.unpriced import leads_without
from gateway.times import to_micros

if TYPE_CHECKING:
    from gateway.store.funnel import Wanted

NAMED = 10_000
"""So many values can have their leads listed."""


def funnel(asked: Asked, by: str | None, basis: str) -> Answer:
    """Count leads at each stage, with conversions, and what they brought.

    A stage counts every lead that ever reached it; the conversion is from the listed stage before. A cohort is marked
    as maturing while its leads have not had as long as the median lead took to win: it is not to be held against
    older ones. A deal counts once: its revenue is split equally among its leads, to the cent.
    """
    from gateway.metrics.funnel import funnel as counted
    from gateway.metrics.velocity import DAY, quantile
    from gateway.store import funnel as store

    connection, journey = asked.connection, asked.journey
    wanted = _wanted(asked, by)
    cohort = basis == "cohort"
    counts = (store.cohort if cohort else store.flow)(connection, journey, wanted, asked.won(ever=cohort, priced=True))
    data: dict[str, Any] = {"currency": asked.currency, **counted(counts, journey.tracked, basis)}
    if cohort:
        data["median_days_to_win"] = quantile(counts.took, 0.5) / DAY if counts.took else None
        _mature(asked, wanted, data)
    if by in MONTHS:
        data["groups"].sort(key=lambda group: group["value"] or "")
    elif by is not None and by not in store.WORDS and all(one["value"] is None for one in data["groups"]):
        known_field(asked.instance, by.removeprefix("lead."))
    definitions: tuple[str, ...] = ("entered", "revenue", "stage", "conversion", "excluded", "outcome", basis)
    definitions += ("maturing",) if data.get("maturing") else ()
    definitions += ("won_before_entry",) if data["notes"] else ()
    return Answer(
        data,
        report(
            data, f"fiscal {by}" if by in MONTHS and by != "month" and asked.instance.fiscal_year_start != 1 else by
        ),
        _rows(data, by),
        {**_leads(asked, wanted, data, cohort), **_listed(leads_without(counts.unpriced))},
        definitions=definitions,
        counts=BASES[basis],
    )


def _wanted(asked: Asked, by: str | None) -> Wanted:
    from gateway.people.staffing import name_of
    from gateway.store.funnel import Wanted

    fiscal = asked.instance.fiscal_year_start
    if by != "owner":
        return Wanted(by, asked.zone, asked.since, asked.until, fiscal)
    name = partial(name_of, asked.gateway.pipeline.roster(asked.connection, asked.now))
    return Wanted(by, asked.zone, asked.since, asked.until, fiscal, name)


def _mature(asked: Asked, wanted: Wanted, data: dict[str, Any]) -> None:
    """Say of each cohort whether it is too young, and which those are."""
    from gateway.store.funnel import entered_after

    median, today = data["median_days_to_win"], asked.now.astimezone(asked.zone).date()
    young: list[str] = []
    if wanted.by in MONTHS:
        for group in data["groups"]:
            if (name := group["value"]) is not None:
                until = period(name, asked.now, asked.zone, asked.instance.fiscal_year_start).until
                group["maturing"] = until is not None and maturing(until.date(), median, today)
                young += [name] if group["maturing"] else []
    elif data["entered"]:
        until = asked.period.until or asked.now + timedelta(days=1)
        if median is None:
            young.append("all of them")
        elif maturing(until.astimezone(asked.zone).date(), median, today):
            begin = to_micros(midnight(today - timedelta(days=ceil(median) - 1), asked.zone))
            if entered_after(asked.connection, wanted, begin):
                young.append(f"who entered in the last {plural(ceil(median), 'day')}")
    data["maturing"] = young


def _listed(named: Mapping[str, list[str]]) -> Mapping[str, Callable[[], Iterable[str]]]:
    return {name: partial(list, leads) for name, leads in named.items()}


def _leads(
    asked: Asked, wanted: Wanted, data: Mapping[str, Any], cohort: bool
) -> Mapping[str, Callable[[], Iterable[str]]]:
    """``won``, ``excluded/customer``, ``outcome/lost``, and of a group ``won/email``."""
    from gateway.store import funnel as store

    behind = partial(store.cohort_leads if cohort else store.flow_leads, asked.connection, asked.journey, wanted)
    names = ["entered", *(one["stage"] for one in data["stages"])]
    found: dict[str, Callable[[], Iterable[str]]] = {name: partial(behind, name, store.ALL) for name in names}
    for one in data["excluded"]:
        found[f"excluded/{one['reason']}"] = partial(behind, f"excluded/{one['reason']}", store.ALL)
    for one in data["outcomes"]:
        found[f"outcome/{one['outcome']}"] = partial(
            store.outcome_leads, asked.connection, wanted, one["outcome"], cohort
        )
    for note in data["notes"]:
        found[note["kind"]] = partial(list, note["leads"])
    for group in data["groups"][:NAMED]:
        found |= {f"{name}/{shown_value(group['value'])}": partial(behind, name, group["value"]) for name in names}
    return found


def _rows(data: Mapping[str, Any], by: str | None) -> Iterator[Sequence[object]]:
    """A row for each value, or one for all: the columns are called as the numbers are whose leads can be listed."""
    stages = [one["stage"] for one in data["stages"]]
    rows = [
        ({by: one["value"]} if by else {})
        | {f"revenue_{data['currency']}": one["revenue"], "entered": one["entered"]}
        | {stage["stage"]: stage["count"] for stage in one["stages"]}
        | ({"maturing": one["maturing"]} if "maturing" in one and by else {})
        for one in (data["groups"] if by else [data])
    ]
    if not by:
        rows[0] |= {f"excluded/{one['reason']}": one["count"] for one in data["excluded"]}
        rows[0] |= {f"outcome/{one['outcome']}": one["count"] for one in data["outcomes"]}
    return one_table(rows, (*([by] if by else []), f"revenue_{data['currency']}", "entered", *stages))
