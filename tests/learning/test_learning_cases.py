"""What was known when a lead was judged, and what nobody may learn from."""

from __future__ import annotations

import random

import pytest

from gateway.contracts import Activity, Subject
from gateway.errors import Refused
from gateway.learning.case import Case, Past, Told, Value, cases
from gateway.learning.leaks import leaks
from gateway.times import from_micros

NOON = 1_700_000_000_000_000
H = 3_600_000_000


def past(values=(), told=((NOON, "won"),), handoffs=(), activities=(), dated=True):
    return Past(
        "a", "cfo", NOON - 100 * H, {name: Value(name, at, known) for name, at, known in values},
        [(Activity(from_micros(at), kind, id=kind), known) for kind, at, known in activities],
        [Told(at, outcome, dated) for at, outcome in told], list(handoffs),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("told", "handoffs", "moment", "judged", "won"),
    [
        ([(NOON, "won")], [], NOON, "end", True),
        ([(NOON, "won")], [NOON - 2 * H], NOON - 2 * H, "handoff", True),
        ([(NOON, "lost")], [NOON - 9 * H, NOON - 2 * H, NOON + H], NOON - 2 * H, "handoff", False),  # the last before
        ([(NOON - 5 * H, "accepted"), (NOON, "lost")], [], NOON - 5 * H, "first word", False),
        ([(NOON - 5 * H, "rejected"), (NOON, "won")], [], NOON - 5 * H, "first word", True),  # won in the end
    ],
)
def test_a_lead_is_judged_when_it_was_handed_over(told, handoffs, moment, judged, won):
    [case] = cases([past(told=told, handoffs=handoffs)])
    assert (case.at, case.judged, case.won) == (from_micros(moment), judged, won)


def test_a_lead_without_an_end_is_no_case():
    assert cases([past(told=[(NOON, "accepted"), (NOON, "recycled")])]) == []


def test_only_what_was_known_by_then_is_learned_from():
    """What was told later, with the end, or of unknown time is kept apart; activities after it do not count."""
    values = [
        ("before", NOON - 3 * H, True),
        ("between", NOON - H, True),
        ("with", NOON, True),
        ("when", NOON - 3 * H, False),
    ]
    did = [
        ("old", NOON - 3 * H, True),
        ("same", NOON - 2 * H, True),
        ("late", NOON - H, True),
        ("vague", NOON - 3 * H, False),
    ]
    one = past(values, handoffs=[NOON - 2 * H], activities=did)
    [case] = cases([one])
    assert set(case.subject.attributes) == {"before"}
    assert (set(case.late), set(case.undated)) == ({"between", "with"}, {"when"})
    assert [each.kind for each in case.subject.activities] == ["old", "same"]
    assert case.undated_kinds == {"vague"}
    [case] = cases([one], undated=True, forced=["with"])
    assert set(case.subject.attributes) == {"before", "when", "with"}
    assert [each.kind for each in case.subject.activities] == ["old", "same", "vague"]
    assert case.trusted == {"when"}


def test_of_two_times_of_receipt_the_order_counts():
    """Nobody knows when either was so; but what came with the end, or after it, came too late."""
    values = [("earlier", NOON - H, False), ("with", NOON, False)]
    [case] = cases([past(values, dated=False)], undated=True)
    assert set(case.subject.attributes) == {"earlier"}
    assert set(case.late) == {"with"}
    [case] = cases([past(values, dated=True)], undated=True)  # the end's own time says nothing of theirs
    assert set(case.subject.attributes) == {"earlier", "with"}


def test_cases_are_ordered_as_asked():
    def lead(name, order):
        return Past(name, "", 0, {"number": Value(order, 0, True)}, [], [Told(NOON, "won", True)], [])

    found = cases([lead("a", 3), lead("b", "1"), lead("c", 2.5)], "number")
    assert [case.lead for case in found] == ["b", "c", "a"]
    found = cases([lead("a", "2026-02-01"), lead("b", "2025-12-31T10:00:00Z")], "number")
    assert [case.lead for case in found] == ["b", "a"]
    with pytest.raises(Refused, match=r"--order-by number: 1 of 1 leads have no number and no time there"):
        cases([lead("a", "soon")], "number")


# -- the leak guard ----------------------------------------------------------------------------------------------------


def guarded(value_of, late=False, undated=False, trusted=False, count=400):
    """The guard's word on one attribute; ``value_of(number, won, chance)`` gives it."""
    chance = random.Random(1)
    found = []
    for number in range(count):
        won = chance.random() < 0.3
        value = value_of(number, won, chance)
        known = {} if value is None else {"it": value}
        kept = frozenset(known) if trusted else frozenset()
        found.append(
            Case(
                str(number), won, from_micros(NOON), "handoff", number, Subject({} if late or undated else known),
                known if late else {}, known if undated else {}, frozenset(), kept,
            )
        )  # fmt: skip
    return [(leak.attribute, leak.why) for leak in leaks(found)]


@pytest.mark.parametrize(
    ("value_of", "how", "why"),
    [
        (lambda number, won, chance: "x", {"late": True}, "after"),
        (lambda number, won, chance: "x", {"undated": True}, "undated"),
        (lambda number, won, chance: "closing" if won else "asking", {}, "too good"),
        (lambda number, won, chance: 900 + chance.random() if won else chance.random(), {}, "too good"),
        (lambda number, won, chance: "x" if won else None, {}, "too good"),  # that it is known says it all
        (lambda number, won, chance: "x" if not 100 < number < 250 else None, {"trusted": True}, "in batches"),
        (lambda number, won, chance: "x" if not 100 < number < 250 else None, {}, None),  # its time is known: fine
        (lambda number, won, chance: "x" if number > 200 else None, {"trusted": True}, None),  # a new field
        (lambda number, won, chance: "big" if won == (chance.random() < 0.8) else "small", {}, None),  # good, not too
        (lambda number, won, chance: chance.choice("abc"), {"trusted": True}, None),
        (lambda number, won, chance: f"{number}@example.org", {}, None),  # one of its own for every lead tells nothing
    ],
)
def test_what_may_know_the_end_is_named(value_of, how, why):
    assert guarded(value_of, **how) == ([("it", why)] if why else [])


def test_a_name_that_sales_give_is_named_only_while_nobody_knows_when():
    def case(number, trusted):
        known = {"lead_quality": random.Random(number).choice("ab")}
        kept = frozenset(known) if trusted else frozenset()
        return Case(
            str(number), number % 3 == 0, from_micros(NOON), "end", number, Subject(known), {}, {}, frozenset(), kept
        )

    assert [leak.why for leak in leaks([case(number, True) for number in range(90)])] == ["name"]
    assert leaks([case(number, False) for number in range(90)]) == []
    [leak] = leaks(
        [case(number, True) for number in range(90)], ["lead_quality"], {"lead_quality": "Lead Quality of crm"}
    )
    assert leak.forced
    assert leak.name == "lead_quality (Lead Quality of crm)"
