"""Which parts of an instance's files belong to the model, so that under approval they need keys; the rest is free.

In: the plain data of files. Out: the part of each that a version is made of. All of scoring.yaml counts, and of the
scores beside it; of journey.yaml all but who works when and is told what; content.yaml where a score weighs content;
of a mapping what makes a scored attribute, an activity that the model looks at, or an outcome; of gateway.yaml whether
keys are needed, whose word on deals counts, who is one person.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

GATEWAY, SCORING, JOURNEY, CONTENT = "gateway.yaml", "scoring.yaml", "journey.yaml", "content.yaml"
MODEL = (SCORING, JOURNEY)
"""What every model has; scores beside the main one are files of their own."""
_SCORE = re.compile(r"scores/([a-z][a-z0-9_-]{0,62})\.yaml")
FREE = ("calendars", "owners", "assign", "fallback", "notify", "package")
"""Sections of journey.yaml that change with people: they decide about no lead's score or stage."""
ABOUT = (
    *("kind", "only", "items", "include", "exclude", "id", "time", "created", "complete", "blank"),
    *("identify_by", "merged", "converted", "gone", "links", "no_outcome"),
)
"""What an object of a mapping says of all its values: whose they are, and of when."""


def is_score(name: str) -> bool:
    """The main score's file, or that of one beside it."""
    return name == SCORING or score_of(name) != ""


def score_of(name: str) -> str:
    """``"expansion"`` of ``scores/expansion.yaml``; of any other file nothing."""
    found = _SCORE.fullmatch(name)
    return found[1] if found else ""


def is_model(name: str) -> bool:
    """A score's file, or the journey's."""
    return name == JOURNEY or is_score(name)


def is_mapping(name: str) -> bool:
    return name.startswith("mappings/")


def governed(name: str, data: Mapping[str, Any], used: Collection[str]) -> dict[str, Any]:
    """The part of one file that belongs to the model; empty for a file that has none.

    :param used: attributes (a company's as ``company.<name>``) and activities that scoring and journey look at; and
        ``CONTENT`` where content is weighed.
    """
    if is_score(name) or (name == CONTENT and CONTENT in used):
        return dict(data)
    if name == JOURNEY:
        return {key: value for key, value in data.items() if key not in FREE}
    if is_mapping(name):
        objects = {str(one): _object(body, used) for one, body in (data.get("objects") or {}).items()}
        return {
            "timezone": data.get("timezone"),
            "items": data.get("items"),
            "objects": {one: body for one, body in objects.items() if body},
        }
    if name == GATEWAY:
        return {key: data[key] for key in ("approval", "deals", "merge_on_email") if key in data}
    return {}


def _object(body: Mapping[str, Any], used: Collection[str]) -> dict[str, Any]:
    prefix = {"company": "company.", "deal": "deal."}.get(str(body.get("kind", "")), "")
    brought = {name: rule for name, rule in (body.get("fields") or {}).items() if not _only_sent(rule)}
    fields = {name: rule for name, rule in brought.items() if prefix + _lead_field(rule) in used}
    activities = [one for one in body.get("activities") or () if one.get("activity") in used]
    found: dict[str, Any] = {"fields": fields, "activities": activities, "outcomes": body.get("outcomes") or []}
    found = {key: value for key, value in found.items() if value}
    return {key: body[key] for key in ABOUT if key in body} | found if found else {}


def _lead_field(rule: Any) -> str:
    return str(rule.get("to", "")) if isinstance(rule, Mapping) else str(rule)


def _only_sent(rule: Any) -> bool:
    return isinstance(rule, Mapping) and rule.get("sync") == "out"


def apart(name: str, held: Mapping[str, Any], live: Mapping[str, Any], used: Collection[str]) -> bool:
    """Whether a file's model part is another than the live one. A mapping that comes or goes connects a system or parts
    it, which is free: what counts is a change of one that stays. Empty data stand for a file that is not there.
    """
    if is_mapping(name) and not (held and live):
        return False
    return governed(name, held, used) != governed(name, live, used)


def of_model(files: Collection[str]) -> Iterator[str]:
    """The model itself: the main score, those beside it, the journey."""
    scores = sorted((name for name in files if is_score(name)), key=lambda name: (name != SCORING, name))
    yield from scores
    yield from (name for name in (JOURNEY,) if name in files)


def names(files: Collection[str]) -> Iterator[str]:
    """The files that may hold a part of the model, the model itself first."""
    yield from of_model(files)
    yield from (name for name in (CONTENT,) if name in files)
    yield from sorted(name for name in files if is_mapping(name))
    yield from (name for name in (GATEWAY,) if name in files)
