"""Who gets handoffs, as they stand now, as JSON: the same for commands and the API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gateway.answers.texts import iso
from gateway.times import to_micros

if TYPE_CHECKING:
    from gateway.journey.owners import Owners
    from gateway.people.staffing import Standing


def owners_json(agreed: Owners, standing: Sequence[Standing], absences: Sequence[Any]) -> dict[str, Any]:
    return {
        "owners": [_owner_json(one) for one in standing],
        "assign": list(agreed.assign),
        "fallback": agreed.fallback,
        "absences": [
            {"owner": row.owner, "from": iso(row.begins), "until": iso(row.ends), "reason": row.reason, "by": row.by}
            for row in absences
        ],
    }


def _owner_json(one: Standing) -> dict[str, Any]:
    return {
        "name": one.owner.name,
        "queue" if one.owner.queue else "user": one.owner.who,
        "weight": one.owner.weight,
        "territory": one.owner.where,
        "system": one.owner.system,
        "zone": one.zone.key if one.zone is not None else None,
        "known": one.known,
        "gone": one.gone,
        "at_work": one.at_work,
        "absent_until": iso(to_micros(one.until)) if one.until is not None else None,
        "absence_reason": one.reason,
        "handoffs_open": one.open,
        "turn": one.turn,
    }
