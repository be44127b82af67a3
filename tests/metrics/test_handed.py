"""What rules earned and whom the score misjudged, against cases worked by hand."""

from __future__ import annotations

import pytest

from gateway.metrics.handed import Handed, rules, surprises

PRICING, CHIEF, STUDENT = ("behaviour", "Viewed pricing"), ("fit", "Chief"), ("fit", "Student")


def handed(number: int, score: int, points: dict[tuple[str, str], int], bucket: str = "", **more: object) -> Handed:
    return Handed(f"lead{number}", score, points, bucket=bucket, **more)  # type: ignore[arg-type]


def found(told: dict[str, object], name: str) -> dict[str, object]:
    return next(one for one in told["rules"] if one["rule"] == name)  # type: ignore[union-attr]


@pytest.fixture
def given() -> list[Handed]:
    """20 decided: with pricing 8 of 12 are good, without 2 of 8; two are open."""
    ends = ["sales_qualified"] * 8 + ["sales_rejected"] * 4 + ["sales_qualified"] * 2 + ["recycled"] * 6
    points = [{PRICING: 600, CHIEF: 2000}] * 12 + [{CHIEF: 2000}] * 8
    rows = [handed(n, 5000 + n * 100, one, end) for n, (one, end) in enumerate(zip(points, ends, strict=True))]
    return [*rows, handed(30, 6000, {PRICING: 600}), handed(31, 6000, {CHIEF: 1000})]


def test_a_rule_is_held_against_all(given):
    told = rules(given, [PRICING, CHIEF, STUDENT])
    assert (told["handoffs"], told["decided"], told["good"], told["good_share"]) == (22, 20, 10, 0.5)
    pricing = found(told, "Viewed pricing")
    assert (pricing["hits"], pricing["decided"], pricing["good"], pricing["points"]) == (13, 12, 8, 6)
    assert pricing["good_share"] == pytest.approx(8 / 12)
    assert pricing["good_share_without"] == pytest.approx(2 / 8)
    assert pricing["lift"] == pytest.approx((8 / 12) / 0.5)
    low, high = pricing["range"]
    assert (low, high) == pytest.approx((0.3906, 0.8619), abs=1e-4)  # Wilson's, of 8 in 12
    chief = found(told, "Chief")
    assert (chief["lift"], chief["good_share_without"], chief["few"]) == (1, None, False)
    assert chief["points"] == pytest.approx((20 * 20 + 10) / 21)


def test_a_rule_that_never_hit_or_is_no_more_is_told(given):
    told = rules(given, [PRICING, STUDENT])
    student = found(told, "Student")
    assert (student["hits"], student["lift"], student["live"], student["few"]) == (0, None, True, True)
    assert found(told, "Chief")["live"] is False


def test_a_win_is_good_whatever_sales_said_before():
    told = rules([handed(1, 1, {CHIEF: 100}, "recycled", won=True), handed(2, 1, {}, "recycled")], [])
    assert (told["decided"], told["good"], found(told, "Chief")["won"]) == (2, 1, 1)


def test_nothing_is_said_of_nothing():
    assert rules([], [])["good_share"] is None
    assert surprises([])["won_low"] == []


def test_the_score_misjudged_who_won_with_a_low_one_and_was_rejected_with_a_high_one():
    scores = range(1000, 9000, 1000)
    rows = [handed(n, score, {}) for n, score in enumerate(scores)]
    low = handed(50, 1500, {}, "sales_qualified", won=True, persona="finance")
    high = handed(51, 8500, {}, "sales_rejected", reason="no budget", owner="Ann")
    middle = handed(52, 5000, {}, "sales_rejected", reason="wrong person")
    recycled = handed(53, 9000, {}, "recycled", reason="not now")
    told = surprises([*rows, low, high, middle, recycled])
    assert [(one["lead"], one["score"], one["persona"]) for one in told["won_low"]] == [("lead50", 15, "finance")]
    assert [(one["lead"], one["reason"], one["owner"]) for one in told["rejected_high"]] == [
        ("lead51", "no budget", "Ann")
    ]
    assert told["reasons"] == [{"reason": "no budget", "handoffs": 1}]


def test_where_all_scores_are_alike_none_is_low_or_high():
    rows = [handed(n, 5000, {}, "sales_rejected") for n in range(9)]
    assert surprises([*rows, handed(20, 5000, {}, won=True)])["rejected_high"] == []


def test_each_score_is_judged_by_its_own_handoffs(given):
    """Low of one score may be high of another, and its rules are held against those whom it handed over."""
    firm = ("fit", "growth: Small firm")
    ends = ["sales_qualified"] * 3 + ["sales_rejected"] * 9
    rows = [handed(100 + n, 100 + n, {firm: 60} if n < 6 else {}, end, score_name="growth")
            for n, end in enumerate(ends)]  # fmt: skip
    told = rules([*given, *rows], [PRICING, firm], {firm: "growth"})
    assert found(told, "Viewed pricing")["lift"] == pytest.approx((8 / 12) / 0.5)
    small = found(told, "growth: Small firm")
    assert (small["of"], small["base"], small["decided"]) == ("growth", 3 / 12, 6)
    assert small["good_share_without"] == 0
    alone, both = surprises(given), surprises([*given, *rows])
    assert (both["low"], both["high"]) == (alone["low"], alone["high"])
    assert both["others"] == {"growth": {"low": 1.0275, "high": 1.0825}}
    assert {one["lead"] for one in both["rejected_high"]} - {one["lead"] for one in alone["rejected_high"]} == {
        "lead109", "lead110", "lead111"
    }  # fmt: skip
