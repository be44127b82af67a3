"""Conditions: the `when`, `where`, `only`, `include` of scoring, journey and mapping files.

In: plain data such as ``{country: [Germany, Austria], employees: {at_least: 50}}``. Out: every problem of it
(``check_condition``), a fast function of an attributes mapping (``compile_condition``), or words (``in_words``).

One test on one value has one meaning, the closure that ``_test`` builds. ``expression`` writes it into generated code,
with an inline way for the commonest type of value before it; scoring uses that to compile whole models.

A missing attribute (absent, null, empty text, empty list) fails every test but ``known: false``, ``not``, ``not_in``.
Text is compared without case and outer blanks. A list passes when any element does; for ``not`` and ``not_in`` when no
element equals. A number is compared with numeric text as a number, a day with a time as a day (UTC); what cannot be
compared is false. Nothing raises.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from gateway.errors import Problem
from gateway.settings.files import ConfigFile, suggest

Condition = Callable[[Mapping[str, Any]], bool]
Test = Callable[[Any], bool]

GROUPS = ("any", "all", "none")
_EQUAL = {"is": True, "in": True, "not": False, "not_in": False}
_ORDER = ("at_least", "above", "at_most", "below", "between")
_TEXT = ("contains", "starts_with", "ends_with")
OPERATORS = (*_EQUAL, *_ORDER, *_TEXT, "matches", "known")

_NUMBER = re.compile(r"[+-]?[0-9]{1,300}(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?", re.ASCII)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:.*")


# -- values ------------------------------------------------------------------------------------------------------------


def number(value: Any) -> int | float | None:
    """The number a value is or spells, else None. Truth values are no numbers."""
    if value.__class__ is int or value.__class__ is float:
        return value
    if isinstance(value, str) and _NUMBER.fullmatch(text := value.strip()):
        return float(text) if "." in text or "e" in text or "E" in text else int(text)
    return None


def missing(value: Any) -> bool:
    return value is None or (not value.strip() if isinstance(value, str) else value == [] or value == ())


def _plain(value: Any) -> Any:
    """A value of a file as canonical attributes write it: YAML's dates and times become UTC text."""
    if isinstance(value, datetime):
        value = (value.replace(tzinfo=UTC) if value.tzinfo is None else value).astimezone(UTC).replace(tzinfo=None)
        return f"{value.isoformat()}Z"
    return value.isoformat() if isinstance(value, date) else value


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return value.strip().casefold()
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else None


def _many(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else (value,)


def _instant(text: str) -> str:
    """A UTC time as text that sorts by time; a fraction of a second must not sort before its full second."""
    return text[:10] + "t" + (text[11:].rstrip("z") or "00:00:00")


# -- one test ----------------------------------------------------------------------------------------------------------


def _equal(tests: Sequence[Any]) -> Test:
    plain = [_plain(test) for test in tests]
    texts = frozenset(text for test in plain if (text := _text(test)) is not None)
    numbers = frozenset(test for test in plain if isinstance(test, int | float) and not isinstance(test, bool))
    days = frozenset(text for text in texts if _DAY.fullmatch(text))

    def equal(value: Any) -> bool:
        if value.__class__ is list or value.__class__ is tuple:
            return any(map(equal, value))
        text = _text(value)
        if text is None:
            return False
        if text in texts or (days and text[:10] in days and _TIME.fullmatch(text)):
            return True
        return bool(numbers) and number(value) in numbers

    return equal


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "at_least": lambda value, limit: bool(value >= limit),
    "above": lambda value, limit: bool(value > limit),
    "at_most": lambda value, limit: bool(value <= limit),
    "below": lambda value, limit: bool(value < limit),
}


def _key(limit: Any) -> tuple[Any, Callable[[Any], Any]]:
    """A limit in comparable form, and how to bring a value to that form (None = cannot be compared)."""
    limit = _plain(limit)
    if (amount := number(limit)) is not None:
        return amount, number
    text = _text(limit) or ""
    if _DAY.fullmatch(text):
        return text, lambda value: value[:10] if isinstance(value, str) and _DAY.match(value) else None
    if _TIME.fullmatch(text):
        return _instant(text), (
            lambda value: _instant(value.strip().casefold()) if isinstance(value, str) and _DAY.match(value) else None
        )
    return text, lambda value: _text(value) if isinstance(value, str) else None


def _ordered(operator: str, limit: Any) -> Test:
    if operator == "between":
        low, high = _ordered("at_least", limit[0]), _ordered("at_most", limit[1])
        return lambda value: any(low(one) and high(one) for one in _many(value))
    bound, key = _key(limit)
    compare = _COMPARE[operator]

    def ordered(value: Any) -> bool:
        if value.__class__ is list or value.__class__ is tuple:
            return any(map(ordered, value))
        if missing(value):
            return False
        comparable = key(value)
        return comparable is not None and compare(comparable, bound)

    return ordered


def _worded(operator: str, parts: Sequence[Any]) -> Test:
    needles = tuple(text for part in parts if (text := _text(_plain(part))) is not None)

    def worded(value: Any) -> bool:
        if value.__class__ is list or value.__class__ is tuple:
            return any(map(worded, value))
        text = _text(value)
        if not text:
            return False
        if operator == "contains":
            return any(needle in text for needle in needles)
        return text.startswith(needles) if operator == "starts_with" else text.endswith(needles)

    return worded


def _matching(pattern: str) -> Test:
    search = re.compile(pattern, re.IGNORECASE).search

    def matching(value: Any) -> bool:
        if value.__class__ is list or value.__class__ is tuple:
            return any(map(matching, value))
        if missing(value) or isinstance(value, dict):
            return False
        return search(value if isinstance(value, str) else _text(value) or "") is not None

    return matching


def _test(operator: str, wanted: Any) -> Test:
    if operator in _EQUAL:
        equal = _equal(_many(wanted))
        return equal if _EQUAL[operator] else lambda value: not equal(value)
    if operator in _ORDER:
        return _ordered(operator, wanted)
    if operator in _TEXT:
        return _worded(operator, _many(wanted))
    if operator == "matches":
        return _matching(wanted)
    if operator == "known":
        return (lambda value: not missing(value)) if wanted else missing
    raise ValueError(f"{operator!r} is no operator")


# -- a whole condition -------------------------------------------------------------------------------------------------


def tests(data: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """The tests that stand directly in a condition, as (attribute, operator, wanted); ``any/all/none`` are left out."""
    for name, test in data.items():
        if name in GROUPS:
            continue
        if isinstance(test, Mapping):
            for operator, wanted in test.items():
                yield name, operator, wanted
        else:
            yield name, "in" if isinstance(test, list) else "is", test


def attributes_of(data: Mapping[str, Any]) -> frozenset[str]:
    """Every attribute the condition reads."""
    inner = (attributes_of(one) for group in GROUPS for one in data.get(group, ()))
    return frozenset(name for name, _, _ in tests(data)).union(*inner)


def places(condition: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Each name that a condition looks at, and where it stands in the file; what is malformed there is passed over."""
    for name, inner in condition.items() if isinstance(condition, Mapping) else ():
        if name in GROUPS:
            for index, one in enumerate(inner if isinstance(inner, list) else ()):
                yield from places(one, (*path, name, index))
        elif isinstance(name, str):
            yield (*path, name), name


def expression(data: Mapping[str, Any], bind: Callable[[Any], str], load: Callable[[str], str]) -> str:
    """The condition as a Python expression. ``bind(object)`` names a constant, ``load(attribute)`` a variable.

    No text of the file gets into the source: names, values and patterns are all bound.
    """
    parts = [_inline(operator, wanted, bind, load(name)) for name, operator, wanted in tests(data)]
    for group in GROUPS:
        if group in data:
            inner = [expression(one, bind, load) for one in data[group]]
            joined = f"({(' and ' if group == 'all' else ' or ').join(inner) or str(group == 'all')})"
            parts.append(f"(not {joined})" if group == "none" else joined)
    return f"({' and '.join(parts)})" if parts else "True"


def _inline(operator: str, wanted: Any, bind: Callable[[Any], str], value: str) -> str:
    whole = f"{bind(_test(operator, wanted))}({value})"
    if operator in _EQUAL and all(isinstance(one, str) and not _DAY.fullmatch(one.strip()) for one in _many(wanted)):
        texts = bind(frozenset(_text(one) for one in _many(wanted)))
        within = "in" if _EQUAL[operator] else "not in"
        return f"({value}.strip().casefold() {within} {texts} if {value}.__class__ is str else {whole})"
    if operator in _COMPARE and (amount := number(_plain(wanted))) is not None:
        sign = {"at_least": ">=", "above": ">", "at_most": "<=", "below": "<"}[operator]
        return f"({value} {sign} {bind(amount)} if {value}.__class__ is int else {whole})"
    if operator == "contains" and isinstance(wanted, str) and wanted.strip():
        return f"({bind(_text(wanted))} in {value}.casefold() if {value}.__class__ is str else {whole})"
    return whole


def compile_condition(data: Mapping[str, Any]) -> Condition:
    """The condition as a function of an attributes mapping, of which only ``get(name)`` is used. ``{}`` always holds.

    ``data`` has passed ``check_condition``; otherwise ``ValueError``, ``TypeError`` or ``re.error`` may come.
    """
    scope: dict[str, Any] = {}
    variables: dict[str, str] = {}

    def bind(constant: Any) -> str:
        scope[name := f"c{len(scope)}"] = constant
        return name

    body = expression(data, bind, lambda attribute: variables.setdefault(attribute, f"v{len(variables)}"))
    lines = ["def condition(attributes):"]
    lines += [f"    {variable} = attributes.get({bind(attribute)})" for attribute, variable in variables.items()]
    exec(compile("\n".join([*lines, f"    return {body}"]), "<condition>", "exec"), scope)
    condition: Condition = scope["condition"]
    return condition


# -- words -------------------------------------------------------------------------------------------------------------

_SAID = {
    "is": "is", "in": "is", "not": "is not", "not_in": "is not", "at_least": "at least", "above": "above",
    "at_most": "at most", "below": "below", "contains": "contains", "starts_with": "starts with",
    "ends_with": "ends with", "matches": "matches",
}  # fmt: skip


def in_words(data: Mapping[str, Any]) -> str:
    """``"country is Germany or Austria and employees at least 50"``."""
    parts = [_said(name, operator, wanted) for name, operator, wanted in tests(data)]
    for group in GROUPS:
        if group in data:
            inner = (" and " if group == "all" else " or ").join(in_words(one) for one in data[group])
            parts.append(f"not ({inner})" if group == "none" else f"({inner})")
    return " and ".join(parts) or "always"


def _said(name: str, operator: str, wanted: Any) -> str:
    if operator == "known":
        return f"{name} is {'known' if wanted else 'not known'}"
    values = [_shown(value) for value in _many(wanted)]
    if operator == "between":
        return f"{name} between {values[0]} and {values[1]}"
    return f"{name} {_SAID[operator]} {(' nor ' if operator in ('not', 'not_in') else ' or ').join(values)}"


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(_plain(value))


# -- problems ----------------------------------------------------------------------------------------------------------


def check_condition(
    file: ConfigFile, path: Sequence[str | int], data: Any, known: Collection[str] | None
) -> list[Problem]:
    """Every problem of the condition ``data`` that stands at ``path``. ``known``: attribute names; None = any."""
    if not isinstance(data, Mapping):
        return [file.problem(path, "expected a condition: attribute names with tests")]
    if not data:
        return [file.problem(path, "an empty condition; leave the key out if it always holds")]
    problems: list[Problem] = []
    for name, test in data.items():
        here = (*path, name)
        if name in GROUPS:
            if not isinstance(test, list) or not test:
                problems.append(file.problem(here, "expected a list of conditions"))
                continue
            for index, one in enumerate(test):
                problems += check_condition(file, (*here, index), one, known)
            continue
        if not isinstance(name, str):
            problems.append(file.problem(here, "expected an attribute name as text"))
        elif known is not None and name not in known:
            problems.append(file.problem(here, f"no such attribute{suggest(name, known)}"))
        if not isinstance(test, Mapping):
            problems += _check_values(file, here, test)
        elif not test:
            problems.append(file.problem(here, "no test; name an operator, such as is or at_least"))
        else:
            for operator, wanted in test.items():
                problems += _check_test(file, (*here, operator), operator, wanted)
    return problems


def _check_test(file: ConfigFile, path: Sequence[str | int], operator: Any, wanted: Any) -> list[Problem]:
    if operator not in OPERATORS:
        hint = suggest(operator, OPERATORS) or f"; it is one of {', '.join(OPERATORS)}"
        return [file.problem(path, f"unknown operator{hint}")]
    if operator == "known":
        return [] if isinstance(wanted, bool) else [file.problem(path, "expected true or false")]
    if operator == "matches":
        try:
            re.compile(wanted)
        except (re.error, TypeError) as exc:
            return [file.problem(path, f"not a regular expression: {exc}")]
        return []
    if operator == "between":
        if not isinstance(wanted, list) or len(wanted) != 2:
            return [file.problem(path, "expected two values, [from, to]")]
        if problems := [problem for index, one in enumerate(wanted) for problem in _scalar(file, (*path, index), one)]:
            return problems
        low, high = _key(wanted[0])[0], _key(wanted[1])[0]
        if isinstance(low, str) != isinstance(high, str):
            return [file.problem(path, "the two values cannot be compared")]
        return [file.problem(path, "the first value is above the second")] if low > high else []
    if operator in _COMPARE:
        return _scalar(file, path, wanted)
    return _check_values(file, path, wanted)


def _check_values(file: ConfigFile, path: Sequence[str | int], wanted: Any) -> list[Problem]:
    if not isinstance(wanted, list):
        return _scalar(file, path, wanted)
    if not wanted:
        return [file.problem(path, "an empty list matches nothing")]
    return [problem for index, one in enumerate(wanted) for problem in _scalar(file, (*path, index), one)]


def _scalar(file: ConfigFile, path: Sequence[str | int], value: Any) -> list[Problem]:
    if value is None or (isinstance(value, str) and not value.strip()):
        return [file.problem(path, "an empty value; write {known: false} to ask for a missing one")]
    if not isinstance(value, str | int | float | bool | date):
        return [file.problem(path, "expected a text, number, date or true/false")]
    return []
