"""Load what a batch touches, commit what it changed: a constant number of statements, whatever the batch's size.

``load`` runs in a read transaction that is over before anything is computed; ``commit`` is one write transaction that
holds the lock only for the writing itself. Every row that was loaded is written back ``WHERE version = …``: a miss
raises ``StaleCommit`` and nothing of the batch is written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table, and_, bindparam, delete, func, not_, or_, select, update
from sqlalchemy.exc import IntegrityError

from gateway.contracts import Activity, Event, Kind, Mark, RecordConverted, RecordsLinked, RecordsMerged
from gateway.errors import StaleCommit
from gateway.leads.batch import Batch, Timed
from gateway.leads.company import Company
from gateway.leads.deal import Deal
from gateway.leads.events import body_of, event_from
from gateway.leads.identity import OURS, Key
from gateway.leads.lead import Lead, Standing, outcome_of
from gateway.leads.record import Record, RecordWritten, Ref
from gateway.store import forget
from gateway.store import tables as t
from gateway.store.among import among
from gateway.store.put import Put
from gateway.times import from_micros

# -- load -----------------------------------------------------------------------------------------------------------


def load(
    connection: Connection,
    events: Sequence[Timed],
    keys: Mapping[Key, Collection[Ref]],
    touched: Collection[str],
    now: int,
    cutoff: int | None,
    score_name: str,
    documents: Collection[str] = (),
    whole: Collection[str] = (),
) -> Batch:
    """Read what ``events``, identity ``keys`` and the ``touched`` leads need.

    :param cutoff: activities older than this (microseconds) are not loaded, except where a record is folded again;
        None loads all of them. :param whole: leads whose activities are loaded all, with the records they came from.
    """
    batch = Batch(now, asked=set(keys))
    if documents:
        c = t.documents_read.c.document
        batch.already = set(connection.scalars(select(c).where(among(c, documents))))
    if batch.already:  # its dead items get another chance: they are booked anew
        dead = select(t.events.c.system, func.count()).where(_dead(batch.already)).group_by(t.events.c.system)
        for system, count in connection.execute(dead):
            batch.note(system, "read", "", -count)
            batch.note(system, "dead", "", -count)
    if events:
        wanted = [event.key for _, event in events]
        batch.known = set(connection.scalars(select(t.events.c.key).where(among(t.events.c.key, wanted))))
        events = [(at, event) for at, event in events if event.key not in batch.known]
    kinds = _refs(event for _, event in events)
    refs = kinds.keys()
    batch.forgotten = forget.forgotten(connection, refs)
    events = [timed for timed in events if _ref(timed[1]) not in batch.forgotten]
    _load_records(connection, batch, refs)
    late = _late_refs(batch, events)
    if late:
        _load_past(connection, batch, late)
    if keys:
        _load_directory(connection, batch, keys)
    meeting = _meeting(batch, events, kinds, keys)
    by_kind = _entities(batch)
    deal_ids = by_kind["deal"]
    lead_ids = {*by_kind["person"], *batch.directory.values(), *touched}
    if deal_ids:
        lead_ids |= set(connection.scalars(select(t.deal_leads.c.lead).where(among(t.deal_leads.c.deal, deal_ids))))
    if lead_ids:
        late_leads = {record.entity for ref in late if (record := batch.records[ref]).kind == "person"}
        if late_leads and meeting:  # whoever takes them over counts all their activities again
            late_leads = lead_ids
        _load_leads(connection, batch, lead_ids, late_leads | set(whole), cutoff, score_name)
        deal_ids |= set(connection.scalars(select(t.deal_leads.c.deal).where(among(t.deal_leads.c.lead, lead_ids))))
    if deal_ids:
        _load_deals(connection, batch, deal_ids)
    company_ids = by_kind["company"] | {lead.company for lead in batch.leads.values() if lead.company}
    if meeting:
        batch.linking = {ref for ref, record in batch.records.items() if record.kind in ("person", "deal")}
        batch.linking |= {ref for ref, kind in kinds.items() if kind in ("person", "deal")}
        _load_records(connection, batch, _load_associations(connection, batch) - batch.records.keys())
        by_kind = _entities(batch)
        company_ids |= by_kind["company"]
        if more := by_kind["deal"] - batch.deals.keys():
            _load_deals(connection, batch, more)
    if company_ids:
        _load_companies(connection, batch, company_ids)
    return batch


def _meeting(
    batch: Batch, events: Sequence[Timed], kinds: Mapping[Ref, str], keys: Mapping[Key, Collection[Ref]]
) -> bool:
    """Whether somebody is new, links move or leads may become one: then all links of the leads are needed."""

    def owner(ref: Ref) -> str:
        record = batch.records.get(ref)
        return record.entity if record else ""

    return (
        any(isinstance(event, RecordsLinked | RecordsMerged | RecordConverted) for _, event in events)
        or any(kind in ("person", "deal") and not owner(ref) for ref, kind in kinds.items())
        or any(
            len({*map(owner, refs), batch.directory.get(key, owner(next(iter(refs))))}) > 1
            for key, refs in keys.items()
        )
    )


def _dead(documents: Collection[str]) -> Any:
    return and_(among(t.events.c.document, documents), t.events.c.state == "dead")


def _ref(event: Event) -> Ref:
    return (event.system, event.object, event.record)


def _refs(events: Iterable[Event]) -> dict[Ref, str]:
    """Every record that is spoken of, with its kind."""
    refs: dict[Ref, str] = {}
    for event in events:
        refs[_ref(event)] = event.kind
        if isinstance(event, RecordsLinked):
            refs.setdefault((event.system, event.to_object, event.to_record), event.to_kind)
        elif isinstance(event, RecordsMerged):
            refs.update(((event.system, event.object, loser), event.kind) for loser in event.losers)
        elif isinstance(event, RecordConverted):
            refs.setdefault((event.system, event.to_object, event.to_record), event.kind)
    return refs


def _load_records(connection: Connection, batch: Batch, refs: Collection[Ref]) -> None:
    c = t.records.c
    for (system, object_), ids in _by_object(refs).items():
        rows = connection.execute(
            select(t.records).where(c.system == system, c.object == object_, among(c.record, ids))
        )
        for row in rows:
            record = record_of(row)
            batch.records[record.ref] = record


def _by_object(refs: Iterable[Ref]) -> dict[tuple[str, str], list[str]]:
    groups: dict[tuple[str, str], list[str]] = {}
    for system, object_, record in refs:
        groups.setdefault((system, object_), []).append(record)
    return groups


def record_of(row: Any) -> Record:
    """A row of table ``records``."""
    return Record(
        row.system,
        row.object,
        row.record,
        row.kind,
        row.entity,
        row.snapshot,
        row.first_at,
        row.created_at,
        (row.last_at, row.last_key),
        row.mapping,
        row.main,
        row.enrolled,
        row.gone,
        row.assumed,
        (row.entity, row.last_at, row.last_key),
    )


def _late_refs(batch: Batch, events: Sequence[Timed]) -> set[Ref]:
    """Records that got news older than what is folded into their snapshot already."""
    late = set()
    for at, event in events:
        ref = _ref(event)
        record = batch.records.get(ref)
        if record is not None and (at, event.key) < record.last:
            late.add(ref)
    return late


def _load_past(connection: Connection, batch: Batch, late: Collection[Ref]) -> None:
    c = t.events.c
    for (system, object_), ids in _by_object(late).items():
        rows = connection.execute(select(t.events).where(c.system == system, c.object == object_, among(c.record, ids)))
        for row in rows:
            ref = (row.system, row.object, row.record)
            batch.past.setdefault(ref, []).append((row.at, stored_event(row, batch.records[ref].kind)))


def stored_event(row: Any, kind: Kind) -> Event:
    """A row of table ``events`` as the event it was."""
    common: dict[str, Any] = {
        "system": row.system,
        "object": row.object,
        "kind": kind,
        "record": row.record,
        "at": from_micros(row.at),
        "key": row.key,
        "precision": row.precision,
    }
    if row.type == "RecordWritten":
        return RecordWritten(**common, values=row.body["values"], assumed=row.body["assumed"])
    return event_from(row.type, row.body, **common)


def _load_directory(connection: Connection, batch: Batch, keys: Collection[Key]) -> None:
    spaces: dict[str, list[str]] = {}
    for namespace, value in keys:
        spaces.setdefault(namespace, []).append(value)
    c, ours = t.identities.c, t.leads.c
    if named := spaces.pop(OURS, None):
        for id_, merged_into in connection.execute(select(ours.id, ours.merged_into).where(among(ours.id, named))):
            batch.directory[OURS, id_] = merged_into or id_
    for namespace, values in spaces.items():
        rows = connection.execute(select(c.value, c.lead).where(c.namespace == namespace, among(c.value, values)))
        batch.directory.update({(namespace, value): lead for value, lead in rows})
    batch.stored_keys = dict(batch.directory)


def _load_associations(connection: Connection, batch: Batch) -> set[Ref]:
    """All links of the people and deals whose links count now. Returns the companies and deals at their other ends."""
    c = t.associations.c
    others: set[Ref] = set()
    for (system, object_), ids in _by_object(batch.linking).items():
        for near, mine in ((c.object, c.record), (c.to_object, c.to_record)):
            rows = select(t.associations).where(c.system == system, near == object_, among(mine, ids))
            for row in connection.execute(rows).all():
                key = (row.system, row.object, row.record, row.to_object, row.to_record, row.role)
                batch.associations[key] = dict(row._mapping)
                ends = ((row.kind, row.object, row.record), (row.to_kind, row.to_object, row.to_record))
                others |= {(system, *end) for kind, *end in ends if kind in ("company", "deal")}
    return others


def _entities(batch: Batch) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {"person": set(), "company": set(), "deal": set()}
    for record in batch.records.values():
        if record.entity:
            found.setdefault(record.kind, set()).add(record.entity)
    return found


def _load_leads(
    connection: Connection,
    batch: Batch,
    ids: set[str],
    whole: Collection[str],
    cutoff: int | None,
    score_name: str,
) -> None:
    for row in connection.execute(
        select(t.leads).where(among(t.leads.c.id, ids), t.leads.c.merged_into.is_(None))
    ).all():
        batch.leads[row.id] = Lead(
            row.id,
            row.version,
            row.known_at,
            row.entered_at,
            None,
            row.company,
            row.attributes,
            row.persona,
            row.stage,
            row.journey,
            row.excluded,
            row.ignored,
            row.generation,
            row.above,
            row.erased_at,
        )
    leads = batch.leads
    c = t.records.c
    named = c.system + ":" + c.object + ":" + c.record
    others = not_(among(named, [":".join(ref) for ref in batch.records]))  # the batch's own are here already
    for row in connection.execute(select(t.records).where(among(c.entity, leads), others)).all():
        record = record_of(row)
        batch.records[record.ref] = record
    for record in batch.records.values():
        if record.entity in leads:
            leads[record.entity].records[record.ref] = record
    a = t.activities.c
    recent = (
        among(a.lead, leads)
        if cutoff is None
        else and_(among(a.lead, leads), or_(a.at >= cutoff, among(a.lead, whole)))
    )
    # The most numerous rows of a batch: only what a scorer reads, and by position.
    narrow = select(a.lead, a.at, a.id, a.kind, a.asset, a.channel, a.campaign).where(recent)
    for lead_id, at, id_, kind, asset, channel, campaign in connection.execute(narrow).all():
        leads[lead_id].activities[at, id_] = Activity(from_micros(at), kind, asset, channel, campaign, id_)
    if whole:
        sources = select(a.lead, a.at, a.id, a.system, a.object, a.record).where(among(a.lead, whole))
        for lead_id, at, id_, *ref in connection.execute(sources).all():
            if lead_id in leads:
                leads[lead_id].refs[at, id_] = (ref[0], ref[1], ref[2])
    k = t.activity_kinds
    for row in connection.execute(select(k).where(among(k.c.lead, leads))).all():
        lead_id, kind, *tally = row  # by position: a row's own `count` is a method
        leads[lead_id].kinds[kind] = (tally[0], tally[1], tally[2])
    for row in connection.execute(select(t.outcomes).where(among(t.outcomes.c.lead, leads))).all():
        leads[row.lead].outcomes[row.at, row.id] = outcome_of(row)
    for row in connection.execute(select(t.marks).where(among(t.marks.c.lead, leads))).all():
        until = from_micros(row.until) if row.until else None
        leads[row.lead].marks.append(Mark(from_micros(row.at), row.kind, row.points, row.reason, until, row.by))
    for row in connection.execute(
        select(t.transitions.c.lead, t.transitions.c.stage, t.transitions.c.at, t.transitions.c.ref).where(
            among(t.transitions.c.lead, leads), t.transitions.c.reason == "threshold"
        )
    ):
        leads[row.lead].decided.append((row.stage, row.at, row.ref))
    for row in connection.execute(select(t.handoffs).where(among(t.handoffs.c.lead, leads))).all():
        lead = leads[row.lead]
        lead.had_handoff = True
        if row.state == "open":
            lead.handoff = dict(row._mapping)
        elif row.state == "closed" and row.closed_at >= lead.last_closed:
            lead.last_bucket, lead.last_reason, lead.last_closed = row.bucket, row.bucket_reason, row.closed_at
    s = t.scores.c
    for row in connection.execute(select(t.scores).where(among(s.lead, leads), s.name == score_name)).all():
        leads[row.lead].score = Standing(
            row.total, row.fit, row.behaviour, row.band, row.at, row.changes_at, row.scoring
        )
    for row in connection.execute(select(t.reached).where(among(t.reached.c.lead, leads))).all():
        leads[row.lead].reached[row.stage] = (row.at, row.cause, row.ref)
    for lead in leads.values():
        lead.reached_before = dict(lead.reached)


def _load_companies(connection: Connection, batch: Batch, ids: Collection[str]) -> None:
    while ids:  # and whoever took one over
        for row in connection.execute(select(t.companies).where(among(t.companies.c.id, ids))).all():
            batch.companies[row.id] = Company(row.id, row.version, row.known_at, row.merged_into, row.attributes)
        ids = {c.merged_into for c in batch.companies.values() if c.merged_into} - batch.companies.keys()
    for row in connection.execute(select(t.records).where(among(t.records.c.entity, batch.companies))).all():
        record = batch.records.setdefault((row.system, row.object, row.record), record_of(row))
        batch.companies[row.entity].records[record.ref] = record


def _load_deals(connection: Connection, batch: Batch, ids: Collection[str]) -> None:
    for row in connection.execute(select(t.deals).where(among(t.deals.c.id, ids))).all():
        batch.deals[row.id] = Deal(
            row.id,
            row.version,
            row.known_at,
            row.merged_into,
            row.company,
            row.attributes,
            row.stage,
            row.status,
            row.status_at,
            row.amount,
            row.currency,
        )
    for row in connection.execute(select(t.deal_leads).where(among(t.deal_leads.c.deal, batch.deals))).all():
        batch.deals[row.deal].leads.add(row.lead)
    for row in connection.execute(select(t.records).where(among(t.records.c.entity, batch.deals))).all():
        record = batch.records.setdefault((row.system, row.object, row.record), record_of(row))
        batch.deals[row.entity].records[record.ref] = record


# -- commit ---------------------------------------------------------------------------------------------------------


def commit(connection: Connection, batch: Batch, score_name: str) -> None:
    """Write everything the batch changed. Raises ``StaleCommit`` when a row moved since it was loaded."""
    try:
        _commit(connection, batch, score_name)
    except IntegrityError as exc:
        raise StaleCommit(f"another worker was first: {type(exc.orig).__name__}") from None


def _commit(connection: Connection, batch: Batch, score_name: str) -> None:
    leads = batch.leads.values()
    put = Put(connection)
    put.insert(
        t.documents_read,
        [{"document": document, "read_at": batch.now} for document in batch.documents],
        ignore=True,
    )
    if batch.already:
        connection.execute(delete(t.events).where(_dead(batch.already)))
    put.insert(t.events, batch.events)
    put.versioned(t.leads, [_lead_row(lead) for lead in leads if lead.changed])
    put.versioned(t.companies, [_company_row(company) for company in batch.companies.values() if company.changed])
    put.versioned(t.deals, [_deal_row(deal) for deal in batch.deals.values() if deal.changed])
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
    _commit_decisions(put, batch, score_name)
    _commit_outward(put, batch)
    if batch.erased:
        erased = {batch.records[ref].entity for ref in batch.erased if ref in batch.records} - {""}
        batch.blank = forget.forget(connection, erased, batch.now, batch.erased)
    put.count(
        t.tallies,
        [{"system": s, "what": w, "reason": r, "count": n} for (s, w, r), n in sorted(batch.tallies.items()) if n],
    )


def _commit_facts(put: Put, batch: Batch) -> None:
    leads = batch.leads.values()
    put.remove(t.activities, [(lead.id, *key) for lead in leads for key in lead.dropped_activities])
    put.insert(
        t.activities,
        [
            {
                "lead": lead.id,
                "at": at,
                "id": id_,
                "kind": stored.activity.kind,
                "asset": stored.activity.asset,
                "channel": stored.activity.channel,
                "campaign": stored.activity.campaign,
                "system": stored.ref[0],
                "object": stored.ref[1],
                "record": stored.ref[2],
                "known_at": stored.known_at,
            }
            for lead in leads
            if lead.merged_into is None
            for (at, id_), stored in lead.added_activities.items()
        ],
    )
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


def _commit_decisions(put: Put, batch: Batch, score_name: str) -> None:
    living = [lead for lead in batch.leads.values() if lead.merged_into is None]
    put.upsert(
        t.scores,
        [
            {
                "lead": lead.id,
                "name": score_name,
                "total": lead.score.total,
                "fit": lead.score.fit,
                "behaviour": lead.score.behaviour,
                "band": lead.score.band,
                "at": lead.score.at,
                "changes_at": lead.score.changes_at,
                "scoring": lead.score.scoring,
            }
            for id_ in dict.fromkeys(batch.scored)
            if (lead := batch.leads[id_]).score is not None and lead.merged_into is None
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
    put.upsert(t.handoffs, [handoff for lead in living for handoff in lead.closed])
    put.upsert(
        t.handoffs, [lead.handoff for lead in living if lead.handoff_changed and lead.handoff and lead.opened is None]
    )
    put.insert(t.handoffs, [lead.opened for lead in living if lead.opened is not None])


def _commit_outward(put: Put, batch: Batch) -> None:
    commit_writes(put.connection, batch.writes, batch.now, batch.moot)
    put.count(t.work_items, batch.work_items, on=("key",), bump="count")
    put.insert(t.lookups, batch.lookups, ignore=True)
    put.insert(t.rescores, batch.rescores)


def commit_writes(
    connection: Connection,
    writes: Sequence[dict[str, Any]],
    now: int,
    moot: Mapping[tuple[str, str], str] | None = None,
) -> None:
    """Put writes into the outbox; one that waits under the same key is superseded: the newer one says everything.

    A create that may have arrived is none of these: it is looked up first.

    :param moot: (system, key) under which nothing is left to write → lead.
    """
    put, w = Put(connection), t.writes.c
    tallies: Counter[tuple[str, str]] = Counter((write["system"], "planned") for write in writes)
    said = {(write["system"], write["key"]): write["lead"] for write in writes} | dict(moot or {})
    # By lead: a system may have a great many waiting writes, and even more behind it.
    theirs = select(w.id, w.system, w.key).where(among(w.lead, set(said.values())))
    theirs = theirs.where(or_(w.state == "waiting", and_(w.state == "unknown", ~w.create)))
    overtaken = [row for row in connection.execute(theirs) if (row.system, row.key) in said] if said else []
    if overtaken:
        ids = [row.id for row in overtaken]
        connection.execute(update(t.writes).where(among(w.id, ids)).values(state="superseded", finished_at=now))
        tallies.update((row.system, "superseded") for row in overtaken)
    put.insert(t.writes, writes)
    put.count(
        t.tallies, [{"system": s, "what": what, "reason": "", "count": n} for (s, what), n in sorted(tallies.items())]
    )


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
    put.insert(t.records, [record_row(r) for r in (*nobodys, *(r for r in records if r.stored is None))])
    put.upsert(t.records, [record_row(record) for record in owned])


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
    if people:
        pairs = [{"winner": winner, "loser": loser} for winner, loser in people]
        w, losers = t.writes.c, [loser for _, loser in people]
        waiting = select(w.id, w.system).where(among(w.lead, losers), w.state == "waiting")
        if rows := connection.execute(waiting).all():  # the winner is planned again and says everything
            ids = [row.id for row in rows]
            done = {"state": "superseded", "finished_at": batch.now}
            connection.execute(update(t.writes).where(among(w.id, ids)).values(done))
            for row in rows:
                batch.note(row.system, "superseded")
        for table in (t.identities, t.marks, t.transitions, t.writes, t.work_items, t.steps):
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
        for table in (t.activity_kinds, t.scores, t.reached):
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


def _lead_row(lead: Lead) -> dict[str, Any]:
    return {
        "id": lead.id,
        "version": lead.version + 1,
        "known_at": lead.known_at,
        "entered_at": lead.entered_at,
        "merged_into": lead.merged_into,
        "company": lead.company,
        "attributes": lead.attributes,
        "persona": lead.persona,
        "stage": lead.stage,
        "journey": lead.journey,
        "excluded": lead.excluded,
        "ignored": lead.ignored,
        "generation": lead.generation,
        "above": lead.above,
        "erased_at": lead.erased_at,
    }


def _company_row(company: Company) -> dict[str, Any]:
    return {
        "id": company.id,
        "version": company.version + 1,
        "known_at": company.known_at,
        "merged_into": company.merged_into,
        "attributes": company.attributes,
    }


def _deal_row(deal: Deal) -> dict[str, Any]:
    return {
        "id": deal.id,
        "version": deal.version + 1,
        "known_at": deal.known_at,
        "merged_into": deal.merged_into,
        "company": deal.company,
        "attributes": deal.attributes,
        "stage": deal.stage,
        "status": deal.status,
        "status_at": deal.status_at,
        "amount": deal.amount,
        "currency": deal.currency,
    }


def record_row(record: Record) -> dict[str, Any]:
    """The inverse of ``record_of``."""
    return {
        "system": record.system,
        "object": record.object,
        "record": record.record,
        "kind": record.kind,
        "entity": record.entity,
        "snapshot": record.snapshot,
        "first_at": record.first_at,
        "created_at": record.created_at,
        "last_at": record.last[0],
        "last_key": record.last[1],
        "mapping": record.mapping,
        "main": record.main,
        "enrolled": record.enrolled,
        "gone": record.gone,
        "assumed": record.assumed,
    }


def event_row(
    event: Event, at: int, document: str, known_at: int, mapping: str, state: str = "applied", reason: str = ""
) -> dict[str, Any]:
    """One row of table ``events``."""
    if isinstance(event, RecordWritten):
        body: dict[str, Any] = {"v": 1, "values": event.values, "assumed": event.assumed}
    else:
        body = body_of(event)
    return {
        "key": event.key,
        "document": document,
        "system": event.system,
        "object": event.object,
        "record": event.record,
        "type": type(event).__name__,
        "at": at,
        "known_at": known_at,
        "precision": event.precision,
        "body": body,
        "mapping": mapping,
        "state": state,
        "reason": reason,
    }
