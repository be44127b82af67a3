"""Writes on their way out: claimed under a lease, booked with their receipts. A stale worker's booking is refused."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, case, func, not_, or_, select, tuple_, update

from gateway.contracts import COMPANIONS, LIST, NOTICE, Event, Kind, Receipt, RecordGone, Write
from gateway.errors import StaleCommit
from gateway.leads.record import Record, RecordWritten, Ref, fold, primary
from gateway.store import bells, forget, regrouping, work
from gateway.store import tables as t
from gateway.store.among import among
from gateway.store.put import Put
from gateway.store.rows import RECORD, event_row, record_of, record_row
from gateway.store.times import new_id
from gateway.sync.receipts import Verdict
from gateway.times import from_micros, to_micros

KNOWN = "known already"
"""Code of a receipt that the gateway gave itself: nothing was left to say."""
SENDING = "on its way"
"""Code of a leased write that its worker is sending, or looking up, right now."""
DIED = "worker died"
"""Code of a write that was being sent when its worker died."""
SILENT = "no answer"
"""Code of a write to a system that does not answer: of the one that was the probe, and of those that were held back."""
HELD = "drift:"
"""What the codes of writes that are on hold begin with: then the alarm's key."""
ANOTHERS = "another lead's record"
"""Code of a write that would have made who is there already, as somebody who was said to be another."""
_ANOTHERS = (
    "the system takes them for a lead that was said to be somebody else: change the key they share there, or merge"
)
SECOND = 1_000_000
"""In microseconds."""
ALONE = 2
"""After so many tries such a write goes alone: it may be what the worker dies of."""


def any_due(connection: Connection, system: str, now: int) -> bool:
    """Whether ``claim`` may find something. Who only asks need not keep others from writing."""
    w = t.writes.c
    due = select(w.id).where(w.system == system, w.state.in_(("waiting", "unknown")), _due(now))
    return connection.scalar(due.limit(1)) is not None


def _due(now: int) -> ColumnElement[bool]:
    """What was planned at a time that is still to come, by a clock that has gone back since, need not wait for it."""
    w = t.writes.c
    return or_(w.due_at <= now, and_(w.planned_at > now, w.code == "", w.attempts == 0))


def claim(connection: Connection, system: str, worker: str, now: int, limit: int = 1000, push: str = "") -> list[Any]:
    """Lease the writes of one system that are due, most urgent first; one per lead and object is on its way at a time.

    The transaction's lock is ``turn(system)``: of two who claim at once, the other would take a lead's next write.

    While nobody knows whether a write arrived, no other goes: it could make a second record. What stands beside a
    person's record is due when that one is known.

    :param push: the name under which all of this can be undone; the minute's by default.
    """
    w, theirs = t.writes.c, t.records.c
    beside = among(w.object, COMPANIONS)
    # By lead, not by key: a merged lead has writes under several.
    whom = (case((or_(beside, w.object == NOTICE), w.key), else_=func.coalesce(w.lead, w.key)), w.object)
    person = select(theirs.record).where(
        theirs.entity == w.lead, theirs.system == w.system, theirs.kind == "person", theirs.gone.is_(None)
    )
    forgotten = select(t.leads.c.id).where(t.leads.c.id == w.lead, t.leads.c.erased_at.is_not(None))
    busy = select(*whom).where(w.system == system)
    sure = and_(w.state == "waiting", tuple_(*whom).not_in(busy.where(w.state.in_(("leased", "unknown")))))
    unsure = and_(w.state == "unknown", tuple_(*whom).not_in(busy.where(w.state == "leased")))
    due = (
        select(w.id, *whom, and_(w.code == DIED, w.attempts >= ALONE))
        .where(w.system == system, w.state.in_(("waiting", "unknown")), or_(sure, unsure), _due(now))
        .where(or_(not_(beside), person.exists(), forgotten.exists()))
        .order_by(w.priority, w.due_at, w.id)
        .limit(limit)
        .with_for_update(of=t.writes, skip_locked=True)  # somebody else is at those: they are found at the next look
    )
    first: dict[tuple[str, str], str] = {}
    for id_, *one, suspect in connection.execute(due).all():  # to the end: an unfinished read would keep its view
        if suspect and first:
            break
        first.setdefault((one[0], one[1]), id_)
        if suspect:
            break
    if not first:
        return []
    ids = list(first.values())
    rows = connection.execute(select(t.writes).where(among(w.id, ids)).order_by(w.priority, w.due_at, w.id)).all()
    push = push or push_name(system, now)
    leased = {"state": "leased", "lease": worker, "beat": w.beat + 1, "push": push}
    connection.execute(update(t.writes).where(among(w.id, ids)).values(leased))
    return list(rows)


def turn(system: str) -> str:
    """The lock of who claims writes of ``system``; it keeps nobody else from anything."""
    return f"claim {system}"


def push_name(system: str, now: int, seconds: bool = False) -> str:
    """What was sent to a system in one minute, or second, has a name that people can type: ``crm-20260601-1207``."""
    return f"{system}-{from_micros(now):{'%Y%m%d-%H%M%S' if seconds else '%Y%m%d-%H%M'}}"


def on_hold(connection: Connection, system: str) -> set[str]:
    """The codes of the writes that wait for an alarm's end."""
    w = t.writes.c
    held = select(w.code).where(w.system == system, w.state == "waiting", w.code.startswith(HELD, autoescape=True))
    return set(connection.scalars(held.distinct()))


def let_go(connection: Connection, system: str, codes: Collection[str], now: int, limit: int) -> list[str]:
    """Some of the writes on hold under these codes are due again. Returns whose they are. What somebody else is at just
    now is left for the next time."""
    w = t.writes.c
    mine = select(w.id, w.lead).where(w.system == system, w.state == "waiting", among(w.code, codes))
    free = mine.order_by(w.priority, w.id).limit(limit).with_for_update(skip_locked=True)
    rows = connection.execute(free).all()
    let = update(t.writes).where(among(w.id, [row.id for row in rows]))
    connection.execute(let.values(code="", message="", due_at=now))
    return [row.lead or "" for row in rows]


def waiting(connection: Connection, leads: Collection[str]) -> dict[tuple[str, str], dict[str, Any]]:
    """(system, key) → fields of the writes that wait for these leads."""
    w = t.writes.c
    rows = connection.execute(select(w.system, w.key, w.fields).where(w.state == "waiting", among(w.lead, leads)))
    return {(row.system, row.key): row.fields for row in rows}


def maybe_made(connection: Connection, leads: Collection[str]) -> list[tuple[str, str]]:
    """(system, object) of the records that are just being made of these leads, or may have been."""
    w = t.writes.c
    rows = select(w.system, w.object).where(among(w.lead, leads), w.create, w.state.in_(("leased", "unknown")))
    rows = rows.where(not_(among(w.object, {*COMPANIONS, NOTICE}))).order_by(w.system, w.object).distinct()
    return [(row.system, row.object) for row in connection.execute(rows)]


def give_back(connection: Connection, system: str, worker: str) -> int:
    """Writes a dead worker had on their way: nobody knows whether they arrived, so they are looked up first."""
    w = t.writes.c
    result = connection.execute(
        update(t.writes)
        .where(w.system == system, w.state == "leased", w.lease == worker)
        .values(state="unknown", lease="")
    )
    return int(result.rowcount)


def being_sent(connection: Connection, system: str, worker: str) -> list[Any]:
    """The writes that ``worker`` was sending when it was last heard of."""
    w = t.writes.c
    mine = select(t.writes).where(w.system == system, w.state == "leased", w.lease == worker, w.code == SENDING)
    return list(connection.execute(mine).all())


def sending(connection: Connection, worker: str, ids: Sequence[str]) -> None:
    """``worker`` lives, and is about to send these. Raises ``StaleCommit`` when others have taken them over."""
    w = t.writes.c
    mine = and_(w.state == "leased", w.lease == worker)
    connection.execute(update(t.writes).where(mine).values(beat=w.beat + 1))
    held = connection.execute(update(t.writes).where(mine, among(w.id, ids)).values(code=SENDING))
    if held.rowcount != len(ids):
        raise StaleCommit("another worker took over these writes")


def leases(connection: Connection, system: str) -> dict[str, int]:
    """Who holds leases on writes of ``system``, with the sum of the beats: it moves as long as the holder lives."""
    w = t.writes.c
    rows = connection.execute(
        select(w.lease, func.sum(w.beat)).where(w.system == system, w.state == "leased").group_by(w.lease)
    )
    return {row[0]: int(row[1]) for row in rows}


Whose = tuple[str, ...]
"""(lead, system, object) of a record; what stands beside one has its key as well: a lead may have several"""


def whose(lead: str, system: str, object_: str, key: str) -> Whose:
    return (lead, system, object_, key) if object_ in COMPANIONS or object_ == NOTICE else (lead, system, object_)


@dataclass(frozen=True, slots=True)
class Links:
    """The primary living records of some leads, and of their people: (lead, system) → object → record id."""

    records: Mapping[Whose, Record]
    people: Mapping[tuple[str, str], Mapping[str, str]]


def links(connection: Connection, rows: Sequence[Any]) -> Links:
    """What the systems have of each write's lead."""
    ids = {row.lead for row in rows if row.lead}
    theirs: dict[Whose, list[Record]] = {}
    people: dict[tuple[str, str], dict[str, str]] = {}
    c = t.records.c
    of_system = among(c.system, {row.system for row in rows})
    for row in connection.execute(select(*RECORD).where(among(c.entity, ids), of_system)):
        record = record_of(row)
        theirs.setdefault(whose(record.entity, record.system, record.object, record.record), []).append(record)
    mains = {of: main for of, records in theirs.items() if (main := primary(records)) is not None}
    for (lead, system, object_, *_), record in mains.items():
        if record.kind == "person":
            people.setdefault((lead, system), {})[object_] = record.record
    return Links(mains, people)


@dataclass(frozen=True, slots=True)
class Settled:
    """One write with its receipt and what was decided."""

    row: Any
    write: Write
    receipt: Receipt
    verdict: Verdict


People = tuple[str, ...]
"""A lead to plan again; two of them when a record showed that they are one person"""


def settle(
    connection: Connection, worker: str, now: int, settled: Sequence[Settled], began: int | None = None
) -> tuple[list[People], list[dict[str, Any]]]:
    """Book verdicts and teach the snapshots. Returns who is to be planned again (linked, moved, one person), and what
    will never be done: system, write, code, message.

    :param began: when the call did, if there was one: what somebody did over there since came after it.

    Raises ``StaleCommit`` when another worker took over a lease meanwhile: its receipts are the ones that count. So it
    does when news was faster to make a record that a receipt tells of: read anew, it is that one.

    Batches may commit meanwhile. The leads are kept from them first, as a batch keeps its own, so who comes second
    sees what the first did to their records.
    """
    if not settled:
        return [], []
    w = t.writes.c
    statement = (
        update(t.writes)
        .where(w.id == bindparam("b_id"), w.state == "leased", w.lease == worker)
        .values(
            state=bindparam("v_state"),
            lease="",
            due_at=bindparam("v_due"),
            attempts=w.attempts + bindparam("v_try"),
            code=bindparam("v_code"),
            message=bindparam("v_message"),
            finished_at=bindparam("v_finished"),
            before=bindparam("v_before"),
        )
    )
    owners = _owners(connection, settled)
    settled = [_given_up(one) if one.row.lead and one.row.id not in owners else one for one in settled]
    settled = _refused_apart(connection, settled, owners)
    superseded = _overtaken(connection, settled, owners)
    before: dict[str, Any] = {}
    records, stored, events, again = _learn(connection, settled, owners, now, now if began is None else began, before)
    parameters = [{**_booking(i, now, i.row.id in superseded), "v_before": before.get(i.row.id, {})} for i in settled]
    forget.bury(
        connection, {r for item in settled if item.row.lead and item.row.id not in owners for r in _refs(item)}, now
    )
    if connection.execute(statement, parameters).rowcount != len(parameters):
        raise StaleCommit("another worker took over these writes")
    put = Put(connection)
    put.insert(t.events, events, ignore=True)
    made = [record_row(record) for ref, record in records.items() if ref not in stored]
    if len(put.insert_new(t.records, made)) != len(made):
        raise StaleCommit("news of a record was faster than its receipt")
    put.upsert(t.records, [record_row(record) for ref, record in records.items() if ref in stored])
    leads = {lead for lead in owners.values() if lead} | {lead for people in again for lead in people}
    # Whoever loaded these leads before must load them again: their snapshots have moved.
    connection.execute(update(t.leads).where(among(t.leads.c.id, leads)).values(version=t.leads.c.version + 1))
    last_words = [item for item in settled if item.row.id not in superseded]
    letters = _dead_letters(last_words, now)
    work.found(connection, letters)
    tallies: dict[tuple[str, str], int] = {}
    for item, parameter in zip(settled, parameters, strict=True):
        if parameter["v_finished"] is not None:
            key = (item.row.system, parameter["v_state"] if parameter["v_state"] != "dead" else "write dead")
            tallies[key] = tallies.get(key, 0) + 1
    put.count(  # last: everybody counts in these rows
        t.tallies,
        [{"system": system, "what": what, "reason": "", "count": n} for (system, what), n in sorted(tallies.items())],
    )
    told = ("write", "code", "message")
    return again, [{"system": one["system"], **{name: one["detail"][name] for name in told}} for one in letters]


def pause(connection: Connection, system: str, reason: str, now: int) -> None:
    """Stop sending to a system until somebody resumes it. The reason names the secret's reference, never its value."""
    Put(connection).upsert(t.systems, [{"name": system, "paused": reason, "paused_at": now}])


def _owners(connection: Connection, settled: Sequence[Settled]) -> dict[str, str]:
    """Write → the lead it is about by now: another if it was merged meanwhile, none if it was erased. Nobody else
    changes these leads, or what is theirs, before we are through."""
    w, ours = t.writes.c, t.leads.c
    rows = select(w.id, w.lead, ours.erased_at).join(t.leads, ours.id == w.lead)
    rows = rows.where(among(w.id, [item.row.id for item in settled]))
    kept: set[str] = set()
    while True:
        found = connection.execute(rows).all()
        leads = {row.lead for row in found}
        if leads <= kept:
            return {row.id: row.lead for row in found if row.erased_at is None}
        # In their order, for two who wait for each other's would wait for ever. Who was in front may have merged them.
        connection.execute(select(ours.id).where(among(ours.id, leads)).order_by(ours.id).with_for_update()).all()
        kept |= leads


def _given_up(item: Settled) -> Settled:
    """The lead is forgotten: nothing goes again. Of a person who may have been made the record is to be known."""
    made = item.row.create and item.row.object not in COMPANIONS and item.row.object != NOTICE
    unsure = item.verdict.state == "unknown" and made
    if unsure or item.verdict.state == "confirmed":
        return item
    return replace(item, verdict=Verdict("superseded", code=forget.FORGOTTEN))


def _refused_apart(connection: Connection, settled: Sequence[Settled], owners: Mapping[str, str]) -> Sequence[Settled]:
    """Of who was to be made and is there as somebody else's record: a person who said that the two are not one has to
    say whose it is. Else they would be made, and found, for ever."""
    made = [item for item in settled if item.row.create and item.row.object not in COMPANIONS]
    pairs = (
        regrouping.apart(connection, {owners[item.row.id] for item in made if item.row.id in owners}) if made else ()
    )
    if not pairs:
        return settled
    r, refs = t.records.c, {item.row.id: _refs(item) for item in made}
    ids = among(r.record, {ref[2] for found in refs.values() for ref in found})
    rows = connection.execute(select(r.system, r.object, r.record, r.entity).where(ids))
    whose_ = {(row.system, row.object, row.record): row.entity for row in rows}

    def judged(item: Settled) -> Settled:
        of = {whose_.get(ref, "") for ref in refs.get(item.row.id, ())}
        if not any(frozenset((owners.get(item.row.id, ""), other)) in pairs for other in of):
            return item
        receipt = Receipt(key=item.row.key, result="rejected", code=ANOTHERS, message=_ANOTHERS)
        return replace(item, receipt=receipt, verdict=Verdict("dead", code=ANOTHERS, message=_ANOTHERS))

    return [judged(item) for item in settled]


def _overtaken(connection: Connection, settled: Sequence[Settled], owners: Mapping[str, str]) -> set[str]:
    """Writes that failed, and for which a newer one waits already: the newer one says everything.

    A create that may have arrived is none of them: it is looked up first.
    """
    w = t.writes.c
    again = {
        whose(owners[item.row.id], item.row.system, item.row.object, item.row.key): item.row.id
        for item in settled
        if item.row.id in owners
        and (item.verdict.state in ("waiting", "dead") or (item.verdict.state == "unknown" and not item.write.create))
    }
    if not again:
        return set()
    theirs = among(w.lead, {of[0] for of in again})
    rows = connection.execute(select(w.lead, w.system, w.object, w.key).where(w.state == "waiting", theirs)).all()
    return {again[of] for row in rows if (of := whose(*row)) in again}


def _booking(item: Settled, now: int, overtaken: bool) -> dict[str, Any]:
    verdict = item.verdict
    state = "superseded" if overtaken else verdict.state
    return {
        "b_id": item.row.id,
        "v_state": state,
        "v_due": now + int(verdict.wait * 1_000_000),
        "v_try": int(verdict.spends_try and verdict.state in ("waiting", "unknown")),
        "v_code": verdict.code,
        "v_message": verdict.message[:1000],
        "v_finished": None if state in ("waiting", "unknown") else now,
    }


def _learn(
    connection: Connection,
    settled: Sequence[Settled],
    owners: Mapping[str, str],
    now: int,
    began: int,
    before_of: dict[str, Any],
) -> tuple[dict[Ref, Record], set[Ref], list[dict[str, Any]], list[People]]:
    """What each receipt says of its record: the snapshot, a new link, a moved or deleted one. Also which of the
    records were stored already.

    News of a record that we just made can be faster than its receipt, and bring no key that leads to us: then the
    record has a lead of its own already, the same person.

    :param before_of: is told of each write what its fields held before: [raw value, stamp], None = nobody knows.
    """
    wanted = {ref for item in settled for ref in _refs(item)}
    records: dict[Ref, Record] = {}
    c = t.records.c
    for system, object_ in {ref[:2] for ref in wanted}:
        ids = [ref[2] for ref in wanted if ref[:2] == (system, object_)]
        for row in connection.execute(
            # Some may be another lead's, whom nobody keeps from changing them.
            select(*RECORD).where(c.system == system, c.object == object_, among(c.record, ids)).with_for_update()
        ):
            record = record_of(row)
            records[record.ref] = record
    stored = set(records)
    events: list[dict[str, Any]] = []
    again: list[People] = []

    def hear(ref: Ref, event_of: Callable[[datetime], Event]) -> None:
        """An answer is an event of its record, so that it is still known when older news comes. It is of the second in
        which we asked: somebody's edit before we heard the answer is newer, and many systems date by whole seconds."""
        record = records[ref]
        at = max(began - began % SECOND - 1, record.last[0] + 1)
        event = event_of(from_micros(at))
        fold(record, [(at, event)], None)
        events.append(event_row(event, at, event.key.removeprefix("write:"), now, record.mapping))

    for item in settled:
        row, receipt = item.row, item.receipt
        lead = owners.get(row.id, "")
        if receipt.code == KNOWN or not lead:  # nothing was said, or nobody is left whom it could be about
            continue
        if row.object == NOTICE:  # people were told, and no record of anybody
            continue
        beside = row.object in COMPANIONS  # known under our key, wherever the system keeps it
        before = (row.system, row.object, row.key if beside else row.record or "")
        here = before if beside else (row.system, receipt.object or row.object, receipt.record or row.record or "")
        if receipt.result == "done":
            apart = here in records and not records[here].enrolled
            owner = _link(records, here, lead, now)
            if owner != lead and beside:  # a split left it there: our key says whose it is
                records[here].entity = lead
                again.append((owner,))
            elif owner != lead:
                again.append((lead, owner))
            elif apart:  # it was first heard of as history, and what is to stand beside it was withdrawn
                again.append((lead,))
            record, fields = records[here], item.write.fields
            held = record.snapshot
            before_of[row.id] = {name: held[name][:2] if name in held else None for name in fields}
            for name in fields.keys() & record.holds.keys():  # something newer than what was taken back
                if record.holds[name][1] != fields[name]:
                    del record.holds[name]
            hear(here, partial(_written, item, here))
        elif receipt.result in ("gone", "moved") and before in records:
            moved = f"moved to {receipt.object} {receipt.record}" if receipt.result == "moved" else ""
            hear(before, partial(_gone, item, before, moved or receipt.message or "deleted over there"))
        if beside:
            if receipt.result == "done" and row.object == LIST and row.create:
                again.append((lead,))  # until now nobody knew that there is a place to leave
            continue
        if receipt.result == "moved" or (receipt.result == "duplicate" and len(receipt.candidates) == 1):
            there = here if receipt.result == "moved" else (*before[:2], receipt.candidates[0])
            owner = _link(records, there, lead, now)
            again.append((lead,) if owner == lead else (lead, owner))
    return records, stored, events, again


def _refs(item: Settled) -> list[Ref]:
    row, receipt = item.row, item.receipt
    if row.object in COMPANIONS:
        return [(row.system, row.object, row.key)]
    refs = [(row.system, row.object, row.record)] if row.record else []
    if receipt.record:
        refs.append((row.system, receipt.object or row.object, receipt.record))
    if receipt.result == "duplicate" and len(receipt.candidates) == 1:
        refs.append((row.system, row.object, receipt.candidates[0]))
    return refs


def _link(records: dict[Ref, Record], ref: Ref, lead: str, now: int) -> str:
    """The record is the lead's, unless it is somebody's already. Returns whose."""
    record = records.setdefault(ref, Record(*ref, _kind(ref), lead, first_at=now))
    record.entity = record.entity or lead
    record.enrolled = True
    return record.entity


def _written(item: Settled, ref: Ref, at: datetime) -> RecordWritten:
    """What the system answered, else what we sent; each value keeps the stamp of its origin."""
    sent, held, stamps = item.write.fields, item.receipt.held, item.row.stamps
    if ref[1] in COMPANIONS:  # of fields that are ours, whatever a system makes of them
        held = {"id": item.receipt.record, "of": next(iter(item.write.refs.values()), "")}
    values: dict[str, list[Any]] = {
        name: [raw, stamps.get(name, to_micros(at))] for name, raw in {**sent, **held}.items()
    }
    assumed = sorted(sent.keys() - held.keys()) if ref[1] not in COMPANIONS else []
    differing = {name: raw for name, raw in sent.items() if held.get(name, raw) != raw}
    found = item.row.state == "unknown" and item.row.create
    return RecordWritten(**_of(item, ref, at), values=values, assumed=assumed, sent=differing, found=found)


def _gone(item: Settled, ref: Ref, reason: str, at: datetime) -> RecordGone:
    return RecordGone(**_of(item, ref, at), reason=reason)


def _of(item: Settled, ref: Ref, at: datetime) -> dict[str, Any]:
    key = f"write:{item.row.id}"
    return {"system": ref[0], "object": ref[1], "kind": _kind(ref), "record": ref[2], "at": at, "key": key}


def _kind(ref: Ref) -> Kind:
    return COMPANIONS.get(ref[1], "person")


def _dead_letters(settled: Sequence[Settled], now: int) -> list[dict[str, Any]]:
    return [
        {
            "id": new_id(),
            "key": f"dead:{item.row.id}",
            "kind": "dead letter" if item.verdict.code != "duplicate" else "ambiguous match",
            "system": item.row.system,
            "object": item.row.object,
            "record": item.row.record or "",
            "lead": item.row.lead,
            "detail": {
                "write": item.row.id,
                "code": item.verdict.code,
                "message": item.verdict.message,
                "candidates": list(item.receipt.candidates),
                "fields": list(item.receipt.fields),
            },
            "opened_at": now,
        }
        for item in settled
        if item.verdict.state == "dead"
    ]


def counts(connection: Connection) -> Mapping[str, Mapping[str, int]]:
    """system → state → how many writes."""
    w = t.writes.c
    found: dict[str, dict[str, int]] = {}
    for system, state, count in connection.execute(select(w.system, w.state, func.count()).group_by(w.system, w.state)):
        found.setdefault(system, {})[state] = count
    return found


def retry(
    connection: Connection,
    now: int,
    ids: Collection[str] | None,
    system: str | None,
    anyway: bool = False,
    apart: int = 0,
) -> int:
    """Dead letters back into the queue; those that a newer write has overtaken stay dead. Returns how many.

    :param anyway: a person knows who is there already, and wants a record made all the same.
    :param apart: microseconds between two of them, the oldest first: a system that has just come back is not run over.
    """
    w = t.writes.c
    newer = t.writes.alias()
    same = and_(newer.c.system == w.system, newer.c.key == w.key, newer.c.id > w.id, newer.c.state != "superseded")
    dead = select(w.id, w.system).where(w.state == "dead", ~select(newer.c.id).where(same).exists())
    dead = dead.where(among(w.id, ids)) if ids is not None else dead
    dead = dead.where(w.system == system) if system is not None else dead
    rows = connection.execute(dead.order_by(w.id).with_for_update(of=t.writes)).all()  # a batch may be overtaking them
    if rows:
        again = {"state": "waiting", "attempts": 0, "finished_at": None, **({"anyway": True} if anyway else {})}
        connection.execute(
            update(t.writes).where(w.id == bindparam("one")).values(again | {"due_at": bindparam("at")}),
            [{"one": row.id, "at": now + place * apart} for place, row in enumerate(rows)],
        )
        bells.ring(connection, *{bells.deliver(row.system) for row in rows})
        per_system: dict[str, int] = {}
        for row in rows:
            per_system[row.system] = per_system.get(row.system, 0) + 1
        Put(connection).count(
            t.tallies,
            [{"system": s, "what": "write dead", "reason": "", "count": -n} for s, n in sorted(per_system.items())],
        )
    return len(rows)
