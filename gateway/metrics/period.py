"""A stretch of time as reports are asked for it: ``2026``, ``2026-Q3``, ``2026-10``, ``last-quarter``. Pure.

Months, quarters and years are those of the company's zone. A fiscal year is called after the year in which it starts,
and its quarters are counted from there; months are the calendar's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

MONTHS = {"month": 1, "quarter": 3, "year": 12}
"""Unit → how many months it has."""
HELP = "write 2026 (a fiscal year), 2026-Q3, 2026-10, or last-quarter, this-month and the like"
_WRITTEN = re.compile(r"(?P<year>[1-9][0-9]{3})(-Q(?P<quarter>[1-4])|-(?P<month>0[1-9]|1[0-2]))?", re.IGNORECASE)
_RELATIVE = re.compile(r"(this|last)-(month|quarter|year)")


@dataclass(frozen=True, slots=True)
class Period:
    """From ``since`` until before ``until``, both aware; None: open on that side. ``name``: as it was asked for.

    ``fiscal``: it is a quarter or a year of a fiscal year that is not the calendar's.
    """

    since: datetime | None = None
    until: datetime | None = None
    name: str = ""
    fiscal: bool = False

    def words(self) -> str:
        """``from 2026-07-01 until before 2026-10-01 (2026-Q3)``."""
        begin = f"from {_shown(self.since)}" if self.since else ""
        end = f"until before {_shown(self.until)}" if self.until else ""
        named = f"({'fiscal ' if self.fiscal else ''}{self.name})" if self.name else ""
        return " ".join(filter(None, (begin, end, named))) or "at any time"


def period(text: str, now: datetime, zone: ZoneInfo, fiscal_year_start: int = 1) -> Period:
    """The period called so. Raises ``ValueError`` with how one is written.

    :param fiscal_year_start: 1 to 12, the month in which the fiscal year begins.
    """
    if relative := _RELATIVE.fullmatch(text):
        which, unit = relative.groups()
        begin = begins(unit, now.astimezone(zone).date(), fiscal_year_start)
        begin = begin if which == "this" else _later(begin, -MONTHS[unit])
    elif written := _WRITTEN.fullmatch(text):
        unit = next((name for name in ("quarter", "month") if written[name]), "year")
        begin = date(int(written["year"]), 1 if unit == "month" else fiscal_year_start, 1)
        begin = _later(begin, (int(written[unit]) - 1) * MONTHS[unit] if unit != "year" else 0)
    else:
        raise ValueError(HELP)
    name = label(unit, begin, fiscal_year_start)
    fiscal = unit != "month" and fiscal_year_start != 1
    return Period(midnight(begin, zone), midnight(following(unit, begin), zone), name, fiscal)


def begins(unit: str, day: date, fiscal_year_start: int) -> date:
    """The first day of the month, the fiscal quarter or the fiscal year that ``day`` lies in."""
    into = (day.month - fiscal_year_start) % MONTHS[unit] if unit != "month" else 0
    return _later(day.replace(day=1), -into)


def following(unit: str, begin: date) -> date:
    """The first day after the unit that begins then; of the last one that a calendar has, its last day."""
    return _later(begin, MONTHS[unit])


def label(unit: str, begin: date, fiscal_year_start: int) -> str:
    """What the unit that begins then is called: ``2026-10``, ``2026-Q3``, ``2026``."""
    if unit == "month":
        return f"{begin:%Y-%m}"
    year, into = divmod(begin.year * 12 + begin.month - fiscal_year_start, 12)
    return f"{year:04}" if unit == "year" else f"{year:04}-Q{into // 3 + 1}"


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """Its first moment in the zone."""
    return datetime(day.year, day.month, day.day, tzinfo=zone)


def _later(begin: date, months: int) -> date:
    """The first of the month so many months later, at most the last day that there is."""
    year, month = divmod(begin.year * 12 + begin.month - 1 + months, 12)
    return date(year, month + 1, 1) if year <= 9999 else date.max


def _shown(at: datetime) -> str:
    day = at.date().isoformat()  # a year before 1000 has four digits, too
    return day if (at.hour, at.minute, at.second, at.microsecond) == (0, 0, 0, 0) else f"{day} {at:%H:%M}"
