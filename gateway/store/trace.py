"""What became of one document: its items, the people they are about, what was decided, planned and answered.

Read by the document's id alone; a constant number of statements. No values: they stand with the leads.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, false, func, or_, select

from gateway.store import tables as t
from gateway.store.among import among
from gateway.store.listing import rows_of

ITEMS = 1000
"""Items of one document that are told."""
NEVER = 1 << 62
"""Later than any time in microseconds."""


@dataclass(frozen=True, slots=True)
class Trace:
    """Rows, oldest first. ``read_at``: when it was worked, None while it was not; times in microseconds.

    ``moments``: when its parts were worked, and what a replay found new in it. ``items``: what was read out of it.
    ``moves``, ``handoffs``: decided because of it. ``writes``: planned because of it and of what was worked with it,
    with the answer; and those that took their place, with a later ``planned_at``.
    """

    read_at: int | None
    moments: Collection[int]
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
    e, d, p, m, h = t.events.c, t.documents_read.c, t.parts_read.c, t.transitions.c, t.handoffs.c
    read_at = connection.scalar(select(d.read_at).where(d.document == document))
    moments = {*connection.scalars(select(p.read_at).where(p.document == document)), *([read_at] if read_at else [])}
    columns = (e.key, e.system, e.object, e.record, e.type, e.at, e.state, e.reason)
    items = rows_of(connection, select(*columns).where(e.document == document).order_by(e.at, e.key).limit(ITEMS))
    leads = _leads(connection, items)
    moves = select(m.lead, m.from_stage, m.stage, m.at, m.cause, m.reason, m.score)
    moves = moves.where(among(m.lead, leads), m.decided_at.in_(moments)).order_by(m.id)
    handoffs = select(h.id, h.lead, h.system, h.opened_at, h.state, h.bucket)
    ended = select(t.endings.c.handoff).where(t.endings.c.decided_at.in_(moments))
    handoffs = handoffs.where(among(h.lead, leads), or_(h.decided_at.in_(moments), h.id.in_(ended))).order_by(h.id)
    writes = _writes(connection, document, leads, moments)
    return Trace(read_at, moments, items, leads, rows_of(connection, moves), rows_of(connection, handoffs), writes)


def _leads(connection: Connection, items: Sequence[Mapping[str, Any]]) -> list[str]:
    """The people that the items name, and those of the deals that they name."""
    r, d = t.records.c, t.deal_leads.c
    records = defaultdict[tuple[str, str], set[str]](set)
    for row in items:
        records[row["system"], row["object"]].add(row["record"] or "")
    named = or_(false(), *(and_(r.system == s, r.object == o, among(r.record, ids)) for (s, o), ids in records.items()))
    buyers = select(d.lead).where(d.deal.in_(select(r.entity).where(r.kind == "deal", named)))
    return sorted(connection.scalars(select(r.entity).where(r.kind == "person", named).union(buyers)))


def _writes(
    connection: Connection, document: str, leads: Sequence[str], moments: Collection[int]
) -> list[dict[str, Any]]:
    """Planned because of the document, and what took the place of those that went nowhere."""
    w, r = t.writes.c, t.records.c
    because = or_(w.document == document, w.planned_at.in_(moments))  # a write names the latest document of its batch
    own = select(w.system, w.key, func.min(w.planned_at)).where(among(w.lead, leads), because)
    since = {(system, key): at for system, key, at in connection.execute(own.group_by(w.system, w.key))}
    if not since:
        return []
    columns = (w.id, w.lead, w.system, w.object, w.key, w.record, w.document, w.planned_at, w.state, w.attempts, w.code)
    after = select(*columns, w.message, w.finished_at).where(among(w.lead, leads), w.planned_at >= min(since.values()))
    rows = rows_of(connection, after.order_by(w.planned_at, w.id))
    writes = [row for row in rows if row["planned_at"] >= since.get((row["system"], row["key"]), NEVER)][:ITEMS]
    first = {(row["system"], row["key"]): row["id"] for row in reversed(writes) if row["state"] != "superseded"}
    said = [
        row
        for row in writes
        if document == row["document"]
        or row["planned_at"] in moments
        or first.get((row["system"], row["key"])) == row["id"]
    ]
    known = select(r.entity, r.system, r.object, r.record).where(among(r.entity, leads), r.main)
    held = {(row.entity, row.system, row.object): row.record for row in connection.execute(known)}
    for row in said:
        row["record"] = row["record"] or held.get((row["lead"], row["system"], row["object"]))
    return said
