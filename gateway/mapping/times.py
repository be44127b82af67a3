"""Times as systems write them, read to UTC: ISO 8601 with or without offset, strptime formats, seconds or milliseconds.

A date without a time of day is a *day*: midnight of the mapping's zone. A time without an offset is the zone's.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any

from gateway.contracts import Precision

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNITS = ("s", "ms")
_OFFSET_APART = re.compile(r"\s+([+-][0-9]{2}:?[0-9]{2})$")
_NAMED_UTC = re.compile(r"\s*(?:UTC|GMT|[zZ])$")
_CLOCK = re.compile(r"%-?[HIMSpfXcTRr]")
_NUMBER = re.compile(r"-?[0-9]{1,17}(?:\.[0-9]{1,9})?")
_PROBE = datetime(2026, 11, 23, 14, 25, 36, tzinfo=UTC)
OLDEST = 1000
"""Years before this are some system's way to say "never"; they do not survive strftime either."""


def format_problem(form: str) -> str:
    """Why ``form`` cannot be read back with strptime; empty when it can."""
    try:
        text = _PROBE.strftime(form)
        if not any(code in form for code in ("%Y", "%y", "%G", "%c", "%x", "%D", "%F")):
            return "the format lacks the year (%Y)"
        back = datetime.strptime(text, form)  # noqa: DTZ007 - only the date of it is compared
    except (ValueError, re.error, UnicodeError):
        return "not a format that strptime can read, such as %d.%m.%Y %H:%M"
    return "" if back.date() == _PROBE.date() else "the format lacks the day or the month (%d, %m)"


def names_zone(form: str | None, unit: str | None) -> bool:
    """True when every time in this form says its own zone, so that the mapping needs none."""
    return unit is not None or (form is not None and "%z" in form)


class Clock:
    """One way to write times. ``zone`` is for those without an offset; without one, such a time is a ``ValueError``."""

    __slots__ = ("day_only", "form", "unit", "zone")

    def __init__(self, zone: tzinfo | None, form: str | None = None, unit: str | None = None) -> None:
        self.zone, self.form, self.unit = zone, form, unit
        self.day_only = form is not None and not _CLOCK.search(form)

    def read(self, raw: Any) -> tuple[datetime, Precision]:
        """The moment in UTC and how well it is known. Raises ``ValueError`` (which never quotes the value)."""
        moment, day = self._parse(raw)
        if moment.tzinfo is None:
            if self.zone is None:
                raise ValueError("a time without a zone")
            moment = moment.replace(tzinfo=self.zone)
        try:
            return moment.astimezone(UTC), "day" if day else "instant"
        except OverflowError:
            raise ValueError("a time out of range") from None

    def read_date(self, raw: Any) -> date:
        """The calendar day: as written, or of the mapping's zone where the value is a moment with an offset.

        Numbers (``unit``) are days in UTC: the systems that send days as numbers mean midnight UTC.
        """
        moment, day = self._parse(raw)
        if day or moment.tzinfo is None or self.unit or self.zone is None:
            return moment.date()
        try:
            return moment.astimezone(self.zone).date()
        except OverflowError:
            raise ValueError("a time out of range") from None

    def write(self, moment: datetime) -> str | int | float:
        """The inverse of ``read``."""
        if self.unit:
            return _count(moment - EPOCH, self.unit)
        if self.form:
            return moment.astimezone(self.zone or UTC).strftime(self.form)
        return canonical(moment)

    def write_date(self, day: date) -> str | int | float:
        if self.unit:
            return _count(datetime(day.year, day.month, day.day, tzinfo=UTC) - EPOCH, self.unit)
        return day.strftime(self.form) if self.form else day.isoformat()

    def _parse(self, raw: Any) -> tuple[datetime, bool]:
        if self.unit:
            return _counted(raw, self.unit), False
        if raw.__class__ is not str:
            raise ValueError("not a time written as text")
        text = raw.strip()
        if self.form:
            try:
                moment = datetime.strptime(text, self.form)  # noqa: DTZ007 - the zone follows
            except (ValueError, OverflowError):
                raise ValueError("not a time in the given format") from None
            day = self.day_only
        else:
            moment, day = _iso(text)
        if moment.year < OLDEST:
            raise ValueError("a time out of range")
        return moment, day


def canonical(moment: datetime) -> str:
    """``2026-11-03T09:00:00Z``, with microseconds only where there are any."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def _iso(text: str) -> tuple[datetime, bool]:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        text = _OFFSET_APART.sub(r"\1", _NAMED_UTC.sub("+00:00", text))
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise ValueError("not an ISO 8601 time") from None
    return moment, len(text) <= 10 and ":" not in text and "T" not in text


def _counted(raw: Any, unit: str) -> datetime:
    if isinstance(raw, str) and _NUMBER.fullmatch(raw.strip()):
        raw = float(raw) if "." in raw else int(raw)
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        raise ValueError("not a number of seconds or milliseconds")
    try:
        moment = EPOCH + (timedelta(seconds=raw) if unit == "s" else timedelta(milliseconds=raw))
    except (OverflowError, ValueError):
        raise ValueError("a time out of range") from None
    if moment.year < OLDEST:
        raise ValueError("a time out of range")
    return moment


def _count(delta: timedelta, unit: str) -> int | float:
    one = timedelta(seconds=1) if unit == "s" else timedelta(milliseconds=1)
    return delta / one if delta % one else delta // one
