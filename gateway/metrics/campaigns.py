"""Campaigns: what each brought, what it cost, and what came of it. Pure arithmetic. In: counts. Out: the JSON.

A lead counts once, for the campaign of its first touch that names one; a deal's revenue is shared equally among its
leads. So every column adds up to its total.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Campaign:
    """``name`` "" = leads that no campaign ever touched. ``score``: the sum of its leads' totals, in hundredths.

    ``stages``: shared stage → leads that ever reached it. ``cost`` None: none is known.
    """

    name: str
    leads: int = 0
    scored: int = 0
    score: int = 0
    great: int = 0
    stages: Mapping[str, int] = field(default_factory=dict)
    revenue: float = 0.0
    cost: float | None = None


def campaigns(found: Sequence[Campaign], tracked: Sequence[str]) -> dict[str, Any]:
    """``campaigns``, the one with the most revenue first, and their ``total``. ``tracked``: the shared stages told."""
    ordered = sorted(found, key=lambda one: (-one.revenue, -one.leads, not one.name, one.name))
    paid = [one for one in found if one.cost is not None]
    return {
        "campaigns": [{"campaign": one.name or None, **_row(one, one, tracked)} for one in ordered],
        "total": _row(_sum(found, tracked), _sum(paid, tracked), tracked),
    }


def _sum(found: Sequence[Campaign], tracked: Sequence[str]) -> Campaign:
    return Campaign(
        *("", sum(one.leads for one in found), sum(one.scored for one in found), sum(one.score for one in found)),
        great=sum(one.great for one in found),
        stages={stage: sum(one.stages.get(stage, 0) for one in found) for stage in tracked},
        revenue=sum(one.revenue for one in found),
        cost=sum(one.cost or 0.0 for one in found) if any(one.cost is not None for one in found) else None,
    )


def _row(one: Campaign, paid: Campaign, tracked: Sequence[str]) -> dict[str, Any]:
    """``paid``: the part of it that has a cost; what a cost brought is of that part alone."""
    cost = paid.cost
    return {
        "leads": one.leads,
        "score_mean": one.score / one.scored / 100 if one.scored else None,
        "great_share": one.great / one.scored if one.scored else None,
        "stages": [
            {
                "stage": stage,
                "count": (count := one.stages.get(stage, 0)),
                "share": count / one.leads if one.leads else None,
                "cost_each": round(cost / paid.stages[stage], 2)
                if cost is not None and paid.stages.get(stage)
                else None,
            }
            for stage in tracked
        ],
        "revenue": round(one.revenue, 2),
        "cost": round(cost, 2) if cost is not None else None,
        "return": (paid.revenue - cost) / cost if cost else None,
    }
