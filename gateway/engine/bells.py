"""Hears the bells that ``store/bells.py`` rings: procrastinate's worker, in a thread of each process that works.

In: jobs of one queue, called as the process is. Out: the loop in ``workers`` looks for work. A job is answered when the
look after it is over: until then the next one of its name waits, for us or for an idle process of another machine.
While the database is away nothing is heard; then the loop looks by itself, as it does on SQLite.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Self

import psycopg
import structlog
from sqlalchemy import Engine

from gateway.store import hanging
from gateway.store.database import APPLICATION

FIRST_LOOK, LONGEST_LOOK = 0.05, 5.0
"""Seconds until the loop looks after a bell's work is done, and again ever later: who rang at the same moment as
another was spared the bell and may have committed after that look."""
DEAF_LOOK = 0.5
"""The same while no bell is heard."""
AGAIN = 2.0
"""Seconds until the next try to hear."""
SWEEP = "* * * * * *"
"""Every second, once for all machines, one of them is told to look at what is due by time."""
UNSWEPT = 10.0
"""Seconds of the monotonic clock without such a bell, after which we sweep anyway: the machine's clock was set back."""
NAP = 0.2
"""Seconds in which a signal's wish to stop is noticed."""

log = structlog.get_logger(__name__)


class HeardBell:
    """The bell called ``name`` of the database behind ``engine``, for one loop. ``sweeps``: and that of the clocks."""

    def __init__(self, engine: Engine, name: str, sweeps: bool = False) -> None:
        self._url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._name, self._sweeps = name, sweeps
        self._heard: deque[asyncio.Future[None]] = deque()
        self._looking: list[asyncio.Future[None]] = []
        self._woken = threading.Event()
        self._sweep, self._swept_at = False, time.monotonic()
        self._hears = self._ending = False
        self._pause = FIRST_LOOK
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name=f"bell {name}", daemon=True)
        self._thread.start()

    def rang(self) -> bool:
        """Begin a look: what rings from here on is news after it. Whether it was rung for."""
        self._answer()
        self._woken.clear()
        while self._heard:
            self._looking.append(self._heard.popleft())
        if self._looking:
            self._pause = FIRST_LOOK
        return bool(self._looking)

    def wait(self, stop: threading.Event) -> None:
        """Until it rings, or it is time to look anyway."""
        self._answer()
        pause = self._pause if self._hears else DEAF_LOOK
        self._pause = min(2 * self._pause, LONGEST_LOOK)
        until = time.monotonic() + pause
        while not stop.is_set() and (left := until - time.monotonic()) > 0:
            if self._woken.wait(min(left, NAP)):
                return

    def sweep_due(self, busy: bool) -> bool:
        """Whether our turn has come to look at what is due by time, however busy we are."""
        now = time.monotonic()
        due, self._sweep = self._sweep or now - self._swept_at > UNSWEPT, False
        if due:
            self._swept_at = now
        return due

    def swept(self, done: int) -> None:
        """There may be more of it."""
        self._sweep = self._sweep or done > 0

    def close(self) -> None:
        self._ending = True
        self._answer()
        if (loop := self._loop) is not None:
            with suppress(RuntimeError):  # it has just ended by itself
                loop.call_soon_threadsafe(self._end)
        self._thread.join(10.0)

    def _answer(self) -> None:
        answered, self._looking = self._looking, []
        self._tell(answered)

    def _tell(self, answered: Sequence[asyncio.Future[None]]) -> None:
        if answered and (loop := self._loop) is not None:
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(_resolve, answered)

    # -- in the thread ------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._ending:
            try:
                asyncio.run(self._listen())
            except Exception as exc:  # noqa: BLE001 - the database may be away; the loop looks by itself meanwhile
                log.warning("no bells are heard", process=self._name, error=type(exc).__name__)
            self._hears = False
            self._woken.set()
            until = time.monotonic() + AGAIN
            while not self._ending and time.monotonic() < until:
                time.sleep(NAP)

    async def _listen(self) -> None:
        import procrastinate

        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(_note)
        self._task = asyncio.current_task()
        kwargs = {"application_name": APPLICATION, "connect_timeout": 2}
        pool: dict[str, Any] = {"connection_class": _Connection, "min_size": 1, "max_size": 2, "timeout": 5}
        connector = procrastinate.PsycopgConnector(conninfo=self._url, kwargs=kwargs, **pool)
        app = procrastinate.App(connector=connector)
        app.task(name="ring")(self._ring)
        if self._sweeps:
            sweep = app.task(name="sweep", queue=self._name, priority=1, queueing_lock="sweep")(self._sweep_now)
            app.periodic(cron=SWEEP)(sweep)
        try:
            with suppress(asyncio.CancelledError):  # by the end of all: the database may be away then, too
                async with app.open_async():
                    self._hears = True
                    await app.run_worker_async(
                        queues=[self._name], name=self._name, delete_jobs="always", install_signal_handlers=False
                    )
        finally:
            self._loop = None

    async def _ring(self) -> None:
        if not self._ending:
            future = asyncio.get_running_loop().create_future()
            self._heard.append(future)
            self._woken.set()
            await future

    async def _sweep_now(self, timestamp: int) -> None:
        self._sweep = True
        self._woken.set()

    def _end(self) -> None:
        _resolve([*self._heard])
        if self._task is not None:
            self._task.cancel()


class _Connection(psycopg.AsyncConnection[Any]):
    @classmethod
    async def connect(cls, *given: Any, **named: Any) -> Self:
        try:
            return await super().connect(*given, **named)
        except BaseException as exc:  # also of a bell that ends meanwhile
            hanging.let_go(exc)
            raise


def _resolve(futures: Sequence[asyncio.Future[None]]) -> None:
    for future in futures:
        if not future.done():
            future.set_result(None)


def _note(loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """What asyncio would print with the error's text."""
    log.warning("a bell was not answered", error=type(context.get("exception")).__name__)
