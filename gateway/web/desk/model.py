"""The model as people read it: rules, thresholds by persona, the process, how the scores lie."""

from __future__ import annotations

from typing import Any

from flask import Response, render_template, request
from flask.typing import ResponseReturnValue

from gateway.answers.model import live_rollups, rules_of, stage_of, weighed
from gateway.journey import diagram
from gateway.journey.process import process_of
from gateway.model import score_called
from gateway.store import bundle
from gateway.store import desk as queries
from gateway.store.database import read
from gateway.web.desk.beside import Kept
from gateway.web.desk.page import Desk, page


@page("/model")
def model(desk: Desk) -> ResponseReturnValue:
    gateway, journey = desk.gateway, desk.gateway.model.journey
    name = score_called(request.args.get("score", ""), gateway.model.score_names)
    score = name if name in gateway.model.others else ""
    with desk.looking() as connection:
        active = bundle.active(connection)
    counted = distributed(desk, name)
    scores = counted.value or []
    file = gateway.instance.scores[score] if score else gateway.instance.scoring
    scoring = file.data if file is not None else {}
    return render_template(
        "desk/model.html",
        active=active,
        hashes=gateway.model.hashes,
        scoring=scoring,
        score=name,
        scores=gateway.model.score_names,
        unscored=gateway.unscored,
        rules=list(rules_of(scoring)),
        weighed=weighed(scoring),
        rollups=live_rollups(gateway.instance),
        stages=[stage_of(one) for one in journey.stages],
        personas=list(journey.personas),
        matrix=_matrix(journey, score),
        bars=_bars(scores),
        lines=_lines(journey, score),
        scored=sum(scores),
        counting=counted.running is not None,
        again=counted.again,
    )


@page("/model/process.svg")
def process(desk: Desk) -> ResponseReturnValue:
    title = f"{desk.gateway.instance.name}: from lead to revenue"
    drawn = diagram.svg(process_of(desk.gateway.model.journey), title)
    policy = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}  # a picture, and ours
    return Response(drawn, mimetype="image/svg+xml", headers=policy)


def distributed(desk: Desk, name: str, patience: float = 0.0) -> Kept:
    """How many leads have which score, in bars: counted beside, and at most a minute old. :param patience: seconds to
    wait for a first count."""
    gateway = desk.gateway

    def work() -> list[int]:
        with read(gateway.store.main) as connection:
            return queries.scores(connection, name)

    return desk.beside.ask(("scores", name), work, patience)


def _matrix(journey: Any, score: str) -> list[tuple[str, list[int | None]]]:
    """Stage → the threshold of each persona, in hundredths; stages that this score does not enter are left out."""
    stages = [one for one in journey.stages if one.score == score]
    rows = [(one.name, [one.threshold(persona) for persona in journey.personas or ("",)]) for one in stages]
    return [row for row in rows if any(one is not None for one in row[1])]


def _bars(scores: list[int]) -> list[dict[str, Any]]:
    """Bars of a picture 100 wide and 40 high."""
    most, width = max(scores, default=0) or 1, 100 / max(len(scores), 1)
    step = queries.BIN // 100
    return [
        {
            "x": round(place * width, 2),
            "width": round(width * 0.9, 2),
            "height": round(40 * count / most, 2),
            "words": f"{place * step} to {(place + 1) * step} points: {count:,} leads",
        }
        for place, count in enumerate(scores)
    ]


def _lines(journey: Any, score: str) -> list[dict[str, Any]]:
    """Where the thresholds are on the same picture."""
    found: dict[int, list[str]] = {}
    for stage in (one for one in journey.stages if one.score == score):
        for persona in journey.personas or ("",):
            if (needed := stage.threshold(persona)) is not None:
                name = f"{stage.name} ({persona})" if isinstance(stage.thresholds, dict) else stage.name
                if name not in found.setdefault(needed, []):
                    found[needed].append(name)
    return [{"x": needed / 100, "words": ", ".join(names)} for needed, names in sorted(found.items())]
