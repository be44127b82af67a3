"""When one lead would have crossed the threshold to sales under a model. In: its facts. Out: a ``Way``.

What a lead *is* counts as it is known today, what it *did* as it happened: the score is looked at when the time begins
(or the lead came), after each day with something that counts, and now. Points and thresholds are hundredths; times are
microseconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from gateway.contracts import Activity, Scorer, Subject
from gateway.journey.journey import Journey, Stage
from gateway.times import from_micros, to_micros

DAY = 86_400_000_000


class Way(NamedTuple):
    """``threshold``: what its persona needs; None = its score never gets it to sales. ``now``: its score. ``stood``:
    over the threshold when the time began; ``at``: when it crossed since, with ``score``; None = it did not."""

    persona: str
    threshold: int | None
    now: int
    stood: bool = False
    at: int | None = None
    score: int = 0

    @property
    def stands(self) -> bool:
        return self.threshold is not None and self.now >= self.threshold

    def by(self, at: int) -> bool:
        """Whether it had got to sales by then."""
        return self.stood or (self.at is not None and self.at <= at)


@dataclass(frozen=True, slots=True)
class Rules:
    """One side of the comparison. ``stage``: the first that hands over leads by their score, else the first that a
    score enters. ``most``: points that behaviour can give; None where nobody can say."""

    scorer: Scorer
    journey: Journey
    stage: Stage
    most: int | None

    def way(self, attributes: Mapping[str, Any], facts: Subject, entered: int, since: int, until: int) -> Way:
        """``attributes``: of the person alone, by which its persona is found; ``facts``: what is scored, but for it."""
        persona = self.journey.persona(attributes)
        threshold = self.stage.threshold(persona)
        subject = Subject(facts.attributes, facts.activities, facts.marks, persona)
        score = self.scorer.score(subject, from_micros(until))
        total, fit = score.total, score.fit
        if threshold is None or (self.most is not None and not subject.marks and fit + self.most < threshold):
            return Way(persona, threshold, total)
        start = max(since, entered)
        first = self._total(subject, start)
        if first >= threshold:
            if entered > since:
                return Way(persona, threshold, total, False, start, first)
            return Way(persona, threshold, total, True, None, first)
        for at in _days(subject.activities, start, until):
            if (score_then := self._total(subject, at)) >= threshold:
                return Way(persona, threshold, total, False, at, score_then)
        at_last = until if total >= threshold else None
        return Way(persona, threshold, total, False, at_last, total)

    def _total(self, subject: Subject, at: int) -> int:
        return self.scorer.score(subject, from_micros(at)).total


def rules_of(scorer: Scorer, journey: Journey, score: str = "") -> Rules | None:
    """None: no stage of this journey is entered by this score, which ``scorer`` gives; empty = the main one."""
    stages = [one for one in journey.stages if one.thresholds is not None and one.score == score]
    if not stages:
        return None
    stage = next((one for one in stages if one.handoff), stages[0])
    model: Any = getattr(scorer, "model", None)
    limit = getattr(model, "limit", None)
    most = limit["behaviour"] if limit is not None and not model.overlays else None
    return Rules(scorer, journey, stage, most)


def _days(activities: Sequence[Activity], since: int, until: int) -> Iterator[int]:
    """The last moment of each day on which something happened: what came before it on that day counts by then."""
    last: datetime | None = None
    day = -1
    for one in activities:
        at = to_micros(one.at)
        if not since < at <= until:
            continue
        if last is not None and at // DAY != day:
            yield to_micros(last)
        last, day = one.at, at // DAY
    if last is not None:
        yield to_micros(last)
