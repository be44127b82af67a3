"""Whose the records are that systems count, and what is known of those on one side only: for ``metrics.reconcile``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, select

from gateway.store import tables as t
from gateway.store.among import among
from gateway.store.overview import OPEN_WRITES

Object = tuple[str, str]
"""(system, object)"""


def leads_of(connection: Connection, system: str, object: str, records: Sequence[str]) -> dict[str, str]:
    """record → its lead, the one it was merged into where it was; without those the gateway does not know."""
    r, c = t.records.c, t.leads.c
    rows = select(r.record, r.entity).where(r.system == system, r.object == object, among(r.record, records))
    found = dict(list(connection.execute(rows)))
    other = select(c.id, c.merged_into).where(c.merged_into.is_not(None))
    while merged := dict(list(connection.execute(other.where(among(c.id, set(found.values())))))):
        found = {record: merged.get(lead, lead) for record, lead in found.items()}
    return found


def people(connection: Connection, leads: Collection[str]) -> dict[str, tuple[bool, str]]:
    """lead → whether it is forgotten, and why it is never handed over ("" = it may be)."""
    c = t.leads.c
    rows = select(c.id, c.erased_at, c.excluded).where(among(c.id, leads))
    return {lead: (erased is not None, excluded or "") for lead, erased, excluded in connection.execute(rows)}


def handoffs(connection: Connection, leads: Collection[str]) -> dict[str, str]:
    """lead → the state of its last handoff."""
    h = t.handoffs.c
    rows = select(h.lead, h.state).where(among(h.lead, leads), h.state != "absorbed").order_by(h.opened_at, h.id)
    return dict(list(connection.execute(rows)))


def records(connection: Connection, leads: Collection[str], objects: Collection[Object]) -> dict[str, list[Any]]:
    """lead → its records of these objects: rows with system, object, record and gone."""
    r = t.records.c
    rows = select(r.entity, r.system, r.object, r.record, r.gone).where(r.kind == "person", among(r.entity, leads))
    found: dict[str, list[Any]] = defaultdict(list)
    for row in connection.execute(rows.order_by(r.system, r.object, r.record)):
        if (row.system, row.object) in objects:
            found[row.entity].append(row)
    return found


def troubled(
    connection: Connection, leads: Collection[str], objects: Collection[Object]
) -> dict[str, tuple[str, str, str]]:
    """lead → (system, state, code) of the last write to these objects that is not confirmed, if it is the last one."""
    w = t.writes.c
    rows = select(w.lead, w.system, w.object, w.state, w.code).where(among(w.lead, leads))
    last: dict[str, tuple[str, str, str]] = {}
    for lead, system, object_, state, code in connection.execute(rows.order_by(w.planned_at, w.id)):
        if (system, object_) in objects and state != "superseded":
            last[lead] = (system, state, code)
    return {lead: one for lead, one in last.items() if one[1] == "dead" or one[1] in OPEN_WRITES}
