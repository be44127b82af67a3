"""Forget people: what names them goes, the skeleton that the numbers need stays.

Kept: lead id, stages, decisions, amounts, counts. Gone: values, what was observed, texts, event bodies, identity keys,
what was written out, ids of records that are an address or a key of theirs. A keyed hash of each record stays behind,
so that the next pull brings nobody back.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, Table, and_, case, delete, func, not_, or_, select, update

from gateway.contracts import COMPANIONS, NOTICE
from gateway.errors import Refused
from gateway.leads.record import Ref
from gateway.store import person, rollups
from gateway.store import tables as t
from gateway.store.among import among, outside
from gateway.store.put import Put

FORGOTTEN = "forgotten"
"""Why a row is empty: the code of its write, the reason of its event, document and handoff."""
_KEY = "tombstone key"
_VALUES: Mapping[Table, Mapping[str, Any]] = {
    t.records: {"snapshot": {}, "assumed": [], "told": {}, "holds": {}, "gone": FORGOTTEN},
    t.events: {"body": {"v": 1, "values": {}}, "reason": FORGOTTEN},
    t.activities: {"asset": "", "channel": "", "campaign": ""},
    t.outcomes: {"reason": "", "by": ""},
    t.marks: {"reason": "", "by": ""},
    t.handoffs: {
        "contributions": [],
        "package": {},
        "closed_by": "",
        "owner_why": "",
        "cause_reason": "",
        "cause_by": "",
    },
    t.endings: {"by": ""},
    t.clock_events: {"reason": "", "by": ""},
    t.scores: {"changes_at": None},
    t.writes: {"fields": {}, "refs": {}, "stamps": {}, "before": {}, "message": ""},
    t.regroupings: {"why": "", "by": "", "detail": {}},
    t.resolutions: {"resolution": "", "by": ""},
}
"""What a table holds of a person → what stands there afterwards."""
_NAMES: Mapping[Table, tuple[str, ...]] = {
    t.records: ("record", "last_key"),
    t.events: ("record", "key"),
    t.associations: ("record", "to_record", "event"),
    t.activities: ("record", "id"),
    t.outcomes: ("record", "id"),
    t.reached: ("ref",),
    t.transitions: ("ref",),
    t.writes: ("record", "key"),
    t.work_items: ("record", "key"),
}
"""Columns in which the id of a record stands, by itself or as a part of a longer key."""


def forget(connection: Connection, erased: Mapping[Ref, str], now: int) -> None:
    """Erase what names the people of these records, and have the inbox empty the documents that named them.

    :param erased: record → who passed on the wish. A record may be of somebody who never became a lead.
    """
    c = t.records.c
    whose = {ref: connection.scalar(select(c.entity).where(_is(t.records, ref), c.kind == "person")) for ref in erased}
    asked = {lead: erased[ref] for ref, lead in whose.items() if lead}
    for lead, by in asked.items():
        leads = person.aliases(connection, lead)
        _forget(connection, leads, person.refs_of(connection, leads), by, now)
    if strangers := [ref for ref, lead in whose.items() if not lead]:
        _forget(connection, [], strangers, "", now)


def _forget(connection: Connection, leads: Collection[str], refs: Collection[Ref], by: str, now: int) -> None:
    bury(connection, refs, now)
    names = _names(connection, leads, refs)
    deals = _deals_of_nobody_else(connection, leads)
    all_refs = [*refs, *_refs_of_deals(connection, deals)]
    whose = {table: person.WHOSE[table](table, leads, all_refs) for table in {*_VALUES, *_NAMES, *_GONE}}
    whose[t.records] = or_(whose[t.records], *(_is(t.records, ref) for ref in all_refs))
    documents = set[str]()
    for table in (t.events, t.repeats):
        documents |= set(connection.scalars(select(table.c.document).where(whose[table])))
    Put(connection).insert(t.unblanked, [{"document": id_} for id_ in sorted(documents)], ignore=True)
    _end(connection, leads, now)
    for table, values in _VALUES.items():
        connection.execute(update(table).where(whose[table]).values(values))
    for table in _GONE:
        connection.execute(delete(table).where(whose[table]))
    connection.execute(
        update(t.work_items).where(whose[t.work_items]).values(detail={}, resolution="", resolved_at=now)
    )
    _hide_own_reasons(connection, leads)
    connection.execute(update(t.deals).where(among(t.deals.c.id, deals)).values(attributes={}))
    rollups.mark_of(connection, leads)
    connection.execute(delete(t.once))  # answers of the last day, whoever they told of: asked again, they are made anew
    c = t.leads.c
    gone: dict[str, Any] = {"attributes": {}, "sought": "", "company": None, "wakes_at": None, "returned": None}
    gone |= {"erased_at": func.coalesce(c.erased_at, now), "version": c.version + 1}
    gone |= {"erased_by": case((c.erased_by == "", by), else_=c.erased_by)}  # whoever asked first
    connection.execute(update(t.leads).where(among(c.id, leads)).values(gone))
    for ref, hidden in names:
        _hide(connection, leads, ref, hidden)


_GONE = (t.identities, t.lookups, t.former_scores, t.crossed, t.repeats)
"""Tables whose rows of a person go altogether."""


def _end(connection: Connection, leads: Collection[str], now: int) -> None:
    """Nobody works an open handoff of theirs any more, and nothing is sent."""
    h = t.handoffs.c
    left = and_(among(h.lead, leads), h.state.in_(("held", "open")))
    connection.execute(update(t.handoffs).where(left).values(state="withdrawn", bucket_reason=FORGOTTEN, closed_at=now))
    w = t.writes.c
    # A person who may have been made over there is looked for first: news of that record is not to be taken in.
    unsure = and_(w.create, w.object.not_in([*COMPANIONS, NOTICE]))
    waits = or_(w.state.in_(("waiting", "dead")), and_(w.state == "unknown", not_(unsure)))
    theirs = select(w.id, w.system, w.state).where(among(w.lead, leads), waits).with_for_update()
    rows = connection.execute(theirs).all()
    tallies = Counter((row.system, "superseded") for row in rows)
    tallies.subtract((row.system, "write dead") for row in rows if row.state == "dead")
    Put(connection).count(
        t.tallies, [{"system": s, "what": what, "reason": "", "count": n} for (s, what), n in sorted(tallies.items())]
    )
    done = {"state": "superseded", "code": FORGOTTEN, "finished_at": now}
    connection.execute(update(t.writes).where(among(w.id, [row.id for row in rows])).values(done))


def _hide_own_reasons(connection: Connection, leads: Collection[str]) -> None:
    """Why handoffs ended is counted: a reason that others ended with, too. In words of nobody else it is a text."""
    h, e, others = t.handoffs.c, t.endings.c, t.handoffs.alias()
    same = select(others.c.id).where(outside(others.c.lead, leads))
    own = and_(
        among(h.lead, leads),
        h.bucket_reason != "",
        not_(same.where(others.c.bucket_reason == h.bucket_reason).exists()),
    )
    told = and_(person.WHOSE[t.endings](t.endings, leads, ()), e.reason != "")
    own_ending = and_(told, not_(same.where(others.c.bucket_reason == e.reason).exists()))
    connection.execute(update(t.endings).where(own_ending).values(reason=FORGOTTEN))
    connection.execute(update(t.handoffs).where(own).values(bucket_reason=FORGOTTEN))


def _deals_of_nobody_else(connection: Connection, leads: Collection[str]) -> list[str]:
    """Deals that name these leads and nobody who is still known."""
    d, other = t.deal_leads.c, t.deal_leads.alias()
    living = (
        select(other.c.deal)
        .join(t.leads, t.leads.c.id == other.c.lead)
        .where(other.c.deal == d.deal, t.leads.c.erased_at.is_(None), outside(other.c.lead, leads))
    )
    return list(connection.scalars(select(d.deal).where(among(d.lead, leads), not_(living.exists())).distinct()))


def _refs_of_deals(connection: Connection, deals: Collection[str]) -> Iterator[Ref]:
    c = t.records.c
    for row in connection.execute(select(c.system, c.object, c.record).where(among(c.entity, deals))):
        yield row.system, row.object, row.record


# -- ids that name somebody --------------------------------------------------------------------------------------------


def _names(connection: Connection, leads: Collection[str], refs: Collection[Ref]) -> list[tuple[Ref, str]]:
    """Records whose id is an address, or a value that was known of the person; each with what stands there instead."""
    i = t.identities.c
    known = {str(value).casefold() for value in connection.scalars(select(i.value).where(among(i.lead, leads)))}
    for attributes in connection.scalars(select(t.leads.c.attributes).where(among(t.leads.c.id, leads))):
        known |= {str(value).casefold() for value in attributes.values()}
    telling = [ref for ref in refs if "@" in ref[2] or ref[2].casefold() in known]
    hashes = _hashes(connection, [_ref_text(ref) for ref in telling])
    return [(ref, f"forgotten-{hashes[_ref_text(ref)][:24]}") for ref in telling]


def _hide(connection: Connection, leads: Collection[str], ref: Ref, hidden: str) -> None:
    for table, columns in _NAMES.items():
        rows = or_(person.WHOSE[table](table, leads, [ref]), *([_is(table, ref)] if "record" in table.c else []))
        values = {name: func.replace(table.c[name], ref[2], hidden) for name in columns}
        connection.execute(update(table).where(rows).values(values))


def _is(table: Table, ref: Ref) -> Any:
    return and_(table.c.system == ref[0], table.c.object == ref[1], table.c.record == ref[2])


# -- bodies of documents -----------------------------------------------------------------------------------------------


def unblanked(connection: Connection) -> list[str]:
    """Documents that named forgotten people and whose bodies the inbox has yet to empty."""
    return list(connection.scalars(select(t.unblanked.c.document)))


def blanked(connection: Connection, documents: Collection[str]) -> None:
    """Their bodies are empty now: nobody has to know any more whom they named."""
    for table in (t.unblanked, t.repeats):
        connection.execute(delete(table).where(among(table.c.document, documents)))


# -- tombstones --------------------------------------------------------------------------------------------------------


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


def as_there(connection: Connection, there: Connection) -> int:
    """Forget whom the store ``there`` has forgotten: the one that this one, restored from a backup, takes the place of.

    Returns how many leads that were. Raises ``Refused`` when the two never were one.
    """
    s, c = t.settings.c, t.leads.c
    keys = [each.scalar(select(s.value).where(s.name == _KEY)) for each in (connection, there)]
    if keys[1] is None:
        return 0
    if keys[0] not in (None, keys[1]):
        raise Refused("the store before is another gateway's: its tombstones say nothing here")
    put = Put(connection)
    put.insert(t.settings, [{"name": _KEY, "value": keys[1]}], ignore=True)
    put.insert(t.tombstones, [dict(row) for row in there.execute(select(t.tombstones)).mappings()], ignore=True)
    erased = there.execute(select(c.id, c.erased_at, c.erased_by).where(c.erased_at.is_not(None))).all()
    known = set(connection.scalars(select(c.id).where(among(c.id, [row.id for row in erased]), c.erased_at.is_(None))))
    for row in erased:
        if row.id in known:
            leads = person.aliases(connection, row.id)
            _forget(connection, leads, person.refs_of(connection, leads), row.erased_by, row.erased_at)
    return len(known)


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
