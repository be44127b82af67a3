"""The matrix strategy: cells, windows, marks, reasons, and every mistake of its file."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from gateway_matrix import MatrixScorer, check
from hypothesis import given
from hypothesis import strategies as st

from gateway.contracts import Activity, Mark, Subject
from gateway.host import Host
from gateway.settings.files import ConfigFile
from gateway.testing import ScorerContract

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
TEXT = re.search(r"```yaml scoring.yaml\n(.*?)```", README, re.DOTALL)[1]
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
BEST = {"industry": "software", "employees": 900, "title": "Head of IT"}
SCORER = MatrixScorer(ConfigFile("scoring.yaml", TEXT).data)


def did(kind, *days, asset=""):
    return [Activity(NOW - day * DAY, kind, asset, "", "", f"{kind}{day}{asset}") for day in days]


def score(attributes=BEST, activities=(), marks=(), at=NOW, explain=False):
    return SCORER.score(Subject(attributes, list(activities), marks), at, explain)


def cell(**known):
    fit, behaviour, *_ = [line.rule for line in score(explain=True, **known).contributions]
    return fit.removeprefix("Profile ") + behaviour.removeprefix("Engagement ")


ENGAGED = did("page_view", 1, 2, 3, 4, 5) + did("download", 10)


@pytest.mark.parametrize(
    ("attributes", "grade"),
    [
        (BEST, "A"),  # 100
        (BEST | {"industry": "farming"}, "B"),  # 60
        (BEST | {"employees": 60}, "A"),  # 86
        ({"industry": "finance"}, "C"),  # 40
        ({"title": "Head of IT"}, "C"),  # 25
        ({"employees": 60}, "D"),  # 21
        ({}, "D"),
    ],
)
def test_the_profile_has_its_grade(attributes, grade):
    assert cell(attributes=attributes) == f"{grade}4"


@pytest.mark.parametrize(
    ("activities", "level"),
    [
        (ENGAGED, "1"),  # 80
        (did("page_view", 1, 2, 3, 4, 5), "2"),  # 50
        (did("page_view", 8, 9, 10, 11, 12), "3"),  # half of 50
        (did("page_view", 1, 2), "4"),  # 20
        (did("page_view", 1, asset="/pricing"), "3"),  # 10 + 20
        (did("download", 89), "3"),
        (did("download", 90), "4"),
        ([], "4"),
    ],
)
def test_the_engagement_has_its_level(activities, level):
    assert cell(activities=activities) == f"A{level}"


@pytest.mark.parametrize(
    ("attributes", "activities", "total", "band"),
    [(BEST, ENGAGED, 100, "great"), (BEST, [], 60, "good"), ({}, ENGAGED, 40, "good"), ({}, [], 0, "bad")],
)
def test_grade_and_level_have_their_points(attributes, activities, total, band):
    found = score(attributes, activities)
    assert (found.total, found.total - found.behaviour, found.band) == (total * 100, found.fit, band)


def test_reasons_say_what_the_cell_is_made_of():
    lines = score(BEST | {"employees": 60}, did("page_view", 1, 2), explain=True).contributions
    assert [(line.axis, line.rule, line.hundredths, line.reason) for line in lines] == [
        ("fit", "Profile A", 6000, "Industry 40 of 40, Company size 21 of 35, Decides 25 of 25"),
        ("behaviour", "Engagement 4", 0, "Visits 20 of 50"),
    ]


def test_what_has_not_happened_yet_does_not_count():
    assert cell(activities=did("download", -2)) == "A4"
    assert score(activities=did("download", -2)).changes_at == NOW + 2 * DAY


def test_it_moves_by_itself_when_the_level_does():
    """The visits of a week ago count half from then on; the ones before change nothing by growing older."""
    activities = did("page_view", 1, 2, 3, 4, 5)
    moves = score(activities=activities).changes_at
    assert moves == NOW + 2 * DAY  # four of five in the last seven days: 40 of 100
    assert cell(activities=activities, at=moves - timedelta(microseconds=1)) == "A2"
    assert cell(activities=activities, at=moves) == "A3"
    assert score().changes_at is None


@pytest.mark.parametrize(("kind", "level"), [("keep", "1"), ("halve", "3"), ("reset", "4")])
def test_the_treatment_of_a_recycled_lead_counts(kind, level):
    assert cell(activities=ENGAGED, marks=[Mark(NOW, kind)]) == f"A{level}"


def test_points_of_a_person_are_a_line_of_their_own():
    mark = Mark(NOW - DAY, "manual", 50, "met at the fair", NOW + DAY, "Kim")
    found = score(activities=[], marks=[mark], explain=True)
    assert (found.total, found.changes_at) == (10_000, NOW + DAY)
    assert [line.hundredths for line in found.contributions] == [6000, 0, 5000, -1000]


happened = st.builds(
    lambda kind, hours, asset: Activity(NOW - timedelta(hours=hours), kind, asset, "", "", f"{kind}{hours}{asset}"),
    st.sampled_from(("page_view", "download", "other")),
    st.integers(-100, 3000),
    st.sampled_from(("", "pricing")),
)
people = st.fixed_dictionaries(
    {}, optional={"industry": st.sampled_from(("software", "x")), "employees": st.integers(0, 2000)}
)


@given(people, st.lists(happened, max_size=12), st.integers(0, 2000))
def test_contributions_add_up_and_between_two_changes_nothing_moves(attributes, activities, hours):
    found = score(attributes, activities, explain=True)
    assert sum(line.hundredths for line in found.contributions) == found.total == found.fit + found.behaviour
    later = NOW + timedelta(hours=hours)
    if found.changes_at is None or later < found.changes_at:
        assert score(attributes, activities, at=later).total == found.total
    if found.changes_at is not None:
        assert score(attributes, activities, at=found.changes_at).total != found.total


@given(people, people, st.lists(happened, max_size=12))
def test_a_score_is_renewed_as_it_would_be_made(before, after, activities):
    last = score(before, activities)
    made = score(after, activities)
    assert SCORER.renew(last, Subject(after, [], ()), NOW) == made


def test_the_host_offers_it_by_its_name():
    assert Host().scorers["matrix"].factory is MatrixScorer


def test_the_file_of_the_readme_is_sound():
    assert check(ConfigFile("scoring.yaml", TEXT)) == []


@pytest.mark.parametrize(
    ("right", "wrong", "complaint"),
    [
        ("weight: 40,", "weight: 30,", "4: profile: weights add up to 90, not to 100"),
        ("weight: 20,", "weight: 30,", "13: engagement: weights add up to 110, not to 100"),
        ("fit: 60", "fit: 70", "2: weights: fit and behaviour must add up to 100"),
        ("A: 75", "A: 40", "18: grades: must fall from A to C"),
        ("2: 50, 3", "3", "19: levels: no percentage for 2"),
        ("when: {industry:", "wen: {industry:", "5: profile[0].wen: unknown key; did you mean 'when'?"),
        (", when: {industry: [software, finance]}", "", "5: profile[0]: say whom it fits, with `when` or with `steps`"),
        ("{asset: {contains", "{aset: {contains", "16: engagement[2].where.aset: "),
        ("within: 90d", "within: long", "15: engagement[1].within: not a duration"),
        ("7d: 100", "7d: 0", "14: engagement[0].within: expected a percentage, 1 to 100, for each time"),
        ("times: 5", "times: 0", "14: engagement[0].times: "),
        ("share: 60", "share: 160", "10: profile[1].steps[1].share: expected a percentage, 0 to 100"),
    ],
)
def test_a_mistake_is_named_where_it_stands(right, wrong, complaint):
    assert right in TEXT
    problems = [str(problem) for problem in check(ConfigFile("scoring.yaml", TEXT.replace(right, wrong)))]
    assert any(f"scoring.yaml:{complaint}" in problem for problem in problems), problems


class TestContract(ScorerContract):
    """The gateway's own suite, with a lead that this model likes."""

    attributes = BEST
    kinds = ("page_view", "download")

    def build(self):
        return SCORER
