"""The model in use: its rules in words, its thresholds, and how the scores of all leads lie."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields

from gateway.answers.model import live_rollups, model_json
from gateway.answers.texts import points
from gateway.model import score_called
from gateway.store import bundle
from gateway.store import desk as queries
from gateway.web.api.forms import OfScore
from gateway.web.api.resource import Resource
from gateway.web.desk.beside import PATIENCE
from gateway.web.desk.model import distributed
from gateway.web.desk.page import desk

blueprint = Resource("model", "What marketing and sales agreed on")


class Threshold(Schema):
    stage = fields.String()
    persona = fields.String(metadata={"description": "empty: the model knows none"})
    score = fields.Float(allow_none=True, metadata={"description": "needed for the stage; null: no score enters it"})
    of = fields.String(metadata={"description": "which score; empty: the main one"})


class Thresholds(Schema):
    thresholds = fields.List(fields.Nested(Threshold))


class Bar(Schema):
    begin = fields.Float(metadata={"description": "score from which on"})
    end = fields.Float(metadata={"description": "up to that; the last bar holds it, too"})
    leads = fields.Integer()


class Distribution(Schema):
    score = fields.String(metadata={"description": "its name"})
    bars = fields.List(fields.Nested(Bar))


@blueprint.looks("/model", None)
def live() -> Any:
    """The rules and stages in use, in words, with their hashes and since when."""
    gateway = desk().gateway
    with desk().looking() as connection:
        active = bundle.active(connection)
    scoring = gateway.instance.scoring.data if gateway.instance.scoring is not None else None
    others = {name: file.data for name, file in gateway.instance.scores.items()}
    rollups = live_rollups(gateway.instance)
    return model_json(gateway.model.journey, scoring, others, gateway.model.hashes, active, rollups)


@blueprint.looks("/model/thresholds", Thresholds)
def thresholds() -> Any:
    """The score that each stage needs, per persona."""
    journey = desk().gateway.model.journey
    found = [(one, persona, one.threshold(persona)) for one in journey.stages for persona in journey.personas or ("",)]
    rows = [{"stage": one.name, "persona": who, "score": points(at), "of": one.score} for one, who, at in found]
    return {"thresholds": rows}


@blueprint.looks("/model/distribution", Distribution, asks=OfScore)
def distribution(asked: dict[str, Any]) -> Any:
    """How many leads have which score; at most a minute old."""
    name, step = score_called(asked["score"], desk().gateway.model.score_names), queries.BIN / 100
    bars = [
        {"begin": at * step, "end": (at + 1) * step, "leads": leads}
        for at, leads in enumerate(distributed(desk(), name, PATIENCE).answer())
    ]
    return {"score": name, "bars": bars}
