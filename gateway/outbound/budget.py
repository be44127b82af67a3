"""The calls a system allows, shared by every process: taken before a call, never after.

In: limits as a plugin states them. Out: ``spend`` returns, waits a moment, or raises ``TryLater``. A day's limit is
counted. A shorter one has a place for each of its calls, and is paced.

**Places.** We know when a call is taken, and when it was answered. The system counts it at some moment between the two,
when it arrives. Calls that are taken at an even pace need not arrive so: one that is held up on its way, by a full
line, a busy machine or a process that stands still, is counted with those of a later window. Therefore a call keeps its
place until a window's length after its answer. Of all calls that arrive within one window take the one that was taken
last: at that moment every other was unanswered, or answered less than a window ago (it arrived in this window, and was
answered after that), and so had its place still. Hence they are never more than there are places, however late one is.
It costs the time of an answer: of 0.1 s, one call in a hundred of ten seconds.

**Answers.** A thread makes one call after the other: who asks for the next one has the answer to the last. So nobody
has to tell us. Who asks for no more keeps the place for as long as a call may take: perhaps it died with the call.

**Pace.** Places alone let all calls of a window go at once, and then a handoff waits for the next window. One number
holds the time at which the calls taken so far are paid off (a leaky bucket).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from itertools import count, islice

from sqlalchemy import Engine

from gateway.errors import TryLater
from gateway.store import budgets
from gateway.store.database import read, write

DAY = timedelta(days=1)
BURST = 0.1
"""Share of a short limit that may go out at once, to make up for a moment without calls; the rest is spread."""
FLIGHT = 35.0
"""Seconds after which a call counts as answered if nobody says so: none may take more than 30."""
DRIFT = 1.001
"""A window is taken to be so much longer: clocks that are being set right run up to 0.05 % too fast or too slow."""
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
        self._thread = threading.local()
        """``open``: the places of this thread's last call. ``answered``: when it was; None = it is not known to be."""

    def allow(self, calls: int, window: timedelta) -> None:
        if calls < 1 or window <= timedelta(0):
            raise ValueError("a limit is at least one call within some time")
        self._limits[window] = calls

    def spend(self, calls: int = 1, priority: int = 5) -> None:
        if not self._limits:
            return
        if getattr(self._thread, "answered", None) is None:
            self._thread.answered = self._clock()
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
        with write(self._engine, lock=f"budget {self._system}") as connection:
            now = self._clock()  # when it is our turn, not when we asked for it
            held = budgets.held(connection, self._system)
            mended = _mended(held, now)
            held |= mended | (taken := self._answered(held))
            waits: list[float] = []
            opened: dict[str, int] = {}
            for window, limit in self._limits.items():
                name, span = self._name(window), window.total_seconds()
                if window >= DAY:
                    taken[name] = held.get(name, 0) + calls
                    enough = taken[name] <= limit * (1 if priority <= URGENT else 1 - RESERVE)
                    waits.append(0.0 if enough else span - now % span)
                    continue
                paid, wait = _paced(held.get(name, 0) / 1e6, span / limit, max(1, int(limit * BURST)), calls, now)
                taken[name] = int(paid * 1e6)
                places, full = _places(held, name, limit, min(calls, limit), int(now * 1e6))
                opened |= dict.fromkeys(places, int((now + FLIGHT + span * DRIFT) * 1e6))
                waits += [wait, min(full, span)]
            if (longest := max(waits)) > 0:
                budgets.hold(connection, self._system, mended)
                return longest
            budgets.hold(connection, self._system, taken | opened)
        self._thread.open, self._thread.answered = opened, None
        return 0.0

    def _answered(self, held: Mapping[str, int]) -> dict[str, int]:
        """The places of this thread's last call, by name, and when they are free; not those that others have by now."""
        ended: dict[str, int] = {}
        for name, number in getattr(self._thread, "open", {}).items():
            if held.get(name) == number:
                ended[name] = int((self._thread.answered + float(name.partition("#")[0]) * DRIFT) * 1e6)
        return ended

    def _name(self, window: timedelta) -> str:
        seconds = int(window.total_seconds())
        return f"{seconds}:{int(self._clock() // seconds)}" if window >= DAY else f"{seconds}"


def _mended(held: Mapping[str, int], now: float) -> dict[str, int]:
    """After the clock went back some numbers are later than any can be: as if all were answered just now."""
    mended: dict[str, int] = {}
    for name, number in held.items():
        if ":" in name:
            continue
        span = float(name.partition("#")[0])
        if number / 1e6 > now + span * DRIFT + (FLIGHT if "#" in name else 0.0):
            mended[name] = int((now + span) * 1e6)
    return mended


def _paced(before: float, pace: float, burst: int, calls: int, now: float) -> tuple[float, float]:
    """(when these calls are paid off, seconds until they may go). ``before``: when those up to now are."""
    paid = max(before, now) + calls * pace
    early = paid - now - max(burst, calls) * pace
    return paid, early if early > 1e-6 else 0.0


def _places(held: Mapping[str, int], name: str, limit: int, calls: int, now: int) -> tuple[list[str], float]:
    """(places that are free, by name; seconds until there are enough)."""
    full = sorted(number for place, number in held.items() if place.startswith(f"{name}#") and number > now)
    if (over := len(full) + calls - limit) > 0:
        return [], (full[over - 1] - now) / 1e6
    free = (place for n in count() if held.get(place := f"{name}#{n}", 0) <= now)
    return list(islice(free, calls)), 0.0
