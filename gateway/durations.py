"""Lengths of time as the YAML files write them: ``90s``, ``5m``, ``12h``, ``30d``, ``2w``. Used by every checker."""

from __future__ import annotations

import re
from datetime import timedelta

from marshmallow import ValidationError, fields

_UNITS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_NAMES = {"w": "week", "d": "day", "h": "hour", "m": "minute", "s": "second"}
_WRITTEN = re.compile(r"([0-9]{1,12})\s*([smhdw])")


def parse_duration(text: object) -> timedelta:
    """``"30d"`` → 30 days. A whole number and one of s, m, h, d, w; raises ``ValueError`` on anything else."""
    match = _WRITTEN.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise ValueError("not a duration; write a whole number and a unit, such as 90s, 5m, 12h, 30d or 2w")
    seconds = int(match[1]) * _UNITS[match[2]]
    if seconds > 100 * 366 * 86_400:
        raise ValueError("longer than 100 years")
    return timedelta(seconds=seconds)


def format_duration(delta: timedelta) -> str:
    """The shortest way ``parse_duration`` reads back: 14 days → ``"14d"``. Parts of a second are dropped."""
    seconds = int(delta.total_seconds())
    unit = next(name for name in ("d", "h", "m", "s") if seconds % _UNITS[name] == 0)
    return f"{seconds // _UNITS[unit]}{unit}"


def duration_in_words(delta: timedelta) -> str:
    """``"30 days"``, ``"1 hour"``: for reasons and pages."""
    text = format_duration(delta)
    number, name = text[:-1], _NAMES[text[-1]]
    return f"{number} {name}" if number == "1" else f"{number} {name}s"


def age_in_words(micros: int) -> str:
    """How old something is to somebody who looks: two days and an hour are ``"2 days"``."""
    seconds = max(micros // 1_000_000, 0)
    for unit in (86_400, 3600, 60):
        if seconds >= 2 * unit:
            return duration_in_words(timedelta(seconds=seconds // unit * unit))
    return duration_in_words(timedelta(seconds=seconds)) if seconds else "less than a second"


class Duration(fields.Field[timedelta]):
    """The marshmallow field of a duration longer than zero: loads text to ``timedelta``."""

    def _deserialize(self, value: object, attr: str | None, data: object, **kwargs: object) -> timedelta:
        try:
            delta = parse_duration(value)
        except ValueError as exc:
            raise ValidationError(str(exc)) from None
        if not delta:
            raise ValidationError("must be longer than zero")
        return delta
