"""Links between records: which companies and deals a lead has by them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.contracts import RecordsLinked
from gateway.leads.batch import Batch
from gateway.leads.record import Record, Ref
from gateway.leads.rules import Joining


def associate(batch: Batch, event: RecordsLinked, at: int, joining: Joining) -> None:
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
    for ref, kind in ((here(row), event.kind), (there(row), event.to_kind)):
        # Whatever is only named so far begins as a placeholder: of two workers who name it, or of whom one makes it,
        # the slower has to look again. A person does not come from a name alone.
        if ref not in batch.records:
            batch.records[ref] = Record(*ref, kind, dirty=True)
            if kind in ("company", "deal"):
                batch.begin(batch.records[ref], kind, joining.mint())


def settle_links(batch: Batch) -> None:
    """Companies and deals of people, companies of deals: what all links say together, in whatever order they came.

    The newest link names the company; a lead is of a deal as long as any link says so.
    """
    ends: dict[Ref, list[dict[str, Any]]] = {}
    for row in batch.associations.values():
        ends.setdefault(here(row), []).append(row)
        ends.setdefault(there(row), []).append(row)
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
    ref = here(row) if row["kind"] == kind else there(row) if row["to_kind"] == kind else None
    record = batch.records.get(ref) if ref else None
    return record.entity if record and record.entity else None


def here(row: Mapping[str, Any]) -> Ref:
    return (row["system"], row["object"], row["record"])


def there(row: Mapping[str, Any]) -> Ref:
    return (row["system"], row["to_object"], row["to_record"])
