"""What is to happen when: a queue of moments, and working hours."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import datetime, timedelta

Act = Callable[[], None]

OPENS, CLOSES = 8, 17
"""Working hours, UTC."""


class Diary:
    """Acts in order of time; of two at one moment the one entered first comes first."""

    def __init__(self) -> None:
        self._waiting: list[tuple[datetime, int, Act]] = []
        self._number = 0

    def enter(self, at: datetime, act: Act) -> None:
        self._number += 1
        heapq.heappush(self._waiting, (at, self._number, act))

    def take(self, until: datetime) -> tuple[datetime, Act] | None:
        """The next act that is due by ``until``."""
        if not self._waiting or self._waiting[0][0] > until:
            return None
        at, _, act = heapq.heappop(self._waiting)
        return at, act


def in_hours(at: datetime) -> datetime:
    """The same moment, or the beginning of the next working day."""
    if at.hour >= CLOSES:
        at = (at + timedelta(days=1)).replace(hour=OPENS, minute=at.minute % 60, second=0, microsecond=0)
    elif at.hour < OPENS:
        at = at.replace(hour=OPENS, second=0, microsecond=0)
    while at.weekday() >= 5:
        at = (at + timedelta(days=1)).replace(hour=OPENS)
    return at


def working(start: datetime, hours: float) -> datetime:
    """``hours`` of working time after ``start``."""
    at, left = in_hours(start), timedelta(hours=hours)
    while True:
        today = at.replace(hour=CLOSES, minute=0, second=0, microsecond=0) - at
        if left <= today:
            return at + left
        left -= today
        at = in_hours(at.replace(hour=CLOSES, minute=0, second=0, microsecond=0))
