"""The ``weighted`` strategy: facts become points. In: a ``Subject`` and a time; out: a ``Score``.

Two axes, fit and behaviour, each clipped to 0 … its declared maximum and scaled to its weight; all points are integer
hundredths of the 0–100 scale, and contributions add up exactly to the total.

Marks: while in effect (``at <= now < until``), ``manual`` adds its points, which are points of the 0–100 scale, to the
total (then clipped to 0–100); they belong to neither axis. ``halve`` halves and ``reset`` drops what activities before
the mark's ``at`` are worth. ``keep`` and ``hold`` change no points.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from gateway.contracts import Mark, Score, Scorer, Subject
from gateway.scoring.compiler import NEVER, Compiler, reach
from gateway.scoring.explanation import Explainer
from gateway.scoring.model import load_model
from gateway.scoring.titles import VERSION as TITLES
from gateway.scoring.titles import TitleTable

VERSION = "weighted 1"
"""Goes up when the same model and facts would give other points."""
FULL = 10_000
BEGINNING = datetime.min.replace(tzinfo=UTC)
MOVING = ("manual", "halve", "reset")


class WeightedScorer(Scorer):
    """Built once per model. ``horizon``: an activity this old or older never counts (None = any age may).

    ``kinds`` of activities and ``attributes`` are all that is read; ``hash`` names model, strategy and title table;
    ``titles`` is the title table of each attribute that has levels.
    """

    horizon: timedelta | None
    kinds: frozenset[str]
    attributes: frozenset[str]
    hash: str
    titles: Mapping[str, TitleTable]

    def __init__(self, data: Mapping[str, Any]) -> None:
        """``data``: scoring.yaml's content, which passed the check."""
        self.model = load_model(data)
        levels = self.model.levels
        tables = {name: TitleTable(self.model.titles, one.order) for name, one in levels.items()}
        self.titles = {one.attribute: tables[name] for name, one in levels.items()}
        compiler = Compiler(self.model, tables)
        self._run = compiler.compile()
        self._run_marked = compiler.compile(marked=True)
        self._fit = compiler.compile_fit()
        self.lasting = self._fit is not None
        self._explainer = Explainer(self.model, tables, compiler.factors)
        self.kinds = frozenset(compiler.kinds)
        self.attributes = compiler.attributes
        self.hash = model_hash(data)
        ages = [
            reach(test, compiler.factors.strongest(self.model.rules[place]))
            for place, test in compiler.happened.items()
        ]
        self.horizon = None if None in ages else max((age for age in ages if age is not None), default=timedelta(0))

    def score(self, subject: Subject, at: datetime, explain: bool = False) -> Score:
        """The score at ``at`` (aware). Activities after ``at`` do not count yet."""
        if subject.marks:
            return self._marked(subject, at, explain)
        fit, behaviour, near, points = self._run(subject, at)
        total = fit + behaviour
        return Score(
            total,
            fit,
            behaviour,
            self.band(total),
            None if near is NEVER else near,
            self._explainer.contributions(subject, at, points, fit, behaviour) if explain else (),
        )

    def renew(self, before: Score, subject: Subject, at: datetime) -> Score:
        """``before`` with the fit of ``subject``: nothing in it moves the rest, ``changes_at`` included."""
        assert self._fit is not None, "only a lasting scorer is asked"
        fit = self._fit(subject, at)
        total = fit + before.behaviour
        return Score(total, fit, before.behaviour, self.band(total), before.changes_at)

    def _marked(self, subject: Subject, at: datetime, explain: bool) -> Score:
        moving = [mark for mark in subject.marks if mark.kind in MOVING]
        current = [mark for mark in moving if mark.at <= at and (mark.until is None or at < mark.until)]
        resets = [mark.at for mark in current if mark.kind == "reset"]
        halves = sorted(mark.at for mark in current if mark.kind == "halve")
        fit, behaviour, near, points = self._run_marked(subject, at, max(resets, default=BEGINNING), halves)
        manual = sum(mark.points * 100 for mark in current if mark.kind == "manual")
        total = min(max(fit + behaviour + manual, 0), FULL)
        near = min([near, *(edge for edge in _edges(moving) if edge > at)])
        return Score(
            total,
            fit,
            behaviour,
            self.band(total),
            None if near == NEVER else near,
            self._explainer.contributions(subject, at, points, fit, behaviour, current, total) if explain else (),
        )

    def band(self, total: int) -> str:
        """``great``, ``good`` or ``bad``, by the model's ``bands``."""
        return "great" if total >= self.model.great else "good" if total >= self.model.good else "bad"


def _edges(marks: Iterable[Mark]) -> Iterable[datetime]:
    for mark in marks:
        yield mark.at
        if mark.until is not None:
            yield mark.until


def model_hash(data: Mapping[str, Any]) -> str:
    """16 hex characters that change with the model's content, the strategy and the title table, not with its layout."""
    text = json.dumps([VERSION, TITLES, _canonical(data)], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _canonical(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _canonical(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(one) for one in value]
    return value.isoformat() if isinstance(value, date) else value
