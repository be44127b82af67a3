"""Tells the log which documents were taken in: a line a second for each system, however many calls there are.

Stands between the intake and the inbox. A document's id is the one thread through all logs: from here over the pipeline
(``worked``) to the system that was told of it (``answered``).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from gateway.store.arrivals import Appended, Arrival

EVERY = 1.0
LINE = 200
"""Documents that one line names at most."""


class Accepted:
    """An ``append`` that remembers what it stored until it is told."""

    def __init__(self, append: Callable[[Arrival], Appended], log: Any) -> None:
        self._append = append
        self._log = log
        self._stored: deque[tuple[str, Appended]] = deque()

    def __call__(self, arrival: Arrival) -> Appended:
        stored = self._append(arrival)
        self._stored.append((arrival.system, stored))
        return stored

    def start(self) -> None:
        """Tell from a thread of its own until the process ends."""
        threading.Thread(target=self._run, name="accepted", daemon=True).start()

    def _run(self) -> None:
        while True:
            time.sleep(EVERY)
            self.tell()

    def tell(self) -> None:
        """What came since the last time; a repeat is named by the document that it repeats."""
        found: dict[tuple[str, str], list[str]] = {}
        while self._stored:
            system, one = self._stored.popleft()
            found.setdefault((system, "repeated" if one.duplicate else "accepted"), []).append(one.id)
        for (system, what), ids in found.items():
            for start in range(0, len(ids), LINE):
                self._log.info(what, system=system, documents=" ".join(ids[start : start + LINE]))
