"""Points in words a marketer reads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gateway.contracts import Activity, Mark, Score, Subject
from gateway.scoring.checking import check
from gateway.scoring.explanation import hundredths, lines, shown, signed
from gateway.scoring.weighted import WeightedScorer
from gateway.settings.files import ConfigFile

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
MODEL = """
maximum: {fit: 60, behaviour: 40}
groups: {web: {cap: 12}}
levels: {seniority: {attribute: title, order: [c_level, vice_president, manager]}}
fit:
  - {name: Executive or above, level: seniority, at_least: vice_president, points: 20}
  - {name: Target industry, when: {industry: [software, finance]}, points: 15}
  - {name: Company size, ranges: {attribute: employees, points: {"50-499": 10}}}
  - {name: Source, values: {attribute: source, points: {paid: -5}, default: 2}}
behaviour:
  - name: Pricing
    activity: page_view
    where: {asset: {contains: pricing}}
    points: 10
    cap: 20
    group: web
    half_life: 14d
  - {name: Forms, activity: [form, demo], points: 4, window: 30d}
personas: {finance: {Forms: 1.5}}
overlays: [{name: Fair week, from: 2026-05-30, to: 2026-06-03, rule: Forms, factor: 2}]
"""
WEIGHED = """
behaviour: [{name: Pages, activity: page_view, points: 10}]
content_weights: {finance: {mql: 1.5}, default: {mql: 2, unassigned: 0.5}}
"""


@pytest.fixture(scope="module")
def scorer():
    file = ConfigFile("scoring.yaml", MODEL)
    assert check(file) == []
    return WeightedScorer(file.data)


def test_what_content_serves_is_told_beside_its_activities():
    """One activity or several, of one stage or of more; a factor of 1 needs no word."""
    data = ConfigFile("scoring.yaml", WEIGHED).data
    content = [
        {"stage": "mql", "where": {"asset": {"contains": "pricing"}}},
        {"stage": "sql", "where": {"asset": "/x"}},
    ]
    model = WeightedScorer(data | {"content": content})

    def reasons(persona, *assets):
        done = [Activity(NOW, "page_view", asset) for asset in assets]
        return [
            one.reason.partition("; ")[2]
            for one in model.score(Subject({}, done, (), persona), NOW, True).contributions
        ]

    assert reasons("finance", "/pricing") == ["× 1.5 because it serves mql"]
    assert reasons("", "/pricing", "/pricing") == ["× 2 because they serve mql"]
    assert reasons("", "/pricing", "/blog", "/x") == [
        "1 × 2 because it serves mql; 1 × 0.5 because it serves no stage that content.yaml names"
    ]
    assert reasons("finance", "/x") == [""]


def test_every_kind_of_rule_gives_its_reason(scorer):
    """Levels name the title, conditions the values, activities how many and when; limits and marks have lines too."""
    subject = Subject(
        {"title": "VP Finance", "industry": "Software", "employees": 120, "source": "paid"},
        [
            Activity(NOW - timedelta(days=1), "page_view", "/pricing"),
            Activity(NOW - timedelta(days=15), "page_view", "/Pricing/plans"),
            Activity(NOW - timedelta(days=2), "form"),
        ],
        [
            Mark(NOW - timedelta(days=3), "manual", 7, "met at the fair", until=NOW + timedelta(days=9), by="Ann"),
            Mark(NOW - timedelta(days=10), "halve", reason="recycled"),
        ],
        persona="finance",
    )
    score = scorer.score(subject, NOW, explain=True)
    assert lines(score) == [
        "71.00 of 100 (great): fit 40.00, behaviour 24.00",
        "+20.00  fit        Executive or above: title 'VP Finance' is vice president (vice president or above)",
        "+15.00  fit        Target industry: industry is software or finance (industry: 'Software')",
        "+10.00  fit        Company size: employees 120 is in 50-499",
        " -5.00  fit        Source: source is 'paid'",
        "+12.50  behaviour  Pricing: 2 × page_view where asset contains pricing, last on 2026-05-31; worth half every "
        "14 days; at most 20.00 points; halved before 2026-05-22: recycled",
        "+12.00  behaviour  Forms: 1 × form or demo, last on 2026-05-30; within 30 days; × 1.5 for persona finance; "
        "× 2 during Fair week",
        " -0.50  behaviour  limit of group web: the rules of group web count for at most 12.00 points together",
        " +7.00  mark       Manual points: given by Ann until 2026-06-10 12:00 UTC: met at the fair",
        "changes by itself at 2026-06-03 00:00:00 UTC at the earliest",
    ]


def test_limits_of_axis_and_total_are_lines(scorer):
    """What is cut off is told, so that the lines add up."""
    subject = Subject({"source": "paid"}, (), [Mark(NOW, "manual", 120)])
    assert lines(scorer.score(subject, NOW, explain=True)) == [
        "100.00 of 100 (great): fit 0.00, behaviour 0.00",
        "  -5.00  fit        Source: source is 'paid'",
        "  +5.00  fit        limit of fit: fit is never below 0",
        "+120.00  mark       Manual points: given without end",
        " -20.00  mark       limit of the total: a score is between 0 and 100",
        "changes by itself at 2026-06-03 00:00:00 UTC at the earliest",
    ]


def test_the_default_of_a_value_table_says_so(scorer):
    """A known value that is not listed gets the default, and the reason says why."""
    (only,) = scorer.score(Subject({"source": "fair"}), NOW, explain=True).contributions
    assert (only.hundredths, only.reason) == (200, "source 'fair' is none of those listed")


def test_a_score_without_contributions_has_one_line():
    """The fast path carries no reasons."""
    assert lines(Score(0, 0, 0, "bad")) == ["0.00 of 100 (bad): fit 0.00, behaviour 0.00"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("VP", "'VP'"),
        (7, "7"),
        (["a", "b"], "'a', 'b'"),
        ("a\x1b[31m\u202e", "'a\\x1b[31m\\u202e'"),  # nothing that a terminal would obey
        ("x" * 100, "'" + "x" * 58 + "…"),
    ],
)
def test_values_are_shown_short_and_harmless(value, text):
    """Reasons are printed on terminals and pages."""
    assert shown(value) == text


@pytest.mark.parametrize(
    ("points", "text", "plus"), [(0, "0.00", "+0.00"), (-5, "-0.05", "-0.05"), (1234, "12.34", "+12.34")]
)
def test_hundredths_read_as_points(points, text, plus):
    """Exact decimals, no floats."""
    assert (hundredths(points), signed(points)) == (text, plus)
