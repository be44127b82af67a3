"""Merges and conversions: two leads (companies, deals) turn out to be one."""

from __future__ import annotations

from gateway.contracts import Kind
from gateway.leads.batch import Batch
from gateway.leads.deal import Deal
from gateway.leads.lead import Lead
from gateway.leads.record import Record, Ref
from gateway.leads.rules import Joining


def merge_leads(batch: Batch, one: str, other: str, why: str, joining: Joining, by: str = "") -> str:
    """Two leads are the same person: the one with the earliest fact stays. Returns its id."""
    first, second = (batch.leads[batch.living("person", id_)] for id_ in (one, other))
    if first is second or first.erased_at is not None or second.erased_at is not None:
        return first.id
    age = {lead.id: (_first_fact(lead), lead.id) for lead in (first, second)}
    winner, loser = sorted((first, second), key=lambda lead: age[lead.id])
    batch.regroupings.append(
        {
            "id": joining.mint(),
            "what": "merge",
            "lead": winner.id,
            "other": loser.id,
            "at": batch.now,
            "why": why,
            "by": by,
            "detail": {
                "records": [list(ref) for ref in loser.records],
                "lead": winner.standing(),
                "other": loser.standing(),
            },
        }
    )
    winner.absorb(loser)
    batch.apart |= {pair - {loser.id} | {winner.id} for pair in batch.apart if loser.id in pair}
    batch.merges.append(("person", winner.id, loser.id))
    for key, lead in batch.directory.items():
        if lead == loser.id:
            batch.directory[key] = winner.id
    for deal in batch.deals.values():
        if loser.id in deal.leads:
            deal.leads.discard(loser.id)
            deal.leads.add(winner.id)
            if loser.id in deal.added_leads:
                deal.added_leads.discard(loser.id)
                deal.added_leads.add(winner.id)
    if loser.id in batch.live:
        batch.live.add(winner.id)
    batch.touched.discard(loser.id)
    batch.touched.add(winner.id)
    return winner.id


def apart(batch: Batch, one: str, other: str) -> bool:
    """A person said that these two are not the same, whatever keys they share."""
    living = frozenset((batch.living("person", one), batch.living("person", other)))
    return bool(batch.apart) and living in batch.apart


def _first_fact(lead: Lead) -> int:
    times = [record.first_at for record in lead.records.values() if record.first_at]
    return min(times, default=lead.known_at)


def unite(batch: Batch, winner: Ref, loser: Ref, why: str, joining: Joining) -> None:
    """A vendor's merge or conversion: both records are one person (company, deal), the loser's record is gone."""
    lost, won = batch.records.get(loser), batch.records.get(winner)
    kind = (won or lost or Record(*winner, "person")).kind
    if won is None:
        won = batch.records[winner] = Record(*winner, kind, dirty=True)
    if lost is None:
        lost = batch.records[loser] = Record(*loser, kind, dirty=True)
    if not won.entity and not lost.entity:
        batch.begin(won, kind, joining.mint())
    if won.entity and lost.entity and won.entity != lost.entity:
        if kind == "person" and lost.absorbed and apart(batch, won.entity, lost.entity):
            return  # a person knew of this merge and said that they are two
        if kind == "person":
            merge_leads(batch, won.entity, lost.entity, f"{loser[1]} {loser[2]} {why}", joining)
        else:
            _merge_others(batch, kind, won.entity, lost.entity, f"{loser[1]} {loser[2]} {why}", joining)
        if won.entity != lost.entity:
            return  # one of them is forgotten
    home = batch.living(kind, won.entity or lost.entity)
    for record in (won, lost):
        record.entity = home
        record.dirty = True
        batch.shelf(kind)[home].records[record.ref] = record
    lost.gone, lost.main = min(why, lost.gone) if lost.absorbed and lost.gone else why, False
    won.main = True
    if kind == "person":
        batch.leads[home].changed = True
        batch.touched.add(home)


def _merge_others(batch: Batch, kind: Kind, winner_id: str, loser_id: str, why: str, joining: Joining) -> None:
    shelf = batch.shelf(kind)
    winner, loser = shelf[winner_id], shelf[loser_id]
    if kind == "company":  # a past score looks at the company as it was then
        batch.regroupings.append(
            {
                "id": joining.mint(),
                "what": "merge",
                "lead": winner_id,
                "other": loser_id,
                "at": batch.now,
                "why": why,
                "by": "",
                "detail": {"records": [list(ref) for ref in loser.records]},
            }
        )
    for ref, record in loser.records.items():
        record.entity, record.dirty = winner_id, True
        winner.records[ref] = record
    loser.merged_into = winner_id
    batch.merges.append((kind, winner_id, loser_id))
    loser.changed = winner.changed = True
    if kind == "company":
        batch.rescores.append(
            {"id": joining.mint(), "company": loser_id, "cause": "company merged", "created_at": batch.now}
        )
    elif isinstance(winner, Deal) and isinstance(loser, Deal):
        winner.added_leads |= loser.leads - winner.leads
        winner.leads |= loser.leads
        winner.history |= loser.history
        winner.outdated |= loser.outdated
        loser.dropped_leads |= loser.leads
        loser.leads, loser.added_leads, loser.history = set(), set(), {}
        batch.touched |= winner.leads & batch.leads.keys()
