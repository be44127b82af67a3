"""Whose turn it is among people who share leads: by weight, and fair over any stretch of time (start-time fair queues).

A turn starts where its owner's last one ended, but not before the turn that was dealt last: who was away catches
nothing up. The earliest start is next, and ends 1/weight later. So of two who were there all along, however long that
was, each got as many turns per weight as the other, give or take one turn of each.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

TURN = 5_040_000
"""Length of a turn at weight 1, in virtual time."""
_NOW = ""


@dataclass(slots=True)
class Turns:
    """Of one group of people. ``ends``: who → when their last turn ends; ``""`` → when the turn dealt last began."""

    id: str
    version: int = 0
    ends: dict[str, int] = field(default_factory=dict)
    changed: bool = False

    def deal(self, weights: Mapping[str, float], among: Collection[str] | None = None) -> str:
        """Give the next turn to one of those who are there, each with a weight above 0.

        :param among: who of them may have it; those who may not lose nothing by that.
        """
        starts = self._starts(weights)
        chosen = min((start, name) for name, start in starts.items() if among is None or name in among)[1]
        self.ends[_NOW] = min(starts.values())
        self.ends[chosen] = starts[chosen] + round(TURN / weights[chosen])
        self.changed = True
        return chosen

    def order(self, names: Collection[str]) -> list[str]:
        """Who is next, and who after that."""
        return sorted(names, key=lambda name: (self._start(name), name))

    def _starts(self, names: Collection[str]) -> dict[str, int]:
        return {name: self._start(name) for name in names}

    def _start(self, name: str) -> int:
        return max(self.ends.get(_NOW, 0), self.ends.get(name, 0))


def shared_by(names: Collection[str]) -> str:
    """The id of the turns that these people share."""
    return ", ".join(sorted(names))
