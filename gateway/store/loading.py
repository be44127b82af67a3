"""Load what a batch touches: a constant number of statements, whatever the batch's size.

``load`` runs in a read transaction that is over before anything is computed. What became of it goes back through
``commit``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, literal_column, or_, select

from gateway.contracts import Activity, Event, Mark, RecordConverted, RecordsLinked, RecordsMerged
from gateway.journey.facts import Ended
from gateway.journey.words import CLOCK
from gateway.leads.batch import Batch, Timed
from gateway.leads.company import Company
from gateway.leads.deal import Deal
from gateway.leads.identity import OURS, Key
from gateway.leads.lanes import spoken_of
from gateway.leads.lead import Lead, Standing
from gateway.leads.record import Record, Ref
from gateway.leads.stamps import OWN
from gateway.store import followups, forget, regrouping, rollups
from gateway.store import tables as t
from gateway.store.among import among, outside
from gateway.store.plain import rows_of
from gateway.store.rows import FILED, RECORD, outcome_of, record_of, stored_event
from gateway.times import from_micros

MAKING = 5_000_000
"""Microseconds by which the record that a conversion makes may be older than the news of the conversion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """How much of the leads a batch needs; by far most of a lead's rows are its activities.

    ``scores``: the names of the scores, the main one first. ``cutoff``: activities older than this (microseconds) are
    left out, None = none are. ``lasting``: the scoring whose stored scores can be renewed without any activity; empty =
    none can. ``telling``: records whose news may hold activities. ``counted``: leads whose activities are needed all
    the same. ``whole``: leads of whom all are needed, whatever their age, with the records they came from. ``meeting``:
    some of the leads will become one. ``again``: records whose stored events are folded anew. ``kinds``: the activities
    that the journey reads the tallies of, None = it may be any. ``rolled``: companies with their roll-ups.
    """

    scores: Sequence[str]
    cutoff: int | None = None
    lasting: str = ""
    telling: Set[Ref] = frozenset()
    counted: Collection[str] = ()
    whole: Collection[str] = ()
    meeting: bool = False
    again: Collection[Ref] = ()
    kinds: Collection[str] | None = None
    rolled: bool = False


def load(
    connection: Connection,
    events: Sequence[Timed],
    keys: Mapping[Key, Collection[Ref]],
    touched: Collection[str],
    now: int,
    need: Need,
    documents: Collection[str] = (),
) -> Batch:
    """Read what ``events``, identity ``keys`` and the ``touched`` leads need."""
    batch = Batch(now, asked=set(keys), cutoff=need.cutoff)
    if documents:
        c = t.documents_read.c.document
        batch.already = set(connection.scalars(select(c).where(among(c, documents))))
    if batch.already:  # its dead items get another chance: they are booked anew
        dead = select(t.events.c.system, func.count()).where(dead_items(batch.already)).group_by(t.events.c.system)
        for system, count in connection.execute(dead):
            batch.note(system, "read", "", -count)
            batch.note(system, "dead", "", -count)
    told = spoken_of(event for _, event in events).keys()
    if events:
        wanted = [event.key for _, event in events]
        stored = select(t.events.c.key, t.events.c.document).where(among(t.events.c.key, wanted))
        batch.known = {row.key: row.document for row in connection.execute(stored)}
        events = [(at, event) for at, event in events if event.key not in batch.known]
    kinds = spoken_of(event for _, event in events)
    refs = kinds.keys() | set(need.again)
    batch.forgotten = forget.forgotten(connection, told | refs)  # what is known already names them, too
    _load_records(connection, batch, refs)
    if batch.forgotten:
        _come_back(connection, batch, events)
        events = [timed for timed in events if _ref(timed[1]) not in batch.forgotten]
    late = _late_refs(batch, events) | (batch.records.keys() & set(need.again))
    if late:
        _load_past(connection, batch, late)
    if keys:
        _load_directory(connection, batch, keys)
    meeting = need.meeting or _meeting(batch, events, kinds, keys)
    by_kind = _entities(batch)
    deal_ids = by_kind["deal"]
    lead_ids = {*by_kind["person"], *batch.directory.values(), *touched}
    if deal_ids:
        lead_ids |= set(connection.scalars(select(t.deal_leads.c.lead).where(among(t.deal_leads.c.deal, deal_ids))))
    if lead_ids:
        whole = {record.entity for ref in late if (record := batch.records[ref]).kind == "person"}
        if whole and meeting:  # whoever takes them over counts all their activities again
            whole = lead_ids
        _load_leads(connection, batch, lead_ids, need, whole | set(need.whole), meeting)
        for record in [batch.records[ref] for ref in batch.erased if ref in batch.records]:
            if record.entity in batch.leads:
                batch.leads[record.entity].erased_at = now
        deal_ids |= set(connection.scalars(select(t.deal_leads.c.deal).where(among(t.deal_leads.c.lead, lead_ids))))
    if deal_ids:
        _load_deals(connection, batch, deal_ids)
    company_ids = by_kind["company"] | {lead.company for lead in batch.leads.values() if lead.company}
    if meeting:
        batch.apart = regrouping.apart(connection, batch.leads)
        batch.linking = {ref for ref, record in batch.records.items() if record.kind in ("person", "deal")}
        batch.linking |= {ref for ref, kind in kinds.items() if kind in ("person", "deal")}
        _load_records(connection, batch, _load_associations(connection, batch) - batch.records.keys())
        by_kind = _entities(batch)
        company_ids |= by_kind["company"]
        if more := by_kind["deal"] - batch.deals.keys():
            _load_deals(connection, batch, more)
    if company_ids:
        _load_companies(connection, batch, company_ids)
    if need.rolled:
        batch.homes = {lead.id: lead.company for lead in batch.leads.values()}
        for id_, numbers in rollups.of(connection, batch.companies).items():
            batch.companies[id_].rollups = numbers
    return batch


def _come_back(connection: Connection, batch: Batch, events: Sequence[Timed]) -> None:
    """People forgotten before whom a conversion or a merge over there gives a new id stay forgotten under that one, be
    it that we heard of the id first. Whoever had it before, or is known by another record, is somebody of their own."""
    begun: dict[Ref, int] = {}
    for at, event in events:
        begun[_ref(event)] = min(at, begun.get(_ref(event), at))
    for at, event in [*events, *events]:  # twice: a conversion may be told before the merge that it follows
        if isinstance(event, RecordConverted) and _ref(event) in batch.forgotten:
            heir = (event.system, event.to_object, event.to_record)
        elif isinstance(event, RecordsMerged) and _of_forgotten_alone(batch, event):
            heir = _ref(event)
        else:
            continue
        begins = [begun.get(heir, at)]
        if (there := batch.records.get(heir)) is not None:
            begins.append(there.first_at)
        if isinstance(event, RecordConverted):  # what is merged keeps the time of its oldest record
            begins = [one + MAKING for one in (*begins, there.created_at or at if there is not None else at)]
        known = heir in batch.forgotten or min(begins) < at or (there is not None and not _alone(connection, there))
        if event.kind == "person" and not known:
            batch.forgotten.add(heir)
            batch.erased[heir] = event.system


def _alone(connection: Connection, record: Record) -> bool:
    """Whether nobody but this record tells of its person."""
    r = t.records.c
    another = or_(r.system != record.system, r.object != record.object, r.record != record.record)
    others = select(r.record).where(r.entity == record.entity, r.kind == "person", r.system != OWN[0], another)
    return not record.entity or connection.scalar(others.limit(1)) is None


def _of_forgotten_alone(batch: Batch, event: RecordsMerged) -> bool:
    losers = {(event.system, event.object, loser) for loser in event.losers}
    return bool(losers & batch.forgotten) and not (losers - batch.forgotten) & batch.records.keys()


def _meeting(
    batch: Batch, events: Sequence[Timed], kinds: Mapping[Ref, str], keys: Mapping[Key, Collection[Ref]]
) -> bool:
    """Whether somebody is new, links move or leads may become one: then all links of the leads are needed."""

    owners = {ref: record.entity for ref, record in batch.records.items()}
    if any(isinstance(event, (RecordsLinked, RecordsMerged, RecordConverted)) for _, event in events):
        return True
    if any(kind in ("person", "deal") and not owners.get(ref) for ref, kind in kinds.items()):
        return True
    for key, refs in keys.items():
        whose = batch.directory.get(key)
        for ref in refs:
            if whose is None:
                whose = owners.get(ref, "")
            elif owners.get(ref, "") != whose:
                return True
    return False


def dead_items(documents: Collection[str]) -> Any:
    return and_(among(t.events.c.document, documents), t.events.c.state == "dead")


def _ref(event: Event) -> Ref:
    return (event.system, event.object, event.record)


def _load_records(connection: Connection, batch: Batch, refs: Collection[Ref]) -> None:
    c = t.records.c
    for (system, object_), ids in _by_object(refs).items():
        wanted = select(*RECORD).where(c.system == system, c.object == object_, among(c.record, ids))
        for row in rows_of(connection, wanted):
            record = record_of(row)
            batch.records[record.ref] = record


def _by_object(refs: Iterable[Ref]) -> dict[tuple[str, str], list[str]]:
    groups: dict[tuple[str, str], list[str]] = {}
    for system, object_, record in refs:
        groups.setdefault((system, object_), []).append(record)
    return groups


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
    connection: Connection, batch: Batch, ids: set[str], need: Need, whole: Collection[str], meeting: bool
) -> None:
    leads, c = batch.leads, t.leads.c
    columns = (
        c.id, c.version, c.known_at, c.entered_at, c.merged_into, c.company, c.attributes, c.persona, c.stage,
        c.journey, c.excluded, c.ignored, c.generation, c.above, c.erased_at, c.returned, c.wakes_at,
    )  # fmt: skip
    filed = itemgetter(*([*columns, c.path, c.sought].index(c[name]) for name in FILED))
    for row in rows_of(connection, select(*columns, c.path, c.sought).where(among(c.id, ids), c.merged_into.is_(None))):
        leads[row[0]] = lead = Lead(*row[: len(columns)])
        lead.filed = filed(row)
    _load_other_records(connection, batch)
    for row in connection.execute(select(t.marks).where(among(t.marks.c.lead, leads))).all():
        until = from_micros(row.until) if row.until else None
        lead = leads[row.lead]
        mark = Mark(from_micros(row.at), row.kind, row.points, row.reason, until, row.by, row.id)
        lead.marks = [*lead.marks, mark]
    s = t.scores.c
    last = select(s.lead, s.name, s.total, s.fit, s.behaviour, s.band, s.at, s.changes_at, s.scoring)
    for id_, name, *standing in rows_of(connection, last.where(among(s.lead, leads), s.name.in_(need.scores))):
        if name == need.scores[0]:
            leads[id_].score = Standing(*standing)
        else:
            leads[id_].scores[name] = Standing(*standing)
    _load_activities(connection, batch, need, whole, meeting)
    for row in connection.execute(select(t.outcomes).where(among(t.outcomes.c.lead, leads))).all():
        leads[row.lead].outcomes[row.at, row.id] = outcome_of(row)
    moves = t.transitions.c
    by_threshold = moves.reason == literal_column("'threshold'")  # spelt out, or the index could not serve it
    decided = select(moves.lead, moves.stage, moves.at, moves.ref).where(among(moves.lead, leads), by_threshold)
    for id_, *move in rows_of(connection, decided):
        lead = leads[id_]
        lead.decided = [*lead.decided, (move[0], move[1], move[2])]
    for row in connection.execute(select(t.handoffs).where(among(t.handoffs.c.lead, leads))).all():
        lead = leads[row.lead]
        lead.had_handoff = True
        if row.state == "open":
            lead.handoff = dict(row._mapping)
            lead.overdue = row.checking == followups.KNOWN and row.period_ends <= batch.now
        elif row.state == "held":
            lead.held_back = dict(row._mapping)
        elif row.state == "closed" and (lead.ended.at is None or from_micros(row.closed_at) >= lead.ended.at):
            lead.expired = dict(row._mapping) if row.closed_by == CLOCK else None
            lead.last_handoff = row.id, row.closed_by
            lead.ended = ended_of(row.bucket, row.closed_at, row.bucket_reason, row.wake_at, row.stage)
    _load_tallies(connection, batch, need)
    for lead in leads.values():
        back = lead.returned
        if back is not None and lead.ended.at is not None and from_micros(back["at"]) > lead.ended.at:
            lead.ended = ended_of(back["bucket"], back["at"], back["reason"], back["wake"], lead.ended.stage)
    r = t.reached.c
    for id_, stage, at, cause, ref in rows_of(
        connection, select(r.lead, r.stage, r.at, r.cause, r.ref).where(among(r.lead, leads))
    ):
        leads[id_].reached[stage] = (at, cause, ref)
    for lead in leads.values():
        if lead.reached:
            lead.reached_before = dict(lead.reached)


def ended_of(bucket: str, at: int, reason: str, wake: int | None, stage: str) -> Ended:
    return Ended(bucket, from_micros(at), reason, None if wake is None else from_micros(wake), stage)


def _load_other_records(connection: Connection, batch: Batch) -> None:
    """The batch's own records are here already; now those beside them of the same leads."""
    leads, c = batch.leads, t.records.c
    named = c.system + ":" + c.object + ":" + c.record
    others = outside(named, [":".join(ref) for ref in batch.records])
    for row in rows_of(connection, select(*RECORD).where(among(c.entity, leads), others)):
        record = record_of(row)
        batch.records[record.ref] = record
    for record in batch.records.values():
        if record.entity in leads:
            leads[record.entity].records[record.ref] = record


def _load_activities(connection: Connection, batch: Batch, need: Need, whole: Collection[str], meeting: bool) -> None:
    """Those of leads that cannot do without."""
    leads, a = batch.leads, t.activities.c
    for lead in leads.values():
        lead.counted = meeting or lead.id in need.counted or lead.id in whole or not _lasts(lead, need, batch.now)
    counted = [lead.id for lead in leads.values() if lead.counted]
    if counted:
        narrow = select(a.lead, a.at, a.id, a.kind, a.asset, a.channel, a.campaign).where(among(a.lead, counted))
        if need.cutoff is not None:
            narrow = narrow.where(or_(a.at >= need.cutoff, among(a.lead, whole)))
        for lead_id, at, id_, kind, asset, channel, campaign in rows_of(connection, narrow):
            leads[lead_id].activities[at, id_] = Activity(from_micros(at), kind, asset, channel, campaign, id_)
    if whole:
        sources = select(a.lead, a.at, a.id, a.system, a.object, a.record).where(among(a.lead, whole))
        for lead_id, at, id_, *ref in connection.execute(sources).all():
            if lead_id in leads:
                leads[lead_id].refs[at, id_] = (ref[0], ref[1], ref[2])


def _load_tallies(connection: Connection, batch: Batch, need: Need) -> None:
    """Those that the journey reads of all leads; all of a lead whose activities are here, or whose end may matter."""
    for lead in batch.leads.values():
        lead.tallied = lead.counted or lead.had_handoff or bool(lead.outcomes) or need.kinds is None
    k = t.activity_kinds.c
    columns = select(k.lead, k.kind, k.count, k.first_at, k.last_at)
    wanted: list[ColumnElement[bool]] = [among(k.lead, [lead.id for lead in batch.leads.values() if lead.tallied])]
    if need.kinds:
        some = [lead.id for lead in batch.leads.values() if not lead.tallied]
        wanted.append(and_(among(k.lead, some), among(k.kind, need.kinds)))
    for whose in wanted:
        for lead_id, kind, count, first, last in rows_of(connection, columns.where(whose)):
            batch.leads[lead_id].kinds[kind] = (count, first, last)


def _lasts(lead: Lead, need: Need, now: int) -> bool:
    """Whether the stored scores say enough of what the lead did: nothing new, nothing that moves by itself."""
    return (
        need.lasting != ""
        and _stands(lead.score, need.lasting, now)
        and (len(need.scores) == 1 or all(_stands(lead.scores.get(one), need.lasting, now) for one in need.scores[1:]))
        and not lead.marks
        and (not need.telling or need.telling.isdisjoint(lead.records))
    )


def _stands(score: Standing | None, scoring: str, now: int) -> bool:
    return score is not None and score.scoring == scoring and (score.changes_at is None or score.changes_at > now)


def _load_companies(connection: Connection, batch: Batch, ids: Collection[str]) -> None:
    while ids:  # and whoever took one over
        for row in connection.execute(select(t.companies).where(among(t.companies.c.id, ids))).all():
            batch.companies[row.id] = Company(row.id, row.version, row.known_at, row.merged_into, row.attributes)
        ids = {c.merged_into for c in batch.companies.values() if c.merged_into} - batch.companies.keys()
    for row in connection.execute(select(*RECORD).where(among(t.records.c.entity, batch.companies))).all():
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
    for row in connection.execute(select(*RECORD).where(among(t.records.c.entity, batch.deals))).all():
        record = batch.records.setdefault((row.system, row.object, row.record), record_of(row))
        batch.deals[row.entity].records[record.ref] = record
