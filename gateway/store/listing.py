"""Queries for people who look: leads, handoffs, writes, work. Rows come back as dictionaries named like their columns.

Reads only. Everything takes a limit, except what belongs to one lead.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Connection, Select, and_, func, literal_column, or_, select, tuple_, union_all
from sqlalchemy.sql.selectable import FromClause

from gateway.leads.record import Ref
from gateway.store import tables as t
from gateway.store.among import among
from gateway.store.funnel import json_text, of_company
from gateway.store.overview import OPEN_WRITES, STATES, open_work
from gateway.store.rescoring import shown

Rows = list[dict[str, Any]]


# -- leads -------------------------------------------------------------------------------------------------------------


def leads(
    connection: Connection,
    score_name: str,
    limit: int,
    stage: str | None = None,
    band: str | None = None,
    persona: str | None = None,
    excluded: bool = False,
) -> tuple[Rows, int]:
    """Living leads, the highest score first, and how many there are in all: id, attributes, stage, persona, score …"""
    c, h = t.leads.c, t.handoffs.c
    s = shown(t.leads, c.id, score_name)
    joined = s.source.outerjoin(t.handoffs, and_(h.lead == c.id, h.state == "open"))
    wanted: list[ColumnElement[bool]] = [c.merged_into.is_(None), c.erased_at.is_(None)]
    if stage is not None:
        wanted.append(c.stage == stage)
    if band is not None:
        wanted.append(s.band == band)
    if persona is not None:
        wanted.append(c.persona == persona)
    if excluded:
        wanted.append(c.excluded.is_not(None))
    columns = (
        *(c.id, c.attributes, c.stage, c.persona, c.excluded, c.generation, c.entered_at),
        *(s.total, s.fit, s.behaviour, s.band),
        h.id.label("handoff"),
    )
    chosen = select(*columns).select_from(joined).where(*wanted)
    total = connection.scalar(select(func.count()).select_from(joined).where(*wanted))
    return rows_of(connection, chosen.order_by(s.total.desc().nulls_last(), c.id).limit(limit)), int(total or 0)


def named(connection: Connection, ids: Sequence[str], score_name: str) -> Rows:
    """These leads in this order, forgotten ones, too: id, attributes, stage, persona, entered_at, total."""
    c, s = t.leads.c, shown(t.leads, t.leads.c.id, score_name)
    columns = select(c.id, c.attributes, c.stage, c.persona, c.entered_at, s.total).select_from(s.source)
    found = {row["id"]: row for row in rows_of(connection, columns.where(among(c.id, ids)))}
    return [found[one] for one in ids if one in found]


def values(connection: Connection, field: str) -> list[tuple[Any, int]]:
    """The values of one attribute over all living leads, most frequent first; each element of a list for itself.

    A company's attribute or roll-up is ``company.<name>``. None stands for leads that have no value.
    """
    source: FromClause = t.leads
    value = json_text(connection, t.leads.c.attributes, field)
    if field.startswith("company."):
        source, value = of_company(connection, field.removeprefix("company."))
    counted = (
        select(value, func.count())
        .select_from(source)
        .where(t.leads.c.merged_into.is_(None), t.leads.c.erased_at.is_(None))
    ).group_by(value)
    counts: Counter[Any] = Counter()
    for text, count in connection.execute(counted):
        found = orjson.loads(text) if text is not None else None
        # Money is a list of two texts and one value; any other list holds values of its own.
        whole = not isinstance(found, list) or (len(found) == 2 and _is_money(found))
        for one in (found,) if whole else found or (None,):
            counts[" ".join(one) if isinstance(one, list) else one] += count
    return sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))


def _is_money(value: list[Any]) -> bool:
    amount, currency = map(str, value)
    return len(currency) == 3 and currency.isupper() and amount.replace(".", "", 1).lstrip("-").isdigit()


def of_lead(connection: Connection, lead: str) -> dict[str, Rows]:
    """What belongs to one lead beside its facts: decisions, deliveries, deals, work, other ids it is known by."""
    d = t.deals.c
    return {
        "transitions": _of(connection, t.transitions, lead, t.transitions.c.decided_at, t.transitions.c.id),
        "handoffs": _of(connection, t.handoffs, lead, t.handoffs.c.opened_at),
        "endings": rows_of(
            connection,
            select(t.endings)
            .join(t.handoffs, t.handoffs.c.id == t.endings.c.handoff)
            .where(t.handoffs.c.lead == lead)
            .order_by(t.endings.c.decided_at),
        ),
        "clock_events": _of(connection, t.clock_events, lead, t.clock_events.c.at, t.clock_events.c.id),
        "marks": _of(connection, t.marks, lead, t.marks.c.at, t.marks.c.id),
        "steps": _of(connection, t.steps, lead, t.steps.c.at, t.steps.c.id),
        "writes": _of(connection, t.writes, lead, t.writes.c.planned_at, t.writes.c.id),
        "work": _of(connection, t.work_items, lead, t.work_items.c.opened_at),
        "resolutions": rows_of(
            connection,
            select(t.resolutions.c.at, t.resolutions.c.by, t.resolutions.c.resolution, t.work_items.c.kind)
            .join(t.work_items, t.work_items.c.id == t.resolutions.c.item)
            .where(t.resolutions.c.lead == lead)
            .order_by(t.resolutions.c.at, t.resolutions.c.id),
        ),
        "identities": _of(connection, t.identities, lead, t.identities.c.namespace, t.identities.c.value),
        "deals": rows_of(
            connection,
            select(d.id, d.stage, d.status, d.status_at, d.amount, d.currency)
            .join(t.deal_leads, t.deal_leads.c.deal == d.id)
            .where(t.deal_leads.c.lead == lead, d.merged_into.is_(None))
            .order_by(d.id),
        ),
        "regroupings": rows_of(
            connection,
            select(t.regroupings)
            .where(or_(t.regroupings.c.lead == lead, t.regroupings.c.other == lead))
            .order_by(t.regroupings.c.at, t.regroupings.c.id),
        ),
        "merged": rows_of(
            connection,
            select(t.leads.c.id, t.leads.c.known_at).where(t.leads.c.merged_into == lead).order_by(t.leads.c.id),
        ),
    }


def _of(connection: Connection, table: Any, lead: str, *order: Any) -> Rows:
    return rows_of(connection, select(table).where(table.c.lead == lead).order_by(*order))


# -- a lead's past -----------------------------------------------------------------------------------------------------


def records_of(connection: Connection, entity: str) -> list[Any]:
    """The rows of a lead's or company's records."""
    return list(connection.execute(select(t.records).where(t.records.c.entity == entity)))


def at_rest(connection: Connection, system: str) -> int:
    """How many of a system's people are known from its past alone: they take no part in sync before there is news."""
    r = t.records.c
    people = and_(r.system == system, r.kind == "person", r.gone.is_(None), r.enrolled.is_(False), r.entity != "")
    return connection.scalar(select(func.count()).where(people)) or 0


def record(connection: Connection, ref: Ref) -> list[Any]:
    """The row of one record, in a list of at most one."""
    r = t.records.c
    return list(connection.execute(select(t.records).where(r.system == ref[0], r.object == ref[1], r.record == ref[2])))


def events_of(connection: Connection, refs: Collection[Ref], at: int, known_at: int | None) -> list[Any]:
    """Stored events of some records up to ``at`` that were known by ``known_at`` (None: now), in order of time."""
    e = t.events.c
    rows: list[Any] = []
    for system, object_ in {ref[:2] for ref in refs}:
        ids = [ref[2] for ref in refs if ref[:2] == (system, object_)]
        chosen = select(t.events).where(
            e.system == system, e.object == object_, among(e.record, ids), e.at <= at, e.state == "applied"
        )
        rows += connection.execute(chosen if known_at is None else chosen.where(e.known_at <= known_at))
    return sorted(rows, key=lambda row: (row.at, row.key))


def linked_refs(connection: Connection, refs: Collection[Ref]) -> set[Ref]:
    """The records that have ever said they are linked to one of ``refs``, or that one of them named."""
    a = t.associations.c
    found: set[Ref] = set()
    for system, object_, record in refs:
        here, there = and_(a.object == object_, a.record == record), and_(a.to_object == object_, a.to_record == record)
        for row in connection.execute(select(t.associations).where(a.system == system, or_(here, there))):
            found |= {(system, row.object, row.record), (system, row.to_object, row.to_record)}
    return found


def mark_ids(connection: Connection, lead: str) -> set[str]:
    return set(connection.scalars(select(t.marks.c.id).where(t.marks.c.lead == lead)))


def regrouped(connection: Connection, lead: str, after: int) -> list[Any]:
    """Merges and splits of a lead since, in order."""
    r = t.regroupings.c
    chosen = select(t.regroupings).where(or_(r.lead == lead, r.other == lead), r.at > after)
    return list(connection.execute(chosen.order_by(r.at, r.id)))


def regrouping(connection: Connection, id_: str) -> Any | None:
    return connection.execute(select(t.regroupings).where(t.regroupings.c.id == id_)).first()


def marks_of(connection: Connection, ids: Collection[str], at: int, known_at: int | None) -> list[Any]:
    """Of these marks those that were given by ``at`` and known by ``known_at`` (None: now)."""
    m = t.marks.c
    chosen = select(t.marks).where(among(m.id, ids), m.at <= at)
    return list(connection.execute(chosen if known_at is None else chosen.where(m.known_at <= known_at)))


def moving(connection: Connection, lead: str, now: int) -> dict[int, str]:
    """When a lead's score may have moved, other than by time, and why: something was heard of it or of its company, a
    person gave points, its company's roll-ups moved, another model went live."""
    c, e, m, b, r = t.leads.c, t.events.c, t.marks.c, t.bundles.c, t.rollups.c
    company = connection.scalar(select(c.company).where(c.id == lead))
    found: dict[int, str] = {}
    scoring = None
    for row in connection.execute(select(b.active_at, b.hashes).order_by(b.active_at)):
        if row.hashes.get("scoring") != scoring and row.active_at <= now:
            found[row.active_at] = "model"
        scoring = row.hashes.get("scoring")
    rolled = select(r.at).where(r.company == company, r.at <= now)
    found |= dict.fromkeys(connection.scalars(rolled), "company")
    marks = select(m.known_at).where(m.lead == lead, m.known_at <= now)
    found |= dict.fromkeys(connection.scalars(marks), "person")
    refs = [row for one in (lead, company) if one for row in records_of(connection, one)]
    for system, object_ in {(row.system, row.object) for row in refs}:
        ids = [row.record for row in refs if (row.system, row.object) == (system, object_)]
        heard = select(e.known_at).where(e.system == system, e.object == object_, among(e.record, ids)).distinct()
        found |= dict.fromkeys(connection.scalars(heard.where(e.state == "applied", e.known_at <= now)), "news")
    return found


def bundle_at(connection: Connection, at: int) -> Any | None:
    """The files in use at a time; the oldest ones when it lies before them."""
    b = t.bundles
    found = connection.execute(select(b).where(b.c.active_at <= at).order_by(b.c.active_at.desc()).limit(1)).first()
    return found or connection.execute(select(b).order_by(b.c.active_at).limit(1)).first()


# -- handoffs, writes, work, systems -----------------------------------------------------------------------------------


def handoffs(connection: Connection, limit: int, open_only: bool = False) -> Rows:
    """Newest first, each with the lead's attributes."""
    h = t.handoffs.c
    chosen = select(t.handoffs, t.leads.c.attributes).join(t.leads, t.leads.c.id == h.lead).where(h.state != "absorbed")
    if open_only:
        chosen = chosen.where(h.state == "open")
    return rows_of(connection, chosen.order_by(h.opened_at.desc(), h.id.desc()).limit(limit))


def endings(connection: Connection, handoff: str) -> Rows:
    """How one handoff ended, each time that was decided, in order."""
    e = t.endings.c
    chosen = select(e.what, e.bucket, e.reason, e.at, e.decided_at, e.by).where(e.handoff == handoff)
    return rows_of(connection, chosen.order_by(e.decided_at, e.what))


def deliveries(
    connection: Connection,
    limit: int,
    system: str | None = None,
    state: str | None = None,
    after: tuple[int, str] | None = None,
    lead: str | None = None,
) -> Rows:
    """Writes, newest first. State ``waiting`` is also what is on its way or unsure.

    :param after: ``planned_at`` and id of the last one of the page before. :param lead: those about one only.
    """
    w = t.writes.c
    states = STATES if state is None else OPEN_WRITES if state == "waiting" else (state,)
    if lead is not None:
        theirs = select(t.writes).where(w.lead == lead, w.state.in_(states))
        theirs = theirs.where(w.system == system) if system is not None else theirs
        theirs = theirs.where(tuple_(w.planned_at, w.id) < tuple_(*after)) if after is not None else theirs
        return rows_of(connection, theirs.order_by(w.planned_at.desc(), w.id.desc()).limit(limit))
    newest: list[tuple[int, str]] = []
    for name in [system] if system is not None else _told(connection):
        each = [select(w.planned_at, w.id).where(w.system == name, w.state == one) for one in states]
        if after is not None:
            each = [one.where(tuple_(w.planned_at, w.id) < tuple_(*after)) for one in each]
        each = [one.order_by(w.planned_at.desc(), w.id.desc()).limit(limit) for one in each]
        newest += [(row[0], row[1]) for row in connection.execute(union_all(*(select(one.subquery()) for one in each)))]
    ids = [id_ for _, id_ in sorted(newest, reverse=True)[:limit]]
    rows = {row["id"]: row for row in rows_of(connection, select(t.writes).where(among(w.id, ids)))}
    return [rows[id_] for id_ in ids if id_ in rows]


def delivery(connection: Connection, id_: str) -> Rows:
    """The writes whose id is, or ends with, ``id_``; two at most."""
    w = t.writes.c
    found = rows_of(connection, select(t.writes).where(w.id == id_))
    return found or rows_of(connection, select(t.writes).where(w.id.endswith(id_, autoescape=True)).limit(2))


def _told(connection: Connection) -> list[str]:
    """The systems that there are writes to, a step of the index each."""
    name = t.writes.c.system
    found: list[str] = []
    while (later := connection.scalar(select(func.min(name)).where(*(name > one for one in found[-1:])))) is not None:
        found.append(later)
    return found


def dead_letters(
    connection: Connection,
    ids: Collection[str] | None,
    system: str | None = None,
    object: str | None = None,
    code: str | None = None,
    since: int | None = None,
    until: int | None = None,
) -> list[str]:
    """Ids of dead writes among ``ids`` (None: all), the oldest first.

    :param code: what they were refused with. :param since: given up at or after that time, ``until``: before it.
    """
    w = t.writes.c
    wanted = [w.state == "dead"]
    wanted += [among(w.id, ids)] if ids is not None else []
    wanted += [column == value for column, value in ((w.system, system), (w.object, object), (w.code, code)) if value]
    wanted += [w.finished_at >= since] if since is not None else []
    wanted += [w.finished_at < until] if until is not None else []
    return list(connection.scalars(select(w.id).where(*wanted).order_by(w.id)))


def troubles(connection: Connection, limit: int, system: str | None = None) -> Rows:
    """Events that were not taken in whole, newest first; the reason never holds a value. The index holds no others."""
    e = t.events.c
    chosen = select(e.document, e.system, e.object, e.record, e.known_at, e.state, e.reason)
    chosen = chosen.where(e.reason != literal_column("''"))  # spelt out, or the index could not serve it
    if system is not None:
        chosen = chosen.where(e.system == system)
    return rows_of(connection, chosen.order_by(e.known_at.desc(), e.key.desc()).limit(limit))


def refused_lines(connection: Connection, system: str, since: int | None = None) -> Rows:
    """``document`` and ``reason``, which begins with ``line``, of what was refused in files of a system, from ``since``
    (microseconds) on."""
    e = t.events.c
    chosen = select(e.document, e.reason).where(e.system == system, e.state == "dead", e.reason.startswith("line "))
    chosen = chosen.where(e.known_at >= since) if since is not None else chosen
    return rows_of(connection, chosen)


def troubles_of(connection: Connection, document: str) -> Rows:
    """The items of one document that were not taken in whole, and why."""
    e = t.events.c
    chosen = select(e.object, e.record, e.state, e.reason).where(e.document == document, e.reason != "")
    return rows_of(connection, chosen.order_by(e.key).limit(1000))


def work_items(
    connection: Connection,
    limit: int,
    kind: str | None = None,
    system: str | None = None,
    after: tuple[int, str] | None = None,
) -> Rows:
    """What needs a person, newest first. ``after``: ``opened_at`` and id of the last one of the page before."""
    i = t.work_items.c
    chosen = open_work()
    chosen = chosen.where(i.kind == kind) if kind is not None else chosen
    chosen = chosen.where(i.system == system) if system is not None else chosen
    if after is not None:
        chosen = chosen.where(tuple_(i.opened_at, i.id) < tuple_(*after))
    return rows_of(connection, chosen.order_by(i.opened_at.desc(), i.id.desc()).limit(limit))


def work_kinds(connection: Connection) -> set[str]:
    """Of what is open."""
    i = t.work_items.c
    return set(connection.scalars(select(i.kind).where(i.resolved_at.is_(None)).distinct()))


def systems(connection: Connection) -> dict[str, dict[str, Any]]:
    """name → its row; a system that was never activated or paused has none."""
    return {row["name"]: row for row in rows_of(connection, select(t.systems))}


def record_names(connection: Connection, ids: Sequence[str]) -> dict[str, str]:
    """lead → one of its records as ``system record``, for leads that nothing better is known of."""
    r = t.records.c
    rows = connection.execute(
        select(r.entity, r.system, r.record).where(among(r.entity, ids)).order_by(r.system.desc(), r.record.desc())
    )
    return {row.entity: f"{row.system} {row.record}" for row in rows}


def leads_of(connection: Connection, companies: Collection[str]) -> int:
    """How many living leads these companies have."""
    c = t.leads.c
    chosen = select(func.count()).where(among(c.company, companies), c.merged_into.is_(None))
    return int(connection.scalar(chosen) or 0)


def standing(connection: Connection, ids: Sequence[str], score: str) -> dict[str, dict[str, Any]]:
    """lead → its stage and its total (hundredths, None without a score), as stored."""
    leads = t.leads.c
    s = shown(t.leads, leads.id, score)
    rows = connection.execute(select(leads.id, leads.stage, s.total).select_from(s.source).where(among(leads.id, ids)))
    return {row.id: {"stage": row.stage, "total": row.total} for row in rows}


def attributes_of(connection: Connection, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """lead → attributes."""
    rows = connection.execute(select(t.leads.c.id, t.leads.c.attributes).where(among(t.leads.c.id, ids)))
    return {row.id: row.attributes for row in rows}


def rows_of(connection: Connection, statement: Select[Any]) -> Rows:
    """Each row by the names of its columns."""
    return [dict(row) for row in connection.execute(statement).mappings()]
