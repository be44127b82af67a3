"""Work items: what only a person can decide, as the pipeline meets it. ``resolving`` does what the person says.

A key names the trouble, so that the same trouble is one item, however often it is met. No item holds a value of a
person; an unmapped value is one of a system's list.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.journey.journey import Journey
from gateway.journey.words import CLOCK, NOT_GIVEN
from gateway.leads.batch import Batch
from gateway.leads.lead import Lead
from gateway.store.times import new_id
from gateway.sync.planning import Unsent, people_there

CONFLICT, MATCH, UNMAPPED, DEAD, CONTESTED, NO_REASON = (
    "conflict", "ambiguous match", "unmapped value", "dead letter", "contested", "reason not given",
)  # fmt: skip
REASON = "reason"
"""The field of an unmapped value that is the reason of an outcome."""

LEFT_OUT = "not to be made: a person said so"
"""Why a record is gone that never was."""


def work_item(
    key: str, kind: str, system: str, detail: Mapping[str, Any], now: int, lead: str | None = None
) -> dict[str, Any]:
    return {
        "id": new_id(),
        "key": key,
        "kind": kind,
        "system": system,
        "object": "",
        "record": "",
        "lead": lead,
        "detail": dict(detail),
        "opened_at": now,
    }


def conflicts(batch: Batch, lead: Lead) -> None:
    """Two systems edited one attribute, and nobody knows who was later. The key is of these very edits."""
    for to, edits in lead.undecided.items():
        key = f"conflict:{lead.id}:{to}:{':'.join(sorted(str(at) for _, at in edits))}"
        detail = {"field": to, "sides": [list(record.ref) for record, _ in edits]}
        batch.conflicts.append(key)
        batch.work_items.append(work_item(key, CONFLICT, "", detail, batch.now, lead.id))


def contest(batch: Batch, lead: Lead, one: Unsent) -> None:
    """A field was changed back again and again: from now on this record's is left alone."""
    record = lead.known_record(one.system, one.object)
    if record is None or one.field in record.contested:
        return
    record.contested = sorted({*record.contested, one.field})
    record.dirty = lead.changed = True
    key = f"contested:{':'.join(record.ref)}:{one.field}:{batch.now}"
    item = work_item(key, CONTESTED, one.system, {"field": one.field}, batch.now, lead.id)
    batch.work_items.append(item | {"object": record.object, "record": record.record})


def unmapped(batch: Batch) -> None:
    """Values that a mapping has no word for: one item each, which counts how often it came."""
    for (system, object_, name, value), count in batch.unmapped.items():
        key = f"unmapped:{system}:{object_}:{name}:{value}"
        item = work_item(key, UNMAPPED, system, {"field": name, "value": value}, batch.now)
        batch.work_items += [item | {"object": object_}] * count


def reasons(batch: Batch, lead: Lead, journey: Journey) -> None:
    """Each handoff that ended without one of the journey's own reasons: a person is asked for it."""
    for handoff in lead.closed:
        allowed = {one.casefold(): one for one in journey.reasons[handoff["bucket"]]}
        if not allowed or handoff["closed_by"] == CLOCK:
            continue
        given = handoff["bucket_reason"]
        if given == NOT_GIVEN:
            detail = {"handoff": handoff["id"], "bucket": handoff["bucket"]}
            key = f"reason:{handoff['id']}"
            batch.work_items.append(work_item(key, NO_REASON, handoff["system"], detail, batch.now, lead.id))
        elif given.casefold() not in allowed:
            ref = next((one.ref for one in lead.outcomes.values() if one.at == handoff["closed_at"]), None)
            batch.unmapped[ref[0] if ref else handoff["system"], ref[1] if ref else "", REASON, given] += 1


def homeless(batch: Batch, lead: Lead, handoff: Mapping[str, Any]) -> None:
    """A lead was handed over, but sales deleted its record: they see nothing of it, and nothing is made anew."""
    there = people_there(lead, handoff["system"])
    if there and all(gone not in (None, LEFT_OUT) for _, gone in there):
        what = "the lead is handed over, but its record was deleted there: restore it, or end the handoff"
        detail = {"handoff": handoff["id"], "what": f"{what} (`gateway handoffs recycle {lead.id}`)"}
        item = work_item(f"no record:{handoff['id']}", "no record", handoff["system"], detail, batch.now, lead.id)
        batch.work_items.append(item)


def deal_note(batch: Batch, lead: Lead, system: str, stage: str) -> None:
    """The owner of the lead's open deal is told that the lead has become sales-ready, instead of a handoff."""
    deals = sorted(deal.id for deal in batch.deals.values() if lead.id in deal.leads and deal.status == "open")
    owners = sorted({str(batch.deals[id_].attributes.get("owner", "")) for id_ in deals} - {""})
    key = f"deal note:{lead.id}:{stage}:{lead.above[stage][0]}"
    detail = {"stage": stage, "deals": deals, "owners": owners}
    batch.work_items.append(work_item(key, "open deal", system, detail, batch.now, lead.id))
