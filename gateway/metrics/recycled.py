"""What came back: won revenue by generation, how long it took after recycling, and which reasons return. Pure.

In: handoffs of each lead and sales, times in microseconds. Out: the JSON of the report.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.metrics.velocity import DAY, quantile

RECYCLED = "recycled"
_EVER = 1 << 62


@dataclass(frozen=True, slots=True)
class Handoff:
    """``ended_at``, ``bucket`` and ``reason`` are empty while it is open."""

    opened_at: int
    generation: int
    ended_at: int | None = None
    bucket: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Sale:
    """Something won, once, whoever of its people had been handed over. ``end``: the last moment at which it may have
    been won, where only the day is known."""

    leads: Sequence[str]
    won_at: int
    value: float
    end: int | None = None


@dataclass(slots=True)
class _Reason:
    recycled: int = 0
    returned: int = 0
    deals: int = 0
    value: float = 0.0
    took: list[int] = field(default_factory=list)


def recycled(
    handoffs: Mapping[str, Sequence[Handoff]],
    sales: Sequence[Sale],
    since: int | None = None,
    until: int | None = None,
) -> tuple[dict[str, Any], Mapping[str, list[str]]]:
    """``deals``, ``revenue``, ``generations``, ``from_recycling`` (times) and ``reasons``; and who is behind a number.

    A sale counts for the handoff that was opened last before it, of any of its people; what was won without one has
    generation None. It counts for every reason for which that person had been recycled last.

    :param handoffs: lead → its handoffs in order of their opening. :param since: of those recycled from then until
        before ``until`` it is told how many came back, whenever they did; ``sales`` are taken as they are.
    """
    reasons: dict[str, _Reason] = defaultdict(_Reason)
    behind: dict[str, dict[str, None]] = defaultdict(dict)
    for who, theirs in handoffs.items():
        for one, following in zip(theirs, [*theirs[1:], None], strict=True):
            if one.bucket != RECYCLED or one.ended_at is None or not (since or 0) <= one.ended_at < (until or _EVER):
                continue
            reasons[one.reason].recycled += 1
            reasons[one.reason].returned += following is not None
            for name in ("recycled", *(["returned"] if following is not None else [])):
                behind[f"{name}/{one.reason or '(no reason)'}"][who] = None
    by_generation: dict[int | None, list[float]] = defaultdict(lambda: [0, 0.0])
    took: list[int] = []
    for sale in sales:
        lead, place = _last_before(handoffs, sale)
        generation = handoffs[lead][place].generation if lead is not None else None
        sums = by_generation[generation]
        sums[0] += 1
        sums[1] += sale.value
        behind["won"] |= dict.fromkeys(sale.leads)
        behind[f"won/{generation or '(never handed over)'}"] |= dict.fromkeys(sale.leads)
        before = _recycled_before(handoffs[lead], place) if lead is not None else None
        if before is not None and before.ended_at is not None:
            behind[f"won after/{before.reason or '(no reason)'}"] |= dict.fromkeys(sale.leads)
            reason = reasons[before.reason]
            reason.deals += 1
            reason.value += sale.value
            reason.took.append(max(sale.won_at - before.ended_at, 0))
            took.append(max(sale.won_at - before.ended_at, 0))
    whole = sum(sale.value for sale in sales)
    data = {
        "deals": len(sales),
        "revenue": round(whole, 2),
        "generations": _generations(by_generation, whole),
        "from_recycling": {"deals": len(took), "median_days": _days(took, 0.5), "p90_days": _days(took, 0.9)},
        "reasons": _reasons(reasons),
    }
    return data, {name: list(leads) for name, leads in sorted(behind.items())}


def _generations(by_generation: Mapping[int | None, Sequence[float]], whole: float) -> list[dict[str, Any]]:
    return [
        {
            "generation": generation,
            "deals": int(deals),
            "revenue": round(value, 2),
            "share": value / whole if whole else None,
        }
        for generation, (deals, value) in sorted(
            by_generation.items(), key=lambda item: (item[0] is None, item[0] or 0)
        )
    ]


def _reasons(reasons: Mapping[str, _Reason]) -> list[dict[str, Any]]:
    return [
        {
            "reason": name,
            "recycled": one.recycled,
            "returned": one.returned,
            "returned_share": one.returned / one.recycled if one.recycled else None,
            "deals": one.deals,
            "revenue": round(one.value, 2),
            "median_days": _days(one.took, 0.5),
        }
        for name, one in sorted(reasons.items(), key=lambda item: (-item[1].value, -item[1].recycled, item[0]))
    ]


def _last_before(handoffs: Mapping[str, Sequence[Handoff]], sale: Sale) -> tuple[str | None, int]:
    found: tuple[int, str | None, int] = (-1, None, -1)
    for lead in sale.leads:
        theirs = handoffs.get(lead, ())
        place = bisect_right(theirs, sale.end or sale.won_at, key=lambda one: one.opened_at) - 1
        if place >= 0 and theirs[place].opened_at > found[0]:
            found = (theirs[place].opened_at, lead, place)
    return found[1], found[2]


def _recycled_before(theirs: Sequence[Handoff], place: int) -> Handoff | None:
    return next((one for one in reversed(theirs[:place]) if one.bucket == RECYCLED), None)


def _days(spans: Sequence[int], share: float) -> float | None:
    return quantile(sorted(spans), share) / DAY if spans else None
