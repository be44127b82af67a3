"""Tells the log which documents were taken in: a line a second for each system, however many calls there are.

A document's id is the one thread through all logs: from here over the pipeline
(``worked``) to the system that was told of it (``answered``).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any

from gateway.store.arrivals import Appended

EVERY = 1.0
LINE = 200
"""Documents that one line names at most."""


class Accepted:
    """Remembers what was stored until it is told."""

    def __init__(self, log: Any) -> None:
        self._log = log
        self._stored: deque[tuple[str, Appended]] = deque()

    def __call__(self, system: str, stored: Appended) -> None:
        self._stored.append((system, stored))

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
