"""The agreed process as boxes and arrows, read off the journey in use: what ``diagram`` draws. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Any, Literal, NamedTuple

from gateway.durations import duration_in_words
from gateway.journey.journey import FollowUp, Journey, Stage
from gateway.journey.recycling import OTHER
from gateway.journey.words import BUCKETS


@dataclass(frozen=True, slots=True)
class Box:
    """``lines``: what is agreed about it, a sentence each."""

    id: str
    kind: Literal["stage", "handoff", "bucket"]
    title: str
    lines: tuple[str, ...]


class Arrow(NamedTuple):
    tail: str
    head: str


@dataclass(frozen=True, slots=True)
class Process:
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]

    def of(self, kind: str) -> list[Box]:
        return [box for box in self.boxes if box.kind == kind]


def process_of(journey: Journey) -> Process:
    """Stages in their order; beside each handoff what sales owe; the buckets in which every handoff ends."""
    stages = journey.stages
    boxes = [Box(_id(stage), "stage", _title(stage), tuple(_stage(stage, journey))) for stage in stages]
    arrows = [Arrow(_id(one), _id(other)) for one, other in pairwise(stages)]
    handed_over = [stage for stage in stages if stage.handoff]
    for stage in handed_over:
        box = Box(f"h{stage.index}", "handoff", f"Sales ({stage.handoff})", tuple(_owed(journey)))
        boxes.append(box)
        arrows.append(Arrow(_id(stage), box.id))
        arrows += [Arrow(box.id, bucket) for bucket in BUCKETS]
    if handed_over:
        boxes += [
            Box(bucket, "bucket", bucket.replace("_", "-"), tuple(_ending(bucket, journey))) for bucket in BUCKETS
        ]
        arrows.append(Arrow("recycled", _id(stages[0])))
    return Process(tuple(boxes), tuple(arrows))


def _id(stage: Stage) -> str:
    return f"s{stage.index}"


def _title(stage: Stage) -> str:
    return stage.name if stage.name == stage.shared else f"{stage.name} ({stage.shared})"


def _stage(stage: Stage, journey: Journey) -> Iterator[str]:
    if stage.index == 0:
        yield "every lead"
    yield from _entry(stage, journey)
    for step in stage.steps:
        yield f"→ {_step(step)}"
    if stage.falls and stage.thresholds is not None:
        yield f"back when the score falls {stage.margin / 100:g} below"


def _entry(stage: Stage, journey: Journey) -> Iterator[str]:
    ways = []
    if isinstance(stage.thresholds, Mapping):
        ways.append("from " + ", ".join(f"{stage.thresholds[name] / 100:g} ({name})" for name in journey.personas))
    elif stage.thresholds is not None:
        ways.append(f"from {stage.thresholds / 100:g}")
    ways = [f"{way} points" for way in ways]
    facts = " or ".join(name.replace("_", " ") for name in [*sorted(stage.outcomes), *sorted(stage.activities)])
    if stage.both:
        yield f"{ways[0]} and {facts}"
        return
    yield from ways
    if facts:
        yield f"{'or ' if ways else 'when '}{facts}"


def _step(step: Mapping[str, Any]) -> str:
    ((kind, value),) = step.items()
    return {
        "handoff": lambda: f"hand over to {value}",
        "set": lambda: f"set {value['field']} to {value['value']}",
        "join": lambda: f"join list {value}",
        "leave": lambda: f"leave list {value}",
        "campaign": lambda: f"campaign {value['name']}" + (f": {value['status']}" if "status" in value else ""),
        "notify": lambda: f"notify {value}",
    }[kind]()


def _owed(journey: Journey) -> Iterator[str]:
    clock = journey.follow_up
    for band, wait in clock.response.items():
        whom = {"other": "the others"}.get(band, f"{band} leads") if len(clock.response) > 1 else "leads"
        yield f"answers {whom} within {_time(wait, clock)}"
    yield f"follow-up ends after {_time(clock.period, clock)}"
    if clock.calendar is not None:
        off = f", less the holidays of {clock.calendar.country}" if clock.calendar.country else ""
        yield f"by the working hours of {clock.calendar.zone.key}{off}"
    if journey.never:
        yield f"never handed over: {', '.join(journey.never)}"


def _time(wait: timedelta, clock: FollowUp) -> str:
    words = duration_in_words(wait)
    return words.replace("day", "working day") if clock.calendar is not None else words


def _ending(bucket: str, journey: Journey) -> Iterator[str]:
    outcomes = [outcome for outcome, into in journey.buckets.items() if into == bucket]
    if outcomes:
        yield f"when {' or '.join(outcomes)}"
    if journey.follow_up.default_bucket == bucket:
        yield "when nothing was heard by the end of follow-up"
    if journey.reasons[bucket]:
        yield f"reasons: {', '.join(journey.reasons[bucket])}"
    for reason, name in journey.lists.get(bucket, {}).items():
        yield f"→ list {name}" if reason == OTHER else f"→ list {name} ({reason})"
    if bucket == "recycled":
        yield "comes back as the next generation"
