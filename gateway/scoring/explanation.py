"""Points in words. In: what the compiled model gave each rule; out: ``Contribution`` lines that add up to the total.

``Explainer`` finds each rule's reason, on request only; ``lines`` prints a ``Score`` for people.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from gateway.conditions import attributes_of, compile_condition, in_words, missing
from gateway.contracts import Activity, Contribution, Mark, Score, Subject
from gateway.durations import duration_in_words
from gateway.journey.content import UNASSIGNED
from gateway.scoring.compiler import Factors, halvings, ranges_pick, values_pick
from gateway.scoring.model import AXES, WHERE, Happened, Level, Model, Rule, Table, When
from gateway.scoring.titles import TitleTable

Axis = Literal["fit", "behaviour"]


class Explainer:
    """The reasons of one model."""

    def __init__(self, model: Model, titles: Mapping[str, TitleTable], factors: Factors) -> None:
        self._model = model
        self._titles = titles
        self._factors = factors
        self._wheres = {
            rule.name: compile_condition(rule.test.where)
            for rule in model.rules
            if isinstance(rule.test, Happened) and rule.test.where
        }

    def contributions(
        self,
        subject: Subject,
        at: datetime,
        points: Sequence[int],
        fit: int,
        behaviour: int,
        marks: Sequence[Mark] = (),
        total: int | None = None,
    ) -> tuple[Contribution, ...]:
        """Every rule that gave points, then what limits took away, then marks. ``marks`` are those in effect."""
        found = [
            Contribution(self._axis(rule), rule.name, given, self._reason(rule, subject, at, marks))
            for rule, given in zip(self._model.rules, points, strict=True)
            if given
        ]
        found += self._limits(points, {"fit": fit, "behaviour": behaviour})
        found += _marked(marks, fit + behaviour, fit + behaviour if total is None else total)
        return tuple(found)

    def _axis(self, rule: Rule) -> Axis:
        return "fit" if rule.axis == "fit" else "behaviour"

    def _limits(self, points: Sequence[int], totals: Mapping[str, int]) -> Iterator[Contribution]:
        for axis in AXES:
            speaks: Axis = "fit" if axis == "fit" else "behaviour"
            sums: dict[str, int] = {}
            for rule, given in zip(self._model.rules, points, strict=True):
                if rule.axis == axis:
                    sums[rule.group] = sums.get(rule.group, 0) + given
            raw = sum(sums.values())
            for group in self._model.groups:
                cap = self._model.scaled(axis, self._model.groups[group])
                over = sums.get(group, 0) - min(max(sums.get(group, 0), -cap), cap)
                if over:
                    raw -= over
                    reason = f"the rules of group {group} count for at most {hundredths(cap)} points together"
                    yield Contribution(speaks, f"limit of group {group}", -over, reason)
            if raw != totals[axis]:
                limit = hundredths(self._model.limit[axis])
                reason = f"{axis} counts for at most {limit} points" if raw > 0 else f"{axis} is never below 0"
                yield Contribution(speaks, f"limit of {axis}", totals[axis] - raw, reason)

    # -- reasons

    def _reason(self, rule: Rule, subject: Subject, at: datetime, marks: Sequence[Mark]) -> str:
        test = rule.test
        if isinstance(test, When):
            reason = _because(test.condition, subject.attributes)
        elif isinstance(test, Level):
            reason = f"{self._title(test.level, subject.attributes)} ({test.words})"
        elif isinstance(test, Table):
            reason = self._table(rule, test, subject.attributes)
        else:
            reason = self._happened(rule, test, subject, at, marks)
        return "; ".join([reason, *self._multiplied(rule, subject.persona, at)])

    def _title(self, level: str, attributes: Mapping[str, Any]) -> str:
        levels, table = self._model.levels[level], self._titles[level]
        value = attributes.get(levels.attribute)
        return f"{levels.attribute} {shown(value)} is {levels.order[table.rank(value)].replace('_', ' ')}"

    def _table(self, rule: Rule, test: Table, attributes: Mapping[str, Any]) -> str:
        if test.kind == "levels":
            return self._title(test.level, attributes)
        value = attributes.get(test.attribute)
        pick = ranges_pick(test.labels) if test.kind == "ranges" else values_pick(rule, test.labels)[1]
        place = pick(value)
        if place < 0:
            return f"{test.attribute} {shown(value)} is none of those listed"
        if test.kind == "ranges":
            return f"{test.attribute} {shown(value)} is in {test.labels[place]}"
        return f"{test.attribute} is {shown(value)}"

    def _happened(self, rule: Rule, test: Happened, subject: Subject, at: datetime, marks: Sequence[Mark]) -> str:
        counted = sorted(self._counted(rule, test, subject, at, marks), key=lambda activity: activity.at)
        what = " or ".join(test.kinds) + (f" where {in_words(test.where)}" if test.where else "")
        parts = [f"{len(counted)} × {what}, last on {_day(counted[-1].at)}"]
        if test.window:
            parts.append(f"within {duration_in_words(test.window)}")
        if test.half_life:
            parts.append(f"worth half every {duration_in_words(test.half_life)}")
        if test.cap is not None:
            parts.append(f"at most {hundredths(self._model.scaled(rule.axis, test.cap))} points")
        parts += [
            f"{'halved' if mark.kind == 'halve' else 'dropped'} before {_day(mark.at)}" + _why(mark)
            for mark in marks
            if mark.kind in ("halve", "reset")
            and any(one.at < mark.at for one in (counted if mark.kind == "halve" else subject.activities))
        ]
        return "; ".join([*parts, *self._served(counted, subject.persona)])

    def _served(self, counted: Sequence[Activity], persona: str) -> Iterator[str]:
        """What the stages that content serves make of its activities, and of how many."""
        for stage, some in Counter(map(self._stage, counted)).most_common() if self._factors.weighs else ():
            if (factor := self._factors.content(persona, stage)) != 1:
                many = "" if some == len(counted) else f"{some} "
                served = "no stage that content.yaml names" if stage == UNASSIGNED else stage
                yield f"{many}× {factor:g} because {'it serves' if some == 1 else 'they serve'} {served}"

    def _stage(self, activity: Activity) -> str:
        """The stage that an activity's content serves."""
        return self._factors.stages[
            self._factors.place(*(getattr(activity, name) for name in self._model.content.reads))
        ]

    def _counted(
        self, rule: Rule, test: Happened, subject: Subject, at: datetime, marks: Sequence[Mark]
    ) -> Iterator[Activity]:
        values = {
            stage: len(halvings(self._points(rule, subject.persona, at, stage))) for stage in self._factors.stages
        }
        where = self._wheres.get(rule.name)
        for activity in subject.activities:
            age = at - activity.at
            step = sum(mark.kind == "halve" and activity.at < mark.at for mark in marks)
            step += age // test.half_life if test.half_life else 0
            if (
                activity.kind in test.kinds
                and activity.at <= at
                and (test.window is None or age < test.window)
                and not any(mark.kind == "reset" and activity.at < mark.at for mark in marks)
                and step < values[self._stage(activity) if self._factors.weighs else UNASSIGNED]
                and (where is None or where({name: getattr(activity, name) for name in WHERE}))
            ):
                yield activity

    def _span(self, at: datetime) -> int:
        return bisect_right(self._factors.edges, at)

    def _points(self, rule: Rule, persona: str, at: datetime, stage: str) -> int:
        persona = persona if persona in self._factors.personas else ""
        return self._factors.points(rule, persona, self._span(at), stage)[0]

    def _multiplied(self, rule: Rule, persona: str, at: datetime) -> Iterator[str]:
        if (factor := self._model.personas.get(persona, {}).get(rule.name, 1)) != 1:
            yield f"× {factor:g} for persona {persona}"
        for overlay in self._model.overlays:
            begun = overlay.start is None or overlay.start <= at
            if rule.name in overlay.rules and begun and (overlay.end is None or at < overlay.end):
                yield f"× {overlay.factor:g} during {overlay.name}"


def _marked(marks: Sequence[Mark], before: int, total: int) -> Iterator[Contribution]:
    for mark in marks:
        if mark.kind == "manual" and mark.points:
            until = f"until {_moment(mark.until)}" if mark.until else "without end"
            by = f" by {mark.by}" if mark.by else ""
            yield Contribution("mark", "Manual points", mark.points * 100, f"given{by} {until}{_why(mark)}")
            before += mark.points * 100
    if total != before:
        yield Contribution("mark", "limit of the total", total - before, "a score is between 0 and 100")


def _why(mark: Mark) -> str:
    return f": {mark.reason}" if mark.reason else ""


def _because(condition: Mapping[str, Any], attributes: Mapping[str, Any]) -> str:
    values = [
        f"{name}: {shown(attributes.get(name))}"
        for name in sorted(attributes_of(condition))
        if not missing(attributes.get(name))
    ]
    return in_words(condition) + (f" ({', '.join(values)})" if values else "")


def _moment(at: datetime) -> str:
    """A day where it begins at midnight; else the time, too: midnight of somebody's zone."""
    utc = at.astimezone(UTC)
    return _day(at) if utc == utc.replace(hour=0, minute=0, second=0, microsecond=0) else f"{utc:%Y-%m-%d %H:%M} UTC"


def _day(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d}"


def shown(value: Any) -> str:
    """A value for a reason: text quoted, control characters escaped, at most 60 characters."""
    if isinstance(value, list):
        return ", ".join(shown(one) for one in value[:5])
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def hundredths(points: int) -> str:
    """1250 → ``"12.50"``."""
    return f"{'-' if points < 0 else ''}{abs(points) // 100}.{abs(points) % 100:02d}"


def signed(points: int) -> str:
    """1250 → ``"+12.50"``."""
    return ("+" if points >= 0 else "") + hundredths(points)


def lines(score: Score) -> list[str]:
    """A score as people read it: the total, then ``+12.00  fit  Executive or above: title 'VP Finance' is …``.

    The score was asked for with ``explain=True``; without contributions only the first line and the last are given.
    """
    axes = f"fit {hundredths(score.fit)}, behaviour {hundredths(score.behaviour)}"
    text = [f"{hundredths(score.total)} of 100 ({score.band}): {axes}"]
    width = max((len(signed(one.hundredths)) for one in score.contributions), default=0)
    text += [
        f"{signed(one.hundredths):>{width}}  {one.axis:<9}  {one.rule}: {one.reason}" for one in score.contributions
    ]
    if score.changes_at:
        text.append(f"changes by itself at {score.changes_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC at the earliest")
    return text
