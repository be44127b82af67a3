"""The clocks of journey.yaml and the calendars they keep to: their forms, and the ``Calendar`` that each becomes.

office: {zone: Europe/Berlin, hours: {mon-thu: "09:00-17:30", fri: ["09:00-12:00", "13:00-15:00"]}, holidays: DE-BE}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

from marshmallow import Schema, ValidationError, fields, post_load, validate

from gateway.durations import Duration
from gateway.journey.calendar import Calendar, Hours, NeverOpen, is_country
from gateway.journey.words import BANDS, BUCKETS
from gateway.settings.files import suggest
from gateway.zones import Zone

WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_BANDS = ", ".join((*BANDS, "other"))
_BUCKETS = ", ".join(BUCKETS)
_DAYS = re.compile(rf"({'|'.join(WEEK)})(?:-({'|'.join(WEEK)}))?")
_SPAN = re.compile(r"(\d{1,2}):([0-5]\d)\s*-\s*(\d{1,2}):([0-5]\d)")


class Week(fields.Field[dict[int, Hours]]):
    """Days, or days from–to, with their opening hours."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> dict[int, Hours]:
        if not isinstance(value, Mapping) or not value:
            raise ValidationError('expected days and their hours, such as {mon-fri: "09:00-17:00"}')
        week: dict[int, Hours] = {}
        wrong: dict[Any, list[str]] = {}
        for days, hours in value.items():
            try:
                opened = _hours(hours)
                for weekday in _weekdays(days):
                    if weekday in week:
                        raise ValidationError(f"{WEEK[weekday]} has its hours already")
                    week[weekday] = opened
            except ValidationError as exc:
                wrong[days] = list(exc.messages)
        if wrong:
            raise ValidationError(wrong)
        return week


class Day(fields.Field[date]):
    """2026-12-24."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> date:
        try:
            return value if type(value) is date else date.fromisoformat(value)
        except (TypeError, ValueError):
            raise ValidationError("expected a day, such as 2026-12-24") from None


class CalendarForm(Schema):
    zone = Zone(required=True, metadata={"help": "whose clocks the hours are of, such as Europe/Berlin"})
    hours = Week(required=True, metadata={"help": 'working hours, such as {mon-fri: "09:00-17:00"}'})
    holidays = fields.String(
        load_default="",
        validate=lambda name: is_country(name) or _no_country(),
        metadata={"help": "whose public holidays are off: a country such as DE, or a part of it such as DE-BE"},
    )
    off = fields.List(Day(), metadata={"help": "further days off, such as 2026-12-24"})

    @post_load
    def _made(self, data: dict[str, Any], **kwargs: Any) -> Calendar:
        off = data.get("off", ())
        calendar = Calendar(data["zone"], data["hours"], data["holidays"], frozenset(off))
        for day in [date(2000, 1, 1), *off]:
            try:
                calendar.after(datetime(day.year, day.month, day.day, tzinfo=UTC), timedelta(0))
            except NeverOpen as exc:
                raise ValidationError(f"{exc}, so no deadline can be told", "off") from None
        return calendar


CALENDARS = fields.Dict(
    keys=fields.String(validate=validate.Length(1, 100, error="must have 1 to 100 characters")),
    values=fields.Nested(CalendarForm),
    metadata={"help": "name: when people work"},
)


class Response(fields.Field[dict[str, timedelta]]):
    """One duration, or one per band of the score; ``other`` for the bands that are not named."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> dict[str, timedelta]:
        by_band = value if isinstance(value, Mapping) else {"other": value}
        found, wrong = {}, {}
        for band, wait in by_band.items():
            try:
                if band not in (*BANDS, "other"):
                    raise ValidationError(f"no such band{suggest(band, BANDS) or f'; it is one of {_BANDS}'}")
                found[band] = Duration().deserialize(wait)
            except ValidationError as exc:
                wrong[band] = list(exc.messages)
        if wrong:
            raise ValidationError(wrong if isinstance(value, Mapping) else wrong["other"])
        return found


class Percent(fields.Field[int | None]):
    """A whole number of percent, or never."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int | None:
        if value == "never":
            return None
        number = value.removesuffix("%").strip() if isinstance(value, str) else value
        if isinstance(number, bool) or not str(number).isdecimal() or not 1 <= int(number) <= 1000:
            raise ValidationError("expected a whole number of percent from 1 to 1000, or never")
        return int(number)


class FollowUpForm(Schema):
    response = Response(
        metadata={"help": "time sales have to answer, such as 4h, or by band: {great: 5m, other: 4h}, the default"},
    )
    period = Duration(load_default=timedelta(days=5), metadata={"help": "time until the end of follow-up; default: 5d"})
    calendar = fields.String(metadata={"help": "whose hours and days count; without one clocks run day and night"})
    warn = Percent(load_default=80, metadata={"help": "percent of the response time until the warning; default: 80"})
    escalate = Percent(load_default=100, metadata={"help": "percent until others are told; default: 100"})
    reassign = Percent(load_default=None, metadata={"help": "percent until the next owner gets it; default: never"})
    default_bucket = fields.String(
        validate=lambda name: name in BUCKETS or _no_bucket(name),
        metadata={"help": "bucket at the end of follow-up; default: recycled"},
    )
    correct_within = Duration(
        load_default=timedelta(days=1), metadata={"help": "how long who ended a handoff may correct that; default: 1d"}
    )


def _no_bucket(name: str) -> bool:
    raise ValidationError(f"no such bucket{suggest(name, BUCKETS) or f'; it is one of {_BUCKETS}'}")


def _no_country() -> bool:
    raise ValidationError("no such country; write its two letters, such as DE, or DE-BE for a part of it")


def _weekdays(days: Any) -> range:
    match = _DAYS.fullmatch(days) if isinstance(days, str) else None
    if match is None:
        raise ValidationError(f"no days of a week; write mon or mon-fri with {', '.join(WEEK)}")
    first, last = WEEK.index(match[1]), WEEK.index(match[2] or match[1])
    if last < first:
        raise ValidationError(f"{match[2]} comes before {match[1]}; the week begins with mon")
    return range(first, last + 1)


def _hours(written: Any) -> Hours:
    if written == []:
        raise ValidationError("no hours; leave a day off out")
    spans = [_span(each) for each in (written if isinstance(written, list) else [written])]
    for (_, closed), (opened, _) in pairwise(spans):
        if opened < closed:
            raise ValidationError("hours overlap, or are not in order")
    return tuple(spans)


def _span(written: Any) -> tuple[timedelta, timedelta]:
    match = _SPAN.fullmatch(written.strip()) if isinstance(written, str) else None
    if match is None:
        raise ValidationError('expected hours, such as "09:00-17:00"')
    opened, closed = (timedelta(hours=int(match[at]), minutes=int(match[at + 1])) for at in (1, 3))
    if closed > timedelta(days=1):
        raise ValidationError("a day ends at 24:00")
    if closed <= opened:
        raise ValidationError("closes before it opens; hours over midnight are two: of this day and of the next")
    return opened, closed
