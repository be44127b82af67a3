"""When people work: opening hours of a zone, less its holidays. Pure arithmetic between instants and working time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import holidays

DAY = timedelta(days=1)
LONGEST_BREAK = 60
"""Days in a row without work after which a calendar counts as impossible."""
Span = tuple[datetime, datetime]
"""From the opening (in it) to the closing (no longer in it), in UTC."""
Hours = tuple[tuple[timedelta, timedelta], ...]
"""Opening and closing as a wall clock shows them: the time since midnight, 24 hours at most."""


class NeverOpen(ValueError):
    """Nobody works for ``LONGEST_BREAK`` days in a row: no deadline can be told."""


@dataclass(frozen=True)
class Calendar:
    """``week``: weekday (0 = Monday) → opening hours, in order, of wall clocks in ``zone``; a day without is off.

    ``country``: whose public holidays are off, as ``DE`` or ``DE-BE``; empty = none. ``off``: further days off.
    """

    zone: ZoneInfo
    week: Mapping[int, Hours]
    country: str = ""
    off: frozenset[date] = field(default=frozenset())

    def works(self, day: date) -> bool:
        return bool(self.week.get(day.weekday())) and day not in self.off and not _is_holiday(self.country, day)

    def spans(self, day: date) -> list[Span]:
        """The opening hours of a day of this zone. Those that a change of the clocks swallows are left out."""
        if not self.works(day):
            return []
        both = [(self._instant(day, begin), self._instant(day, end)) for begin, end in self.week[day.weekday()]]
        return [(begin, end) for begin, end in both if begin < end]

    def after(self, at: datetime, wait: timedelta) -> datetime:
        """When ``wait`` is over that begins at ``at``: whole days are working days, anything else is time of work.

        Of working days the last ends at the hour at which the first began, or when that day's work begins or ends.
        Raises ``NeverOpen``.
        """
        return self._days_after(at, wait // DAY) if wait and not wait % DAY else self.of_work(at, wait)

    def of_work(self, at: datetime, time: timedelta) -> datetime:
        """When so much work is done from ``at`` on. Raises ``NeverOpen``."""
        for begin, end in self._from(at):
            if end - begin >= time:
                return begin + time
            time -= end - begin
        raise AssertionError("opening hours have no end")

    def at_work(self, at: datetime) -> bool:
        return any(begin <= at < end for begin, end in self.spans(at.astimezone(self.zone).date()))

    def worked(self, start: datetime, end: datetime) -> timedelta:
        """The time of work between two instants; zero where ``end`` is not after ``start``."""
        done = timedelta(0)
        if end <= start:
            return done
        for begin, close in self._from(start):
            if begin >= end:
                break
            done += min(close, end) - begin
        return done

    def _days_after(self, at: datetime, days: int) -> datetime:
        begin = next(self._from(at))[0]
        first = begin.astimezone(self.zone).replace(tzinfo=None)
        midnight = datetime(first.year, first.month, first.day)  # noqa: DTZ001 - of a wall clock, too
        last = next(day for count, day in enumerate(self._days(first.date())) if count == days)
        wanted = self._instant(last, first - midnight)
        spans = self.spans(last)
        place = bisect_right([opens for opens, _ in spans], wanted)
        if not place:
            return spans[0][0]
        return min(wanted, spans[place - 1][1])

    def _from(self, at: datetime) -> Iterator[Span]:
        """The opening hours from ``at`` on, the first of them cut."""
        for day in self._days(at.astimezone(self.zone).date()):
            for begin, end in self.spans(day):
                if end > at:
                    yield max(begin, at), end

    def _days(self, day: date) -> Iterator[date]:
        """Working days from ``day`` on."""
        idle = 0
        while idle < LONGEST_BREAK:
            idle = 0 if self.spans(day) else idle + 1
            if not idle:
                yield day
            day += DAY
        raise NeverOpen(f"nobody works for {LONGEST_BREAK} days from {day - idle * DAY}")

    def _instant(self, day: date, shown: timedelta) -> datetime:
        """In UTC. Of an hour that comes twice the first counts."""
        return (datetime(day.year, day.month, day.day, tzinfo=self.zone) + shown).astimezone(UTC)


def is_country(name: str) -> bool:
    """Whether holidays are known of ``DE`` or ``DE-BE``."""
    try:
        _holidays(name, 2000)
    except (NotImplementedError, KeyError):
        return False
    return True


def _is_holiday(country: str, day: date) -> bool:
    return bool(country) and day in _holidays(country, day.year)


@lru_cache(maxsize=1024)
def _holidays(country: str, year: int) -> frozenset[date]:
    name, _, part = country.partition("-")
    return frozenset(holidays.country_holidays(name, subdiv=part or None, years=year))
