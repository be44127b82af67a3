"""The days of a zone by number, for counting in dates. Pure. In: microseconds. Out: day numbers."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from gateway.times import from_micros

QUARTER = 900_000_000
"""Microseconds; every zone's day begins at a quarter of an hour in UTC."""


class Calendar:
    """The number of a moment's day in a zone. Moments of the same quarter of an hour share one: so it is fast."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._known: dict[int, int] = {}

    def day(self, at: int) -> int:
        """Days since the year 1, of a moment in microseconds since 1970."""
        quarter = at // QUARTER
        if (day := self._known.get(quarter)) is None:
            day = self._known[quarter] = from_micros(quarter * QUARTER).astimezone(self._zone).toordinal()
        return day
