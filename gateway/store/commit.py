"""Commit what a batch changed: one write transaction that holds the lock only for the writing itself.

Every row that was loaded is written back ``WHERE version = …``: a miss raises ``StaleCommit`` and nothing of the batch
is written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import attrgetter, itemgetter
from typing import Any

from sqlalchemy import Connection, Table, and_, bindparam, delete, or_, select, update
from sqlalchemy.exc import IntegrityError, OperationalError

from gateway.contracts import COMPANIONS, NOTICE, Mark
from gateway.errors import StaleCommit
from gateway.leads.batch import Batch
from gateway.leads.lead import FactKey, StoredActivity
from gateway.leads.record import Record
from gateway.store import bells, due, forget, regrouping, rescoring, rollups, work
from gateway.store import tables as t
from gateway.store.among import among
from gateway.store.loading import dead_items
from gateway.store.put import Put
from gateway.store.rows import FILED, company_row, deal_row, lead_row, news_row, record_row
from gateway.times import to_micros

DEADLOCK = "40P01"
"""PostgreSQL's word for two batches that wait for each other's rows: it lets one of them fail."""


def commit(connection: Connection, batch: Batch) -> None:
    """Write everything the batch changed. Raises ``StaleCommit`` when a row moved since it was loaded."""
    with first_wins():
        _commit(connection, batch)


@contextmanager
def first_wins() -> Iterator[None]:
    """Raises ``StaleCommit`` where two who commit at once met on a row."""
    try:
        yield
    except (IntegrityError, OperationalError) as exc:
        if isinstance(exc, OperationalError) and getattr(exc.orig, "sqlstate", "") != DEADLOCK:
            raise
        raise StaleCommit(f"another worker was first: {type(exc.orig).__name__}") from None


def _commit(connection: Connection, batch: Batch) -> None:
    leads = batch.leads.values()
    put = Put(connection)
    put.insert(
        t.documents_read,
        [{"document": document, "read_at": batch.now} for document in batch.documents],
        ignore=True,
    )
    put.insert(
        t.parts_read,
        [{"document": document, "read_at": batch.now} for document in sorted(batch.parts)],
        ignore=True,
    )
    if batch.already:
        connection.execute(delete(t.events).where(dead_items(batch.already)))
    put.insert(t.events, sorted(batch.events, key=itemgetter("key")))  # as their index has them: page after page
    changed = [lead_row(lead) for lead in leads if lead.changed]
    put.versioned(t.leads, changed, FILED, {lead.id: lead.filed for lead in leads})
    put.versioned(t.companies, [company_row(company) for company in batch.companies.values() if company.changed])
    put.versioned(t.deals, [deal_row(deal) for deal in batch.deals.values() if deal.changed])
    _commit_merges(connection, batch)
    put.insert(
        t.identities,
        [
            {"namespace": namespace, "value": value, "lead": lead}
            for (namespace, value), lead in batch.directory.items()
            if (namespace, value) not in batch.stored_keys
        ],
    )
    _commit_records(put, [record for record in batch.records.values() if record.dirty])
    put.upsert(t.associations, list(batch.linked.values()), newer=("at", "event"))
    put.remove(t.deal_leads, [(deal.id, lead) for deal in batch.deals.values() for lead in deal.dropped_leads])
    put.insert(
        t.deal_leads,
        [{"deal": deal.id, "lead": lead} for deal in batch.deals.values() for lead in deal.added_leads],
        ignore=True,
    )
    put.remove(t.deal_stages, [(deal.id, *gone) for deal in batch.deals.values() for gone in deal.outdated])
    put.upsert(
        t.deal_stages,
        [
            {"deal": deal.id, "at": at, "stage": stage, "status": status}
            for deal in batch.deals.values()
            for (at, stage), status in deal.history.items()
        ],
    )
    _commit_facts(put, batch)
    _commit_decisions(put, batch)
    _commit_outward(put, batch)
    if batch.repeats:
        _commit_repeats(put, batch)
    if batch.erased:
        forget.forget(connection, batch.erased, batch.now)
    put.insert(t.unblanked, [{"document": id_} for id_ in sorted(batch.unwanted)], ignore=True)
    put.count(
        t.tallies,
        [{"system": s, "what": w, "reason": r, "count": n} for (s, w, r), n in sorted(batch.tallies.items()) if n],
    )
    rollups.mark(connection, batch.stirred, batch.now)


def _commit_repeats(put: Put, batch: Batch) -> None:
    """Who was forgotten since the batch was loaded is told by no version: nothing of theirs changes here."""
    gone = forget.forgotten(put.connection, {ref for ref, _ in batch.repeats})
    batch.unwanted |= {document for ref, document in batch.repeats if ref in gone}
    names = ("system", "object", "record", "document")
    kept = sorted((*ref, document) for ref, document in batch.repeats if ref not in gone)
    put.insert(t.repeats, [dict(zip(names, row, strict=True)) for row in kept], ignore=True)


def _commit_facts(put: Put, batch: Batch) -> None:
    leads = batch.leads.values()
    put.remove(t.activities, [(lead.id, *key) for lead in leads for key in lead.dropped_activities])
    _insert_activities(put, batch)
    kinds = [(lead, kind) for lead in leads if lead.merged_into is None for kind in lead.changed_kinds]
    put.upsert(
        t.activity_kinds,
        [
            dict(zip(("lead", "kind", "count", "first_at", "last_at"), (lead.id, kind, *lead.kinds[kind]), strict=True))
            for lead, kind in kinds
            if kind in lead.kinds
        ],
    )
    put.remove(t.activity_kinds, [(lead.id, kind) for lead, kind in kinds if kind not in lead.kinds])
    put.remove(t.outcomes, [(lead.id, *key) for lead in leads for key in lead.dropped_outcomes])
    put.insert(
        t.outcomes,
        [
            {
                "lead": lead.id,
                "at": at,
                "id": id_,
                "outcome": outcome.outcome,
                "reason": outcome.reason,
                "amount": outcome.amount,
                "currency": outcome.currency,
                "by": outcome.by,
                "precision": outcome.precision,
                "wake": outcome.wake,
                "system": outcome.ref[0],
                "object": outcome.ref[1],
                "record": outcome.ref[2],
                "known_at": outcome.known_at,
            }
            for lead in leads
            if lead.merged_into is None
            for (at, id_), outcome in lead.added_outcomes.items()
        ],
    )


def _insert_activities(put: Put, batch: Batch) -> None:
    """An activity older than what was loaded may be stored already: it is counted once."""
    rows: tuple[list[dict[str, Any]], list[dict[str, Any]]] = ([], [])
    for lead in batch.leads.values():
        if lead.merged_into is None:
            for key, stored in lead.added_activities.items():
                rows[batch.cutoff is not None and key[0] < batch.cutoff].append(_activity_row(lead.id, key, stored))
    put.insert(t.activities, rows[False])
    new = put.insert_new(t.activities, rows[True])
    for row in rows[True]:
        if (row["lead"], row["at"], row["id"]) not in new:
            kinds = batch.leads[row["lead"]].kinds
            count, first, last = kinds[row["kind"]]
            kinds[row["kind"]] = (count - 1, first, last)


def _activity_row(lead: str, key: FactKey, stored: StoredActivity) -> dict[str, Any]:
    activity = stored.activity
    return {
        "lead": lead,
        "at": key[0],
        "id": key[1],
        "kind": activity.kind,
        "asset": activity.asset,
        "channel": activity.channel,
        "campaign": activity.campaign,
        "system": stored.ref[0],
        "object": stored.ref[1],
        "record": stored.ref[2],
        "known_at": stored.known_at,
    }


def _commit_decisions(put: Put, batch: Batch) -> None:
    living = [lead for lead in batch.leads.values() if lead.merged_into is None]
    if batch.remodelled:
        rescoring.keep_former(put.connection, among(t.scores.c.lead, batch.remodelled), batch.scoring)
    put.upsert(
        t.scores,
        [
            {
                "lead": lead,
                "name": name,
                "total": score.total,
                "fit": score.fit,
                "behaviour": score.behaviour,
                "band": score.band,
                "at": score.at,
                "changes_at": score.changes_at,
                "scoring": score.scoring,
            }
            for (lead, name), score in batch.scored.items()
            if batch.leads[lead].merged_into is None
        ],
    )
    put.upsert(
        t.reached,
        [
            {"lead": lead.id, "stage": stage, "at": entry[0], "cause": entry[1], "ref": entry[2]}
            for lead in living
            for stage, entry in lead.reached.items()
            if lead.reached_before.get(stage) != entry
        ],
    )
    put.remove(
        t.reached, [(lead.id, stage) for lead in living for stage in lead.reached_before if stage not in lead.reached]
    )
    put.insert(t.transitions, [move for lead in living for move in lead.moves])
    put.insert(t.steps, [step for lead in living for step in lead.steps], ignore=True)
    # Closed before opened: at most one of a lead's handoffs is open at any moment.
    closed = [handoff for lead in living for handoff in lead.closed]
    put.upsert(t.handoffs, closed)
    put.upsert(t.endings, [one | {"decided_at": batch.now} for lead in living for one in lead.endings])
    put.remove(t.marks, [(id_,) for lead in living for id_ in lead.dropped_marks])
    put.upsert(t.marks, [_mark(lead.id, mark, batch.now) for lead in living for mark in lead.added_marks])
    put.upsert(
        t.handoffs, [lead.handoff for lead in living if lead.handoff_changed and lead.handoff and lead.opened is None]
    )
    if batch.lately and batch.openings and due.openings_lately(put.connection, batch.now) != batch.lately:
        raise StaleCommit("somebody else handed over leads meanwhile, and sales can take so many only")
    put.upsert(t.handoffs, [lead.withdrawn for lead in living if lead.withdrawn is not None])
    put.upsert(t.handoffs, [lead.opened for lead in living if lead.opened is not None])
    put.insert(t.clock_events, [event for lead in living for event in lead.clock_events])
    if batch.roster is not None:
        moved = [turns for turns in batch.roster.turns.values() if turns.changed]
        put.versioned(t.turns, [{"id": o.id, "version": o.version + 1, "turns": o.ends} for o in moved])


def _mark(lead: str, mark: Mark, now: int) -> dict[str, Any]:
    return {
        "id": mark.id,
        "lead": lead,
        "at": to_micros(mark.at),
        "kind": mark.kind,
        "points": mark.points,
        "reason": mark.reason,
        "until": to_micros(mark.until) if mark.until else None,
        "by": mark.by,
        "known_at": now,
    }


def _commit_outward(put: Put, batch: Batch) -> None:
    batch.joined |= commit_writes(put.connection, batch.writes, batch.now, batch.moot, batch.beside)
    work.found(put.connection, batch.work_items)
    work.end_conflicts(put.connection, batch.touched, batch.conflicts, batch.now)
    put.count(t.lookups, batch.lookups, bump="asked")
    bells.ring(put.connection, *{bells.pull(one["system"]) for one in batch.lookups})
    put.insert(t.rescores, batch.rescores)


def commit_writes(
    connection: Connection,
    writes: Sequence[dict[str, Any]],
    now: int,
    moot: Mapping[tuple[str, str], str] | None = None,
    beside: Collection[str] = (),
) -> set[tuple[str, str]]:
    """Put writes into the outbox; what waits or died under the same key is superseded: the newer one says everything.

    A create that may have arrived is none of these: it is looked up first. Returns the documents of superseded writes,
    each with that of the write in their place.

    :param moot: (system, key) under which nothing is left to write → lead.
    :param beside: leads beside whose records no more is to be made than ``writes`` says.
    """
    put, w = Put(connection), t.writes.c
    tallies: Counter[tuple[str, str]] = Counter((write["system"], "planned") for write in writes)
    said = {(write["system"], write["key"]): write["lead"] for write in writes} | dict(moot or {})
    # By lead: a system may have a great many waiting writes, and even more behind it.
    unwanted = and_(among(w.object, COMPANIONS), among(w.lead, beside), w.create)
    theirs = select(w.id, w.system, w.key, w.state, unwanted, w.due_at, w.anyway, w.document).where(
        among(w.lead, {*said.values(), *beside})
    )
    theirs = theirs.where(or_(w.state.in_(("waiting", "dead")), and_(w.state == "unknown", ~w.create)))
    # A worker may be claiming them: what is on its way by then is not ours to supersede.
    waiting = connection.execute(theirs.with_for_update()).all() if said or beside else ()
    overtaken = [row for row in waiting if (row.system, row.key) in said or row[4]]
    joined = set[tuple[str, str]]()
    if overtaken:
        ids = [row.id for row in overtaken]
        connection.execute(update(t.writes).where(among(w.id, ids)).values(state="superseded", finished_at=now))
        tallies.update((row.system, "superseded") for row in overtaken)
        tallies.subtract((row.system, "write dead") for row in overtaken if row.state == "dead")
        due = {(row.system, row.key): row.due_at for row in overtaken if row.state == "waiting"}
        anyway = {(row.system, row.key) for row in overtaken if row.anyway}
        documents = {(row.system, row.key): row.document for row in overtaken if row.document}
        for one in writes:  # who says more says it no later, and is made although others are there if that was to be
            one["anyway"] = one["create"] and (one["system"], one["key"]) in anyway
            one["due_at"] = min(one["due_at"], due.get((one["system"], one["key"]), one["due_at"]))
            if earlier := documents.get((one["system"], one["key"])):
                one["document"] = one["document"] or earlier
                joined |= {(earlier, one["document"])} if earlier != one["document"] else set()
    put.insert(t.writes, writes)
    bells.ring(connection, *{bells.deliver(one["system"]) for one in writes})
    put.count(
        t.tallies, [{"system": s, "what": what, "reason": "", "count": n} for (s, what), n in sorted(tallies.items())]
    )
    return joined


def _commit_records(put: Put, records: Sequence[Record]) -> None:
    """An owner's version guards its records. One that was nobody's, or not there, is whose commit is first."""
    nobodys = [record for record in records if record.stored is not None and not record.stored[0]]
    if nobodys:
        c = t.records.c
        names = ("system", "object", "record", "entity", "last_at", "last_key")
        as_loaded = delete(t.records).where(*(c[name] == bindparam(f"b_{name}") for name in names))
        found = [{f"b_{n}": v for n, v in zip(names, (*r.ref, *(r.stored or ())), strict=True)} for r in nobodys]
        if put.connection.execute(as_loaded, found).rowcount != len(found):
            raise StaleCommit("a record changed since it was loaded")
    owned = [record for record in records if record.stored is not None and record.stored[0]]
    owned.sort(key=attrgetter("record"))
    told: list[Record] = []
    more: list[Record] = []
    for record in owned:
        (told if record.kept is not None and record.kept == record.rest else more).append(record)
    put.update(t.records, [news_row(record) for record in told])
    put.insert(t.records, [record_row(r) for r in (*nobodys, *(r for r in records if r.stored is None))])
    for stays in (True, False):  # whose a record is, is an index: see ``Put.versioned``
        rows = [
            record_row(record)
            for record in more
            if stays == (record.stored is not None and record.stored[0] == record.entity)
        ]
        put.upsert(t.records, rows, but=("entity",) if stays else ())


def _commit_merges(connection: Connection, batch: Batch) -> None:
    """Point every row of the loser at the winner; facts keep the record they came from."""
    for kind, table, moved in (("company", t.companies, t.deals), ("deal", t.deals, t.deal_stages)):
        if pairs := [{"winner": w, "loser": lost} for merged, w, lost in batch.merges if merged == kind]:
            alias = update(table).where(table.c.merged_into == bindparam("loser"))
            connection.execute(alias.values(merged_into=bindparam("winner")), pairs)
            if moved is t.deals:  # its leads follow in batches of their own
                theirs = update(moved).where(moved.c.company == bindparam("loser"))
                connection.execute(theirs.values(company=bindparam("winner"), version=moved.c.version + 1), pairs)
            else:
                _move_rows(connection, moved, "deal", ("at", "stage"), pairs)
    people = [(winner, loser) for kind, winner, loser in batch.merges if kind == "person"]
    if batch.regroupings:
        regrouping.book(connection, batch.regroupings)
    if people:
        pairs = [{"winner": winner, "loser": loser} for winner, loser in people]
        w, losers = t.writes.c, [loser for _, loser in people]
        undone = select(w.id, w.system, w.state).where(among(w.lead, losers), w.state.in_(("waiting", "dead")))
        undone = undone.where(w.object != NOTICE).with_for_update()
        if rows := connection.execute(undone).all():  # the winner is planned again and says everything
            ids = [row.id for row in rows]
            done = {"state": "superseded", "finished_at": batch.now}
            connection.execute(update(t.writes).where(among(w.id, ids)).values(done))
            for row in rows:
                batch.note(row.system, "superseded")
                batch.note(row.system, "write dead", "", -(row.state == "dead"))
        marked = (t.identities, t.marks, t.transitions, t.writes, t.work_items, t.resolutions, t.steps, t.clock_events)
        for table in marked:
            connection.execute(
                update(table).where(table.c.lead == bindparam("loser")).values(lead=bindparam("winner")), pairs
            )
        absorbed = [id_ for lead in batch.leads.values() for id_ in lead.absorbed]
        connection.execute(update(t.handoffs).where(among(t.handoffs.c.id, absorbed)).values(state="absorbed"))
        connection.execute(
            update(t.handoffs)
            .where(t.handoffs.c.lead == bindparam("loser"), t.handoffs.c.state != "open")
            .values(lead=bindparam("winner")),
            pairs,
        )
        for table, key in ((t.activities, ("at", "id")), (t.outcomes, ("at", "id")), (t.deal_leads, ("deal",))):
            _move_rows(connection, table, "lead", key, pairs)
        for table in (t.activity_kinds, t.scores, t.former_scores, t.crossed, t.reached):
            connection.execute(delete(table).where(table.c.lead == bindparam("loser")), pairs)
        connection.execute(
            update(t.leads).where(t.leads.c.merged_into == bindparam("loser")).values(merged_into=bindparam("winner")),
            pairs,
        )


def _move_rows(
    connection: Connection, table: Table, owner: str, key: tuple[str, ...], pairs: list[dict[str, str]]
) -> None:
    """Rows the winner has already are dropped: the same fact once."""
    twin, c = table.alias(), table.c
    same = and_(twin.c[owner] == bindparam("winner"), *(twin.c[name] == c[name] for name in key))
    connection.execute(
        delete(table).where(c[owner] == bindparam("loser"), select(twin.c[owner]).where(same).exists()), pairs
    )
    connection.execute(update(table).where(c[owner] == bindparam("loser")).values({owner: bindparam("winner")}), pairs)
