"""A store that came out of a backup: what the one before it told the systems since is over there, and unknown here.

Until a person says go on nothing is sent to any system. News is taken in meanwhile, so that what the systems hold is
known again. For a while afterwards a task is not made before the system was asked whether the store before made it, and
a message to people that was planned until then waits for a person's word: nobody can be asked whether they have it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import orjson
from sqlalchemy import Connection, func, select

from gateway.contracts import NOTICE
from gateway.store import copying, database, due, forget, switches
from gateway.store import tables as t
from gateway.store.among import among
from gateway.store.database import Store
from gateway.store.overview import OPEN_WRITES
from gateway.store.put import Put
from gateway.sync.companions import handoff_of
from gateway.times import from_micros

ASKED = 30 * 86400 * 1_000_000
"""Microseconds after a restore in which systems are asked for what the store before made: by then what came twice came.
Who is handed over later is so because of something new."""
_NAME = "restored"
_d = t.documents.c


def restore(
    source: copying.View,
    target: Store,
    systems: Collection[str],
    now: int,
    before: Connection | None = None,
    tell: copying.Tell = lambda done: None,
) -> tuple[list[copying.Copied], int]:
    """Fill ``target`` from a backup, bring it to this version's tables, and pause all that it could send. All of that
    is there afterwards, or nothing. Returns what was copied, and how many people were forgotten again.

    :param systems: those that are written to. :param before: the store before, which knows whom it forgot since.

    Raises what ``copying.copy`` raises.
    """
    forgotten = 0

    def then(to: copying.View) -> None:
        nonlocal forgotten
        for engine, connection in {target.inbox: to.inbox, target.main: to.main}.items():
            database.upgrade_within(target, engine, connection)
        if before is not None:
            forgotten = forget.as_there(to.main, before)
        _pause(to, systems, now)

    return copying.copy(source, target, tell, then), forgotten


def _pause(to: copying.View, systems: Collection[str], now: int) -> None:
    newest = to.inbox.scalar(select(_d.received_at).order_by(_d.id.desc()).limit(1))
    of = f" whose newest document came {from_micros(newest):%Y-%m-%d %H:%M} UTC" if newest is not None else ""
    s = t.systems.c
    active = to.main.scalars(select(s.name).where(s.activated_at.is_not(None)))
    for system in sorted({*systems, *active}):
        switches.pause(to.main, system, f"{due.RESTORED}{of}: pull its news and look at the plan before you go on", now)
    _tell(to.main, {"at": max(now, newest or 0)})


def recently(connection: Connection, now: int) -> bool:
    """Whether what is to be made may be there, made by the store before."""
    told = _told(connection)
    return bool(told) and now < int(told["at"]) + ASKED


def go_on(connection: Connection, system: str, now: int) -> tuple[str, int]:
    """Send to ``system`` again. Returns why it was paused, empty when it was not, and how many messages to people are
    left to a person because of that."""
    reason, left = switches.resume(connection, system), 0
    if reason.startswith(due.RESTORED):
        told = _told(connection)
        _tell(connection, {**told, "resumed": {**told.get("resumed", {}), system: now}})
        w = t.writes.c
        planned = select(func.count()).where(w.system == system, w.object == NOTICE, w.state.in_(OPEN_WRITES))
        left = connection.scalar(planned) or 0
    return reason, left


def resumed(connection: Connection, system: str) -> int:
    """When ``system`` was sent to again after a restore; 0 where it never was."""
    return int(_told(connection).get("resumed", {}).get(system, 0))


def _told(connection: Connection) -> dict[str, Any]:
    told = connection.scalar(select(t.settings.c.value).where(t.settings.c.name == _NAME))
    return dict(orjson.loads(told)) if told is not None else {}


def _tell(connection: Connection, told: Mapping[str, Any]) -> None:
    Put(connection).upsert(t.settings, [{"name": _NAME, "value": orjson.dumps(told).decode()}])


def strange(connection: Connection, keys: Collection[str]) -> set[str]:
    """Those of our keys of tasks that this store never gave."""
    ids = {key: handoff for key in keys if (handoff := handoff_of(key))}
    h = t.handoffs.c
    known: set[Any] = set(connection.scalars(select(h.id).where(among(h.id, set(ids.values())))))
    return {key for key, handoff in ids.items() if handoff not in known}
