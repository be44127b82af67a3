"""The funnel: how many leads reached each stage, and how many of those before. In: counts. Out: the JSON of the report.

What each number means is in ``definitions``.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from math import ceil
from typing import Any

from gateway.contracts import OUTCOMES
from gateway.metrics.unpriced import Unpriced, without

BASES = {
    "cohort": "leads that entered",
    "period": "what happened",
}
"""What a funnel counts → how it is said: leads by their entry, wherever they went since; or each event by its time."""


@dataclass(slots=True)
class Group:
    """Leads with one value of what the funnel is grouped by; ``value`` None = they have none. ``cents``: of revenue."""

    value: Any
    entered: int = 0
    stages: Counter[str] = field(default_factory=Counter)
    cents: int = 0


@dataclass(frozen=True, slots=True)
class FunnelCounts:
    """What the store counted. ``stages`` by shared name; an absent name is 0. ``won_before_entry`` are lead ids.

    ``unpriced``: deals that are in no revenue, by why. ``nobodys``: won deals without a lead, and their cents.
    ``took``: microseconds from entry to winning of everybody who ever won, sorted.
    """

    entered: int
    stages: Mapping[str, int]
    excluded: Mapping[str, int] = field(default_factory=dict)
    outcomes: Mapping[str, int] = field(default_factory=dict)
    won_before_entry: Sequence[str] = ()
    groups: Sequence[Group] = ()
    cents: int = 0
    unpriced: Unpriced = field(default_factory=dict)
    nobodys: tuple[int, int] = (0, 0)
    took: Sequence[int] = ()


def funnel(counts: FunnelCounts, tracked: Sequence[str], basis: str = "cohort") -> dict[str, Any]:
    """The report as JSON. ``tracked``: the shared stages to list, in order. ``basis``: one of ``BASES``.

    Groups stand in order of their size, then of their value; reasons too; outcomes in the order of their closed list.
    """
    notes = []
    if counts.won_before_entry:
        leads = sorted(counts.won_before_entry)
        notes.append({"kind": "won_before_entry", "count": len(leads), "leads": leads})
    return {
        "basis": basis,
        "revenue": counts.cents / 100,
        **without(counts.unpriced),
        "without_leads": {"deals": counts.nobodys[0], "revenue": counts.nobodys[1] / 100},
        "entered": counts.entered,
        "excluded": [
            {"reason": reason, "count": count}
            for reason, count in sorted(counts.excluded.items(), key=lambda item: (-item[1], item[0]))
        ],
        "stages": conversions(counts.stages, tracked),
        "outcomes": [
            {"outcome": outcome, "count": counts.outcomes[outcome]}
            for outcome in OUTCOMES
            if counts.outcomes.get(outcome)
        ],
        "notes": notes,
        "groups": [
            {
                "value": group.value,
                "entered": group.entered,
                "revenue": group.cents / 100,
                "stages": conversions(group.stages, tracked),
            }
            for group in sorted(counts.groups, key=lambda group: (-group.entered, _sortable(group.value)))
        ],
    }


def conversions(reached: Mapping[str, int], tracked: Sequence[str]) -> list[dict[str, Any]]:
    """Count and conversion per stage: of the listed stage before; None for the first and after an empty one."""
    stages: list[dict[str, Any]] = []
    before: int | None = None
    for stage in tracked:
        count = reached.get(stage, 0)
        stages.append({"stage": stage, "count": count, "conversion": count / before if before else None})
        before = count
    return stages


def _sortable(value: Any) -> tuple[bool, str]:
    """Leads without a value come after those with one."""
    return value is None, value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def maturing(after: date, median_days: float | None, today: date) -> bool:
    """Whether a cohort that ends before ``after`` is too young to be held against older ones.

    ``median_days``: from entry to winning, of those who won; a cohort of which not every lead has had that long is
    still maturing, and so is every cohort while nobody has won.
    """
    return median_days is None or today < after + timedelta(days=ceil(median_days))
