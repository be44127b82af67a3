"""A process beside a command, which says in which plugin's call the command ended, when nothing else can.

A plugin that crashes the interpreter, kills its own process or hangs where no signal reaches takes the command with it:
the witness, forked before the first plugin is loaded, then names it on stderr; and it ends a load that has no end.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress

from gateway.engine.slots import Slots

LOOK = 0.5
"""Seconds between two looks at whether a load outstays its deadline."""


class Witness:
    """The command's side. Where nothing can be forked, there is no witness, and all else is as it was."""

    def __init__(self) -> None:
        self._process = os.getpid()
        self._slots = Slots(None, 1)
        self._slot = self._slots.slot(0)
        self._line: int | None = None

    @property
    def inside(self) -> bool:
        """A plugin's call is under way in this very process, and not in one that was forked in it."""
        return self._slot.busy and os.getpid() == self._process

    def watching(self, plugin: str, call: str, seconds: float) -> AbstractContextManager[None]:
        """Around one call."""
        if self._line is None and hasattr(os, "fork") and threading.active_count() == 1:
            self._line = _fork(self._slots)
        return self._slot.calling(plugin, call, seconds)


@contextmanager
def aside() -> Iterator[None]:
    """Let file 1 be stderr, for those who write there past ``sys.stdout``."""
    stdout = None
    with suppress(OSError, ValueError, AttributeError):  # one of them is closed
        sys.__stdout__.flush()  # type: ignore[union-attr]
        stdout = os.dup(1)
        os.dup2(2, 1)
    try:
        yield
    finally:
        if stdout is not None:
            with suppress(OSError, ValueError, AttributeError):
                sys.__stdout__.flush()  # type: ignore[union-attr]
            os.dup2(stdout, 1)
            os.close(stdout)


def _fork(slots: Slots) -> int | None:
    """The command's end of a line that breaks when it ends."""
    source, line = os.pipe()
    command = os.getpid()
    try:
        if os.fork():
            os.close(source)
            return line
    except OSError:
        os.close(source)
        os.close(line)
        return None
    try:
        os.close(line)
        _look(slots, source, command)
    finally:
        os._exit(0)  # nothing that the command has begun is ended here, too


def _look(slots: Slots, source: int, command: int) -> None:
    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, signal.SIG_IGN)
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1):  # who reads what the command prints waits for the command alone
        os.dup2(nothing, number)
    while not select.select([source], [], [], LOOK)[0]:
        seen = slots.seen(0)
        if seen.plugin and time.monotonic() > seen.until:
            _tell(seen.plugin, seen.call, f"no end within {seen.until - seen.since:g} s: ")
            os.kill(command, signal.SIGKILL)
            return
    from gateway.model import GATEWAY

    seen = slots.seen(0)
    if seen.plugin not in ("", GATEWAY):
        _tell(seen.plugin, seen.call)


def _tell(plugin: str, call: str, why: str = "") -> None:
    told = f"{why}the command was ended in a call of plugin {plugin} ({call.partition(' ')[0]}); "
    os.write(2, f"{told}`gateway plugins disable {plugin}` or GATEWAY_PLUGINS leaves it out\n".encode())
