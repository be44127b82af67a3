"""The contract suite for scorers: ours pass it, and each check catches a scorer that breaks what it promises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from gateway.contracts import Contribution, Mark, Score, Scorer
from gateway.scoring.weighted import WeightedScorer
from gateway.settings.files import ConfigFile
from gateway.testing import ScorerContract
from gateway.testing.scorer import NOW

MODEL = """
weights: {fit: 60, behaviour: 40}
maximum: {fit: 60, behaviour: 40}
bands: {great: 70, good: 40}
levels: {seniority: {attribute: title, order: [c_level, vice_president, director, manager, specialist, intern]}}
fit:
  - {name: Executive, level: seniority, at_least: vice_president, points: 40}
  - {name: Size, ranges: {attribute: employees, points: {"0-49": 0, "50-": 20}}}
behaviour:
  - {name: Looked, activity: page_view, points: 5, cap: 20, half_life: 10d}
  - {name: Clicked, activity: email_click, points: 10, cap: 20, window: 30d}
"""
STARTER = Path(__file__).parents[2] / "mappings" / "starter" / "scoring.yaml"


class TestWeighted(ScorerContract):
    def build(self) -> Scorer:
        return WeightedScorer(ConfigFile("scoring.yaml", MODEL).data)


class TestStarter(ScorerContract):
    def build(self) -> Scorer:
        return WeightedScorer(ConfigFile("scoring.yaml", STARTER.read_text(encoding="utf-8")).data)


# -- scorers that keep no promise --------------------------------------------------------------------------------------

CHECKS = [name for name in vars(ScorerContract) if name.startswith("test_")]


@cache
def _good() -> WeightedScorer:
    return WeightedScorer(ConfigFile("scoring.yaml", MODEL).data)


class Bad(Scorer):
    """The weighted one, with one thing wrong: ``wrong(score, subject, at, explain)`` gives the answer."""

    lasting = True

    def __init__(self, wrong: Callable[..., Score], **more: Any) -> None:
        self.good, self.wrong = _good(), wrong
        self.horizon = more.get("horizon", self.good.horizon)
        self.renewed = more.get("renewed", 0)

    def score(self, subject: Any, at: Any, explain: bool = False) -> Score:
        return self.wrong(self.good.score(subject, at, explain), subject, at, explain)

    def renew(self, before: Score, subject: Any, at: Any) -> Score:
        return _plus(self.good.renew(before, subject, at), self.renewed)


def _counts() -> Callable[..., Score]:
    asked: list[int] = []

    def more(score: Score, *_: Any) -> Score:
        asked.append(1)
        points = min(len(asked), 10_000 - score.total)
        return replace(score, total=score.total + points, fit=score.fit + points)

    return more


def _plus(score: Score, points: int) -> Score:
    return replace(score, total=score.total + points, behaviour=score.behaviour + points)


def _first(score: Score, subject: Any, *_: Any) -> Score:
    return _plus(score, int(bool(subject.activities) and subject.activities[0].kind == "page_view"))


def _changes(score: Score, subject: Any, *_: Any) -> Score:
    subject.attributes["seen"] = True
    return score


def _raises(score: Score, subject: Any, *_: Any) -> Score:
    len(subject.attributes.get("title", ""))
    return score


def _without_marks(score: Score, subject: Any, at: Any, explain: bool) -> Score:
    return _good().score(replace(subject, marks=()), at, explain)


def _without_resets(score: Score, subject: Any, at: Any, explain: bool) -> Score:
    return _good().score(replace(subject, marks=[m for m in subject.marks if m.kind != "reset"]), at, explain)


def _sees_ahead(score: Score, subject: Any, at: Any, explain: bool) -> Score:
    return _plus(score, len(subject.activities) % 7)


LINE = Contribution("fit", "more", 1, "")
BAD: dict[str, tuple[Scorer, set[str]]] = {
    "says the same of all": (Bad(lambda *_: Score(0, 0, 0, "bad")), {"test_it_tells_leads_apart"}),
    "counts its calls": (Bad(_counts()), {"test_the_same_facts_have_the_same_score"}),
    "looks at the first": (Bad(_first), {"test_the_order_of_activities_does_not_matter"}),
    "has halves": (Bad(lambda score, *_: replace(score, fit=score.fit + 0.0)), {"test_a_score_is_within_its_bounds"}),
    "goes beyond": (Bad(lambda score, *_: _plus(score, 10_001)), {"test_a_score_is_within_its_bounds"}),
    "has a band of its own": (Bad(lambda score, *_: replace(score, band="hot")), {"test_a_score_is_within_its_bounds"}),
    "keeps its reasons": (Bad(lambda score, *_: replace(score, contributions=())), {"test_a_reason_for_every_point"}),
    "never moves": (Bad(lambda score, *_: replace(score, changes_at=None)), {"test_it_says_when_it_moves_by_itself"}),
    "moves later": (
        Bad(lambda s, *_: replace(s, changes_at=s.changes_at and s.changes_at + timedelta(days=1))),
        {"test_it_says_when_it_moves_by_itself"},
    ),
    "sees ahead": (Bad(_sees_ahead), {"test_what_has_not_happened_yet_does_not_count"}),
    "has a short horizon": (
        Bad(lambda s, *_: s, horizon=timedelta(days=2)),
        {"test_what_lies_behind_the_horizon_does_not_count"},
    ),
    "knows no marks": (
        Bad(_without_marks),
        {"test_points_of_a_person_count_until_they_end", "test_the_treatment_of_a_recycled_lead_counts"},
    ),
    "knows no resets": (Bad(_without_resets), {"test_the_treatment_of_a_recycled_lead_counts"}),
    "changes what it is given": (Bad(_changes), {"test_what_it_is_given_stays_as_it_is"}),
    "raises": (Bad(_raises), {"test_no_value_makes_it_fail"}),
    "renews otherwise": (
        Bad(lambda score, *_: score, renewed=1),
        {"test_a_lasting_scorer_renews_as_it_scores"},
    ),
}


def broken(scorer: Scorer) -> set[str]:
    class Suite(ScorerContract):
        def build(self) -> Scorer:
            return scorer

    failed = set()
    for name in CHECKS:
        try:
            getattr(Suite(), name)()
        except Exception:  # noqa: BLE001 - whatever a check says, it said no
            failed.add(name)
    return failed


@pytest.mark.parametrize("name", BAD)
def test_a_scorer_that_breaks_a_promise_fails_its_check(name: str) -> None:
    scorer, wanted = BAD[name]
    assert wanted <= broken(scorer)


def test_every_check_can_fail() -> None:
    assert set(CHECKS) == set().union(*(wanted for _, wanted in BAD.values()))


def test_who_says_nothing_is_told_what_to_say() -> None:
    with pytest.raises(NotImplementedError, match=r"def build\(self\)"):
        ScorerContract().build()
    assert Mark(NOW, "keep").id == ""
