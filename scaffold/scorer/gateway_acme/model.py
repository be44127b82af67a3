"""scoring.yaml of ``strategy: acme``: its form, and every problem of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.errors import Problem
from gateway.settings.files import ConfigFile
from marshmallow import Schema, ValidationError, fields, validate, validates_schema

_NAMED: dict[str, Any] = {"required": True, "validate": validate.Length(1, 100)}
_POINTS: dict[str, Any] = {"strict": True, "validate": validate.Range(0, 100, error="expected points, 0 to 100")}


class FitForm(Schema):
    """``{name: Software, attribute: industry, one_of: [software, games], points: 30}``, or with ``at_least: 50``."""

    name = fields.String(**_NAMED)
    attribute = fields.String(**_NAMED)
    one_of = fields.List(fields.String())
    at_least = fields.Float()
    points = fields.Integer(required=True, **_POINTS)

    @validates_schema
    def _one_test(self, data: Mapping[str, Any], **more: Any) -> None:
        if ("one_of" in data) == ("at_least" in data):
            raise ValidationError("say whom it fits, with `one_of` or with `at_least`", "name")


class BehaviourForm(Schema):
    """``{name: Asked for a demo, activity: demo_request, within_days: 90, points: 25}``."""

    name = fields.String(**_NAMED)
    activity = fields.String(**_NAMED)
    within_days = fields.Integer(strict=True, load_default=90, validate=validate.Range(1, 3650))
    points = fields.Integer(required=True, **_POINTS)


class BandsForm(Schema):
    great = fields.Integer(load_default=70, **_POINTS)
    good = fields.Integer(load_default=40, **_POINTS)


class ModelForm(Schema):
    strategy = fields.String()
    name = fields.String(load_default="lead")
    fit = fields.List(fields.Nested(FitForm), required=True)
    behaviour = fields.List(fields.Nested(BehaviourForm), required=True)
    bands = fields.Nested(BandsForm, load_default=lambda: BandsForm().load({}))


def check(file: ConfigFile) -> list[Problem]:
    """Every problem of the file; the gateway shows each with its line."""
    problems = list(file.check(ModelForm()))
    if not problems:
        points = sum(rule["points"] for axis in ("fit", "behaviour") for rule in file.data[axis])
        if points > 100:
            problems.append(file.problem(("fit",), f"the rules of both axes give {points} points; 100 is the most"))
    return problems
