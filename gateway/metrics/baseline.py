"""How often leads went from one stage to the next, with the range that so few or many of them allow. Pure.

In: crossings of each step, times in microseconds. Out: the JSON of the baseline. Only leads that have had as long as
nine of ten took count, else young ones would make the rate look lower than it is.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from gateway.metrics.velocity import DAY, FEWEST, quantile

LEVEL = 0.95
"""How sure the range is to hold the true rate."""
ENOUGH_DAYS = 180
"""History shorter than half a year is said to be short."""


class Crossing(NamedTuple):
    """A lead that reached a step's first stage at ``begin``, and the next at ``end``, if it did. ``sure``: the first
    time is known by itself, not only concluded from a later stage; ``ended``: so is the second."""

    lead: str
    begin: int
    end: int | None
    sure: bool
    ended: bool = True

    @property
    def timed(self) -> bool:
        """How long it took is known."""
        return self.sure and self.ended and self.end is not None and self.end >= self.begin


@dataclass(frozen=True, slots=True)
class Rate:
    """``count`` of ``whole`` leads went on. ``took``: sorted, of those who did. ``maturing``: leads left out, for they
    are too young; ``concluded``: left out, for only the later stage told of this one."""

    stage: str
    to: str
    whole: int
    count: int
    took: Sequence[int]
    maturing: int
    concluded: int
    first: int | None
    last: int | None
    ripe: int
    """Leads that reached the first stage later than this are too young."""

    @property
    def rate(self) -> float | None:
        return self.count / self.whole if self.whole else None

    @property
    def days(self) -> float:
        return (self.last - self.first) / DAY if self.first is not None and self.last is not None else 0.0

    @property
    def missing(self) -> str:
        """Why history does not cover the step; "" where it does."""
        if self.whole and self.concluded > self.count:  # without them the rate would be far too low
            both = self.concluded + self.count
            return (
                f"of {self.concluded:,} of {both:,} leads at {self.to} no system tells when they were at {self.stage}"
            )
        if self.whole + self.maturing:
            return "" if self.whole else f"whoever reached {self.stage} did so too lately"
        if self.concluded:
            return f"no system tells of {self.stage}: it is only concluded from {self.to}"
        return f"nobody reached {self.stage} in this time"


def rate(stage: str, to: str, crossings: Sequence[Crossing], now: int) -> Rate:
    """The rate of one step, of leads that are old enough at ``now``."""
    known = [one for one in crossings if one.sure]
    took = sorted(one.end - one.begin for one in known if one.end is not None and one.timed)
    ripe = now - int(quantile(took, 0.9)) if len(took) >= FEWEST else now
    old = [one for one in known if one.begin <= ripe]
    begun = [one.begin for one in old]
    return Rate(
        stage,
        to,
        whole=len(old),
        count=sum(one.end is not None for one in old),
        took=took,
        maturing=len(known) - len(old),
        concluded=len(crossings) - len(known),
        first=min(begun, default=None),
        last=max(begun, default=None),
        ripe=ripe,
    )


def interval(count: int, whole: int) -> tuple[float, float] | None:
    """Wilson's range of a rate (1927): where the true one lies, 19 times of 20. None of nothing."""
    if not whole:
        return None
    from scipy.stats import binomtest  # a second to import

    found = binomtest(count, whole).proportion_ci(LEVEL, method="wilson")
    return float(found.low), float(found.high)


def baseline(rates: Sequence[Rate]) -> list[dict[str, Any]]:
    """Each step as JSON: its rate (0 to 1), range, counts, and what the history covers."""
    return [_step(one, None if one.missing else interval(one.count, one.whole)) for one in rates]


def _step(one: Rate, found: tuple[float, float] | None) -> dict[str, Any]:
    low, high = found or (None, None)
    return {
        "stage": one.stage,
        "to": one.to,
        "covered": not one.missing,
        "missing": one.missing,
        "leads": one.whole,
        "went_on": one.count,
        "rate": None if one.missing else one.rate,
        "low": low,
        "high": high,
        "p90_days": quantile(one.took, 0.9) / DAY if one.took else None,
        "maturing": one.maturing,
        "concluded": one.concluded,
        "days": one.days,
        "short": not one.missing and one.days < ENOUGH_DAYS,
    }


def going_on(share: float, took: Sequence[int], age: int, ahead: int) -> float:
    """The chance that a lead which has not gone on after ``age`` does so within ``ahead``.

    ``share`` of all leads ever go on, and those take as long as ``took`` (sorted) did: of those not gone on by
    ``age``, so many are left. In microseconds.
    """
    if not took:
        return share if ahead > 0 else 0.0
    by_now, by_then = (bisect_right(took, at) / len(took) for at in (age, age + max(ahead, 0)))
    left = 1 - share * by_now
    return share * (by_then - by_now) / left if left > 0 else 0.0
