"""What is due by itself: scores that move, queued rescores, cursors, paused systems; and leads by any key."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from itertools import takewhile
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    and_,
    delete,
    false,
    func,
    literal_column,
    or_,
    select,
    union,
    update,
)

from gateway.journey.capacity import SPANS
from gateway.store import tables as t
from gateway.store.among import among
from gateway.store.put import Put
from gateway.store.times import new_id

MICROSECOND = timedelta(microseconds=1)


def scores(connection: Connection, names: Collection[str], now: int, limit: int) -> list[str]:
    """Leads of whom a score moves by itself at or before ``now``: exactly those, earliest first."""
    s = t.scores.c
    chosen = select(s.lead).where(moves_by(names, now)).order_by(_SPAN, s.changes_at)
    return list(dict.fromkeys(connection.scalars(chosen.limit(limit))))


def moves_by(names: Collection[str], now: int) -> ColumnElement[bool]:
    """Of the scores of these names, those that move by themselves at or before ``now``."""
    s = t.scores.c
    return and_(s.name.in_(names), s.changes_at <= now, _SPAN <= now // t.DUE_SPAN)  # noqa: SIM300 - a column, not a constant


_SPAN: ColumnElement[int] = literal_column(f"scores.changes_at / {t.DUE_SPAN}", Integer)  # as index scores_due has it


def rescores(connection: Connection, limit: int) -> list[tuple[Any, list[str]]]:
    """The oldest queued rescores with the next leads that they ask for, ``limit`` together; fewer than that of one mean
    it is done. Several are of companies, each with all its leads.

    Those by a changed model are ``store.rescoring``'s.
    """
    r, leads = t.rescores.c, t.leads.c
    rows = connection.execute(select(t.rescores).where(r.scoring == "").order_by(r.id).limit(limit)).all()
    small = list(takewhile(lambda row: row.company is not None and not row.after, rows))
    if len(small) > 1:
        theirs = select(leads.company, leads.id).where(leads.merged_into.is_(None))
        theirs = theirs.where(among(leads.company, [row.company for row in small]))
        found = connection.execute(theirs.order_by(leads.company, leads.id).limit(limit + 1)).all()
        of: dict[str, list[str]] = {row.company: [] for row in small} if len(found) <= limit else {}
        for company, lead in found:
            of.setdefault(company, []).append(lead)
        if len(found) > limit:
            del of[found[-1].company]  # not all of its leads are here
        if of:
            return [(row, of[row.company]) for row in small if row.company in of]
    if not rows:
        return []
    row = rows[0]
    query = select(leads.id).where(leads.merged_into.is_(None), leads.id > row.after).order_by(leads.id).limit(limit)
    if row.company is not None:
        query = query.where(leads.company == row.company)
    return [(row, list(connection.scalars(query)))]


def advance_rescore(connection: Connection, rescore: Any, done: Sequence[str], limit: int) -> None:
    """Note how far a rescore has come; it is gone once fewer leads than asked for were left."""
    r = t.rescores.c
    if len(done) < limit:
        connection.execute(delete(t.rescores).where(r.id == rescore.id))
    else:
        connection.execute(update(t.rescores).where(r.id == rescore.id).values(after=done[-1]))


def rescore_all(connection: Connection, cause: str, now: int) -> None:
    """Queue a rescore of every lead."""
    Put(connection).insert(t.rescores, [{"id": new_id(), "cause": cause, "created_at": now}])


def cursor(connection: Connection, system: str, stream: str) -> Mapping[str, Any] | None:
    c = t.cursors.c
    found = connection.scalar(select(c.cursor).where(c.system == system, c.stream == stream))
    return dict(found) if found is not None else None


def save_cursor(connection: Connection, system: str, stream: str, cursor: Mapping[str, Any], now: int) -> None:
    Put(connection).upsert(t.cursors, [{"system": system, "stream": stream, "cursor": dict(cursor), "at": now}])


def streams(connection: Connection, system: str) -> list[str]:
    """What of ``system`` has a cursor."""
    return list(connection.scalars(select(t.cursors.c.stream).where(t.cursors.c.system == system)))


def forget_cursors(connection: Connection, system: str, streams: Collection[str]) -> None:
    c = t.cursors.c
    connection.execute(delete(t.cursors).where(c.system == system, among(c.stream, streams)))


def connected_at(connection: Connection, system: str) -> int | None:
    """Since when the active files have named ``system`` with a mapping, in microseconds."""
    b = t.bundles.c
    rows = connection.execute(select(b.active_at, b.hashes).order_by(b.active_at))
    return next((row.active_at for row in rows.all() if f"mapping:{system}" in row.hashes), None)


RESTORED = "restored from a backup"
"""What a pause's reason begins with that keeps us from sending, not from asking."""


def paused(connection: Connection, system: str) -> str:
    """Why nothing is sent to ``system``; empty when it is not paused."""
    return str(connection.scalar(select(t.systems.c.paused).where(t.systems.c.name == system)) or "")


def restored(connection: Connection, system: str) -> int | None:
    """Since when nothing is sent to ``system`` because the store came out of a backup; None = for nothing like that."""
    s = t.systems.c
    mine = select(s.paused_at).where(s.name == system, s.paused.startswith(RESTORED, autoescape=True))
    return connection.scalar(mine)


def silent(connection: Connection, system: str) -> str:
    """Why ``system`` is not even asked for its news: not for what a restore has paused it."""
    reason = paused(connection, system)
    return "" if reason.startswith(RESTORED) else reason


def namespaces(connection: Connection) -> list[str]:
    """Those of the identities, a step of the index each: they are few, and the identities many."""
    value = t.identities.c.namespace
    found: list[str] = []
    while (later := connection.scalar(select(func.min(value)).where(*(value > one for one in found[-1:])))) is not None:
        found.append(later)
    return found


def lead_ids(connection: Connection, key: str, objects: Collection[tuple[str, str]] = ()) -> list[str]:
    """The living leads behind an id or alias, an e-mail address, a declared key or a record (``system:object:id``).

    :param objects: (system, object) of which ``key`` may be a record's id by itself.
    """
    leads, identities, records = t.leads.c, t.identities.c, t.records.c
    direct = select(leads.id).where(leads.id == key, leads.merged_into.is_(None))
    alias = select(leads.merged_into).where(leads.id == key, leads.merged_into.is_not(None))
    spaces = namespaces(connection)
    known = select(identities.lead).where(identities.namespace.in_(spaces), identities.value.in_([key, key.lower()]))
    record = select(records.entity).where(
        *(records.kind == "person", records.record == key, records.entity != ""),
        or_(false(), *(and_(records.system == system, records.object == name) for system, name in objects)),
    )
    parts = key.split(":", 2)
    if len(parts) == 3:
        record = select(records.entity).where(
            records.system == parts[0], records.object == parts[1], records.record == parts[2]
        )
    return sorted(connection.scalars(union(direct, alias, known, record)))


def openings_lately(connection: Connection, now: int) -> dict[str, int]:
    """Span of ``capacity`` → handoffs opened in it until ``now``."""
    opened, state = t.handoffs.c.opened_at, t.handoffs.c.state
    return {
        span: connection.scalar(
            select(func.count()).where(opened > now - length // MICROSECOND, state.in_(("open", "closed")))
        )
        or 0
        for span, length in SPANS.items()
    }


def wakes(connection: Connection, now: int, limit: int) -> list[str]:
    """Leads whose journey moves by itself at or before ``now``, earliest first."""
    c = t.leads.c
    due = select(c.id).where(c.wakes_at <= now, c.merged_into.is_(None), c.erased_at.is_(None))
    return list(connection.scalars(due.order_by(c.wakes_at).limit(limit)))
