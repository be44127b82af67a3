"""What was sent under one name, and the holds of what was taken back of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, and_, case, func, select, text, update

from gateway.contracts import NOTICE
from gateway.leads.record import Ref
from gateway.store import tables as t
from gateway.store.among import among

# As their indexes are written, which serve no other spelling.
_SENT = text("push <> ''")
_ANY = {"sqlite": text("holds <> '{}'"), "postgresql": text("holds::text <> '{}'")}


def new_name(connection: Connection, name: str) -> str:
    """``name``, or with a number behind it where another push of the same second has it."""
    w = t.writes.c
    used = set(connection.scalars(select(w.push).where(w.push >= name, w.push < f"{name}.", _SENT)))
    return next(one for one in (name, *(f"{name}-{n}" for n in range(2, len(used) + 3))) if one not in used)


def writes(connection: Connection, push: str) -> list[Any]:
    """The confirmed writes of a push, in their order, as the leads of now have them. What people were told is none."""
    w = t.writes.c
    mine = select(t.writes).where(w.push == push, _SENT, w.state == "confirmed", w.object != NOTICE).order_by(w.id)
    return list(connection.execute(mine))


def later(connection: Connection, push: str, rows: Sequence[Any]) -> dict[tuple[Ref, str], str]:
    """(record, field) → the push that wrote it last, where that is a later one."""
    w = t.writes.c
    last = {(row.system, row.object, row.record): row.id for row in rows}
    leads = {row.lead for row in rows if row.lead}
    columns = (w.id, w.system, w.object, w.record, w.before, w.push)
    since = select(*columns).where(among(w.lead, leads), w.state == "confirmed", w.push != push).order_by(w.id)
    found: dict[tuple[Ref, str], str] = {}
    for id_, *ref, before, by in connection.execute(since):
        of = (ref[0], ref[1], ref[2])
        if of in last and id_ > last[of]:
            found.update({(of, name): by for name in before})
    return found


def made(connection: Connection, ids: Collection[str]) -> dict[str, str]:
    """Write → the id of the record it made."""
    e = t.events.c
    keys = [f"write:{id_}" for id_ in ids]
    rows = connection.execute(select(e.key, e.record).where(among(e.key, keys)))
    return {key.removeprefix("write:"): record for key, record in rows}


def waiting(connection: Connection, system: str, leads: Collection[str]) -> int:
    """How many writes wait for a system that are about these leads."""
    w = t.writes.c
    chosen = select(func.count()).where(w.system == system, w.state == "waiting", among(w.lead, leads))
    return int(connection.scalar(chosen) or 0)


def newest(connection: Connection, limit: int) -> list[Any]:
    """push, system, when it ended, how many records it made and changed; the newest first."""
    w = t.writes.c
    made_some = func.sum(case((w.create, 1), else_=0))
    chosen = select(w.push, w.system, func.max(w.finished_at).label("at"), made_some.label("created"), func.count())
    grouped = chosen.where(_SENT, w.state == "confirmed", w.object != NOTICE).group_by(w.push, w.system)
    return list(connection.execute(grouped.order_by(func.max(w.finished_at).desc(), w.push.desc()).limit(limit)))


def holds(connection: Connection) -> list[tuple[Ref, str, Mapping[str, list[Any]]]]:
    """Every record on which something is held: (record, lead, its holds)."""
    c = t.records.c
    rows = connection.execute(
        select(c.system, c.object, c.record, c.entity, c.holds).where(_ANY[connection.dialect.name])
    )
    return [((row[0], row[1], row[2]), row.entity, row.holds) for row in rows]


def hold(connection: Connection, wanted: Mapping[Ref, Mapping[str, list[Any]]]) -> None:
    """Hold these fields of these records, beside what is held there already; nothing of who was forgotten since."""
    c = t.records.c
    for ref, fields in wanted.items():
        where = and_(c.system == ref[0], c.object == ref[1], c.record == ref[2])
        row = connection.execute(select(c.holds, c.entity).where(where, c.gone.is_(None))).first()
        if row is not None:
            connection.execute(update(t.records).where(where).values(holds={**row.holds, **fields}))
            _moved(connection, row.entity)


def release(connection: Connection, push: str) -> list[tuple[str, int]]:
    """End the holds of an undo of ``push``: (lead, how many fields) of each record."""
    c = t.records.c
    released = []
    for ref, lead, held in holds(connection):
        kept = {name: one for name, one in held.items() if one[4] != push}
        if len(kept) < len(held):
            where = and_(c.system == ref[0], c.object == ref[1], c.record == ref[2])
            connection.execute(update(t.records).where(where).values(holds=kept))
            _moved(connection, lead)
            released.append((lead, len(held) - len(kept)))
    return released


def _moved(connection: Connection, lead: str) -> None:
    """Whoever loaded the lead before must load it again."""
    c = t.leads.c
    connection.execute(update(t.leads).where(c.id == lead).values(version=c.version + 1))
