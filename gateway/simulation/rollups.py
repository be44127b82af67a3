"""What a company's roll-ups would have been at any time, worked out from what its leads did. Pure.

In: the company's leads, as ``journey.rollups`` takes them. Out: its numbers as steps, each from when they stood. The
sweep that works them out in fact may be an hour late; the numbers are those of ``journey.rollups.Tally`` at the time,
but that a best score is looked at after the last thing that a lead did on a day. Times are microseconds.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from heapq import heappop, heappush
from typing import NamedTuple

from gateway.contracts import Activity
from gateway.journey.rollups import Colleague, Rollup
from gateway.mapping.grammar import OF_COMPANY
from gateway.times import from_micros, to_micros

DAY = 86_400_000_000
Span = tuple[int, int, int]
"""(from, until before, value)"""


class Step(NamedTuple):
    """``numbers``: as rules read them, from ``at`` on."""

    at: int
    numbers: Mapping[str, int | float]


class Course:
    """One company from ``since`` to ``until``: ``add`` each of its leads once, in any order; then ``steps``."""

    def __init__(self, rollups: Mapping[str, Rollup], since: int, until: int) -> None:
        self.rollups = rollups
        self.since, self.until = since, until
        self._did: dict[str, dict[str, list[int]]] = {name: {} for name, one in rollups.items() if one.count}
        self._rated: dict[str, list[Span]] = {name: [] for name, one in rollups.items() if one.best}

    def add(self, lead: Colleague, entered: int) -> None:
        """``entered``: when the lead came; before, it was nobody's colleague."""
        for name, one in self.rollups.items():
            if one.when is not None and not one.when(lead.attributes):
                continue
            if one.best:
                self._rated[name] += self._scores(one, lead, max(entered, self.since))
            elif what := lead.id if one.count == "leads" else lead.persona:
                times = [to_micros(activity.at) for activity in lead.activities if _counts(one, activity)]
                if times:
                    self._did[name].setdefault(what, []).extend(times)

    def steps(self) -> list[Step]:
        """In order; the first is that of ``since``, then one for each day on which a number moved, at its last move."""
        moves: list[tuple[int, str, int]] = []
        for name, did in self._did.items():
            window = _micros(self.rollups[name].window)
            moves += ((at, name, by) for times in did.values() for at, by in _in_and_out(times, window))
        counts = dict.fromkeys(self._did, 0)
        found: dict[int, Step] = {}
        best = [(at, name, value) for name, spans in self._rated.items() for at, value in _highest(spans)]
        standing: dict[str, int | float] = {}
        for at, name, value in sorted([*moves, *best]):
            if at > self.until:
                break
            if name in counts:
                counts[name] += value
            elif value < 0:
                standing.pop(name, None)
            else:
                standing[name] = value / 100
            at = max(at, self.since)
            found[at // DAY if at > self.since else -1] = Step(at, self._named(counts, standing))
        found.setdefault(-1, Step(self.since, self._named(dict.fromkeys(counts, 0), {})))
        return _moving(found[day] for day in sorted(found))

    def _named(self, counts: Mapping[str, int], best: Mapping[str, int | float]) -> dict[str, int | float]:
        return {f"{OF_COMPANY}{name}": number for name, number in (*counts.items(), *best.items())}

    def _scores(self, one: Rollup, lead: Colleague, start: int) -> Iterator[Span]:
        """The score after each day with something counts as long as the window; in between, what it falls to."""
        window, covered = _micros(one.window), start
        for at in _last_of_days(lead.activities, self.since - window, self.until):
            if covered < at:
                yield from self._falling(one, lead, covered, at)
            if (score := lead.scored(from_micros(at))) is not None:
                yield max(at, start), at + window, getattr(score, one.best)
            covered = max(covered, at + window)
        if covered < self.until:
            yield from self._falling(one, lead, covered, self.until)

    def _falling(self, one: Rollup, lead: Colleague, at: int, until: int) -> Iterator[Span]:
        while at < until:
            score = lead.scored(from_micros(at))
            if score is None:
                return
            moves = to_micros(score.changes_at) if score.changes_at is not None else until
            end = min(moves, until) if moves > at else until
            yield at, end if end < self.until else self.until + 1, getattr(score, one.best)
            at = end


def at_time(steps: Sequence[Step], moment: int) -> Step:
    """The step that stood at a moment; that of the begin for an earlier one."""
    return steps[max(0, bisect_right(steps, moment, key=lambda step: step.at) - 1)]


def _counts(one: Rollup, activity: Activity) -> bool:
    if one.activities and activity.kind not in one.activities:
        return False
    return one.where is None or one.where(activity._asdict())


def _in_and_out(times: list[int], window: int) -> Iterator[tuple[int, int]]:
    """(when, +1 | -1): somebody counts from something done on, until a window after the last such thing."""
    times.sort()
    begin = times[0]
    for before, at in zip(times, [*times[1:], None], strict=True):
        if at is None or at >= before + window:
            yield begin, 1
            yield before + window, -1
            begin = at or 0


def _highest(spans: Sequence[Span]) -> Iterator[tuple[int, int]]:
    """(from when, the greatest value of the spans that hold then; -1 = none holds)."""
    ends: list[tuple[int, int]] = []  # the greatest value first
    begins = sorted(spans)
    place, last = 0, -1
    for at in sorted({moment for begin, end, _ in spans for moment in (begin, end)}):
        while place < len(begins) and begins[place][0] <= at:
            heappush(ends, (-begins[place][2], begins[place][1]))
            place += 1
        while ends and ends[0][1] <= at:
            heappop(ends)
        value = -ends[0][0] if ends else -1
        if value != last:
            yield at, value
        last = value


def _last_of_days(activities: Sequence[Activity], after: int, until: int) -> Iterator[int]:
    days: dict[int, int] = {}
    for activity in activities:
        if after < (at := to_micros(activity.at)) <= until:
            days[at // DAY] = max(at, days.get(at // DAY, at))
    yield from sorted(days.values())


def _moving(steps: Iterable[Step]) -> list[Step]:
    found: list[Step] = []
    for step in steps:
        if not found or found[-1].numbers != step.numbers:
            found.append(step)
    return found


def _micros(span: timedelta) -> int:
    return span // timedelta(microseconds=1)
