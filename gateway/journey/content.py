"""content.yaml: which stage of the journey an asset, channel or campaign serves. Its form, its check, what it becomes.

content:
  - {stage: target, where: {channel: [social, paid_search]}}
  - {stage: mql, where: {asset: {contains: pricing}}}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from marshmallow import Schema, fields

from gateway.conditions import Condition, check_condition, compile_condition
from gateway.errors import Problem
from gateway.settings.files import ConfigFile, suggest

TOUCH = ("asset", "channel", "campaign", "kind")
"""What `where:` may ask of an engagement."""


class EntryForm(Schema):
    stage = fields.String(required=True, metadata={"help": "a stage of journey.yaml"})
    where = fields.Raw(required=True, metadata={"help": "condition on asset, channel, campaign or kind"})


class ContentForm(Schema):
    content = fields.List(
        fields.Nested(EntryForm), required=True, metadata={"help": "the first entry that holds says the stage"}
    )


@dataclass(frozen=True, slots=True)
class Content:
    """``entries``: (stage, test of an engagement), in the order of the file."""

    entries: Sequence[tuple[str, Condition]] = ()

    def stage_of(self, touch: Mapping[str, str]) -> str | None:
        """The stage that an engagement with these ``TOUCH`` values serves; None = nothing says so."""
        return next((stage for stage, holds in self.entries if holds(touch)), None)


def check_content(file: ConfigFile, stages: Sequence[str]) -> list[Problem]:
    """Every problem of the file. ``stages``: the names of journey.yaml's."""
    problems = file.check(ContentForm())
    entries = file.data.get("content")
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        if not isinstance(entry, Mapping):
            continue
        stage, where = entry.get("stage"), entry.get("where")
        if isinstance(stage, str) and stage not in stages:
            hint = suggest(stage, stages) or f"; there are {', '.join(stages)}"
            problems.append(file.problem(("content", index, "stage"), f"no such stage in journey.yaml{hint}"))
        if where is not None:
            problems += check_condition(file, ("content", index, "where"), where, TOUCH)
    return problems


def compile_content(data: Mapping[str, Any]) -> Content:
    """The content of a file that has no problem."""
    return Content([(entry["stage"], compile_condition(entry["where"])) for entry in data["content"]])
