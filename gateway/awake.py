"""A clock for who watches others: it does not count time in which the watcher itself did not run.

A machine that was suspended, swapped out or stopped stops whom it watches, too: a call that was under way meanwhile has
taken none of that time, and who could not speak was not silent.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

LONGEST = 2.0
"""Seconds between two looks that are counted at most: who looks ten times a second was away for the rest of them."""


class Awake:
    """Seconds of ``clock``, which is monotonic, less those that lie between two looks and are more than ``longest``.

    Of one thread, which looks more often than that as long as it runs.
    """

    def __init__(self, longest: float = LONGEST, clock: Callable[[], float] = time.monotonic) -> None:
        self._longest, self._clock = longest, clock
        self._last = clock()
        self._away: deque[tuple[float, float]] = deque(maxlen=64)
        """From when until when nobody looked, the newest last."""

    def look(self) -> float:
        """Say that we run. Returns what ``clock`` says."""
        now = self._clock()
        if now - self._last > self._longest:
            self._away.append((self._last + self._longest, now))
        self._last = now
        return now

    def since(self, moment: float) -> float:
        """How many seconds are counted since ``moment``, as ``clock`` told it."""
        now = self.look()
        return now - moment - sum(max(0.0, end - max(begun, moment)) for begun, end in self._away)
