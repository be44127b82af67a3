"""Durations: what is read, what is refused, and how they are said."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import Schema, ValidationError

from gateway.durations import Duration, duration_in_words, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("5m", 300), ("12h", 43_200), ("30d", 2_592_000), ("2w", 1_209_600), (" 1 d ", 86_400), ("0s", 0)],
)
def test_a_number_and_a_unit_is_a_duration(text, seconds):
    """Each unit is worth its seconds; blanks do not matter."""
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "30", "d", "-1d", "1.5h", "30 days", "1y", "٣d", "999999999w", None, 30, ["1d"]])
def test_anything_else_is_refused(text):
    """A missing unit, a fraction, a sign, another script or another type raises ValueError, never OverflowError."""
    with pytest.raises(ValueError, match=r"not a duration|longer than"):
        parse_duration(text)


@given(st.integers(0, 3_000_000_000))
def test_what_is_written_reads_back(seconds):
    """format_duration and parse_duration are each other's inverse on whole seconds."""
    delta = timedelta(seconds=seconds)
    assert parse_duration(format_duration(delta)) == delta


@pytest.mark.parametrize(
    ("text", "words"), [("1d", "1 day"), ("2w", "14 days"), ("90m", "90 minutes"), ("1h", "1 hour")]
)
def test_words_use_the_largest_whole_unit(text, words):
    """A person reads days, not seconds, and one day in the singular."""
    assert duration_in_words(parse_duration(text)) == words


def test_the_field_refuses_zero():
    """A window of zero length would count nothing."""
    schema = Schema.from_dict({"window": Duration()})()
    assert schema.load({"window": "1d"}) == {"window": timedelta(days=1)}
    with pytest.raises(ValidationError, match="longer than zero"):
        schema.load({"window": "0d"})
