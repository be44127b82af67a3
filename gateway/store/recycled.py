"""Handoffs of every lead in order of their opening, for ``metrics.recycled``: one statement."""

from __future__ import annotations

from collections import defaultdict

from sqlalchemy import Connection, select

from gateway.metrics.recycled import Handoff
from gateway.store import tables as t


def handoffs(connection: Connection) -> dict[str, list[Handoff]]:
    """lead → those that sales were given; what was absorbed or withdrawn is none."""
    h = t.handoffs.c
    columns = (h.lead, h.opened_at, h.generation, h.closed_at, h.bucket, h.bucket_reason)
    given = select(*columns).where(h.state.in_(("open", "closed"))).order_by(h.lead, h.opened_at, h.id)
    found: dict[str, list[Handoff]] = defaultdict(list)
    for lead, opened, generation, closed, bucket, reason in connection.execute(given):
        found[lead].append(Handoff(opened, generation, closed, bucket or "", reason))
    return found
