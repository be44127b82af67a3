"""Handoffs of a period as sales got them, for ``metrics.handed``: two statements."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from sqlalchemy import ColumnElement, Connection, select

from gateway.journey.journey import Journey
from gateway.metrics.handed import Handed, rule_of
from gateway.store import tables as t
from gateway.store.velocity import GIVEN


def handed(
    connection: Connection,
    journey: Journey,
    since: int | None,
    until: int | None,
    name: Callable[[str, str], str],
) -> list[Handed]:
    """Those opened from ``since`` until before ``until`` (microseconds), in order of their opening.

    A win counts for the handoff of the lead that was opened last before it, whether or not that lies in the period.

    :param name: (system, owner over there) → what people call them.
    """
    h, r = t.handoffs.c, t.reached.c
    last = select(r.lead, r.at).where(r.stage.in_(journey.shared_stages().get("won", ())))
    won: dict[str, int] = {}
    for lead, at in connection.execute(last):
        won[lead] = min(at, won.get(lead, at))
    columns = (h.lead, h.opened_at, h.score, h.score_name, h.contributions, h.persona, h.system, h.owner)
    rows = (
        select(*columns, h.bucket, h.bucket_reason)
        .where(h.state.in_(GIVEN), *_after(h.opened_at, since))
        .order_by(h.opened_at, h.id)
    )
    of_lead: dict[str, list[int]] = defaultdict(list)
    found = list(connection.execute(rows))
    for row in found:
        of_lead[row.lead].append(row.opened_at)
    bought = {lead: max((at for at in of_lead[lead] if at <= when), default=None) for lead, when in won.items()}
    return [
        Handed(
            row.lead,
            row.score,
            {(axis, rule_of(row.score_name, rule)): points for rule, points, _, axis in row.contributions if points},
            row.persona,
            name(row.system, row.owner) if row.owner else "",
            row.bucket or "",
            row.bucket_reason,
            bought.get(row.lead) == row.opened_at,
            row.score_name,
        )
        for row in found
        if until is None or row.opened_at < until
    ]


def _after(column: ColumnElement[int], since: int | None) -> list[ColumnElement[bool]]:
    return [] if since is None else [column >= since]
