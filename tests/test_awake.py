"""The clock of who watches others: while it did not run itself, nothing is counted."""

from __future__ import annotations

import pytest

from gateway.awake import Awake


class Clock:
    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def looks(awake: Awake, clock: Clock, *gaps: float) -> None:
    for gap in gaps:
        clock.seconds += gap
        awake.look()


def test_who_looks_often_counts_everything(clock: Clock) -> None:
    """Also a look that came a little late."""
    awake = Awake(2.0, clock)
    looks(awake, clock, 0.1, 1.9, 2.0)
    assert awake.since(100.0) == pytest.approx(4.0)
    assert awake.since(103.0) == pytest.approx(1.0)


def test_what_lies_between_two_looks_counts_two_seconds_at_most(clock: Clock) -> None:
    """Each time it stood still, and whether or not anybody has looked since."""
    awake = Awake(2.0, clock)
    looks(awake, clock, 1.0, 40.0, 1.0, 600.0)
    assert awake.since(100.0) == pytest.approx(1 + 2 + 1 + 2)
    clock.seconds += 40.0
    assert awake.since(100.0) == pytest.approx(1 + 2 + 1 + 2 + 2)


@pytest.mark.parametrize(
    ("begun", "counted"),
    [
        (100.5, 0.5 + 2 + 1),  # before it stood still
        (102.0, 1 + 1),  # in the seconds that count
        (120.0, 1),  # meanwhile: whoever began then ran, though the watcher did not
        (141.5, 0.5),  # after it
    ],
)
def test_a_moment_before_in_and_after_a_standstill(clock: Clock, begun: float, counted: float) -> None:
    awake = Awake(2.0, clock)
    looks(awake, clock, 1.0, 40.0, 1.0)
    assert awake.since(begun) == pytest.approx(counted)
