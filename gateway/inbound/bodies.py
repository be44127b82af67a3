"""Bodies of documents, and until when they are kept: not of people who are forgotten, nor longer than was agreed."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from datetime import datetime, timedelta

from gateway.store import forget
from gateway.store.database import Store, overwrite, read, write
from gateway.store.inbox import FORGOTTEN, KEPT, Inbox

CHUNK = 500
REST = 60.0
"""Seconds between two looks for documents that were kept long enough, once none are left."""


class Bodies:
    """One gateway's. Any number of processes may sweep: a body is emptied once."""

    def __init__(self, store: Store, inbox: Inbox, keep: timedelta, now: Callable[[], datetime]) -> None:
        self.store = store
        self.inbox = inbox
        self.keep = keep
        self.now = now
        self._looked = float("-inf")

    def forget(self) -> int:
        """Empty those that named people who are forgotten by now, as soon as they are read. Returns how many."""
        with read(self.store.main) as connection:
            named = forget.unblanked(connection)
        if done := self._blank(named):
            for engine in (self.store.inbox, self.store.main):
                overwrite(engine)
        return len(done)

    def sweep(self) -> int:
        """The same, and some of those that were kept long enough. Returns how many."""
        done = self.forget()
        if time.monotonic() - self._looked >= REST:
            old = self.inbox.kept_long_enough(self.now() - self.keep, CHUNK)
            self._blank(old, KEPT)
            if len(old) < CHUNK:
                self._looked = time.monotonic()
            done += len(old)
        return done

    def _blank(self, documents: Collection[str], why: str = FORGOTTEN) -> set[str]:
        """Empty those that are read, and forget whom they named. Returns which they were."""
        done = set(documents) - self.inbox.blank(documents, why) if documents else set()
        if done:
            with write(self.store.main) as connection:
                forget.blanked(connection, done)
        return done
