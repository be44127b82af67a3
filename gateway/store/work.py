"""Rows of work items and of what people decided about them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, and_, case, exists, func, literal_column, null, or_, select, update

from gateway.leads.record import Ref
from gateway.store import tables as t
from gateway.store.among import among, outside
from gateway.store.put import Put
from gateway.store.times import new_id

_i, _r = t.work_items.c, t.resolutions.c
SETTLED = ("ambiguous match", "contested")
"""Kinds that a decision ends for good: the same trouble met again asks nobody a second time."""


def found(connection: Connection, items: Sequence[Mapping[str, Any]]) -> None:
    """Store items; the same trouble met again is counted, and open again unless a person settled it for good."""
    for_good = or_(*(_i.kind == literal_column(f"'{kind}'") for kind in SETTLED))  # many rows take no parameter of all
    Put(connection).count(
        t.work_items, items, ("key",), also={"resolved_at": case((for_good, _i.resolved_at), else_=null())}
    )


def end_conflicts(connection: Connection, leads: Collection[str], keys: Collection[str], now: int) -> None:
    """Of all conflicts of these leads only those with ``keys`` are left."""
    if leads:
        over = and_(among(_i.lead, leads), _i.kind == "conflict", _i.resolved_at.is_(None), outside(_i.key, keys))
        ended = {"resolved_at": now, "resolution": "a later edit decided"}
        connection.execute(update(t.work_items).where(over).values(ended))


def item(connection: Connection, id_: str) -> list[dict[str, Any]]:
    """The items whose id is, or ends with, ``id_``; two at most."""
    rows = connection.execute(select(t.work_items).where(or_(_i.id == id_, _i.id.endswith(id_))).limit(2))
    return [dict(row) for row in rows.mappings()]


def resolutions(connection: Connection, item: str) -> list[dict[str, Any]]:
    rows = connection.execute(select(t.resolutions).where(_r.item == item).order_by(_r.at, _r.id))
    return [dict(row) for row in rows.mappings()]


def resolve(
    connection: Connection, row: Mapping[str, Any], now: int, by: str, resolution: str, closed: bool = True
) -> None:
    """Book what a person decided. ``closed`` False: the trouble itself says when it is over, as a dead letter does."""
    booked = {"id": new_id(), "item": row["id"], "lead": row["lead"], "at": now, "by": by, "resolution": resolution}
    Put(connection).insert(t.resolutions, [booked])
    if closed:
        ended = {"resolved_at": now, "resolution": resolution}
        connection.execute(update(t.work_items).where(_i.id == row["id"]).values(ended))


def alike(connection: Connection, kind: str, field: str) -> list[Any]:
    """Open items of one kind about one field."""
    rows = connection.execute(select(t.work_items).where(_i.kind == kind, _i.resolved_at.is_(None))).all()
    return [row for row in rows if row.detail.get("field") == field]


def refused(connection: Connection, system: str, object_: str, field: str) -> list[Any]:
    """Dead letters of one object that were refused for this field alone, and whose writes are still dead."""
    w = t.writes.c
    dead = exists().where(w.id == func.substr(_i.key, len("dead:") + 1), w.state == "dead")
    mine = (_i.kind == "dead letter", _i.system == system, _i.object == object_, _i.resolved_at.is_(None), dead)
    return [row for row in connection.execute(select(t.work_items).where(*mine)) if row.detail.get("fields") == [field]]


def records_with(connection: Connection, system: str, object_: str, field: str, value: str) -> list[Ref]:
    """Records of which an event ever said that ``field`` holds ``value``, whatever its case."""
    e = t.events.c
    told = func.lower(func.trim(e.body["values"][field].as_string())) == value.strip().lower()
    mine = and_(e.system == system, e.object == object_, e.type == "RecordChanged", told)
    return [(system, object_, record) for record in connection.scalars(select(e.record).where(mine).distinct())]


def documents_without(connection: Connection, system: str, object_: str, field: str) -> list[str]:
    """Documents with items that went to quarantine because the value map of ``field`` did not know their value."""
    e = t.events.c
    dead = and_(
        e.system == system,
        e.object == object_,
        e.state == "dead",
        e.reason.contains(f": {field}: not in the value map"),
    )
    return list(connection.scalars(select(e.document).where(dead).distinct()))
