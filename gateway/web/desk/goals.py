"""How far the goals of goals.yaml have come, for the first page: drawn small, and worked out beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.answers.metrics.asking import Question, question
from gateway.metrics.report import percent
from gateway.store.database import read
from gateway.web.desk import apart
from gateway.web.desk.beside import Kept
from gateway.web.desk.numbers import key
from gateway.web.desk.page import Desk

if TYPE_CHECKING:
    from gateway.runtime import Gateway


def goals(desk: Desk) -> Kept | None:
    """A list of dicts, where there are goals."""
    gateway = desk.gateway
    if gateway.instance.goals is None:
        return None
    asked = question("goals", {}, gateway)
    return desk.beside.ask(("goals", key(desk, asked)), lambda: apart.worked(gateway, _goals, asked))


def _goals(gateway: Gateway, asked: Question) -> list[dict[str, Any]]:
    with read(gateway.store.main) as connection:
        return [_shown(one) for one in asked.answer(gateway, connection)[1].data["goals"]]


def _shown(goal: dict[str, Any]) -> dict[str, Any]:
    """``x_…``: where a share lies on a picture 100 wide; None: nothing to measure yet."""
    shares = {name: goal[name] for name in ("baseline", "rate", "forecast", "wanted")}
    words = {name: "" if share is None else percent(round(share, 3)) for name, share in shares.items()}
    places = {f"x_{name}": None if share is None else round(100 * min(share, 1.0), 2) for name, share in shares.items()}
    return {**goal, **words, **places}
