"""What a command does about plugins that it loads in its own process: one that hangs, leaves or talks stops nobody.

Workers have the supervisor for that. A command has a deadline of its own for each load, sends to stderr what is printed
meanwhile, and, from ``alone`` on, does not let a plugin end it without a word (``witness`` sees what nobody can catch).
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from types import FrameType
from typing import Any

import click

from gateway.cli.witness import Witness
from gateway.errors import GatewayError

LONGEST = 20.0
"""Seconds that loading a plugin, or building one of its sources or sinks, may take a command."""
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
        if _witness is not None and _witness.told and os.getpid() == _witness.process:
            raise SystemExit(code)
        leave(code)

    os._exit = left  # type: ignore[assignment]


@contextmanager
def impatient(plugin: str, call: str, seconds: float | None = None) -> Iterator[None]:
    """A guard (``gateway.model.Guard``): ``GatewayError`` where a load takes too long; other calls take their time.

    A ``KeyboardInterrupt`` that no key caused is an error of the plugin's; one that a key did is told with its name.
    """
    loads = call.startswith(("import", "register_", "build"))
    if not loads or threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return
    longest, pressed = LONGEST if seconds is None else seconds, False

    def ring(number: int, frame: FrameType | None) -> None:
        raise _Rung

    def press(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        pressed = True
        raise KeyboardInterrupt

    with ExitStack() as ends:
        ends.enter_context(_handled(signal.SIGALRM, ring))
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            ends.enter_context(_handled(signal.SIGINT, press))
        ends.enter_context(redirect_stdout(sys.stderr))
        if _witness is not None:
            ends.enter_context(_witness.watching(plugin, call, longest + GRACE))
        signal.setitimer(signal.ITIMER_REAL, longest, 1.0)
        ends.callback(signal.setitimer, signal.ITIMER_REAL, 0)
        try:
            yield
        except _Rung:
            raise GatewayError(f"it did not come to an end within {longest:g} s") from None
        except KeyboardInterrupt:
            if pressed or signal.getsignal(signal.SIGINT) is not press:
                click.echo(f"interrupted while plugin {plugin} was loaded ({call})", err=True)
                raise
            raise GatewayError("it raised KeyboardInterrupt") from None


@contextmanager
def _handled(number: int, handler: Any) -> Iterator[None]:
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)
