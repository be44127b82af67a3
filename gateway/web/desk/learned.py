"""What past leads say of the model: points and thresholds, each with its reason, to be opened as a draft."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from gateway.errors import GatewayError, Refused
from gateway.governance.parts import JOURNEY, SCORING
from gateway.web.desk import apart
from gateway.web.desk.page import Desk, chosen, page, visitor

LONGEST = 900.0
"""Seconds that either may take."""
KEY = ("learned",)
ASKED = dict.fromkeys(("per_week", "weeks", "order_by", "undated"), 200)
FIRST = 15
"""So many of the values, those with the most points, stand open."""


@page("/model/learned", "decide")
def learned(desk: Desk) -> ResponseReturnValue:
    kept = desk.beside.look(KEY)
    told = kept.value if kept is not None else None
    return render_template(
        "desk/learned.html",
        asked=chosen(ASKED) or (told["asked"] if told else {}),
        told=told,
        values=sorted(told["model"]["values"], key=lambda one: -abs(one["points"])) if told else (),
        first=FIRST,
        problem=kept.problem if kept is not None else "",
        working=kept is not None and kept.running is not None,
        files=(SCORING, JOURNEY),
    )


@page("/model/learned", "decide", ("POST",))
def learn(desk: Desk) -> ResponseReturnValue:
    """Begin, beside the page; nothing of the model changes by it."""
    root, given = desk.gateway.instance.root, request.form
    order = given.get("order_by", "").strip()[:200]
    how = [*([f"--order-by={order}"] if order else []), *(["--undated"] if "undated" in given else [])]
    rooms = [f"--{name.replace('_', '-')}={_number(given[name])}" for name in ("per_week", "weeks") if given.get(name)]
    by = visitor().email
    asked: dict[str, Any] = {name: said for name in ASKED if (said := given.get(name, "").strip()[:200])}
    with desk.noting("model learned from past leads", first=True):
        desk.beside.again(KEY, lambda: {"by": by, "asked": asked, **_learned(root, how, rooms)})
    flash("Past leads are looked at.", "done")
    return redirect(url_for("desk.learned", **asked))


def _number(text: str) -> str:
    try:
        return f"{float(text):g}"
    except ValueError:
        raise Refused(f"a number of leads or weeks is asked for, not {text[:40]!r}") from None


def _learned(root: Path, how: list[str], rooms: list[str]) -> dict[str, Any]:
    """``model``: what `model learn` says; ``thresholds``: what `model thresholds` says by the learned points, with the
    ``journey`` they make, or the ``problem`` that keeps it from saying it."""
    told = {"model": apart.answer(root, ["model", "learn", *how], LONGEST)}
    with TemporaryDirectory() as folder:
        scoring, journey = Path(folder, SCORING), Path(folder, JOURNEY)
        scoring.write_text(told["model"]["draft"], encoding="utf-8")
        asked = ["model", "thresholds", f"--draft={scoring}", f"--out={journey}", *how, *rooms]
        try:
            found = apart.answer(root, asked, LONGEST)
        except GatewayError as exc:
            return {**told, "thresholds": None, "problem": str(exc)}
        return {**told, "thresholds": found, "journey": journey.read_text(encoding="utf-8"), "problem": ""}
