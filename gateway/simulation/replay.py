"""When one lead would have crossed the threshold to sales under a model. In: its facts. Out: a ``Way``.

What a lead *is* counts as it is known today, what it and its colleagues *did* as it happened: the score is looked at
when the time begins (or the lead came), after each day with something that counts, and now. Points and thresholds are
hundredths; times are microseconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from gateway.contracts import Activity, Scorer, Subject
from gateway.journey.journey import Journey, Stage
from gateway.simulation.rollups import Step, at_time
from gateway.times import from_micros, to_micros

DAY = 86_400_000_000
FEW = 8
"""So many steps of a company are cheaper looked through for the most of fit than replayed."""


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

    def way(
        self,
        attributes: Mapping[str, Any],
        facts: Subject,
        entered: int,
        since: int,
        until: int,
        steps: Sequence[Step] = (),
    ) -> Way:
        """``attributes``: of the person alone, by which its persona is found; ``facts``: what is scored, but for it.
        ``steps``: the roll-ups of its company, where the model reads any."""
        persona = self.journey.persona(attributes)
        threshold = self.stage.threshold(persona)
        subject = Subject(facts.attributes, facts.activities, facts.marks, persona)
        score = self.scorer.score(_then(subject, steps, until), from_micros(until))
        total = score.total
        if threshold is None or not self._may_reach(threshold, subject, score.fit, until, steps):
            return Way(persona, threshold, total)
        start = max(since, entered)
        first = self._total(_then(subject, steps, start), start)
        if first >= threshold:
            if entered > since:
                return Way(persona, threshold, total, False, start, first)
            return Way(persona, threshold, total, True, None, first)
        moved = (step.at for step in steps if start < step.at <= until)
        for at in sorted({*_days(subject.activities, start, until), *moved}):
            if (score_then := self._total(_then(subject, steps, at), at)) >= threshold:
                return Way(persona, threshold, total, False, at, score_then)
        at_last = until if total >= threshold else None
        return Way(persona, threshold, total, False, at_last, total)

    def _may_reach(self, threshold: int, subject: Subject, fit: int, until: int, steps: Sequence[Step]) -> bool:
        """Whether all points of behaviour would do; the others move by its company alone."""
        if self.most is None or subject.marks or len(steps) > FEW:
            return True
        if len(steps) > 1:
            then = (_then(subject, steps, step.at) for step in steps)
            fit = max(self.scorer.score(one, from_micros(until)).fit for one in then)
        return fit + self.most >= threshold

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


def _then(subject: Subject, steps: Sequence[Step], at: int) -> Subject:
    """With the roll-ups that its company had then."""
    if not steps:
        return subject
    attributes = {**subject.attributes, **at_time(steps, at).numbers}
    return Subject(attributes, subject.activities, subject.marks, subject.persona)


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
