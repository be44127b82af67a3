"""Velocity: medians by hand, and the report of stored leads and handoffs."""

from __future__ import annotations

import statistics
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.metrics.calendar import Calendar
from gateway.metrics.velocity import DAY, Owner, Step, Velocity, quantile, velocity
from gateway.times import from_micros, to_micros


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([7], 0.9, 7), ([1, 3], 0.5, 2), ([1, 2, 4], 0.5, 2), ([0, 10, 20, 30, 40], 0.75, 30), ([0, 10], 0.9, 9)],
)
def test_quantiles_by_hand(values, share, expected):
    """Between two values it lies where the share says."""
    assert quantile(values, share) == pytest.approx(expected)


@given(st.lists(st.integers(0, 10**15), min_size=2).map(sorted))
def test_quantiles_are_those_of_the_standard_library(values):
    """Its inclusive method, and its median."""
    assert quantile(values, 0.5) == pytest.approx(statistics.median(values))
    assert quantile(values, 0.75) == pytest.approx(statistics.quantiles(values, n=4, method="inclusive")[2])
    assert quantile(values, 0.9) == pytest.approx(statistics.quantiles(values, n=10, method="inclusive")[8])


def test_the_bottleneck_is_the_slowest_step_that_enough_leads_went():
    """One slow lead is no bottleneck."""
    steps = [
        Step("target", "mql", [DAY] * 9),
        Step("mql", "sal", [3 * DAY] * 5, [9 * DAY], unsure=2),
        Step("sal", "won", [90 * DAY]),
    ]
    found = velocity(Velocity(steps, Step("target", "won", [94 * DAY])))
    assert found["bottleneck"] == {"stage": "mql", "to": "sal", "median_days": 3}
    assert found["steps"][1]["waiting_median_days"] == 9
    assert found["steps"][1]["unsure"] == 2
    assert found["cycle"]["median_days"] == 94
    assert velocity(Velocity(steps[2:], steps[2]))["bottleneck"] is None


@given(st.integers(to_micros(datetime(1990, 1, 1, tzinfo=UTC)), to_micros(datetime(2090, 1, 1, tzinfo=UTC))))
def test_a_day_of_the_calendar_is_that_of_the_zone(at):
    """Whatever hour its clocks change at, and however far it is from UTC."""
    for name in ("Europe/Berlin", "Asia/Kathmandu", "America/St_Johns", "Pacific/Apia"):
        calendar = Calendar(ZoneInfo(name))
        for _ in range(2):
            assert calendar.day(at) == from_micros(at).astimezone(ZoneInfo(name)).toordinal()


def test_a_share_of_nothing_is_none():
    """An owner whose clocks all still run has kept nothing and missed nothing."""
    found = velocity(Velocity([], Step("a", "b", []), [Owner("kim", 3)]))["owners"][0]
    assert (found["in_time"], found["ended_by_a_person"], found["median_days"]) == (None, None, None)
