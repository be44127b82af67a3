"""How a lead's score moved: recomputed from what was known then, beside the page, and drawn as steps."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from gateway import past
from gateway.past import Point
from gateway.web.desk.beside import Kept
from gateway.web.desk.page import Desk

WIDE, HIGH = 200, 50
"""Of the picture; 100 points are its height."""


def moves(desk: Desk, lead: str, version: int, score: str) -> Kept:
    """A list of ``past.Point``, the newest first. :param version: of the lead: news make it another question.
    :param score: which; empty = the main one."""
    gateway = desk.gateway
    scoring = gateway.model.hashes.get("scoring", "")
    return desk.beside.ask(("moves", lead, version, scoring, score), lambda: past.history(gateway, lead, score=score))


def picture(points: Sequence[Point], now: datetime, thresholds: Sequence[int]) -> dict[str, Any] | None:
    """``path`` of the steps, ``lines`` where thresholds are, the days of both ends; None without two moments."""
    if not points or points[-1].at >= now:
        return None
    begin, whole = points[-1].at, (now - points[-1].at).total_seconds()

    def across(at: datetime) -> float:
        return round(WIDE * (at - begin).total_seconds() / whole, 2)

    steps = [f"M0 {_height(points[-1].total)}"]
    steps += [f"H{across(one.at)}V{_height(one.total)}" for one in reversed(points[:-1])]
    lines = [{"y": _height(one), "words": f"{one / 100:g}"} for one in sorted(set(thresholds))]
    return {
        "path": "".join([*steps, f"H{WIDE}"]),
        "lines": lines,
        "begin": f"{begin.astimezone(now.tzinfo):%Y-%m-%d}",
        "end": f"{now:%Y-%m-%d}",
    }


def _height(hundredths: int) -> float:
    return round(HIGH * (1 - hundredths / 10_000), 2)
