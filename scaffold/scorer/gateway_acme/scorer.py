"""Facts become points. In: a ``Subject`` and a time. Out: a ``Score``. Pure: no clock, no network, no file.

Each rule that holds gives its points once; those of both axes are 100 at most. The journey may halve what recycled
leads did before, or drop it; what a person adds or takes away (``manual``) counts until it ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from gateway.contracts import Activity, Contribution, Mark, Score, Scorer, Subject

from gateway_acme.model import ModelForm

FULL = 10_000
"""All points are hundredths, so that sums are exact."""


class AcmeScorer(Scorer):
    """Built once per model: ``data`` is the content of a scoring.yaml that passed the check."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        model = ModelForm().load(data)
        self.fit: Sequence[Mapping[str, Any]] = model["fit"]
        self.behaviour: Sequence[Mapping[str, Any]] = [
            {**rule, "within": timedelta(days=rule["within_days"])} for rule in model["behaviour"]
        ]
        self.great, self.good = model["bands"]["great"] * 100, model["bands"]["good"] * 100
        # What is older than the longest window is not even loaded.
        self.horizon = max((rule["within"] for rule in self.behaviour), default=timedelta(0))

    def score(self, subject: Subject, at: datetime, explain: bool = False) -> Score:
        lines = list(self._lines(subject, at))
        fit = sum(line.hundredths for line in lines if line.axis == "fit")
        behaviour = sum(line.hundredths for line in lines if line.axis == "behaviour")
        points = sum(line.hundredths for line in lines)
        total = min(max(points, 0), FULL)
        if total != points:
            lines.append(Contribution("mark", "limit of the total", total - points, "a score is between 0 and 100"))
        band = "great" if total >= self.great else "good" if total >= self.good else "bad"
        return Score(total, fit, behaviour, band, self._changes_at(subject, at), tuple(lines) if explain else ())

    def _lines(self, subject: Subject, at: datetime) -> Iterator[Contribution]:
        """Every rule's points with their reason: what people read when they ask why."""
        for rule in self.fit:
            if _fits(rule, subject.attributes.get(rule["attribute"])):
                yield Contribution("fit", rule["name"], rule["points"] * 100, f"{rule['attribute']} fits")
        for rule in self.behaviour:
            done = [one for one in subject.activities if one.kind == rule["activity"]]
            shares = [_share(one, subject.marks, at) for one in done if timedelta(0) <= at - one.at < rule["within"]]
            if hundredths := int(rule["points"] * 100 * max(shares, default=0)):
                reason = f"{rule['activity']} within {rule['within_days']} days"
                yield Contribution("behaviour", rule["name"], hundredths, reason)
        for mark in subject.marks:
            if mark.kind == "manual" and _holds(mark, at):
                yield Contribution("mark", "Points of a person", mark.points * 100, mark.reason or "no reason given")

    def _changes_at(self, subject: Subject, at: datetime) -> datetime | None:
        """The first moment when something else counts; the gateway scores the lead again then, and not before."""
        edges = {moment for mark in subject.marks for moment in (mark.at, mark.until) if moment is not None}
        for rule in self.behaviour:
            theirs = [one.at for one in subject.activities if one.kind == rule["activity"]]
            edges |= {moment for began in theirs for moment in (began, began + rule["within"])}
        now = self._points(subject, at)
        ahead = sorted(edge for edge in edges if edge > at)
        return next((edge for edge in ahead if self._points(subject, edge) != now), None)

    def _points(self, subject: Subject, at: datetime) -> list[tuple[str, int]]:
        return [(line.axis, line.hundredths) for line in self._lines(subject, at)]


def _fits(rule: Mapping[str, Any], value: Any) -> bool:
    if "at_least" in rule:
        return isinstance(value, int | float) and not isinstance(value, bool) and value >= rule["at_least"]
    return isinstance(value, str) and value.casefold() in {wanted.casefold() for wanted in rule["one_of"]}


def _holds(mark: Mark, at: datetime) -> bool:
    return mark.at <= at and (mark.until is None or at < mark.until)


def _share(activity: Activity, marks: Sequence[Mark], at: datetime) -> float:
    """1, or what the treatment of a recycled lead has left of what it did before."""
    later = [mark.kind for mark in marks if _holds(mark, at) and activity.at < mark.at]
    return 0 if "reset" in later else 0.5 ** later.count("halve")
