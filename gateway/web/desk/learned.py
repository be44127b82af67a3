"""What past leads say of one of the model's scores: points and thresholds, with the reason for each, as a draft."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from gateway.errors import GatewayError, Refused
from gateway.governance.parts import JOURNEY, SCORING
from gateway.model import score_called
from gateway.settings.folder import SCORES
from gateway.web.desk import apart
from gateway.web.desk.page import Desk, chosen, page, visitor

LONGEST = 900.0
"""Seconds that either may take."""
KEY = "learned"
ASKED = dict.fromkeys(("per_week", "weeks", "order_by", "undated", "any_end"), 200)
FIRST = 15
"""So many of the values, those with the most points, stand open."""


@page("/model/learned", "decide")
def learned(desk: Desk) -> ResponseReturnValue:
    names = desk.gateway.model.score_names
    name = score_called(request.args.get("score", ""), names)
    kept = desk.beside.look((KEY, name))
    told = kept.value if kept is not None else None
    return render_template(
        "desk/learned.html",
        asked=chosen(ASKED) or (told["asked"] if told else {}),
        told=told,
        values=sorted(told["model"]["values"], key=lambda one: -abs(one["points"])) if told else (),
        first=FIRST,
        problem=kept.problem if kept is not None else "",
        working=kept is not None and kept.running is not None,
        score=name,
        scores=names,
        files=(SCORING if name == names[0] else f"{SCORES}/{name}.yaml", JOURNEY),
    )


@page("/model/learned", "decide", ("POST",))
def learn(desk: Desk) -> ResponseReturnValue:
    """Begin, beside the page; nothing of the model changes by it."""
    root, given = desk.gateway.instance.root, request.form
    name = score_called(request.args.get("score", ""), desk.gateway.model.score_names)
    order = given.get("order_by", "").strip()[:200]
    how = [*([f"--order-by={order}"] if order else []), *(["--undated"] if "undated" in given else [])]
    how += [f"--score={name}", *(["--any-end"] if "any_end" in given else [])]
    rooms = [f"--{name.replace('_', '-')}={_number(given[name])}" for name in ("per_week", "weeks") if given.get(name)]
    by = visitor().email
    asked: dict[str, Any] = {name: said for name in ASKED if (said := given.get(name, "").strip()[:200])}
    with desk.noting("model learned from past leads", first=True):
        desk.beside.again((KEY, name), lambda: {"by": by, "asked": asked, **_learned(root, how, rooms)})
    flash("Past leads are looked at.", "done")
    other = name if name != desk.gateway.model.score_name else None
    return redirect(url_for("desk.learned", score=other, **asked))


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
