"""The agreed process as boxes and arrows, read off the journey in use: what ``diagram`` draws. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Any, Literal, NamedTuple

from gateway.durations import duration_in_words
from gateway.journey.journey import FollowUp, Journey, Stage
from gateway.journey.notify import OF_HANDOFFS
from gateway.journey.owners import Owners
from gateway.journey.recycling import FAST_TRACK, NEVER, OTHER
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
        box = Box(f"h{stage.index}", "handoff", f"Sales ({stage.handoff})", tuple(_owed(journey, stage)))
        boxes.append(box)
        arrows.append(Arrow(_id(stage), box.id))
        arrows += [Arrow(box.id, bucket) for bucket in BUCKETS]
    if handed_over:
        boxes += [
            Box(bucket, "bucket", bucket.replace("_", "-"), tuple(_ending(bucket, journey))) for bucket in BUCKETS
        ]
        arrows.append(Arrow("recycled", _id(journey.stage(journey.recycling.stage) or stages[0])))
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
    whose = f" of {stage.score}" if stage.score else ""
    ways = [f"{way} points{whose}" for way in ways]
    if stage.both:
        yield f"{ways[0]} and {_any([*sorted(stage.outcomes), *sorted(stage.activities)])}"
    else:
        facts = _any([*sorted(stage.outcomes), *sorted(stage.activities - stage.fast)])
        yield from ways
        if facts:
            yield f"{'or ' if ways else 'when '}{facts}"
    if stage.fast:
        yield f"at once, whatever the score: {_any(sorted(stage.fast))}"


def _any(names: Iterable[str]) -> str:
    return " or ".join(name.replace("_", " ") for name in names)


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


def _owed(journey: Journey, stage: Stage) -> Iterator[str]:
    clock, fast = journey.follow_up, journey.fast_clock
    yield from _whose(journey.owners, stage.handoff)
    if stage.fast and fast.response != clock.response:
        yield f"answers who asked ({_any(sorted(stage.fast))}) within {_time(fast.response['other'], fast)}"
    for band, wait in clock.response.items():
        whom = {"other": "the others"}.get(band, f"{band} leads") if len(clock.response) > 1 else "leads"
        yield f"answers {whom} within {_time(wait, clock)}"
    alarms = {"warned": clock.warn, "escalated": clock.escalate, "given to the next": clock.reassign}
    if clock.response and any(alarms.values()):
        told = ", ".join(f"{what} after {percent} %" for what, percent in alarms.items() if percent)
        yield f"of that time: {told}"
    yield f"follow-up ends after {_time(clock.period, clock)}"
    if stage.fast and fast.period != clock.period:
        yield f"of who asked after {_time(fast.period, fast)}"
    if clock.calendar is not None:
        off = f", less the holidays of {clock.calendar.country}" if clock.calendar.country else ""
        yield f"by the working hours of {clock.calendar.zone.key}{off}"
    if journey.capacity:
        most = " and ".join(f"{count} in any {span}" for span, count in journey.capacity.items())
        yield f"at most {most}; more wait for a person, the best first"
    if journey.never:
        yield f"never handed over: {', '.join(journey.never)}"
    for hearer in journey.notify.values():
        if heard := [kind for kind in hearer.about if kind in OF_HANDOFFS]:
            yield f"{hearer.role} hears of: {', '.join(heard)}"


def _whose(owners: Owners, system: str) -> Iterator[str]:
    mine = [one for one in owners.listed if one.serves(system) and (one.weight or one.territory)]
    if mine:
        rules = {"account_owner": "the account's owner", "territory": "by territory", "round_robin": "in turn"}
        yield f"goes to: {', else '.join(rules[rule] for rule in owners.assign)}, else {owners.fallback}"
        yield "turns: " + ", ".join(
            one.name + (f" ×{one.weight:g}" if one.weight != 1 else "") + (f" ({one.where})" if one.where else "")
            for one in mine
        )


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
    yield from {"sales_qualified": _kept, "sales_rejected": _rejected, "recycled": _recycled}[bucket](journey)


def _kept(journey: Journey) -> Iterator[str]:
    if journey.recycling.silent is not None:
        yield f"silent for {duration_in_words(journey.recycling.silent)} without an open deal: recycled"
    if journey.buckets.get("lost") == "recycled":
        yield "deal lost: recycled"


def _rejected(journey: Journey) -> Iterator[str]:
    """When who was rejected comes back, by reason; what no rule names comes back by fast track alone."""
    words = {NEVER: "never comes back", FAST_TRACK: "comes back by fast track alone"}
    rules = {OTHER: FAST_TRACK, **journey.recycling.rejected}
    for reason, rule in sorted(rules.items(), key=lambda item: item[0] == OTHER):
        how = words[rule] if isinstance(rule, str) else f"comes back after {duration_in_words(rule)}"
        yield how if len(rules) == 1 else f"{'others' if reason == OTHER else reason}: {how}"


def _recycled(journey: Journey) -> Iterator[str]:
    back = journey.recycling
    if back.rest:
        yield f"rests {duration_in_words(back.rest)}"
    treated = {"halve": "its behaviour till then counts half", "reset": "its behaviour till then counts no more"}
    if back.behaviour in treated:
        yield treated[back.behaviour]
    most = f", {back.generations} at most" if back.generations is not None else ""
    yield f"comes back by something new, as the next generation{most}"
