"""content.yaml: which stage of the journey an asset, channel or campaign serves. Its form, its check, what it becomes.

content:
  - {stage: target, where: {channel: [social, paid_search]}}
  - {stage: mql, where: {asset: {contains: pricing}}}
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from marshmallow import Schema, fields

from gateway.conditions import Condition, attributes_of, check_condition, compile_condition
from gateway.errors import Problem
from gateway.settings.files import ConfigFile, KeyPath, suggest

TOUCH = ("asset", "channel", "campaign", "kind")
"""What `where:` may ask of an engagement."""
WEIGHTS = "content_weights"
"""The section of scoring.yaml in which content counts by persona and the stage it serves: persona → stage → factor."""
DEFAULT, UNASSIGNED = "default", "unassigned"
"""In that section: any other persona, and content of which no entry says the stage."""


class EntryForm(Schema):
    stage = fields.String(required=True, metadata={"help": "a stage of journey.yaml"})
    where = fields.Raw(required=True, metadata={"help": "condition on asset, channel, campaign or kind"})


class ContentForm(Schema):
    content = fields.List(
        fields.Nested(EntryForm), required=True, metadata={"help": "the first entry that holds says the stage"}
    )


@dataclass(frozen=True, slots=True)
class Content:
    """``entries``: (stage, test of an engagement), in the order of the file. ``reads``: what of ``TOUCH`` they ask."""

    entries: Sequence[tuple[str, Condition]] = ()
    reads: Sequence[str] = ()

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
            problems.append(_no_such(file, ("content", index, "stage"), "stage", stage, stages))
        if where is not None:
            problems += check_condition(file, ("content", index, "where"), where, TOUCH)
    return problems


def compile_content(data: Mapping[str, Any]) -> Content:
    """The content of a file that has no problem."""
    entries = data["content"]
    asked = frozenset().union(*(attributes_of(entry["where"]) for entry in entries))
    return Content(
        [(entry["stage"], compile_condition(entry["where"])) for entry in entries],
        [name for name in TOUCH if name in asked],
    )


def check_weighed(scoring: ConfigFile, content: bool, personas: Sequence[str], stages: Sequence[str]) -> list[Problem]:
    """What a scoring.yaml that weighs content gets wrong beside its form.

    :param content: whether there is a content.yaml. :param personas: :param stages: the names of journey.yaml's.
    """
    weights = scoring.data.get(WEIGHTS)
    if not isinstance(weights, Mapping):
        return []
    problems = []
    if not content:
        told = "there is no content.yaml to say which stage an asset, a channel or a campaign serves"
        problems.append(scoring.problem((WEIGHTS,), told))
    for persona, factors in weights.items():
        if persona not in (*personas, DEFAULT):
            problems.append(_no_such(scoring, (WEIGHTS, persona), "persona", persona, (*personas, DEFAULT)))
        problems += [
            _no_such(scoring, (WEIGHTS, persona, stage), "stage", stage, (*stages, UNASSIGNED))
            for stage in (factors if isinstance(factors, Mapping) else ())
            if stage not in (*stages, UNASSIGNED)
        ]
    return problems


def in_vain(scoring: ConfigFile, content: ConfigFile | None, personas: Sequence[str]) -> Iterator[Problem]:
    """Weights that nothing ever counts by: of a stage that no entry of content.yaml says, of a persona that nobody is.

    :param personas: the names of journey.yaml's.
    """
    served = {UNASSIGNED, *(entry["stage"] for entry in content.data["content"])} if content is not None else set()
    for persona, factors in (scoring.data.get(WEIGHTS) or {}).items():
        for stage in factors:
            if served and stage not in served:
                yield scoring.problem((WEIGHTS, persona, stage), "content.yaml names no content that serves it")
    weighed = scoring.data.get("personas")
    for persona in weighed if isinstance(weighed, Mapping) else ():  # a list of them is the journey's own
        if persona not in personas:
            yield _no_such(scoring, ("personas", persona), "persona", persona, personas)


def with_content(scoring: Mapping[str, Any], content: Mapping[str, Any] | None) -> dict[str, Any]:
    """A scoring.yaml's content as its scorer is built from it: one that weighs content holds content.yaml's entries."""
    weighs = content is not None and WEIGHTS in scoring
    return {**scoring, "content": content["content"]} if weighs and content is not None else dict(scoring)


def _no_such(file: ConfigFile, path: KeyPath, what: str, name: object, known: Sequence[str]) -> Problem:
    hint = suggest(name, known) or (f"; there are {', '.join(known)}" if known else "; there is none")
    return file.problem(path, f"no such {what} in journey.yaml{hint}")
