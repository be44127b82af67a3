"""What is turned on and off: a system activated, paused or resumed, a write given up. Each is one small transaction."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, select, update

from gateway.store import tables as t
from gateway.store.among import among
from gateway.store.put import Put

DISCARDED = "discarded"
"""Code of a write that a person gave up: it counts as superseded."""
_DISCARDABLE = ("waiting", "unknown", "dead")


def pause(connection: Connection, system: str, reason: str, now: int) -> None:
    """Stop sending to a system until somebody resumes it. The reason names the secret's reference, never its value."""
    Put(connection).upsert(t.systems, [{"name": system, "paused": reason, "paused_at": now}])


def resume(connection: Connection, system: str) -> str:
    """Send to ``system`` again. Returns why it was paused; empty when it was not."""
    s = t.systems.c
    reason = str(connection.scalar(select(s.paused).where(s.name == system)) or "")
    connection.execute(
        update(t.systems).where(s.name == system).values(paused="", paused_at=None, failures=0, retry_at=None)
    )
    return reason


def activated(connection: Connection, system: str, existing: str, now: int) -> None:
    """Note since when ``system`` is written to, and what became of leads that stood over a threshold then."""
    Put(connection).upsert(t.systems, [{"name": system, "activated_at": now, "existing": existing}])


def discardable(connection: Connection, ids: Collection[str]) -> list[str]:
    """Those of these writes that wait, are unsure or dead: whom ``discard`` can give up."""
    w = t.writes.c
    return list(connection.scalars(select(w.id).where(among(w.id, ids), w.state.in_(_DISCARDABLE)).order_by(w.id)))


def discard(connection: Connection, now: int, ids: Collection[str], reason: str = "") -> int:
    """Give up writes that wait, are unsure or dead; one on its way right now stays. Returns how many."""
    w = t.writes.c
    chosen = select(w.id, w.system, w.state).where(among(w.id, ids), w.state.in_(_DISCARDABLE))
    rows = connection.execute(chosen.with_for_update()).all()
    if not rows:
        return 0
    connection.execute(
        update(t.writes)
        .where(among(w.id, [row.id for row in rows]))
        .values(
            state="superseded",
            code=DISCARDED,
            message=f"given up by a person{f': {reason}' if reason else ''}",
            finished_at=now,
            lease="",
        )
    )
    counts: dict[tuple[str, str], int] = {}
    for row in rows:
        counts[row.system, "superseded"] = counts.get((row.system, "superseded"), 0) + 1
        if row.state == "dead":
            counts[row.system, "write dead"] = counts.get((row.system, "write dead"), 0) - 1
    Put(connection).count(
        t.tallies,
        [{"system": system, "what": what, "reason": "", "count": n} for (system, what), n in sorted(counts.items())],
    )
    return len(rows)
