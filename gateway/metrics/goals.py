"""goals.yaml: what both teams want to reach, who owns it, until when; its check, and how far it has come. Pure.

baseline: {from: 2025-07-01, until: 2026-07-01}
goals:
  - {name: Sales accept more, from: mql, to: sal, increase: 10 %, team: Sales, by: 2026-12-31}
  - {name: More meetings, from: sal, to: sql, reach: 35 %, team: Inside sales, by: 2026-12-31}
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from marshmallow import Schema, ValidationError, fields

from gateway.errors import Problem
from gateway.metrics.baseline import Crossing, Rate, going_on, interval
from gateway.settings.files import ConfigFile, suggest

REALISTIC = 1.5
"""A goal over this many times the baseline is called unrealistic."""
_PERCENT = re.compile(r"(\d{1,3}(?:\.\d{1,4})?)\s*%")


class Percent(fields.Field[float]):
    """``35 %`` is 0.35."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> float:
        found = _PERCENT.fullmatch(str(value).strip())
        if found is None or not 0 < float(found[1]) <= 1000:
            raise ValidationError("write a percentage over 0, such as 35 %")
        return float(found[1]) / 100


class Day(fields.Field[date]):
    """``2026-12-31``."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> date:
        try:
            return date.fromisoformat(str(value))
        except ValueError:
            raise ValidationError("write a day, such as 2026-12-31") from None


def _word(value: str) -> None:
    if not value.strip():
        raise ValidationError("is empty")


class BaselineForm(Schema):
    begin = Day(
        data_key="from", required=True, metadata={"help": "first day of the history that goals are held against"}
    )
    until = Day(required=True, metadata={"help": "the day after its last; progress counts from then on"})


class GoalForm(Schema):
    name = fields.String(required=True, validate=_word, metadata={"help": "how reports call it"})
    begin = fields.String(
        data_key="from", required=True, metadata={"help": "target, mql, sal or sql: of these leads …"}
    )
    to = fields.String(required=True, metadata={"help": "… so many are to get to this later one"})
    reach = Percent(metadata={"help": "the share that is wanted, such as 35 %"})
    increase = Percent(metadata={"help": "or by how much of the baseline it is to rise, such as 10 %"})
    team = fields.String(required=True, validate=_word, metadata={"help": "whose goal it is"})
    by = Day(required=True, metadata={"help": "when it is to be reached"})


class GoalsForm(Schema):
    baseline = fields.Nested(BaselineForm, required=True, metadata={"help": "the history that goals are held against"})
    goals = fields.List(fields.Nested(GoalForm), required=True, metadata={"help": "what is to be reached"})


@dataclass(frozen=True, slots=True)
class Goal:
    """``where``: ``goals.yaml:4``. Either ``reach`` or ``increase`` (of the baseline's rate) is given, as a share."""

    where: str
    name: str
    begin: str
    to: str
    reach: float | None
    increase: float | None
    team: str
    by: date

    def wanted(self, base: Rate) -> float | None:
        """The rate that is to be reached; None where there is no baseline to raise."""
        if self.increase is None:
            return self.reach
        return None if base.rate is None else base.rate * (1 + self.increase)


@dataclass(frozen=True, slots=True)
class Goals:
    """``begin`` and ``until``: of the baseline."""

    begin: date
    until: date
    goals: Sequence[Goal]


def check_goals(file: ConfigFile, tracked: Sequence[str]) -> list[Problem]:
    """Every problem of the file. ``tracked``: the shared stages of journey.yaml, in order."""
    problems = file.check(GoalsForm())
    base, goals = file.data.get("baseline"), file.data.get("goals")
    days = [_day(base.get(key)) for key in ("from", "until")] if isinstance(base, Mapping) else [None, None]
    if days[0] and days[1] and days[0] >= days[1]:
        problems.append(file.problem(("baseline", "until"), "must lie after from"))
    for index, goal in enumerate(goals if isinstance(goals, list) else ()):
        if not isinstance(goal, Mapping):
            continue
        at = ("goals", index)
        for key in ("from", "to"):
            if isinstance(stage := goal.get(key), str) and stage not in tracked:
                hint = suggest(stage, tracked) or f"; there are {', '.join(tracked)}"
                problems.append(file.problem((*at, key), f"no stage of journey.yaml is tied to it{hint}"))
        ends = [tracked.index(goal[key]) if goal.get(key) in tracked else None for key in ("from", "to")]
        if ends[0] is not None and ends[1] is not None and ends[0] >= ends[1]:
            problems.append(file.problem((*at, "to"), "must come after from"))
        if ("reach" in goal) == ("increase" in goal):
            problems.append(file.problem(at, "say reach or increase, one of them"))
        if "reach" in goal and (found := _PERCENT.fullmatch(str(goal["reach"]).strip())) and float(found[1]) > 100:
            problems.append(file.problem((*at, "reach"), "more than 100 % of them cannot get there"))
        if (by := _day(goal.get("by"))) and days[1] and by <= days[1]:
            problems.append(file.problem((*at, "by"), "must lie after the baseline"))
    return problems


def compile_goals(file: ConfigFile) -> Goals:
    """The goals of a file that has no problem."""
    data: dict[str, Any] = GoalsForm().load(file.data)
    found = [
        Goal(
            f"{file.name}:{file.line(('goals', index))}",
            *(one["name"], one["begin"], one["to"], one.get("reach"), one.get("increase"), one["team"], one["by"]),
        )
        for index, one in enumerate(data["goals"])
    ]
    return Goals(data["baseline"]["begin"], data["baseline"]["until"], found)


def _day(value: Any) -> date | None:
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        return None


def by_then(crossings: Sequence[Crossing], deadline: int) -> list[Crossing]:
    """As things stood at the end of a goal's last day: what came later neither misses it nor reaches it."""
    return [one if one.end is None or one.end < deadline else one._replace(end=None) for one in crossings]


def progress(goal: Goal, base: Rate, since: Sequence[Crossing], now: int, deadline: int) -> dict[str, Any]:
    """One goal as JSON: its baseline, the rate so far, the forecast for its day, and what is wrong with it.

    :param since: of leads that reached its first stage after the baseline. :param deadline: the end of its last day.

    Forecast: who has gone on already, and of all others the chance that they do so in time, as the baseline had it.
    """
    known = [one for one in since if one.sure]
    count = sum(one.end is not None for one in known)
    wanted, low_high = goal.wanted(base), interval(base.count, base.whole)
    expected = count + sum(
        going_on(base.rate or 0.0, base.took, now - one.begin, deadline - now) for one in known if one.end is None
    )
    so_far, forecast = (part / len(known) if known else None for part in (count, expected))
    return {
        "name": goal.name,
        "where": goal.where,
        "stage": goal.begin,
        "to": goal.to,
        "team": goal.team,
        "by": goal.by.isoformat(),
        "baseline": base.rate,
        "baseline_low": low_high[0] if low_high else None,
        "baseline_high": low_high[1] if low_high else None,
        "wanted": wanted,
        "leads": len(known),
        "went_on": count,
        "rate": so_far,
        "forecast": forecast,
        "state": _state(wanted, so_far, forecast, now >= deadline),
        "problems": _problems(base, wanted, low_high),
    }


def _state(wanted: float | None, so_far: float | None, forecast: float | None, over: bool) -> str:
    if wanted is None or so_far is None or forecast is None:
        return "nothing to measure yet"
    if so_far >= wanted:
        return "reached"
    return "missed" if over else "on course" if forecast >= wanted else "behind"


def _problems(base: Rate, wanted: float | None, low_high: tuple[float, float] | None) -> list[str]:
    if base.missing:
        return [f"no baseline: {base.missing}"]
    if wanted is None or base.rate is None or low_high is None:
        return []
    if wanted > 1:
        return [f"asks for {wanted:.1%} of the leads: more than all of them"]
    if wanted <= base.rate:
        return [f"is not above the baseline of {base.rate:.1%}"]
    if wanted <= low_high[1]:
        return [f"lies within the baseline's range ({low_high[0]:.1%} to {low_high[1]:.1%}): chance alone may reach it"]
    if wanted > base.rate * REALISTIC:
        return [f"is more than {REALISTIC:g} times the baseline of {base.rate:.1%}: hardly realistic"]
    return []
