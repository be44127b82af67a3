"""The breakers of one process: who has failed three times in a row is not called for a while, and then tried again.

In: what became of each plugin call, from ``watch``. Out: whether a part of a plugin may be called now. A call that
raises costs its own item only, so it counts until one like it works; a call that ends its process counts for an hour.
All of it is kept in the store, since the next process may know of none.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine

from gateway.store import breakers
from gateway.store.database import read, write
from gateway.store.times import utc_now
from gateway.times import to_micros

LOOK = 1.0
"""Seconds between two looks at what other processes have found."""

Key = tuple[str, str]
"""(plugin, part)"""
Call = tuple[str, str, str]
"""(plugin, part, call)"""


@dataclass(frozen=True, slots=True)
class Settled:
    """``items``: (call, item) of those whose failures opened a breaker, so that the fault was not theirs. ``closed``:
    what works again."""

    items: tuple[tuple[str, str], ...] = ()
    closed: frozenset[Key] = frozenset()


NOTHING = Settled()


class Breakers:
    """What this process knows; ``settle`` writes it down, outside any transaction. ``clock``: real time."""

    def __init__(self, engine: Engine, log: Any, clock: Callable[[], datetime] = utc_now) -> None:
        self._engine = engine
        self._log = log
        self.clock = clock
        self._looked = float("-inf")
        self._open: dict[Key, Any] = {}
        """Those that are open, from the store: rows."""
        self._failing: dict[Call, dict[str, str]] = {}
        """Item → reason, of those that failed in a row."""
        self._moved: set[Call] = set()
        """Of which of them more or less is to be written than the store has."""
        self._poison: set[tuple[str, str, str]] = set()
        """(plugin, part, item) at which a process has ended three times within an hour."""
        self._tripped: dict[Key, str] = {}
        """To be written: reasons."""
        self._closed: set[Key] = set()
        """To be written."""
        self._items: list[tuple[str, str]] = []

    @property
    def quiet(self) -> bool:
        """Nothing fails: a call that works is no news."""
        return not (self._failing or self._open)

    def stopped(self, plugin: str, part: str, item: str = "") -> bool:
        """Whether it is not to be called now, or not about ``item``, at which too many processes have ended lately.

        After its wait it may be called: that call decides.
        """
        self._look()
        if (plugin, part) in self._tripped or (plugin, part, item) in self._poison:
            return True
        row = self._open.get((plugin, part))
        return row is not None and row.retry_at > to_micros(self.clock())

    def worked(self, plugin: str, part: str, call: str, decides: bool) -> None:
        """A call came to its end. ``decides``: such a call closes an open breaker of the part."""
        if self._failing.pop((plugin, part, call), None) is not None:
            self._moved.add((plugin, part, call))
        if decides and (plugin, part) in self._open:
            self._closed.add((plugin, part))
            del self._open[plugin, part]

    def failed(self, plugin: str, part: str, call: str, item: str, reason: str) -> None:
        """A call raised, or gave garbage. ``item``: what it was about; "" when that was nothing of its own."""
        failing = self._failing.setdefault((plugin, part, call), {})
        failing[item or f"#{len(failing)}"] = reason
        self._moved.add((plugin, part, call))
        if len(failing) >= breakers.STRIKES and (plugin, part) not in self._tripped:
            self._tripped[plugin, part] = reason
            self._items += [(call, one) for one in failing if item]
            del self._failing[plugin, part, call]

    def settle(self) -> Settled:
        """Write down what was found since."""
        if not (self._tripped or self._closed or self._moved):
            return NOTHING
        now = to_micros(self.clock())
        with write(self._engine) as connection:
            for plugin, part, call in self._moved:
                breakers.keep(connection, plugin, part, call, self._failing.get((plugin, part, call), {}), now)
            for plugin, part in self._closed:
                if breakers.close(connection, plugin, part):
                    self._log.info("plugin works again", plugin=plugin, part=part)
            for (plugin, part), reason in self._tripped.items():
                breakers.trip(connection, plugin, part, reason, now)
                self._log.error("plugin quarantined", plugin=plugin, part=part, reason=reason)
        settled = Settled(tuple(self._items), frozenset(self._closed))
        self._items.clear()
        self._tripped.clear()
        self._closed.clear()
        self._moved.clear()
        self._looked = float("-inf")
        return settled

    def open(self) -> Sequence[Any]:
        """The rows of those that are open, as the store has them now."""
        self._looked = float("-inf")
        self._look()
        return list(self._open.values())

    def _look(self) -> None:
        if (now := time.monotonic()) - self._looked < LOOK:
            return
        self._looked = now
        with read(self._engine) as connection:
            rows = breakers.known(connection)
        fresh = [row for row in rows if (row.plugin, row.part) not in self._closed]
        self._open = {(row.plugin, row.part): row for row in fresh if row.opened_at is not None}
        mine = {call: self._failing.get(call) for call in self._moved}
        since = to_micros(self.clock()) - breakers.WITHIN
        self._failing, self._poison = {}, set()
        for row in fresh:
            for item, at, reason, call, times in row.strikes:
                if at <= since:
                    continue
                if not call and item and times >= breakers.STRIKES:
                    self._poison.add((row.plugin, row.part, item))
                if call:
                    self._failing.setdefault((row.plugin, row.part, call), {})[item] = reason
        for call, failing in mine.items():
            self._failing.pop(call, None)
            if failing:
                self._failing[call] = failing
