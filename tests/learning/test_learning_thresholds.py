"""Thresholds from past leads and the room that sales have."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from gateway.errors import Refused
from gateway.learning.thresholds import Ended, Flow, same_share, thresholds


def ended(count=4000, seed=1, rising=1):
    """CFOs are won as often as others with 20 points more."""
    chance = random.Random(seed)
    for _ in range(count):
        persona, points = chance.choice(["cfo", "other"]), chance.uniform(0, 100)
        logit = rising * (points + 20 * (persona == "cfo") - 70) / 15
        yield Ended(persona, points, chance.random() < 1 / (1 + math.exp(-logit)))


FLOW = Flow([(persona, float(points)) for points in range(100) for persona in ("cfo", "other")] * 2, 4)
NOW = {"cfo": 50.0, "other": 50.0}


def test_as_many_come_in_as_sales_can_work_and_the_best_of_them():
    """The last lead in has the same chance whatever its persona: so a CFO needs 20 points less."""
    cfo, other = thresholds(list(ended()), FLOW, 30, NOW)
    assert other.proposed - cfo.proposed == pytest.approx(20, abs=4)
    assert cfo.last == pytest.approx(other.last, abs=0.03)
    assert 28 <= cfo.leads + other.leads <= 30
    assert (cfo.leads_now, other.leads_now) == (25, 25)
    assert cfo.won + other.won > 0.9 * min(30, cfo.won_now + other.won_now) * 0.6
    wins = sum(one.won for one in (cfo, other)) / sum(one.leads for one in (cfo, other))
    assert wins > sum(one.won_now for one in (cfo, other)) / 50


def test_what_it_costs_to_move_one_is_told():
    """Five points lower: so many more leads, of whom fewer are won than of those that came in before."""
    cfo, _ = thresholds(list(ended()), FLOW, 30, NOW)
    moves = {move.by: move for move in cfo.moves}
    assert moves[-5].leads == pytest.approx(2.5)
    assert moves[5].leads == pytest.approx(-2.5)
    assert 0 < moves[-5].won < moves[-5].leads
    assert moves[-5].share < cfo.last < moves[5].share
    assert moves[-10].leads > moves[-5].leads


def test_equal_scores_at_the_edge_stay_out_together():
    """There is room for 6 a week, and 10 leads a week have one score: none of them is let in."""
    flow = Flow([("other", 80.0)] * 4 + [("other", 60.0)] * 10, 1)
    [one] = thresholds(list(ended()), flow, 6, {"other": 50.0})
    assert (one.leads, 60 < one.proposed <= 80) == (4, True)


def test_a_persona_of_whom_little_is_known_is_taken_as_everybody():
    past = [*ended(), Ended("new", 50.0, True)]
    found = {
        one.persona: one for one in thresholds(past, FLOW, 30, {**NOW, "new": 40.0, "unheard": 40.0, "never": None})
    }
    assert set(found) == {"cfo", "other", "new", "unheard"}
    assert found["cfo"].proposed < found["unheard"].proposed < found["other"].proposed + 3
    assert found["new"].past == (1, 1)


def test_room_for_all_keeps_nobody_out():
    assert [one.proposed for one in thresholds(list(ended()), FLOW, 1000, NOW)] == [1, 1]


def test_what_cannot_be_said_is_refused():
    with pytest.raises(Refused, match="past leads with more points were not won more often"):
        thresholds(list(ended(rising=-1)), FLOW, 30, NOW)
    with pytest.raises(Refused, match="no lead came in within that time; --weeks N looks further back"):
        thresholds(list(ended()), Flow([], 4), 30, NOW)


def test_the_same_share_of_leads():
    before, after = np.arange(100.0), np.arange(100.0) / 2
    assert same_share(before, after, 60) == 30
    assert same_share(before, after, 200) in range(50, 101)
