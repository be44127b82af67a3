"""Working calendars: what is working time, and when a wait in it is over."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.journey.calendar import Calendar, NeverOpen, is_country


def hours(*spans: tuple[float, float]) -> tuple[tuple[timedelta, timedelta], ...]:
    return tuple((timedelta(hours=opened), timedelta(hours=closed)) for opened, closed in spans)


NINE_TO_FIVE = dict.fromkeys(range(5), hours((9, 17)))
WITH_LUNCH = dict.fromkeys(range(6), hours((8, 12), (13, 17.5)))
NIGHTS = dict.fromkeys(range(7), hours((0, 6), (20, 24)))
BERLIN = Calendar(ZoneInfo("Europe/Berlin"), NINE_TO_FIVE, "DE-BE")
CALENDARS = {
    "Berlin": BERLIN,
    "New York with lunch": Calendar(ZoneInfo("America/New_York"), WITH_LUNCH, "US"),
    "nights, where clocks change at midnight": Calendar(ZoneInfo("America/Santiago"), NIGHTS),
    "always": Calendar(ZoneInfo("UTC"), dict.fromkeys(range(7), hours((0, 24)))),
}
MOMENTS = st.integers(0, 10 * 366 * 86_400).map(lambda n: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=n))
calendars = st.sampled_from(sorted(CALENDARS)).map(CALENDARS.__getitem__)


def at(text: str, calendar: Calendar = BERLIN) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=calendar.zone).astimezone(UTC)


@pytest.mark.parametrize(
    ("start", "wait", "end"),
    [
        pytest.param("2026-11-23T10:00", timedelta(hours=4), "2026-11-23T14:00", id="within a day"),
        pytest.param("2026-11-23T15:00", timedelta(hours=4), "2026-11-24T11:00", id="over night"),
        pytest.param("2026-11-27T16:58", timedelta(minutes=5), "2026-11-30T09:03", id="over a weekend"),
        pytest.param("2026-11-28T13:00", timedelta(minutes=5), "2026-11-30T09:05", id="begins on a weekend"),
        pytest.param("2026-11-23T17:00", timedelta(hours=1), "2026-11-24T10:00", id="closing time is out of work"),
        pytest.param("2026-12-24T16:00", timedelta(hours=4), "2026-12-28T12:00", id="over Christmas"),
        pytest.param("2026-11-23T10:00", timedelta(days=5), "2026-11-30T10:00", id="five working days are a week"),
        pytest.param("2026-11-21T12:00", timedelta(days=1), "2026-11-24T09:00", id="a day from Monday's opening on"),
        pytest.param("2026-04-01T10:00", timedelta(days=2), "2026-04-07T10:00", id="Good Friday and Easter Monday"),
        pytest.param("2026-03-27T10:00", timedelta(days=1), "2026-03-30T10:00", id="the hour stays over summer time"),
    ],
)
def test_a_wait_counts_working_time_only(start: str, wait: timedelta, end: str) -> None:
    assert BERLIN.after(at(start), wait) == at(end)


@given(calendars, MOMENTS, st.timedeltas(timedelta(0), timedelta(hours=100)))
def test_between_start_and_end_lies_the_wait(calendar: Calendar, start: datetime, wait: timedelta) -> None:
    """Deadline and time worked are each other's inverse, over nights, holidays and changes of the clocks."""
    wait += timedelta(seconds=1) if not wait % timedelta(days=1) else timedelta(0)
    assert calendar.worked(start, calendar.after(start, wait)) == wait


@given(calendars, MOMENTS, st.integers(1, 30))
def test_a_wait_of_days_ends_on_such_a_working_day(calendar: Calendar, start: datetime, days: int) -> None:
    first = calendar.after(start, timedelta(0)).astimezone(calendar.zone).date()
    end = calendar.after(start, timedelta(days=days))
    passed = [first + timedelta(days=n) for n in range(1, (end.astimezone(calendar.zone).date() - first).days + 2)]
    working = [day for day in passed if calendar.works(day)]
    opened, closed = calendar.spans(working[days - 1])[0][0], calendar.spans(working[days - 1])[-1][1]
    assert opened <= end <= closed


@given(calendars, MOMENTS, MOMENTS, st.sampled_from([timedelta(minutes=5), timedelta(hours=4), timedelta(days=5)]))
def test_who_begins_later_never_ends_earlier(
    calendar: Calendar, one: datetime, other: datetime, wait: timedelta
) -> None:
    early, late = sorted((one, other))
    assert calendar.after(early, wait) <= calendar.after(late, wait)


def test_an_hour_swallowed_by_summer_time_is_no_working_time() -> None:
    """On 29 March 2026 clocks in Berlin go from 2:00 to 3:00."""
    nights = Calendar(ZoneInfo("Europe/Berlin"), {6: hours((1, 4))})
    opened, closed = nights.spans(date(2026, 3, 29))[0]
    assert closed - opened == timedelta(hours=2)


def test_days_off_are_no_working_days() -> None:
    calendar = Calendar(BERLIN.zone, NINE_TO_FIVE, off=frozenset({date(2026, 11, 24)}))
    assert calendar.after(at("2026-11-23T10:00"), timedelta(days=1)) == at("2026-11-25T10:00")


def test_nothing_is_worked_when_the_end_comes_first() -> None:
    assert BERLIN.worked(at("2026-11-24T10:00"), at("2026-11-23T10:00")) == timedelta(0)


def test_a_calendar_that_is_never_open_says_so() -> None:
    with pytest.raises(NeverOpen, match="nobody works for 60 days"):
        Calendar(BERLIN.zone, {}).after(at("2026-11-23T10:00"), timedelta(hours=1))


@pytest.mark.parametrize(("name", "known"), [("DE", True), ("DE-BE", True), ("DE-XX", False), ("XX", False)])
def test_countries_and_their_parts_are_known(name: str, known: bool) -> None:
    assert is_country(name) is known
