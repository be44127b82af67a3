"""The leak guard: attributes that nobody may learn from, because they know how it ended. Before: case; after: traits.

What was told only after a lead was judged is certain to leak; what is of unknown time may; what orders past leads
nearly by itself is too good to be true. Each is named with its reason and left out, unless somebody forces it.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from gateway.conditions import missing, number
from gateway.learning.case import Case
from gateway.learning.judging import auc

SHARE = 0.2
"""From this share of late values on an attribute is one that is set after the end; below, it is a late correction."""
TOO_GOOD = 0.88
"""No single thing known of a lead beforehand orders them so well (AUC)."""
LEAST = 5
SWING = 0.6
"""The share of leads that have it, most against least of the fifths of time."""
# fmt: off
SALES_WORDS = frozenset([
    "closed", "disposition", "grade", "index", "outcome", "probability", "profile", "quality", "rating", "reason",
    "result", "score", "stage", "status", "tag", "tags",
])
# fmt: on
"""Words in names of what sales people or vendors set of a lead they know already."""


class LeftOut(NamedTuple):
    """``why``: after | undated | too good | in batches | name | no use. ``source``: the fields it comes from, where
    known. ``forced``: somebody wants it all the same."""

    attribute: str
    why: str
    words: str
    source: str = ""
    forced: bool = False

    @property
    def name(self) -> str:
        return f"{self.attribute} ({self.source})" if self.source else self.attribute


def leaks(
    cases: Sequence[Case], forced: Collection[str] = (), sources: Mapping[str, str] = MappingProxyType({})
) -> list[LeftOut]:
    """Every attribute, and kind of activity, with a reason not to learn from it. ``sources``: attribute → fields."""
    found = [leak for name in attributes(cases) if (leak := _leak(name, cases)) is not None]
    for kind, count in sorted(Counter(kind for case in cases for kind in case.undated_kinds).items()):
        words = f"nobody knows when it happened ({_leads(count)}); --undated learns from it all the same"
        found.append(LeftOut(kind, "undated", words))
    for kind in sorted({one.kind for case in cases for one in case.subject.activities}):
        seen = [sum(one.kind == kind for one in case.subject.activities) for case in cases]
        if (area := alone(seen, cases)) >= TOO_GOOD:
            found.append(LeftOut(kind, "too good", _too_good(area)))
    return [leak._replace(forced=leak.attribute in forced, source=sources.get(leak.attribute, "")) for leak in found]


def attributes(cases: Sequence[Case]) -> list[str]:
    """The names of all that is known of any of them."""
    return sorted({name for case in cases for known in (case.subject.attributes, case.late, case.undated)
                   for name in known})  # fmt: skip


def _leak(name: str, cases: Sequence[Case]) -> LeftOut | None:
    late = sum(not missing(case.late.get(name)) for case in cases)
    undated = sum(not missing(case.undated.get(name)) for case in cases)
    values = [case.subject.attributes.get(name) for case in cases]
    known = sum(not missing(value) for value in values)
    told = late + undated + known
    if late >= LEAST and late >= SHARE * told:
        return LeftOut(name, "after", f"told only after the lead was judged: {late} of {_leads(told)}")
    if undated >= LEAST and undated >= SHARE * told:
        words = f"nobody knows since when it was so: {undated} of {_leads(told)}; --undated learns from it all the same"
        return LeftOut(name, "undated", words)
    if known >= LEAST and (area := alone(values, cases)) >= TOO_GOOD:
        return LeftOut(name, "too good", _too_good(area))
    if not any(name in case.trusted for case in cases):
        return None
    shares = [np.mean([not missing(values[place]) for place in part]) for part in np.array_split(range(len(cases)), 5)]
    if len(cases) >= 100 and _swings(shares):
        told_ = ", ".join(f"{share:.0%}" for share in shares)
        return LeftOut(name, "in batches", f"its time is unknown and it comes and goes: {told_} of the leads, by age")
    words_ = SALES_WORDS.intersection(re.split(r"[^a-z]+", name.casefold()))
    if words_ or "last_activity" in name or "last_notable" in name:
        return LeftOut(name, "name", "its time is unknown, and by its name somebody sets it who knows the lead already")
    return None


def _swings(shares: Sequence[Any]) -> bool:
    """Up and down again, or down and up: a field that was new at some time goes one way only."""
    steps = np.diff(shares)
    return bool(max(shares) - min(shares) >= SWING and steps.min() < -SWING / 4 and steps.max() > SWING / 4)


def _too_good(area: float) -> str:
    return f"too good to be true: by itself it tells won from lost with an AUC of {area:.2f}"


def _leads(count: int) -> str:
    return f"{count} lead" + "s" * (count != 1)


def alone(values: Sequence[Any], cases: Sequence[Case]) -> float:
    """The AUC of one attribute, each half of the cases ordered by what the other half says of its values."""
    labels = _labels(values)
    won = np.array([case.won for case in cases])
    score = np.zeros(len(cases))
    for half in (0, 1):
        seen: Mapping[Any, list[int]] = defaultdict(lambda: [0, 0])
        for place in range(1 - half, len(cases), 2):
            seen[labels[place]][0] += 1
            seen[labels[place]][1] += int(won[place])
        base = won[1 - half :: 2].mean()
        for place in range(half, len(cases), 2):
            count, wins = seen[labels[place]]
            score[place] = (wins + 5 * base) / (count + 5)
    return float(np.mean([auc(score[half::2], won[half::2]) for half in (0, 1)]))


def _labels(values: Sequence[Any]) -> list[Any]:
    """Tenths of numbers; else the value as text."""
    numbers = [number(value) for value in values]
    told = [one for one in numbers if one is not None]
    if len(set(told)) > 20 and len(told) >= 0.9 * sum(not missing(value) for value in values):
        edges = np.unique(np.quantile(np.array(told, dtype=float), np.linspace(0, 1, 11)[1:-1]))
        return [None if one is None else int(np.searchsorted(edges, one, "right")) for one in numbers]
    return [None if missing(value) else str(value).strip().casefold() for value in values]
