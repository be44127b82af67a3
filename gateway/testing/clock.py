"""A clock that stands still until a test moves it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

START = datetime(2026, 6, 1, 12, tzinfo=UTC)


class FrozenClock:
    """Call it for the time, as ``Context.now`` is called. ``at`` may be set, too: an aware time in UTC."""

    def __init__(self, at: datetime = START) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def move(self, **units: float) -> datetime:
        """``move(hours=2)``, in the words of ``timedelta``; backwards, too. Returns the new time."""
        self.at += timedelta(**units)
        return self.at
