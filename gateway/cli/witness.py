"""A process beside a command, which says in which plugin's call the command ended, when nothing else can.

A plugin that crashes the interpreter, kills its own process or hangs where no signal reaches takes the command with it:
the witness, forked before the first plugin is loaded, then names it on stderr; and it ends a load that has no end.
"""

from __future__ import annotations

import math
import os
import select
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress

from gateway.awake import Awake
from gateway.cli.crowd import kept_waiting
from gateway.engine.slots import Slots

MOST = 1 << 20
"""Bytes of what a plugin says while it is loaded that are shown."""
LOOK = 0.5
"""Seconds between two looks at whether a load outstays its deadline."""


class Witness:
    """The command's side. Where nothing can be forked, there is no witness, and all else is as it was."""

    def __init__(self) -> None:
        self._process = os.getpid()
        self._slots = Slots(None, 1)
        self._slot = self._slots.slot(0)
        self._line: int | None = None
        self._said = _unnamed()
        self._stderr = 2
        with suppress(OSError):  # it is closed
            self._stderr = os.dup(2)

    @property
    def inside(self) -> bool:
        """A plugin's call is under way in this very process, and not in one that was forked in it."""
        return self._slot.busy and os.getpid() == self._process

    def watching(self, plugin: str, call: str, seconds: float) -> AbstractContextManager[None]:
        """Around one call."""
        if self._line is None and hasattr(os, "fork") and threading.active_count() == 1:
            self._line = _fork(self._slots, self._said)
        return self._slot.calling(plugin, call, seconds)

    @contextmanager
    def naming(self, plugin: str) -> Iterator[None]:
        """Let what is written to files 1 and 2, past ``sys.stdout`` too, go to stderr as the plugin's words."""
        before: list[int] = []
        with suppress(OSError, ValueError, AttributeError):  # one of them is closed
            _flush()
            before = [os.dup(1), os.dup(2)]
            for number in (1, 2):
                os.dup2(self._said, number)
        try:
            yield
        finally:
            if before:
                _flush()
                for number, old in zip((1, 2), before, strict=True):
                    os.dup2(old, number)
                    os.close(old)
                _say(self._said, plugin)
                with suppress(OSError):
                    os.ftruncate(self._said, 0)
                    os.lseek(self._said, 0, os.SEEK_SET)

    def tell(self, words: str) -> None:
        """Words of ours, on stderr, in the midst of a plugin's."""
        with suppress(OSError):
            os.write(self._stderr, f"{words}\n".encode())


def _unnamed() -> int:
    """A file that goes with the last process that has it open; stderr itself where none can be made."""
    try:
        number, path = tempfile.mkstemp()
        os.unlink(path)
    except OSError:
        return os.dup(2)
    return number


def _flush() -> None:
    for stream in (sys.__stdout__, sys.__stderr__, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()  # type: ignore[union-attr]


def _say(said: int, plugin: str) -> None:
    """On stderr, each line with whose it is."""
    with suppress(OSError):
        text = os.pread(said, MOST, 0)
        os.write(2, b"".join(f"plugin {plugin}: ".encode() + line + b"\n" for line in text.splitlines()))


def _fork(slots: Slots, said: int) -> int | None:
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
        _look(slots, said, source, command)
    finally:
        os._exit(0)  # nothing that the command has begun is ended here, too


def _look(slots: Slots, said: int, source: int, command: int) -> None:
    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, signal.SIG_IGN)
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1):  # who reads what the command prints waits for the command alone
        os.dup2(nothing, number)
    waited, before = (
        dict[float, float](),
        0.0,
    )  # a call's beginning → how long others had kept the command waiting by then
    awake = Awake()
    while not select.select([source], [], [], LOOK)[0]:
        awake.look()
        now = kept_waiting(command)
        seen = slots.seen(0)
        finite = seen.plugin and seen.until < math.inf
        allowed = seen.until - seen.since + now - waited.setdefault(seen.since, before)
        if finite and awake.since(seen.since) > allowed:
            _say(said, seen.plugin)
            _tell(seen.plugin, seen.call, f"no end within {seen.until - seen.since:g} s: ")
            os.kill(command, signal.SIGKILL)
            return
        before = now
    from gateway.model import GATEWAY

    seen = slots.seen(0)
    if seen.plugin not in ("", GATEWAY):
        _say(said, seen.plugin)
        _tell(seen.plugin, seen.call)


def _tell(plugin: str, call: str, why: str = "") -> None:
    told = f"{why}the command was ended in a call of plugin {plugin} ({call.partition(' ')[0]}); "
    os.write(2, f"{told}`gateway plugins disable {plugin}` or GATEWAY_PLUGINS leaves it out\n".encode())
