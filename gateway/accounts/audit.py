"""Who changed what, when, from what to what: append-only."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, insert, select

from gateway.store import tables as t
from gateway.store.times import new_id

_a = t.audit.c


def note(
    connection: Connection,
    at: int,
    by: str,
    what: str,
    subject: str,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """Add an entry. ``at``: microseconds; ``subject``: the id or name of what was changed, never a value of a lead."""
    entry = {"id": new_id(), "at": at, "by": by, "what": what, "subject": subject, "before": before, "after": after}
    connection.execute(insert(t.audit).values(**entry))


def entries(connection: Connection, limit: int) -> list[dict[str, Any]]:
    """The newest first."""
    chosen = select(t.audit).order_by(_a.at.desc(), _a.id.desc()).limit(limit)
    return [dict(row) for row in connection.execute(chosen).mappings()]
