"""Which records are one person, decided anew: merges are booked with what a split gives back, a split moves the rows.

A merge leaves facts their record, so they can always be told apart again. What has no record (decisions, marks, work)
is listed in the merge's row of ``regroupings``, by id.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, and_, delete, func, or_, select, update

from gateway.leads.identity import Key
from gateway.leads.record import Ref
from gateway.store import tables as t
from gateway.store.among import among
from gateway.store.put import Put

_LISTED = {
    "marks": t.marks,
    "transitions": t.transitions,
    "steps": t.steps,
    "work": t.work_items,
    "handoffs": t.handoffs,
    "clock_events": t.clock_events,
}
"""What each list of ids in a merge's detail is of."""


def apart(connection: Connection, leads: Collection[str]) -> set[frozenset[str]]:
    """Pairs of leads, one of them among ``leads``, that a person said are two."""
    a = t.apart.c
    rows = connection.execute(select(a.one, a.other).where(or_(among(a.one, leads), among(a.other, leads))))
    return {frozenset(row) for row in rows}


def book(connection: Connection, merges: Sequence[Mapping[str, Any]]) -> None:
    """Store the merges of a batch, before any row is moved, with the ids of what the other lead brings."""
    others = [merge["other"] for merge in merges]
    theirs: dict[str, dict[str, list[str]]] = {}
    for name, table in _LISTED.items():
        for id_, lead in connection.execute(select(table.c.id, table.c.lead).where(among(table.c.lead, others))):
            theirs.setdefault(lead, {}).setdefault(name, []).append(id_)
    c = t.leads.c
    for id_, lead in connection.execute(select(c.id, c.merged_into).where(among(c.merged_into, others))):
        theirs.setdefault(lead, {}).setdefault("aliases", []).append(id_)
    rows = []
    for merge in merges:
        brought = theirs.get(merge["other"], {})
        rows.append({**merge, "detail": {**merge["detail"], **brought}})
        kept = theirs.setdefault(merge["lead"], {})  # who is merged on in the same batch brings all of it
        for name, ids in brought.items():
            kept[name] = [*kept.get(name, ()), *ids]
    put = Put(connection)
    put.insert(t.regroupings, rows)
    put.remove(t.apart, [_pair(merge["lead"], merge["other"]) for merge in merges])
    for merge in merges:  # whoever was said to be another than the one is another than both
        _also_apart(connection, merge["lead"], merge["other"])


def keep_apart(connection: Connection, one: str, other: str) -> None:
    """A person said that these two are not the same."""
    first, second = _pair(one, other)
    Put(connection).insert(t.apart, [{"one": first, "other": second}], ignore=True)


def origins(connection: Connection, lead: str) -> list[Any]:
    """The latest merge of each lead that is an alias of ``lead`` now."""
    r = t.regroupings.c
    aliases = select(t.leads.c.id).where(t.leads.c.merged_into == lead)
    rows = connection.execute(select(t.regroupings).where(r.what == "merge", r.other.in_(aliases)).order_by(r.at, r.id))
    return list({row.other: row for row in rows}.values())


def split(
    connection: Connection,
    lead: str,
    other: str,
    refs: Collection[Ref],
    keys: Collection[Key],
    merge: Any | None,
    now: int,
) -> None:
    """Give ``refs`` of ``lead`` with their facts and ``keys`` to ``other``, and all that is derived to nobody.

    Both leads have to be settled, scored and advanced in the same transaction.

    :param other: a new lead; with ``merge``, its row of ``regroupings``, the lead that came by it.
    """
    detail: Mapping[str, Any] = merge.detail if merge is not None else {}
    _begin(connection, lead, other, merge, now)
    for table in (t.records, t.activities, t.outcomes):
        owner = table.c.entity if table is t.records else table.c.lead
        of_theirs = and_(owner == lead, _of(table, refs))
        connection.execute(update(table).where(of_theirs).values({owner.name: other}))
    connection.execute(delete(t.activity_kinds).where(t.activity_kinds.c.lead.in_((lead, other))))
    a = t.activities.c
    counted = select(a.lead, a.kind, func.count(), func.min(a.at), func.max(a.at)).where(a.lead.in_((lead, other)))
    names = ["lead", "kind", "count", "first_at", "last_at"]
    connection.execute(t.activity_kinds.insert().from_select(names, counted.group_by(a.lead, a.kind)))
    # Their links say which deals they are of; what their deals say follows from that.
    connection.execute(delete(t.deal_leads).where(t.deal_leads.c.lead.in_((lead, other))))
    for namespace, value in keys:
        mine = and_(t.identities.c.namespace == namespace, t.identities.c.value == value)
        connection.execute(update(t.identities).where(mine).values(lead=other))
    for name, table in _LISTED.items():
        listed = and_(table.c.lead == lead, among(table.c.id, detail.get(name, ())))
        connection.execute(update(table).where(listed).values(lead=other))
    i = t.work_items.c
    connection.execute(update(t.work_items).where(i.lead == lead, _of(t.work_items, refs)).values(lead=other))
    theirs = select(i.id).where(i.lead == other)
    connection.execute(update(t.resolutions).where(t.resolutions.c.item.in_(theirs)).values(lead=other))
    _reopen(connection, lead, other, detail)
    _divide_writes(connection, lead, other, refs, detail.get("handoffs", ()), now)
    _also_apart(connection, lead, other)
    one, two = _pair(lead, other)
    Put(connection).insert(t.apart, [{"one": one, "other": two}], ignore=True)


def _begin(connection: Connection, lead: str, other: str, merge: Any | None, now: int) -> None:
    """Both leads' rows: at no journey, so that they are advanced, of no company, for their links say of which."""
    c, h = t.leads.c, t.handoffs.c
    kept: dict[str, Any] = {"journey": "", "company": None, "version": c.version + 1}
    begun = {"merged_into": None, "journey": "", "company": None, "erased_at": None}
    if merge is None:
        fresh = {"attributes": {}, "above": {}, "known_at": now, "entered_at": now, "generation": 1, "version": 1}
        connection.execute(t.leads.insert().values(id=other, **begun, **fresh))
    else:
        mine, theirs = merge.detail["lead"], merge.detail["other"]
        above = connection.scalars(select(c.above).where(c.id == lead)).one()
        kept["above"] = _unmixed(above, mine["above"], theirs["above"])
        since = select(h.id).where(h.lead == lead, h.decided_at >= merge.at)
        if connection.execute(since.limit(1)).first() is None:
            kept["generation"] = mine["generation"]
        names = ("known_at", "stage", "excluded", "ignored", "generation", "above", "persona")
        again = begun | {name: theirs[name] for name in names} | {"version": c.version + 1}
        connection.execute(update(t.leads).where(c.id == other).values(again))
        aliases = and_(c.merged_into == lead, among(c.id, merge.detail.get("aliases", ())))
        connection.execute(update(t.leads).where(aliases).values(merged_into=other))
    connection.execute(update(t.leads).where(c.id == lead).values(kept))


def _unmixed(now: Mapping[str, Any], mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    """A merge takes of each stage the crossing with the greater number: it goes again, unless there were more since."""
    above = {}
    for stage, crossing in now.items():
        mixed = max(mine.get(stage, [0])[0], theirs.get(stage, [0])[0])
        own = crossing if crossing[0] > mixed else mine.get(stage)
        if own is not None:
            above[stage] = own
    return above


def _reopen(connection: Connection, lead: str, other: str, detail: Mapping[str, Any]) -> None:
    """Of two open handoffs the younger was absorbed by the merge: it is open again, unless there is another by now."""
    h = t.handoffs.c
    both = [detail[who]["handoff"] for who in ("lead", "other")] if detail else []
    if None in both:
        return
    busy = set(connection.scalars(select(h.lead).where(h.lead.in_((lead, other)), h.state == "open")))
    for id_, whose in connection.execute(select(h.id, h.lead).where(among(h.id, both), h.state == "absorbed")).all():
        if whose not in busy:
            connection.execute(update(t.handoffs).where(h.id == id_).values(state="open"))


def _divide_writes(
    connection: Connection, lead: str, other: str, refs: Collection[Ref], handoffs: Collection[str], now: int
) -> None:
    """What was sent to a record, or for the other's own key or handoff, is the other's; what waits is planned anew."""
    w = t.writes.c
    ours = select(w.id, w.system, w.object, w.record, w.key, w.state).where(w.lead == lead).with_for_update()
    rows = connection.execute(ours).all()
    own = (*(f"{what}:{other}:" for what in ("lead", "list", "campaign")), *(f"handoff:{id_}:" for id_ in handoffs))
    theirs = [row.id for row in rows if (row.system, row.object, row.record) in refs or row.key.startswith(own)]
    connection.execute(update(t.writes).where(among(w.id, theirs)).values(lead=other))
    waiting = [row for row in rows if row.state == "waiting"]
    ids = [row.id for row in waiting]
    connection.execute(update(t.writes).where(among(w.id, ids)).values(state="superseded", finished_at=now))
    tallies = [{"system": row.system, "what": "superseded", "reason": "", "count": 1} for row in waiting]
    Put(connection).count(t.tallies, tallies)


def _also_apart(connection: Connection, lead: str, other: str) -> None:
    """Who is apart from one of these is apart from the other, too."""
    known = {id_ for pair in apart(connection, (lead, other)) for id_ in pair} - {lead, other}
    pairs = [_pair(whom, id_) for id_ in known for whom in (lead, other)]
    Put(connection).insert(t.apart, [{"one": one, "other": two} for one, two in pairs], ignore=True)


def _pair(one: str, other: str) -> tuple[str, str]:
    return (one, other) if one < other else (other, one)


def _of(table: Any, refs: Collection[Ref]) -> Any:
    """Rows of these records; there are few."""
    c = table.c
    return or_(*(and_(c.system == system, c.object == name, c.record == record) for system, name, record in refs))


def note_split(connection: Connection, row: Mapping[str, Any]) -> None:
    connection.execute(t.regroupings.insert().values(row))
