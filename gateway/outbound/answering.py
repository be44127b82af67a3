"""Whether a system answers at all: one that does not is left alone for a while, then asked with one write.

In: what became of each call. Out: when the next may go. Writes that are held back so spend no try, so that a system
which is away for days costs each of them few.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from datetime import datetime, timedelta

from gateway.contracts import Receipt

STRIKES = 3
"""So many calls in a row must have got no answer, about different writes: one alone may be the fault of its own."""
FIRST, LONGEST = 10.0, 300.0
"""Seconds until the system is asked again, doubled each time, and the most of them."""
_NONE = frozenset({"retry", "unknown"})


class Answering:
    """One worker's view of one system. Times are those that writes are due by."""

    def __init__(self) -> None:
        self._struck: set[str] = set()
        self._wait = 0.0
        self._rest: tuple[datetime, datetime] | None = None

    @property
    def silent(self) -> bool:
        """It did not answer when it was asked last."""
        return self._wait > 0

    def rests(self, now: datetime) -> float:
        """Seconds for which it is left alone; 0 when it may be asked. A clock that went back ends the rest."""
        if self._rest is None or not self._rest[0] <= now < self._rest[1]:
            return 0.0
        return (self._rest[1] - now).total_seconds()

    def heard(self, receipts: Collection[Receipt], now: datetime) -> bool:
        """What came of one call. Whether that changed anything: it is silent now, or answers again."""
        before = self.silent
        if any(one.result not in _NONE for one in receipts):
            self._struck.clear()
            self._wait, self._rest = 0.0, None
            return before
        self._struck.add(min(one.key for one in receipts))
        if not before and len(self._struck) < STRIKES:
            return False
        self._wait = min(LONGEST, self._wait * 2 or FIRST)
        self._rest = now, now + timedelta(seconds=self._wait * (0.8 + 0.4 * random.random()))
        return not before
