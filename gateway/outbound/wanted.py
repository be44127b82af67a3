"""What the systems have to be told of a lead: wanted minus known, of all that is mapped or stands beside it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from gateway.leads.lead import Lead
from gateway.model import Model
from gateway.store.times import new_id
from gateway.sync.companions import alone, companions
from gateway.sync.planning import Unsent, Wanted, plan


def wanted_writes(
    lead: Lead,
    model: Model,
    now: int,
    systems: Collection[str] | None = None,
    unsent: Callable[[Unsent], None] | None = None,
) -> list[Wanted]:
    """Everything the active systems (or ``systems``) have to be told about one lead; ``unsent``: what cannot be."""
    found = []
    beside = bool(model.carries) and not alone(lead, model.journey.lists)
    for system in sorted(model.active if systems is None else systems):
        for object_ in model.objects.get(system, ()):
            wanted = plan(lead, system, object_, now, model.send_step, lead.reached, unsent)
            if wanted is not None:
                found.append(wanted)
        if beside and (carries := model.carries.get(system)):
            objects = model.objects.get(system, ())
            found += companions(lead, system, objects, carries, model.journey, now, model.links)
    return found


def write_row(wanted: Wanted, now: int, document: str = "") -> dict[str, Any]:
    return {
        "id": new_id(),
        "system": wanted.system,
        "object": wanted.object,
        "key": wanted.key,
        "lead": wanted.lead,
        "record": wanted.record,
        "fields": wanted.fields,
        "refs": wanted.refs,
        "create": wanted.create,
        "anyway": False,
        "stamps": wanted.stamps,
        "priority": wanted.priority,
        "cause": wanted.cause,
        "document": document,
        "planned_at": now,
        "state": "waiting",
        "due_at": now,
        "message": "" if all(wanted.refs.values()) else "waits until the lead has a record there",
    }
