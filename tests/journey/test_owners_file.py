"""Owners in journey.yaml: every mistake is told at its line."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.journey.check import check
from gateway.journey.journey import compile_journey
from gateway.settings.files import ConfigFile

GOOD = """\
stages: [{name: target, shared: target},
  {name: mql, shared: mql, entry: {score: 50}, steps: [{handoff: crm}]},
  {name: won, shared: won, entry: {outcome: [won]}}]
calendars:
  office: {zone: Europe/Berlin, hours: {mon-fri: "09:00-17:00"}}
follow_up: {calendar: office, warn: 80, escalate: 100, reassign: 150}
owners:
  - {user: anna@x.example, weight: 2, territory: {country: [DE, AT]}}
  - {name: bob, user: 77001, calendar: office, zone: Europe/London}
  - {queue: Desk, system: crm, name: desk}
  - {queue: Inbound}
assign: [territory, round_robin]
fallback: Inbound
"""
MISTAKES = {
    "no fallback": ("fallback: Inbound\n", "", ":7: owners: who gets a lead when no rule finds an owner? Say it with"),
    "an unknown fallback": ("fallback: Inbound", "fallback: Inbond", ":13: fallback: no such owner; did you mean"),
    "a fallback of one system": ("fallback: Inbound", "fallback: desk", ":13: fallback: takes handoffs to crm only"),
    "nobody": ("queue: Inbound", "weight: 1", ":11: owners[3]: says nobody, or two: write user: or queue:"),
    "two": ("{queue: Inbound", "{user: a, queue: Inbound", ":11: owners[3]: says nobody, or two"),
    "one name twice": ("name: bob", "name: desk", ":10: owners[2]: 'desk' is here twice"),
    "an unknown calendar": ("calendar: office, zone", "calendar: ofice, zone", ":9: owners[1].calendar: no such"),
    "an unknown system": ("system: crm", "system: cmr", ":10: owners[2].system: no such system; did you mean 'crm'?"),
    "an unknown zone": ("Europe/London", "Europe/Londn", ":9: owners[1].zone: no such time zone; did you mean"),
    "a weight below none": ("weight: 2", "weight: -2", ":8: owners[0].weight: expected a number from 0"),
    "a territory that is none": ("{country: [DE, AT]}", "DACH", ":8: owners[0].territory: expected a condition"),
    "an unknown rule": ("round_robin]", "round_robbin]", ":12: assign[1]: no such rule; did you mean 'round_robin'?"),
    "a rule twice": ("round_robin]", "territory]", ":12: assign[1]: 'territory' is here twice"),
    "no percent": ("warn: 80", "warn: soon", ":6: follow_up.warn: expected a whole number of percent"),
    "a percent of nothing": ("reassign: 150", "reassign: 0", ":6: follow_up.reassign: expected a whole number of"),
}  # fmt: skip


def problems(text: str) -> list[str]:
    return [str(one) for one in check(ConfigFile("journey.yaml", text), None, ["crm", "mail"])]


def test_a_sound_file_has_no_problem() -> None:
    assert problems(GOOD) == []


@pytest.mark.parametrize("case", MISTAKES.values(), ids=MISTAKES.keys())
def test_mistake(case: tuple[str, str, str]) -> None:
    good, bad, told = case
    assert good in GOOD
    found = problems(GOOD.replace(good, bad, 1))
    assert [one for one in found if one.startswith(f"journey.yaml{told}")], found


def test_reassigning_needs_owners() -> None:
    found = problems("follow_up: {reassign: 150}\n")
    assert found == ["journey.yaml:1: follow_up.reassign: nobody to give it to; list them under `owners:`"]


def test_assign_needs_owners() -> None:
    assert problems("assign: [round_robin]\n") == [
        "journey.yaml:1: assign: nobody to assign to; list them under `owners:`"
    ]


def test_what_is_left_out_has_its_default() -> None:
    """Names are those of users and queues, the fallback takes no turns, warnings come at 80 %."""
    journey = compile_journey(ConfigFile("journey.yaml", GOOD.replace("warn: 80, escalate: 100, ", "")))
    names = [(one.name, one.who, one.weight) for one in journey.owners.listed]
    assert names == [
        ("anna@x.example", "anna@x.example", 2),
        ("bob", "77001", 1),
        ("desk", "Desk", 1),
        ("Inbound", "Inbound", 0),
    ]
    assert (journey.follow_up.warn, journey.follow_up.escalate, journey.follow_up.reassign) == (80, 100, 150)


def test_never_is_a_percent() -> None:
    assert compile_journey(ConfigFile("journey.yaml", "follow_up: {warn: never}\n")).follow_up.warn is None


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.sampled_from(["desk", "crm", "office", "never"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["user", "queue", "name", "weight", "system", "territory", "zone"]), inner, max_size=4
        )
    ),
    max_leaves=8,
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(("owners", "assign", "fallback", "follow_up"), ANYTHING)))
def test_whatever_stands_there_is_answered_with_problems(data: dict[str, Any]) -> None:
    file = ConfigFile("journey.yaml", json.dumps(data))
    assert all(one.line >= 1 for one in check(file, None, ["crm"]))


def test_an_entry_that_is_none_does_not_move_the_others_lines() -> None:
    found = problems(
        GOOD.replace("  - {name: bob", "  - nobody\n  - {name: bob").replace(
            "calendar: office, zone", "calendar: x, zone"
        )
    )
    assert [one.partition(" ")[0] for one in found] == ["journey.yaml:9:", "journey.yaml:10:"]
