"""Long work, as whoever does it sees it: it says how far it is, and hears between two batches that it shall stop.

In: a command or a worker that enters a ``Job``. Out: a row of ``store.jobs`` once it takes longer than a moment,
which pages and ``gateway status`` show. A stop is an exception at a place where everything is committed; the same
command goes on from there.
"""

from __future__ import annotations

import os
import platform
import threading
from typing import Any

import structlog
from sqlalchemy import Engine

from gateway.errors import Stopped
from gateway.store import jobs as store
from gateway.store.database import read, write
from gateway.store.times import new_id, utc_now
from gateway.times import to_micros

FIRST = 2.0
"""Seconds until work is worth a row."""
EVERY = 1.0
"""Seconds between two beats."""
GIVEN = "GATEWAY_JOB"
"""Environment: the row that the process which started us made for this work, and that process's number."""

log = structlog.get_logger(__name__)
_writing = threading.Lock()
"""Held while a row is written: a process that is forked meanwhile would begin with the database's own locks shut."""
os.register_at_fork(before=_writing.acquire, after_in_parent=_writing.release, after_in_child=_writing.release)


class Job:
    """``what``: import, pull, replay …; ``subject``: of which system or file; ``by``: who began it.

    Enter it to begin. One thread calls ``tell``, ``check`` and ``wait``; another writes what they said.
    """

    def __init__(self, engine: Engine, what: str, subject: str, by: str) -> None:
        id_, _, parent = os.environ.get(GIVEN, "").partition(":")
        self.id = id_ or new_id()
        self._engine = engine
        self._row = {"id": self.id, "what": what, "subject": subject, "by": by, "machine": _machine()}
        self._there = bool(id_)
        self._parent = int(parent) if parent else None
        self._far: dict[str, Any] = {"part": "", "done": 0, "total": None}
        self._asked = ""
        self._over = threading.Event()
        self._heard = threading.Event()
        self._thread = threading.Thread(target=self._run, name="job", daemon=True)

    def part(self, name: str, total: int | None = None) -> None:
        """What comes next, such as a stream, and how much of it there is."""
        self._far = {"part": name, "done": 0, "total": total}
        self.check()

    def tell(self, done: int) -> None:
        """So much of this part is done and committed. Raises ``Stopped``."""
        self._far = {**self._far, "done": done}
        self.check()

    def check(self) -> None:
        """Here it may stop. Raises ``Stopped``."""
        if self._asked:
            raise Stopped(self._asked)

    def wait(self, seconds: float) -> None:
        """Sleep, unless it is to stop. Raises ``Stopped``."""
        self._heard.wait(seconds)
        self.check()

    def __enter__(self) -> Job:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: Any) -> None:
        self._over.set()
        self._thread.join()
        if self._there:
            left = isinstance(exc, Stopped | KeyboardInterrupt)
            self._write("stopped" if left else "done" if kind is None else "failed")

    def _run(self) -> None:
        wait = 0.0 if self._there else FIRST
        while not self._over.wait(wait):
            wait = EVERY
            self._write()
            if self._parent not in (None, os.getppid()):
                self._asked = self._asked or "the end of the process that began it"
            if self._asked:
                self._heard.set()

    def _write(self, ended: str = "") -> None:
        now = to_micros(utc_now())
        try:
            with _writing, write(self._engine, patience=EVERY, lock=None) as connection:
                if not self._there:
                    store.begin(connection, self._row, now)
                    self._there = True
                if ended:
                    store.end(connection, self.id, now, ended, **self._far)
                else:
                    self._asked = store.beat(connection, self.id, now, **self._far) or self._asked
        except Exception as exc:  # noqa: BLE001 - the work goes on; the next beat may be written
            log.info("progress not written", error=type(exc).__name__)


def _machine() -> str:
    return f"{platform.node()}:{os.getpid()}"


def rows(engine: Engine, limit: int = 50, running: bool = False) -> list[store.JobRow]:
    with read(engine) as connection:
        return store.listing(connection, to_micros(utc_now()), limit, running)


def ask_to_stop(engine: Engine, id_: str, by: str) -> bool:
    """False: there is no such work, or it is over."""
    with write(engine, lock=None) as connection:
        return store.stop(connection, id_, by)
