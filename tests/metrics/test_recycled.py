"""Recycled revenue: a small company by hand, and what always adds up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.metrics.recycled import Handoff, Sale, recycled
from gateway.metrics.velocity import DAY

COMPANY = {
    "ann": [Handoff(0, 1, 10 * DAY, "recycled", "not now"), Handoff(50 * DAY, 2, 55 * DAY, "sales_qualified")],
    "bob": [Handoff(0, 1, 3 * DAY, "sales_qualified")],
    "cy": [Handoff(5 * DAY, 1, 9 * DAY, "recycled", "no budget")],
    "di": [Handoff(5 * DAY, 1, 8 * DAY, "recycled", "not now"), Handoff(20 * DAY, 2)],
}


def test_a_small_company_by_hand():
    """Ann came back and bought, Bob bought at once, somebody without sales; both who were recycled as not now came."""
    sales = [Sale(["ann"], 60 * DAY, 300), Sale(["bob"], 9 * DAY, 600), Sale(["nobody"], 1 * DAY, 100)]
    found, behind = recycled(COMPANY, sales)
    assert (found["deals"], found["revenue"]) == (3, 1000)
    assert [(one["generation"], one["deals"], one["share"]) for one in found["generations"]] == [
        (1, 1, 0.6),
        (2, 1, 0.3),
        (None, 1, 0.1),
    ]
    assert behind == {
        "recycled/no budget": ["cy"],
        "recycled/not now": ["ann", "di"],
        "returned/not now": ["ann", "di"],
        "won/(never handed over)": ["nobody"],
        "won": ["ann", "bob", "nobody"],
        "won after/not now": ["ann"],
        "won/1": ["bob"],
        "won/2": ["ann"],
    }
    assert found["from_recycling"] == {"deals": 1, "median_days": 50, "p90_days": 50}
    first, second = found["reasons"]
    assert (first["reason"], first["recycled"], first["returned"], first["revenue"]) == ("not now", 2, 2, 300)
    assert (second["reason"], second["recycled"], second["returned"], second["deals"]) == ("no budget", 1, 0, 0)


def test_a_deal_of_several_people_counts_once_for_the_last_handoff():
    """Of Ann's second handoff and Bob's first, Ann's was opened later."""
    found, _ = recycled(COMPANY, [Sale(["bob", "ann"], 60 * DAY, 500)])
    assert [(one["generation"], one["revenue"]) for one in found["generations"]] == [(2, 500)]


def test_what_was_won_before_it_came_back_counts_for_the_handoff_of_then():
    """Ann's deal of day 20 is none of her second handoff of day 50."""
    found, _ = recycled(COMPANY, [Sale(["ann"], 20 * DAY, 500)])
    assert found["generations"][0]["generation"] == 1
    assert found["from_recycling"]["deals"] == 0


def test_a_period_counts_who_was_recycled_in_it():
    """Whenever they came back; Di on day 8 and Cy on day 9 are within, Ann on day 10 is not."""
    found, behind = recycled(COMPANY, [], 8 * DAY, 10 * DAY)
    assert {one["reason"]: (one["recycled"], one["returned"]) for one in found["reasons"]} == {
        "not now": (1, 1),
        "no budget": (1, 0),
    }
    assert behind["returned/not now"] == ["di"]


def test_nothing_won_is_no_error():
    """Shares of nothing are none."""
    found, _ = recycled({}, [])
    assert (found["generations"], found["from_recycling"]["median_days"]) == ([], None)


@st.composite
def companies(draw):
    handoffs = {}
    for lead in draw(st.sets(st.sampled_from("abcd"))):
        ends = sorted(draw(st.sets(st.integers(1, 10**6), min_size=2, max_size=6)))
        handoffs[lead] = [
            Handoff(
                ends[place],
                place // 2 + 1,
                ends[place + 1],
                draw(st.sampled_from(["recycled", "sales_qualified"])),
                "r",
            )
            for place in range(0, len(ends) - 1, 2)
        ]
    sales = draw(
        st.lists(
            st.builds(
                Sale,
                st.lists(st.sampled_from("abcdef"), min_size=1, max_size=3, unique=True),
                st.integers(0, 10**6),
                st.integers(0, 1000).map(float),
            ),
            max_size=8,
        )
    )
    return handoffs, sales


@given(companies())
def test_generations_add_up_to_all_that_was_won(company):
    """Each sale once; and nobody comes back more often than they were recycled."""
    found, _ = recycled(*company)
    assert sum(one["deals"] for one in found["generations"]) == found["deals"] == len(company[1])
    assert sum(one["revenue"] for one in found["generations"]) == pytest.approx(found["revenue"])
    assert all(one["returned"] <= one["recycled"] for one in found["reasons"])
    assert found["from_recycling"]["deals"] == sum(one["deals"] for one in found["reasons"])
