"""The funnel: how many leads reached each stage, and how many of those before. In: counts. Out: the JSON of the report.

What each number means is in ``definitions``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from math import ceil
from typing import Any

from gateway.contracts import OUTCOMES


@dataclass(frozen=True, slots=True)
class Group:
    """Leads with one value of what the funnel is grouped by; ``value`` None = they have none."""

    value: Any
    entered: int
    stages: Mapping[str, int]
    revenue: float = 0.0


@dataclass(frozen=True, slots=True)
class FunnelCounts:
    """What the store counted. ``stages`` by shared name; an absent name is 0. ``won_before_entry`` are lead ids.

    ``foreign``: currency → deals whose amounts are in no revenue. ``nobodys``: won deals without a lead, and theirs.
    """

    entered: int
    stages: Mapping[str, int]
    excluded: Mapping[str, int] = field(default_factory=dict)
    outcomes: Mapping[str, int] = field(default_factory=dict)
    won_before_entry: Sequence[str] = ()
    groups: Sequence[Group] = ()
    revenue: float = 0.0
    foreign: Mapping[str, int] = field(default_factory=dict)
    nobodys: tuple[int, float] = (0, 0.0)


def funnel(counts: FunnelCounts, tracked: Sequence[str]) -> dict[str, Any]:
    """The report as JSON. ``tracked``: the shared stages to list, in order.

    Groups stand in order of their size, then of their value; reasons too; outcomes in the order of their closed list.
    """
    notes = []
    if counts.won_before_entry:
        leads = sorted(counts.won_before_entry)
        notes.append({"kind": "won_before_entry", "count": len(leads), "leads": leads})
    return {
        "revenue": round(counts.revenue, 2),
        "without_rate": dict(counts.foreign),
        "without_leads": {"deals": counts.nobodys[0], "revenue": round(counts.nobodys[1], 2)},
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
                "revenue": round(group.revenue, 2),
                "stages": conversions(group.stages, tracked),
            }
            for group in sorted(counts.groups, key=lambda group: (-group.entered, _sortable(group.value)))
        ],
    }


def conversions(reached: Mapping[str, int], tracked: Sequence[str]) -> list[dict[str, Any]]:
    """Count and conversion per stage: 0..1 of the listed stage before; None for the first and after an empty one."""
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


def maturing(groups: Sequence[dict[str, Any]], median_days: float | None, today: date) -> None:
    """Mark months of entry (``value``: ``2026-05``) that are too young to be held against older ones.

    ``median_days``: from entry to winning, of those who won; a month of which not every lead has had that long is
    still maturing, and so is every month while nobody has won.
    """
    for group in groups:
        if group["value"] is None:
            continue
        year, month = map(int, group["value"].split("-"))
        end = date(year + month // 12, month % 12 + 1, 1)
        group["maturing"] = median_days is None or today < end + timedelta(days=ceil(median_days))
