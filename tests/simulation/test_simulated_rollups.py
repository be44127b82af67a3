"""What companies' roll-ups would have been, replayed: as the sweep would have found them at the time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.contracts import Activity, Subject
from gateway.journey.rollups import Colleague, Tally, compile_rollups, wanted
from gateway.scoring.weighted import WeightedScorer
from gateway.settings.files import ConfigFile
from gateway.simulation.rollups import Course, at_time
from gateway.times import from_micros, to_micros

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DAYS = 40
SCORER = WeightedScorer(
    ConfigFile(
        "scoring.yaml",
        "maximum: {fit: 50, behaviour: 50}\n"
        "fit: [{name: Boss, when: {title: chief}, points: 30}]\n"
        "behaviour:\n"
        "  - {name: Page, activity: page_view, points: 10, half_life: 7d}\n"
        "  - {name: Demo, activity: demo, points: 30, window: 20d}\n",
    ).data
)
LISTED = {
    "engaged_leads": {},
    "personas_seen": {"window": "10d"},
    "demo_chiefs": {"count": "leads", "activity": ["demo"], "when": {"title": "chief"}, "window": "5d"},
    "at_fairs": {"count": "leads", "where": {"channel": "fair"}},
    "best_score": {"window": "12d"},
    "best_fit": {"best": "fit", "when": {"title": "chief"}},
}
ROLLUPS = compile_rollups(wanted({"rollups": LISTED}, ()))
activities = st.builds(
    Activity,
    st.integers(0, 160 * 24 * 60).map(lambda minutes: NOW - timedelta(minutes=minutes)),
    st.sampled_from(["page_view", "demo"]),
    channel=st.sampled_from(["", "fair"]),
)
people = st.lists(
    st.tuples(
        st.sampled_from(["chief", "clerk"]),
        st.sampled_from(["a", "b"]),
        st.lists(activities, max_size=8).map(lambda found: sorted(found, key=lambda one: one.at)),
    ),
    max_size=5,
)


def colleagues(found: Any) -> list[Colleague]:
    return [
        Colleague(
            str(place),
            persona,
            {"title": title},
            done,
            partial(SCORER.score, Subject({"title": title}, done, (), persona)),
        )
        for place, (title, persona, done) in enumerate(found)
    ]


@given(people)
@settings(max_examples=60, deadline=None)
def test_a_course_is_what_a_sweep_would_have_found_at_the_end_of_each_day(found: Any) -> None:
    """Every number of every roll-up, on each of the days."""
    since, until = (to_micros(at) for at in (NOW - timedelta(days=DAYS), NOW))
    course = Course(ROLLUPS, since, until)
    for one in colleagues(found):
        course.add(one, 0)
    steps = course.steps()
    assert steps[0].at == since
    assert all(before.numbers != after.numbers for before, after in pairwise(steps))
    for day in range(DAYS):
        at = NOW - timedelta(days=day, microseconds=1)
        tally = Tally(ROLLUPS, at)
        for one in colleagues(found):
            tally.add(one)
        expected = {f"company.{name}": number for name, number in tally.numbers().items()}
        assert dict(at_time(steps, to_micros(at)).numbers) == expected, from_micros(to_micros(at))


def test_nobody_is_a_colleague_before_coming() -> None:
    """A best score is that of leads that were there."""
    since, until = (to_micros(at) for at in (NOW - timedelta(days=DAYS), NOW))
    course = Course(compile_rollups(wanted({}, ["company.best_score"])), since, until)
    (chief,) = colleagues([("chief", "a", [])])
    came = to_micros(NOW - timedelta(days=3))
    course.add(chief, came)
    assert [(step.at, dict(step.numbers)) for step in course.steps()] == [
        (since, {}),
        (came, {"company.best_score": SCORER.score(Subject({"title": "chief"}, (), (), ""), NOW).total / 100}),
    ]
