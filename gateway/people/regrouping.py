"""A person says who is one person and who is two: merge and split, told first and then done, each in one transaction.

Both run the pipeline's own steps, so that scores, stages and writes follow as they follow from news. A telling is the
same work, thrown away at its end. A split moves rows before it computes: it holds the store's lock for both.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway.contracts import COMPANIONS, TASK
from gateway.errors import NotFound, Refused
from gateway.leads.batch import Batch
from gateway.leads.identity import Key
from gateway.leads.lead import Lead
from gateway.leads.people import identity_keys
from gateway.leads.record import Ref
from gateway.leads.stamps import OWN, opt_in_of
from gateway.pipeline import done_of
from gateway.store import listing, regrouping
from gateway.store.commit import commit
from gateway.store.database import read, write
from gateway.store.loading import Need, load
from gateway.store.rows import stored_event
from gateway.store.times import new_id
from gateway.sync.companions import task_key
from gateway.times import to_micros

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from gateway.runtime import Gateway


@dataclass(frozen=True, slots=True)
class Side:
    """One of the leads, as it stands before or after. Points in hundredths."""

    lead: str
    attributes: Mapping[str, Any]
    stage: str
    score: int | None
    band: str
    handoff: Mapping[str, Any] | None
    records: Sequence[Ref]
    activities: int
    outcomes: int
    consent: Sequence[str]
    """Opt-outs that hold."""


@dataclass(frozen=True, slots=True)
class Regrouped:
    """``lead`` stays, ``other`` becomes its alias or is a lead of its own again.

    ``absorbed``: open handoffs that end without a bucket; ``reopened``: those that go on after a split.
    ``writes``: system → how many are planned because of it. ``restored``: the other is who was merged before.
    """

    lead: str
    other: str
    before: Sequence[Side]
    after: Sequence[Side]
    absorbed: Sequence[str]
    reopened: Sequence[str]
    writes: Mapping[str, int]
    restored: bool = False


def merge(gateway: Gateway, one: str, other: str, by: str, go: bool = False) -> Regrouped:
    """Make two leads one: the one with the earliest fact stays. Without ``go`` nothing is stored.

    Raises ``Refused`` when they are one already, or one is forgotten.
    """
    before = _standing(gateway, (one, other))
    _refuse_forgotten(before)
    if len(before) < 2:
        raise Refused(f"both keys lead to lead {one}: there is nothing to merge")
    batch = gateway.pipeline.rehearse((), (one, other), cause="merge", same=[(one, other)], by=by)
    kept = next(lead for lead in batch.leads.values() if lead.id in (one, other) and lead.merged_into is None)
    lost = other if kept.id == one else one
    if go:
        gateway.observe(gateway.pipeline.run((), (one, other), cause="merge", same=[(one, other)], by=by))
    return _told(batch, before, (kept.id, lost), kept.absorbed, ())


def split(gateway: Gateway, lead: str, records: Collection[Ref], by: str, why: str = "", go: bool = False) -> Regrouped:
    """Give some of a lead's records a lead of their own, with their facts: the one they came from, if they were merged.

    No key makes the two one again. Without ``go`` nothing is stored. Raises ``NotFound`` for a record that is not the
    lead's, ``Refused`` when none would stay.
    """
    before = _standing(gateway, (lead,))
    _refuse_forgotten(before)
    with write(gateway.store.main) as connection:
        theirs = [(row.system, row.object, row.record) for row in listing.records_of(connection, lead)]
        _refuse_unfit(lead, records, [ref for ref in theirs if _shown(ref)])
        merged = _origin(regrouping.origins(connection, lead), set(records))
        other = merged.other if merged is not None else new_id()
        refs = _with_companions(before[0], records, other, merged.detail.get("handoffs", ()) if merged else ())
        keys = _keys(gateway, connection, lead, theirs, refs)
        now = to_micros(gateway.now())
        open_before = _open(before)
        regrouping.split(connection, lead, other, refs, keys, merged, now)
        regrouping.note_split(connection, _row(lead, other, now, why, by, refs, merged))
        batch = gateway.pipeline.rehearse((), (lead, other), cause="person", within=connection)
        if go:
            commit(connection, batch)
        else:
            connection.rollback()
    after = [batch.leads[lead], batch.leads[other]]
    opened = [one.opened["id"] for one in after if one.opened is not None]
    reopened = sorted(_open(after) - open_before - set(opened))
    if go:
        gateway.observe(done_of(batch))
    return _told(batch, before, (lead, other), (), reopened, merged is not None)


def parts(gateway: Gateway, lead: str) -> list[tuple[Any, list[Ref]]]:
    """What a lead was made of by merges: (the merge's row, the records it brought), the latest first."""
    with read(gateway.store.main) as connection:
        mine = {(row.system, row.object, row.record) for row in listing.records_of(connection, lead)}
        merges = regrouping.origins(connection, lead)
    found = [(row, [ref for ref in _brought(row) if ref in mine and _shown(ref)]) for row in reversed(merges)]
    return [(row, refs) for row, refs in found if refs]


# -- what goes with whom -----------------------------------------------------------------------------------------------


def _brought(merge: Any) -> list[Ref]:
    return [(ref[0], ref[1], ref[2]) for ref in merge.detail["records"]]


def _origin(merges: Sequence[Any], records: set[Ref]) -> Any | None:
    """The merge that brought all of these records, and the fewest others: later, those of a smaller lead."""
    fitting = [row for row in merges if records <= set(_brought(row))]
    return min(fitting, key=lambda row: (len(row.detail["records"]), -row.at), default=None)


def _with_companions(lead: Lead, records: Collection[Ref], other: str, handoffs: Collection[str]) -> set[Ref]:
    """The records, what stands beside them over there, the tasks of ``handoffs``, and what the other's journey had set.

    A task goes with its handoff, whichever record it was made for.
    """
    refs, tasks = set(records), {task_key(id_) for id_ in handoffs}
    for ref, record in lead.records.items():
        belongs = record.snapshot.get("of")
        if ref[1] == TASK:
            refs |= {ref} if ref[2] in tasks else set()
        elif ref[1] in COMPANIONS and belongs and any((ref[0], belongs[0]) == (of[0], of[2]) for of in records):
            refs.add(ref)
    return refs | ({(*OWN, other)} & lead.records.keys())


def _shown(ref: Ref) -> bool:
    return ref[:2] != OWN and ref[1] not in COMPANIONS


def _keys(gateway: Gateway, connection: Connection, lead: str, theirs: Iterable[Ref], refs: set[Ref]) -> list[Key]:
    """The identity keys that ``refs`` were the first of the lead's records to carry."""
    first: dict[Key, tuple[tuple[int, int, str], Ref]] = {}
    for row in listing.events_of(connection, list(theirs), 1 << 62, None):
        event = stored_event(row, "person")
        for key, carriers in identity_keys([(row.at, event)], gateway.model.joining)[0].items():
            heard = (row.known_at, row.at, row.key)
            if key not in first or heard < first[key][0]:
                first[key] = (heard, next(iter(carriers)))
    held = {(row["namespace"], row["value"]) for row in listing.of_lead(connection, lead)["identities"]}
    return [key for key, (_, ref) in first.items() if key in held and ref in refs]


def _refuse_unfit(lead: str, records: Collection[Ref], theirs: Collection[Ref]) -> None:
    names = ", ".join(":".join(ref) for ref in sorted(theirs))
    for ref in records:
        if ref not in theirs:
            raise NotFound(f"lead {lead} has no record {':'.join(ref)}; it has {names or 'none'}")
    if not records:
        raise Refused(f"name the records that are somebody else's with --record; lead {lead} has {names or 'none'}")
    if len(set(records)) == len(theirs):
        raise Refused(f"these are all the records of lead {lead}: at least one has to stay ({names})")


def _refuse_forgotten(leads: Sequence[Lead]) -> None:
    for one in leads:
        if one.erased_at is not None:
            raise Refused(f"lead {one.id} is forgotten: nothing is left to tell it from others")


# -- telling -----------------------------------------------------------------------------------------------------------


def _standing(gateway: Gateway, leads: Collection[str]) -> list[Lead]:
    need = Need(scores=gateway.model.score_names, whole=leads)
    with read(gateway.store.main) as connection:
        batch = load(connection, [], {}, leads, to_micros(gateway.now()), need)
    return [batch.leads[id_] for id_ in dict.fromkeys(leads) if id_ in batch.leads]


def _told(
    batch: Batch,
    before: Sequence[Lead],
    ids: tuple[str, str],
    absorbed: Sequence[str],
    reopened: Sequence[str],
    restored: bool = False,
) -> Regrouped:
    after = [batch.leads[id_] for id_ in ids if batch.leads[id_].merged_into is None]
    writes: dict[str, int] = {}
    for row in batch.writes:
        writes[row["system"]] = writes.get(row["system"], 0) + 1
    sides = [[_side(lead) for lead in leads] for leads in (before, after)]
    return Regrouped(*ids, sides[0], sides[1], absorbed, reopened, writes, restored)


def _side(lead: Lead) -> Side:
    return Side(
        lead.id,
        dict(lead.attributes),
        lead.stage,
        lead.score.total if lead.score else None,
        lead.score.band if lead.score else "",
        dict(lead.handoff) if lead.handoff else None,
        sorted(ref for ref in lead.records if _shown(ref)),
        sum(count for count, _, _ in lead.kinds.values()),
        len(lead.outcomes),
        [name for name, value in lead.attributes.items() if value is True and opt_in_of(name)],
    )


def _open(leads: Iterable[Lead]) -> set[str]:
    return {lead.handoff["id"] for lead in leads if lead.handoff is not None}


def _row(lead: str, other: str, now: int, why: str, by: str, refs: Collection[Ref], merged: Any) -> dict[str, Any]:
    return {
        "id": new_id(),
        "what": "split",
        "lead": lead,
        "other": other,
        "at": now,
        "why": why or "said to be two people",
        "by": by,
        "detail": {"records": sorted(map(list, refs)), "merge": merged.id if merged is not None else None},
    }
