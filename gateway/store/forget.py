"""Forget people: what names them goes, the skeleton that the numbers need stays.

Kept: lead id, stages, decisions, amounts, counts. Gone: values, what was observed, texts, event bodies, identity keys,
what was written out. A keyed hash of each record stays behind, so that the next pull brings nobody back.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import Connection, and_, delete, not_, or_, select, update

from gateway.contracts import COMPANIONS, NOTICE
from gateway.leads.record import Ref
from gateway.store import tables as t
from gateway.store.among import among
from gateway.store.put import Put

FORGOTTEN = "forgotten"
"""Code of a write that nobody is left for."""
_KEY = "tombstone key"


def forget(connection: Connection, leads: Collection[str], now: int, refs: Collection[Ref] = ()) -> list[str]:
    """Erase what names these leads. Returns the documents that named them, whose bodies the inbox must blank.

    :param refs: records to forget beside those of the leads: of somebody who never became a lead.
    """
    c = t.records.c
    theirs = connection.execute(select(c.system, c.object, c.record).where(among(c.entity, leads))).all()
    records: set[Ref] = {*refs, *((row.system, row.object, row.record) for row in theirs)}
    bury(connection, records, now)
    documents: set[str] = set()
    for system, object_, record in sorted(records):
        mine = and_(t.events.c.system == system, t.events.c.object == object_, t.events.c.record == record)
        nobodys = and_(c.system == system, c.object == object_, c.record == record, c.entity == "")
        connection.execute(update(t.records).where(nobodys).values(snapshot={}, assumed=[], told={}, gone="forgotten"))
        documents |= set(connection.scalars(select(t.events.c.document).where(mine)))
        connection.execute(update(t.events).where(mine).values(body={"v": 1, "values": {}}, reason="forgotten"))
    connection.execute(delete(t.identities).where(among(t.identities.c.lead, leads)))
    connection.execute(
        update(t.records)
        .where(among(t.records.c.entity, leads))
        .values(snapshot={}, assumed=[], told={}, holds={}, gone="forgotten")
    )
    connection.execute(
        update(t.activities).where(among(t.activities.c.lead, leads)).values(asset="", channel="", campaign="")
    )
    connection.execute(update(t.outcomes).where(among(t.outcomes.c.lead, leads)).values(reason="", by=""))
    connection.execute(update(t.marks).where(among(t.marks.c.lead, leads)).values(reason="", by=""))
    waiting = and_(among(t.handoffs.c.lead, leads), t.handoffs.c.state == "held")
    connection.execute(update(t.handoffs).where(waiting).values(state="withdrawn", bucket_reason="forgotten"))
    named: dict[str, Any] = {"contributions": [], "package": {}, "closed_by": "", "owner_why": ""}
    named |= {"cause_reason": "", "cause_by": ""}
    connection.execute(update(t.handoffs).where(among(t.handoffs.c.lead, leads)).values(named))
    handoffs = select(t.handoffs.c.id).where(among(t.handoffs.c.lead, leads))
    connection.execute(update(t.endings).where(t.endings.c.handoff.in_(handoffs)).values(by=""))
    connection.execute(update(t.clock_events).where(among(t.clock_events.c.lead, leads)).values(reason="", by=""))
    connection.execute(update(t.scores).where(among(t.scores.c.lead, leads)).values(changes_at=None))
    w = t.writes.c
    # A person who may have been made over there is looked for first: news of that record is not to be taken in.
    unsure = and_(w.create, w.object.not_in([*COMPANIONS, NOTICE]))
    left = or_(w.state.in_(("waiting", "dead")), and_(w.state == "unknown", not_(unsure)))
    rows = connection.execute(select(w.id, w.system, w.state).where(among(w.lead, leads), left)).all()
    tallies = Counter((row.system, "superseded") for row in rows)
    tallies.subtract((row.system, "write dead") for row in rows if row.state == "dead")
    Put(connection).count(
        t.tallies, [{"system": s, "what": what, "reason": "", "count": n} for (s, what), n in sorted(tallies.items())]
    )
    done = {"state": "superseded", "code": FORGOTTEN, "finished_at": now}
    connection.execute(update(t.writes).where(among(w.id, [row.id for row in rows])).values(done))
    connection.execute(update(t.writes).where(among(w.lead, leads)).values(fields={}, stamps={}, before={}, message=""))
    connection.execute(update(t.work_items).where(among(t.work_items.c.lead, leads)).values(detail={}, resolved_at=now))
    connection.execute(
        update(t.leads)
        .where(among(t.leads.c.id, leads))
        .values(attributes={}, company=None, erased_at=now, wakes_at=None, version=t.leads.c.version + 1)
    )
    return sorted(documents)


def bury(connection: Connection, refs: Iterable[Ref], now: int) -> None:
    """News of these records is not taken in any more."""
    hashes = _hashes(connection, [_ref_text(ref) for ref in refs])
    Put(connection).insert(t.tombstones, [{"hash": digest, "at": now} for digest in hashes.values()], ignore=True)


def forgotten(connection: Connection, refs: Iterable[Ref]) -> set[Ref]:
    """Which of these records belong to people who were forgotten."""
    if connection.scalar(select(t.tombstones.c.hash).limit(1)) is None:
        return set()
    texts = {_ref_text(ref): ref for ref in refs}
    hashes = _hashes(connection, texts)
    wanted = select(t.tombstones.c.hash).where(among(t.tombstones.c.hash, list(hashes.values())))
    found = set(connection.scalars(wanted))
    return {texts[text] for text, digest in hashes.items() if digest in found}


def _ref_text(ref: Ref) -> str:
    return "record:" + ":".join(ref)


def _hashes(connection: Connection, texts: Iterable[str]) -> dict[str, str]:
    """Each text's keyed hash; the key is made at the first forgetting and never leaves this database."""
    s = t.settings.c
    key = connection.scalar(select(s.value).where(s.name == _KEY))
    if key is None:
        key = secrets.token_hex(32)
        Put(connection).insert(t.settings, [{"name": _KEY, "value": key}], ignore=True)
    return {text: hmac.new(bytes.fromhex(key), text.encode(), hashlib.sha256).hexdigest() for text in texts}
