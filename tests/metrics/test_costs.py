"""Costs of campaigns: what a file may say, and what a part of a period costs."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.metrics.costs import Cost, read_costs


def test_months_and_days_of_a_file():
    """A month is its days; until is the last day, and is in it; without a currency it is the instance's."""
    text = "\ufeffCampaign, Amount,Currency,month,from,until\nSpring,1500.50,,2026-02,,\n"
    text += "Fair,20,USD,,2026-03-30,2026-04-01\n\n"
    costs, problems = read_costs("costs.csv", text, "EUR")
    assert problems == []
    assert costs == [
        Cost("Spring", Decimal("1500.50"), "EUR", date(2026, 2, 1), date(2026, 3, 1)),
        Cost("Fair", Decimal(20), "USD", date(2026, 3, 30), date(2026, 4, 2)),
    ]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (",5,2026-05", "costs.csv:2: campaign: is empty"),
        ("Spring,1 500,2026-05", "costs.csv:2: amount: write a number"),
        ("Spring,-5,2026-05", "costs.csv:2: amount: write a number"),
        ("Spring,NaN,2026-05", "costs.csv:2: amount: write a number"),
        ("Spring,1,2026-13", "costs.csv:2: month: write a year and a month"),
        ("Spring,1,9999-12", "costs.csv:2: month: write a year and a month"),
        ("Spring,1,0000-01", "costs.csv:2: month: write a year and a month"),
        ("Spring,1e999999,2026-05", "costs.csv:2: amount: write a number"),
        ("Spring,5", "costs.csv:2: from: write a day"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(line, says):
    """Never the value itself: a column may have slipped."""
    _, problems = read_costs("costs.csv", f"campaign,amount,month\n{line}\n", "EUR")
    assert str(problems[0]).startswith(says)


def test_a_day_that_no_calendar_goes_beyond_is_refused():
    text = "campaign,amount,from,until\nSpring,5,2026-01-01,9999-12-31\n"
    assert str(read_costs("costs.csv", text, "EUR")[1][0]).startswith("costs.csv:2: until: write a day")


def test_all_problems_are_told_at_once():
    """And nothing of a wrong file is taken by halves: that is the caller's part."""
    _, problems = read_costs(
        "c.csv", "campaign,amount,currency,from,until\nA,x,euro,2026-01-02,2026-01-01\n,1,,?,?\n", "EUR"
    )
    assert [(one.line, one.key) for one in problems] == [
        *((2, "currency"), (2, "amount"), (2, "until")),
        *((3, "campaign"), (3, "from"), (3, "until")),
    ]


@pytest.mark.parametrize(
    "head", ["", "campaign,amount", "campaign,month", "campaign,amount,from", "campaign,amount,month,foo"]
)
def test_a_file_of_other_columns_is_refused_whole(head):
    """It says which columns there are."""
    costs, (problem,) = read_costs("c.csv", f"{head}\nA,1,2026-01,x\n", "EUR")
    assert costs == []
    assert "columns: campaign, amount" in str(problem)


@given(
    st.dates(date(2020, 1, 1), date(2030, 1, 1)),
    st.integers(1, 400),
    st.lists(st.dates(date(2019, 1, 1), date(2032, 1, 1)), max_size=6).map(sorted),
)
def test_the_parts_of_a_cost_add_up_to_it(begins, days, cuts):
    """However its time is cut."""
    cost = Cost("A", Decimal(1000), "EUR", begins, begins + timedelta(days=days))
    edges = [None, *(datetime.combine(cut, time(9, 30)) for cut in cuts), None]
    parts = [cost.within(since, until) for since, until in pairwise(edges)]
    assert float(sum(parts)) == pytest.approx(1000)
    assert all(part >= 0 for part in parts)
