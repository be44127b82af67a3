"""What was usual, and how far teams have come since."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, timedelta
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from gateway.answers.metrics.asked import Answer, Asked
from gateway.answers.sheet import one_table
from gateway.answers.texts import plural
from gateway.errors import Refused
from gateway.metrics.period import Period, midnight
from gateway.metrics.report import Behind, Table, number, percent
from gateway.settings.folder import GOALS
from gateway.times import to_micros

if TYPE_CHECKING:
    from gateway.metrics.baseline import Crossing, Rate

YEAR = timedelta(days=365)
UNSET = (
    "there is no goals.yaml yet; docs/committee.md says what stands in it, `gateway metrics baseline` what was usual"
)


def baseline(asked: Asked) -> Answer:
    """Show how many leads usually go from each stage to the next, with the range that is more than chance.

    Of the last year, unless a period is said. Leads that have not had as long as nine of ten took are left out, as
    are those of whom only a later stage tells. What goals.yaml wants is held against this.
    """
    from gateway.metrics.baseline import baseline as told
    from gateway.store.velocity import crossings

    ever = asked.period.since is None and asked.period.until is None
    year = midnight((asked.now.astimezone(asked.zone) - YEAR).date(), asked.zone)
    chosen = Period(year) if ever else asked.period
    since, until = (to_micros(at) if at else None for at in (chosen.since, chosen.until))
    steps = list(pairwise(asked.journey.tracked))
    rates = [_rate(asked, *step, since, until) for step in steps]
    data: dict[str, Any] = {"last_year": ever, "steps": told(rates)}
    leads = {}
    for (stage, to), one in zip(steps, rates, strict=True):
        begun = partial(crossings, asked.connection, asked.journey, stage, to, since, until)
        leads[f"{stage}/{to}"] = partial(_gone, begun, True, one.ripe)
        leads[f"{stage}/not {to}"] = partial(_gone, begun, False, one.ripe)
        leads[f"{stage}/leads"] = partial(_gone, begun, None, one.ripe)
        leads[f"{stage}/too young"] = partial(_young, begun, one.ripe)
    definitions = ("range", "too young", "covered")
    return Answer(data, _parts(data), one_table(data["steps"]), leads, definitions, period=chosen)


def _rate(asked: Asked, stage: str, to: str, since: int | None, until: int | None) -> Rate:
    from gateway.metrics.baseline import rate
    from gateway.store.velocity import crossings

    found = crossings(asked.connection, asked.journey, stage, to, since, until)
    return rate(stage, to, found, to_micros(asked.now))


def _gone(begun: Callable[[], Iterable[Crossing]], went_on: bool | None, ripe: int) -> list[str]:
    """Who went on, who did not, or (None) both."""
    counted = (one for one in begun() if one.sure and one.begin <= ripe)
    return [one.lead for one in counted if went_on is None or (one.end is not None) is went_on]


def _young(begun: Callable[[], Iterable[Crossing]], ripe: int) -> list[str]:
    return [one.lead for one in begun() if one.sure and one.begin > ripe]


def _parts(data: Mapping[str, Any]) -> Iterator[str | Table]:
    if data["last_year"]:
        yield "the last 365 days, for no period was asked for; --since DAY takes in older history"
    columns = ("step", "leads", "went on", "rate", "range", "9 of 10 within", "too young", "history")
    rows = []
    for one in data["steps"]:
        young = Behind(number(one["maturing"]), f"{one['stage']}/too young")
        if not one["covered"]:
            rows.append((f"{one['stage']} to {one['to']}", "", "", "", "", "", young, "not covered"))
            continue
        took = "" if one["p90_days"] is None else f"{one['p90_days']:.1f} days"
        span = f"{one['days']:.0f} days{' (short)' if one['short'] else ''}"
        shares = percent(one["rate"]), f"{percent(one['low'])} to {percent(one['high'])}"
        counts = (
            Behind(number(one["leads"]), f"{one['stage']}/leads"),
            Behind(number(one["went_on"]), f"{one['stage']}/{one['to']}"),
        )
        rows.append((f"{one['stage']} to {one['to']}", *counts, *shares, took, young, span))
    yield Table(columns, rows)
    for one in data["steps"]:
        if one["missing"]:
            yield f"{one['stage']} to {one['to']} is not covered: {one['missing']}"
            continue
        if one["concluded"]:
            left = f"{plural(one['concluded'], 'lead')} left out, of which {one['stage']} is only concluded"
            yield f"{one['stage']} to {one['to']}: {left} from {one['to']}"
        if one["short"]:
            yield f"{one['stage']} to {one['to']}: less than half a year of history; import more (--history)"


def goals(asked: Asked) -> Answer:
    """Show how far each goal of goals.yaml has come, what it will come to by its day, and which are in doubt.

    Counted are leads that reached its first stage after the baseline. The forecast adds, for each that is still on the
    way, the chance that it goes on in time, as the baseline had it.
    """
    from gateway.metrics.goals import by_then, progress
    from gateway.store.velocity import crossings

    agreed = asked.instance.goals
    if agreed is None:
        broken = [str(one) for one in asked.gateway.broken if str(one).startswith(f"{GOALS}:")]
        raise Refused("; ".join(broken) or UNSET)
    begin, until = (_start(asked, day) for day in (agreed.begin, agreed.until))
    found, leads = [], {}
    for goal in agreed.goals:
        base = _rate(asked, goal.begin, goal.to, begin, until)
        deadline = _start(asked, goal.by + timedelta(days=1))
        since = by_then(crossings(asked.connection, asked.journey, goal.begin, goal.to, until, deadline), deadline)
        found.append(progress(goal, base, since, to_micros(asked.now), deadline))
        for word, went_on in (("went on", True), ("on the way", False), ("counted", None)):
            leads[f"{goal.name}/{word}"] = partial(_gone, since.copy, went_on, to_micros(asked.now))
    data = {
        "baseline": {"from": agreed.begin.isoformat(), "until": agreed.until.isoformat()},
        "hash": asked.instance.hashes["goals"],
        "goals": found,
    }
    definitions = ("baseline", "wanted", "so far", "forecast", "state")
    return Answer(data, _goals(data), one_table(found, ("name",)), leads, definitions)


def _start(asked: Asked, day: date) -> int:
    return to_micros(midnight(day, asked.zone))


def _goals(data: Mapping[str, Any]) -> Iterator[str | Table]:
    base = data["baseline"]
    yield f"held against {base['from']} until before {base['until']}; leads since then; days of the instance's zone"
    columns = ("goal", "step", "team", "by", "baseline", "wanted", "so far", "of", "forecast", "state")
    yield Table(
        columns,
        [
            (
                *(one["name"], f"{one['stage']} to {one['to']}", one["team"], one["by"]),
                *(percent(_short(one[key])) for key in ("baseline", "wanted")),
                Behind(percent(_short(one["rate"])), f"{one['name']}/went on"),
                Behind(number(one["leads"]), f"{one['name']}/counted"),
                *(percent(_short(one["forecast"])), one["state"]),
            )
            for one in data["goals"]
        ],
        words=4,
    )
    for one in data["goals"]:
        for problem in one["problems"]:
            yield f"{one['where']}: {one['name']}: {problem}"
    if behind := [one for one in data["goals"] if one["state"] == "behind"]:
        yield f"{plural(len(behind), 'goal')} behind, of: {', '.join(sorted({one['team'] for one in behind}))}"


def _short(share: float | None) -> float | None:
    return None if share is None else round(share, 4)
