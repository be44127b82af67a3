"""Which score a lead should need for a stage: as many leads as sales can work, those that are won most often.

In: what past leads scored and how they ended, what leads of late score, and the room there is. Out: a threshold for
each persona such that the last lead let in has the same chance to be won whatever its persona, which wins most; and
what it costs to move it. Before: lesson, whose cases these are; after: ``cli.learning``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gateway.errors import Refused
from gateway.learning.fitting import Floats, chance, fit

MOVES = (-10, -5, 5, 10)


@dataclass(frozen=True, slots=True)
class Ended:
    """A past lead: its persona, its points when it was judged, whether it was won."""

    persona: str
    points: float
    won: bool


@dataclass(frozen=True, slots=True)
class Flow:
    """Leads as they come in: (persona, points) of each, and how many weeks brought them."""

    leads: Sequence[tuple[str, float]]
    weeks: float


@dataclass(frozen=True, slots=True)
class Move:
    """``by`` points: what changes in a week, and which share of the leads that come or go is won."""

    by: int
    leads: float
    won: float
    share: float


@dataclass(frozen=True, slots=True)
class Threshold:
    """``now`` is None where a persona's score alone never gets it in. Leads and won of them are a week's; ``last`` is
    the chance of a lead right at the proposed threshold. ``past``: won and all past leads of the persona."""

    persona: str
    now: float | None
    proposed: int
    leads_now: float
    leads: float
    won_now: float
    won: float
    last: float
    past: tuple[int, int]
    moves: tuple[Move, ...]


class Curve:
    """The chance to be won by points and persona. Of a persona of whom little is known it is nearly everybody's.

    Raises ``Refused`` where points say nothing of who is won.
    """

    def __init__(self, past: Sequence[Ended]) -> None:
        points = np.array([one.points for one in past])
        won = np.array([one.won for one in past])
        self._personas = sorted({one.persona for one in past})
        self._middle, self._width = float(points.mean()), float(points.std()) or 1.0
        self._fit = fit(self._columns([one.persona for one in past], points), won)
        if self._fit.coefficients[0] <= 0:
            raise Refused(
                "past leads with more points were not won more often, so no threshold is better than another; "
                "`gateway model learn` says what tells them apart"
            )

    def __call__(self, persona: str, points: Floats) -> Floats:
        return chance(self._fit.logit(self._columns([persona] * len(points), points)))

    def _columns(self, personas: Sequence[str], points: Floats) -> Floats:
        place = {name: index for index, name in enumerate(self._personas)}
        marks = np.zeros((len(points), len(place)))
        for row, persona in enumerate(personas):
            if persona in place:
                marks[row, place[persona]] = 1
        return np.column_stack([(points - self._middle) / self._width, marks])


def thresholds(
    past: Sequence[Ended], flow: Flow, room: float, now: Mapping[str, float | None]
) -> tuple[Threshold, ...]:
    """One for each persona of ``now`` whose score counts at all, which maps it to its threshold of today.

    :param room: leads a week that sales can work. Raises ``Refused`` when nothing can be said, with what to do.
    """
    asked = {persona for persona, threshold in now.items() if threshold is not None}
    leads = {persona: np.sort(np.array([points for one, points in flow.leads if one == persona])) for persona in asked}
    if not sum(map(len, leads.values())):
        raise Refused("no lead came in within that time; --weeks N looks further back")
    curve = Curve(past)
    chances = np.sort(np.concatenate([curve(persona, theirs) for persona, theirs in leads.items()]))[::-1]
    places = int(room * flow.weeks)
    cut = float(chances[places - 1]) if 0 < places < len(chances) else 0.0 if places else 1.0
    if (chances >= cut).sum() > places:  # too many are alike right there: none of them
        cut = float(min(chances[chances > cut], default=1.0))
    grid = np.arange(0, 101, dtype=float)
    found = []
    for persona in sorted(asked):
        enough = curve(persona, grid) >= cut - 1e-12
        proposed = max(int(np.argmax(enough)) if enough.any() else 100, 1)
        found.append(_told(persona, now[persona], proposed, leads[persona], flow.weeks, curve, past))
    return tuple(found)


def _told(
    persona: str,
    now: float | None,
    proposed: int,
    leads: Floats,
    weeks: float,
    curve: Callable[[str, Floats], Floats],
    past: Sequence[Ended],
) -> Threshold:
    def week(threshold: float) -> tuple[float, float]:
        taken = leads[leads >= threshold]
        return len(taken) / weeks, float(curve(persona, taken).sum()) / weeks if len(taken) else 0.0

    before, after = week(math.inf if now is None else now), week(proposed)
    moves = []
    for by in MOVES:
        if 1 <= proposed + by <= 100:
            other = week(proposed + by)
            more, wins = other[0] - after[0], other[1] - after[1]
            moves.append(Move(by, more, wins, wins / more if more else 0.0))
    theirs = [one.won for one in past if one.persona == persona]
    last = float(curve(persona, np.array([float(proposed)]))[0])
    return Threshold(
        persona, now, proposed, before[0], after[0], before[1], after[1], last, (sum(theirs), len(theirs)), tuple(moves)
    )


def same_share(before: Floats, after: Floats, threshold: float) -> int:
    """The whole threshold that lets as many of the leads in by their points ``after`` as ``threshold`` did before."""
    wanted = (before >= threshold).sum()
    grid = np.arange(1, 101)
    taken = np.array([(after >= one).sum() for one in grid])
    return int(grid[int(np.argmin(np.abs(taken - wanted)))])
