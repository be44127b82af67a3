"""A ``Model`` becomes one Python function. Before: model; after: weighted, which wraps the result in a ``Score``.

The function reads each attribute once, goes over the activities once, and adds integers only: an activity is worth
whole hundredths of a raw point, so neither order nor rounding can make two runs differ. Only names that this module
makes up stand in its source; whatever the file says is bound as a constant.

The same source text serves marks (``marked=True``): activities before the last reset are left out, and each halving
counts as one more half-life step.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from gateway.conditions import attributes_of, expression, missing, number
from gateway.journey.content import DEFAULT, UNASSIGNED
from gateway.scoring.model import (
    AXES,
    NOTHING,
    OTHER,
    WHERE,
    Happened,
    Level,
    Model,
    Range,
    Rule,
    Table,
    When,
    parse_range,
)
from gateway.scoring.titles import TitleTable

NEVER = datetime.max.replace(tzinfo=UTC)
Result = tuple[int, int, datetime, tuple[int, ...]]
"""fit, behaviour, next change (``NEVER`` = none), each rule's hundredths in the model's order."""
Run = Callable[..., Result]


# -- decay -------------------------------------------------------------------------------------------------------------


def halvings(points: int) -> tuple[int, ...]:
    """``points * 0.5 ** n`` for n = 0, 1 … in whole hundredths until nothing is left; a half rounds towards 0.

    >>> halvings(10)
    (10, 5, 2, 1, 1)
    """
    size = abs(points)
    values: list[int] = []
    while value := (size + (1 << len(values) >> 1) - bool(values)) >> len(values):
        values.append(value if points > 0 else -value)
    return tuple(values)


def changes(values: Sequence[int]) -> tuple[int, ...]:
    """For each step the next one with another value: ``(10, 5, 2, 1, 1)`` → ``(1, 2, 3, 5, 5)``."""
    return tuple(
        next((later for later in range(step, len(values)) if values[later] != values[step]), len(values))
        for step in range(len(values))
    )


def reach(test: Happened, points: int) -> timedelta | None:
    """How old an activity worth ``points`` can be and still count; None = any age."""
    ages = [] if test.window is None else [test.window]
    if test.half_life is not None:
        ages.append(test.half_life * len(halvings(points)))
    return min(ages, default=None)


# -- attributes --------------------------------------------------------------------------------------------------------


def ranges_pick(labels: Sequence[str]) -> Callable[[Any], int]:
    """Which range a value is in: its index, ``OTHER`` for a number in none, ``NOTHING`` for no number."""
    ranges = [parse_range(label) for label in labels]
    places = sorted(range(len(ranges)), key=lambda place: ranges[place])
    lows = [ranges[place].low for place in places]

    def pick(value: Any) -> int:
        if isinstance(value, list):  # money is [amount, currency]
            value = next((one for one in value if number(one) is not None), None)
        amount = number(value)
        if amount is None or amount != amount:
            return NOTHING
        at = bisect_right(lows, amount) - 1
        held: Range | None = ranges[places[at]] if at >= 0 else None
        return places[at] if held and held.holds(amount) else OTHER

    return pick


def values_pick(rule: Rule, labels: Sequence[str]) -> tuple[dict[str, int], Callable[[Any], int]]:
    """Which of the listed values a value is. Text without case; of a list of values the one with most points."""
    places = {label.strip().casefold(): place for place, label in enumerate(labels)}
    places[""] = NOTHING

    def pick(value: Any) -> int:
        if missing(value):
            return NOTHING
        if isinstance(value, list):
            return max(map(pick, value), key=lambda place: (rule.points[place], place))
        return places.get(str(value).strip().casefold(), OTHER)

    return places, pick


# -- factors -----------------------------------------------------------------------------------------------------------


class Factors:
    """What each rule's points are multiplied with: by persona and time, an activity's by the stage that its content
    serves, too."""

    def __init__(self, model: Model) -> None:
        self._model = model
        bounds = {bound for overlay in model.overlays for bound in (overlay.start, overlay.end) if bound is not None}
        self.edges = sorted(bounds)
        """Where an overlay begins or ends; before, between and after them lie ``len(edges) + 1`` spans."""
        named = dict.fromkeys((*model.personas, *model.content_weights))
        self.personas = ("", *(name for name in named if name and (name != DEFAULT or name in model.personas)))
        self.stages = tuple(dict.fromkeys((UNASSIGNED, *(stage for stage, _ in model.content.entries))))
        self.weighs = bool(model.content_weights)
        places = {stage: place for place, stage in enumerate(self.stages)}

        @lru_cache(maxsize=8192)
        def place(*touch: str) -> int:
            """Which of ``stages`` content serves, given what ``content.reads`` of it."""
            served = model.content.stage_of(dict(zip(model.content.reads, touch, strict=True)))
            return places[UNASSIGNED if served is None else served]

        self.place = place

    def __iter__(self) -> Iterator[tuple[str, int]]:
        return ((persona, span) for persona in self.personas for span in range(len(self.edges) + 1))

    def of(self, rule: str, persona: str, span: int) -> float:
        factor = self._model.personas.get(persona, {}).get(rule, 1.0)
        start = self.edges[span - 1] if span else None
        for overlay in self._model.overlays:
            begun = overlay.start is None or (start is not None and overlay.start <= start)
            if rule in overlay.rules and begun and (overlay.end is None or start is None or start < overlay.end):
                factor *= overlay.factor
        return factor

    def content(self, persona: str, stage: str) -> float:
        """What an activity with content of this stage counts: by its persona's row, else the default one, else 1."""
        rows = self._model.content_weights
        return next((rows[one][stage] for one in (persona, DEFAULT) if stage in rows.get(one, ())), 1.0)

    def points(self, rule: Rule, persona: str, span: int, stage: str = UNASSIGNED) -> tuple[int, ...]:
        factor = self.of(rule.name, persona, span)
        if self.weighs and isinstance(rule.test, Happened):
            factor *= self.content(persona, stage)
        return tuple(round(points * factor) for points in rule.points)

    def strongest(self, rule: Rule) -> int:
        """The most hundredths one activity of the rule is ever worth."""
        return max((self.points(rule, *key, stage)[0] for key in self for stage in self.stages), key=abs)


# -- source ------------------------------------------------------------------------------------------------------------


class Compiler:
    """Writes the function of one model. ``attributes`` and ``kinds`` are what it reads."""

    def __init__(self, model: Model, titles: Mapping[str, TitleTable]) -> None:
        """``titles``: the title table of each level set of the model."""
        self.model = model
        self.titles = titles
        self.factors = Factors(model)
        self.rules = model.rules
        self.happened = {place: rule.test for place, rule in enumerate(self.rules) if isinstance(rule.test, Happened)}
        self.kinds = {kind: None for test in self.happened.values() for kind in test.kinds}
        self.attributes = frozenset().union(*(self._reads(rule.test) for rule in self.rules))

    def _reads(self, test: When | Level | Table | Happened) -> frozenset[str]:
        if isinstance(test, When):
            return attributes_of(test.condition)
        if isinstance(test, Level):
            return frozenset({self.model.levels[test.level].attribute})
        return frozenset({test.attribute}) if isinstance(test, Table) else frozenset()

    def compile(self, marked: bool = False) -> Run:
        """``run(subject, at)``, or with ``marked`` ``run(subject, at, reset, halves)``: the time before which nothing
        counts, and the sorted times of halvings."""
        return self._function(*self.source(marked))

    def compile_fit(self) -> Callable[..., int] | None:
        """``run(subject, at)``: the points for fit alone. None where fit and behaviour do not read things of their own:
        attributes the one, activities the other."""
        if any((rule.axis == "fit") == isinstance(rule.test, Happened) for rule in self.rules):
            return None
        return self._function(*self.source(axes=("fit",)))

    def _function(self, source: str, scope: dict[str, Any]) -> Callable[..., Any]:
        exec(compile(source, f"<scoring model {self.model.name}>", "exec"), scope)
        run: Callable[..., Any] = scope["run"]
        return run

    def source(self, marked: bool = False, axes: Sequence[str] = AXES) -> tuple[str, dict[str, Any]]:
        """The function's text and the constants it needs. Of fit alone it returns nothing but its points."""
        self._scope: dict[str, Any] = {"NEVER": NEVER, "bisect_right": bisect_right}
        self._marked = marked
        head = [f"def run(subject, at{', reset, halves' if marked else ''}):", "    near = NEVER"]
        head += self._constants()
        loads: dict[str, str] = {}
        body: list[str] = []
        for place, rule in enumerate(self.rules):
            if rule.axis in axes and not isinstance(rule.test, Happened):
                body.append(f"    c{place} = {self._attribute_rule(place, rule, loads)}")
        head += ["    get = subject.attributes.get"] * bool(loads)
        head += [f"    {variable} = {code}" for code, variable in loads.items()]
        if "behaviour" in axes:
            body += self._activities()
        sums = [line for axis in axes for line in self._sum(axis)]
        each = "".join(f"c{place}, " for place in range(len(self.rules)))
        answer = f"fit, behaviour, near, ({each})" if axes == AXES else axes[0]
        return "\n".join([*head, *body, *sums, f"    return {answer}"]), self._scope

    def _bind(self, constant: Any) -> str:
        self._scope[name := f"K{len(self._scope)}"] = constant
        return name

    def _constants(self) -> list[str]:
        """Each rule's points as ``p<place>``: a constant, or looked up by persona and time where either matters."""
        keys = list(self.factors)
        varied = []
        for place, rule in enumerate(self.rules):
            each = {key: self._constant(rule, *key) for key in keys}
            self._scope[f"p{place}"] = each["", 0]
            if any(constant != each["", 0] for constant in each.values()):
                varied.append((place, each))
        if not varied and not self.factors.edges:
            return []
        spans = [
            {persona: tuple(each[persona, span] for _, each in varied) for persona in self.factors.personas}
            for span in range(len(self.factors.edges) + 1)
        ]
        lines = [f"    span = bisect_right({self._bind(self.factors.edges)}, at)"] if self.factors.edges else []
        lines += [f"    near = {self._bind([*self.factors.edges, NEVER])}[span]"] if self.factors.edges else []
        if varied:
            table = f"{self._bind(spans)}[span]" if self.factors.edges else self._bind(spans[0])
            lines.append(f"    points = {table}")
            names = "".join(f"p{place}, " for place, _ in varied)
            lines.append(f"    {names}= points.get(subject.persona) or points['']")
        return lines

    def _constant(self, rule: Rule, persona: str, span: int) -> Any:
        """Of an activity rule where content is weighed: one for each stage."""
        if isinstance(rule.test, Happened):
            each = (self.factors.points(rule, persona, span, stage)[0] for stage in self.factors.stages)
            if self.factors.weighs:
                return tuple(self._worth(rule.test, points) for points in each)
            return self._worth(rule.test, next(each))
        points = self.factors.points(rule, persona, span)
        scaled = tuple(self.model.scaled(rule.axis, one) for one in points)
        return scaled if isinstance(rule.test, Table) else scaled[0]

    def _worth(self, test: Happened, points: int) -> Any:
        """An activity of ``points`` over time, as ``_count`` reads it."""
        if test.half_life is None and not self._marked:
            return points
        values = halvings(points)
        steps = changes(values)
        if self._marked or test.half_life is None:
            return values, steps
        ends = [test.half_life * step for step in steps]
        return values, tuple(end if test.window is None else min(end, test.window) for end in ends)

    def _attribute_rule(self, place: int, rule: Rule, loads: dict[str, str]) -> str:
        def load(attribute: str) -> str:
            return loads.setdefault(f"get({self._bind_once(attribute)})", f"v{len(loads)}")

        def rank(level: str) -> str:
            value = load(self.model.levels[level].attribute)
            return loads.setdefault(f"{self._bind_once(self.titles[level].rank)}({value})", f"v{len(loads)}")

        test = rule.test
        if isinstance(test, When):
            return f"p{place} if {expression(test.condition, self._bind, load)} else 0"
        if isinstance(test, Level):
            return f"p{place} if {rank(test.level)} in {self._bind(test.ranks)} else 0"
        assert isinstance(test, Table)
        if test.kind == "levels":
            return f"p{place}[{rank(test.level)}]"
        value = load(test.attribute)
        if test.kind == "ranges":
            return f"p{place}[{self._bind(ranges_pick(test.labels))}({value})] if {value} is not None else 0"
        places, pick = values_pick(rule, test.labels)
        known = f"{self._bind(places)}.get({value}.strip().casefold(), {OTHER})"
        return f"p{place}[{known} if {value}.__class__ is str else {self._bind(pick)}({value})]"

    def _bind_once(self, constant: Any) -> str:
        for name, bound in self._scope.items():
            if (
                bound is constant
                or (isinstance(bound, str) and bound == constant)
                or (callable(bound) and bound == constant)
            ):
                return name
        return self._bind(constant)

    # -- activities

    def _activities(self) -> list[str]:
        if not self.happened:
            return []
        windows = {test.window for test in self.happened.values() if test.window is not None}
        self._windows = {window: place for place, window in enumerate(sorted(windows))}
        lines = [f"    r{place} = 0" for place in self.happened]
        lines += [f"    w{place} = at - {self._bind(window)}" for window, place in self._windows.items()]
        lines += [f"    o{place} = NEVER" for place in self._windows.values()]
        lines += ["    for a in subject.activities:", "        kind = a.kind"]
        for index, kind in enumerate(self.kinds):
            lines.append(f"        {'elif' if index else 'if'} kind == {self._bind(kind)}:")
            lines += self._kind([place for place, test in self.happened.items() if kind in test.kinds])
        for window, place in self._windows.items():
            lines += [f"    if o{place} is not NEVER:", f"        x = o{place} + {self._bind(window)}"]
            lines.append("        if x < near: near = x")
        return lines

    def _kind(self, places: Sequence[int]) -> list[str]:
        """What happens to an activity of one kind: the rules at ``places``; in the future, when it will count."""
        used = set().union(*(attributes_of(where) for place in places if (where := self.happened[place].where)))
        wheres = {
            place: expression(where, self._bind, lambda name: f"a_{WHERE.index(name)}")
            for place in places
            if (where := self.happened[place].where)
        }
        lines = ["            t = a.at"]
        reads = self.model.content.reads if self.factors.weighs else ()
        lines += [f"            a_{WHERE.index(name)} = a.{name}" for name in sorted(used.union(reads))]
        lines.append(f"            if t <= at{' and t >= reset' if self._marked else ''}:")
        if self.factors.weighs:
            touch = ", ".join(f"a_{WHERE.index(name)}" for name in reads)
            lines.append(f"                stage = {self._bind_once(self.factors.place)}({touch})")
        if self._marked:
            lines.append("                h = len(halves) - bisect_right(halves, t)")
        if any(self.happened[place].half_life for place in places):
            lines.append("                age = at - t")
        for place in places:
            lines += [" " * 16 + line for line in self._count(place, self.happened[place], wheres.get(place))]
        some = f" and ({' or '.join(wheres.values())})" if len(wheres) == len(places) else ""
        return [*lines, f"            elif at < t < near{some}:", "                near = t"]

    def _count(self, place: int, test: Happened, where: str | None) -> list[str]:
        """One rule and one activity that has happened: its points, and what will change them."""
        window = None if test.window is None else self._windows[test.window]
        oldest = [] if window is None else [f"if t < o{window}: o{window} = t"]
        near = ["if x < near: near = x"]
        worth = f"p{place}[stage]" if self.factors.weighs else f"p{place}"
        if self._marked:
            step = "h" if test.half_life is None else f"age // {self._bind(test.half_life)} + h"
            lines = [f"values, steps = {worth}", f"s = {step}", "if s < len(values):"]
            inner = [f"r{place} += values[s]", *oldest]
            if test.half_life is not None:
                inner += [f"x = t + (steps[s] - h) * {self._bind(test.half_life)}", *near]
            lines += _indented(inner)
        elif test.half_life is None:
            lines = [f"r{place} += {worth}", *oldest]
        else:  # ``ends`` knows of the window, too
            lines = [f"values, ends = {worth}", f"s = age // {self._bind(test.half_life)}", "if s < len(values):"]
            lines += _indented([f"r{place} += values[s]", "x = t + ends[s]", *near])
        tests = ([] if window is None else [f"t > w{window}"]) + ([] if where is None else [where])
        return [f"if {' and '.join(tests)}:", *_indented(lines)] if tests else lines

    # -- sums

    def _sum(self, axis: str) -> list[str]:
        lines: list[str] = []
        mine = [(place, rule) for place, rule in enumerate(self.rules) if rule.axis == axis]
        for place, rule in mine:
            if not isinstance(rule.test, Happened):
                continue
            if rule.test.cap is not None:
                sign, cap = ("<", -rule.test.cap) if rule.points[0] < 0 else (">", rule.test.cap)
                lines.append(f"    if r{place} {sign} {cap}: r{place} = {cap}")
            scale = self.model.scale[axis]
            top, bottom = 2 * scale.numerator, 2 * scale.denominator
            lines.append(f"    c{place} = (r{place} * {top} + {scale.denominator}) // {bottom}")
        terms = [f"c{place}" for place, rule in mine if not rule.group]
        for index, group in enumerate(self.model.groups):
            if members := [f"c{place}" for place, rule in mine if rule.group == group]:
                cap = self.model.scaled(axis, self.model.groups[group])
                name = f"g{index}"
                lines.append(f"    {name} = {' + '.join(members)}")
                lines.append(f"    {name} = {cap} if {name} > {cap} else {-cap} if {name} < {-cap} else {name}")
                terms.append(name)
        limit = self.model.limit[axis]
        lines.append(f"    {axis} = {' + '.join(terms) or '0'}")
        return [*lines, f"    {axis} = 0 if {axis} < 0 else {limit} if {axis} > {limit} else {axis}"]


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"    {line}" for line in lines]
