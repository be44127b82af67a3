"""When one lead crosses under a model, and what many add up to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gateway.contracts import Activity, Mark, Subject
from gateway.journey.journey import compile_journey
from gateway.scoring.weighted import WeightedScorer
from gateway.settings.files import ConfigFile
from gateway.simulation.replay import Rules, Way, rules_of
from gateway.simulation.tally import Past, Tally
from gateway.times import to_micros

SCORING = """
weights: {fit: 50, behaviour: 50}
maximum: {fit: 50, behaviour: 50}
fit: [{name: Boss, when: {title: boss}, points: 30}]
behaviour: [{name: Page, activity: page_view, points: 10, half_life: 10d}]
"""
JOURNEY = """
personas: [{name: boss, when: {title: boss}}, {name: other}]
stages:
  - {name: target, shared: target}
  - {name: warm, shared: target, entry: {score: 5}}
  - {name: mql, shared: mql, entry: {score: {boss: 50, other: 20}}, steps: [{handoff: crm}]}
  - {name: won, shared: won, entry: {outcome: [won]}}
"""
NOW = datetime(2026, 6, 1, tzinfo=UTC)
BEGIN = 30
"""Days before now."""


def rules(scoring: str = SCORING) -> Rules:
    found = rules_of(WeightedScorer(ConfigFile("s", scoring).data), compile_journey(ConfigFile("j", JOURNEY)))
    assert found is not None
    return found


def ago(days: float) -> int:
    return to_micros(NOW - timedelta(days=days))


def way(title: str, pages: list[float], entered: float = 100, marks: tuple[Mark, ...] = ()) -> Way:
    done = [Activity(NOW - timedelta(days=age), "page_view", id=str(age)) for age in sorted(pages, reverse=True)]
    return rules().way({"title": title}, Subject({"title": title}, done, marks, ""), ago(entered), ago(BEGIN), ago(0))


@pytest.mark.parametrize(
    ("title", "pages", "entered", "stood", "crossed"),
    [
        ("boss", [], 100, False, None),  # 30 of the 50 a boss needs
        ("boss", [20, 19.5], 100, False, 19.5),  # at the second page
        ("boss", [60, 59, 31, 30.5], 100, True, None),  # over it when the time began
        ("clerk", [20, 19], 100, False, 19),  # of another persona, with a lower threshold
        ("clerk", [29, 1], 100, False, None),  # the first page counts half or less by the second
        ("boss", [28, 27, 3], 25, False, 25),  # it came over the threshold
        ("boss", [10, 8], 5, False, 5),
    ],
)
def test_a_lead_crosses_when_it_first_reaches_its_threshold(
    title: str, pages: list[float], entered: float, stood: bool, crossed: float | None
) -> None:
    """Of the stage that hands over, for its persona, after the time began."""
    found = way(title, pages, entered)
    assert (found.stood, found.at) == (stood, ago(crossed) if crossed is not None else None)


def test_points_of_a_person_count_from_when_they_were_given() -> None:
    """They are no activity: what they lift over the threshold is seen now at the latest."""
    mark = Mark(NOW - timedelta(days=2), "manual", 40, "met", None, "kim")
    assert way("boss", [], marks=(mark,)).at == ago(0)


def test_a_journey_that_no_score_enters_cannot_be_replayed() -> None:
    """So the command says so."""
    journey = compile_journey(ConfigFile("j", "stages: [{name: target}, {name: won, entry: {outcome: [won]}}]"))
    assert rules_of(WeightedScorer(ConfigFile("s", SCORING).data), journey) is None


def crossing(at: float | None, score: int = 6000, stood: bool = False) -> Way:
    return Way("boss", 5000, score, stood, ago(at) if at is not None else None, score)


NEVER = Way("boss", 5000, 1000)
TALLIES = [
    ("a", crossing(10), crossing(12), Past(True, True, True, ago(5))),  # under both, before the win
    ("b", NEVER, crossing(9), Past(False, False, True, ago(3))),  # a win that only the draft catches
    ("c", crossing(9), NEVER, Past(True, True, True, ago(2))),  # one that it misses
    ("d", crossing(1), crossing(None, stood=True), Past(True, False, False, None)),  # it had it already
    ("e", NEVER, crossing(2), Past(False, False, False, None)),
    ("f", NEVER, crossing(2), Past(False, False, True, ago(4))),  # too late for its win
]


def test_leads_add_up_in_any_parts() -> None:
    """Crossings by side and week, who is gained and dropped, wins caught and missed."""
    whole, parts = Tally(), Tally()
    for one in TALLIES:
        whole.take(*one, UTC)
        part = Tally()
        part.take(*one, UTC)
        parts.add(part)
    assert (whole.counts, whole.weeks, whole.bins) == (parts.counts, parts.weeks, parts.bins)
    assert [whole.named(what) for what in whole.examples] == [parts.named(what) for what in whole.examples]
    counts = whole.counts
    assert (counts["crossed live"], counts["crossed draft"], counts["both"]) == (3, 4, 1)
    assert (counts["gained"], counts["dropped"], counts["at once"], counts["fall"]) == (3, 1, 3, 1)
    assert (counts["wins"], counts["wins live"], counts["wins draft"]) == (4, 2, 2)
    assert [one.lead for one in whole.named("wins caught")] == ["b"]
    assert [one.lead for one in whole.named("wins missed")] == ["c"]
    assert sum(n for (side, _), n in whole.weeks.items() if side == "draft") == 4
    assert all(week.weekday() == 0 for _, week in whole.weeks)


def test_what_sales_make_of_a_score_is_learned_from_what_they_got() -> None:
    """Ten handed over with 60 points, half of them accepted: of four that cross with 60, two are to be expected."""
    tally = Tally()
    for number in range(10):
        tally.take(f"h{number}", NEVER, crossing(None, stood=True), Past(True, number < 5, False, None), UTC)
    assert tally.expected("live") is None
    for number in range(4):
        tally.take(f"n{number}", NEVER, crossing(3), Past(False, False, False, None), UTC)
    assert tally.expected("draft") == (pytest.approx(2), 0)
