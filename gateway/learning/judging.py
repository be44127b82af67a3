"""How well a model tells who will be won, on cases it has not learned from. In: its scores and what became of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gateway.learning.fitting import Floats, Marks, chance, fit

GROUPS = 5
RESAMPLES = 200


@dataclass(frozen=True, slots=True)
class Group:
    """Cases of about one score: how many were to be won by the model's own word, and were."""

    cases: int
    expected: float
    won: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """``auc``: how often a won case scores above a lost one; ``unsure`` its 90 % interval, to either side.

    ``lift_10``, ``lift_20``: the best tenth's and fifth's share of won, as a multiple of everybody's; ``top_20`` that
    share itself. ``off``: expected against real share of won, in percentage points, as a mean over ``groups``.
    """

    name: str
    auc: float
    unsure: float
    lift_10: float
    lift_20: float
    top_20: float
    off: float
    groups: tuple[Group, ...]


def verdict(name: str, before: Floats, won_before: Marks, scores: Floats, won: Marks) -> Verdict:
    """Judge ``scores``. What a score promises is read from the cases ``before``, which are older."""
    area = auc(scores, won)
    base = float(won.mean())
    expected = promised(before, won_before, scores)
    order = np.argsort(expected, kind="stable")
    groups = tuple(
        Group(len(part), float(expected[part].mean()), float(won[part].mean()))
        for part in np.array_split(order, GROUPS)
        if len(part)
    )
    off = sum(group.cases * abs(group.expected - group.won) for group in groups) / len(won)
    top = share_won(scores, won, 0.2)
    return Verdict(
        name, area, _unsure(area, won), share_won(scores, won, 0.1) / base, top / base, top, 100 * off, groups
    )


def promised(before: Floats, won_before: Marks, scores: Floats) -> Floats:
    """The chance to win that each score stands for, as older cases had it."""
    middle, width = float(before.mean()), float(before.std()) or 1.0
    points = bool(min(before.min(), scores.min()) >= 0 and max(before.max(), scores.max()) <= 100)

    def columns(each: Floats) -> Floats:
        """Points may stand for log odds, or for the probability itself: the cases say which."""
        share = np.clip(each / 100, 0.005, 0.995)
        return np.column_stack([(each - middle) / width, np.log(share / (1 - share)) if points else 0 * each])

    return chance(fit(columns(before), won_before).logit(columns(scores)))


def better(one: Floats, other: Floats, won: Marks) -> float:
    """In which share of resamples of the cases ``one`` has the greater AUC; always the same for the same cases."""
    random = np.random.default_rng(1)
    drawn = (random.integers(0, len(won), len(won)) for _ in range(RESAMPLES))
    return float(np.mean([auc(one[rows], won[rows]) > auc(other[rows], won[rows]) for rows in drawn]))


def auc(scores: Floats, won: Marks) -> float:
    """Area under the ROC curve; equal scores count half. 0.5 where only one outcome occurs."""
    wins = int(won.sum())
    losses = len(won) - wins
    if not wins or not losses:
        return 0.5
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    return float((ranks[place][won].sum() - wins * (wins + 1) / 2) / (wins * losses))


def share_won(scores: Floats, won: Marks, share: float) -> float:
    """Which part of the best ``share`` was won; of equal scores at its edge as many as fit, evenly."""
    room = share * len(scores)
    levels, place, counts = np.unique(-scores, return_inverse=True, return_counts=True)
    wins = np.bincount(place, weights=won, minlength=len(levels))
    taken = np.clip(room - (np.cumsum(counts) - counts), 0, counts)
    return float((wins * taken / counts).sum() / room)


def _unsure(area: float, won: Marks) -> float:
    """Half the 90 % interval, after Hanley and McNeil (1982)."""
    wins = int(won.sum())
    losses = len(won) - wins
    if not wins or not losses:
        return 0.5
    one, both = area / (2 - area), 2 * area**2 / (1 + area)
    variance = area * (1 - area) + (wins - 1) * (one - area**2) + (losses - 1) * (both - area**2)
    return float(1.6449 * np.sqrt(variance / (wins * losses)))
