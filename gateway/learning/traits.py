"""What may earn points: each attribute as values, ranges or levels, each kind of activity with its half-life and cap.

In: cases, and the live scoring.yaml, whose names, axes, conditions and levels are kept where there are any. Out: one
``Trait`` per rule to be, with a column of numbers for each of its values. Before: leaks; after: points. No value that
fewer than ``LEAST`` leads share is ever shown.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np

from gateway.conditions import attributes_of, compile_condition, missing, number
from gateway.durations import format_duration, parse_duration
from gateway.learning.case import Case
from gateway.learning.fitting import Floats, Marks, fit
from gateway.learning.leaks import LeftOut
from gateway.scoring.titles import LEVELS, TitleTable

LEAST = 10
"""Leads that share a value before it is looked at by itself: fewer teach little, and might be a person's own."""
MOST = 25
"""Values of one attribute."""
BINS = 12
HALF_LIVES = (None, 180, 90, 60, 30, 14, 7)
"""Days."""
CAPS = (1, 2, 3, 5, 10)
"""So many activities count in full."""
GAIN = 2.0
"""Nats that another half-life or cap must gain over the one in use: less is noise."""
# fmt: off
PERSONAL = frozenset([
    "address", "birthday", "date_of_birth", "email", "fax", "first_name", "full_name", "last_name", "lead_id",
    "linkedin", "mobile", "mobile_phone", "name", "phone", "street", "url",
])
# fmt: on
"""What people are called and reached by: whether it is known may earn points, what it is never does."""
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
AXES = ("fit", "behaviour")
OTHER, MISSING = "(any other)", "(not known)"


@dataclass(frozen=True, slots=True)
class Trait:
    """``labels`` name the ``columns`` (a row per case); the last ones may be ``OTHER`` and ``MISSING``. ``rule`` is
    what stands in scoring.yaml beside its points; ``attributes`` are those it reads."""

    axis: str
    name: str
    kind: str
    attribute: str
    labels: tuple[str, ...]
    columns: Floats = field(repr=False)
    rule: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""


class Traits:
    """``older``: so many cases, the first ones, are learned from; columns are made for all of them."""

    def __init__(self, cases: Sequence[Case], older: int, live: Mapping[str, Any], out: Collection[str]) -> None:
        self.cases, self.older, self.live = cases, older, live
        self.out = frozenset(out)
        self.useless: list[LeftOut] = []
        self.won: Marks = np.array([case.won for case in cases])
        rules = [rule for axis in AXES for rule in live.get(axis) or ()]
        self._names = {name: rule["name"] for rule in rules if (name := _reads(rule, live))}
        self._taken: set[str] = set()

    def all(self) -> list[Trait]:
        """Every trait that cases know enough of; ``useless`` are the attributes that none came of."""
        known = sorted({name for case in self.cases[: self.older] for name in case.subject.attributes} - self.out)
        found = [trait for name in known for trait in self._attribute(name)]
        tabled = {trait.attribute for trait in found if trait.kind in ("values", "ranges", "levels")}
        found += self._conditions(tabled)
        found += self._activities()
        return found

    # -- attributes

    def _attribute(self, name: str) -> Iterator[Trait]:
        values = [case.subject.attributes.get(name) for case in self.cases]
        told = [value for value in values[: self.older] if not missing(value)]
        texts = [str(value).strip().casefold() for value in told]
        numbers = [one for value in told if (one := _amount(value)) is not None]
        reason = self._no_use(name, told, texts, numbers)
        if reason:
            self.useless.append(LeftOut(name, "no use", reason))
            return
        level = next((key for key, one in (self.live.get("levels") or {}).items() if one["attribute"] == name), "")
        if name in PERSONAL:
            yield self._known(name, values)
        elif level or (name in ("title", "job_title") and not self.live.get("levels")):
            yield from self._levels(name, level or "seniority", values)
        elif len(numbers) >= 0.95 * len(told) and not all(isinstance(value, bool) for value in told):
            if len(set(numbers)) <= 2:
                yield self._values(name, values, texts)
            else:
                yield self._ranges(name, values, numbers)
        elif any(isinstance(value, list) for value in told):
            yield from self._members(name, values, told)
        elif sum(count for _, count in Counter(texts).most_common(MOST) if count >= LEAST) >= 0.5 * len(texts):
            yield self._values(name, values, texts)
        else:
            yield self._known(name, values)

    def _no_use(self, name: str, told: Sequence[Any], texts: Sequence[str], numbers: Sequence[float]) -> str:
        if len(told) < LEAST:
            return f"known of only {len(told)} leads; {LEAST} are the least"
        if len(set(texts)) == 1 and len(told) == self.older:
            return "constant: it is the same of every lead, so it tells nothing"
        if all(_DATE.match(text) for text in texts):
            return "a time; points are not given for those"
        if len(numbers) == len(told) >= 50 and len(set(numbers)) >= 0.98 * len(numbers):
            places = [place for place, case in enumerate(self.cases[: self.older])
                      if not missing(case.subject.attributes.get(name))]  # fmt: skip
            if abs(np.corrcoef(np.argsort(np.argsort(numbers)), places)[0, 1]) > 0.9:
                return "a number that counts leads up; it tells their age, not what they are"
        names_them = name in PERSONAL or (not numbers and len(set(texts)) >= 0.9 * len(texts))
        if names_them and len(told) == self.older:
            return "known of every lead, and it tells who they are, not what"
        return ""

    def _values(self, name: str, values: Sequence[Any], texts: Sequence[str]) -> Trait:
        labels = [text for text, count in Counter(texts).most_common(MOST) if count >= LEAST]
        spelled = {
            str(value).strip().casefold(): str(value).strip() for value in reversed(values) if not missing(value)
        }
        places = {text: place for place, text in enumerate(labels)}
        cells = [-1 if missing(value) else places.get(str(value).strip().casefold(), len(labels)) for value in values]
        shown = [spelled[text] if spelled[text] not in ("True", "False") else text for text in labels]
        return self._table("values", name, shown, cells, {"attribute": name})

    def _ranges(self, name: str, values: Sequence[Any], numbers: Sequence[float]) -> Trait:
        told = np.array(numbers, dtype=float)
        whole = len(set(np.floor(told))) >= 5
        told = np.floor(told) if whole else told
        count = int(np.clip(len(told) // 60, 3, BINS))
        edges = np.unique(np.quantile(told, np.linspace(0, 1, count + 1)[1:-1], method="higher"))
        if (told == 0).sum() >= LEAST and (told >= 0).all():  # nothing at all is something of its own
            edges = np.unique(np.append(edges, 1 if whole else np.min(told[told > 0], initial=1)))
        least = told.min()
        edges = np.unique(
            [one if whole else round(one, 4) for one in edges if one > least] or [told[told > least].min()]
        )
        step = 1 if whole else 0.0001

        def spell(bound: float) -> str:
            return f"{bound:.4f}".rstrip("0").rstrip(".")

        first = "0" if least >= 0 else ""
        bounds = [first, *(spell(edge) for edge in edges)]
        ends = [*(spell(edge - step) for edge in edges), ""]
        labels = [low if low == high else f"{low}-{high}" for low, high in zip(bounds, ends, strict=True)]
        found = [_amount(value) for value in values]
        cells = [-1 if one is None else int(np.searchsorted(edges, np.floor(one) if whole else one, "right"))
                 for one in found]  # fmt: skip
        return self._table("ranges", name, labels, cells, {"attribute": name})

    def _levels(self, name: str, level: str, values: Sequence[Any]) -> Iterator[Trait]:
        order = list((self.live.get("levels") or {}).get(level, {}).get("order") or LEVELS)
        ranks = TitleTable(self.live.get("titles") or {}, order).rank
        cells = [-1 if missing(value) or (rank := ranks(value)) < 0 else rank for value in values]
        if sum(cell >= 0 for cell in cells[: self.older]) >= LEAST:
            yield self._table("levels", name, order, cells, {"level": level})
        else:
            self.useless.append(LeftOut(name, "no use", f"fewer than {LEAST} of its titles have a level"))

    def _table(
        self, kind: str, name: str, labels: Sequence[str], cells: Sequence[int], rule: Mapping[str, Any]
    ) -> Trait:
        width = len(labels)
        every = np.array(cells)
        columns = [(every == place) for place in range(width)]
        names = list(labels)
        for label, marks in ((OTHER, every == width), (MISSING, every == -1)):
            if marks[: self.older].sum() >= (LEAST if label == OTHER else 1):
                names.append(label)
                columns.append(marks)
        wanted = np.array(columns, dtype=float).T
        return Trait(self.axis(name), self._name(name), kind, name, tuple(names), wanted, rule)

    def _known(self, name: str, values: Sequence[Any]) -> Trait:
        column = np.array([[not missing(value)] for value in values], dtype=float)
        rule = {"when": {name: {"known": True}}}
        return Trait(self.axis(name), self._name(name, " is known"), "when", name, ("",), column, rule)

    def _members(self, name: str, values: Sequence[Any], told: Sequence[Any]) -> Iterator[Trait]:
        every = Counter(one for value in told for one in {*(value if isinstance(value, list) else [value])}
                        if isinstance(one, str))  # fmt: skip
        for member, count in every.most_common(MOST):
            if count >= LEAST:
                column = [[member == value or (isinstance(value, list) and member in value)] for value in values]
                rule = {"when": {name: member}}
                shown = self._name(name, f": {member}")
                yield Trait(self.axis(name), shown, "when", name, ("",), np.array(column, dtype=float), rule)

    def _conditions(self, tabled: Collection[str]) -> Iterator[Trait]:
        """Conditions of the live model that no table says already."""
        for axis in AXES:
            for rule in self.live.get(axis) or ():
                reads = attributes_of(rule["when"]) if "when" in rule else frozenset()
                if not reads or reads & self.out or reads <= set(tabled):
                    continue
                holds = compile_condition(rule["when"])
                column = np.array([[holds(case.subject.attributes)] for case in self.cases], dtype=float)
                if LEAST <= column[: self.older].sum() <= self.older - LEAST:
                    name = self._unique(rule["name"])
                    yield Trait(axis, name, "when", sorted(reads)[0], ("",), column, {"when": rule["when"]})

    # -- activities

    def _activities(self) -> Iterator[Trait]:
        rules = [rule for rule in self.live.get("behaviour") or () if "activity" in rule]
        said = {kind for rule in rules for kind in _many(rule["activity"])}
        seen = Counter(
            kind for case in self.cases[: self.older] for kind in {one.kind for one in case.subject.activities}
        )
        new = [{"name": _human(kind), "activity": kind} for kind in sorted(seen) if kind not in said]
        for rule in [*rules, *new]:
            kinds = set(_many(rule["activity"])) - self.out
            if kinds and (trait := self._activity(rule, kinds)) is not None:
                yield trait

    def _activity(self, rule: Mapping[str, Any], kinds: Collection[str]) -> Trait | None:
        holds = compile_condition(rule["where"]) if "where" in rule else None
        place, age = [], []
        for index, case in enumerate(self.cases):
            for one in case.subject.activities:
                if one.kind in kinds and (holds is None or holds(one._asdict())):
                    place.append(index)
                    age.append((case.at - one.at).total_seconds() / 86_400)
        if len({index for index in place if index < self.older}) < LEAST:
            return None
        where, ages = np.array(place), np.array(age)

        def column(half_life: float | None, cap: float) -> Floats:
            worth = np.ones(len(ages)) if half_life is None else 0.5 ** np.floor(ages / half_life)
            return np.minimum(np.bincount(where, worth, len(self.cases)), cap)

        def gain(half_life: float | None, cap: float) -> float:
            one = column(half_life, cap)[: self.older, None]
            return fit(one / max(one.std(), 1e-9), self.won[: self.older], (1.0,)).evidence

        tried = {(half_life, cap): gain(half_life, cap) for half_life in HALF_LIVES for cap in CAPS}
        mine = _in_use(rule)
        best = max(tried, key=lambda key: tried[key])
        kept = mine is not None and tried[best] < gain(*mine) + GAIN
        half_life, cap = mine if mine is not None and kept else best
        if mine is None and tried[best] < tried[None, best[1]] + GAIN:
            half_life, cap = None, best[1]
        more = {key: rule[key] for key in ("activity", "where") if key in rule}
        if half_life is not None:
            more["half_life"] = format_duration(timedelta(days=half_life))
        more["times"] = cap
        note = "as before" if kept else f"better than the {len(tried) - 1} others tried"
        spell = "never forgotten" if half_life is None else f"halved every {half_life:g} days"
        note = f"counts up to {cap:g} times, {spell}: {note}"
        name = self._unique(rule["name"])
        columns = column(half_life, cap)[:, None]
        return Trait("behaviour", name, "activity", str(rule["activity"]), ("",), columns, more, note)

    # -- names

    def axis(self, attribute: str) -> str:
        """Behaviour, where only behaviour rules of the live model read it; fit otherwise."""
        reading = {axis for axis in AXES for rule in self.live.get(axis) or ()
                   if attribute in _attributes(rule, self.live)}  # fmt: skip
        return "behaviour" if reading == {"behaviour"} else "fit"

    def _name(self, attribute: str, more: str = "") -> str:
        return self._unique(self._names.get(attribute, "") if not more else "", f"{_human(attribute)}{more}")

    def _unique(self, wanted: str, other: str = "") -> str:
        for name in (wanted, other, *(f"{wanted or other} ({number_})" for number_ in range(2, 1000))):
            if name and name not in self._taken:
                self._taken.add(name)
                return name
        raise AssertionError("a thousand rules of one name")


def _in_use(rule: Mapping[str, Any]) -> tuple[float | None, float] | None:
    """(half-life in days, times) of a live rule; None = it has neither points nor a cap that say."""
    points, cap = rule.get("points"), rule.get("cap")
    if not points:
        return None
    half_life = parse_duration(rule["half_life"]).total_seconds() / 86_400 if "half_life" in rule else None
    return half_life, (abs(cap / points) if cap else max(CAPS))


def _reads(rule: Mapping[str, Any], live: Mapping[str, Any]) -> str:
    """The attribute whose table the rule is; empty = it is none."""
    for kind in ("values", "ranges"):
        if kind in rule:
            return str(rule[kind]["attribute"])
    if "levels" in rule:
        return str(live["levels"][rule["levels"]["level"]]["attribute"])
    return ""


def _attributes(rule: Mapping[str, Any], live: Mapping[str, Any]) -> frozenset[str]:
    if "when" in rule:
        return attributes_of(rule["when"])
    if "level" in rule:
        return frozenset({str(live["levels"][rule["level"]]["attribute"])})
    return frozenset({_reads(rule, live)})


def _many(value: Any) -> list[str]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _amount(value: Any) -> float | None:
    if isinstance(value, list):  # money is [amount, currency]
        return next((one for each in value if (one := number(each)) is not None), None) if len(value) == 2 else None
    return number(value)


def _human(name: str) -> str:
    words = name.replace("company.", "company's ").replace("_", " ").strip()
    return words[:1].upper() + words[1:]
