"""The store is the truth of the model: the text of all checked files, and since when workers use it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson
from sqlalchemy import Connection, inspect, select
from sqlalchemy.exc import DBAPIError

from gateway.store import rescoring, rollups
from gateway.store import tables as t
from gateway.store.database import Store, is_there, open_store, read, spoken
from gateway.store.place import Place
from gateway.store.put import Put
from gateway.store.times import new_id


def has_tables(store: Store) -> bool:
    """False for a database nobody has used yet. Raises ``ConfigError`` when the files cannot be used."""
    with spoken(store.main):
        made = inspect(store.main).has_table("leads")
    with spoken(store.inbox):
        return made and inspect(store.inbox).has_table("documents")


def active(connection: Connection) -> Any | None:
    """The bundle in use, or None."""
    return connection.execute(select(t.bundles).order_by(t.bundles.c.active_at.desc()).limit(1)).first()


def of(connection: Connection, id_: str) -> Any | None:
    """The bundle of this id, as it became active first; None when there is none."""
    chosen = select(t.bundles).where(t.bundles.c.id == id_).order_by(t.bundles.c.active_at).limit(1)
    return connection.execute(chosen).first()


def history(connection: Connection) -> list[Any]:
    """Every bundle, each time it became active, in order."""
    return list(connection.execute(select(t.bundles).order_by(t.bundles.c.active_at)))


def id_of(files: Mapping[str, str]) -> str:
    return hashlib.sha256(orjson.dumps(dict(files), option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


def replaced(place: Place, files: Mapping[str, str]) -> bool:
    """Whether these files were the active ones before others were, in a store that can be read."""
    store = open_store(place)
    try:
        with read(store.main) as connection:
            once = select(t.bundles.c.id).where(t.bundles.c.id == id_of(files)).limit(1)
            return connection.scalar(once) is not None and getattr(active(connection), "id", None) != id_of(files)
    finally:
        store.close()


def stored(place: Place) -> Any | None:
    """The bundle in use in the store at ``place``; None when there is no store, or none that can be read."""
    if not is_there(place):
        return None
    store = open_store(place)
    try:
        with read(store.main) as connection:
            return active(connection) if inspect(connection).has_table(t.bundles.name) else None
    except DBAPIError:
        return None
    finally:
        store.close()


def activate(connection: Connection, files: Mapping[str, str], hashes: Mapping[str, str], now: int) -> str:
    """Make these files the active ones if they are not yet; a new scoring hash queues a rescore of every lead, and
    has every company's roll-ups worked out again.

    The same files have another scoring hash where the package reads titles by other tables than it did.
    """
    id_, before = id_of(files), active(connection)
    if before is not None and before.id == id_ and before.hashes.get("scoring") == hashes.get("scoring"):
        return id_
    put = Put(connection)
    put.insert(t.bundles, [{"id": id_, "files": dict(files), "hashes": dict(hashes), "active_at": now}])
    if before is not None and before.hashes.get("scoring") != hashes.get("scoring"):
        scoring = hashes.get("scoring", "")
        if scoring:
            rescoring.begin(connection, scoring, now)
        else:
            put.insert(t.rescores, [{"id": new_id(), "cause": "scoring changed", "created_at": now}])
    if "rollups" not in hashes:
        rollups.end(connection, now)
    elif before is None or any(before.hashes.get(one) != hashes.get(one) for one in ("scoring", "rollups")):
        rollups.begin(connection, now)
    return id_
