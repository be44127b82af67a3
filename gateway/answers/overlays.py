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
from gateway.simulation.tally import DRAFT, LIVE

if TYPE_CHECKING:
    from gateway.runtime import Gateway
    from gateway.scoring.model import Overlay

UNBOUNDED = timedelta(days=90)
"""How far back is looked for one that has always held."""


def overlays(gateway: Gateway) -> list[dict[str, Any]]:
    """In the order of the file. ``state``: planned | running | over."""
    data = _data(gateway)
    owners = [one.get("owner", "") for one in data.get("overlays") or ()]
    now = gateway.now()
    return [
        {
            "name": one.name,
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
        for one, owner in zip(_listed(gateway), owners, strict=True)
    ]


def effect(gateway: Gateway, name: str, tell: Tell = lambda *_: None) -> dict[str, Any]:
    """What crossed to sales since it began, with it and without.

    Raises ``NotFound`` for a name that the live model has not, ``Refused`` for one that has not begun.
    """
    listed = _listed(gateway)
    one = next((each for each in listed if each.name == name), None)
    if one is None:
        names = [each.name for each in listed]
        raise NotFound(
            f"no overlay {name!r} in the live model{suggest(name, names) or '; there are: ' + ', '.join(names)}"
        )
    since = one.start or gateway.now() - UNBOUNDED
    if since >= gateway.now():
        raise Refused(f"{name} has not begun")
    data = dict(_data(gateway))
    data["overlays"] = [each for each in data["overlays"] if each["name"] != name]
    files = {**gateway.instance.files, SCORING: json.dumps(data, default=str)}
    told = simulation_json(gateway, simulate(gateway, files, since, tell))
    return {
        "overlay": name,
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


def _data(gateway: Gateway) -> dict[str, Any]:
    return gateway.instance.scoring.data if gateway.instance.scoring is not None else {}


def _listed(gateway: Gateway) -> tuple[Overlay, ...]:
    return load_model(_data(gateway)).overlays if _data(gateway).get("overlays") else ()
