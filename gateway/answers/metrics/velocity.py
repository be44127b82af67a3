"""How long leads stand where, and how soon owners answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from gateway.answers.metrics.asked import Answer, Asked
from gateway.answers.sheet import one_table
from gateway.answers.texts import plural
from gateway.metrics.report import Behind, Table, number, percent
from gateway.metrics.velocity import FEWEST
from gateway.times import to_micros

if TYPE_CHECKING:
    from gateway.metrics.baseline import Crossing

UNSURE = "of {} the time of a stage is only known from a later one, or lies after it: not counted"


def velocity(asked: Asked) -> Answer:
    """Show how long each step takes, where it takes longest, and how soon owners answer.

    Days of 24 hours from the time one stage was first reached to that of the next; the median, and within how many
    days 75 and 90 of a hundred got there. Who is still on the way is counted apart.
    """
    from gateway.metrics.velocity import velocity as timed
    from gateway.people.staffing import name_of
    from gateway.store.velocity import velocity as counted

    name = partial(name_of, asked.gateway.pipeline.roster(asked.connection, asked.now))
    now = to_micros(asked.now)
    data = timed(counted(asked.connection, asked.journey, now, asked.since, asked.until, name, asked.zone))
    return Answer(data, _parts(data), _rows(data), _leads(asked, data), _definitions(data))


def _leads(asked: Asked, data: Mapping[str, Any]) -> dict[str, Callable[[], list[str]]]:
    """``mql/sal`` took the step, ``mql/waiting`` stand before it, ``mql/unsure`` are not counted, and so of ``cycle``;
    ``owner/kim`` got a handoff, ``owner/kim/answered`` said a word of it, ``in_time``, ``by_a_person`` kept a clock."""
    from gateway.people.staffing import name_of
    from gateway.store.velocity import crossings, owned

    found: dict[str, Callable[[], list[str]]] = {}
    for called, one in [*((one["stage"], one) for one in data["steps"]), ("cycle", data["cycle"])]:
        read = partial(crossings, asked.connection, asked.journey, one["stage"], one["to"], asked.since, asked.until)
        for word, which in ((one["to"], True), ("waiting", False), ("unsure", None)):
            found[f"{called}/{word}"] = partial(_took, read, which, to_micros(asked.now))
    name = partial(name_of, asked.gateway.pipeline.roster(asked.connection, asked.now))
    for one in data["owners"]:
        for kept in ("", "answered", "in_time", "by_a_person"):
            called = "/".join(filter(None, ("owner", one["owner"] or "(nobody)", kept)))
            within = to_micros(asked.now), asked.since, asked.until
            found[called] = partial(owned, asked.connection, one["owner"], kept, *within, name)
    return found


def _took(read: Callable[[], Sequence[Crossing]], which: bool | None, now: int) -> list[str]:
    """Leads that took the step (True), stand before it (False), or of whom nobody knows how long it took (None)."""
    rows = read()
    if which is False:
        return [one.lead for one in rows if one.end is None and one.begin <= now]
    return [one.lead for one in rows if one.end is not None and one.timed is bool(which)]


def _definitions(data: Mapping[str, Any]) -> Sequence[str]:
    return ("step", "bottleneck", *(("response", "in_time", "by_a_person") if data["owners"] else ()))


def _rows(data: Mapping[str, Any]) -> Iterator[Sequence[object]]:
    """A row for each step, for the whole cycle, and for each owner: ``kind`` says which."""
    kinds = [("step", data["steps"]), ("cycle", [data["cycle"]]), ("owner", data["owners"])]
    return one_table({"kind": kind, **one} for kind, rows in kinds for one in rows)


def _parts(data: Mapping[str, Any]) -> Iterator[str | Table]:
    columns: Sequence[str] = (
        "step",
        "leads",
        "median",
        "75 of 100",
        "90 of 100",
        "by calendar",
        "on the way",
        "waiting (median)",
    )
    yield Table(columns, [*map(_row, data["steps"]), _row(data["cycle"], "cycle")])
    yield "days of 24 hours from the first time at one stage to that at the next; by calendar: the median in dates"
    if slowest := data["bottleneck"]:
        yield f"it takes longest from {slowest['stage']} to {slowest['to']}: {_days(slowest['median_days'])} days"
    else:
        yield "where it takes longest cannot be said yet"
    if few := data["too_few"]:
        steps = (f"{one['stage']} → {one['to']} ({one['leads']} took it, {one['waiting']} on the way)" for one in few)
        yield f"left out of that, for fewer than {FEWEST} leads took them: {', '.join(steps)}"
    if unsure := sum(one["unsure"] for one in data["steps"]):
        yield UNSURE.format(plural(unsure, "step"))
    if data["owners"]:
        columns = ("owner", "handoffs", "answered", "median", "90 of 100", "in time", "bucket by a person")
        yield Table(columns, [_owner(one) for one in data["owners"]])
        yield "hours from getting a lead to the first word of it; clocks that still run count in neither share"


def _row(one: Mapping[str, Any], called: str = "") -> tuple[str, ...]:
    times = (_days(one[name]) for name in ("median_days", "p75_days", "p90_days"))
    dates = "" if one["median_calendar_days"] is None else f"{one['median_calendar_days']:g}"
    waits = _days(one["waiting_median_days"])
    stage, to = one["stage"], one["to"]
    called = called or stage
    took = Behind(number(one["leads"]), f"{called}/{to}")
    waiting = Behind(number(one["waiting"]), f"{called}/waiting")
    return (f"{stage} → {to}", took, *times, dates, waiting, waits)


def _owner(one: Mapping[str, Any]) -> tuple[str, ...]:
    who = one["owner"] or "(nobody)"
    counts = (
        Behind(number(one["handoffs"]), f"owner/{who}"),
        Behind(number(one["answered"]), f"owner/{who}/answered"),
    )
    kept = (
        Behind(f"{percent(one[share])} of {number(one[whole])}", f"owner/{who}/{called}") if one[whole] else ""
        for share, whole, called in (
            ("in_time", "in_time_of", "in_time"),
            ("ended_by_a_person", "ended_of", "by_a_person"),
        )
    )
    return (who, *counts, _hours(one["median_days"]), _hours(one["p90_days"]), *kept)


def _days(days: float | None) -> str:
    return "" if days is None else f"{days:,.1f}"


def _hours(days: float | None) -> str:
    return "" if days is None else f"{days * 24:,.1f}"
