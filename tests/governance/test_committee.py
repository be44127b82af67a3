"""committee.yaml: its mistakes, and when the next meeting is due."""

from __future__ import annotations

from datetime import date

import pytest

from gateway.governance.committee import check_committee, compile_committee
from gateway.settings.files import ConfigFile

SOUND = """
members:
  - {name: Ann, email: ann@example.com, team: marketing}
  - {name: Ben, email: ben@example.com, team: sales}
meets: MEETS
first: FIRST
"""


def committee(meets: str = "quarterly", first: str = "2026-01-31"):
    return compile_committee(ConfigFile("committee.yaml", SOUND.replace("MEETS", meets).replace("FIRST", first)))


@pytest.mark.parametrize(
    ("meets", "held", "due"),
    [
        ("quarterly", None, "2026-01-31"),
        ("quarterly", "2026-01-31", "2026-04-30"),
        ("quarterly", "2026-02-10", "2026-04-30"),  # late: the next is not moved
        ("quarterly", "2026-01-20", "2026-04-30"),  # early: it was that one
        ("quarterly", "2025-12-01", "2026-04-30"),
        ("quarterly", "2026-04-20", "2026-07-31"),
        ("monthly", "2026-02-27", "2026-03-31"),
        ("yearly", "2027-01-15", "2028-01-31"),
        ("half-yearly", "2026-08-02", "2027-01-31"),
    ],
)
def test_the_next_meeting_follows_from_the_first_and_the_last(meets, held, due):
    assert committee(meets).due(date.fromisoformat(held) if held else None) == date.fromisoformat(due)


def test_every_mistake_is_told_with_its_line():
    text = """
members:
  - {name: Ann, email: ann@example.com, team: marketing}
  - {name: Eve, email: ANN@example.com, team: marketing}
first: 2026-01-31
"""
    told = [str(one) for one in check_committee(ConfigFile("committee.yaml", text))]
    assert told == [
        "committee.yaml:4: members[1].email: is member 1, too",
        "committee.yaml:2: members: nobody of sales: both teams decide together",
    ]
    text = SOUND.replace("MEETS", "weekly").replace("FIRST", "soon").replace("team: sales", "team: it")
    told = [str(one) for one in check_committee(ConfigFile("committee.yaml", text))]
    assert len(told) == 3
    assert any("committee.yaml:6: first: write a day" in one for one in told)
