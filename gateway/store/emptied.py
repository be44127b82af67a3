"""Finished writes whose values are gone: who was told of which fields, when, why and with what answer is still there.

What keeps a write from being sent twice stands elsewhere: the record's snapshot, what it was told last, its keys.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, or_, select, update

from gateway.contracts import CAMPAIGN, COMPANIONS, LIST, NOTICE
from gateway.store import tables as t
from gateway.store.put import Put

SETTLED = ("confirmed", "superseded")
_SINCE = "writes emptied"
_w = t.writes.c


def since(connection: Connection) -> str:
    """The id up to which all writes are settled and emptied; "" = none yet."""
    return str(connection.scalar(select(t.settings.c.value).where(t.settings.c.name == _SINCE)) or "")


def until(connection: Connection, id: str) -> None:
    """What ``since`` gives from now on."""
    Put(connection).upsert(t.settings, [{"name": _SINCE, "value": id}])


def after(connection: Connection, id: str, limit: int) -> Sequence[Any]:
    """The writes that follow, as they were planned."""
    columns = (_w.id, _w.object, _w.state, _w.planned_at, _w.finished_at, _w.fields, _w.refs, _w.stamps, _w.before)
    return connection.execute(select(*columns).where(_w.id > id).order_by(_w.id).limit(limit)).all()


def has_values(row: Any) -> bool:
    return bool(row.stamps or row.before or row.refs or row.fields != left_of(row))


def left_of(row: Any) -> Mapping[str, Any]:
    """What stays of its fields: their names. A place on a list or in a campaign says nothing of a person: it stays."""
    if row.object in (LIST, CAMPAIGN):
        return dict(row.fields)
    return {} if row.object in (*COMPANIONS, NOTICE) else dict.fromkeys(row.fields)


def empty(connection: Connection, rows: Sequence[Any]) -> None:
    """Let their values go. Whoever is not settled any more keeps them."""
    values = {"fields": bindparam("left"), "refs": {}, "stamps": {}, "before": {}}
    settled = or_(*(_w.state == state for state in SETTLED))
    statement = update(t.writes).where(_w.id == bindparam("one"), settled).values(values)
    connection.execute(statement, [{"one": row.id, "left": left_of(row)} for row in rows])
