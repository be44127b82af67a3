"""Every row that is about one person, whatever the table: what an export gives and an erasure has to reach."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, Table, and_, false, or_, select

from gateway.leads.record import Ref
from gateway.store import tables as t
from gateway.store.among import among

Whose = Callable[[Table, Collection[str], Collection[Ref]], ColumnElement[bool]]
"""(table, ids of a lead and of its aliases, its records) → which rows are theirs"""
SPANS = {"response_time"}
"""Columns of microseconds that are no moments."""


def _lead(column: str) -> Whose:
    return lambda table, leads, _: among(table.c[column], leads)


def _either(one: str, other: str) -> Whose:
    return lambda table, leads, _: or_(among(table.c[one], leads), among(table.c[other], leads))


def _record(object_: str = "object", record: str = "record") -> Whose:
    return lambda table, _, refs: or_(
        false(), *(and_(table.c.system == s, table.c[object_] == o, table.c[record] == r) for s, o, r in refs)
    )


def _linked(table: Table, leads: Collection[str], refs: Collection[Ref]) -> ColumnElement[bool]:
    return or_(_record()(table, leads, refs), _record("to_object", "to_record")(table, leads, refs))


def _ended(table: Table, leads: Collection[str], _: Collection[Ref]) -> ColumnElement[bool]:
    return table.c.handoff.in_(select(t.handoffs.c.id).where(among(t.handoffs.c.lead, leads)))


def _bought(table: Table, leads: Collection[str], _: Collection[Ref]) -> ColumnElement[bool]:
    return table.c.id.in_(select(t.deal_leads.c.deal).where(among(t.deal_leads.c.lead, leads)))


WHOSE: Mapping[Table, Whose] = {
    t.leads: _either("id", "merged_into"),
    t.identities: _lead("lead"),
    t.records: _lead("entity"),
    t.associations: _linked,
    t.events: _record(),
    t.activities: _lead("lead"),
    t.activity_kinds: _lead("lead"),
    t.outcomes: _lead("lead"),
    t.marks: _lead("lead"),
    t.scores: _lead("lead"),
    t.former_scores: _lead("lead"),
    t.crossed: _lead("lead"),
    t.reached: _lead("lead"),
    t.transitions: _lead("lead"),
    t.steps: _lead("lead"),
    t.handoffs: _lead("lead"),
    t.endings: _ended,
    t.clock_events: _lead("lead"),
    t.deal_leads: _lead("lead"),
    t.deals: _bought,
    t.writes: _lead("lead"),
    t.notices: _lead("lead"),
    t.regroupings: _either("lead", "other"),
    t.apart: _either("one", "other"),
    t.lookups: _record(),
    t.repeats: _record(),
    t.work_items: _lead("lead"),
    t.resolutions: _lead("lead"),
}
"""What a table holds of a person. A table that is not named holds nothing of anybody."""


def aliases(connection: Connection, lead: str) -> list[str]:
    """The lead and every id that was merged into it, however many merges ago."""
    found, new = [lead], [lead]
    while new:
        new = list(connection.scalars(select(t.leads.c.id).where(among(t.leads.c.merged_into, new))))
        found += new
    return found


def refs_of(connection: Connection, leads: Collection[str]) -> list[Ref]:
    """The records of these leads, wherever they are."""
    c = t.records.c
    rows = connection.execute(select(c.system, c.object, c.record).where(among(c.entity, leads)))
    return sorted((row.system, row.object, row.record) for row in rows)


def keys_of(connection: Connection, leads: Collection[str]) -> list[str]:
    """The addresses and other keys of these leads."""
    return sorted(set(connection.scalars(select(t.identities.c.value).where(among(t.identities.c.lead, leads)))))


def rows_of(connection: Connection, leads: Collection[str], refs: Collection[Ref]) -> dict[str, list[dict[str, Any]]]:
    """Name of the table → its rows, in the order of their keys; tables without any are left out."""
    found = {}
    for table, whose in WHOSE.items():
        chosen = select(table).where(whose(table, leads, refs)).order_by(*table.primary_key.columns)
        if rows := [dict(row) for row in connection.execute(chosen).mappings()]:
            found[table.name] = rows
    return found


def moments(table: str) -> Sequence[str]:
    """The columns of a table that are moments, in microseconds."""
    columns = t.main.tables[table].c
    return [column.name for column in columns if isinstance(column.type, BigInteger) and column.name not in SPANS]
