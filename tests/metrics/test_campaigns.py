"""Campaigns side by side: what a cost brought is of those campaigns whose cost is known."""

from __future__ import annotations

from gateway.metrics.campaigns import Campaign, campaigns


def test_the_sum_divides_costs_by_what_they_were_paid_for():
    """A campaign without a known cost adds leads and revenue to the sum, and makes no cost look better."""
    paid = Campaign("ads", leads=10, stages={"mql": 4, "won": 1}, revenue=300.0, cost=100.0)
    free = Campaign("", leads=90, stages={"mql": 16, "won": 9}, revenue=9700.0)
    found = campaigns([paid, free], ("mql", "won"))
    total = found["total"]
    assert (total["leads"], total["revenue"], total["cost"], total["return"]) == (100, 10000.0, 100.0, 2.0)
    assert [(one["count"], one["cost_each"]) for one in total["stages"]] == [(20, 25.0), (10, 100.0)]
    assert [one["return"] for one in found["campaigns"]] == [None, 2.0]


def test_without_costs_nothing_is_divided():
    total = campaigns([Campaign("ads", leads=1, stages={"mql": 1})], ("mql",))["total"]
    assert (total["cost"], total["return"], total["stages"][0]["cost_each"]) == (None, None, None)
