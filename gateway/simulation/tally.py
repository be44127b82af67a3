"""What many leads' ways under two models add up to. Tallies of parts are added together. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta, tzinfo
from heapq import nlargest
from typing import NamedTuple

from gateway.simulation.replay import Way
from gateway.times import from_micros

LIVE, DRAFT = "live", "draft"
SIDES = (LIVE, DRAFT)
EXAMPLES = 10
"""Leads that are named in each list."""
BIN = 1000
PRIOR = 10
"""As many leads with the rate of all count in each bin of scores: few cases say little."""


class Example(NamedTuple):
    """``gap``: how far the two scores lie apart; the greatest are named. ``at``: when it crossed, or was won."""

    gap: int
    lead: str
    live: int
    draft: int
    persona: str
    at: int


class Past(NamedTuple):
    """What is known to have become of a lead. ``won_at``: within the time only."""

    handed: bool
    accepted: bool
    won: bool
    won_at: int | None


@dataclass(slots=True)
class Tally:
    """Of ``leads`` leads. ``counts``: ``crossed live``, ``crossed draft``, ``both``, ``gained``, ``dropped`` (crossed
    under the one model alone), ``stand live``, ``stand draft``, ``at once`` (the draft hands them over when it goes
    live), ``fall`` (over the threshold now, not under the draft), ``wins`` with ``wins live|draft|caught|missed``.
    ``weeks``: (side, Monday) → crossings. ``bins``: (side, tens of points, what) → leads that crossed, were handed
    over, accepted, won."""

    leads: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    weeks: Counter[tuple[str, date]] = field(default_factory=Counter)
    personas: Counter[tuple[str, str]] = field(default_factory=Counter)
    bins: Counter[tuple[str, int, str]] = field(default_factory=Counter)
    examples: dict[str, list[Example]] = field(default_factory=dict)

    def take(self, lead: str, live: Way, draft: Way, past: Past, zone: tzinfo) -> None:
        self.leads += 1
        count = self.counts
        for side, way in ((LIVE, live), (DRAFT, draft)):
            count[f"stand {side}"] += way.stands
            if way.at is not None:
                count[f"crossed {side}"] += 1
                self.weeks[side, monday(way.at, zone)] += 1
                self.personas[side, way.persona] += 1
            if way.at is not None or way.stood:
                place = min(way.score // BIN, 9)
                self.bins[side, place, "crossed"] += way.at is not None
                self.bins[side, place, "handed"] += past.handed
                self.bins[side, place, "accepted"] += past.handed and past.accepted
                self.bins[side, place, "won"] += past.handed and past.won
        over_live, over_draft = (way.stood or way.at is not None for way in (live, draft))
        count["both"] += live.at is not None and draft.at is not None
        if draft.at is not None and not over_live:
            self._name("gained", lead, live, draft, draft.at)
        if live.at is not None and not over_draft:
            self._name("dropped", lead, live, draft, live.at)
        count["at once"] += draft.stands and not live.stands
        count["fall"] += live.stands and not draft.stands
        if past.won_at is not None:
            by_live, by_draft = live.by(past.won_at), draft.by(past.won_at)
            count["wins"] += 1
            count["wins live"] += by_live
            count["wins draft"] += by_draft
            if by_live != by_draft:
                self._name("wins caught" if by_draft else "wins missed", lead, live, draft, past.won_at)

    def _name(self, what: str, lead: str, live: Way, draft: Way, at: int) -> None:
        self.counts[what] += 1
        named = self.examples.setdefault(what, [])
        named.append(Example(abs(draft.now - live.now), lead, live.now, draft.now, draft.persona, at))
        if len(named) > 4 * EXAMPLES:
            named[:] = nlargest(EXAMPLES, named)

    def add(self, other: Tally) -> None:
        self.leads += other.leads
        for name in ("counts", "weeks", "personas", "bins"):
            getattr(self, name).update(getattr(other, name))
        for what, found in other.examples.items():
            self.examples[what] = nlargest(EXAMPLES, [*self.examples.get(what, ()), *found])

    def named(self, what: str) -> list[Example]:
        return nlargest(EXAMPLES, self.examples.get(what, ()))

    def expected(self, side: str) -> tuple[float, float] | None:
        """How many of those who cross sales would accept and win, going by those of like score whom they got.

        None: nobody of them was ever handed over, so nobody can say.
        """
        handed = self._sum(side, "handed")
        if not handed:
            return None
        found = []
        for what in ("accepted", "won"):
            base = self._sum(side, what) / handed
            found.append(
                sum(
                    self.bins[side, place, "crossed"]
                    * (self.bins[side, place, what] + PRIOR * base)
                    / (self.bins[side, place, "handed"] + PRIOR)
                    for place in range(10)
                )
            )
        return found[0], found[1]

    def _sum(self, side: str, what: str) -> int:
        return sum(self.bins[side, place, what] for place in range(10))


def monday(at: int, zone: tzinfo) -> date:
    day = from_micros(at).astimezone(zone).date()
    return day - timedelta(days=day.weekday())
