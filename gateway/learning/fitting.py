"""Logistic regression with shrunken estimates, and how unsure each of them is.

Every coefficient is drawn towards 0 as strongly as the cases themselves ask for (the strength with the greatest
evidence), so few cases give small estimates with wide intervals instead of wild ones. Uncertainty is that of the
normal distribution at the maximum (Laplace). Before: traits; after: points.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Marks = NDArray[np.bool_]
STRENGTHS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
"""Precisions of the prior that are tried: 1 = a coefficient is mostly within ±1 in log odds."""
Z90 = 1.6449
"""Standard deviations to either side that hold 90 %."""


@dataclass(frozen=True, slots=True)
class Fit:
    """``coefficients`` in log odds; ``covariance`` of them and, first, of the intercept. ``evidence`` in nats."""

    intercept: float
    coefficients: Floats
    covariance: Floats
    strength: float
    evidence: float

    def logit(self, columns: Floats) -> Floats:
        """Log odds to win, one per row of ``columns``."""
        return np.asarray(self.intercept + columns @ self.coefficients)

    def spread(self, weights: Floats) -> float:
        """Standard deviation of a weighted sum of the coefficients."""
        return math.sqrt(max(float(weights @ self.covariance[1:, 1:] @ weights), 0.0))


def fit(columns: Floats, won: Marks, strengths: tuple[float, ...] = STRENGTHS) -> Fit:
    """The fit with the greatest evidence. ``columns``: a row per case; both outcomes must occur."""
    best: Fit | None = None
    for strength in strengths:  # the evidence has one summit
        found = _fit(columns, won.astype(np.float64), strength, best)
        if best is not None and found.evidence < best.evidence:
            break
        best = found
    assert best is not None
    return best


def chance(logit: Floats) -> Floats:
    """Probability of log odds."""
    return np.asarray(0.5 * (1 + np.tanh(logit / 2)))


def _fit(columns: Floats, won: Floats, strength: float, near: Fit | None) -> Fit:
    """Newton's steps on the penalised likelihood from ``near`` on, halved where one would overshoot."""
    rows, size = columns.shape
    design = np.hstack([np.ones((rows, 1)), columns])
    prior = np.full(size + 1, strength)
    prior[0] = 1e-6  # how often leads are won at all is not drawn anywhere
    beta = np.zeros(size + 1)
    beta[0] = np.log((won.sum() + 0.5) / (rows - won.sum() + 0.5))
    if near is not None:
        beta = np.array([near.intercept, *near.coefficients])
    goal = _goal(design, won, prior, beta)
    for _ in range(50):
        p = chance(design @ beta)
        gradient = design.T @ (won - p) - prior * beta
        step = np.linalg.solve(_curvature(design, p, prior), gradient)
        size_ = 1.0
        while (after := _goal(design, won, prior, beta + size_ * step)) < goal and size_ > 1e-4:
            size_ /= 2
        beta = beta + size_ * step
        done = after - goal < 1e-7
        goal = max(goal, after)
        if done:
            break
    curvature = _curvature(design, chance(design @ beta), prior)
    evidence = goal + 0.5 * (size * np.log(strength) - float(np.linalg.slogdet(curvature)[1]))
    return Fit(
        float(beta[0]), beta[1:], np.asarray(np.linalg.inv(curvature), dtype=np.float64), strength, float(evidence)
    )


def _goal(design: Floats, won: Floats, prior: Floats, beta: Floats) -> float:
    logit = design @ beta
    return float(won @ logit - np.logaddexp(0, logit).sum() - 0.5 * prior @ beta**2)


def _curvature(design: Floats, p: Floats, prior: Floats) -> Floats:
    return np.asarray(design.T @ (design * (p * (1 - p))[:, None]) + np.diag(prior))
