"""Every problem of a scoring.yaml at once, each with its line and, where a name is near, a suggestion.

First the shape (marshmallow), then what only the whole file can show: weights, names that point at nothing, ranges
that overlap. Each of ``RULES`` looks at one kind of mistake and takes malformed neighbours in its stride.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, TypeGuard

from marshmallow import ValidationError

from gateway.conditions import check_condition
from gateway.errors import Problem
from gateway.scoring.model import AXES, COMPARISONS, READS, WHERE, ModelSchema, Moment, parse_range
from gateway.scoring.titles import BUILT_IN, LANGUAGES, LEVELS, phrase_words
from gateway.settings.files import ConfigFile, KeyPath, suggest

ONLY_ACTIVITY = ("where", "cap", "window", "half_life")


def check(file: ConfigFile) -> list[Problem]:
    """All problems of the file, in the order of its lines; an empty list means ``WeightedScorer`` can be built."""
    problems = file.check(ModelSchema())
    problems += [problem for rule in RULES for problem in rule(file)]
    return sorted(dict.fromkeys(problems), key=lambda problem: problem.line)


# -- reading what may be malformed -------------------------------------------------------------------------------------


def _mapping(data: Any, key: str) -> Mapping[Any, Any]:
    value = data.get(key) if isinstance(data, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def _list(data: Any, key: str) -> Sequence[Any]:
    value = data.get(key) if isinstance(data, Mapping) else None
    return value if isinstance(value, list) else ()


def _names(value: Any) -> list[str]:
    return [name for name in (value if isinstance(value, list) else [value]) if isinstance(name, str)]


def _rules(file: ConfigFile) -> Iterator[tuple[KeyPath, Mapping[str, Any]]]:
    for axis in AXES:
        for index, rule in enumerate(_list(file.data, axis)):
            if isinstance(rule, Mapping):
                yield (axis, index), rule


def _rule_names(file: ConfigFile) -> list[str]:
    return [rule["name"] for _, rule in _rules(file) if isinstance(rule.get("name"), str)]


def _number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _moment(value: Any) -> datetime | None:
    try:
        return Moment().deserialize(value) if value is not None else None
    except ValidationError:
        return None


def _unknown(file: ConfigFile, path: KeyPath, what: str, name: Any, known: Collection[str]) -> Iterator[Problem]:
    if isinstance(name, str) and name.strip() and name not in known:
        hint = suggest(name, known) or (f"; there are {', '.join(known)}" if known else "; there are none in this file")
        yield file.problem(path, f"no such {what}{hint}")


# -- one mistake each --------------------------------------------------------------------------------------------------


def _weights(file: ConfigFile) -> Iterator[Problem]:
    weights = _mapping(file.data, "weights")
    parts = [part for axis in AXES if _number(part := weights.get(axis))]
    if len(parts) == 2 and abs(sum(parts) - 100) > 1e-9:
        yield file.problem(("weights",), f"the weights of fit and behaviour add up to {sum(parts):g}, not to 100")


def _bands(file: ConfigFile) -> Iterator[Problem]:
    bands = _mapping(file.data, "bands")
    great, good = bands.get("great"), bands.get("good")
    if _number(great) and _number(good) and great <= good:
        yield file.problem(("bands", "great"), f"must be above good, which is {good:g}")


def _nothing(file: ConfigFile) -> Iterator[Problem]:
    if not any(file.data.get(axis) for axis in AXES):
        yield file.problem((), "no rules under fit: or behaviour:, so every score would be 0")


def _twice(file: ConfigFile) -> Iterator[Problem]:
    first: dict[str, KeyPath] = {}
    for path, rule in _rules(file):
        name = rule.get("name")
        if isinstance(name, str) and first.setdefault(name, path) is not path:
            line = file.line((*first[name], "name"))
            yield file.problem((*path, "name"), f"another rule has this name already, on line {line}")


def _reads(file: ConfigFile) -> Iterator[Problem]:
    for path, rule in _rules(file):
        reads = [key for key in READS if key in rule]
        if len(reads) != 1:
            wanted = ", ".join(READS[:-1] if path[0] == "fit" else READS)
            found = (
                f"has {' and '.join(reads)}; expected only one of" if reads else "says not what it looks at; expected"
            )
            yield file.problem(path, f"the rule {found} {wanted}")
            continue
        if reads == ["activity"] and path[0] == "fit":
            yield file.problem((*path, "activity"), "what a lead does belongs under behaviour:")
        table = reads[0] in ("ranges", "values", "levels")
        if table and "points" in rule:
            yield file.problem((*path, "points"), f"the points of this rule stand under {reads[0]}:")
        if not table and "points" not in rule:
            yield file.problem(path, "the rule has no points")
        for key in ONLY_ACTIVITY:
            if key in rule and "activity" not in rule:
                yield file.problem((*path, key), "only a rule with activity: can have this")
        for key in COMPARISONS:
            if key in rule and "level" not in rule:
                yield file.problem((*path, key), "only a rule with level: can have this")
        for key in ("activity", "level", *READS[1:3], "ranges", "values"):
            if key in rule and rule[key] is None:
                yield file.problem((*path, key), "is empty")


def _levels(file: ConfigFile) -> Iterator[Problem]:
    sets = _mapping(file.data, "levels")
    own = [level for level in _mapping(file.data, "titles") if isinstance(level, str)]
    for name, level_set in sets.items():
        seen: set[str] = set()
        for index, level in enumerate(_list(level_set, "order")):
            path = ("levels", name, "order", index)
            if not isinstance(level, str):
                continue
            if level in seen:
                yield file.problem(path, "this level stands in the order already")
            seen.add(level)
            if level not in LEVELS and level not in own and (near := suggest(level, LEVELS)):
                yield file.problem(path, f"no built-in level, and titles: lists none for it{near}")
    for path, rule in _rules(file):
        if "level" in rule:
            yield from _level_rule(file, path, rule, sets)
        if "levels" in rule:
            table = _mapping(rule, "levels")
            here = (*path, "levels")
            yield from _unknown(file, (*here, "level"), "set of levels", table.get("level"), list(sets))
            if isinstance(table.get("level"), str) and table["level"] in sets:
                order = _names(_list(sets[table["level"]], "order"))
                for level in _mapping(table, "points"):
                    yield from _unknown(file, (*here, "points", level), "level", str(level), order)


def _level_rule(file: ConfigFile, path: KeyPath, rule: Mapping[str, Any], sets: Mapping[str, Any]) -> Iterator[Problem]:
    yield from _unknown(file, (*path, "level"), "set of levels", rule["level"], list(sets))
    compared = [key for key in COMPARISONS if key in rule]
    if len(compared) != 1:
        yield file.problem(path, f"a rule with level: needs exactly one of {', '.join(COMPARISONS)}")
    if not isinstance(rule["level"], str) or rule["level"] not in sets:
        return
    order = _names(_list(sets[rule["level"]], "order"))
    for key in compared:
        yield from _unknown(file, (*path, key), "level", rule[key], order)
        if order and (key, rule[key]) in (("above", order[0]), ("below", order[-1])):
            yield file.problem((*path, key), "no level is there, so the rule never gives points")


def _titles(file: ConfigFile) -> Iterator[Problem]:
    orders = [level for one in _mapping(file.data, "levels").values() for level in _names(_list(one, "order"))]
    known = list(dict.fromkeys([*LEVELS, *orders]))
    first: dict[tuple[str, ...], KeyPath] = {}
    for level, phrases in _mapping(file.data, "titles").items():
        if level == LANGUAGES:
            for index, name in enumerate(_names(phrases)):
                yield from _unknown(file, ("titles", level, index), "language of titles", name, BUILT_IN)
            if phrases == []:
                yield file.problem(("titles", level), f"names none of {', '.join(BUILT_IN)}")
            continue
        yield from _unknown(file, ("titles", level), "level", level, known)
        for index, phrase in enumerate(phrases if isinstance(phrases, list) else ()):
            path = ("titles", level, index)
            words = phrase_words(phrase) if isinstance(phrase, str) else ()
            if isinstance(phrase, str) and (not words or words[0] == "*"):
                yield file.problem(path, "a title begins with a word")
            elif words and first.setdefault(words, path) is not path:
                yield file.problem(path, f"the same title stands on line {file.line(first[words])}")


def _groups(file: ConfigFile) -> Iterator[Problem]:
    groups = _mapping(file.data, "groups")
    axes: dict[str, Any] = {}
    for path, rule in _rules(file):
        name = rule.get("group")
        if name is not None:
            yield from _unknown(file, (*path, "group"), "group", name, list(groups))
        if isinstance(name, str) and name in groups and axes.setdefault(name, path[0]) != path[0]:
            yield file.problem(
                (*path, "group"), f"this group has rules of {axes[name]} already; a group is of one axis"
            )


def _conditions(file: ConfigFile) -> Iterator[Problem]:
    for path, rule in _rules(file):
        if rule.get("when") is not None:
            yield from check_condition(file, (*path, "when"), rule["when"], None)
        if rule.get("where") is not None:
            yield from check_condition(file, (*path, "where"), rule["where"], WHERE)
        elif "where" in rule:
            yield file.problem((*path, "where"), "is empty")


def _ranges(file: ConfigFile) -> Iterator[Problem]:
    for path, rule in _rules(file):
        here = (*path, "ranges", "points")
        spans: list[tuple[float, float, bool, Any]] = []
        for label in _mapping(_mapping(rule, "ranges"), "points"):
            try:
                one = parse_range(label)
            except ValueError as exc:
                yield file.problem((*here, label), str(exc))
            else:
                spans.append((one.low, one.high + 1 if one.whole else one.high, one.whole, label))
        spans.sort(key=lambda span: span[:2])
        for before, after in pairwise(spans):
            if after[0] < before[1] or (after[0] == before[1] and not before[2]):
                yield file.problem((*here, after[3]), f"overlaps {before[3]}")


def _values(file: ConfigFile) -> Iterator[Problem]:
    for path, rule in _rules(file):
        first: dict[str, Any] = {}
        for label in _mapping(_mapping(rule, "values"), "points"):
            here = (*path, "values", "points", label)
            text = str(label).strip().casefold()
            if label is None or not text:
                yield file.problem(here, "a blank value is a missing one and gets no points")
            elif first.setdefault(text, label) is not label:
                yield file.problem(here, "this value is listed already; case and outer blanks do not matter")


def _personas(file: ConfigFile) -> Iterator[Problem]:
    rules = _rule_names(file)
    for persona, factors in _mapping(file.data, "personas").items():
        for name in factors if isinstance(factors, Mapping) else ():
            yield from _unknown(file, ("personas", persona, name), "rule", name, rules)


def _overlays(file: ConfigFile) -> Iterator[Problem]:
    rules, groups = _rule_names(file), list(_mapping(file.data, "groups"))
    first: dict[str, int] = {}
    for index, overlay in enumerate(_list(file.data, "overlays")):
        path = ("overlays", index)
        if not isinstance(overlay, Mapping):
            continue
        name = overlay.get("name")
        if isinstance(name, str) and first.setdefault(name, index) != index:
            yield file.problem((*path, "name"), "another overlay has this name already")
        if ("rule" in overlay) == ("group" in overlay):
            yield file.problem(path, "an overlay names either rule: or group:")
        for rule in _names(overlay.get("rule")):
            yield from _unknown(file, (*path, "rule"), "rule", rule, rules)
        yield from _unknown(file, (*path, "group"), "group", overlay.get("group"), groups)
        if "from" not in overlay and "to" not in overlay:
            yield file.problem(path, "an overlay needs from:, to: or both; without them change the points")
        start, end = _moment(overlay.get("from")), _moment(overlay.get("to"))
        if start and end and start >= end:
            yield file.problem((*path, "to"), "must be after from; the day named in to: is not included any more")


RULES: tuple[Callable[[ConfigFile], Iterator[Problem]], ...] = (
    _weights, _bands, _nothing, _twice, _reads, _levels, _titles, _groups, _conditions, _ranges, _values, _personas,
    _overlays,
)  # fmt: skip
