"""Overlays of the live model: when each holds, whose it is, and what it changed, by a replay without it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from gateway.answers.simulation import simulation_json
from gateway.answers.texts import iso_time
from gateway.committee.simulating import Tell, simulate
from gateway.errors import NotFound, Refused
from gateway.governance.parts import SCORING
from gateway.scoring.model import load_model
from gateway.settings.files import suggest
from gateway.settings.folder import SCORES
from gateway.simulation.tally import DRAFT, LIVE

if TYPE_CHECKING:
    from gateway.runtime import Gateway
    from gateway.scoring.model import Overlay

UNBOUNDED = timedelta(days=90)
"""How far back is looked for one that has always held."""


def overlays(gateway: Gateway) -> list[dict[str, Any]]:
    """Those of each score, in the order of its file. ``state``: planned | running | over."""
    return [one for score in ("", *gateway.instance.scores) for one in _of_score(gateway, score)]


def _of_score(gateway: Gateway, score: str) -> list[dict[str, Any]]:
    owners = [one.get("owner", "") for one in _data(gateway, score).get("overlays") or ()]
    now = gateway.now()
    return [
        {
            "name": one.name,
            "score": score or gateway.model.score_name,
            "from": iso_time(one.start) if one.start else None,
            "to": iso_time(one.end) if one.end else None,
            "factor": one.factor,
            "rules": sorted(one.rules),
            "owner": owner,
            "state": "planned"
            if one.start and one.start > now
            else "over"
            if one.end and one.end <= now
            else "running",
        }
        for one, owner in zip(_listed(gateway, score), owners, strict=True)
    ]


def effect(gateway: Gateway, name: str, tell: Tell = lambda *_: None, score: str = "") -> dict[str, Any]:
    """What crossed to sales since it began, with it and without. ``score``: whose it is; empty = of whichever has one.

    Raises ``NotFound`` for a name that the live model has not, ``Refused`` for one that several scores have, or that
    has not begun.
    """
    asked = [gateway.model.score_asked(score)] if score else ["", *gateway.instance.scores]
    listed = [(whose, each) for whose in asked for each in _listed(gateway, whose)]
    found = [(whose, each) for whose, each in listed if each.name == name]
    if not found:
        names = [each.name for _, each in listed]
        there = suggest(name, names) or f"; there are: {', '.join(names) or 'none'}"
        raise NotFound(f"no overlay {name!r} in the live model{there}")
    if len(found) > 1:
        several = ", ".join(whose or gateway.model.score_name for whose, _ in found)
        raise Refused(f"several scores have an overlay {name!r}: {several}; --score says which")
    (score, one), *_ = found
    since = one.start or gateway.now() - UNBOUNDED
    if since >= gateway.now():
        raise Refused(f"{name} has not begun")
    data = dict(_data(gateway, score))
    data["overlays"] = [each for each in data["overlays"] if each["name"] != name]
    file = f"{SCORES}/{score}.yaml" if score else SCORING
    files = {**gateway.instance.files, file: json.dumps(data, default=str)}
    told = simulation_json(gateway, simulate(gateway, files, since, tell, score=score))
    return {
        "overlay": name,
        "score": score or gateway.model.score_name,
        "since": told["since"],
        "until": told["until"],
        "with": told[LIVE]["crossed"],
        "without": told[DRAFT]["crossed"],
        "brought": told["dropped"],
        "kept_back": told["gained"],
        "wins_caught": told["wins_missed"],
        "wins_missed": told["wins_caught"],
        "examples": {"brought": told["examples"]["dropped"], "kept_back": told["examples"]["gained"]},
    }


def _data(gateway: Gateway, score: str) -> dict[str, Any]:
    file = gateway.instance.score_file(score)
    return file.data if file is not None else {}


def _listed(gateway: Gateway, score: str) -> tuple[Overlay, ...]:
    data = _data(gateway, score)
    return load_model(data).overlays if data.get("overlays") else ()
