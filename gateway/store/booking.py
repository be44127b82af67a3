"""Receipts are booked on the writes they answer. A stale worker's booking is refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from gateway.contracts import COMPANIONS, NOTICE, Receipt
from gateway.errors import StaleCommit
from gateway.store import forget, regrouping, work
from gateway.store import tables as t
from gateway.store.among import among
from gateway.store.outbox import whose
from gateway.store.put import Put
from gateway.store.receipts import People, Settled, learn, refs_of
from gateway.store.rows import record_row
from gateway.store.times import new_id
from gateway.sync.receipts import Verdict

ANOTHERS = "another lead's record"
"""Code of a write that would have made who is there already, as somebody who was said to be another."""
_ANOTHERS = (
    "the system takes them for a lead that was said to be somebody else: change the key they share there, or merge"
)


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
    owners = _owners(connection, settled)
    settled = [_given_up(one) if one.row.lead and one.row.id not in owners else one for one in settled]
    settled = _refused_apart(connection, settled, owners)
    superseded = _overtaken(connection, settled, owners)
    learned = learn(connection, settled, owners, now, now if began is None else began)
    records, stored, again = learned.records, learned.stored, learned.again
    parameters = [
        {**_booking(i, now, i.row.id in superseded), "v_before": learned.before.get(i.row.id, {})} for i in settled
    ]
    forget.bury(
        connection, {r for item in settled if item.row.lead and item.row.id not in owners for r in refs_of(item)}, now
    )
    _book(connection, worker, parameters)
    put = Put(connection)
    put.insert(t.events, learned.events, ignore=True)
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
    put.count(t.tallies, _tallied(settled, parameters))  # last: everybody counts in these rows
    told = ("write", "code", "message")
    return again, [{"system": one["system"], **{name: one["detail"][name] for name in told}} for one in letters]


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
    r, refs = t.records.c, {item.row.id: refs_of(item) for item in made}
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


def _book(connection: Connection, worker: str, parameters: Sequence[Mapping[str, Any]]) -> None:
    w = t.writes.c
    mine = update(t.writes).where(w.id == bindparam("b_id"), w.state == "leased", w.lease == worker)
    statement = mine.values(
        state=bindparam("v_state"),
        lease="",
        due_at=bindparam("v_due"),
        attempts=w.attempts + bindparam("v_try"),
        code=bindparam("v_code"),
        message=bindparam("v_message"),
        finished_at=bindparam("v_finished"),
        before=bindparam("v_before"),
    )
    if connection.execute(statement, parameters).rowcount != len(parameters):
        raise StaleCommit("another worker took over these writes")


def _tallied(settled: Sequence[Settled], parameters: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """How many writes of each system came to their end, and which."""
    ends: Counter[tuple[str, str]] = Counter()
    for item, parameter in zip(settled, parameters, strict=True):
        if parameter["v_finished"] is not None:
            state = parameter["v_state"]
            ends[item.row.system, state if state != "dead" else "write dead"] += 1
    return [{"system": system, "what": what, "reason": "", "count": n} for (system, what), n in sorted(ends.items())]


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
