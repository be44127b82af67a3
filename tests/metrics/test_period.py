"""Periods as they are asked for: what they are called, and that they leave no gap."""

from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.metrics.period import MONTHS, Period, begins, following, label, period

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 1, 31, 23, 30, tzinfo=UTC)  # in Berlin it is February already


@pytest.mark.parametrize(
    ("text", "start", "days", "name"),
    [
        ("2026", 1, ("2026-01-01", "2027-01-01"), "2026"),
        ("2026", 4, ("2026-04-01", "2027-04-01"), "2026"),
        ("2026-10", 4, ("2026-10-01", "2026-11-01"), "2026-10"),
        ("2026-Q3", 1, ("2026-07-01", "2026-10-01"), "2026-Q3"),
        ("2026-q4", 4, ("2027-01-01", "2027-04-01"), "2026-Q4"),
        ("this-month", 1, ("2026-02-01", "2026-03-01"), "2026-02"),
        ("last-month", 1, ("2026-01-01", "2026-02-01"), "2026-01"),
        ("last-quarter", 1, ("2025-10-01", "2026-01-01"), "2025-Q4"),
        ("last-quarter", 2, ("2025-11-01", "2026-02-01"), "2025-Q4"),  # a year begins today
        ("last-year", 4, ("2024-04-01", "2025-04-01"), "2024"),
        ("this-year", 4, ("2025-04-01", "2026-04-01"), "2025"),
    ],
)
def test_a_period_is_the_zones_and_the_fiscal_years(text, start, days, name):
    found = period(text, NOW, BERLIN, start)
    assert (f"{found.since:%Y-%m-%d}", f"{found.until:%Y-%m-%d}") == days
    assert found.name == name
    assert found.since.tzinfo is BERLIN


def test_a_fiscal_quarter_says_that_it_is_one():
    """And an early year has four digits."""
    now, zone = datetime(2026, 11, 5, tzinfo=UTC), ZoneInfo("UTC")
    assert "(fiscal 2026-Q3)" in period("2026-Q3", now, zone, 4).words()
    assert "(2026-Q3)" in period("2026-Q3", now, zone, 1).words()
    assert "(2026-10)" in period("2026-10", now, zone, 4).words()
    assert Period(until=datetime(1, 1, 1, tzinfo=UTC)).words() == "until before 0001-01-01"


@pytest.mark.parametrize("text", ["", "26", "2026-13", "2026-Q0", "last-week", "2026-1", "Q3", "0000", "2026-10-01"])
def test_what_is_no_period_says_how_one_is_written(text):
    with pytest.raises(ValueError, match="2026-Q3"):
        period(text, NOW, BERLIN)


@given(st.dates(date(2, 1, 1), date(9990, 1, 1)), st.sampled_from(sorted(MONTHS)), st.integers(1, 12))
def test_units_follow_each_other_without_a_gap(day, unit, start):
    """A day lies in its unit; the next begins where it ends, and is called something else."""
    first = begins(unit, day, start)
    after = following(unit, first)
    assert first <= day < after
    assert begins(unit, after, start) == after
    assert label(unit, first, start) < label(unit, after, start)
    quarters = [following("quarter", first)] if unit == "quarter" else []
    assert all(begins("quarter", one, start) == one for one in quarters)


def test_the_months_of_a_year_make_it_up():
    """Twelve of them, four quarters."""
    whole = period("2026", NOW, BERLIN, 4)
    edges = [whole.since.date()]
    while edges[-1] < whole.until.date():
        edges.append(following("month", edges[-1]))
    assert edges[-1] == whole.until.date()
    assert [label("quarter", begins("quarter", one, 4), 4) for one in edges[:-1]] == [
        f"2026-Q{number}" for number in (1, 2, 3, 4) for _ in range(3)
    ]
    assert all(before < after for before, after in pairwise(edges))
