"""``gateway owners`` and ``gateway handoffs reassign|show``: who is there, and whose a handoff becomes."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from gateway.store import tables as t
from gateway.store.database import open_store

OWNERS = """
owners:
  - {name: kim, user: kim@sales.example, weight: 2}
  - {name: lou, user: lou@sales.example}
  - {queue: Desk}
fallback: Desk
"""


@pytest.fixture
def staffed(filled: Any) -> Any:
    filled.write("journey.yaml", (filled.root / "journey.yaml").read_text() + OWNERS)
    return filled


@pytest.fixture
def handed_over(staffed: Any) -> Any:
    """Ann is with sales: Kim's."""
    staffed.run("activate", "sales", "--existing", "handover")
    return staffed


def owner(instance: Any, name: str) -> Any:
    return next(one for one in instance.json("owners", "list")["owners"] if one["name"] == name)


def refused(instance: Any, *said: str) -> str:
    return str(instance.run(*said, code=1).stderr)


def test_the_list_tells_whose_turn_it_is(staffed: Any) -> None:
    listed = staffed.run("owners", "list").output.splitlines()
    assert listed[0].split() == ["OWNER", "WHO", "WEIGHT", "TAKES", "ZONE", "NOW", "OPEN", "TURN"]
    assert [line.split()[-1] for line in listed[1:]] == ["1", "2", "0"]
    assert "fallback" in listed[3]


def test_without_owners_the_list_says_who_decides(filled: Any) -> None:
    assert "the CRM's own rules decide" in filled.run("owners", "list").output


def test_a_handoff_shows_whose_it_is_and_why(handed_over: Any) -> None:
    [handoff] = handed_over.json("handoffs", "list")["handoffs"]
    assert (handoff["owner"], handoff["owner_name"], handoff["owner_why"]) == ("kim@sales.example", "kim", "turn")
    shown = handed_over.run("handoffs", "show", "ann@one.example").output
    assert "kim (turn)" in shown
    assert "answer due" in shown


def test_an_absence_is_noted_until_the_end_of_its_last_day(staffed: Any) -> None:
    said = staffed.json("owners", "absent", "kim", "--until", "2099-12-24", "--reason", "holidays", "--by", "Kim")
    assert said["until"] == "2099-12-24T23:00:00Z"  # midnight in Berlin
    assert owner(staffed, "kim")["gone"] == "absent"
    assert "absent until 2099-12-25 00:00:00 (holidays)" in staffed.run("owners", "list").output


def test_an_absence_to_come_is_shown(staffed: Any) -> None:
    staffed.run("owners", "absent", "lou", "--from", "2099-01-01", "--until", "2099-01-05")
    assert owner(staffed, "lou")["gone"] == ""
    assert "lou will be absent from 2099-01-01" in staffed.run("owners", "list").output


def test_who_is_back_is_there(staffed: Any) -> None:
    staffed.run("owners", "absent", "kim")
    staffed.run("owners", "back", "kim")
    assert owner(staffed, "kim")["gone"] == ""
    assert "no absence is noted" in refused(staffed, "owners", "back", "kim")


def test_a_name_nobody_has_is_refused_with_the_one_that_was_meant(staffed: Any) -> None:
    assert "no owner 'kym'; did you mean 'kim'?" in refused(staffed, "owners", "absent", "kym")


def test_a_handoff_is_given_to_somebody_else(handed_over: Any) -> None:
    given = handed_over.json("handoffs", "reassign", "ann@one.example", "lou", "--reason", "knows Ann", "--by", "Boss")
    assert (given["owner_name"], given["owner_why"]) == ("lou", "knows Ann")
    [*_, last] = handed_over.json("handoffs", "show", "ann@one.example")["clock_events"]
    assert (last["kind"], last["before"], last["owner"], last["by"]) == ("moved", "kim", "lou", "Boss")


def test_the_rules_choose_with_auto(handed_over: Any) -> None:
    assert handed_over.json("handoffs", "reassign", "ann@one.example", "--auto")["owner_name"] == "lou"


def test_who_cannot_have_it_is_refused_with_who_can(handed_over: Any) -> None:
    handed_over.run("owners", "absent", "lou")
    said = refused(handed_over, "handoffs", "reassign", "ann@one.example", "lou")
    assert "lou is absent; possible are Desk" in said


def test_a_handoff_that_has_ended_has_no_owner(handed_over: Any) -> None:
    handed_over.run("handoffs", "qualify", "ann@one.example")
    assert "it ended as sales_qualified by root on" in refused(
        handed_over, "handoffs", "reassign", "ann@one.example", "lou"
    )


def test_a_new_owner_or_auto_must_be_said(handed_over: Any) -> None:
    assert "name the new OWNER" in handed_over.run("handoffs", "reassign", "ann@one.example", code=2).stderr


def test_a_clock_that_waits_for_the_crm_says_so(handed_over: Any) -> None:
    """In the list, in the handoff, and in the status with how many there are."""
    store = open_store(handed_over.root / "var")
    with store.main.begin() as connection:
        connection.execute(update(t.handoffs).values(hearing="asked"))
    store.close()
    assert "its clock waits until sales is read" in handed_over.run("handoffs", "list").output
    assert handed_over.json("handoffs", "show", "ann@one.example")["waits_for"] == "sales"
    assert handed_over.json("status")["clocks_waiting"] == {"sales": 1}
    assert "clocks of 1 handoff wait until sales is read" in handed_over.run("status").output
