"""What a command does about plugins that it calls in its own process: one that hangs, leaves or talks stops nobody.

Workers have the supervisor for that. A command has a deadline of its own for each load, sends to stderr what plugins
print, and, from ``alone`` on, does not let one end it without a word (``witness`` sees what nobody can catch).
"""

from __future__ import annotations

import math
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, redirect_stdout
from types import FrameType
from typing import Any

import click

from gateway.awake import Awake
from gateway.cli.crowd import kept_waiting
from gateway.cli.witness import Witness
from gateway.errors import GatewayError

LONGEST = 20.0
"""Seconds that loading a plugin, or building one of its sources or sinks, may take a command. Not counted is when the
machine had no time for it, or the command was stopped: on a busy one what is merely slow looks like what hangs."""
WAITS = 5.0
"""Seconds after which people are told whom they wait for."""
SOON = 0.05
"""Seconds between two looks at the least."""
GRACE = 2.0
"""Seconds more until one that cannot be interrupted is ended, and the command with it."""

_witness: Witness | None = None
"""Of a process that is a command and nothing else, ``alone``: who embeds the commands keeps its own."""


class _Rung(BaseException):
    """Time is up. No ``Exception``: who tries again for ever would catch it."""


def alone() -> None:
    """This process is one command: plugins may neither end it in silence nor write to its output."""
    global _witness
    _witness = Witness()
    leave = os._exit

    def left(code: int) -> None:
        if _witness is not None and _witness.inside:
            raise SystemExit(code)
        leave(code)

    os._exit = left  # type: ignore[assignment]


def impatient(plugin: str, call: str, seconds: float | None = None) -> AbstractContextManager[None]:
    """A guard (``gateway.model.Guard``): ``GatewayError`` where a load takes too long; other calls take their time.

    A ``KeyboardInterrupt`` that no key caused is an error of the plugin that is loaded; one that a key did is told with
    its name.
    """
    if threading.current_thread() is not threading.main_thread():
        return nullcontext()
    if call.startswith(("import", "register_", "build")):
        return _load(plugin, call, LONGEST if seconds is None else seconds)
    return _Call(plugin, call)


class _Call:
    """One that does not load: written out, since every call enters one."""

    __slots__ = ("_stdout", "_watched")

    def __init__(self, plugin: str, call: str) -> None:
        self._watched = nullcontext() if _witness is None else _witness.watching(plugin, call, math.inf)

    def __enter__(self) -> None:
        self._watched.__enter__()
        self._stdout, sys.stdout = sys.stdout, sys.stderr

    def __exit__(self, *exc: Any) -> None:
        sys.stdout = self._stdout
        self._watched.__exit__(*exc)


@contextmanager
def _load(plugin: str, call: str, longest: float) -> Iterator[None]:
    with ExitStack() as ends:
        if _witness is not None:
            ends.enter_context(_witness.watching(plugin, call, longest + GRACE))
            ends.enter_context(_witness.naming(plugin))
        ends.enter_context(redirect_stdout(sys.stderr))
        if hasattr(signal, "setitimer"):
            ends.enter_context(_hurried(plugin, call, longest))
        yield


@contextmanager
def _hurried(plugin: str, call: str, longest: float) -> Iterator[None]:
    pressed = told = over = False
    most = longest - kept_waiting()  # in this order, so that what lies between is no plugin's
    awake = Awake(WAITS + GRACE)
    began = awake.look()

    def ring(number: int, frame: FrameType | None) -> None:
        nonlocal told
        if over:  # it came as the load ended: set once more, the clock would end the process
            return
        left = most - awake.since(began) + kept_waiting()
        if left <= 0:
            raise _Rung
        if not told and longest > WAITS:
            told = True
            _tell(f"waiting for plugin {plugin} ({call}), at most {longest:g} s")
        signal.setitimer(signal.ITIMER_REAL, min(max(left, SOON), WAITS), 1.0)

    def press(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        pressed = True
        raise KeyboardInterrupt

    def rest() -> None:
        nonlocal over
        over = True
        signal.setitimer(signal.ITIMER_REAL, 0)

    with ExitStack() as ends:
        ends.enter_context(_handled(signal.SIGALRM, ring))
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            ends.enter_context(_handled(signal.SIGINT, press))
        signal.setitimer(signal.ITIMER_REAL, min(longest, WAITS), 1.0)
        ends.callback(rest)
        try:
            yield
        except _Rung:
            from gateway.host import Overdue

            raise Overdue(f"it did not come to an end within {longest:g} s") from None
        except KeyboardInterrupt:
            if pressed or signal.getsignal(signal.SIGINT) is not press:
                _tell(f"interrupted while plugin {plugin} was loaded ({call})")
                raise
            raise GatewayError("it raised KeyboardInterrupt") from None


def _tell(words: str) -> None:
    if _witness is None:
        click.echo(words, err=True)
    else:
        _witness.tell(words)


@contextmanager
def _handled(number: int, handler: Any) -> Iterator[None]:
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)
