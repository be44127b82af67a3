"""Facts become a probability. In: a ``Subject`` and a time. Out: a ``Score``. Pure: no clock, no network, no file.

Log odds add up: what every lead begins with, and one weight for each thing that is known of it. Their sum, calibrated,
is the probability to be won; 100 points are certainty. A line of the explanation is a weight's share of the way from
the beginning to there, with its sign; all of them add up to the score exactly. An activity is worth half after each
half-life, step by step, and nothing after ``STEPS`` of them.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from gateway.conditions import missing, number
from gateway.contracts import Activity, Contribution, Mark, Score, Scorer, Subject
from gateway_predictive.model import ModelForm

if TYPE_CHECKING:
    from collections.abc import Collection

    from gateway.contracts import Example

FULL = 10_000
STEPS = 8
Axis = Literal["fit", "behaviour"]
AXES: tuple[Axis, ...] = ("fit", "behaviour")


class Line(NamedTuple):
    """A weight in log odds, and why it counts."""

    axis: Axis
    name: str
    weight: float
    reason: str


class PredictiveScorer(Scorer):
    """Built once per model: ``data`` is the content of a scoring.yaml that passed the check."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        model = ModelForm().load(data)
        self.base: float = model["base"]
        self.slope: float = model["calibration"]["slope"]
        self.shift: float = model["calibration"]["shift"]
        self.great, self.good = model["bands"]["great"] * 100, model["bands"]["good"] * 100
        self.inputs: list[tuple[Axis, dict[str, Any]]] = [(axis, one) for axis in AXES for one in model[axis]]
        for _, one in self.inputs:
            one["places"] = {text_of(value): weight for value, weight in one.get("values", {}).items()}
        self.half_lives = {one["activity"]: one["half_life"] for _, one in self.inputs if "activity" in one}
        self.horizon = max((one * STEPS for one in self.half_lives.values()), default=timedelta(0))

    @classmethod
    def learn(cls, examples: Sequence[Example], behaviour: Collection[str] = ()) -> Mapping[str, Any]:
        """The content of a scoring.yaml of this strategy. Needs scikit-learn, and no one else does."""
        from gateway_predictive.learning import learn

        return learn(examples, behaviour)

    def score(self, subject: Subject, at: datetime, explain: bool = False) -> Score:
        lines = list(self._lines(subject, at))
        begin = self._points(self.base)
        total = self._points(self.base + sum(line.weight for line in lines))
        shares = _shares([line.weight for line in lines], total - begin)
        behaviour = sum(share for line, share in zip(lines, shares, strict=True) if line.axis == "behaviour")
        fit = total - behaviour
        told: list[Contribution] = []
        if explain:
            told = [Contribution("fit", "What every lead begins with", begin, "before anything is known of it")]
            told += [Contribution(line.axis, line.name, share, line.reason)
                     for line, share in zip(lines, shares, strict=True)]  # fmt: skip
        for mark in subject.marks:
            if mark.kind == "manual" and _holds(mark, at):
                reason = mark.reason or "no reason given"
                told.append(Contribution("mark", "Points of a person", mark.points * 100, reason))
                total += mark.points * 100
        if not 0 <= total <= FULL:
            limit = min(max(total, 0), FULL)
            told.append(Contribution("mark", "limit of the total", limit - total, "a score is between 0 and 100"))
            total = limit
        band = "great" if total >= self.great else "good" if total >= self.good else "bad"
        return Score(total, fit, behaviour, band, self._changes_at(subject, at), tuple(told) if explain else ())

    def _points(self, logit: float) -> int:
        """Hundredths: the calibrated probability × 10,000."""
        return round(FULL * 0.5 * (1 + math.tanh((self.slope * logit + self.shift) / 2)))

    def _lines(self, subject: Subject, at: datetime) -> Iterator[Line]:
        for axis, one in self.inputs:
            if "activity" in one:
                worth = min(sum(self._worths(one["activity"], subject, at)), one["most"])
                if worth:
                    yield Line(axis, one["name"], one["weight"] * worth, f"{one['activity']}, worth {worth:g} by now")
                continue
            value = subject.attributes.get(one["attribute"])
            if missing(value):
                continue
            if "edges" in one:
                amount = amount_of(value)
                if amount is not None:
                    weight = one["weights"][bisect_right(one["edges"], amount)]
                    yield Line(axis, one["name"], weight, f"{one['attribute']} is {_range(one['edges'], amount)}")
                continue
            text = text_of(value)
            known = text in one["places"]
            reason = f"{one['attribute']} is {text if known else 'none of those that have a weight'}"
            yield Line(axis, one["name"], one["places"][text] if known else one["other"], reason)

    def _worths(self, kind: str, subject: Subject, at: datetime) -> Iterator[float]:
        for one in subject.activities:
            steps = (at - one.at) // self.half_lives[kind] if one.kind == kind and one.at <= at else STEPS
            if steps < STEPS:
                yield 0.5**steps * _share(one, subject.marks, at)

    def _changes_at(self, subject: Subject, at: datetime) -> datetime | None:
        """The first moment when an activity is worth less, begins to count, or a mark begins or ends."""
        edges = [moment for mark in subject.marks for moment in (mark.at, mark.until) if moment is not None]
        for one in subject.activities:
            half_life = self.half_lives.get(one.kind)
            if half_life is None:
                continue
            steps = max((at - one.at) // half_life + 1, 0)
            if steps <= STEPS:
                edges.append(one.at + steps * half_life)
        return min((edge for edge in edges if edge > at), default=None)


def _shares(weights: Sequence[float], way: int) -> list[int]:
    """``way`` in whole parts, each as its weight is to their sum; what rounding leaves goes to the greatest."""
    total = sum(weights)
    if not weights or not total:
        return [0] * len(weights)
    shares = [round(way * weight / total) for weight in weights]
    greatest = max(range(len(weights)), key=lambda place: abs(weights[place]))
    shares[greatest] += way - sum(shares)
    return shares


def _range(edges: Sequence[float], amount: float) -> str:
    place = bisect_right(edges, amount)
    if not edges:
        return "known"
    if not place:
        return f"below {edges[0]:g}"
    return f"from {edges[place - 1]:g} on" + (f", below {edges[place]:g}" if place < len(edges) else "")


def amount_of(value: Any) -> float | None:
    if isinstance(value, list):  # money is [amount, currency]
        value = next((one for one in value if number(one) is not None), None)
    return number(value)


def text_of(value: Any) -> str:
    if isinstance(value, list):
        value = ", ".join(sorted(map(str, value)))
    return str(value).strip().casefold()


def _holds(mark: Mark, at: datetime) -> bool:
    return mark.at <= at and (mark.until is None or at < mark.until)


def _share(activity: Activity, marks: Sequence[Mark], at: datetime) -> float:
    """1, or what the treatment of a recycled lead has left of what it did before."""
    later = [mark.kind for mark in marks if _holds(mark, at) and activity.at < mark.at]
    return 0 if "reset" in later else 0.5 ** later.count("halve")
