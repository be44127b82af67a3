"""Writes on their way out: claimed under a lease, booked with their receipts. A stale worker's booking is refused."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, update

from gateway.contracts import Receipt, Write
from gateway.errors import StaleCommit
from gateway.leads.record import Record, RecordWritten, Ref, fold
from gateway.store import tables as t
from gateway.store.among import among
from gateway.store.batch import event_row, record_of, record_row
from gateway.store.put import Put
from gateway.store.times import new_id
from gateway.sync.receipts import Verdict
from gateway.times import from_micros

KNOWN = "known already"
"""Code of a receipt that the gateway gave itself: nothing was left to say."""


def claim(connection: Connection, system: str, worker: str, now: int, limit: int = 1000) -> list[Any]:
    """Lease the writes of one system that are due, most urgent first; one per key is on its way at a time."""
    w = t.writes.c
    flying = select(w.key).where(w.system == system, w.state == "leased")
    due = (
        select(w.id)
        .where(w.system == system, w.state.in_(("waiting", "unknown")), w.due_at <= now, w.key.not_in(flying))
        .order_by(w.priority, w.due_at, w.id)
        .limit(limit)
    )
    ids = list(connection.scalars(due))
    if not ids:
        return []
    rows = connection.execute(select(t.writes).where(among(w.id, ids)).order_by(w.priority, w.due_at, w.id)).all()
    connection.execute(update(t.writes).where(among(w.id, ids)).values(state="leased", lease=worker, beat=w.beat + 1))
    return list(rows)


def waiting(connection: Connection, keys: Collection[str]) -> dict[tuple[str, str], dict[str, Any]]:
    """(system, key) → fields of the writes that wait under these keys."""
    w = t.writes.c
    rows = connection.execute(select(w.system, w.key, w.fields).where(w.state == "waiting", among(w.key, keys)))
    return {(row.system, row.key): row.fields for row in rows}


def give_back(connection: Connection, system: str, worker: str) -> int:
    """Writes a dead worker had on their way: nobody knows whether they arrived, so they are looked up first."""
    w = t.writes.c
    result = connection.execute(
        update(t.writes)
        .where(w.system == system, w.state == "leased", w.lease == worker)
        .values(state="unknown", lease="")
    )
    return int(result.rowcount)


def beat(connection: Connection, worker: str) -> None:
    """Tell the others that ``worker`` is alive."""
    connection.execute(
        update(t.writes)
        .where(t.writes.c.lease == worker, t.writes.c.state == "leased")
        .values(beat=t.writes.c.beat + 1)
    )


def leases(connection: Connection, system: str) -> dict[str, int]:
    """Who holds leases on writes of ``system``, with the sum of the beats: it moves as long as the holder lives."""
    w = t.writes.c
    rows = connection.execute(
        select(w.lease, func.sum(w.beat)).where(w.system == system, w.state == "leased").group_by(w.lease)
    )
    return {row[0]: int(row[1]) for row in rows}


def links(connection: Connection, rows: Sequence[Any]) -> dict[tuple[str, str, str], Record]:
    """(lead, system, object) → the primary living record of each write's lead."""
    ids = {row.lead for row in rows if row.lead}
    found = {}
    for row in connection.execute(select(t.records).where(among(t.records.c.entity, ids))):
        record = record_of(row)
        if record.main and record.gone is None:
            found[record.entity, record.system, record.object] = record
    return found


@dataclass(frozen=True, slots=True)
class Settled:
    """One write with its receipt and what was decided."""

    row: Any
    write: Write
    receipt: Receipt
    verdict: Verdict


def settle(connection: Connection, worker: str, now: int, settled: Sequence[Settled]) -> list[str]:
    """Book verdicts and teach the snapshots. Returns leads to plan again (linked, moved).

    Raises ``StaleCommit`` when another worker took over a lease meanwhile: its receipts are the ones that count.
    """
    if not settled:
        return []
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
        )
    )
    superseded = _overtaken(connection, settled)
    parameters = [_booking(item, now, item.row.id in superseded) for item in settled]
    if connection.execute(statement, parameters).rowcount != len(parameters):
        raise StaleCommit("another worker took over these writes")
    put = Put(connection)
    tallies: dict[tuple[str, str], int] = {}
    for item, parameter in zip(settled, parameters, strict=True):
        if parameter["v_finished"] is not None:
            key = (item.row.system, parameter["v_state"] if parameter["v_state"] != "dead" else "write dead")
            tallies[key] = tallies.get(key, 0) + 1
    put.count(
        t.tallies,
        [{"system": system, "what": what, "reason": "", "count": n} for (system, what), n in sorted(tallies.items())],
    )
    records, events, again = _learn(connection, settled, now)
    put.insert(t.events, events, ignore=True)
    put.upsert(t.records, [record_row(record) for record in records.values()])
    leads = {item.row.lead for item in settled if item.row.lead}
    # Whoever loaded these leads before must load them again: their snapshots have moved.
    connection.execute(update(t.leads).where(among(t.leads.c.id, leads)).values(version=t.leads.c.version + 1))
    put.count(t.work_items, _dead_letters(settled, now), on=("key",))
    return again


def pause(connection: Connection, system: str, reason: str, now: int) -> None:
    """Stop sending to a system until somebody resumes it. The reason names the secret's reference, never its value."""
    Put(connection).upsert(t.systems, [{"name": system, "paused": reason, "paused_at": now}])


def _overtaken(connection: Connection, settled: Sequence[Settled]) -> set[str]:
    """Writes to be tried again for which a newer one waits already: the newer one says everything."""
    w = t.writes.c
    again = {
        (item.row.system, item.row.key): item.row.id for item in settled if item.verdict.state in ("waiting", "unknown")
    }
    if not again:
        return set()
    rows = connection.execute(
        select(w.system, w.key).where(w.state == "waiting", among(w.key, [key for _, key in again]))
    )
    return {again[row.system, row.key] for row in rows if (row.system, row.key) in again}


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
    connection: Connection, settled: Sequence[Settled], now: int
) -> tuple[dict[Ref, Record], list[dict[str, Any]], list[str]]:
    """What each receipt says of its record: the snapshot, a new link, a moved or deleted one."""
    wanted = {ref for item in settled for ref in _refs(item)}
    records: dict[Ref, Record] = {}
    c = t.records.c
    for system, object_ in {ref[:2] for ref in wanted}:
        ids = [ref[2] for ref in wanted if ref[:2] == (system, object_)]
        for row in connection.execute(
            select(t.records).where(c.system == system, c.object == object_, among(c.record, ids))
        ):
            record = record_of(row)
            records[record.ref] = record
    events: list[dict[str, Any]] = []
    again: list[str] = []
    for item in settled:
        row, receipt = item.row, item.receipt
        if receipt.code == KNOWN:  # nothing was said, so nothing was learnt
            continue
        here = (row.system, receipt.object or row.object, receipt.record or row.record or "")
        if receipt.result == "done" and row.lead:
            record = _linked(records, here, row.lead, now)
            event = _written(item, record.ref, now)
            fold(record, [(now, event)], None)
            events.append(event_row(event, now, row.id, now, record.mapping))
        elif receipt.result == "gone" and row.record and (row.system, row.object, row.record) in records:
            records[row.system, row.object, row.record].gone = receipt.message or "deleted over there"
        elif receipt.result == "moved" and row.lead:
            if row.record and (row.system, row.object, row.record) in records:
                records[row.system, row.object, row.record].gone = f"moved to {receipt.object} {receipt.record}"
            _linked(records, here, row.lead, now)
            again.append(row.lead)
        elif receipt.result == "duplicate" and len(receipt.candidates) == 1 and row.lead:
            _linked(records, (row.system, row.object, receipt.candidates[0]), row.lead, now)
            again.append(row.lead)
    return records, events, again


def _refs(item: Settled) -> list[Ref]:
    row, receipt = item.row, item.receipt
    refs = [(row.system, row.object, row.record)] if row.record else []
    if receipt.record:
        refs.append((row.system, receipt.object or row.object, receipt.record))
    if receipt.result == "duplicate" and len(receipt.candidates) == 1:
        refs.append((row.system, row.object, receipt.candidates[0]))
    return refs


def _linked(records: dict[Ref, Record], ref: Ref, lead: str, now: int) -> Record:
    record = records.get(ref)
    if record is None:
        record = records[ref] = Record(*ref, "person", lead, first_at=now)
    record.enrolled = True
    return record


def _written(item: Settled, ref: Ref, now: int) -> RecordWritten:
    """What the system answered, else what we sent; each value keeps the stamp of its origin."""
    sent, stamps = item.write.fields, item.row.stamps
    held = item.receipt.held or sent
    values: dict[str, list[Any]] = {name: [raw, stamps.get(name, now)] for name, raw in held.items()}
    return RecordWritten(
        system=ref[0],
        object=ref[1],
        kind="person",
        record=ref[2],
        at=from_micros(now),
        key=f"write:{item.row.id}",
        values=values,
        assumed=not item.receipt.held,
    )


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


def retry(connection: Connection, now: int, ids: Collection[str] | None, system: str | None) -> int:
    """Dead letters back into the queue; those for which a newer write waits stay dead. Returns how many."""
    w = t.writes.c
    newer = t.writes.alias()
    waits = select(newer.c.id).where(newer.c.system == w.system, newer.c.key == w.key, newer.c.state == "waiting")
    dead = select(w.id, w.system).where(w.state == "dead", ~waits.exists())
    dead = dead.where(among(w.id, ids)) if ids is not None else dead
    dead = dead.where(w.system == system) if system is not None else dead
    rows = connection.execute(dead).all()
    if rows:
        connection.execute(
            update(t.writes)
            .where(among(w.id, [row.id for row in rows]))
            .values(state="waiting", attempts=0, due_at=now, finished_at=None)
        )
        per_system: dict[str, int] = {}
        for row in rows:
            per_system[row.system] = per_system.get(row.system, 0) + 1
        Put(connection).count(
            t.tallies,
            [{"system": s, "what": "write dead", "reason": "", "count": -n} for s, n in sorted(per_system.items())],
        )
    return len(rows)
