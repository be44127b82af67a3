"""The sandbox's own time: the wall clock, a frozen instant, or time that runs faster than ours."""

from __future__ import annotations

import functools
import time
from datetime import UTC, datetime, timedelta


class Clock:
    """``Clock()`` is the wall clock; ``Clock(start)`` stands still; ``Clock(start, speed=60)`` runs a minute a second.

    Any of them can be moved on with ``advance``. Times are aware, UTC.
    """

    def __init__(self, start: datetime | None = None, speed: float | None = None) -> None:
        self._start = start if start is not None else datetime.now(UTC)
        self._began = time.monotonic()
        self.speed = (1.0 if start is None else 0.0) if speed is None else speed

    def now(self) -> datetime:
        return self._start + timedelta(seconds=(time.monotonic() - self._began) * self.speed)

    def run(self, speed: float, start: datetime | None = None) -> datetime:
        """From now on, or from ``start``, so many seconds pass in a second. Returns the new now."""
        self._start, self._began = start or self.now(), time.monotonic()
        self.speed = speed
        return self._start

    def advance(self, by: timedelta | float) -> datetime:
        """Move on by a timedelta or by seconds. Returns the new now."""
        self._start += by if isinstance(by, timedelta) else timedelta(seconds=by)
        return self.now()

    def move_to(self, at: datetime) -> datetime:
        """Move on to ``at``; a time that has passed is not brought back."""
        return self.advance(max(timedelta(0), at - self.now()))


def iso(at: datetime) -> str:
    """``2026-11-20T09:30:01.204Z``: milliseconds, as HubSpot writes times."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def millis(at: datetime) -> int:
    """Milliseconds since 1970."""
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


@functools.lru_cache(maxsize=1 << 17)
def parse(text: str) -> datetime:
    """An ISO time (``Z``, ``+0000`` or ``+00:00``) or date as an aware time. Raises ValueError."""
    at = datetime.fromisoformat(text)
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
