"""How fast: time between stages, the whole cycle, and how soon owners answer. Pure arithmetic over durations.

In: durations in microseconds. Out: the JSON of the report, times in days. Quantiles interpolate between neighbours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

DAY = 86_400_000_000
FEWEST = 5
"""Below so many leads a median says nothing about where it takes longest."""


@dataclass(frozen=True, slots=True)
class Step:
    """Leads on their way from one tracked stage to the next. ``took``: sorted, of who arrived; ``waiting``: sorted,
    of who who still stand there. ``unsure``: those for whom the time of either stage was only concluded, or contrary.
    """

    stage: str
    to: str
    took: Sequence[int]
    waiting: Sequence[int] = ()
    unsure: int = 0
    days: Sequence[int] = ()
    """The same as ``took`` in days of the calendar, sorted: from Monday noon to Tuesday morning is one."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Handoffs of one owner (by system). ``answered``: sorted, from getting a lead to the first word of it;
    ``in_time`` of ``due`` were answered within the response time, ``ended`` of ``over`` got their bucket from a person
    before the end of follow-up. Those whose clock still runs count in neither.
    """

    owner: str
    handoffs: int
    answered: Sequence[int] = ()
    in_time: int = 0
    due: int = 0
    ended: int = 0
    over: int = 0


@dataclass(frozen=True, slots=True)
class Velocity:
    steps: Sequence[Step]
    cycle: Step
    owners: Sequence[Owner] = field(default_factory=list)


def velocity(found: Velocity) -> dict[str, Any]:
    """``steps``, ``cycle``, ``owners``; ``bottleneck``: the step with the longest median, of those that at least
    ``FEWEST`` leads took; ``too_few``: the others, of which it cannot be said."""
    steps = [_step(one) for one in found.steps]
    sure = [one for one in steps if one["leads"] >= FEWEST]
    few = [one for one in steps if one["leads"] < FEWEST]
    slowest = max(sure, key=lambda one: one["median_days"], default=None)
    return {
        "steps": steps,
        "cycle": _step(found.cycle),
        "bottleneck": {name: slowest[name] for name in ("stage", "to", "median_days")} if slowest is not None else None,
        "too_few": [{name: one[name] for name in ("stage", "to", "leads", "waiting")} for one in few],
        "owners": [_owner(one) for one in found.owners],
    }


def quantile(ordered: Sequence[int], share: float) -> float:
    """Of sorted values, at least one. The median is ``share`` 0.5: of an even number the middle between the two."""
    place = (len(ordered) - 1) * share
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def _step(one: Step) -> dict[str, Any]:
    return {
        "stage": one.stage,
        "to": one.to,
        "leads": len(one.took),
        **_times(one.took),
        "median_calendar_days": quantile(one.days, 0.5) if one.days else None,
        "waiting": len(one.waiting),
        "waiting_median_days": _days(one.waiting, 0.5),
        "unsure": one.unsure,
    }


def _owner(one: Owner) -> dict[str, Any]:
    return {
        "owner": one.owner,
        "handoffs": one.handoffs,
        "answered": len(one.answered),
        **_times(one.answered),
        "in_time": _share(one.in_time, one.due),
        "in_time_of": one.due,
        "ended_by_a_person": _share(one.ended, one.over),
        "ended_of": one.over,
    }


def _times(ordered: Sequence[int]) -> Mapping[str, float | None]:
    return {f"{name}_days": _days(ordered, share) for name, share in (("median", 0.5), ("p75", 0.75), ("p90", 0.9))}


def _days(ordered: Sequence[int], share: float) -> float | None:
    return quantile(ordered, share) / DAY if ordered else None


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
