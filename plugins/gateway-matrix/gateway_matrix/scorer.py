"""Facts become a cell of the matrix. In: a ``Subject`` and a time. Out: a ``Score``.

Each axis is a percentage of its criteria's weights. From its grade or level it gets its points: the best all of the
axis' weight, the next two thirds, then one third, then none. Marks: points of a person are added, a reset drops what
came before it, each halving halves it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from gateway.contracts import Activity, Contribution, Mark, Score, Scorer, Subject
from gateway_matrix.model import GRADES, LEVELS, WHOLE, Interest, Model, attributes, load_model

VERSION = "matrix 1"
FULL = 10_000
MOVING = ("manual", "halve", "reset")


class MatrixScorer(Scorer):
    """Built once per model."""

    lasting = True

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.model: Model = load_model(data)
        self.kinds = frozenset(one.activity for one in self.model.engagement)
        self.attributes = attributes(data)
        self.horizon = max(window for one in self.model.engagement for window in one.windows)
        text = json.dumps([VERSION, data], sort_keys=True, default=str)
        self.hash = hashlib.sha256(text.encode()).hexdigest()[:16]

    def score(self, subject: Subject, at: datetime, explain: bool = False) -> Score:
        model = self.model
        profile = self._profile(subject.attributes)
        fit = self._points(_step(profile, model.grades, GRADES), GRADES, model.fit)
        level, behaviour = self._behaviour(subject, at)
        manual = sum(mark.points * 100 for mark in _current(subject.marks, at) if mark.kind == "manual")
        total = min(max(fit + behaviour + manual, 0), FULL)
        return Score(
            total,
            fit,
            behaviour,
            self.band(total),
            self._changes_at(subject, at),
            tuple(self._explain(subject, at, profile, fit, level, behaviour, total)) if explain else (),
        )

    def renew(self, before: Score, subject: Subject, at: datetime) -> Score:
        model = self.model
        grade = _step(self._profile(subject.attributes), model.grades, GRADES)
        fit = self._points(grade, GRADES, model.fit)
        total = fit + before.behaviour
        return Score(total, fit, before.behaviour, self.band(total), before.changes_at)

    def band(self, total: int) -> str:
        return "great" if total >= self.model.great * 100 else "good" if total >= self.model.good * 100 else "bad"

    # -- axes ---------------------------------------------------------------------------------------------------------

    def _profile(self, known: Mapping[str, Any]) -> int:
        """Hundredths of a percent."""
        return sum(
            trait.weight * next((share for holds, share in trait.steps if holds(known)), 0)
            for trait in self.model.profile
        )

    def _behaviour(self, subject: Subject, at: datetime) -> tuple[str, int]:
        engaged = sum(one.weight * self._share(one, subject, at) for one in self.model.engagement)
        level = _step(round(engaged), self.model.levels, LEVELS)
        return level, self._points(level, LEVELS, self.model.behaviour)

    def _share(self, one: Interest, subject: Subject, at: datetime) -> float:
        """Percent of its weight."""
        done = [(activity, _worth(activity, subject.marks, at)) for activity in _of(one, subject.activities, at)]
        return max(
            percent * min(sum(worth for activity, worth in done if at - activity.at < window), one.times) / one.times
            for window, percent in one.windows.items()
        )

    @staticmethod
    def _points(step: str, steps: str, weight: int) -> int:
        """The best step gets all of the axis' weight, the last none, those between their part."""
        return weight * 100 * (len(steps) - 1 - steps.index(step)) // (len(steps) - 1)

    def _changes_at(self, subject: Subject, at: datetime) -> datetime | None:
        """The first moment when the cell, or a person's points, are others."""
        now = self._standing(subject, at)
        return next((edge for edge in self._edges(subject, at) if self._standing(subject, edge) != now), None)

    def _standing(self, subject: Subject, at: datetime) -> tuple[int, int]:
        manual = sum(mark.points for mark in _current(subject.marks, at) if mark.kind == "manual")
        return self._behaviour(subject, at)[1], manual

    def _edges(self, subject: Subject, at: datetime) -> Sequence[datetime]:
        edges = {edge for mark in subject.marks if mark.kind in MOVING for edge in (mark.at, mark.until) if edge}
        for one in self.model.engagement:
            for activity in _of(one, subject.activities, None):
                edges |= {activity.at, *(activity.at + window for window in one.windows)}
        return sorted(edge for edge in edges if edge > at)

    # -- in words -----------------------------------------------------------------------------------------------------

    def _explain(
        self, subject: Subject, at: datetime, profile: int, fit: int, level: str, behaviour: int, total: int
    ) -> Iterator[Contribution]:
        grade = _step(profile, self.model.grades, GRADES)
        fits = [
            f"{trait.name} {share * trait.weight / WHOLE:g} of {trait.weight}"
            for trait in self.model.profile
            if (share := next((share for holds, share in trait.steps if holds(subject.attributes)), 0))
        ]
        does = [
            f"{one.name} {part * one.weight / WHOLE:.3g} of {one.weight}"
            for one in self.model.engagement
            if (part := self._share(one, subject, at))
        ]
        yield Contribution("fit", f"Profile {grade}", fit, ", ".join(fits) or "nothing fits")
        yield Contribution("behaviour", f"Engagement {level}", behaviour, ", ".join(does) or "nothing lately")
        sum_ = fit + behaviour
        for mark in _current(subject.marks, at):
            if mark.kind == "manual":
                by = f" by {mark.by}" if mark.by else ""
                yield Contribution("mark", "Manual points", mark.points * 100, f"given{by}: {mark.reason}")
                sum_ += mark.points * 100
        if sum_ != total:
            yield Contribution("mark", "limit of the total", total - sum_, "a score is between 0 and 100")


def _step(hundredths: int, steps: Mapping[str, int], names: str) -> str:
    return next((name for name, percent in steps.items() if hundredths >= percent * 100), names[-1])


def _of(one: Interest, activities: Sequence[Activity], at: datetime | None) -> Iterator[Activity]:
    for activity in activities:
        if activity.kind == one.activity and (at is None or activity.at <= at):
            detail = {"asset": activity.asset, "channel": activity.channel, "campaign": activity.campaign}
            if one.where is None or one.where({name: value for name, value in detail.items() if value}):
                yield activity


def _current(marks: Sequence[Mark], at: datetime) -> list[Mark]:
    return [mark for mark in marks if mark.kind in MOVING and mark.at <= at and (mark.until is None or at < mark.until)]


def _worth(activity: Activity, marks: Sequence[Mark], at: datetime) -> float:
    """1, or what the journey's treatment of a recycled lead has left of it."""
    worth = 1.0
    for mark in _current(marks, at):
        if activity.at < mark.at and mark.kind in ("halve", "reset"):
            worth *= 0.5 if mark.kind == "halve" else 0
    return worth
