"""The loops of the worker processes: work while there is work, wait for the bell, never die of one failure.

In: functions that do one batch and say how much they did. What went wrong is handed to ``failed``; the loop goes on,
slower while it keeps failing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

import structlog
from sqlalchemy import Engine

from gateway.engine import slots
from gateway.errors import StaleCommit
from gateway.logs import where
from gateway.store import bells
from gateway.store.database import store_trouble
from gateway.store.inbox import Inbox

POLL = 0.05
"""Seconds between two listens for the bell while idle."""
LONGEST_IDLE = 0.5
"""Seconds after which an idle worker looks, bell or not: some work becomes due by time alone."""
SWEEP = 1.0
"""Seconds between two looks at what is due by time, of a worker that is busy."""
BEAT = 5.0
LONGEST_BATCH = 900.0
"""Seconds without any progress after which a worker stops beating: then others may take its documents."""

log = structlog.get_logger(__name__)


class Bell(Protocol):
    """How a loop learns of work. One thread asks it."""

    def rang(self) -> bool:
        """Whether anything was committed, or rung for, since the last time of asking."""

    def wait(self, stop: threading.Event) -> None:
        """Return when it rings, when it is time to look anyway, or soon after ``stop``."""

    def sweep_due(self, busy: bool) -> bool:
        """Whether to look now at what is due by time. ``busy``: there was other work just now."""

    def swept(self, done: int) -> None:
        """That look is over, and did so much."""

    def close(self) -> None: ...


class NoBell:
    """Never rings: the worker looks every ``LONGEST_IDLE`` seconds."""

    def __init__(self) -> None:
        self._swept_at = float("-inf")

    def rang(self) -> bool:
        return False

    def wait(self, stop: threading.Event) -> None:
        until = time.monotonic() + LONGEST_IDLE
        while not stop.wait(POLL) and time.monotonic() < until:
            if self.rang():
                return

    def sweep_due(self, busy: bool) -> bool:
        if busy and time.monotonic() - self._swept_at < SWEEP:
            return False
        self._swept_at = time.monotonic()
        return True

    def swept(self, done: int) -> None:
        pass

    def close(self) -> None:
        pass


class SqliteBell(NoBell):
    """Rings when another connection, of any process, committed to the file. Costs microseconds to ask."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self._connection = engine.raw_connection()
        self._version = self._read()

    def rang(self) -> bool:
        before, self._version = self._version, self._read()
        return before != self._version

    def close(self) -> None:
        self._connection.close()

    def _read(self) -> int:
        cursor = self._connection.cursor()
        try:
            cursor.execute("PRAGMA data_version")
            row = cursor.fetchone()
            return int(row[0]) if row else 0
        finally:
            cursor.close()


def bell_of(engine: Engine, kind: str) -> Bell:
    """What the process ``kind`` waits for, of the database behind ``engine``."""
    if bells.hung(engine):
        from gateway.engine.bells import HeardBell

        return HeardBell(engine, kind, sweeps=kind == bells.PIPELINE)
    return SqliteBell(engine) if engine.dialect.name == "sqlite" else NoBell()


def loop(
    work: Callable[[], int],
    stop: threading.Event,
    bell: Bell | None = None,
    failed: Callable[[Exception], None] = lambda exc: None,
    longest_wait: float = 5.0,
) -> None:
    """Call ``work`` until ``stop``: at once while it returns more than 0, else when the bell rings or says so.

    An exception of ``work`` goes to ``failed``, and the next try waits: 0.5 s, 1 s, 2 s … up to ``longest_wait``, so
    that work goes on as soon after a full disk or a restart of the database as calls are taken in again.
    """
    failures, bell = 0, bell or NoBell()
    while not stop.is_set():
        slots.beat()
        try:
            bell.rang()  # what is committed from here on is news after this look
            done = work()
        except Exception as exc:  # noqa: BLE001 - one bad batch must not end the worker
            failures += 1
            log.error("work failed", error=type(exc).__name__, where=where(exc), failures=failures)
            try:
                failed(exc)
            except Exception as again:  # noqa: BLE001 - the store may be away: the next try will tell
                log.error("clearing up failed", error=type(again).__name__, where=where(again))
            stop.wait(min(longest_wait, 0.5 * 2 ** min(failures - 1, 16)))
            continue
        failures = 0
        if not done:
            bell.wait(stop)


def pipeline_loop(
    once: Callable[[str], int],
    sweep: Callable[[], int],
    inbox: Inbox,
    worker: str,
    stop: threading.Event,
    bell: Bell | None = None,
) -> None:
    """Read documents as ``worker`` until ``stop``; sweep what is due by time every second, however busy it is.

    A batch that fails is treated like one that killed its worker: its documents are tried one at a time, and one that
    fails three times alone is quarantined. Trouble of the store counts against nothing.
    """
    progress, bell = [time.monotonic()], bell or NoBell()
    unfreed: list[Exception] = []

    def work() -> int:
        progress[0] = time.monotonic()
        if unfreed:
            free(unfreed[0])  # the store would not have it before; while it does not, nothing else works either
        done = once(worker)
        if bell.sweep_due(done > 0):
            swept = sweep()
            bell.swept(swept)
            done += swept
        return done

    def failed(exc: Exception) -> None:
        if not unfreed:
            free(exc)

    def free(exc: Exception) -> None:
        unfreed[:] = [exc]
        if isinstance(exc, StaleCommit) or store_trouble(exc):
            inbox.release(worker)
        else:
            inbox.bury(worker, f"the pipeline failed on this document alone: {type(exc).__name__} at {where(exc)}")
        unfreed.clear()

    with _Beating(inbox, worker, progress):
        loop(work, stop, bell, failed)
    inbox.release(worker)


def delivery_loop(once: Callable[[], int], stop: threading.Event, bell: Bell | None = None) -> None:
    """Deliver one system's due writes until ``stop``."""
    loop(once, stop, bell)


class _Beating:
    """A thread that keeps the worker's leases alive while its main thread makes progress."""

    def __init__(self, inbox: Inbox, worker: str, progress: list[float]) -> None:
        self._inbox = inbox
        self._worker = worker
        self._progress = progress
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="beat", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *exc: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(BEAT):
            if time.monotonic() - self._progress[0] < LONGEST_BATCH:
                try:
                    self._inbox.beat(self._worker)
                except Exception as exc:  # noqa: BLE001 - the next beat may work; 30 s are several
                    log.warning("beat failed", error=type(exc).__name__)
