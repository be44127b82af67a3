"""Plugins that had no end when they were loaded, tried again in a process of their own: whoever works goes on.

In: those whose wait is over. Out: a note in the store (``memory``), by which they are let in, or wait the longer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from gateway.errors import GatewayError
from gateway.plugins.probe import look

LEAST = 60.0
"""Seconds between two tries, also where a try leaves no note."""


class Retrying:
    """That of one worker of the instance in ``root``."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._began = float("-inf")

    def begin(self, plugins: Collection[str]) -> None:
        """Try ``plugins``, unless a try began just now."""
        if plugins and time.monotonic() - self._began >= LEAST:
            self._began = time.monotonic()
            threading.Thread(target=self._try, args=(sorted(plugins),), name="plugins", daemon=True).start()

    def _try(self, plugins: list[str]) -> None:
        with suppress(GatewayError, OSError):  # no process comes up just now
            look(self._root, probing=True, only=plugins)
