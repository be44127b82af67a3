"""How long each source is usually quiet, and which is for too long now. Pure: times go in as microseconds.

A source's usual gap is the longest it kept silent within two weeks, nights and week-ends included. Twice that is too
long. A source that is known for less than a week, or that was heard a few times only, is not judged.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

HOUR = 3_600_000_000
DAY = 24 * HOUR
REMEMBERED = 14
"""Days whose longest gap is kept."""
KNOWN = 7 * DAY
FEWEST = 20
SHORTEST = HOUR
"""Nobody is told of less than this, however often a source speaks."""


def heard(before: Mapping[str, Any], first: int, last: int) -> dict[str, Any]:
    """What is kept of one source after it was heard from ``first`` to ``last``; empty ``before``: for the first time.

    ``since`` first, ``last`` and how ``often`` it was heard of; ``gaps``: day → the longest gap that ended on it.
    """
    if not before:
        return {"since": first, "last": last, "often": 1, "gaps": {}}
    day, gap = first // DAY, max(first - before["last"], 0)
    gaps = {name: length for name, length in before["gaps"].items() if int(name) > day - REMEMBERED}
    gaps[str(day)] = max(gaps.get(str(day), 0), gap)
    return {"since": before["since"], "last": max(last, before["last"]), "often": before["often"] + 1, "gaps": gaps}


def usual(kept: Mapping[str, Any]) -> int | None:
    """The usual gap; None while it cannot be told."""
    if kept["often"] < FEWEST or kept["last"] - kept["since"] < KNOWN:
        return None
    longest: int = max(kept["gaps"].values())
    return max(longest, SHORTEST)


def silent(kept: Mapping[str, Any], now: int) -> int | None:
    """For how long it has been silent, where that is more than twice its usual gap."""
    gap = usual(kept)
    quiet: int = now - kept["last"]
    return quiet if gap is not None and quiet > 2 * gap else None
