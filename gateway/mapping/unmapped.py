"""Values that a mapping has no word for: a status that no outcome rule names, a value that no value map holds.

In: the raw values of a record. Out: (field, value) of each that somebody has to say the meaning of. ``no_outcome`` of
the mapping file holds the statuses that are known to mean nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from marshmallow import ValidationError

from gateway.conditions import GROUPS, attributes_of, tests
from gateway.mapping.field import FieldMapping
from gateway.mapping.types import text_of

DEAL_STATUSES = frozenset({"open", "won", "lost"})
_LONGEST, _MOST_WORDS = 80, 8
_WHOLE = frozenset({"is", "in"})


class Unmapped:
    """The fields of one object whose values must be known."""

    def __init__(
        self,
        fields: Sequence[FieldMapping],
        outcomes: Sequence[Mapping[str, Any]],
        no_outcome: Mapping[str, Sequence[Any]],
        deal: bool,
    ) -> None:
        """``outcomes``: the rules as the file has them. ``deal``: its status is open, won or lost and nothing else."""
        ours = {field.field for field in fields if not field.inbound}  # what stands there is mostly our own word
        self._knows: dict[str, Callable[[Any], bool]] = {
            name: _named(values | set(map(_fold, no_outcome.get(name, ()))))
            for name, values in statuses(outcomes).items()
            if name not in ours
        }
        for field in fields:
            if deal and field.inbound and field.to == "status":
                self._knows[field.field] = _status(field)
            elif field.inbound and field.values and field.unmapped != "keep":
                self._knows[field.field] = _mapped(field)

    def of(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """(field, value) of what ``now`` holds, ``before`` did not, and the mapping does not know."""
        for name, knows in self._knows.items():
            raw = now.get(name)
            if isinstance(raw, str) and raw != before.get(name) and not knows(raw):
                yield name, nameable(raw)

    def __bool__(self) -> bool:
        return bool(self._knows)


def statuses(outcomes: Sequence[Mapping[str, Any]]) -> dict[str, set[str]]:
    """Field → the texts (folded) that the rules name as whole values.

    Only fields by which alone some rule tells an outcome, and that no rule tests in another way.
    """
    named: dict[str, set[str]] = {}
    other: set[str] = set()
    telling: set[str] = set()
    for rule in outcomes:
        looked_at = attributes_of(rule.get("when") or {})
        telling |= looked_at if len(looked_at) == 1 else set()
        for name, operator, wanted in _tests(rule.get("when") or {}):
            values = wanted if isinstance(wanted, list) else [wanted]
            if operator in _WHOLE and all(isinstance(value, str) for value in values):
                named.setdefault(name, set()).update(map(_fold, values))
            elif operator not in _WHOLE:
                other.add(name)
    return {name: values for name, values in named.items() if name in telling - other}


def nameable(raw: str) -> str:
    """The value, where it looks like one of a list; a text that may say something of somebody is only counted."""
    text = " ".join(raw.split())
    if len(text) <= _LONGEST and len(text.split()) <= _MOST_WORDS and "@" not in text:
        return text
    return f"(a text of {len(text)} characters)"


def _tests(when: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    yield from tests(when)
    for group in GROUPS:
        for one in when.get(group, ()):
            yield from _tests(one)


def _named(known: set[str]) -> Callable[[Any], bool]:
    return lambda raw: _fold(raw) in known


def _mapped(field: FieldMapping) -> Callable[[Any], bool]:
    return lambda raw: not field.unknown(raw)


def _status(field: FieldMapping) -> Callable[[Any], bool]:
    def knows(raw: Any) -> bool:
        try:
            return _fold(field.load(raw)) in DEAL_STATUSES
        except ValidationError:
            return False

    return knows


def _fold(value: Any) -> str:
    return text_of(value).strip().casefold()  # as conditions compare texts
