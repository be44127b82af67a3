"""Events become records, records become leads, companies and deals. Pure over what was loaded for the batch.

Order: fold each record's events (again from the start where one is late) → place people's records (``people``) →
merges and conversions (``merges``), links (``links``) → facts onto leads (``values``, ``deals``). What changed is left
on the batch, which the store writes back.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from gateway.contracts import PersonErased, RecordConverted, RecordsLinked, RecordsMerged
from gateway.leads.batch import Batch, Timed
from gateway.leads.deals import fold_deal, settle_deals
from gateway.leads.links import associate, here, settle_links, there
from gateway.leads.merges import apart, merge_leads, unite
from gateway.leads.people import place_person
from gateway.leads.record import Fact, Record, Ref, fold
from gateway.leads.rules import Joining, ObjectRules
from gateway.leads.stamps import OWN
from gateway.leads.values import settle_companies, settle_values


def join(
    batch: Batch,
    events: Sequence[Timed],
    known_at: Mapping[str, int],
    quiet: set[str],
    joining: Joining,
    same: Sequence[tuple[str, str]] = (),
    by: str = "",
    again: Collection[Ref] = (),
) -> None:
    """Take all new events of the batch in.

    :param known_at: event key → when its document was received. :param quiet: keys of events from imported history.
    :param same: leads of the batch that are one person. :param by: who says so; empty = a system.
    :param again: records whose stored events are folded anew, for their mapping means something else by them now.
    """
    groups: dict[Ref, list[Timed]] = {}
    for timed in events:
        event = timed[1]
        groups.setdefault((event.system, event.object, event.record), []).append(timed)
    for ref in again:
        if ref in batch.records:
            groups.setdefault(ref, [])
    said = {ref: _fold_record(batch, ref, news, joining, ref in again) for ref, news in groups.items()}
    for ref, (facts, _) in said.items():
        record = batch.records[ref]
        if record.kind == "person":
            # A person does not come from a deletion alone; of whom something is said here, they are there.
            if record.entity or record.snapshot or facts or ref[:2] == OWN:
                place_person(batch, record, groups[ref], joining)
        elif not record.entity and record.kind in ("company", "deal"):
            batch.begin(record, record.kind, joining.mint())
    for one, other in same:
        if one in batch.leads and other in batch.leads and (by or not apart(batch, one, other)):
            merge_leads(batch, one, other, "said to be one person" if by else "one record of both", joining, by)
    _structure(batch, groups, joining)
    settle_links(batch)
    for ref, (facts, whole) in said.items():
        record = batch.records[ref]
        lead = batch.leads.get(record.entity)
        if lead is None:
            continue
        news = groups[ref]
        if whole or facts:
            heard = min((known_at[event.key] for _, event in news), default=batch.now)
            if whole:
                lead.replace(ref, facts, heard)
            else:
                for fact in facts:
                    lead.add(fact, known_at.get(fact.key.partition("#")[0], heard))
        batch.touched.add(lead.id)
        if _live(news, quiet) or (ref in again and record.enrolled):
            batch.live.add(lead.id)
            record.enrolled = True
    settle_companies(batch, joining)
    settle_deals(batch, joining)
    _enliven(batch, quiet, groups)
    for id_ in [*batch.touched]:
        settle_values(batch, batch.leads[id_], joining)


def _fold_record(batch: Batch, ref: Ref, news: list[Timed], joining: Joining, again: bool) -> tuple[list[Fact], bool]:
    """Fold a record's news; with a late event everything from the start. Returns (facts, are they the whole)."""
    rules = joining.rules(ref)
    record = batch.records.get(ref)
    if record is None:
        record = batch.records[ref] = Record(*ref, news[0][1].kind)
    record.mapping = joining.hashes.get(ref[0], "")
    news.sort(key=_order)
    whole = again or _order(news[0]) < record.last
    unmapped = rules.unmapped if rules is not None else None
    before = record.held() if unmapped else {}
    if whole:
        news = sorted([*batch.past.get(ref, ()), *news], key=_order)
        record.forget()
    if record.kind != "deal":
        facts = fold(record, news, rules)
        _note(batch, record, before, rules)
        return facts, whole
    if not record.entity:
        batch.begin(record, "deal", joining.mint())
    deal = batch.deals[record.entity]
    if whole:
        deal.outdated |= fold_deal(Record(*ref, "deal"), sorted(batch.past.get(ref, ()), key=_order), rules)[1].keys()
    facts, history = fold_deal(record, news, rules)
    deal.outdated -= history.keys()
    deal.history |= history
    _note(batch, record, before, rules)
    return facts, whole


def _note(batch: Batch, record: Record, before: Mapping[str, Any], rules: ObjectRules | None) -> None:
    """What nobody can make anything of: words that the mapping does not know, amounts that are none."""
    if rules is None or not (rules.unmapped or rules.paid):
        return
    held = record.held()
    for name, value in rules.unmapped.of(before, held):
        batch.unmapped[record.system, record.object, name, value] += 1
    batch.refused += [(record.ref, name) for name in rules.unreadable(held)]


def _order(timed: Timed) -> tuple[int, str]:
    return (timed[0], timed[1].key)


_STRUCTURE = (RecordsMerged, RecordConverted, RecordsLinked, PersonErased)


def _structure(batch: Batch, groups: Mapping[Ref, list[Timed]], joining: Joining) -> None:
    told = [timed for group in groups.values() for timed in group if isinstance(timed[1], _STRUCTURE)]
    for at, event in sorted(told, key=_order):
        ref = (event.system, event.object, event.record)
        if isinstance(event, RecordsMerged):
            for loser in event.losers:
                unite(batch, ref, (event.system, event.object, loser), f"merged into {event.record}", joining)
        elif isinstance(event, RecordConverted):
            unite(batch, (event.system, event.to_object, event.to_record), ref, "converted", joining)
        elif isinstance(event, RecordsLinked):
            associate(batch, event, at, joining)
        elif isinstance(event, PersonErased):
            batch.erased[ref] = event.by or event.system
            if (lead := batch.leads.get(batch.records[ref].entity)) is not None:
                lead.erased_at = batch.now


def _live(news: Sequence[Timed], quiet: Collection[str]) -> bool:
    return bool(news) and (not quiet or any(event.key not in quiet for _, event in news))


def _enliven(batch: Batch, quiet: Collection[str], groups: Mapping[Ref, Sequence[Timed]]) -> None:
    """Live news of a deal, or of a link, is live news of its leads."""
    heard = {ref for ref, news in groups.items() if _live(news, quiet)}
    for row in batch.linked.values():
        if row["event"] not in quiet:
            heard |= {here(row), there(row)}
    for deal in batch.deals.values():
        if not heard.isdisjoint(deal.records):
            batch.live |= deal.leads & batch.touched
    batch.live |= {batch.records[ref].entity for ref in heard & batch.records.keys()} & batch.touched
