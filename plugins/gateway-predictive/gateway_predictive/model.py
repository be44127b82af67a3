"""scoring.yaml of ``strategy: predictive``: its form, and every problem of it.

What was learned stands there as numbers, in log odds, so a version of the model names them, and scoring needs neither
scikit-learn nor a file of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from gateway.durations import Duration
from gateway.errors import Problem
from gateway.settings.files import ConfigFile

_NAMED: dict[str, Any] = {"required": True, "validate": validate.Length(1, 200)}
_POINTS: dict[str, Any] = {"strict": True, "validate": validate.Range(0, 100, error="expected points, 0 to 100")}
_WEIGHT: dict[str, Any] = {"validate": validate.Range(-50, 50, error="expected log odds, such as -0.4 or 1.2")}


class InputForm(Schema):
    """One of three: ``values`` of an attribute, ``edges`` of a number and ``weights`` between them, an ``activity``."""

    name = fields.String(**_NAMED)
    attribute = fields.String()
    values = fields.Dict(values=fields.Float(**_WEIGHT))
    other = fields.Float(load_default=0.0, **_WEIGHT)
    edges = fields.List(fields.Float())
    weights = fields.List(fields.Float(**_WEIGHT))
    activity = fields.String()
    half_life = Duration()
    most = fields.Float(load_default=1.0, validate=validate.Range(min=0, min_inclusive=False, error="must be above 0"))
    weight = fields.Float(load_default=0.0, **_WEIGHT)

    @validates_schema
    def _one_kind(self, data: Mapping[str, Any], **more: Any) -> None:
        kinds = [key for key in ("values", "edges", "activity") if key in data]
        if len(kinds) != 1:
            raise ValidationError("say what it looks at: one of values, edges and activity", "name")
        if ("attribute" in data) == (kinds == ["activity"]):
            raise ValidationError("values and edges are an attribute's; an activity has none", "attribute")
        if kinds == ["activity"] and "half_life" not in data:
            raise ValidationError("an activity is forgotten by and by: say how fast, such as 30d", "half_life")
        if kinds == ["edges"]:
            if any(after <= before for before, after in pairwise(data["edges"])):
                raise ValidationError("edges rise from one to the next", "edges")
            if len(data.get("weights", ())) != len(data["edges"]) + 1:
                raise ValidationError(f"{len(data['edges'])} edges have {len(data['edges']) + 1} weights", "weights")


class CalibrationForm(Schema):
    slope = fields.Float(required=True, validate=validate.Range(min=0, min_inclusive=False, error="must be above 0"))
    shift = fields.Float(required=True, **_WEIGHT)


class BandsForm(Schema):
    great = fields.Integer(load_default=60, **_POINTS)
    good = fields.Integer(load_default=30, **_POINTS)


class ModelForm(Schema):
    strategy = fields.String()
    name = fields.String(load_default="lead")
    bands = fields.Nested(BandsForm, load_default=lambda: BandsForm().load({}))
    base = fields.Float(required=True, **_WEIGHT)
    calibration = fields.Nested(CalibrationForm, load_default=lambda: {"slope": 1.0, "shift": 0.0})
    fit = fields.List(fields.Nested(InputForm), load_default=list)
    behaviour = fields.List(fields.Nested(InputForm), load_default=list)


def check(file: ConfigFile) -> list[Problem]:
    """Every problem of the file; the gateway shows each with its line."""
    problems = list(file.check(ModelForm()))
    if not problems:
        if not file.data.get("fit") and not file.data.get("behaviour"):
            problems.append(file.problem((), "nothing under fit: or behaviour:, so every lead would score the same"))
        problems += [
            file.problem(("fit", place), "what a lead does belongs under behaviour:")
            for place, one in enumerate(file.data.get("fit") or ())
            if "activity" in one
        ]
    return problems
