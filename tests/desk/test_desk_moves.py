"""How a score moved, drawn, and why one value of several counts, in words."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from gateway.answers.lead import decided_by
from gateway.past import Point
from gateway.web.desk.moves import picture

IN, NEWEST, FILLS = (
    SimpleNamespace(to="title", sync=word, prefer=None, blank="keep") for word in ("in", "newest", "only if blank")
)
PREFERRED = SimpleNamespace(to="title", sync="prefer", prefer="crm", blank="keep")


@pytest.mark.parametrize(
    ("field", "said", "words"),
    [
        ("title", [], ""),
        ("title", [("crm", IN)], "nobody else says it"),
        ("title", [("crm", NEWEST), ("ma", NEWEST)], "it is the newest"),
        ("title", [("crm", PREFERRED), ("ma", NEWEST)], "crm is preferred"),
        ("title", [("crm", NEWEST), ("ma", FILLS)], "the others only fill it where it is blank"),
        ("do_not_email", [("crm", NEWEST), ("ma", NEWEST)], "an opt-out counts, whoever says it"),
    ],
)
def test_the_rule_that_decided_is_said(field: str, said: list[tuple[str, SimpleNamespace]], words: str) -> None:
    assert decided_by(field, "crm", said) == words


def test_a_score_is_drawn_as_steps() -> None:
    """Half the time at 20 points, then at 70: up from below, with the threshold where it lies."""
    first, last = (datetime(2026, 1, day, tzinfo=UTC) for day in (1, 3))
    points = [Point(at, total, 0, 0, "good", "", "news") for at, total in ((last, 7000), (first, 2000))]
    drawn = picture(points, datetime(2026, 1, 5, tzinfo=UTC), [5000, 5000])
    assert drawn == {
        "path": "M0 40.0H100.0V15.0H200",
        "lines": [{"y": 25.0, "words": "50"}],
        "begin": "2026-01-01",
        "end": "2026-01-05",
    }
    assert picture([], last, []) is None
    assert picture(points[:1], last, []) is None
