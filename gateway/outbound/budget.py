"""The calls a system allows, shared by every process: taken before a call, never after.

In: limits as a plugin states them. Out: ``spend`` returns, waits a moment, or raises ``TryLater``. A short limit is
paced: its row holds the time at which the calls taken so far are paid off (a leaky bucket), so that no window of that
length, wherever it begins, holds more than allowed. A day's limit is counted.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import Engine

from gateway.errors import TryLater
from gateway.store import budgets
from gateway.store.database import read, write

DAY = timedelta(days=1)
BURST = 0.04
"""Share of a short limit that may go out at once; the rest is spread. What is spread is never more than the limit less
this: so calls may be so much late on their way, and none arrives as one too many."""
RESERVE = 0.1
"""Share of a day's calls that is kept for handoffs."""
URGENT = 2
"""The priorities up to this one may use the reserve."""
LONGEST = 5.0
"""Seconds ``spend`` waits itself; for more the work is put off."""


class SystemBudget:
    """One system's budget. ``clock``: seconds since 1970 of the real time, never the instance's scaled one."""

    def __init__(
        self,
        engine: Engine,
        system: str,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._engine = engine
        self._system = system
        self._clock = clock
        self._sleep = sleep
        self._limits: dict[timedelta, int] = {}

    def allow(self, calls: int, window: timedelta) -> None:
        if calls < 1 or window <= timedelta(0):
            raise ValueError("a limit is at least one call within some time")
        self._limits[window] = calls

    def spend(self, calls: int = 1, priority: int = 5) -> None:
        if not self._limits:
            return
        waited = 0.0
        while (seconds := self._take(calls, priority)) > 0:
            if waited + seconds > LONGEST:
                raise TryLater(seconds, f"the calls that {self._system} allows are used up")
            self._sleep(seconds)
            waited += seconds

    def told(self, used: int, window: timedelta) -> None:
        if window in self._limits and window >= DAY:
            with write(self._engine, lock=f"budget {self._system}") as connection:
                budgets.raise_to(connection, self._system, self._name(window), used)

    def today(self) -> tuple[int, int] | None:
        """(calls taken today, calls that a day allows); None: days are not counted."""
        if (limit := self._limits.get(DAY)) is None:
            return None
        with read(self._engine) as connection:
            return budgets.held(connection, self._system).get(self._name(DAY), 0), limit

    def takes(self, calls: int) -> timedelta:
        """How long so many calls take at the pace that the limits allow, what today has left included."""
        now = self._clock()
        with read(self._engine) as connection:
            held = budgets.held(connection, self._system)
        longest = 0.0
        for window, limit in self._limits.items():
            span = window.total_seconds()
            if window < DAY:
                longest = max(longest, calls * span / limit)
                continue
            share = max(1.0, limit * (1 - RESERVE))
            left = max(0.0, share - held.get(self._name(window), 0))
            if calls > left:  # what today does not take waits for midnight, and for as many more as it needs
                longest = max(longest, span - now % span + span * int((calls - left - 1) // share))
        return timedelta(seconds=longest)

    def _take(self, calls: int, priority: int) -> float:
        """Take from all limits or from none; returns the seconds until there may be enough."""
        now = self._clock()
        with write(self._engine, lock=f"budget {self._system}") as connection:
            held = budgets.held(connection, self._system)
            taken: dict[str, int] = {}
            for window, limit in self._limits.items():
                name = self._name(window)
                if window >= DAY:
                    taken[name] = held.get(name, 0) + calls
                    if taken[name] > limit * (1 if priority <= URGENT else 1 - RESERVE):
                        return window.total_seconds() - now % window.total_seconds()
                else:
                    burst = max(1, int(limit * BURST))
                    pace = window.total_seconds() / max(1, limit - burst)
                    before = held.get(name, 0) / 1e6
                    if before > now + 2 * limit * pace:  # the clock has gone back since: as if all were taken just now
                        before = now + limit * pace
                        budgets.hold(connection, self._system, {name: int(before * 1e6)})
                    paid = max(before, now) + calls * pace
                    early = paid - now - max(burst, calls) * pace
                    if early > 1e-6:
                        return early
                    taken[name] = int(paid * 1e6)
            budgets.hold(connection, self._system, taken)
        return 0.0

    def _name(self, window: timedelta) -> str:
        seconds = int(window.total_seconds())
        return f"{seconds}:{int(self._clock() // seconds)}" if window >= DAY else f"{seconds}"
