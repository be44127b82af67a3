"""Times as systems write them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mapping.times import Clock, format_problem

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("raw", "utc", "precision"),
    [
        ("2026-11-03T10:00:00Z", "2026-11-03T10:00:00", "instant"),
        ("2026-11-03T10:00:00z", "2026-11-03T10:00:00", "instant"),
        ("2026-11-03T10:00:00.000+0000", "2026-11-03T10:00:00", "instant"),  # Salesforce
        ("2026-11-03T10:00:00-08:00", "2026-11-03T18:00:00", "instant"),
        ("2026-11-03 10:00:00 +0100", "2026-11-03T09:00:00", "instant"),
        ("2026-11-03 10:00:00 UTC", "2026-11-03T10:00:00", "instant"),
        ("2026-11-03 10:00:00", "2026-11-03T09:00:00", "instant"),  # without offset: the mapping's zone
        ("2026-07-03 10:00", "2026-07-03T08:00:00", "instant"),  # in summer
        ("2026-11-03T10:00:00.1234567Z", "2026-11-03T10:00:00.123456", "instant"),
        ("2026-11-03", "2026-11-02T23:00:00", "day"),  # midnight in Berlin
        (" 2026-11-03 ", "2026-11-02T23:00:00", "day"),
    ],
)
def test_iso_times_are_read_to_utc(raw: str, utc: str, precision: str) -> None:
    """Any offset, a space or a T, a date alone."""
    assert Clock(BERLIN).read(raw) == (datetime.fromisoformat(utc).replace(tzinfo=UTC), precision)


@pytest.mark.parametrize(
    ("clock", "raw", "utc", "precision"),
    [
        (Clock(BERLIN, form="%d.%m.%Y"), "03.11.2026", "2026-11-02T23:00:00", "day"),
        (Clock(BERLIN, form="%d.%m.%Y %H:%M"), "03.11.2026 10:00", "2026-11-03T09:00:00", "instant"),
        (Clock(None, form="%d/%m/%Y %H:%M %z"), "03/11/2026 10:00 -0800", "2026-11-03T18:00:00", "instant"),
        (Clock(None, unit="s"), 1_793_700_000, "2026-11-03T10:00:00", "instant"),
        (Clock(None, unit="ms"), 1_793_700_000_123, "2026-11-03T10:00:00.123", "instant"),
        (Clock(None, unit="ms"), "1793700000123", "2026-11-03T10:00:00.123", "instant"),  # as text, from a CSV
        (Clock(None, unit="s"), -1.5, "1969-12-31T23:59:58.500", "instant"),
    ],
)
def test_formats_and_units_are_read_to_utc(clock: Clock, raw: Any, utc: str, precision: str) -> None:
    """strptime formats, seconds and milliseconds."""
    assert clock.read(raw) == (datetime.fromisoformat(utc).replace(tzinfo=UTC), precision)


@pytest.mark.parametrize(
    ("clock", "raw"),
    [
        (Clock(BERLIN), "yesterday"),
        (Clock(BERLIN), "2026-02-30"),
        (Clock(BERLIN), ""),
        (Clock(BERLIN), 1_793_700_000),  # a number needs a unit
        (Clock(BERLIN), None),
        (Clock(BERLIN), ["2026-11-03"]),
        (Clock(None), "2026-11-03T10:00:00"),  # no zone anywhere
        (Clock(BERLIN), "0001-01-01T00:00:00Z"),  # a system's way to say never
        (Clock(ZoneInfo("Pacific/Kiritimati")), "9999-12-31T23:59:59-12:00"),
        (Clock(None, unit="s"), 10**300),
        (Clock(None, unit="s"), True),
        (Clock(None, unit="ms"), float("nan")),
        (Clock(None, unit="ms"), float("inf")),
        (Clock(None, unit="ms"), "12 o'clock"),
        (Clock(BERLIN, form="%d.%m.%Y"), "2026-11-03"),
    ],
)
def test_what_is_no_time_is_refused_without_being_quoted(clock: Clock, raw: Any) -> None:
    """The message never holds the value."""
    with pytest.raises(ValueError) as refused:
        clock.read(raw)
    assert len(str(raw)) < 5 or str(raw) not in str(refused.value)


def test_a_moment_becomes_the_day_of_the_mappings_zone() -> None:
    """Late evening in UTC is the next day in Berlin; numbers are days in UTC, as their senders mean them."""
    assert Clock(BERLIN).read_date("2026-11-03T23:30:00Z").isoformat() == "2026-11-04"
    assert Clock(BERLIN).read_date("2026-11-03T23:30:00").isoformat() == "2026-11-03"
    assert Clock(None).read_date("2026-11-03T23:30:00-08:00").isoformat() == "2026-11-03"
    new_york = Clock(ZoneInfo("America/New_York"), unit="ms")
    assert new_york.read_date(1_793_664_000_000).isoformat() == "2026-11-03"


@pytest.mark.parametrize("form", ["%d.%m.%Y", "%Y-%m-%dT%H:%M:%S%z", "%m/%d/%y %I:%M %p", "%d %b %Y", "%Y%j"])
def test_usable_formats_have_no_problem(form: str) -> None:
    """Formats that strptime can read back to the same day."""
    assert format_problem(form) == ""


@pytest.mark.parametrize("form", ["%d.%m.", "%H:%M", "%Q", "%", "DD.MM.YYYY", "%Y", "%Y %m", "", "\ud800%Y"])
def test_formats_that_lose_the_day_are_refused(form: str) -> None:
    """A format must say year, month and day."""
    assert format_problem(form)


@given(
    st.datetimes(datetime(1000, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)),  # noqa: DTZ001 - zone beside it
    st.sampled_from([Clock(BERLIN), Clock(None, form="%Y-%m-%d %H:%M:%S.%f %z"), Clock(None, unit="ms")]),
)
def test_a_written_time_is_read_back(moment: datetime, clock: Clock) -> None:
    """Write and read give the same moment, once it has the fineness of the form."""
    once = clock.read(clock.write(moment))[0]
    assert abs(once - moment).total_seconds() < 0.001
    assert clock.read(clock.write(once))[0] == once
