"""Long work under way: which, how far, who began it, and whether somebody asked it to stop. One row each.

Times here are of the real clock: nobody waits in a demo's days. Who does the work writes the row (``gateway.jobs``);
people read it and ask. A row tells of work, of nobody's data.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, delete, select, update

from gateway.store import tables as t
from gateway.store.put import Put

SILENCE = 60_000_000
"""Microseconds without a beat after which nobody believes that the work goes on."""
KEPT = timedelta(days=7) // timedelta(microseconds=1)
TOLD = 8000
"""Characters of what the work said that are kept."""
_j = t.jobs.c


@dataclass(frozen=True, slots=True)
class JobRow:
    """``total`` None = nobody knows. ``ended``: done, stopped or failed; empty while it goes on, or ``silent``."""

    id: str
    what: str
    subject: str
    by: str
    machine: str
    begun_at: int
    part: str
    done: int
    total: int | None
    stop_by: str
    ended_at: int | None
    ended: str
    told: str


def begin(connection: Connection, row: dict[str, Any], now: int) -> None:
    """``row``: id, what, subject, by, machine. What ended long ago is forgotten."""
    connection.execute(delete(t.jobs).where(_j.beat_at < now - KEPT))
    Put(connection).insert(t.jobs, [{**row, "begun_at": now, "beat_at": now}], ignore=True)


def beat(connection: Connection, id_: str, now: int, **far: Any) -> str:
    """Say that it goes on, and how ``far``: part, done, total. Returns who asked it to stop; empty: nobody."""
    connection.execute(update(t.jobs).where(_j.id == id_, _j.ended_at.is_(None)).values(beat_at=now, **far))
    return str(connection.scalar(select(_j.stop_by).where(_j.id == id_)) or "")


def end(connection: Connection, id_: str, now: int, ended: str, **far: Any) -> bool:
    """``ended``: done, stopped or failed. The first word on it counts."""
    mine = update(t.jobs).where(_j.id == id_, _j.ended_at.is_(None))
    return connection.execute(mine.values(beat_at=now, ended_at=now, ended=ended, **far)).rowcount == 1


def say(connection: Connection, id_: str, told: str) -> None:
    """What it said at its end."""
    connection.execute(update(t.jobs).where(_j.id == id_).values(told=told[-TOLD:]))


def stop(connection: Connection, id_: str, by: str) -> bool:
    """Ask it to stop at its next good moment. False: it is over."""
    mine = update(t.jobs).where(_j.id == id_, _j.ended_at.is_(None), _j.stop_by == "")
    return connection.execute(mine.values(stop_by=by)).rowcount == 1


def listing(connection: Connection, now: int, limit: int = 50, running: bool = False) -> list[JobRow]:
    """The newest first; those that go on before all others."""
    names = [column for column in t.jobs.c if column.name != "beat_at"]
    chosen = select(*names, _j.beat_at).order_by(_j.ended_at.is_not(None), _j.id.desc()).limit(limit)
    if running:
        chosen = chosen.where(_j.ended_at.is_(None), _j.beat_at >= now - SILENCE)
    return [_row(dict(row), now) for row in connection.execute(chosen).mappings()]


def one(connection: Connection, id_: str, now: int) -> JobRow | None:
    row = connection.execute(select(t.jobs).where(_j.id == id_)).mappings().first()
    return _row(dict(row), now) if row is not None else None


def last(connection: Connection, what: str, subject: str, now: int) -> JobRow | None:
    """The newest of its kind."""
    mine = select(t.jobs).where(_j.what == what, _j.subject == subject).order_by(_j.id.desc()).limit(1)
    row = connection.execute(mine).mappings().first()
    return _row(dict(row), now) if row is not None else None


def _row(row: dict[str, Any], now: int) -> JobRow:
    silent = row["ended_at"] is None and row.pop("beat_at") < now - SILENCE
    row.pop("beat_at", None)
    return JobRow(**{**row, "ended": "silent" if silent else row["ended"]})
