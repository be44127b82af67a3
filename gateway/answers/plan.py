"""What would be written to a system, added up as it comes: for `gateway plan` and the desk's preview."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway.outbound.planner import Planned
    from gateway.runtime import Gateway
    from gateway.sync.planning import Unsent


@dataclass(slots=True)
class Plan:
    """Counts by (object, create | update) and by (object, field), some examples; memory stays flat."""

    system: str
    examples: list[Planned] = field(default_factory=list)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    fields: Counter[tuple[str, str]] = field(default_factory=Counter)
    unsent: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def add(self, planned: Planned, most: int | None) -> None:
        """``most``: how many examples are kept; None = all."""
        wanted = planned.wanted
        self.counts[wanted.object, "create" if wanted.create else "update"] += 1
        for name in wanted.fields:
            self.fields[wanted.object, name] += 1
        if most is None or len(self.examples) < most:
            self.examples.append(planned)

    def leave_out(self, one: Unsent) -> None:
        self.unsent[one.object, one.field, one.reason] += 1

    def total(self, action: str) -> int:
        return sum(count for (_, what), count in self.counts.items() if what == action)


@dataclass(frozen=True, slots=True)
class Preview:
    """A plan as far as there was time for it. ``whole``: it is all of it; ``seen``: leads that were looked at."""

    plan: Plan
    whole: bool
    seen: int


def preview(gateway: Gateway, system: str, seconds: float, examples: int) -> Preview:
    """Wanted minus known, for as many leads as ``seconds`` allow: nothing is sent, and nobody is asked."""
    from gateway.outbound import planner

    made, until, chunks = Plan(system), time.monotonic() + seconds, 0

    def enough() -> bool:
        nonlocal chunks
        late = time.monotonic() > until
        chunks += not late
        return late

    for planned in planner.planned(gateway, [system], None, made.leave_out, enough):
        made.add(planned, examples)
    return Preview(made, time.monotonic() <= until, chunks * planner.CHUNK)


def preview_json(found: Preview) -> dict[str, Any]:
    made = found.plan
    return {
        "system": made.system,
        "whole": found.whole,
        "seen": found.seen,
        "creates": made.total("create"),
        "updates": made.total("update"),
        "fields": [{"object": name, "field": field, "writes": count} for (name, field), count in made.fields.items()],
        "unsent": [
            {"object": name, "field": field, "reason": reason, "values": count}
            for (name, field, reason), count in made.unsent.items()
        ],
        "examples": [write_json(one) for one in made.examples],
    }


def write_json(planned: Planned) -> dict[str, Any]:
    """One write, field by field: what is known to be there, and what is wanted."""
    wanted = planned.wanted
    return {
        "lead": wanted.lead,
        "object": wanted.object,
        "record": wanted.record,
        "action": "create" if wanted.create else "update",
        "key": wanted.key,
        "fields": [
            {"field": name, "held": _held(planned.known, name), "known": planned.known.get(name), "wanted": value}
            for name, value in wanted.fields.items()
        ],
    }


def _held(known: Mapping[str, Any], name: str) -> str:
    return "unknown" if name not in known else "blank" if known[name] is None else "held"
