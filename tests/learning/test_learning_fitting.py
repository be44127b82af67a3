"""Estimates and judgements, against what is known of them."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.learning.fitting import chance, fit
from gateway.learning.judging import auc, promised, share_won, verdict


def drawn(count, seed=1):
    random = np.random.default_rng(seed)
    columns = random.normal(size=(count, 3))
    won = random.random(count) < chance(-0.5 + columns @ np.array([1.0, -0.5, 0.0]))
    return columns, won


def test_estimates_find_what_is_there_and_say_how_unsure_they_are():
    """With many cases each is near the truth, which lies within about two standard deviations."""
    found = fit(*drawn(4000))
    assert found.coefficients == pytest.approx([1.0, -0.5, 0.0], abs=0.12)
    spreads = [found.spread(row) for row in np.eye(3)]
    assert all(0.02 < spread < 0.06 for spread in spreads)
    assert abs(found.coefficients[0] - 1) < 2.5 * spreads[0]


def test_few_cases_give_small_estimates():
    """Noise alone is drawn to nothing; a value that only three won leads share does not become a certainty."""
    random = np.random.default_rng(3)
    noise = random.normal(size=(60, 20))
    assert np.abs(fit(noise, random.random(60) < 0.5).coefficients).max() < 0.3
    rare = np.zeros((60, 1))
    rare[:3] = 1
    won = np.arange(60) < 20  # all three of them
    found = fit(rare, won)
    assert 0 < found.coefficients[0] < 4
    assert found.spread(np.ones(1)) > 0.8


@pytest.mark.parametrize(
    ("scores", "won", "area"),
    [
        ([1, 2, 3, 4], [False, False, True, True], 1.0),
        ([4, 3, 2, 1], [False, False, True, True], 0.0),
        ([1, 1, 1, 1], [False, True, False, True], 0.5),  # equal scores count half
        ([1, 2, 2, 3], [False, False, True, True], 0.875),
        ([1, 2], [True, True], 0.5),  # nothing to tell apart
    ],
)
def test_auc(scores, won, area):
    assert auc(np.array(scores, dtype=float), np.array(won)) == pytest.approx(area)


def test_the_best_share_takes_equal_scores_evenly():
    """Of four leads with one score of whom two were won, the best half is won by half."""
    assert share_won(np.array([5.0, 5, 5, 5]), np.array([True, True, False, False]), 0.5) == pytest.approx(0.5)
    assert share_won(np.array([9.0, 5, 5, 1]), np.array([True, True, False, False]), 0.5) == pytest.approx(0.75)


@pytest.mark.parametrize("spell", [lambda logit: 10 * logit + 50, lambda logit: 100 * chance(logit)])
def test_what_a_score_promises_is_read_from_older_cases(spell):
    """Whether points stand for log odds or for the probability itself."""
    columns, won = drawn(6000)
    truth = -0.5 + columns @ np.array([1.0, -0.5, 0.0])
    told = promised(np.clip(spell(truth), 0, 100)[:3000], won[:3000], np.clip(spell(truth), 0, 100)[3000:])
    assert np.abs(told - chance(truth[3000:])).mean() < 0.02


def test_a_verdict_tells_a_good_model_from_chance():
    columns, won = drawn(4000)
    random = np.random.default_rng(5).random(4000)
    good, none = (
        verdict(name, one[:2800], won[:2800], one[2800:], won[2800:])
        for name, one in (("good", columns[:, 0] - columns[:, 1] / 2), ("none", random))
    )
    assert good.auc - good.unsure > 0.7 > 0.55 > none.auc - none.unsure
    assert good.lift_10 > good.lift_20 > 1.5 > none.lift_20
    assert good.off < 4
    assert sum(group.cases for group in good.groups) == 1200
