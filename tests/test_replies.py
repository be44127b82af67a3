"""A system's answer, however slowly or long it comes, holds nobody up."""

from __future__ import annotations

import itertools

import pytest

from gateway.replies import body_within


@pytest.mark.parametrize(
    ("parts", "each", "most", "whole"),
    [
        (5, 1.0, 100, True),  # slow, but in time
        (50, 1.0, 100, False),  # each byte in time, and never the last
        (50, 0.1, 40, False),  # fast, and without end
    ],
)
def test_an_answer_is_read_within_a_time_and_a_length(parts, each, most, whole):
    """Else what is known of it is nothing."""
    given = iter([b"x"] * parts + [b""])
    times = itertools.count(0.0, each)
    if whole:
        assert body_within(lambda size: next(given), 10, lambda: next(times), most) == b"x" * parts
        return
    with pytest.raises(TimeoutError):
        body_within(lambda size: next(given), 10, lambda: next(times), most)
