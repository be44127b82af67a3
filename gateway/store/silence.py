"""Which systems do not answer, as all of their workers know it: how often in a row they were asked in vain, and when
they may be asked again."""

from __future__ import annotations

from sqlalchemy import Connection, select, update

from gateway.store import tables as t
from gateway.store.put import Put

_s = t.systems.c


def known(connection: Connection, system: str) -> tuple[int, int]:
    """(how often in a row it was asked in vain, when it may be asked again); (0, 0) while it answers."""
    row = connection.execute(select(_s.failures, _s.retry_at).where(_s.name == system)).first()
    return (row.failures, row.retry_at or 0) if row is not None else (0, 0)


def note(connection: Connection, system: str, vain: int, again: int) -> None:
    """What ``known`` gives from now on."""
    Put(connection).upsert(t.systems, [{"name": system, "failures": vain, "retry_at": again if vain else None}])


def ask_now(connection: Connection, system: str, now: int) -> None:
    """If it does not answer, it is asked again at once."""
    connection.execute(update(t.systems).where(_s.name == system, _s.failures > 0).values(retry_at=now))
