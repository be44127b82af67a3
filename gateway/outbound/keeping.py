"""Until when the outbox keeps what was written: once a day all that is settled is walked, a few writes at a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import Engine

from gateway.store import emptied
from gateway.store.database import read, write
from gateway.times import to_micros

CHUNK = 500
ROUND = 86_400.0
"""Seconds between two walks."""
DAY = 86_400_000_000


class Keeping:
    """One gateway's. Any number of processes may sweep: a write is emptied once. Dead letters keep their values until
    they are settled."""

    def __init__(self, engine: Engine, keep: timedelta, now: Callable[[], datetime]) -> None:
        self._engine = engine
        self._keep = keep
        self._now = now
        self._walked = float("-inf")
        self._after: str | None = None
        self._from, self._until = "", ""
        self._whole = True
        """Whether nothing was left out so far: then the next walk begins here."""

    def sweep(self) -> int:
        """Empty some of those that were kept long enough. Returns how many."""
        if self._after is None:
            if time.monotonic() - self._walked < ROUND:
                return 0
            with read(self._engine) as connection:
                self._from = self._until = self._after = emptied.since(connection)
            self._walked, self._whole = time.monotonic(), True
        before = to_micros(self._now() - self._keep)
        with read(self._engine) as connection:
            rows = emptied.after(connection, self._after, CHUNK)
        old = []
        for row in rows:
            self._after = row.id
            settled = row.state in emptied.SETTLED and row.finished_at is not None and row.finished_at < before
            # A day more, for a machine with another clock may still plan some with ids of then.
            self._whole = self._whole and settled and row.planned_at < before - DAY
            self._until = row.id if self._whole else self._until
            old += [row] if settled and emptied.has_values(row) else []
        over = len(rows) < CHUNK or rows[-1].planned_at >= before
        if old or (over and self._until != self._from):
            with write(self._engine, lock=None) as connection:
                if old:
                    emptied.empty(connection, old)
                if over:
                    emptied.until(connection, self._until)
        self._after = None if over else self._after
        return len(old)
