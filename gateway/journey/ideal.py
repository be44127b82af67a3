"""The opportunity that both teams wish for: one for each persona, in journey.yaml. It is counted, never scored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from marshmallow import Schema, fields, validate

from gateway.conditions import Condition, check_condition, compile_condition
from gateway.errors import Problem
from gateway.settings.files import ConfigFile, suggest

ALL = "all"
"""Stands for the persona where there are none."""


class IdealForm(Schema):
    name = fields.String(required=True, validate=validate.Length(1), metadata={"help": "how both teams call it"})
    when = fields.Raw(required=True, metadata={"help": "condition on lead fields"})


IDEALS = fields.Dict(
    keys=fields.String(),
    values=fields.Nested(IdealForm),
    metadata={"help": "persona (`all` where there are none): the opportunity to wish for"},
)


@dataclass(frozen=True, slots=True)
class Ideal:
    """``holds``: of a lead's attributes, its company's as ``company.<name>``."""

    name: str
    holds: Condition = field(repr=False)


def check_ideals(file: ConfigFile, personas: list[str]) -> Iterator[Problem]:
    known = personas or [ALL]
    ideals = file.data.get("ideal") if isinstance(file.data, Mapping) else None
    for persona, ideal in ideals.items() if isinstance(ideals, Mapping) else ():
        if persona not in known:
            hint = suggest(str(persona), known) or f"; it is one of {', '.join(known)}"
            yield file.problem(("ideal", persona), f"no such persona{hint}")
        if isinstance(ideal, Mapping) and "when" in ideal:
            yield from check_condition(file, ("ideal", persona, "when"), ideal["when"], None)


def compile_ideals(data: Mapping[str, Any]) -> dict[str, Ideal]:
    return {name: Ideal(one["name"], compile_condition(one["when"])) for name, one in data.get("ideal", {}).items()}
