"""Writes settings.md from the forms of the files. ``--check``: is it stale?"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from marshmallow import Schema, fields, missing

from gateway.durations import format_duration
from gateway.governance import committee
from gateway.journey import check as journey
from gateway.journey import content
from gateway.mapping import field as mapping_field
from gateway.mapping import grammar
from gateway.mapping.types import TYPES
from gateway.metrics import goals
from gateway.scoring import model as scoring
from gateway.settings import form

FOLDER = Path(__file__).parent

FILES: tuple[tuple[str, type[Schema]], ...] = (
    ("gateway.yaml", form.GatewayForm),
    ("mappings/SYSTEM.yaml", grammar.MappingForm),
    ("scoring.yaml", scoring.ModelSchema),
    ("journey.yaml", journey.JourneySchema),
    ("content.yaml", content.ContentForm),
    ("goals.yaml", goals.GoalsForm),
    ("committee.yaml", committee.CommitteeForm),
)
# What a key means where the form itself does not say it; a test sees to it that none is left out.
HELP = {
    "gateway.yaml instance": "who this is",
    "gateway.yaml deals": "whose word on deals counts",
    "mappings objects.exclude": "items left out; each reason is counted",
    "mappings objects.exclude.when": "condition on the item",
    "mappings objects.gone": "when the record is deleted over there",
    "mappings objects.gone.reason": "kept with the record",
    "mappings objects.merged": "when other records were merged into this one",
    "mappings objects.converted": "when the record became another one",
    "mappings objects.erased": "when the person asked to be erased",
    "mappings objects.links": "other records of the same system that this one belongs to",
    "mappings objects.update": "linked: linked records are kept up to date; never: they are not",
    "mappings objects.once": "how a create is kept from happening twice: key, lookup, at_least, at_most",
    "mappings objects.activities": "rules that make activities of what is observed",
    "mappings objects.outcomes": "rules that make outcomes of what is observed",
    "mappings objects.only": "which items are of this object",
    "mappings objects.include": "which items come in; others are skipped",
    "scoring.yaml strategy": "name a plugin offers a scorer under",
    "scoring.yaml name": "name of this score; in scores/NAME.yaml that of the file",
    "scoring.yaml weights": "share of each axis of the 100 points; they add up to 100",
    "scoring.yaml weights.fit": "share of fit",
    "scoring.yaml weights.behaviour": "share of behaviour",
    "scoring.yaml maximum": "raw points that already earn an axis its whole share",
    "scoring.yaml maximum.fit": "raw points",
    "scoring.yaml maximum.behaviour": "raw points",
    "scoring.yaml bands": "from which score on a lead is great or good; below it is bad",
    "scoring.yaml bands.great": "points of the score",
    "scoring.yaml bands.good": "points of the score",
    "scoring.yaml groups": "limits that several rules share, by name",
    "scoring.yaml groups.cap": "most raw points that the group's rules give together",
    "scoring.yaml levels": "ordered levels of an attribute, by name",
    "scoring.yaml levels.attribute": "the attribute that the title table reads",
    "scoring.yaml levels.order": "the levels, highest first",
    "scoring.yaml titles": "level: titles to add to the built-in tables; languages: whose tables are read, default all",
    "scoring.yaml fit": "the rules of fit",
    "scoring.yaml behaviour": "the rules of behaviour",
    "scoring.yaml fit.name": "what people read in an explanation",
    "scoring.yaml fit.points": "raw points, negative to take away; of an activity rule, for each activity",
    "scoring.yaml fit.group": "shares the cap of this group",
    "scoring.yaml fit.level": "compares the lead's level in this set, with at_least, above, at_most, below or is",
    "scoring.yaml fit.at_least": "this level or above",
    "scoring.yaml fit.above": "above this level",
    "scoring.yaml fit.at_most": "this level or below",
    "scoring.yaml fit.below": "below this level",
    "scoring.yaml fit.is": "exactly this level",
    "scoring.yaml fit.levels": "points for each level",
    "scoring.yaml fit.levels.level": "the set of levels",
    "scoring.yaml fit.levels.points": "level: raw points",
    "scoring.yaml fit.levels.default": "raw points of the other levels",
    "scoring.yaml fit.when": "all points when the condition on attributes holds",
    "scoring.yaml fit.ranges": "points by a number",
    "scoring.yaml fit.ranges.attribute": "the attribute",
    "scoring.yaml fit.ranges.points": '"0-49", "500-" or "-10": raw points',
    "scoring.yaml fit.ranges.default": "raw points of any other known value",
    "scoring.yaml fit.values": "points by a value",
    "scoring.yaml fit.values.attribute": "the attribute",
    "scoring.yaml fit.values.points": "value: raw points",
    "scoring.yaml fit.values.default": "raw points of any other known value",
    "scoring.yaml fit.activity": "kinds of activity that give points each time (only under behaviour)",
    "scoring.yaml fit.where": "condition on the activity: asset, channel, campaign",
    "scoring.yaml fit.cap": "most raw points of this rule",
    "scoring.yaml fit.window": "only activities of this age or younger count",
    "scoring.yaml fit.half_life": "after each such time an activity is worth half",
    "scoring.yaml personas": "persona: {rule: factor}",
    "scoring.yaml content_weights": "persona, or default: {stage that content.yaml says, or unassigned: factor}",
    "scoring.yaml overlays": "factors for a time only",
    "scoring.yaml overlays.name": "what people read in an explanation",
    "scoring.yaml overlays.from": "first moment, included; a day is a UTC day",
    "scoring.yaml overlays.to": "last moment, not included",
    "scoring.yaml overlays.rule": "the rule, or a list of rules",
    "scoring.yaml overlays.group": "all rules of this group instead",
    "scoring.yaml overlays.factor": "what the points are multiplied with",
    "scoring.yaml overlays.owner": "who answers for it",
    "journey.yaml personas": "types of prospect; the first that matches is taken",
    "journey.yaml personas.name": "its name",
    "journey.yaml personas.when": "condition on attributes; the last persona may do without",
    "journey.yaml stages": "your stages, in order; every lead enters the first",
    "journey.yaml stages.name": "its name",
    "journey.yaml stages.shared": "target, mql, sal, sql or won; default: its own name",
    "journey.yaml stages.entry": "what lets a lead in: any of these",
    "journey.yaml stages.entry.score": "a threshold, or {persona: threshold}",
    "journey.yaml stages.entry.of": "the score that `score` is one of: scores/NAME.yaml; default: that of scoring.yaml",
    "journey.yaml stages.entry.outcome": "outcomes reported by sales",
    "journey.yaml stages.entry.activity": "kinds of activity",
    "journey.yaml stages.both": "true: the threshold and one of the others are needed",
    "journey.yaml stages.steps": "done once per crossing: handoff, set, join, leave, campaign, notify",
    "journey.yaml stages.fall": "what a falling score does: stay or back; default: back before the first handoff",
    "journey.yaml stages.margin": "points below the threshold before a score counts as fallen; default: 5",
    "journey.yaml never_hand_over": "who is scored but never handed over; the first reason is counted",
    "journey.yaml never_hand_over.reason": "what is counted and shown",
    "journey.yaml never_hand_over.when": "condition on attributes",
    "journey.yaml never_hand_over.open_deal": "true: leads with an open deal; its owner gets a note",
    "journey.yaml follow_up": "the clocks of a handoff; its times are recorded when it opens",
    "journey.yaml lists": "bucket: list of those whose last handoff ended in it",
    "journey.yaml reasons": "bucket: reasons people choose from",
    "journey.yaml buckets": "outcome: bucket it ends a handoff in",
}
OPENING = (
    "<!-- Made by docs/generate.py from the code; edit the code, then run it again. -->\n\n"
    "# Every key of every file\n\nWhat the keys are for is told in the [admin's page](admin.md). "
    "A key with a dot stands inside the one before the dot;\nwhere that one is a list, in each of its entries.\n"
)


def settings_page() -> str:
    lines = [OPENING]
    for name, schema in FILES:
        lines += [f"\n## {name}\n", "| Key | Takes | Default | What it says |", "|---|---|---|---|"]
        for path, field in keys(schema):
            where = f"{name.partition('/')[0]} {path}"
            told = help_of(where, field)
            required = "required" if field.required else _shown(field.load_default)
            lines.append(f"| `{path}` | {_kind(field)} | {required} | {_cell(told)} |")
    lines += ["\n## Types of fields\n", ", ".join(f"`{name}`" for name in TYPES) + ".\n"]
    lines += [
        "## Transforms\n",
        ", ".join(f"`{name}`" for name in mapping_field.BUILT_IN) + ", and those of plugins.\n",
    ]
    lines += ["## Fields the gateway works out\n", "They can be sent (`sync: out`) and tested, not set: "]
    lines[-1] += ", ".join(f"`{name}`" for name in grammar.COMPUTED)
    named = ", ".join(f"`{name}.NAME`" for name in grammar.SCORED)
    lines[-1] += f"; of each score beside the main one {named}, which are only sent.\n"
    return "\n".join(lines)


def keys(schema: type[Schema], before: str = "", seen: tuple[type[Schema], ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every key of a form with its field, outer before inner. Rules of both axes are alike: told once, under fit."""
    for name, field in schema().fields.items():
        path = f"{before}{field.data_key or name}"
        yield path, field
        inner = _inner(field)
        if inner is not None and inner not in seen and path != "behaviour":
            yield from keys(inner, f"{path}.", (*seen, inner))


def help_of(where: str, field: Any) -> str:
    return HELP.get(where) or str(field.metadata.get("help", ""))


def _inner(field: Any) -> type[Schema] | None:
    if isinstance(field, fields.Nested):
        return type(field.schema)
    if isinstance(field, fields.List):
        return _inner(field.inner)
    return _inner(field.value_field) if isinstance(field, fields.Dict) and field.value_field is not None else None


def _kind(field: Any) -> str:
    if isinstance(field, fields.List):
        return "list"
    if isinstance(field, fields.Dict):
        return "names with values" if field.value_field is not None else "keys"
    if isinstance(field, grammar.Short):
        return "a word, or keys"
    if isinstance(field, fields.Nested):
        return "keys"
    kinds = ((fields.Boolean, "true or false"), (fields.Integer, "whole number"), (fields.Float, "number"))
    for kind, word in kinds:
        if isinstance(field, kind):
            return word
    return {"Condition": "condition", "Duration": "duration", "Points": "points", "Moment": "time"}.get(
        type(field).__name__, "text" if isinstance(field, fields.String) else "value"
    )


def _shown(default: Any) -> str:
    if default is missing or default is None or default in ([], {}):
        return ""
    if default == ("127.0.0.1", 8080):
        return "127.0.0.1:8080"
    if isinstance(default, bool):
        return str(default).lower()
    return str(default) if not isinstance(default, timedelta) else format_duration(default)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


PAGES = {"settings.md": settings_page}


def stale() -> list[str]:
    """Names of the pages that are not what the code says."""
    return [
        name
        for name, page in PAGES.items()
        if not (FOLDER / name).exists() or (FOLDER / name).read_text(encoding="utf-8") != page()
    ]


def main(arguments: list[str]) -> int:
    if arguments == ["--check"]:
        if found := stale():
            print(f"stale: {', '.join(found)}; run python docs/generate.py", file=sys.stderr)
        return bool(found)
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
