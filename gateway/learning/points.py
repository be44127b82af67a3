"""Estimates become points: the content of a scoring.yaml, and beside each value what past leads say of it.

One point is the same in log odds whatever earns it, and all points together span 0 to 100; so the split between fit
and behaviour is what their ranges are. A value that is not known earns nothing, as scoring has it: what a lead
without any news starts with is a rule of its own. Before: traits; after: draft.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gateway.learning.fitting import Z90, Fit, Floats, Marks, fit
from gateway.learning.judging import auc, share_won
from gateway.learning.traits import AXES, MISSING, OTHER, Trait

EDGE = 0.005
"""This part of the leads may lie beyond either end of an axis."""
RARE = 0.02
"""The value of an attribute is known of nearly all leads, where so few lack it."""
SPLITS = tuple(range(0, 101, 5))
KEPT = ("titles", "personas", "content_weights", "content", "overlays")


@dataclass(frozen=True, slots=True)
class Value:
    """One proposed number. ``points`` with the ends of its 90 % interval; ``won``: share of ``cases`` that were won;
    ``lift``: that as a multiple of all leads' share."""

    label: str
    points: int
    low: float
    high: float
    cases: int
    won: float
    lift: float

    def words(self) -> str:
        """A plain sentence."""
        sure = "" if self.low > 0 or self.high < 0 else "; may well be nothing"
        leads = f"{self.cases:,} lead{'s' * (self.cases != 1)}, {self.won:.0%} won, {self.lift:.1f} times the average"
        return f"{leads}; between {self.low:+.1f} and {self.high:+.1f} points{sure}"


@dataclass(frozen=True, slots=True)
class Proposal:
    """The values of the rule of that name; none of the rule that every lead begins with."""

    axis: str
    name: str
    values: tuple[Value, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Proposed:
    """``data``: the content of a scoring.yaml. ``splits``: weight of fit → AUC on what was learned from.

    ``no_effect``: traits that earn nothing. ``orders``: level set → (before, proposed), where they differ.
    """

    data: dict[str, Any] = field(repr=False)
    rules: tuple[Proposal, ...]
    splits: Mapping[int, float]
    no_effect: tuple[str, ...]
    orders: Mapping[str, tuple[Sequence[str], Sequence[str]]]
    band_shares: Mapping[str, float]


def design(traits: Sequence[Trait]) -> Floats:
    """All traits' columns side by side, those that count in comparable size."""
    return np.hstack([trait.columns / _size(trait) for trait in traits])


def propose(traits: Sequence[Trait], fitted: Fit, older: int, won: Marks, live: Mapping[str, Any]) -> Proposed:
    """The model that ``fitted`` (on ``design(traits)``) says. ``older``: so many cases were learned from."""
    estimates = _estimates(traits, fitted, older)
    raw = {axis: _sum(axis, traits, [one[0] for one in estimates]) for axis in AXES}
    spans = {axis: _span(raw[axis][:older]) for axis in AXES}
    scale = 100 / max(sum(high - low for low, high in spans.values()), 1e-9)
    rules: list[Proposal] = []
    written: dict[str, list[dict[str, Any]]] = {axis: [] for axis in AXES}
    rounded: list[Floats] = []
    levels: dict[str, Any] = {name: dict(one) for name, one in (live.get("levels") or {}).items()}
    orders: dict[str, tuple[Sequence[str], Sequence[str]]] = {}
    no_effect: list[str] = []
    for trait, (weights, spread) in zip(traits, estimates, strict=True):
        points = np.round(weights * scale)
        rounded.append(points)
        if not points.any():
            no_effect.append(trait.name)
            continue
        values = _values(trait, points, weights * scale, spread * scale * Z90, won[:older])
        if trait.kind == "levels":
            level = trait.rule["level"]
            before = [label for label in trait.labels if label not in (OTHER, MISSING)]
            after = _order(trait, weights, spread, before, older)
            levels[level] = {"attribute": trait.attribute, "order": after}
            if list(after) != before:
                orders[level] = (before, after)
            values = tuple(sorted(values, key=lambda value: after.index(value.label)))
        rules.append(Proposal(trait.axis, trait.name, values, trait.note))
        written[trait.axis].append(_rule(trait, values))
    raw = {axis: _sum(axis, traits, rounded) for axis in AXES}
    maximum: dict[str, int] = {}
    for axis in AXES:
        low, high = _span(raw[axis][:older])
        base = max(math.ceil(-low), 0)
        if base:
            asked = next(trait.attribute for trait in traits if trait.axis == axis and trait.kind != "activity")
            always = {"any": [{asked: {"known": True}}, {asked: {"known": False}}]}
            name = f"Every lead begins with ({axis})"
            written[axis].insert(0, {"name": name, "when": always, "points": base})
            note = "so that what speaks against a lead has something to be taken from"
            rules.append(Proposal(axis, name, (), note))
        maximum[axis] = max(math.floor(high + base), 1)
        raw[axis] = np.clip(raw[axis] + base, 0, maximum[axis]) / maximum[axis]
    splits = {share: auc(share * raw["fit"][:older] + (100 - share) * raw["behaviour"][:older], won[:older])
              for share in SPLITS}  # fmt: skip
    natural = round(100 * maximum["fit"] / sum(maximum.values()) / 5) * 5 if all(written.values()) else 0
    share = (
        100 * bool(written["fit"])
        if not all(written.values())
        else max(splits, key=lambda one: (round(splits[one], 3), -abs(one - natural)))
    )
    total = share * raw["fit"] + (100 - share) * raw["behaviour"]
    bands = _bands(total[:older])
    shares = {"great": share_won(total[:older], won[:older], 0.2), "good": share_won(total[:older], won[:older], 0.5)}
    names = {rule["name"] for axis in AXES for rule in written[axis]}
    kept = {key: value for key in KEPT if (value := _still(key, live.get(key), names))}
    data = {
        "strategy": "weighted", "name": live.get("name", "lead"), "weights": {"fit": share, "behaviour": 100 - share},
        "maximum": maximum, "bands": bands,
        **({"levels": levels} if levels else {}), **kept, **{axis: written[axis] for axis in AXES if written[axis]},
    }  # fmt: skip
    return Proposed(data, tuple(rules), splits, tuple(no_effect), orders, shares)


def learned(traits: Sequence[Trait], older: int, won: Marks) -> Fit:
    """The fit of all traits on the ``older`` cases."""
    return fit(design(traits)[:older], won[:older])


def _size(trait: Trait) -> float:
    return float(trait.columns.std()) or 1.0 if trait.kind == "activity" else 1.0


def _estimates(traits: Sequence[Trait], fitted: Fit, older: int) -> list[tuple[Floats, Floats]]:
    """(log odds, their standard deviation) of each trait's columns, against a lead of which it is not known; where
    hardly any lead is like that, against the average."""
    found, start = [], 0
    for trait in traits:
        width = trait.columns.shape[1]
        each = np.zeros((width, len(fitted.coefficients)))
        each[:, start : start + width] = np.eye(width) / _size(trait)
        if trait.kind in ("values", "ranges", "levels"):
            shares = trait.columns[:older].mean(axis=0)
            against = np.array([label == MISSING for label in trait.labels], dtype=float)
            known = against @ shares >= RARE
            each[:, start : start + width] -= against if known else shares / max(shares.sum(), 1e-9)
        found.append((each @ fitted.coefficients, np.array([fitted.spread(row) for row in each])))
        start += width
    return found


def _sum(axis: str, traits: Sequence[Trait], points: Sequence[Floats]) -> Floats:
    rows = len(traits[0].columns)
    parts = [trait.columns @ each for trait, each in zip(traits, points, strict=True) if trait.axis == axis]
    return np.asarray(sum(parts, np.zeros(rows)))


def _span(raw: Floats) -> tuple[float, float]:
    low, high = np.quantile(raw, [EDGE, 1 - EDGE])
    return min(float(low), 0.0), max(float(high), 0.0)


def _values(trait: Trait, points: Floats, exact: Floats, spread: Floats, won: Marks) -> tuple[Value, ...]:
    base = float(won.mean())
    found = []
    for place, label in enumerate(trait.labels):
        if label == MISSING:
            continue
        held = trait.columns[: len(won), place] > 0
        if not held.any():  # a level that nobody has
            continue
        share = float(won[held].mean())
        ends = (float(exact[place] - spread[place]), float(exact[place] + spread[place]))
        found.append(Value(label, int(points[place]), *ends, int(held.sum()), share, share / base))
    return tuple(found)


def _order(trait: Trait, weights: Floats, spread: Floats, before: Sequence[str], older: int) -> list[str]:
    """The levels, best first; neighbours change places only where past leads are rather sure of it (90 %)."""
    known = trait.columns[:older].sum(axis=0) > 0
    order = list(range(len(before)))
    moved = True
    while moved:
        moved = False
        for place in range(len(order) - 1):
            one, next_ = order[place], order[place + 1]
            sure = 1.2816 * math.hypot(spread[one], spread[next_])
            if known[one] and known[next_] and weights[next_] - weights[one] > sure:
                order[place], order[place + 1], moved = next_, one, True
    return [before[place] for place in order]


def _rule(trait: Trait, values: Sequence[Value]) -> dict[str, Any]:
    if trait.kind == "when":
        return {"name": trait.name, **trait.rule, "points": values[0].points}
    if trait.kind == "activity":
        more = dict(trait.rule)
        points, times = values[0].points, more.pop("times")
        return {"name": trait.name, "activity": more.pop("activity"), **more, "points": points,
                "cap": max(round(abs(points) * times), 1)}  # fmt: skip
    table = {**trait.rule, "points": {value.label: value.points for value in values if value.label != OTHER}}
    other = next((value.points for value in values if value.label == OTHER), 0)
    return {"name": trait.name, trait.kind: {**table, "default": other} if other else table}


def _bands(total: Floats) -> dict[str, int]:
    """Great: the best fifth of past leads; good: the better half."""
    great, good = (int(np.clip(round(float(np.quantile(total, share))), 1, 99)) for share in (0.8, 0.5))
    return {"great": max(great, good + 1), "good": good}


def _still(key: str, value: Any, names: set[str]) -> Any:
    """What of the live model's personas and overlays still names a rule."""
    if key == "personas":
        kept = {name: {rule: factor for rule, factor in (factors or {}).items() if rule in names}
                for name, factors in (value or {}).items()}  # fmt: skip
        return {name: factors for name, factors in kept.items() if factors}
    if key == "overlays":
        wanted = [(one, one["rule"] if isinstance(one.get("rule"), list) else [one.get("rule")]) for one in value or ()]
        return [one for one, rules in wanted if set(rules) <= names]
    return value
