"""Work items that come and go by themselves: raised while something is wrong, ended when it is right again."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, literal_column, select, update

from gateway.store import tables as t
from gateway.store.among import among
from gateway.store.put import Put
from gateway.store.times import new_id
from gateway.sync.drift import Drift

DRIFT = "drift"
MODEL_DRIFT = "model drift"
UNREAD = "fields to read again"
RIGHT_AGAIN, ADAPTED = "right again", "the mapping was changed"
_i = t.work_items.c


def detail_of(drift: Drift) -> dict[str, Any]:
    """What an alarm keeps of a drift."""
    return {"field": drift.field, "what": drift.words, "drift": asdict(drift)}


def drift_of(detail: Mapping[str, Any]) -> Drift:
    data = detail["drift"]
    return Drift(**{**data, "values": tuple(data["values"])})


def open_alarms(connection: Connection, kind: str, system: str | None = None) -> list[Any]:
    """The rows of what is wrong now, oldest first."""
    rows = select(t.work_items).where(_i.kind == literal_column(f"'{kind}'"), _i.resolved_at.is_(None))
    rows = rows if system is None else rows.where(_i.system == system)
    return list(connection.execute(rows.order_by(_i.opened_at, _i.key)))


def by_key(connection: Connection, keys: Collection[str]) -> dict[str, Any]:
    return {row.key: row for row in connection.execute(select(t.work_items).where(among(_i.key, keys)))}


def raise_alarms(connection: Connection, rows: Sequence[Mapping[str, Any]], now: int) -> None:
    """One item per ``key``, opened again where it had ended; each row has key, kind, system, object and detail."""
    known = by_key(connection, [row["key"] for row in rows])
    fresh = [{"id": new_id(), "record": "", "lead": None, "opened_at": now, **row} for row in rows]
    Put(connection).insert(t.work_items, [row for row in fresh if row["key"] not in known])
    for row in fresh:
        if (there := known.get(row["key"])) is not None:
            again = {} if there.resolved_at is None else {"opened_at": now, "count": there.count + 1}
            connection.execute(
                update(t.work_items)
                .where(_i.key == row["key"])
                .values(detail=row["detail"], resolved_at=None, resolution="", **again)
            )


def accept(connection: Connection, row: Any) -> bool:
    """Whether a person has resolved this alarm since it was raised: true once, so that a new one can follow."""
    if row.resolution in (RIGHT_AGAIN, ADAPTED) or row.detail.get("accepted"):
        return False
    connection.execute(update(t.work_items).where(_i.key == row.key).values(detail={**row.detail, "accepted": True}))
    return True


def end_alarms(connection: Connection, keys: Collection[str], resolution: str, now: int) -> None:
    connection.execute(
        update(t.work_items)
        .where(among(_i.key, keys), _i.resolved_at.is_(None))
        .values(resolved_at=now, resolution=resolution)
    )
