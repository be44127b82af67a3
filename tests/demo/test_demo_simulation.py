"""The made-up weeks of the demo: the same every time, and of every kind a gateway must bear."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from gateway.demo import simulation

END = datetime(2026, 11, 3, 12, tzinfo=UTC)


def events():
    return [event for hook in simulation.hooks(END) if hook.kind == "visit" for event in json.loads(hook.body)]


def test_same_start_gives_the_same_weeks():
    """Nothing is left to chance: two runs send the same bytes."""
    assert simulation.hooks(END) == simulation.hooks(END)


def test_weeks_move_with_their_end():
    """A week later the same people do the same things a week later."""
    later = [hook.kind for hook in simulation.hooks(END + timedelta(days=7))]
    assert later == [hook.kind for hook in simulation.hooks(END)]
    assert simulation.hooks(END + timedelta(days=7)) != simulation.hooks(END)


def test_visits_come_in_the_order_they_happened():
    """The web site calls when something happens, so the first events of its calls are in order."""
    first = [json.loads(hook.body)[0]["at"] for hook in simulation.hooks(END) if hook.kind == "visit"]
    assert first == sorted(first)
    assert END - timedelta(weeks=simulation.WEEKS) < datetime.fromisoformat(first[0])
    assert datetime.fromisoformat(max(event["at"] for event in events())) < END


def test_every_kind_of_call_is_there_once():
    """Besides the visits one repeat, one forgery and one unreadable body, each with the answer it must get."""
    found = Counter((hook.kind, hook.status) for hook in simulation.hooks(END) if hook.kind != "visit")
    assert found == {("again", 200): 1, ("forged", 401): 1, ("unreadable", 200): 1}


def test_repeat_is_the_bytes_of_an_earlier_call():
    """A sender whose answer was lost sends the same once more."""
    hooks = simulation.hooks(END)
    again = next(hook for hook in hooks if hook.kind == "again")
    assert [hook.kind for hook in hooks if hook.body == again.body] == ["visit", "again"]


def test_people_are_many_and_each_visits():
    """Forty people with addresses of their own, and an event id is never used twice."""
    people = simulation.people()
    assert len({person.form["email"] for person in people}) == len(people) == simulation.PEOPLE
    assert {event["visitor"] for event in events()} == {person.visitor for person in people}
    assert len({event["event"] for event in events()}) == len(events())


@pytest.mark.parametrize(
    ("verdict", "statuses"),
    [
        ("won", ["Accepted", "Qualified", "Won"]),
        ("qualified", ["Accepted", "Qualified"]),
        ("rejected", ["Accepted", "Rejected"]),
        ("recycled", ["Accepted", "Nurture"]),
        ("", ["Accepted"]),  # nobody was expected here: sales takes it and says no more
    ],
)
def test_sales_answers_step_by_step(verdict, statuses):
    """Each change of status is a row of its own, a second after the one before; reasons and amounts only at the end."""
    person = next(person for person in simulation.people() if person.verdict == verdict)
    rows = simulation.answers([{"key": "k", "Email": person.form["email"]}], END)
    assert [row["Status"] for row in rows] == statuses
    assert [row["StatusAt"] for row in rows] == sorted({row["StatusAt"] for row in rows})
    assert all(not row["Reason"] and not row["Amount"] for row in rows[:-1])
    assert bool(rows[-1]["Reason"]) == (verdict in ("rejected", "recycled"))
    assert bool(rows[-1]["Amount"]) == (verdict == "won")


def test_outcomes_are_counted_by_what_sales_said():
    """The numbers that the funnel is held against."""
    rows = [{"key": person.visitor, "Email": person.form["email"]} for person in simulation.people() if person.verdict]
    counted = simulation.outcomes(simulation.answers(rows, END))
    assert counted["accepted"] == len(rows)
    assert counted["won"] == sum(person.verdict == "won" for person in simulation.people())
