"""Catalogues as systems described them when all was right: one row per object, with the time of the last look."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, select, update

from gateway.contracts import Field
from gateway.store import tables as t
from gateway.store.put import Put

_c = t.catalogues.c


def looked_at(connection: Connection, system: str) -> dict[str, int]:
    """object → when its system was asked last."""
    return {row.object: row.at for row in connection.execute(select(_c.object, _c.at).where(_c.system == system))}


def claim(connection: Connection, system: str, objects: Collection[str], now: int) -> None:
    """We ask now: nobody else needs to."""
    known = looked_at(connection, system)
    for object_ in objects:
        if object_ in known:
            connection.execute(update(t.catalogues).where(_c.system == system, _c.object == object_).values(at=now))
        else:
            row = {"system": system, "object": object_, "fields": {}, "at": now}
            Put(connection).insert(t.catalogues, [row], ignore=True)


def held(connection: Connection, system: str, object_: str) -> dict[str, Field]:
    """The catalogue that the next look is compared with; empty before the first one."""
    kept = connection.scalar(select(_c.fields).where(_c.system == system, _c.object == object_))
    return {name: _field(data) for name, data in (kept or {}).items()}


def hold(connection: Connection, system: str, object_: str, fields: Mapping[str, Field], now: int) -> None:
    data = {name: asdict(field) for name, field in fields.items()}
    Put(connection).upsert(t.catalogues, [{"system": system, "object": object_, "fields": data, "at": now}])


def _field(data: Mapping[str, Any]) -> Field:
    names = Field.__dataclass_fields__
    held: dict[str, Any] = {key: tuple(one) if isinstance(one, list) else one for key, one in data.items()}
    return Field(**{key: one for key, one in held.items() if key in names})
