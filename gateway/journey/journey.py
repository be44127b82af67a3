"""journey.yaml, compiled: what marketing and sales agreed on. In: the file. Out: ``Journey``, used by ``advance``.

Points are hundredths of the 0–100 scale everywhere here, as in ``contracts.Score``; the file writes whole points.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from gateway.conditions import compile_condition
from gateway.errors import ConfigError
from gateway.journey.calendar import Calendar
from gateway.journey.capacity import CapacityForm
from gateway.journey.check import check, fast_stage
from gateway.journey.fast_track import FastTrackForm
from gateway.journey.hours import CalendarForm, FollowUpForm
from gateway.journey.ideal import Ideal, compile_ideals
from gateway.journey.notify import Hearer, hearers
from gateway.journey.owners import Owners, compile_owners
from gateway.journey.package import Package, compile_package
from gateway.journey.recycling import OTHER, REJECTED, Recycling, RecyclingForm
from gateway.journey.words import (
    BUCKETS,
    DEFAULT_BUCKETS,
    DEFAULT_MARGIN,
    DEFAULT_STAGES,
    NOT_GIVEN,
    SHARED,
)
from gateway.settings.files import ConfigFile

DEFAULT_RESPONSE: Mapping[str, timedelta] = {"great": timedelta(minutes=5), "other": timedelta(hours=4)}
Condition = Callable[[Mapping[str, Any]], bool]


@dataclass(frozen=True, slots=True)
class Stage:
    """One of the company's own stages. ``index`` is its place in the order, 0 the stage every lead enters.

    A lead *crosses* into it when its entry begins to hold: the score reaches the threshold of its persona, or one of
    ``outcomes`` or ``activities`` is known; with ``both`` when the score and one of them hold together. The score holds
    on until it is more than ``margin`` hundredths below the threshold. ``falls``: a lead that came in by its score
    alone goes back when the score no longer holds. ``handoff``: the system a crossing lead is handed to; empty = none.
    ``fast``: those of ``activities`` that hand it over whatever else holds. ``score``: the name of the score that the
    threshold is one of; empty = the main one.
    """

    index: int
    name: str
    shared: str
    thresholds: Mapping[str, int] | int | None = None
    outcomes: frozenset[str] = frozenset()
    activities: frozenset[str] = frozenset()
    both: bool = False
    steps: tuple[Mapping[str, Any], ...] = ()
    falls: bool = False
    margin: int = DEFAULT_MARGIN * 100
    handoff: str = ""
    fast: frozenset[str] = frozenset()
    score: str = ""

    def threshold(self, persona: str) -> int | None:
        """Hundredths of a point a lead of this persona needs; None = its score alone never gets it in."""
        if isinstance(self.thresholds, Mapping):
            return self.thresholds.get(persona)
        return self.thresholds


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Why a lead is never handed over. ``note_owner``: the owner of its open deal gets a note instead."""

    reason: str
    note_owner: bool = False


@dataclass(frozen=True, slots=True)
class FollowUp:
    """The clocks of a handoff: when sales must have answered, and when it ends by itself in ``default_bucket``.

    Who ended one may correct that for ``correct_within``.

    ``response``: band → time to answer; ``other`` stands for the bands that are not named. Times are of the calendar's
    working hours and days; without a calendar clocks run day and night. What they say is recorded when it opens.
    ``warn``, ``escalate``, ``reassign``: after how many percent of the time to answer; None = never.
    """

    response: Mapping[str, timedelta] = field(default_factory=lambda: DEFAULT_RESPONSE)
    period: timedelta = timedelta(days=5)
    default_bucket: str = "recycled"
    correct_within: timedelta = timedelta(days=1)
    calendar: Calendar | None = None
    warn: int | None = 80
    escalate: int | None = 100
    reassign: int | None = None

    def wait(self, band: str) -> timedelta | None:
        """How long sales have to answer; None: for this band no time is agreed."""
        return self.response.get(band, self.response.get("other"))

    def response_due(self, at: datetime, band: str) -> datetime | None:
        wait = self.wait(band)
        return None if wait is None else self._after(at, wait)

    def period_ends(self, at: datetime) -> datetime:
        return self._after(at, self.period)

    def _after(self, at: datetime, wait: timedelta) -> datetime:
        return at + wait if self.calendar is None else self.calendar.after(at, wait)


@dataclass(frozen=True, slots=True)
class Journey:
    """``hash`` names the content (16 hex digits of sha256); every decision records it.

    ``tracked``: the shared stages this company has, in order. ``buckets``: outcome → bucket. ``reasons``: bucket → the
    reasons people may choose from. ``lists``: bucket → reason, or ``other`` → the list of those whose last handoff
    ended so. ``recycling``: the way back. ``fast_clock``: the clocks of a fast track. ``capacity``: span → handoffs.
    ``notify``: role → who hears what. ``package``: what sales receive with a handoff. ``ideals``: persona, or
    ``all``, → the opportunity to wish for. ``systems``: who is handed leads.
    """

    hash: str
    personas: tuple[str, ...]
    stages: tuple[Stage, ...]
    tracked: tuple[str, ...]
    follow_up: FollowUp
    owners: Owners
    reasons: Mapping[str, tuple[str, ...]]
    buckets: Mapping[str, str]
    lists: Mapping[str, Mapping[str, str]]
    recycling: Recycling
    fast_clock: FollowUp
    capacity: Mapping[str, int]
    notify: Mapping[str, Hearer]
    package: Package
    ideals: Mapping[str, Ideal]
    _personas: tuple[tuple[str, Condition | None], ...] = field(repr=False)
    _never: tuple[tuple[Exclusion, Condition | None], ...] = field(repr=False)
    _index: Mapping[str, int] = field(repr=False)

    def persona(self, attributes: Mapping[str, Any]) -> str:
        """The first persona whose ``when`` holds; empty when none does."""
        for name, when in self._personas:
            if when is None or when(attributes):
                return name
        return ""

    def exclusion(self, attributes: Mapping[str, Any], open_deal: bool) -> Exclusion | None:
        """The first rule of ``never_hand_over`` that holds, or None: the lead may be handed over."""
        for exclusion, when in self._never:
            if (exclusion.note_owner and not open_deal) or (when is not None and not when(attributes)):
                continue
            return exclusion
        return None

    def stage(self, name: str) -> Stage | None:
        """The stage of this name; None when this journey has none (any more)."""
        index = self._index.get(name)
        return None if index is None else self.stages[index]

    def reason(self, bucket: str, given: str) -> str:
        """A reason in the journey's own words; one that it does not have stays as it is."""
        allowed = {one.casefold(): one for one in self.reasons[bucket]}
        given = given.strip()
        return (allowed.get(given.casefold(), given) or NOT_GIVEN) if allowed else given

    def shared_stages(self) -> dict[str, tuple[str, ...]]:
        """Tracked shared stage → the company's stages tied to it, both in order."""
        return {shared: tuple(s.name for s in self.stages if s.shared == shared) for shared in self.tracked}

    @property
    def never(self) -> tuple[str, ...]:
        """The reasons for which leads are never handed over."""
        return tuple(exclusion.reason for exclusion, _ in self._never)

    @property
    def systems(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(stage.handoff for stage in self.stages if stage.handoff))


def compile_journey(file: ConfigFile) -> Journey:
    """An empty file is the smallest journey: one stage, ``target``. Raises ``ConfigError`` with every problem."""
    if problems := check(file):
        raise ConfigError(problems)
    data = file.data
    stages = _stages(data.get("stages", DEFAULT_STAGES), data.get("fast_track", {}))
    personas = [(persona["name"], _condition(persona)) for persona in data.get("personas", ())]
    calendars = {name: CalendarForm().load(one) for name, one in data.get("calendars", {}).items()}
    shared = {stage.shared for stage in stages}
    return Journey(
        hash=hashlib.sha256(json.dumps(data, sort_keys=True, default=str).encode()).hexdigest()[:16],
        personas=tuple(name for name, _ in personas),
        stages=stages,
        tracked=tuple(name for name in SHARED if name in shared),
        follow_up=(follow_up := _follow_up(data.get("follow_up", {}), calendars)),
        owners=compile_owners(data, calendars),
        reasons={bucket: tuple(data.get("reasons", {}).get(bucket, ())) for bucket in BUCKETS},
        buckets={**DEFAULT_BUCKETS, **data.get("buckets", {})},
        lists={
            bucket: {OTHER: named} if isinstance(named, str) else dict(named)
            for bucket, named in data.get("lists", {}).items()
        },
        recycling=Recycling(**RecyclingForm().load(data.get("recycling", {})), rejected=_rejected(data)),
        fast_clock=_fast_clock(follow_up, data.get("fast_track")),
        capacity=CapacityForm().load(data["capacity"]) if "capacity" in data else {},
        notify=hearers(data.get("notify", {})),
        package=compile_package(data.get("package", {})),
        ideals=compile_ideals(data),
        _personas=tuple(personas),
        _never=tuple(
            (Exclusion(rule["reason"], rule.get("open_deal", False)), _condition(rule))
            for rule in data.get("never_hand_over", ())
        ),
        _index={stage.name: stage.index for stage in stages},
    )


def _stages(listed: Sequence[Mapping[str, Any]], fast_track: Mapping[str, Any]) -> tuple[Stage, ...]:
    stages: list[Stage] = []
    fast = fast_stage(listed, fast_track)
    handed_over = False  # from the first handoff on, the default is that a falling score changes nothing
    for index, data in enumerate(listed):
        entry = data.get("entry", {})
        handoff = next((step["handoff"] for step in data.get("steps", ()) if "handoff" in step), "")
        handed_over = handed_over or bool(handoff)
        urgent = frozenset(fast_track["activities"] if index == fast else ())
        stages.append(
            Stage(
                index=index,
                name=data["name"],
                shared=data.get("shared", data["name"]),
                thresholds=_hundredths(entry["score"]) if "score" in entry else None,
                outcomes=frozenset(entry.get("outcome", ())),
                activities=urgent.union(entry.get("activity", ())),
                both=data.get("both", False),
                steps=tuple(data.get("steps", ())),
                falls=data.get("fall", "stay" if handed_over else "back") == "back",
                margin=round(data.get("margin", DEFAULT_MARGIN) * 100),
                handoff=handoff,
                fast=urgent,
                score=entry.get("of", ""),
            )
        )
    return tuple(stages)


def _hundredths(score: Any) -> Mapping[str, int] | int:
    return {name: round(one * 100) for name, one in score.items()} if isinstance(score, Mapping) else round(score * 100)


def _condition(rule: Mapping[str, Any]) -> Condition | None:
    return compile_condition(rule["when"]) if "when" in rule else None


def _rejected(data: Mapping[str, Any]) -> Mapping[str, timedelta | str]:
    rejected: Mapping[str, timedelta | str] = REJECTED.deserialize(data.get("rejected", {}))
    return rejected


def _fast_clock(follow_up: FollowUp, fast_track: Mapping[str, Any] | None) -> FollowUp:
    if fast_track is None:
        return follow_up
    own = FastTrackForm().load(fast_track)
    response = {OTHER: own["response"]} if "response" in own else follow_up.response
    return replace(follow_up, response=response, period=own.get("period", follow_up.period))


def _follow_up(data: Mapping[str, Any], calendars: Mapping[str, Calendar]) -> FollowUp:
    agreed = FollowUpForm().load(data)
    if "calendar" in agreed:
        agreed["calendar"] = calendars[agreed["calendar"]]
    return FollowUp(**agreed)
