"""From counts to the funnel's JSON, and from there to what people read."""

from collections import Counter
from datetime import date
from itertools import chain

import pytest

from gateway.metrics.definitions import DEFINITIONS
from gateway.metrics.funnel import FunnelCounts, Group, conversions, funnel, maturing
from gateway.metrics.report import percent, report

COUNTS = FunnelCounts(
    entered=8000,
    stages={"target": 8000, "won": 842, "mql": 8000},
    excluded={"customer": 2, "test address": 7, "competitor": 2},
    outcomes={"won": 842, "rejected": 3, "accepted": 0},
    won_before_entry=["b", "a"],
    groups=[
        Group("paid", 10, Counter(target=10, mql=9)),
        Group(None, 30, Counter(target=30)),
        Group("web", 30, Counter(target=30, mql=15, won=5)),
        Group("fair", 10, Counter(target=10)),
        Group(True, 1, Counter(target=1)),
    ],
)
TRACKED = ("target", "mql", "won")


def test_the_json_has_every_part_in_its_order():
    """Reasons and groups by size, then by value, leads without a value last; outcomes in their closed order."""
    data = funnel(COUNTS, TRACKED)
    assert list(data) == [
        *(
            "basis",
            "revenue",
            "without_rate",
            "without_amount",
            "without_leads",
            "entered",
            "excluded",
            "stages",
            "outcomes",
            "notes",
            "groups",
        )
    ]
    assert data["entered"] == 8000
    assert data["excluded"] == [
        {"reason": "test address", "count": 7},
        {"reason": "competitor", "count": 2},
        {"reason": "customer", "count": 2},
    ]
    assert data["stages"] == [
        {"stage": "target", "count": 8000, "conversion": None},
        {"stage": "mql", "count": 8000, "conversion": 1.0},
        {"stage": "won", "count": 842, "conversion": 842 / 8000},
    ]
    assert data["outcomes"] == [{"outcome": "rejected", "count": 3}, {"outcome": "won", "count": 842}]
    assert data["notes"] == [{"kind": "won_before_entry", "count": 2, "leads": ["a", "b"]}]
    assert [group["value"] for group in data["groups"]] == ["web", None, "fair", "paid", True]
    assert data["groups"][0]["stages"][2] == {"stage": "won", "count": 5, "conversion": 1 / 3}


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({}, [None, None, None]),  # nobody: no conversion of nothing
        ({"target": 4}, [None, 0.0, None]),  # none of four; then a share of none
        ({"target": 4, "mql": 1, "won": 1}, [None, 0.25, 1.0]),
    ],
)
def test_a_conversion_is_of_the_listed_stage_before(counts, expected):
    assert [stage["conversion"] for stage in conversions(counts, TRACKED)] == expected


def test_only_tracked_stages_are_listed():
    assert [stage["stage"] for stage in conversions({"sal": 5, "target": 9}, ("target", "won"))] == ["target", "won"]


def test_an_empty_instance_has_a_funnel_too():
    assert funnel(FunnelCounts(0, {}), ("target",)) == {
        "basis": "cohort",
        "revenue": 0.0,
        "without_rate": {},
        "without_amount": 0,
        "without_leads": {"deals": 0, "revenue": 0.0},
        "entered": 0,
        "excluded": [],
        "stages": [{"stage": "target", "count": 0, "conversion": None}],
        "outcomes": [],
        "notes": [],
        "groups": [],
    }


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.10525, "10.525 %"), (1.0, "100 %"), (0.0, "0 %"), (0.5, "50 %"), (None, "")],
)
def test_shares_read_as_percentages(share, text):
    assert percent(share) == text


def printed(data, by=None):
    """Every line and cell, one per line."""
    parts = [[part] if isinstance(part, str) else [*part.columns, *chain(*part.rows)] for part in report(data, by)]
    return "\n".join(chain(*parts))


def test_people_see_counts_percentages_groups_and_notes():
    text = printed(funnel(COUNTS, TRACKED), "origin")
    for part in ("8,000 leads entered", "10.525 %", "test address", "rejected", "origin", "(none)", "33.333 %"):
        assert part in text
    assert "2 leads won before they became known: a, b" in text


def test_a_value_is_printed_as_it_is_and_never_read_as_markup():
    counts = FunnelCounts(1, {"target": 1}, groups=[Group("[red]x[/red]", 1, Counter(target=1))])
    assert "[red]x[/red]" in printed(funnel(counts, ("target",)), "[bold]y")


def test_a_group_s_shares_say_of_which_stage_they_are():
    """Each row has as many cells as there are columns, in a pipe too."""
    *_, table, _ = report(funnel(COUNTS, TRACKED), "origin")
    assert table.columns[:4] == ("origin", "revenue", TRACKED[0], TRACKED[1])
    assert {len(row) for row in table.rows} == {len(table.columns)}


def test_empty_parts_are_left_out_of_what_people_see():
    text = printed(funnel(FunnelCounts(0, {}), ("target",)))
    assert "outcome" not in text
    assert "never handed over" not in text


def test_every_number_has_a_definition_of_one_sentence():
    assert {"entered", "stage", "conversion", "excluded", "outcome", "won_before_entry"} <= DEFINITIONS.keys()
    for sentence in DEFINITIONS.values():
        assert sentence.endswith(".")
        assert ". " not in sentence


def test_revenue_comes_first_and_says_what_is_not_in_it():
    """Deals in other currencies, and deals that name nobody."""
    counts = FunnelCounts(
        9, {"target": 9}, cents=150_000, unpriced={"USD": [["a"], ["b"]], "": [["c"]]}, nobodys=(3, 7_050)
    )
    lines = [part for part in report({"currency": "EUR", **funnel(counts, ("target",))}) if isinstance(part, str)]
    assert lines[0] == "1,500.00 EUR of revenue from 9 leads that entered"
    assert lines[1] == "2 deals in USD: counted, but without revenue, for rates.yaml has no rate to EUR for the day"
    assert lines[2] == "1 deal without an amount in a currency: counted, but without revenue"
    assert "70.50 EUR of 3 deals that name no lead" in lines[3]


def test_a_month_matures_until_its_last_lead_has_had_the_median_time():
    """April with a median of ten days is grown up on the eleventh of May; while nobody won, nothing is."""
    for day, median, expected in ((10, 10, True), (11, 10, False), (11, 10.5, True), (31, None, True)):
        assert maturing(date(2026, 5, 1), median, date(2026, 5, day)) is expected
