"""Content and channels: what people engaged with, whom it reached, and which stage it serves. Pure.

In: engagements counted in the store. Out: the JSON of the report, the row with the most engagements first.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

KEYS: Mapping[str, tuple[str, ...]] = {
    "asset": ("channel", "asset"),
    "channel": ("channel",),
    "campaign": ("campaign",),
}
"""What a row is → the parts of a touch that make it one."""


class Touch(NamedTuple):
    """What an engagement is known by; "" = its system does not say."""

    asset: str
    channel: str
    campaign: str
    kind: str


@dataclass(frozen=True, slots=True)
class Reached:
    """People behind one row: all, and those of them who bought."""

    people: int
    won: int


def content(
    engagements: Mapping[Touch, int],
    reached: Mapping[tuple[str, ...], Reached],
    whole: Reached,
    by: str,
    stage_of: Callable[[Mapping[str, str]], str | None],
    points_of: Callable[[Touch], float | None],
) -> dict[str, Any]:
    """``content``: a row for each channel and asset (``by``: a key of ``KEYS``), and sums over all.

    :param engagements: how often each touch happened. :param reached: by the row's parts. :param whole: all leads.
    :param stage_of: the stage that a touch serves. :param points_of: what one earns when fresh; None = nobody can say.
    """
    parts = [Touch._fields.index(name) for name in KEYS[by]]
    rows: dict[tuple[str, ...], list[tuple[Touch, int]]] = defaultdict(list)
    for touch, count in engagements.items():
        rows[tuple(touch[part] for part in parts)].append((touch, count))
    lost = Reached(whole.people - whole.won, 0)
    found: list[dict[str, Any]] = []
    for key, touches in rows.items():
        some = reached.get(key, Reached(0, 0))
        stages: Counter[str | None] = Counter()
        for touch, count in touches:
            stages[stage_of(touch._asdict())] += count
        earned = [(points, count) for touch, count in touches if (points := points_of(touch)) is not None]
        total = sum(count for _, count in touches)
        found.append(
            dict(zip(KEYS[by], (part or None for part in key), strict=True))
            | {
                "stages": [stage for stage, _ in stages.most_common() if stage is not None],
                "unassigned": stages[None],
                "engagements": total,
                "people": some.people,
                "won": some.won,
                "won_share": some.won / whole.won if whole.won else None,
                "not_won_share": (some.people - some.won) / lost.people if lost.people else None,
                "points": round(sum(points * count for points, count in earned) / total, 2) if earned else None,
            }
        )
    found.sort(key=lambda row: (-row["engagements"], *(row[name] or "" for name in KEYS[by])))
    return {
        "by": by,
        "engagements": sum(engagements.values()),
        "unassigned": sum(row["unassigned"] for row in found),
        "leads": whole.people,
        "won": whole.won,
        "content": found,
    }


def unassigned(data: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The rows of which some engagements serve no stage that anybody has named, the most of them first."""
    return sorted((row for row in data["content"] if row["unassigned"]), key=lambda row: -row["unassigned"])
