"""What monitors are told: whether this process lives, whether it can take calls, and whether work goes on behind it.

Three questions, since three things are done about them: a process that is dead is started anew, one that is not ready
is sent no calls, and work that stands still is looked at by a person, while calls go on being taken.
"""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Flask, request
from flask.typing import ResponseReturnValue
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from gateway.durations import age_in_words, parse_duration
from gateway.engine.files import differences
from gateway.engine.supervisor import STATUS, down
from gateway.errors import ConfigError
from gateway.store import alarms, bundle, gauges, hanging, notices
from gateway.store.database import READ_ONLY, in_words, name_of, read, require_current, write
from gateway.store.group_writer import RESERVE, GroupWriter
from gateway.times import to_micros

if TYPE_CHECKING:
    from gateway.runtime import Gateway

PATIENCE = 2.5
"""Seconds that the store has for an answer, a new connection included; monitors wait a little longer."""
LATE = timedelta(minutes=15)
"""A document or write that has been due for so long stands still; a monitor may say otherwise."""


class Health:
    """One web process's. ``writer``: who takes calls in, where that is a thread of its own."""

    def __init__(self, gateway: Gateway, root: Path, writer: GroupWriter | None = None) -> None:
        self._gateway = gateway
        self._root = root
        self._writer = writer

    def dead(self) -> str:
        """Why only a new process helps; "" while it lives."""
        return "" if self._writer is None or self._writer.alive else "the thread that takes calls in has ended"

    def problems(self) -> list[str]:
        """Why calls would be refused: the store is away, of another version, locked, read-only, or its disk is full."""
        store = self._gateway.store
        try:
            with hanging.within(PATIENCE):
                require_current(store)
                with write(store.inbox, patience=PATIENCE / 2, lock=None) as connection:  # nothing is written
                    if store.inbox.dialect.name == "postgresql" and connection.scalar(_READ_ONLY) == "on":
                        return [f"{name_of(store.inbox)}: {READ_ONLY}"]
        except ConfigError as exc:
            return [str(exc)]
        except DBAPIError as exc:
            return [f"{name_of(store.inbox)}: {in_words(exc) or type(exc).__name__}"]
        except PoolTimeout:
            return [f"{name_of(store.inbox)}: all connections are in use"]
        if self._writer is not None and store.inbox.dialect.name == "sqlite":
            folder = Path(store.inbox.url.database or "").parent
            if shutil.disk_usage(folder).free < RESERVE:
                return [f"{folder}: the disk is nearly full; nothing is taken in below {RESERVE >> 20} MiB"]
        return []

    def warnings(self) -> list[str]:
        """What an admin should look at while everything works, and what stands still."""
        with read(self._gateway.store.main) as connection:
            active = bundle.active(connection)
            stopped = [
                f"nothing is sent to {row.name}: {row.paused}"
                for row in notices.paused(connection)
                if row.name in self._gateway.instance.systems
            ]
            stopped += [
                f"{name} does not answer; it is asked again by itself"
                for name in notices.silent(connection)
                if name in self._gateway.instance.systems
            ]
            drifted = [str(row.detail["what"]) for row in alarms.open_alarms(connection, alarms.DRIFT)]
        status = self._gateway.instance.store.folder / STATUS
        edited = differences(self._root, active, status) if active is not None else []
        return [*edited, *stopped, *drifted, *self.late()]

    def late(self, limit: timedelta = LATE) -> list[str]:
        """What stands still: processes that are down, and systems whose documents or writes have waited too long.

        Writes to a system that is paused, or off, wait on purpose.
        """
        gateway = self._gateway
        now, micros = to_micros(gateway.now()), limit // timedelta(microseconds=1)
        with read(gateway.store.inbox) as connection:
            documents = gauges.documents(connection)
        with read(gateway.store.main) as connection:
            paused = {row.name for row in notices.paused(connection)}
            writes = notices.late_writes(connection, sorted(gateway.model.active - paused), now - micros)
        oldest = [(name, "documents of", one.oldest) for name, one in sorted(documents.items()) if one.oldest]
        oldest += [(row.system, "writes to", row.due) for row in writes]
        found = [
            f"{what} {name} have waited for {age_in_words(now - since)}"
            for name, what, since in oldest
            if now - since > micros
        ]
        return [*down(gateway.instance.store.folder / STATUS), *found]

    def mount(self, app: Flask) -> None:
        """``/health/work``: 503 while something stands still. ``?late=1h`` says what is late."""

        @app.get("/health/work")
        def work() -> ResponseReturnValue:
            try:
                limit = parse_duration(request.args["late"]) if "late" in request.args else LATE
            except ValueError:
                return {"ok": False, "errors": ["late: a duration such as 15m or 1h"], "status": 400}, 400
            if found := self.problems() or self.late(limit):
                return {"ok": False, "errors": found, "status": 503}, 503
            return {"ok": True}


_READ_ONLY = text("SELECT current_setting('transaction_read_only')")
