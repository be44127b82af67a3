"""Ends waits for a PostgreSQL that does not answer: its machine takes our bytes, and nothing ever comes back.

A thread that waits for an answer cannot be woken, but its connection can be shut from outside: the wait then ends with
the driver's error. Only threads that say how long they have, by ``within``, are looked after.
"""

from __future__ import annotations

import contextlib
import math
import os
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import Engine, event

LOOK = 0.1
"""Seconds between two looks at who waits."""
PING = 0.4
"""Seconds that a connection has to show that it is alive before it is used again."""
CONNECT = 2
"""Seconds that a new connection may take; the driver knows nothing shorter."""

_here = threading.local()
_waiting: dict[int, tuple[float, int]] = {}  # thread → until when, and its connection's descriptor
_lock = threading.Lock()
_watcher: threading.Thread | None = None


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """What this thread asks PostgreSQL in the block is answered by then, or fails with the driver's error."""
    before, _here.until = getattr(_here, "until", None), time.monotonic() + seconds
    try:
        yield
    finally:
        _here.until = before


@contextlib.contextmanager
def cut_off(connection: Any, most: float = math.inf) -> Iterator[None]:
    """Around a wait for the answer of one of psycopg's connections; ``most`` seconds, whatever time there is."""
    until = getattr(_here, "until", None)
    if until is None:
        yield
        return
    me = threading.get_ident()
    with _lock:
        before = _waiting.get(me)
        _waiting[me] = (min(until, time.monotonic() + most), connection.fileno())
        _watch()
    try:
        yield
    finally:
        with _lock:  # nobody shuts the descriptor any more that may be somebody else's next
            if before is None:
                del _waiting[me]
            else:
                _waiting[me] = before


def look_after(engine: Engine) -> None:
    """Have each statement of an engine of PostgreSQL, and each new connection, keep to the time that its thread has."""
    dialect: Any = engine.dialect
    ping: Callable[[Any], bool] = dialect.do_ping
    execute: Callable[..., None] = dialect.do_execute
    commit: Callable[[Any], None] = dialect.do_commit

    def do_ping(connection: Any) -> bool:
        with cut_off(connection, PING):
            return ping(connection)

    def do_execute(cursor: Any, *rest: Any) -> None:
        with cut_off(cursor.connection):
            execute(cursor, *rest)

    def do_commit(connection: Any) -> None:
        with cut_off(connection.driver_connection):
            commit(connection)

    dialect.do_ping, dialect.do_execute, dialect.do_commit = do_ping, do_execute, do_commit
    event.listen(engine, "do_connect", _in_time)


def let_go(late: BaseException) -> None:
    """Close the connection that was not made in time: psycopg's error and what it tried hold each other, and its
    socket, until Python looks for rings. A server that was frozen and goes on would wait for us for a minute."""
    for one in (late, late.__context__):
        if one is not None:
            traceback.clear_frames(one.__traceback__)


def _in_time(dialect: Any, _: Any, given: Any, named: Any) -> Any:
    until = getattr(_here, "until", None)
    if until is not None and until - time.monotonic() < CONNECT:
        raise dialect.dbapi.OperationalError("timeout: no time is left to connect")
    try:
        return dialect.connect(*given, **named)
    except dialect.dbapi.errors.ConnectionTimeout as exc:
        let_go(exc)
        raise


def _watch() -> None:
    global _watcher
    if _watcher is None or not _watcher.is_alive():  # also in a process that was forked
        _watcher = threading.Thread(target=_shut_the_late, name="hanging", daemon=True)
        _watcher.start()


def _shut_the_late() -> None:
    while True:
        time.sleep(LOOK)
        now = time.monotonic()
        with _lock:
            for thread, (until, descriptor) in _waiting.items():
                if now > until:
                    _waiting[thread] = (math.inf, descriptor)
                    _shut(descriptor)


def _shut(descriptor: int) -> None:
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as own:
        own.shutdown(socket.SHUT_RDWR)
