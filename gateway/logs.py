"""What the gateway logs, and where: one line per event on stderr, never a value of a person, never a secret.

Tracebacks are cut to the type of each error and the places it passed: an error's text, a statement's parameters and
local variables may hold what a person typed.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any

import structlog

from gateway.contracts import without_secrets

INFO, WARNING = 20, 30
PLACES = 6
"""The innermost places of an error that are named."""
TELLING = ("urllib3", "psycopg", "procrastinate")
"""Libraries whose words hold addresses of calls, in which people are looked up, or names of users; ours tell enough."""
OFTEN = 10.0
"""Seconds between two lines about connections that broke: all of a process's do at once."""


def configure(level: int = WARNING) -> None:
    """Every process calls this once, before it logs."""
    pool = logging.getLogger("sqlalchemy.pool")
    pool.handlers, pool.propagate = [_BROKEN], False
    for library in TELLING:
        logging.getLogger(library).setLevel(logging.CRITICAL)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            without_values,
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
            if sys.stderr.isatty()
            else structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *args: _Lines(sys.stderr),
        cache_logger_on_first_use=False,  # tests and commands exchange sys.stderr
    )


class _Lines(structlog.PrintLogger):
    """A full disk, or a reader that has gone, loses lines and ends nobody: not who has something to say of it."""

    def msg(self, message: str) -> None:
        with contextlib.suppress(OSError):
            super().msg(message)

    log = debug = info = warn = warning = fatal = failure = err = error = critical = exception = msg


class _Broken(logging.Handler):
    """What SQLAlchemy's pool says with a traceback, whenever a connection breaks or is closed over there: one line."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._told = float("-inf")

    def emit(self, record: logging.LogRecord) -> None:
        now = time.monotonic()
        if now - self._told >= OFTEN:
            self._told = now
            told = "database connection broke; the next statement makes a new one"
            structlog.get_logger("gateway.store").warning(told, exc_info=record.exc_info)


_BROKEN = _Broken()


def without_values(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Turn ``exc_info`` into ``error`` and ``where``: types and places, without any text of the error."""
    found = event.pop("exc_info", None)
    if found is True:
        found = sys.exc_info()[1]
    elif isinstance(found, tuple):
        found = found[1]
    if isinstance(found, BaseException):
        event["error"] = " from ".join(_types(found))
        event["where"] = " < ".join(places(found.__traceback__))
    event.pop("stack_info", None)
    for name, value in event.items():  # the last net: what plugins log is theirs
        if isinstance(value, str):
            event[name] = without_secrets(value)
    return event


def places(traceback: TracebackType | None) -> list[str]:
    """``["default.py:1189", "batch.py:341", "runtime.py:132"]``: where it happened, then which of our places led there.

    Files of installed libraries are left out, but for the innermost one; so plugins that are installed normally are.
    """
    frames: list[tuple[str, int]] = []
    while traceback is not None:
        frames.append((traceback.tb_frame.f_code.co_filename, traceback.tb_lineno))
        traceback = traceback.tb_next
    frames.reverse()
    ours = [frame for frame in frames[1:] if "/gateway" in frame[0].replace("\\", "/")]
    return [f"{file.replace(chr(92), '/').rpartition('/')[2]}:{line}" for file, line in [*frames[:1], *ours][:PLACES]]


def where(exc: BaseException) -> str:
    """The line that raised it: its text may hold values."""
    return (places(exc.__traceback__) or [""])[0]


def _types(exc: BaseException) -> list[str]:
    names: list[str] = []
    seen: set[int] = set()
    current: BaseException | None = exc
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        names.append(type(current).__name__)
        current = current.__cause__
    return names
