"""The words of notices: names that are cut, times of whom it is for, nothing else of a person."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gateway.journey.notify import KINDS, OF_HANDOFFS, STEP
from gateway.notices.messages import About, begun, digest, many, moment, name_of, over
from gateway.times import to_micros

BERLIN, TOKYO = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Tokyo")
AT = to_micros(datetime(2026, 3, 29, 0, 30, tzinfo=UTC))


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ({"first_name": "Ann", "last_name": "Lee", "company_name": "One"}, "Ann Lee (One)"),
        ({"last_name": "Lee", "company.name": "One"}, "Lee (One)"),
        ({"company_name": "One", "email": "ann@one.example"}, "One"),
        ({"email": "ann@one.example", "phone": "+49 30 1"}, "a lead"),
        ({"first_name": " \n "}, "a lead"),
        ({"first_name": "Ann\r\nBcc: x", "last_name": "a\x00b"}, "Ann Bcc: x a b"),
        ({"last_name": "x" * 200}, "x" * 79 + "…"),
        ({"last_name": "\u202egnp.exe"}, "gnp.exe"),
    ],
)
def test_a_name_is_one_line_and_no_address(attributes: Any, name: str) -> None:
    assert name_of(attributes) == name


@pytest.mark.parametrize(
    ("zone", "shown"),
    [(BERLIN, "Sun 29 Mar 2026, 01:30 (Europe/Berlin)"), (TOKYO, "Sun 29 Mar 2026, 09:30 (Asia/Tokyo)")],
)
def test_a_time_is_of_the_readers_zone(zone: ZoneInfo, shown: str) -> None:
    assert moment(AT, zone) == shown


@pytest.mark.parametrize("kind", [*KINDS, STEP])
def test_every_kind_has_words(kind: str) -> None:
    """Of a lead with its link, of a system with since when; both with one line as subject."""
    handoff = {
        "owner": "rep",
        "system": "crm",
        "stage": "mql",
        "bucket": "recycled",
        "period_ends": AT,
        "response_due": None,
    }
    about = About(kind, "crm is away: why", AT, BERLIN, "Ann", "https://crm.example/1", "1" * 32, handoff)
    message = begun(about)
    assert message.subject
    assert "\n" not in message.subject
    assert ("https://crm.example/1" in message.text) == (kind in OF_HANDOFFS)
    if kind not in OF_HANDOFFS:
        assert "This is over" in over(about, AT).text


def test_without_a_link_the_command_shows_the_lead() -> None:
    about = About("new handoff", "", AT, BERLIN, "Ann", "", "1" * 32, {"system": "crm"})
    assert begun(about).text.endswith("gateway leads show " + "1" * 32)


def test_a_digest_of_nothing_is_none() -> None:
    assert digest([], {"open": 0, "late": 0}, BERLIN) is None
    assert digest([], None, BERLIN) is None


def test_a_digest_counts_what_waits_and_lists_what_lasts() -> None:
    found = digest([About("paused", "crm is paused", AT, BERLIN)], {"open": 3, "late": 1}, BERLIN)
    assert found is not None
    assert found.subject == "Still open: handoffs 3, troubles 1"
    assert "Handoffs open: 3, 1 of them late for an answer." in found.text
    assert "- paused: crm is paused (since Sun 29 Mar 2026, 01:30 (Europe/Berlin))" in found.text


def test_many_at_once_name_nobody() -> None:
    assert many("new handoff", 12).subject == "12 × new handoff"
