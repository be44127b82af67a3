"""Records that were named but not shown, until they are fetched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, select, update

from gateway.contracts import Lookup
from gateway.store import bells
from gateway.store import tables as t
from gateway.store.put import Put

_l = t.lookups.c


def due(connection: Connection, system: str, now: int, limit: int) -> list[Any]:
    """The oldest due lookups of ``system``: rows of table ``lookups``."""
    rows = select(t.lookups).where(_l.system == system, _l.due_at <= now)
    return list(connection.execute(rows.order_by(_l.due_at, _l.object, _l.record).limit(limit)))


def any_due(connection: Connection, system: str, now: int) -> bool:
    rows = select(_l.record).where(_l.system == system, _l.due_at <= now)
    return connection.execute(rows.limit(1)).first() is not None


def lookup_of(row: Any) -> Lookup:
    return Lookup(system=row.system, object=row.object, record=row.record, fields=tuple(row.fields))


def ask(connection: Connection, wanted: Sequence[Lookup], now: int) -> None:
    """Have records fetched as soon as possible."""
    rows = [
        {
            "system": one.system,
            "object": one.object,
            "record": one.record,
            "fields": list(one.fields),
            "asked": 1,
            "due_at": now,
        }
        for one in wanted
    ]
    Put(connection).count(t.lookups, rows, bump="asked")
    bells.ring(connection, *{bells.pull(one.system) for one in wanted})


def done(connection: Connection, rows: Sequence[Any]) -> None:
    """They were fetched. One that was named again meanwhile stays: what came may be older than the news."""
    connection.execute(
        delete(t.lookups).where(
            _l.system == bindparam("s"), _l.object == bindparam("o"), _l.record == bindparam("r"),
            _l.asked == bindparam("a"),
        ),
        [{"s": row.system, "o": row.object, "r": row.record, "a": row.asked} for row in rows],
    )  # fmt: skip


def later(connection: Connection, rows: Sequence[Any], due_at: int, spends_try: bool) -> None:
    """They could not be fetched now."""
    connection.execute(
        update(t.lookups)
        .where(_l.system == bindparam("s"), _l.object == bindparam("o"), _l.record == bindparam("r"))
        .values(due_at=due_at, attempts=_l.attempts + int(spends_try)),
        [{"s": row.system, "o": row.object, "r": row.record} for row in rows],
    )


def known(connection: Connection, system: str, object: str, after: str, limit: int) -> list[str]:
    """Ids of the records of one object that are there as far as we know, in order of their id."""
    r = t.records.c
    there = select(r.record).where(r.system == system, r.object == object, r.gone.is_(None), r.record > after)
    return list(connection.scalars(there.order_by(r.record).limit(limit)))


def count_known(connection: Connection, system: str, object: str) -> int:
    r = t.records.c
    there = select(func.count()).where(r.system == system, r.object == object, r.gone.is_(None))
    return int(connection.scalar(there) or 0)


def waiting(connection: Connection) -> dict[str, int]:
    """system → records that are still to be fetched."""
    rows = connection.execute(select(_l.system, func.count()).group_by(_l.system))
    return {row[0]: row[1] for row in rows}
