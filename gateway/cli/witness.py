"""A process beside a command, which says while loading which plugin the command ended, when nothing else can.

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
from contextlib import contextmanager, suppress


class Witness:
    """The command's side. Where nothing can be forked, there is none, and all else is as it was."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self.told = ""
        """What is under way, as the witness knows it; empty between loads."""
        self._to: int | None = None

    @contextmanager
    def watching(self, plugin: str, call: str, seconds: float) -> Iterator[None]:
        """Around one load. Whatever is written to file 1 meanwhile goes to stderr."""
        if self._to is None and hasattr(os, "fork") and threading.active_count() == 1:
            self._to = _fork()
        before = self.told
        self._tell(f"{seconds:g} plugin {plugin} was loaded ({call})")
        try:
            with _aside():
                yield
        finally:
            self._tell(before)

    def _tell(self, text: str) -> None:
        self.told = text
        if self._to is not None:
            with suppress(OSError):  # it was killed; nobody depends on it
                os.write(self._to, f"{text}\n".encode())


@contextmanager
def _aside() -> Iterator[None]:
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


def _fork() -> int | None:
    source, to = os.pipe()
    command = os.getpid()
    try:
        if os.fork():
            os.close(source)
            return to
    except OSError:
        os.close(source)
        os.close(to)
        return None
    try:
        os.close(to)
        _witness(source, command)
    finally:
        os._exit(0)  # nothing that the command has begun is ended here, too


def _witness(source: int, command: int) -> None:
    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, signal.SIG_IGN)
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1):  # who reads what the command prints waits for the command alone
        os.dup2(nothing, number)
    last, until, text = "", None, b""
    while True:
        left = None if until is None else max(0.0, until - time.monotonic())
        if not select.select([source], [], [], left)[0]:
            os.write(2, f"no end within {last.partition(' ')[0]} s: {_words(last)}".encode())
            os.kill(command, signal.SIGKILL)
            return
        if not (chunk := os.read(source, 65536)):
            if last:
                os.write(2, _words(last).encode())
            return
        *lines, text = (text + chunk).split(b"\n")
        if lines:
            last = lines[-1].decode()
            until = time.monotonic() + float(last.partition(" ")[0]) if last else None


def _words(told: str) -> str:
    plugin = told.split(" ")[2]
    return (
        f"the command was ended while {told.partition(' ')[2]}; "
        f"`gateway plugins disable {plugin}` or GATEWAY_PLUGINS leaves it out\n"
    )
