"""Leads as conditions look at them, with what they know of their company, for ``metrics.ideal``: streamed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from sqlalchemy import Connection, select

from gateway.journey.journey import Journey
from gateway.metrics.ideal import Known
from gateway.scoring.rating import known
from gateway.store import tables as t
from gateway.store.rescoring import companies

CHUNK = 10_000


def leads(connection: Connection, journey: Journey, since: int | None, until: int | None) -> Iterator[Known]:
    """Those that entered from ``since`` until before ``until`` (microseconds) and are still somebody, by id."""
    e, r = t.leads.c, t.reached.c
    won = set(connection.scalars(select(r.lead).where(r.stage.in_(journey.shared_stages().get("won", ())))))
    living = select(e.id, e.persona, e.attributes, e.company).where(e.merged_into.is_(None), e.erased_at.is_(None))
    living = living if since is None else living.where(e.entered_at >= since)
    living = living if until is None else living.where(e.entered_at < until)
    rows = iter(connection.execute(living.order_by(e.id).execution_options(yield_per=CHUNK)))
    while some := list(islice(rows, CHUNK)):
        theirs = companies(connection, {row.company for row in some if row.company})
        for row in some:
            firm = theirs.get(row.company)
            yield Known(row.id, row.persona, known(row.attributes, firm) if firm else row.attributes, row.id in won)
