"""Whose turn it is at work that would be done in vain beside another's, among all processes of one store.

In: places, of which each worker takes one. On PostgreSQL a place is a lock of the server, beside SQLite's file it is
a lock of an empty file, which the operating system gives back when its process ends, however it does.
"""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, OperationalError

from gateway.store.database import BEGIN, BUSY_SECONDS, TURN, lock_key

REST = 0.002
"""Seconds between two looks at whether a place beside SQLite's file is free: a turn takes a tenth of a second."""
_FREE = text("SELECT pg_try_advisory_xact_lock(:lock)")


@contextlib.contextmanager
def in_turn(engine: Engine, word: str, places: Collection[int], patience: float = BUSY_SECONDS) -> Iterator[int]:
    """Yields the first of the ``places`` of ``word`` where nobody is; where all are taken, waits. Nobody is kept from
    writing, and who has waited ``patience`` seconds goes ahead all the same, at the very first.
    """
    taking = _at_server if engine.dialect.name == "postgresql" else _beside_file
    with taking(engine, word, places, patience) as place:
        yield place


@contextlib.contextmanager
def _at_server(engine: Engine, word: str, places: Collection[int], patience: float) -> Iterator[int]:
    with engine.connect() as connection:
        values: dict[str, Any] = {"idle": "0", "patience": f"{patience * 1000:.0f}ms"}
        keys = {place: lock_key(f"{word} {place}") for place in places}
        connection.execute(BEGIN, values)
        free = (place for place, key in keys.items() if connection.scalar(_FREE, {"lock": key}))
        if (place := next(free, None)) is None:
            place = next(iter(places))
            with contextlib.suppress(OperationalError):
                connection.execute(TURN[False], {**values, "lock": keys[place]})
        yield place
        with contextlib.suppress(DBAPIError):  # a turn that was lost meanwhile was only of use
            connection.rollback()


@contextlib.contextmanager
def _beside_file(engine: Engine, word: str, places: Collection[int], patience: float) -> Iterator[int]:
    last = time.monotonic() + patience
    with contextlib.ExitStack() as stack:
        files = {
            place: stack.enter_context(Path(f"{engine.url.database}.{word}-{place}").open("ab")) for place in places
        }
        while (free := next((place for place, file in files.items() if _taken(file)), None)) is None:
            if time.monotonic() > last:
                break
            time.sleep(REST)
        yield next(iter(places)) if free is None else free


def _taken(file: IO[bytes]) -> bool:
    with contextlib.suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False
