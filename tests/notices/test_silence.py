"""When a source counts as silent: table of how it spoke."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.notices.silence import DAY, HOUR, heard, silent, usual


def spoken(times: list[int]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for at in times:
        kept = heard(kept, at, at)
    return kept


EVERY_8H = [hours * HOUR for hours in range(0, 24 * 9, 8)]


@pytest.mark.parametrize(
    ("times", "after", "expected"),
    [
        (EVERY_8H, 16 * HOUR, None),  # twice its usual gap, and no more
        (EVERY_8H, 17 * HOUR, 17 * HOUR),
        (EVERY_8H[:15], 400 * HOUR, None),  # not known for a week
        ([day * DAY for day in range(10)], 30 * DAY, None),  # heard of a few times only
        ([minute * HOUR // 60 for minute in range(9 * 24 * 60)], 2 * HOUR, None),  # every minute: an hour is nothing
        ([minute * HOUR // 60 for minute in range(9 * 24 * 60)], 3 * HOUR, 3 * HOUR),
        # office hours: a night of 16 hours and a week-end of 64 are usual
        ([(d * 24 + h) * HOUR for d in range(12) if d % 7 < 5 for h in range(9, 18)], 100 * HOUR, None),
        ([(d * 24 + h) * HOUR for d in range(12) if d % 7 < 5 for h in range(9, 18)], 130 * HOUR, 130 * HOUR),
    ],
)
def test_silent_is_more_than_twice_the_longest_gap_of_two_weeks(times: list[int], after: int, expected: Any) -> None:
    kept = spoken(times)
    assert silent(kept, kept["last"] + after) == expected


def test_an_old_gap_is_forgotten_after_two_weeks() -> None:
    """A holiday makes a source usual to be silent for two weeks only."""
    kept = spoken([0, *(20 * DAY + at for at in EVERY_8H)])
    assert usual(kept) == 20 * DAY
    kept = spoken([0, *(20 * DAY + hours * HOUR for hours in range(0, 24 * 16, 8))])
    assert usual(kept) == 8 * HOUR


def test_what_comes_late_is_no_gap_backwards() -> None:
    kept = heard(spoken(EVERY_8H), 5 * HOUR, 6 * HOUR)
    assert (kept["last"], min(kept["gaps"].values())) == (EVERY_8H[-1], 8 * HOUR)
