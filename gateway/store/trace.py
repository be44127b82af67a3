"""What became of one document: its items, the people they are about, what was decided, planned and answered.

Read by the document's id alone; a constant number of statements. No values: they stand with the leads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, false, func, or_, select

from gateway.store import tables as t
from gateway.store.among import among
from gateway.store.listing import rows_of

ITEMS = 1000
"""Items of one document that are told."""


@dataclass(frozen=True, slots=True)
class Trace:
    """Rows, oldest first. ``read_at``: when it was worked, None while it was not; times in microseconds.

    ``items``: what was read out of it. ``moves``, ``handoffs``: decided because of it. ``writes``: planned because of
    it and of what was worked with it, with the answer; and those that took their place, with a later ``planned_at``.
    """

    read_at: int | None
    items: Sequence[Mapping[str, Any]]
    leads: Sequence[str]
    moves: Sequence[Mapping[str, Any]]
    handoffs: Sequence[Mapping[str, Any]]
    writes: Sequence[Mapping[str, Any]]


def document(connection: Connection, id: str) -> dict[str, Any] | None:
    """The document's row, without its body. ``connection`` reads the inbox."""
    d = t.documents.c
    columns = (d.id, d.system, d.received_at, d.origin, d.stream, d.state, d.reason, d.flags)
    row = connection.execute(select(*columns, func.length(d.body).label("size")).where(d.id == id)).mappings().first()
    return dict(row) if row is not None else None


def trace(connection: Connection, document: str) -> Trace:
    """``connection`` reads the main database. Of an unknown document all is empty."""
    e, d, w, m, h = t.events.c, t.documents_read.c, t.writes.c, t.transitions.c, t.handoffs.c
    read_at = connection.scalar(select(d.read_at).where(d.document == document))
    columns = (e.key, e.system, e.object, e.record, e.type, e.at, e.state, e.reason)
    items = rows_of(connection, select(*columns).where(e.document == document).order_by(e.at, e.key).limit(ITEMS))
    r = t.records.c
    refs = {(row["system"], row["object"], row["record"]) for row in items}
    theirs = select(r.entity).where(
        r.kind == "person", or_(*(and_(r.system == s, r.object == o, r.record == record) for s, o, record in refs))
    )
    leads = sorted(set(connection.scalars(theirs))) if refs else []
    if read_at is None or not leads:
        return Trace(read_at, items, leads, (), (), ())
    moves = select(m.lead, m.from_stage, m.stage, m.at, m.cause, m.reason, m.score)
    moves = moves.where(among(m.lead, leads), m.decided_at == read_at).order_by(m.id)
    handoffs = select(h.id, h.lead, h.system, h.opened_at, h.state, h.bucket)
    handoffs = handoffs.where(among(h.lead, leads), h.decided_at == read_at).order_by(h.id)
    because = or_(w.document == document, w.planned_at == read_at)  # a write names the latest document of its batch
    own = select(w.system, w.key, func.min(w.planned_at)).where(among(w.lead, leads), because)
    told = (w.id, w.lead, w.system, w.object, w.key, w.record, w.document, w.planned_at, w.state, w.attempts, w.code)
    since = connection.execute(own.group_by(w.system, w.key)).all()
    keys = [and_(w.system == system, w.key == key, w.planned_at >= first) for system, key, first in since]
    after = select(*told, w.message, w.finished_at).where(among(w.lead, leads), or_(false(), *keys))
    writes = rows_of(connection, after.order_by(w.planned_at, w.id).limit(ITEMS)) if keys else []
    first = {(row["system"], row["key"]): row["id"] for row in reversed(writes) if row["state"] != "superseded"}
    said = [
        row
        for row in writes
        if document == row["document"]
        or read_at == row["planned_at"]
        or first.get((row["system"], row["key"])) == row["id"]
    ]
    known = select(r.entity, r.system, r.object, r.record).where(among(r.entity, leads), r.main)
    records = {(row.entity, row.system, row.object): row.record for row in connection.execute(known)}
    for row in said:
        row["record"] = row["record"] or records.get((row["lead"], row["system"], row["object"]))
    return Trace(read_at, items, leads, rows_of(connection, moves), rows_of(connection, handoffs), said)
