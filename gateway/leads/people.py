"""Whose a person's record is: by the keys its news carry it goes to a lead, known or new, or becomes a question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from marshmallow import ValidationError

from gateway.contracts import RecordChanged
from gateway.leads.batch import Batch, Timed
from gateway.leads.identity import Key, keys_of, place
from gateway.leads.lead import Lead
from gateway.leads.merges import apart, merge_leads
from gateway.leads.record import Record, Ref
from gateway.leads.rules import Joining
from gateway.leads.stamps import OWN, FieldRule


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


def place_person(batch: Batch, record: Record, news: Sequence[Timed], joining: Joining) -> None:
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
        if not apart(batch, placed.lead, other):
            merge_leads(batch, placed.lead, other, f"the same {key[0].removeprefix('key:')}", joining)
    for key, other in placed.questions:
        if not apart(batch, placed.lead, other):
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
