"""Breakers: which part of which plugin is not called for now, why and since when. Times are the real clock's.

A part is what fails and waits together: ``read``, ``pull``, ``deliver``, ``score``, ``load``, or a hook. It opens after
three strikes of different items within an hour; it is closed by the first call that works once its wait is over.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, and_, delete, inspect, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from gateway.errors import ConfigError
from gateway.store import tables as t
from gateway.store.bundle import has_tables
from gateway.store.database import is_there, open_store, read, upgrade, write
from gateway.store.place import Place
from gateway.store.put import Put
from gateway.times import from_micros

T = TypeVar("T")
STRIKES = 3
LOADING_STRIKES = 2
"""Deaths while a plugin is loaded: a process that dies three times before it is ready ends the whole gateway."""
LOAD = "load"
BROKEN = "broken"
"""No part of a plugin either: it could not be loaded. One strike says why and since when; it never opens."""
UNSCORED = "unscored"
"""No part of a plugin: there is no scorer at all, and leads that were worked meanwhile are to be scored afterwards."""
WITHIN = 3_600_000_000
"""Microseconds for which a strike counts."""
WAIT, LONGEST_WAIT = 60_000_000, 3_600_000_000
"""Microseconds until an open breaker is tried, doubled at each time it opens again, and its longest."""


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Why a plugin, or a part of it, is not called, since when, and when it is tried again (UTC)."""

    reason: str
    since: datetime
    again: datetime


def quarantined(place: Path | Place) -> dict[str, Quarantine]:
    """Plugin → its quarantine, as the store at ``place`` keeps it; none when there is no store that can be read."""
    return by_plugin(_asked(place, opened) or ())


def remembered(place: Path | Place) -> list[Any]:
    """Every row, as ``known``; none when there is no store that can be read."""
    return _asked(place, known) or []


def kept_out(rows: Sequence[Any], now: int = 0) -> dict[str, Quarantine]:
    """Those of whom nothing is even imported: loading them ended processes, or had no end. ``now``: less those whose
    wait is over."""
    return by_plugin([row for row in rows if row.part == LOAD and row.opened_at is not None and row.retry_at > now])


def when_built(reason: str) -> bool:
    """Whether a plugin that is kept out was so found when a source or sink of it was built, and not before."""
    return reason.startswith("build")


def broken(rows: Sequence[Any]) -> dict[str, tuple[str, datetime]]:
    """Plugin that could not be loaded when it was last tried → why, and since when (UTC)."""
    strikes = {row.plugin: row.strikes[0] for row in rows if row.part == BROKEN}
    return {plugin: (reason, from_micros(since)) for plugin, (_, since, reason, _, _) in strikes.items()}


def hung(place: Path | Place, plugin: str, reason: str, now: int) -> None:
    """Loading ``plugin`` had no end: nobody else is to wait for it."""
    if _made(place):
        _asked(place, lambda connection: trip(connection, plugin, LOAD, reason, now), write)


def note(place: Path | Place, broken: Mapping[str, str], works: Collection[tuple[str, str]], now: int) -> None:
    """What loading showed. ``broken``: plugin → why; ``works``: (plugin, part) to be forgotten."""

    def noted(connection: Connection) -> None:
        for plugin, part in works:
            close(connection, plugin, part)
        for plugin, reason in broken.items():
            row = _row(connection, plugin, BROKEN)
            since = row["strikes"][0][1] if row["strikes"] else now
            Put(connection).upsert(t.breakers, [row | {"strikes": [["", since, reason, "", 1]], "reason": reason}])

    _asked(place, noted, write)


def died(place: Path | Place, plugin: str, part: str, item: str, reason: str, now: int) -> bool:
    """Note that a process ended in a call of ``plugin``. Whether that is quarantined now.

    The first process of an instance may end before it has made the store: then it is made here.
    """
    if not _made(place):
        return False

    def struck(connection: Connection) -> bool:
        return strike(connection, plugin, part, item, reason, now)

    return bool(_asked(place, struck, write))


def _made(place: Path | Place) -> bool:
    """Whether there is a store, if need be from now on."""
    try:
        store = open_store(place)
    except ConfigError:
        return False
    try:
        if not has_tables(store):
            upgrade(store)
    except (ConfigError, DBAPIError, PoolTimeout):
        return False
    finally:
        store.close()
    return True


def by_plugin(rows: Sequence[Any]) -> dict[str, Quarantine]:
    """Of open breakers: all reasons of a plugin in one, since the first opened."""
    found: dict[str, Quarantine] = {}
    parts = [row for row in rows if row.part != UNSCORED]
    for row in sorted(parts, key=lambda row: (row.opened_at, row.part)):
        one = found.get(row.plugin)
        reason = f"{one.reason}; {row.reason}" if one is not None else row.reason
        again = from_micros(row.retry_at)
        found[row.plugin] = Quarantine(
            reason,
            one.since if one is not None else from_micros(row.opened_at),
            max(one.again, again) if one is not None else again,
        )
    return found


def try_now(place: Path | Place, plugin: str, now: int) -> bool:
    """Let what is quarantined of ``plugin`` be tried at once. Whether anything is."""
    b = t.breakers.c

    def hurry(connection: Connection) -> bool:
        rows = update(t.breakers).where(b.plugin == plugin, b.opened_at.is_not(None))
        return connection.execute(rows.values(retry_at=now)).rowcount > 0

    return bool(_asked(place, hurry, write))


def _asked(place: Path | Place, ask: Callable[[Connection], T], how: Any = read) -> T | None:
    """What ``ask`` gives; None when there is no store that can be used, or one of an older gateway."""
    place = place if isinstance(place, Place) else Place(place)
    if not is_there(place):
        return None
    store = open_store(place)
    try:
        with how(store.main) as connection:
            return ask(connection) if inspect(connection).has_table(t.breakers.name) else None
    except (DBAPIError, PoolTimeout):
        return None
    finally:
        store.close()


def known(connection: Connection) -> list[Any]:
    """Every row there is: open ones, and those with strikes."""
    return list(connection.execute(select(t.breakers)))


def opened(connection: Connection) -> list[Any]:
    """The rows of the breakers that are open, those that are being tried again included."""
    return list(connection.execute(select(t.breakers).where(t.breakers.c.opened_at.is_not(None))))


def strike(connection: Connection, plugin: str, part: str, item: str, reason: str, now: int) -> bool:
    """Note one strike; True when the breaker is open by now. Of one item, only the last counts; "" is none."""
    row = _row(connection, plugin, part)
    recent = [one for one in row["strikes"] if one[1] > now - WITHIN]
    strikes = [one for one in recent if not (item and one[0] == item)]
    times = 1 + sum(one[4] for one in recent if item and one[0] == item)
    row["strikes"] = [*strikes, [item, now, reason, "", times]]
    enough = LOADING_STRIKES if part == LOAD else STRIKES
    if row["opened_at"] is not None or len(row["strikes"]) >= enough:
        _open(row, reason, now)
    Put(connection).upsert(t.breakers, [row])
    return row["opened_at"] is not None


def keep(connection: Connection, plugin: str, part: str, call: str, failing: Mapping[str, str], now: int) -> None:
    """What of ``call`` failed in a row: item → reason; nothing when it has worked since."""
    row = _row(connection, plugin, part)
    row["strikes"] = [one for one in row["strikes"] if one[3] != call and one[1] > now - WITHIN]
    row["strikes"] += [[item, now, reason, call, 1] for item, reason in failing.items()]
    if row["strikes"] or row["opened_at"] is not None:
        Put(connection).upsert(t.breakers, [row])
    else:
        close(connection, plugin, part)


def trip(connection: Connection, plugin: str, part: str, reason: str, now: int) -> None:
    """Open the breaker, or leave it open for twice as long as before."""
    row = _row(connection, plugin, part)
    _open(row, reason, now)
    Put(connection).upsert(t.breakers, [row])


def close(connection: Connection, plugin: str, part: str) -> bool:
    """It works: forget everything against it. Whether there was anything."""
    b = t.breakers.c
    return connection.execute(delete(t.breakers).where(and_(b.plugin == plugin, b.part == part))).rowcount > 0


def _row(connection: Connection, plugin: str, part: str) -> dict[str, Any]:
    b = t.breakers.c
    found = connection.execute(select(t.breakers).where(b.plugin == plugin, b.part == part)).mappings().first()
    fresh: Mapping[str, Any] = {
        "plugin": plugin,
        "part": part,
        "strikes": [],
        "opened_at": None,
        "retry_at": None,
        "trips": 0,
        "reason": "",
    }
    return dict(found or fresh)


def _open(row: dict[str, Any], reason: str, now: int) -> None:
    wait = min(WAIT * 2 ** min(row["trips"], 16), LONGEST_WAIT)
    row |= {"opened_at": row["opened_at"] or now, "retry_at": now + wait, "trips": row["trips"] + 1}
    row |= {"reason": reason, "strikes": []}
