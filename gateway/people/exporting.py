"""All that is stored of one person, as they may ask for it: every row of theirs, and the documents that named them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from gateway.store import person
from gateway.store import tables as t
from gateway.store.among import among
from gateway.store.database import read
from gateway.times import iso, to_micros

if TYPE_CHECKING:
    from gateway.runtime import Gateway


def export(gateway: Gateway, lead: str) -> dict[str, Any]:
    """``lead``, ``exported_at``, ``tables`` (name → rows, times as text) and ``documents``.

    A document is named, not shown: a page of a pull tells of others, too, and what it said of this person stands in
    ``tables.events``.
    """
    with read(gateway.store.main) as connection:
        leads = person.aliases(connection, lead)
        tables = person.rows_of(connection, leads, person.refs_of(connection, leads))
    named = {row["document"] for name in ("events", "repeats") for row in tables.get(name, ())}
    d = t.documents.c
    with read(gateway.store.inbox) as connection:
        chosen = select(d.id, d.system, d.received_at, d.origin, d.state).where(among(d.id, named))
        documents = [dict(row) for row in connection.execute(chosen.order_by(d.id)).mappings()]
    for name, rows in tables.items():
        for column in person.moments(name):
            for row in rows:
                row[column] = iso(row[column]) if row[column] is not None else None
    for row in documents:
        row["received_at"] = iso(row["received_at"])
    return {"lead": lead, "exported_at": iso(to_micros(gateway.now())), "tables": tables, "documents": documents}
