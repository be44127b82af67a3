"""Events become records, records become leads, companies and deals. Pure over what was loaded for the batch.

Order: fold each record's events (again from the start where one is late) → place people's records → merges,
conversions and links → facts onto leads. What changed is left on the batch, which the store writes back.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Any, Protocol

from marshmallow import ValidationError

from gateway.contracts import (
    Kind,
    PersonErased,
    RecordChanged,
    RecordConverted,
    RecordsLinked,
    RecordsMerged,
)
from gateway.leads.batch import Batch, Timed
from gateway.leads.company import Company
from gateway.leads.deal import Deal
from gateway.leads.identity import Key, keys_of, place
from gateway.leads.lead import Lead, StoredOutcome
from gateway.leads.record import Fact, Record, Ref, fold
from gateway.leads.stamps import OWN, FieldRule, OwnRules, attributes, earliest
from gateway.mapping.unmapped import Unmapped


class ObjectRules(Protocol):
    """An object's mapping, as far as joining reads it."""

    @property
    def kind(self) -> Kind: ...
    @property
    def identify_by(self) -> tuple[str, ...]: ...
    @property
    def inbound(self) -> Mapping[str, FieldRule]: ...
    @property
    def outbound(self) -> Mapping[str, FieldRule]: ...
    @property
    def activities(self) -> frozenset[str]: ...
    def listens(self, event: RecordChanged) -> bool: ...
    def emit(self, before: Mapping[str, Any], event: RecordChanged) -> list[Any]: ...
    @property
    def paid(self) -> bool: ...
    def unreadable(self, values: Mapping[str, Any]) -> list[str]: ...
    @property
    def unmapped(self) -> Unmapped: ...


@dataclass(frozen=True, slots=True)
class Joining:
    """What joining needs to know of the instance, and where new ids come from."""

    objects: Mapping[tuple[str, str], ObjectRules]
    hashes: Mapping[str, str]
    rank: Mapping[str, int]
    merge_on_email: bool
    system_of_record: str | None
    mint: Callable[[], str]
    zone: tzinfo = UTC

    identifying: dict[tuple[str, str], list[tuple[str, FieldRule]]] = field(default_factory=dict)
    """(system, object) → the fields that say who somebody is; worked out here"""

    def __post_init__(self) -> None:
        for place_, rules in self.objects.items():
            fields = [*rules.inbound.items(), *rules.outbound.items()]
            wanted = {"email", "lead_id", *rules.identify_by}
            self.identifying[place_] = [(name, rule) for name, rule in fields if rule.to in wanted]

    def rules(self, ref: Ref) -> ObjectRules | None:
        return self.objects.get(ref[:2])

    def inbound(self, system: str, object: str) -> Mapping[str, FieldRule]:
        if (system, object) == OWN:
            return OwnRules()
        rules = self.objects.get((system, object))
        return rules.inbound if rules else {}


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
                _place_person(batch, record, groups[ref], joining)
        elif not record.entity and record.kind in ("company", "deal"):
            _begin(batch, record, record.kind, joining)
    for one, other in same:
        if one in batch.leads and other in batch.leads and (by or not _apart(batch, one, other)):
            _merge_leads(batch, one, other, "said to be one person" if by else "one record of both", joining, by)
    _structure(batch, groups, joining)
    _settle_links(batch)
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
    _settle_companies(batch, joining)
    _settle_deals(batch, joining)
    _enliven(batch, quiet, groups)
    for id_ in [*batch.touched]:
        settle_values(batch, batch.leads[id_], joining)


def identity_keys(events: Sequence[Timed], joining: Joining) -> tuple[dict[Key, set[Ref]], dict[str, list[Key]]]:
    """The keys that people's events carry, each with the records that do: the directory is loaded for them. And by the
    key of the event."""
    keys: dict[Key, set[Ref]] = {}
    named: dict[str, list[Key]] = {}
    for _, event in events:
        if event.kind == "person" and isinstance(event, RecordChanged):
            place_ = (event.system, event.object)
            rules = joining.objects.get(place_)
            if rules is not None:
                carried = keys_of(_identifying(event.values, joining.identifying[place_]), rules.identify_by)
                named[event.key] = carried
                for key in carried:
                    refs = keys.get(key)
                    if refs is None:
                        refs = keys[key] = set()
                    refs.add((*place_, event.record))
    return keys, named


def _identifying(raw: Mapping[str, Any], fields: Sequence[tuple[str, FieldRule]]) -> dict[str, Any]:
    """Only the lead values that identify, from raw values under the system's names."""
    values = {}
    for name, rule in fields:
        held = raw.get(name)
        if held is not None:
            try:
                values[rule.to] = rule.load(held)
            except ValidationError:
                continue  # a value that does not load identifies nobody; the merge reports it
    return values


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
    deal = _begin_deal(batch, record, joining)
    if whole:
        deal.outdated |= _fold_deal(Record(*ref, "deal"), sorted(batch.past.get(ref, ()), key=_order), rules)[1].keys()
    facts, history = _fold_deal(record, news, rules)
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


def _fold_deal(
    record: Record, news: Sequence[Timed], rules: ObjectRules | None
) -> tuple[list[Fact], dict[tuple[int, str], str]]:
    """Fold a deal's record event by event, noting each change of its standing: (time, stage) → status."""
    facts: list[Fact] = []
    history: dict[tuple[int, str], str] = {}
    inbound = rules.inbound if rules else {}
    standing = _deal_standing(record, inbound)
    for timed in news:
        facts += fold(record, [timed], rules)
        now = _deal_standing(record, inbound)
        if now != standing:
            history[timed[0], now[0]] = now[1]
        standing = now
    return facts, history


def _order(timed: Timed) -> tuple[int, str]:
    return (timed[0], timed[1].key)


def _deal_standing(record: Record, rules: Mapping[str, FieldRule]) -> tuple[str, str]:
    merged, _, _ = attributes([record], lambda *_: rules, {})
    return str(merged.get("deal_stage", "")), str(merged.get("status", "open"))


# -- people ---------------------------------------------------------------------------------------------------------


def _place_person(batch: Batch, record: Record, news: Sequence[Timed], joining: Joining) -> None:
    """By the keys its news carry, one after the other: an older address leads to it as well, however late it comes."""
    if record.ref[:2] == OWN:
        if not record.entity:
            _belong(batch, record, record.record)
            record.main = False
        return
    for _, event in news:
        if event.key in batch.named:
            _place(batch, record, batch.named[event.key], joining)
    if not record.entity:
        _place(batch, record, [], joining)


def _place(batch: Batch, record: Record, keys: Sequence[Key], joining: Joining) -> None:
    if record.entity:
        for key in keys:
            if batch.directory.get(key) != record.entity:
                break
        else:
            return  # the usual case: a known record whose keys lead to its own lead

    def companions(lead: str) -> bool:
        known = batch.leads.get(lead)
        return known is not None and any(
            ref[:2] == record.ref[:2] and ref != record.ref and other.gone is None
            for ref, other in known.records.items()
        )

    placed = place(record, keys, batch.directory, companions, joining.mint, joining.merge_on_email)
    if placed.new:
        batch.leads[placed.lead] = Lead(placed.lead, known_at=batch.now, changed=True)
    _belong(batch, record, placed.lead)
    if batch.leads[placed.lead].erased_at is not None:  # by our own id: another record of somebody who is forgotten
        batch.erased[record.ref] = record.system
    for key, other in placed.merges:
        if not _apart(batch, placed.lead, other):
            _merge_leads(batch, placed.lead, other, f"the same {key[0].removeprefix('key:')}", joining)
    for key, other in placed.questions:
        if not _apart(batch, placed.lead, other):
            _question(batch, record, key, other, joining)


def _belong(batch: Batch, record: Record, lead_id: str) -> None:
    lead = batch.leads[lead_id]
    if record.ref not in lead.records:
        same = [other for ref, other in lead.records.items() if ref[:2] == record.ref[:2] and other.main]
        record.main = not same
        lead.records[record.ref] = record
    record.entity, record.dirty, lead.changed = lead_id, True, True


def _question(batch: Batch, record: Record, key: Key, other: str, joining: Joining) -> None:
    """Two leads with one e-mail address: only a person can say whether they are one."""
    batch.work_items.append(
        {
            "id": joining.mint(),
            "opened_at": batch.now,
            "key": f"match:{record.system}:{record.object}:{record.record}:{other}",
            "kind": "ambiguous match",
            "system": record.system,
            "object": record.object,
            "record": record.record,
            "lead": record.entity,
            "detail": {"namespace": key[0], "other": other},
        }
    )


def _apart(batch: Batch, one: str, other: str) -> bool:
    """A person said that these two are not the same, whatever keys they share."""
    living = frozenset((_living(batch, "person", one), _living(batch, "person", other)))
    return bool(batch.apart) and living in batch.apart


def _merge_leads(batch: Batch, one: str, other: str, why: str, joining: Joining, by: str = "") -> str:
    """Two leads are the same person: the one with the earliest fact stays. Returns its id."""
    first, second = (batch.leads[_living(batch, "person", id_)] for id_ in (one, other))
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


def _first_fact(lead: Lead) -> int:
    times = [record.first_at for record in lead.records.values() if record.first_at]
    return min(times, default=lead.known_at)


# -- merges, conversions, links, erasure -------------------------------------------------------------------------------

_STRUCTURE = (RecordsMerged, RecordConverted, RecordsLinked, PersonErased)


def _structure(batch: Batch, groups: Mapping[Ref, list[Timed]], joining: Joining) -> None:
    told = [timed for group in groups.values() for timed in group if isinstance(timed[1], _STRUCTURE)]
    for at, event in sorted(told, key=_order):
        ref = (event.system, event.object, event.record)
        if isinstance(event, RecordsMerged):
            for loser in event.losers:
                _unite(batch, ref, (event.system, event.object, loser), f"merged into {event.record}", joining)
        elif isinstance(event, RecordConverted):
            _unite(batch, (event.system, event.to_object, event.to_record), ref, "converted", joining)
        elif isinstance(event, RecordsLinked):
            _associate(batch, event, at, joining)
        elif isinstance(event, PersonErased):
            batch.erased[ref] = event.by or event.system
            if (lead := batch.leads.get(batch.records[ref].entity)) is not None:
                lead.erased_at = batch.now


def _unite(batch: Batch, winner: Ref, loser: Ref, why: str, joining: Joining) -> None:
    """A vendor's merge or conversion: both records are one person (company, deal), the loser's record is gone."""
    lost, won = batch.records.get(loser), batch.records.get(winner)
    kind = (won or lost or Record(*winner, "person")).kind
    if won is None:
        won = batch.records[winner] = Record(*winner, kind, dirty=True)
    if lost is None:
        lost = batch.records[loser] = Record(*loser, kind, dirty=True)
    if not won.entity and not lost.entity:
        _begin(batch, won, kind, joining)
    if won.entity and lost.entity and won.entity != lost.entity:
        if kind == "person" and lost.absorbed and _apart(batch, won.entity, lost.entity):
            return  # a person knew of this merge and said that they are two
        if kind == "person":
            _merge_leads(batch, won.entity, lost.entity, f"{loser[1]} {loser[2]} {why}", joining)
        else:
            _merge_others(batch, kind, won.entity, lost.entity, f"{loser[1]} {loser[2]} {why}", joining)
        if won.entity != lost.entity:
            return  # one of them is forgotten
    home = _living(batch, kind, won.entity or lost.entity)
    for record in (won, lost):
        record.entity = home
        record.dirty = True
        _shelf(batch, kind)[home].records[record.ref] = record
    lost.gone, lost.main = min(why, lost.gone) if lost.absorbed and lost.gone else why, False
    won.main = True
    if kind == "person":
        batch.leads[home].changed = True
        batch.touched.add(home)


def _merge_others(batch: Batch, kind: Kind, winner_id: str, loser_id: str, why: str, joining: Joining) -> None:
    shelf = _shelf(batch, kind)
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


def _living(batch: Batch, kind: str, id_: str) -> str:
    entity = _shelf(batch, kind).get(id_)
    while entity is not None and entity.merged_into:
        id_, entity = entity.merged_into, _shelf(batch, kind).get(entity.merged_into)
    return id_


def _shelf(batch: Batch, kind: str) -> Any:
    return {"person": batch.leads, "company": batch.companies, "deal": batch.deals}[kind]


def _begin(batch: Batch, record: Record, kind: str, joining: Joining) -> None:
    """A new lead, company or deal for a record nobody has seen before."""
    record.entity = joining.mint()
    made: Lead | Company | Deal
    if kind == "person":
        made = batch.leads[record.entity] = Lead(record.entity)
    elif kind == "company":
        made = batch.companies[record.entity] = Company(record.entity)
    else:
        made = batch.deals[record.entity] = Deal(record.entity)
    made.known_at, made.changed = batch.now, True
    made.records[record.ref] = record
    record.dirty = True


def _begin_deal(batch: Batch, record: Record, joining: Joining) -> Deal:
    if not record.entity:
        _begin(batch, record, "deal", joining)
    return batch.deals[record.entity]


def _associate(batch: Batch, event: RecordsLinked, at: int, joining: Joining) -> None:
    key = (event.system, event.object, event.record, event.to_object, event.to_record, event.role)
    known = batch.associations.get(key)
    if known is not None and (known["at"], known["event"]) > (at, event.key):
        return
    names = ("system", "object", "record", "to_object", "to_record", "role")
    row = {
        **dict(zip(names, key, strict=True)),
        "kind": event.kind,
        "to_kind": event.to_kind,
        "present": event.present,
        "at": at,
        "event": event.key,
    }
    batch.associations[key] = batch.linked[key] = row
    for ref, kind in ((_here(row), event.kind), (_there(row), event.to_kind)):
        # Whatever is only named so far begins as a placeholder: of two workers who name it, or of whom one makes it,
        # the slower has to look again. A person does not come from a name alone.
        if ref not in batch.records:
            batch.records[ref] = Record(*ref, kind, dirty=True)
            if kind in ("company", "deal"):
                _begin(batch, batch.records[ref], kind, joining)


def _here(row: Mapping[str, Any]) -> Ref:
    return (row["system"], row["object"], row["record"])


def _there(row: Mapping[str, Any]) -> Ref:
    return (row["system"], row["to_object"], row["to_record"])


def _settle_links(batch: Batch) -> None:
    """Companies and deals of people, companies of deals: what all links say together, in whatever order they came.

    The newest link names the company; a lead is of a deal as long as any link says so.
    """
    ends: dict[Ref, list[dict[str, Any]]] = {}
    for row in batch.associations.values():
        ends.setdefault(_here(row), []).append(row)
        ends.setdefault(_there(row), []).append(row)
    for lead in batch.leads.values():
        rows = [row for ref in lead.records for row in ends.get(ref, ())]
        if not rows or lead.merged_into is not None or lead.erased_at is not None:
            continue
        company = _company(batch, rows)
        if company != lead.company:
            lead.company, lead.changed = company, True
            batch.touched.add(lead.id)
        of_deal: dict[str, bool] = {}
        for row in rows:
            if deal_id := _end(batch, row, "deal"):
                of_deal[deal_id] = of_deal.get(deal_id, False) or row["present"]
        for deal_id, present in of_deal.items():
            deal = batch.deals[deal_id]
            if present == (lead.id in deal.leads):
                continue
            deal.leads ^= {lead.id}
            now, before = (deal.added_leads, deal.dropped_leads) if present else (deal.dropped_leads, deal.added_leads)
            now.add(lead.id)
            before.discard(lead.id)
            batch.touched.add(lead.id)
    for deal in batch.deals.values():
        rows = [row for ref in deal.records if ref in batch.linking for row in ends.get(ref, ())]
        if rows and deal.merged_into is None and (company := _company(batch, rows)) != deal.company:
            deal.company, deal.changed = company, True


def _company(batch: Batch, rows: Sequence[Mapping[str, Any]]) -> str | None:
    linked = ((row["at"], row["event"], _end(batch, row, "company")) for row in rows if row["present"])
    return max((link for link in linked if link[2]), default=(0, "", None))[2]


def _end(batch: Batch, row: Mapping[str, Any], kind: str) -> str | None:
    """The company or deal at one end of a link, once it is known."""
    ref = _here(row) if row["kind"] == kind else _there(row) if row["to_kind"] == kind else None
    record = batch.records.get(ref) if ref else None
    return record.entity if record and record.entity else None


def _live(news: Sequence[Timed], quiet: Collection[str]) -> bool:
    return bool(news) and (not quiet or any(event.key not in quiet for _, event in news))


def _enliven(batch: Batch, quiet: Collection[str], groups: Mapping[Ref, Sequence[Timed]]) -> None:
    """Live news of a deal, or of a link, is live news of its leads."""
    heard = {ref for ref, news in groups.items() if _live(news, quiet)}
    for row in batch.linked.values():
        if row["event"] not in quiet:
            heard |= {_here(row), _there(row)}
    for deal in batch.deals.values():
        if not heard.isdisjoint(deal.records):
            batch.live |= deal.leads & batch.touched
    batch.live |= {batch.records[ref].entity for ref in heard & batch.records.keys()} & batch.touched


# -- values ---------------------------------------------------------------------------------------------------------


def _settle_companies(batch: Batch, joining: Joining) -> None:
    for company in batch.companies.values():
        if company.merged_into is None and any(record.dirty for record in company.records.values()):
            merged, _, refused = attributes([*company.records.values()], joining.inbound, joining.rank)
            batch.refused += [(record.ref, name) for record, name in refused if record.dirty]
            company.changed = True
            if merged != company.attributes:
                company.attributes = merged
                if company.version:  # its leads are scored again in batches of their own, never in this transaction
                    batch.rescores.append(
                        {
                            "id": joining.mint(),
                            "company": company.id,
                            "cause": "company changed",
                            "created_at": batch.now,
                        }
                    )


def _settle_deals(batch: Batch, joining: Joining) -> None:
    for deal in batch.deals.values():
        if deal.merged_into is None and any(record.dirty for record in deal.records.values()):
            merged, origin, refused = attributes([*deal.records.values()], joining.inbound, joining.rank)
            batch.refused += [(record.ref, name) for record, name in refused if record.dirty]
            deal.settle(merged, origin, joining.system_of_record, joining.zone)
            deal.changed = True
            batch.touched |= {id_ for id_ in deal.leads if id_ in batch.leads}
        for id_ in deal.leads:
            batch.deals_of.setdefault(id_, []).append(deal)


def settle_values(batch: Batch, lead: Lead, joining: Joining) -> None:
    """The lead's values, entry time and what its deals say, from everything its records hold."""
    lead.changed = True
    if lead.erased_at is not None:
        return
    while (company := batch.companies.get(lead.company or "")) is not None and company.merged_into is not None:
        lead.company = company.merged_into
    records = [record for record in lead.records.values() if record.known]
    lead.undecided = {}
    merged, origin, refused = attributes(records, joining.inbound, joining.rank, lead.undecided)
    lead.attributes = merged
    lead.origin = origin
    batch.refused += [(record.ref, name) for record, name in refused if record.dirty]
    if records:
        entered = earliest(records)
        lead.moved = lead.moved or entered != lead.entered_at
        lead.entered_at = entered
    _settle_deal_outcomes(batch, lead)


def _settle_deal_outcomes(batch: Batch, lead: Lead) -> None:
    """Won and lost deals are outcomes of their leads, as the deals stand now."""
    if not lead.outcomes and lead.id not in batch.deals_of:
        return
    wanted = {}
    for deal in batch.deals_of.get(lead.id, ()):
        if deal.status != "open" and deal.status_at is not None and not deal.merged_into:
            ref = min(deal.records, default=("", "", ""))
            wanted[deal.status_at, f"deal:{deal.id}"] = StoredOutcome(
                deal.status_at, deal.status, "", deal.amount, deal.currency, "", deal.precision, ref, batch.now
            )
    for key, outcome in list(lead.outcomes.items()):
        if key[1].startswith("deal:") and (key not in wanted or outcome[:7] != wanted[key][:7]):
            lead.drop_outcome(key)
    for key, outcome in wanted.items():
        if key not in lead.outcomes:
            lead.put_outcome(key, outcome)
