"""Past leads with an end, as ``gateway.learning`` looks at them: values with their times, activities, what sales said.

A constant number of statements for each ``PART`` of them; nothing is written.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

from sqlalchemy import Connection, Select, Subquery, and_, func, select, union_all

from gateway.contracts import Activity, Scorer, Subject
from gateway.leads.record import Record
from gateway.leads.stamps import Inbound, attributes
from gateway.learning.case import LOST, Past, Told, Value
from gateway.scoring.rating import known
from gateway.store import tables as t
from gateway.store.among import among
from gateway.store.plain import rows_of
from gateway.store.rescoring import load_part, ranges, shown
from gateway.store.rows import RECORD, record_of
from gateway.times import from_micros, to_micros

PART = 1000
MOST = 30_000
"""Past leads that are learned from, the latest ones: more say nothing new, and take their time."""
ENDS = ("won", *LOST)


def _came(score: str) -> Subquery:
    """(lead, at) of what brought leads to sales by a score beside the main one: handoffs, and moves over a threshold
    where none hands over."""
    h, m = t.handoffs.c, t.transitions.c
    handed = select(h.lead, h.opened_at.label("at")).where(h.state.in_(("open", "closed")), h.score_name == score)
    moved = select(m.lead, m.at).where(m.reason == "threshold", m.score_name == score)
    return union_all(handed, moved).subquery()


def ended(connection: Connection, score: str = "") -> list[str]:
    """The leads that were won, lost or rejected: those that ended last, at most ``MOST``. ``score``: only those that it
    brought to sales."""
    o, c = t.outcomes.c, t.leads.c
    only = [o.lead.in_(select(_came(score).c.lead))] if score else []
    found = (
        select(o.lead)
        .join(t.leads, c.id == o.lead)
        .where(o.outcome.in_(ENDS), c.merged_into.is_(None), c.erased_at.is_(None), *only)
        .group_by(o.lead)
        .order_by(func.max(o.at).desc(), o.lead)
        .limit(MOST)
    )
    return list(connection.scalars(found))


def pasts(
    connection: Connection,
    leads: Sequence[str],
    inbound: Inbound,
    rank: Any,
    done: Callable[[int], None],
    score: str = "",
) -> Iterator[Past]:
    """All that is stored of ``leads``. :param inbound, rank: as joining has them. :param done: is told how many.
    :param score: which brought them to sales: of what sales said only what they said since.
    """
    for start, end in pairwise([*range(0, len(leads), PART), len(leads)]):
        yield from _part(connection, leads[start:end], inbound, rank, score)
        done(end)


def _part(connection: Connection, ids: Sequence[str], inbound: Inbound, rank: Any, score: str) -> Iterator[Past]:
    c, o, h, a = t.leads.c, t.outcomes.c, t.handoffs.c, t.activities.c
    rows = rows_of(connection, select(c.id, c.persona, c.company, c.entered_at).where(among(c.id, ids)))
    companies = {row[2] for row in rows if row[2]}
    values = _values(connection, {*ids, *companies}, inbound, rank)
    undated = {tuple(row[1:]) for row in _times_unknown(connection, ids)}
    told: dict[str, list[Told]] = defaultdict(list)
    for lead, at, outcome, precision, known_at in rows_of(
        connection, select(o.lead, o.at, o.outcome, o.precision, o.known_at).where(among(o.lead, ids))
    ):
        told[lead].append(Told(at, outcome, precision != "unknown", known_at))
    handoffs: dict[str, list[int]] = defaultdict(list)
    opened: Select[Any] = select(h.lead, h.opened_at).where(among(h.lead, ids), h.state.in_(("open", "closed")))
    if score:
        came = _came(score).c
        opened = select(came.lead, came.at).where(among(came.lead, ids))
    for lead, at in rows_of(connection, opened):
        handoffs[lead].append(at)
    for lead in told if score else ():
        told[lead] = [one for one in told[lead] if one.at >= min(handoffs[lead])]
    activities: dict[str, list[tuple[Activity, bool]]] = defaultdict(list)
    did = select(a.lead, a.at, a.kind, a.asset, a.channel, a.campaign, a.id, a.system, a.object, a.record)
    for lead, at, kind, asset, channel, campaign, id_, *ref in rows_of(connection, did.where(among(a.lead, ids))):
        one = Activity(from_micros(at), kind, asset, channel, campaign, id_)
        activities[lead].append((one, (*ref, at) not in undated))
    for lead, persona, company, entered_at in rows:
        theirs = {f"company.{name}": value for name, value in values.get(company, {}).items()}
        yield Past(
            lead, persona, entered_at, {**values.get(lead, {}), **theirs}, activities[lead], told[lead], handoffs[lead]
        )


def _values(connection: Connection, ids: set[str], inbound: Inbound, rank: Any) -> dict[str, dict[str, Value]]:
    """entity → attribute → value, with since when it is so."""
    records: dict[str, list[Record]] = defaultdict(list)
    for row in rows_of(connection, select(*RECORD).where(among(t.records.c.entity, ids))):
        record = record_of(row)
        records[record.entity].append(record)
    undated: dict[str, set[tuple[str, int]]] = defaultdict(set)
    for entity, system, _, _, at in _times_unknown(connection, ids):
        undated[entity].add((system, at))
    found: dict[str, dict[str, Value]] = {}
    for entity, theirs in records.items():
        merged, origin, _ = attributes(theirs, inbound, rank)
        found[entity] = {
            name: Value(value, origin[name][0], origin[name][::-1] not in undated[entity])
            for name, value in merged.items()
        }
    return found


def _times_unknown(connection: Connection, ids: Iterable[str]) -> Sequence[Sequence[Any]]:
    """(entity, system, object, record, at) of what was told without its own time."""
    e, r = t.events.c, t.records.c
    same = and_(e.system == r.system, e.object == r.object, e.record == r.record)
    told = select(r.entity, e.system, e.object, e.record, e.at).join_from(t.records, t.events, same)
    return rows_of(connection, told.where(among(r.entity, ids), e.precision == "unknown").distinct())


# -- what comes in -----------------------------------------------------------------------------------------------------


def entered(connection: Connection, since: int, name: str) -> Sequence[Sequence[Any]]:
    """(lead, persona, total, entered_at) of every lead that entered ``since``, by the score called ``name``; total in
    hundredths, None without one."""
    c = t.leads.c
    seen = shown(t.leads, c.id, name)
    living = and_(c.entered_at >= since, c.merged_into.is_(None), c.erased_at.is_(None))
    return rows_of(connection, select(c.id, c.persona, seen.total, c.entered_at).select_from(seen.source).where(living))


def rescored(
    connection: Connection, leads: Collection[str], scorer: Scorer, at: datetime, done: Callable[[int], None]
) -> Mapping[str, int]:
    """What ``scorer`` gives each of ``leads`` at ``at``, in hundredths. Nothing is stored."""
    cutoff = None if scorer.horizon is None else to_micros(at - scorer.horizon)
    found: dict[str, int] = {}
    seen = 0
    for part in ranges(connection, PART):
        held = load_part(connection, part, [""], "", cutoff)
        for id_, attributes_, persona, company, *_ in held.leads:
            if id_ in leads:
                known_ = known(attributes_, held.companies.get(company, {}))
                given = Subject(known_, held.activities.get(id_, ()), held.marks.get(id_, ()), persona)
                found[id_] = scorer.score(given, at).total
        seen += part.leads
        done(seen)
    return found
