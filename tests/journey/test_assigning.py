"""Whose a handoff becomes: the rules in their order, over those who are there."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gateway.journey.assigning import Away, Roster, User
from gateway.journey.hours import CalendarForm
from gateway.journey.journey import compile_journey
from gateway.settings.files import ConfigFile

FILE = """
calendars: {office: {zone: Europe/Berlin, hours: {mon-fri: "09:00-17:00"}}}
follow_up: {calendar: office}
owners:
  - {name: anna, user: anna@x.example}
  - {name: bob, user: "0051"}
  - {name: dora, user: dora@x.example, territory: {country: [DE, AT]}}
  - {name: emil, user: emil@x.example, territory: {country: DE}, weight: 3}
  - {name: zoe, user: zoe@x.example, weight: 0}
  - {name: inbox, queue: Inbound leads}
fallback: inbox
"""
ANNA = User("0050", "anna@x.example", "Anna Berg")
BOB = User("0051", "bob@x.example", "Bob Oh", zone=ZoneInfo("America/New_York"))
QUEUE = User("00G1", "", "Inbound leads")
OTHERS = tuple(User(f"{name}@x.example", f"{name}@x.example") for name in ("dora", "emil", "zoe"))
NOON = datetime(2026, 6, 3, 10, tzinfo=UTC)  # a Wednesday: at work in Berlin, not yet in New York
NIGHT = datetime(2026, 6, 3, 1, tzinfo=UTC)


def roster(*absent: str, users: tuple[User, ...] = (ANNA, BOB, QUEUE, *OTHERS), text: str = FILE) -> Roster:
    journey = compile_journey(ConfigFile("journey.yaml", text))
    away = {name: Away(None, "") for name in absent}
    return Roster(journey.owners, journey.follow_up.calendar, {"crm": users}, away)


CASES: dict[str, tuple[Roster, dict[str, Any], tuple[str, ...], datetime, tuple[str, str]]] = {
    "the account's owner comes first": (
        roster(), {"country": "DE"}, ("0050",), NOON, ("0050", "account owner")),
    "who owns it but is not on the roster does not count": (
        roster(), {}, ("0059",), NOON, ("0050", "turn")),
    "the company's owner counts when the lead's own is nobody of ours": (
        roster(), {}, ("0059", "0051"), NOON, ("0051", "account owner")),
    "an owner without turns keeps their accounts": (
        roster(), {}, ("zoe@x.example",), NOON, ("zoe@x.example", "account owner")),
    "an absent owner of the account is passed over": (
        roster("anna"), {"country": "AT"}, ("0050",), NOON, ("dora@x.example", "territory: country is DE or AT")),
    "a territory goes before the turns of all": (
        roster(), {"country": "AT"}, (), NOON, ("dora@x.example", "territory: country is DE or AT")),
    "who is at work goes before who is not": (
        roster("anna"), {}, (), NOON, ("0051", "turn")),
    "when nobody is at work somebody's turn it is all the same": (
        roster(), {}, (), NIGHT, ("0050", "turn")),
    "the fallback gets it when nobody is there": (
        roster("anna", "bob"), {}, (), NOON, ("00G1", "fallback: nobody is there")),
    "who is not active over there takes nothing": (
        roster("bob", users=(ANNA._replace(active=False), QUEUE)), {}, (), NOON,
        ("00G1", "fallback: nobody is there")),
    "without any user that the CRM told of, journey.yaml's own words are used": (
        roster(users=()), {}, (), NOON, ("anna@x.example", "turn")),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_choice(case: Any) -> None:
    given, attributes, theirs, at, wanted = case
    assert tuple(given.choose("crm", attributes, theirs, at)) == wanted


def test_turns_go_round() -> None:
    one = roster()
    assert [one.choose("crm", {}, (), NIGHT).owner for _ in range(4)] == ["0050", "0051", "0050", "0051"]


def test_turns_of_a_territory_are_by_weight() -> None:
    one = roster()
    got = [one.choose("crm", {"country": "DE"}, (), NOON).owner for _ in range(8)]
    assert (got.count("dora@x.example"), got.count("emil@x.example")) == (2, 6)


def test_who_had_it_does_not_get_it_again() -> None:
    """Anna, then Bob, then nobody is left: the fallback."""
    one, had = roster(), list[str]()
    for _ in range(3):
        had.append(one.choose("crm", {}, (), NIGHT, had).owner)
    assert had == ["0050", "0051", "00G1"]
    assert one.choose("crm", {}, ("0050",), NIGHT, had).why == "fallback: nobody else is there"


def test_an_id_is_known_with_and_without_its_check_digits() -> None:
    one = roster(users=(User("005AAAAAAAAAAAAQQQ", "anna@x.example"),))
    assert one.user("crm", "005AAAAAAAAAAAA") == one.user("crm", "Anna@X.example")


def test_an_owner_keeps_the_hours_of_their_own_clocks() -> None:
    """Bob's zone in the CRM replaces that of the office; who has none keeps the office's."""
    zones = [calendar.zone.key for who in ("0050", "0051") if (calendar := roster().calendar_of("crm", who))]
    assert zones == ["Europe/Berlin", "America/New_York"]


def test_a_zone_in_the_file_beats_that_of_the_crm() -> None:
    one = roster(text=FILE.replace('user: "0051"', 'user: "0051", zone: Asia/Tokyo'))
    calendar = one.calendar_of("crm", "0051")
    assert calendar is not None
    assert calendar.zone.key == "Asia/Tokyo"


def test_whom_the_crm_does_not_know_takes_nothing() -> None:
    """A slip in an address would give what they get to nobody; where nothing is told of users, all are taken."""
    told = roster(users=(BOB, QUEUE))
    assert told.gone("crm", "anna") == "not known in crm"
    assert told.choose("crm", {}, (), NOON) == ("0051", "turn")
    assert roster(users=()).gone("crm", "anna") == ""


def test_who_is_out_is_named_as_either_side_knows_them_but_never_the_fallback() -> None:
    one = roster("anna", "inbox", users=(ANNA, BOB._replace(active=False), QUEUE, *OTHERS))
    assert set(one.out("crm")) == {"anna@x.example", "0050", "0051"}


def test_a_calendar_of_ones_own() -> None:
    text = FILE.replace("anna@x.example}", "anna@x.example, calendar: late}")
    text = text.replace("calendars: {", 'calendars: {late: {zone: Europe/Berlin, hours: {mon-fri: "12:00-20:00"}}, ')
    late = CalendarForm().load({"zone": "Europe/Berlin", "hours": {"mon-fri": "12:00-20:00"}})
    assert roster(text=text).calendar_of("crm", "0050") == late
