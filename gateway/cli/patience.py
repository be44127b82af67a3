"""A deadline for plugins that a command loads in its own process: one that hangs is told as broken, the others work on.

Workers have the supervisor for that; a command has nobody who could kill it, so a signal ends the call.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

LONGEST = 20.0
"""Seconds that loading a plugin, or building one of its sources or sinks, may take a command."""


@contextmanager
def impatient(plugin: str, call: str, seconds: float = LONGEST) -> Iterator[None]:
    """A guard (``gateway.model.Guard``): ``TimeoutError`` inside a call that loads; others take their time."""
    loads = call.startswith(("import", "register_", "build"))
    if not loads or threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def ring(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"it did not come to an end within {seconds:g} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
