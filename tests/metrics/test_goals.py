"""Baselines, their ranges, and what goals come to: by hand, and what must hold."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.metrics.baseline import Crossing, baseline, going_on, interval, rate
from gateway.metrics.goals import Goal, by_then, check_goals, compile_goals, progress
from gateway.metrics.velocity import DAY
from gateway.settings.files import ConfigFile

NOW = 400 * DAY


def _crossings(*pairs, sure=True):
    """(day it began, days it took or None)."""
    return [
        Crossing(f"l{n}", begin * DAY, None if took is None else (begin + took) * DAY, sure)
        for n, (begin, took) in enumerate(pairs)
    ]


def test_young_leads_do_not_lower_the_rate():
    """Nine of ten took ten days: who began within the last ten is left out and counted."""
    old = [(day, 10) for day in range(0, 300, 30)] + [(day, None) for day in range(0, 300, 30)]
    found = rate("mql", "sal", _crossings(*old, (395, None), (391, None), (389, None)), NOW)
    assert (found.whole, found.count, found.maturing) == (21, 10, 2)
    (told,) = baseline([found])
    assert told["rate"] == pytest.approx(10 / 21)
    assert told["low"] < told["rate"] < told["high"]
    assert (told["covered"], told["short"], told["p90_days"]) == (True, False, 10)


@pytest.mark.parametrize(
    ("crossings", "says"),
    [
        ([], "nobody reached mql"),
        (_crossings((0, 5), sure=False), "no system tells of mql: it is only concluded from sal"),
        (
            _crossings((0, 5), (1, 5), sure=False) + _crossings((0, 5), (2, None)),
            "of 2 of 3 leads at sal no system tells when they were at mql",
        ),
    ],
)
def test_a_step_that_history_does_not_cover_says_why(crossings, says):
    (told,) = baseline([rate("mql", "sal", crossings, NOW)])
    assert not told["covered"]
    assert told["missing"].startswith(says)
    assert (told["rate"], told["low"]) == (None, None)


def test_wilsons_interval_is_that_of_the_book():
    """10 of 50: 11.24 % to 33.04 % (Wilson 1927, without correction)."""
    assert interval(10, 50) == pytest.approx((0.1124, 0.3304), abs=1e-4)
    assert interval(0, 0) is None


@given(
    st.floats(0, 1), st.lists(st.integers(0, 100), max_size=20).map(sorted), st.integers(0, 120), st.integers(0, 120)
)
def test_a_chance_is_one_and_grows_with_time(share, took, age, ahead):
    """Between 0 and 1; more time, no smaller; nobody goes on in no time."""
    now, later = (going_on(share, took, age, more) for more in (ahead, ahead + 10))
    assert -1e-12 <= now <= later <= 1 + 1e-12
    assert going_on(share, took, age, 0) == 0


def test_forecast_by_hand():
    """Half go on, each after ten days. Of four leads one went on; one is 5 days old, one 20, one began now."""
    base = rate("mql", "sal", _crossings(*[(day, 10) for day in range(10)], *[(day, None) for day in range(10)]), NOW)
    since = _crossings((380, 10), (395, None), (380, None), (400, None))
    goal = Goal("goals.yaml:3", "More", "mql", "sal", 0.6, None, "Sales", date(2026, 12, 31))
    told = progress(goal, base, since, NOW, NOW + 20 * DAY)
    assert told["rate"] == 0.25
    assert told["forecast"] == pytest.approx((1 + 0.5 + 0 + 0.5) / 4)  # the one of 20 days is past its time
    assert told["state"] == "behind"
    assert progress(goal, base, since, NOW, NOW + 7 * DAY)["forecast"] == pytest.approx((1 + 0.5) / 4)
    assert progress(goal, base, since, NOW, NOW)["state"] == "missed"


def test_what_comes_after_its_day_neither_misses_nor_reaches_a_goal():
    """Of two leads one went on in time and one too late: half, whenever that is looked at."""
    since = by_then(_crossings((380, 10), (380, 30)), NOW)
    base = rate("mql", "sal", _crossings(*[(day, 10) for day in range(10)]), NOW)
    goal = Goal("goals.yaml:3", "More", "mql", "sal", 0.6, None, "Sales", date(2026, 12, 31))
    told = progress(goal, base, since, NOW + 90 * DAY, NOW)
    assert (told["leads"], told["went_on"], told["state"]) == (2, 1, "missed")


@pytest.mark.parametrize(
    ("reach", "increase", "says"),
    [
        (0.4, None, "is not above the baseline of 50.0%"),
        (0.55, None, "chance alone may reach it"),
        (0.9, None, "hardly realistic"),
        (None, 1.5, "more than all of them"),
    ],
)
def test_a_goal_that_the_baseline_speaks_against_is_named(reach, increase, says):
    base = rate("mql", "sal", _crossings(*[(day, 10) for day in range(40)], *[(day, None) for day in range(40)]), NOW)
    goal = Goal("goals.yaml:3", "More", "mql", "sal", reach, increase, "Sales", date(2026, 12, 31))
    (problem,) = progress(goal, base, [], NOW, NOW)["problems"]
    assert says in problem


def test_a_goal_without_a_baseline_says_so():
    goal = Goal("goals.yaml:3", "More", "mql", "sal", None, 0.1, "Sales", date(2026, 12, 31))
    told = progress(goal, rate("mql", "sal", [], NOW), [], NOW, NOW)
    assert told["problems"] == ["no baseline: nobody reached mql in this time"]
    assert told["state"] == "nothing to measure yet"


GOALS = """\
baseline: {from: 2025-07-01, until: 2026-07-01}
goals:
  - {name: More, from: mql, to: sal, increase: 10 %, team: Sales, by: 2026-12-31}
"""
TRACKED = ("target", "mql", "sal", "won")


def test_goals_are_read_as_they_are_written():
    found = compile_goals(ConfigFile("goals.yaml", GOALS))
    assert (found.begin, found.until) == (date(2025, 7, 1), date(2026, 7, 1))
    assert found.goals == [Goal("goals.yaml:3", "More", "mql", "sal", None, 0.1, "Sales", date(2026, 12, 31))]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (", team: Sales", "", "goals.yaml:3: goals[0].team: is missing"),
        ("team: Sales", "team: ' '", "goals.yaml:3: goals[0].team: is empty"),
        ("to: sal", "to: sales", "no stage of journey.yaml is tied to it; did you mean 'sal'?"),
        ("from: mql, to: sal", "from: sal, to: mql", "goals[0].to: must come after from"),
        ("increase: 10 %", "increase: 10", "write a percentage over 0, such as 35 %"),
        ("increase: 10 %", "reach: 120 %", "more than 100 %"),
        ("increase: 10 %", "increase: 10 %, reach: 20 %", "say reach or increase, one of them"),
        (", increase: 10 %", "", "say reach or increase, one of them"),
        ("by: 2026-12-31", "by: 2026-06-30", "must lie after the baseline"),
        ("by: 2026-12-31", "by: soon", "write a day, such as 2026-12-31"),
        ("until: 2026-07-01", "until: 2025-01-01", "baseline.until: must lie after from"),
        ("goals:", "gaols:", "unknown key"),
    ],
)
def test_what_is_wrong_in_goals_is_named_where_it_stands(old, new, says):
    found = check_goals(ConfigFile("goals.yaml", GOALS.replace(old, new)), TRACKED)
    assert says in "\n".join(map(str, found)), found
