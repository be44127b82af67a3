"""Past leads become coefficients, with scikit-learn. In: examples, oldest first. Out: the content of a scoring.yaml.

A logistic regression over values, ranges of numbers and activities; how strongly it is held back is what predicts
later leads best, and what its odds are worth is read from predictions of leads that it had not seen. Only values that
``LEAST`` leads share are looked at by themselves.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import TimeSeriesSplit

from gateway.conditions import missing
from gateway.contracts import Example
from gateway.errors import Refused
from gateway_predictive.scorer import STEPS, amount_of, text_of

LEAST = 10
MOST = 40
BINS = 12
STRENGTHS = (0.05, 0.2, 1.0, 5.0)
"""scikit-learn's C: the smaller, the more every weight is drawn towards 0."""
HALF_LIVES = (14, 30, 90, 180)
"""Days."""
TIMES = (1, 3, 10)
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


class Input(NamedTuple):
    """``columns``: a row per example. ``written``: what stands in the file, to which the weights are added."""

    axis: str
    kind: str
    columns: Any
    written: dict[str, Any]


def learn(examples: Sequence[Example], behaviour: Collection[str] = ()) -> dict[str, Any]:
    """The model. Raises ``Refused`` when no attribute and no activity is known of enough leads."""
    won = np.array([one.won for one in examples])
    inputs = [*_attributes(examples, behaviour), *_activities(examples, won)]
    if not inputs:
        raise Refused(f"nothing is known of {LEAST} leads or more, so there is nothing to learn from")
    columns = np.hstack([one.columns for one in inputs])
    folds = _folds(won)
    tried = {one: _ahead(columns, won, folds, one) for one in STRENGTHS}
    strength = min(tried, key=lambda one: log_loss(won[_seen(folds)], tried[one][0]))
    fitted, odds = _fit(columns, won, strength), tried[strength][1]
    line = LogisticRegression(C=1e6).fit(odds[:, None], won[_seen(folds)])
    base, start = float(fitted.intercept_[0]), 0
    data: dict[str, list[dict[str, Any]]] = {"fit": [], "behaviour": []}
    for one in inputs:
        weights = fitted.coef_[0][start : start + one.columns.shape[1]]
        start += one.columns.shape[1]
        unknown = 0.0 if one.kind == "activity" else float(weights[-1])
        base += unknown
        data[one.axis].append(_written(one, weights - unknown))
    chances = 1 / (
        1 + np.exp(-(float(line.coef_[0][0]) * fitted.decision_function(columns) + float(line.intercept_[0])))
    )
    great, good = (int(np.clip(round(100 * float(np.quantile(chances, share))), 1, 99)) for share in (0.8, 0.5))
    return {
        "strategy": "predictive",
        "bands": {"great": max(great, good + 1), "good": good},
        "base": _short(base),
        "calibration": {"slope": max(_short(line.coef_[0][0]), 0.01), "shift": _short(line.intercept_[0])},
        **{axis: written for axis, written in data.items() if written},
    }


# -- inputs ------------------------------------------------------------------------------------------------------------


def _attributes(examples: Sequence[Example], behaviour: Collection[str]) -> Iterator[Input]:
    for name in sorted({name for one in examples for name in one.subject.attributes}):
        values = [one.subject.attributes.get(name) for one in examples]
        told = [value for value in values if not missing(value)]
        amounts = [amount_of(value) for value in told]
        if len(told) < LEAST or all(_DATE.match(str(value)) for value in told):
            continue
        axis = "behaviour" if name in behaviour else "fit"
        head = {"name": _human(name), "attribute": name}
        if None not in amounts and len(set(amounts)) > 2 and not isinstance(told[0], bool):
            yield _numbers(axis, head, values, np.array(amounts, dtype=float))
        else:
            yield _values(axis, head, values)


def _numbers(axis: str, head: dict[str, Any], values: Sequence[Any], amounts: Any) -> Input:
    count = int(np.clip(len(amounts) // 60, 3, BINS))
    edges = np.unique(np.round(np.quantile(amounts, np.linspace(0, 1, count + 1)[1:-1], method="higher"), 4))
    if (amounts == 0).sum() >= LEAST and (amounts > 0).any():  # nothing at all is something of its own
        edges = np.unique([*edges, round(float(amounts[amounts > 0].min()), 4)])
    edges = edges[edges > amounts.min()]
    cells = [len(edges) + 1 if missing(value) else int(np.searchsorted(edges, amount_of(value) or 0.0, "right"))
             for value in values]  # fmt: skip
    written = {**head, "edges": [_short(edge) for edge in edges]}
    return Input(axis, "edges", np.eye(len(edges) + 2)[cells], written)


def _values(axis: str, head: dict[str, Any], values: Sequence[Any]) -> Input:
    counts = Counter(text_of(value) for value in values if not missing(value))
    labels = [text for text, count in counts.most_common(MOST) if count >= LEAST]
    places = {text: place for place, text in enumerate(labels)}
    cells = [len(labels) + 1 if missing(value) else places.get(text_of(value), len(labels)) for value in values]
    return Input(axis, "values", np.eye(len(labels) + 2)[cells], {**head, "values": labels})


def _activities(examples: Sequence[Example], won: Any) -> Iterator[Input]:
    leads = Counter(kind for one in examples for kind in {done.kind for done in one.subject.activities})
    for kind in sorted(kind for kind, count in leads.items() if count >= LEAST):
        ages = [[(one.at - done.at) / timedelta(days=1) for done in one.subject.activities if done.kind == kind]
                for one in examples]  # fmt: skip

        def column(half_life: int, most: int, ages: Sequence[Sequence[float]] = ages) -> Any:
            steps = [[age // half_life for age in theirs] for theirs in ages]
            return np.array([min(sum(0.5**step for step in theirs if step < STEPS), most) for theirs in steps])

        tried = {(half_life, most): column(half_life, most) for half_life in HALF_LIVES for most in TIMES}
        best = max(tried, key=lambda key: round(abs(roc_auc_score(won, tried[key]) - 0.5), 3))
        written = {"name": _human(kind), "activity": kind, "half_life": f"{best[0]}d", "most": best[1]}
        yield Input("behaviour", "activity", tried[best][:, None], written)


def _written(one: Input, weights: Any) -> dict[str, Any]:
    """The input as the file has it; a value that is not known weighs nothing, for the base has that in it."""
    short = [_short(weight) for weight in weights]
    if one.kind == "activity":
        return {**one.written, "weight": short[0]}
    if one.kind == "edges":
        return {**one.written, "weights": short[:-1]}
    return {**one.written, "values": dict(zip(one.written["values"], short, strict=False)), "other": short[-2]}


# -- fits --------------------------------------------------------------------------------------------------------------


def _fit(columns: Any, won: Any, strength: float) -> LogisticRegression:
    return LogisticRegression(C=strength, solver="newton-cholesky").fit(columns, won)


def _folds(won: Any) -> list[tuple[Any, Any]]:
    """Older leads, and later ones to predict; only where both ends occur among the older."""
    folds = [fold for fold in TimeSeriesSplit(3).split(won) if len(set(won[fold[0]])) == 2]
    if not folds or len(set(won[_seen(folds)])) < 2:
        raise Refused("of the later leads all ended the same way, so no probability can be told; wait for more of them")
    return folds


def _seen(folds: Sequence[tuple[Any, Any]]) -> Any:
    return np.concatenate([later for _, later in folds])


def _ahead(columns: Any, won: Any, folds: Sequence[tuple[Any, Any]], strength: float) -> tuple[Any, Any]:
    """(probabilities, log odds) of later leads by fits of the older ones."""
    fits = [(_fit(columns[older], won[older], strength), columns[later]) for older, later in folds]
    return (np.concatenate([fitted.predict_proba(later)[:, 1] for fitted, later in fits]),
            np.concatenate([fitted.decision_function(later) for fitted, later in fits]))  # fmt: skip


def _short(value: Any) -> float:
    return round(float(value), 4)


def _human(name: str) -> str:
    words = name.replace("company.", "company's ").replace("_", " ").strip()
    return words[:1].upper() + words[1:]
