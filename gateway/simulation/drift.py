"""Whether the live model still meets the leads it was agreed on for. Pure.

In: a sample of leads from before it went live, and one of lately, both scored by it. Out: what differs by more than
chance, each with a likely cause. Nothing is concluded from fewer than ``LEAST`` leads on either side, and nobody
retrains anything: people decide.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gateway.conditions import missing

LEAST = 50
CHANCE = 3.3
"""Standard errors that a difference of two shares has to exceed: of a thousand by chance, one does."""
MATTERS = 0.1
"""A share that moved by less than ten in a hundred is not told."""
UNSTABLE = 0.25
"""A stability index of the scores above this is a shift that matters, as is the custom."""
BINS = 10


class Seen(NamedTuple):
    """One lead some days after it came. ``total`` in hundredths; ``rules`` that gave it points; ``above``: over its
    threshold to sales; ``good``: sales accepted it."""

    total: int
    rules: Collection[str]
    attributes: Mapping[str, Any]
    above: bool
    good: bool


@dataclass(slots=True)
class Sample:
    leads: int = 0
    bins: Counter[int] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
    known: Counter[str] = field(default_factory=Counter)
    values: Counter[tuple[str, str]] = field(default_factory=Counter)
    above: int = 0
    good: int = 0
    above_good: int = 0

    def take(self, seen: Seen, attributes: Collection[str]) -> None:
        """``attributes``: those that the model reads."""
        self.leads += 1
        self.bins[min(max(seen.total, 0) * BINS // 10_001, BINS - 1)] += 1
        self.rules.update(set(seen.rules))
        self.above += seen.above
        self.good += seen.good
        self.above_good += seen.above and seen.good
        for name in attributes:
            value = seen.attributes.get(name)
            if not missing(value):
                self.known[name] += 1
                if isinstance(value, str | bool):
                    self.values[name, str(value)] += 1


class Finding(NamedTuple):
    """``what``: scores | rule NAME | accepted | accepted above the threshold. ``before`` and ``after``: shares, or for
    scores the mean in points. ``cause``: the likely one in words, or empty."""

    what: str
    before: float
    after: float
    cause: str

    @property
    def words(self) -> str:
        if self.what == "scores":
            moved = f"scores lie otherwise: {self.before:.0f} points on average then, {self.after:.0f} lately"
        elif self.what.startswith("rule "):
            rule = self.what.removeprefix("rule ")
            moved = f"{rule} gave points to {self.before:.0%} of new leads then, to {self.after:.0%} lately"
        else:
            moved = f"sales accepted {self.before:.0%} of {_OF[self.what]} then, {self.after:.0%} lately"
        return f"{moved}; likely since {self.cause}" if self.cause else moved


_OF = {"accepted": "new leads", "accepted above the threshold": "those over the threshold"}


def compare(before: Sample, after: Sample, readers: Mapping[str, Collection[str]]) -> list[Finding] | None:
    """None: there are too few leads to say. ``readers``: rule → the attributes it reads."""
    if min(before.leads, after.leads) < LEAST:
        return None
    moved = _attributes(before, after)
    found = []
    if stability(before.bins, after.bins) > UNSTABLE:
        cause = moved[0][1] if moved else ""
        found.append(Finding("scores", _mean(before), _mean(after), cause))
    for rule in sorted({*before.rules, *after.rules}):
        one, other = before.rules[rule] / before.leads, after.rules[rule] / after.leads
        if _differ(before.rules[rule], before.leads, after.rules[rule], after.leads):
            reads = readers.get(rule, ())
            found.append(Finding(f"rule {rule}", one, other, next((why for name, why in moved if name in reads), "")))
    for what, (part, whole), (part_now, whole_now) in (
        ("accepted", (before.good, before.leads), (after.good, after.leads)),
        ("accepted above the threshold", (before.above_good, before.above), (after.above_good, after.above)),
    ):
        if min(whole, whole_now) >= LEAST and _differ(part, whole, part_now, whole_now):
            found.append(Finding(what, part / whole, part_now / whole_now, moved[0][1] if moved else ""))
    return found


def stability(before: Mapping[int, int], after: Mapping[int, int]) -> float:
    """The population stability index over the bins: 0 = alike; half a lead stands in for none."""
    total = 0.0
    one, other = sum(before.values()), sum(after.values())
    for place in before.keys() | after.keys():
        p, q = (max(counts.get(place, 0), 0.5) / whole for counts, whole in ((before, one), (after, other)))
        total += (q - p) * math.log(q / p)
    return total


def _attributes(before: Sample, after: Sample) -> list[tuple[str, str]]:
    """(attribute, what became of it in words), the greatest move first: known less often, or of other values."""
    found: list[tuple[float, str, str]] = []
    for name in {*before.known, *after.known}:
        one, other = before.known[name] / before.leads, after.known[name] / after.leads
        if _differ(before.known[name], before.leads, after.known[name], after.leads):
            found.append((abs(one - other), name, f"{name} is known of {other:.0%} instead of {one:.0%}"))
    for name, value in {*before.values, *after.values}:
        part, now = before.values[name, value], after.values[name, value]
        if _differ(part, before.leads, now, after.leads):
            one, other = part / before.leads, now / after.leads
            found.append((abs(one - other), name, f"{name} is {value!r} of {other:.0%} instead of {one:.0%}"))
    return [(name, words) for _, name, words in sorted(found, reverse=True)]


def _differ(part: int, whole: int, part_now: int, whole_now: int) -> bool:
    one, other = part / whole, part_now / whole_now
    both = (part + part_now) / (whole + whole_now)
    error = math.sqrt(both * (1 - both) * (1 / whole + 1 / whole_now))
    return abs(one - other) >= MATTERS and abs(one - other) > CHANCE * error


def _mean(sample: Sample) -> float:
    width = 100 / BINS
    return sum((place + 0.5) * width * count for place, count in sample.bins.items()) / sample.leads


def spread(ids: Sequence[str], most: int) -> list[str]:
    """At most ``most`` of them, evenly."""
    step = max(1, -(-len(ids) // most))
    return list(ids[::step])
