"""Values, points and times as people read them, and as JSON has them. Pure.

Values of leads are untrusted text: control characters are shown, never passed on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from gateway.times import from_micros

# Control characters, and those that turn the direction of text around.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def shown(value: object) -> str:
    """A value as people read it, in one line: 1234 → ``1,234``, true → ``yes``, nothing → an empty text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, (list, tuple)):
        return ", ".join(shown(one) for one in value)
    return printable(str(value))


def plain(value: object) -> str:
    """Like ``shown``, for values of leads: 2026 may be a year, so digits stay as they are."""
    if isinstance(value, (list, tuple)):
        return ", ".join(map(plain, value))
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else shown(value)


def raw(value: object) -> str:
    """A system's own value, so that ``"1"`` and ``1`` and blank can be told apart."""
    return "(blank)" if value is None else shown(value) if isinstance(value, str) else printable(repr(value))


def printable(text: str) -> str:
    """The text in one line, without what would steer a terminal or turn the direction of what follows."""
    return _UNSAFE.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    if match[0] == "\n":  # texts of several lines are ordinary
        return " ⏎ "
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def points(hundredths: int | None) -> float | None:
    """Hundredths as points, for JSON and tables: 6250 → 62.5."""
    return None if hundredths is None else hundredths / 100


def two_digits(hundredths: int | None) -> str:
    return "" if hundredths is None else f"{hundredths / 100:.2f}"


def who(attributes: Mapping[str, Any]) -> str:
    """How a person is called in a list: the name, else the e-mail address, else the company."""
    name = " ".join(str(attributes[key]) for key in ("first_name", "last_name") if attributes.get(key))
    return name or str(attributes.get("name") or attributes.get("email") or attributes.get("company_name") or "")


def in_brackets(text: str) -> str:
    return f" ({text})" if text else ""


def iso(micros: int | None) -> str | None:
    """Microseconds as JSON has times: ``2026-11-01T09:30:00Z``."""
    return None if micros is None else iso_time(from_micros(micros))


def iso_time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def moment(micros: int | None, zone: ZoneInfo) -> str:
    """Microseconds as people read a time, in the instance's zone: ``2026-11-01 10:30:00``."""
    return "" if micros is None else f"{from_micros(micros).astimezone(zone):%Y-%m-%d %H:%M:%S}"


def on_clock(at: datetime, zone: ZoneInfo) -> str:
    """A time as people read it, with the zone's name, where nothing else says which: ``2026-11-01 10:30:00 CET``."""
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S %Z}"


def asked_again(at: int, now: int, zone: ZoneInfo) -> str:
    """Of a system that does not answer: when one write asks again. Both times in microseconds."""
    when = f"by itself at {on_clock(from_micros(at), zone)}" if at > now else "with its next write"
    return f"asked again {when}"


def told_at(text: str, zone: ZoneInfo) -> str:
    """An ISO time as ``on_clock``; a day, and what is no time, as it is. Without a zone of its own it is ``zone``'s."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    return text if len(text) <= len("2026-11-01") else on_clock(at if at.tzinfo else at.replace(tzinfo=zone), zone)


def plural(count: int, one: str, many: str = "") -> str:
    """``(1, "lead")`` → ``1 lead``; ``(2000, "lead")`` → ``2,000 leads``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
