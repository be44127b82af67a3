"""What sales are told is made when a handoff opens, by the clock of who has it, and kept."""

from __future__ import annotations

from typing import Any

from small_instance import JOURNEY, Small, days

from gateway.store import tables as t

ANN = {"kind": "contact", "id": "1", "title": "CEO", "page": "/pricing", "at": days(1)}
AGREED = (
    JOURNEY
    + "follow_up: {response: 4h, period: 5d, calendar: office}\n"
    + """
calendars:
  office: {zone: Europe/Berlin, hours: {mon-fri: "09:00-17:00"}}
  tokyo: {zone: Asia/Tokyo, hours: {mon-fri: "09:00-17:00"}}
package:
  next_step: [{when: {assets: {contains: pricing}}, say: Talk about prices}]
"""
)


def package(small: Small) -> dict[str, Any]:
    [(one,)] = small.rows(t.handoffs, "package")
    return one


def test_times_are_those_of_the_calendar_in_which_the_deadline_was_agreed(tmp_path: Any) -> None:
    """Handed over at 2 in the night in Berlin: four hours of work from nine on."""
    small = Small(tmp_path, journey=AGREED)
    small.take("site", ANN)
    assert "Answer by Mon 1 Jun 2026, 13:00 (Europe/Berlin)." in package(small)["task"].split("\n")
    assert package(small)["zone"] == "Europe/Berlin"


def test_whoever_has_it_is_told_by_their_own_clock(tmp_path: Any) -> None:
    small = Small(tmp_path, journey=AGREED + "owners: [{user: U1, name: Aya, calendar: tokyo}]\nfallback: Aya\n")
    small.take("site", ANN)
    assert "Answer by Mon 1 Jun 2026, 13:00 (Asia/Tokyo)." in package(small)["task"].split("\n")


def test_without_a_calendar_the_instance_clock_tells(tmp_path: Any) -> None:
    small = Small(tmp_path)
    small.take("site", ANN)
    assert "Answer by Mon 1 Jun 2026, 04:00 (UTC)." in package(small)["task"].split("\n")


def test_a_package_stays_as_it_was_when_the_handoff_opened(tmp_path: Any) -> None:
    """What the lead does later, and what becomes of it, is told elsewhere."""
    small = Small(tmp_path, journey=AGREED)
    small.take("site", ANN)
    before = package(small)
    assert before["next_step"] == "Talk about prices"
    small.take("site", ANN | {"page": "/jobs", "title": "Clerk", "at": days(0.5)})
    small.take("crm", {"id": "r1", "at": days(0), "state": "Working"})
    assert package(small) == before
