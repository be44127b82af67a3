"""journey.yaml, compiled: what marketing and sales agreed on. In: the file. Out: ``Journey``, used by ``advance``.

Points are hundredths of the 0–100 scale everywhere here, as in ``contracts.Score``; the file writes whole points.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from gateway.conditions import compile_condition
from gateway.errors import ConfigError
from gateway.journey.calendar import Calendar
from gateway.journey.check import check
from gateway.journey.hours import CalendarForm, FollowUpForm
from gateway.journey.words import BUCKETS, DEFAULT_BUCKETS, DEFAULT_MARGIN, DEFAULT_STAGES, SHARED
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

    ``response``: band → time to answer; ``other`` stands for the bands that are not named. Times are of the calendar's
    working hours and days; without a calendar clocks run day and night. What they say is recorded when it opens.
    """

    response: Mapping[str, timedelta] = field(default_factory=lambda: DEFAULT_RESPONSE)
    period: timedelta = timedelta(days=5)
    default_bucket: str = "recycled"
    calendar: Calendar | None = None

    def response_due(self, at: datetime, band: str) -> datetime | None:
        """None: for this band no time is agreed."""
        wait = self.response.get(band, self.response.get("other"))
        return None if wait is None else self._after(at, wait)

    def period_ends(self, at: datetime) -> datetime:
        return self._after(at, self.period)

    def _after(self, at: datetime, wait: timedelta) -> datetime:
        return at + wait if self.calendar is None else self.calendar.after(at, wait)


@dataclass(frozen=True, slots=True)
class Journey:
    """``hash`` names the content (16 hex digits of sha256); every decision records it.

    ``tracked``: the shared stages this company has, in order. ``buckets``: outcome → bucket. ``reasons``: bucket → the
    reasons people may choose from. ``lists``: bucket → the list of those whose last handoff ended in it. ``systems``:
    who is handed leads.
    """

    hash: str
    personas: tuple[str, ...]
    stages: tuple[Stage, ...]
    tracked: tuple[str, ...]
    follow_up: FollowUp
    reasons: Mapping[str, tuple[str, ...]]
    buckets: Mapping[str, str]
    lists: Mapping[str, str]
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
    stages = _stages(data.get("stages", DEFAULT_STAGES))
    personas = [(persona["name"], _condition(persona)) for persona in data.get("personas", ())]
    shared = {stage.shared for stage in stages}
    return Journey(
        hash=hashlib.sha256(json.dumps(data, sort_keys=True, default=str).encode()).hexdigest()[:16],
        personas=tuple(name for name, _ in personas),
        stages=stages,
        tracked=tuple(name for name in SHARED if name in shared),
        follow_up=_follow_up(data.get("follow_up", {}), data.get("calendars", {})),
        reasons={bucket: tuple(data.get("reasons", {}).get(bucket, ())) for bucket in BUCKETS},
        buckets={**DEFAULT_BUCKETS, **data.get("buckets", {})},
        lists=dict(data.get("lists", {})),
        _personas=tuple(personas),
        _never=tuple(
            (Exclusion(rule["reason"], rule.get("open_deal", False)), _condition(rule))
            for rule in data.get("never_hand_over", ())
        ),
        _index={stage.name: stage.index for stage in stages},
    )


def _stages(listed: Sequence[Mapping[str, Any]]) -> tuple[Stage, ...]:
    stages: list[Stage] = []
    handed_over = False  # from the first handoff on, the default is that a falling score changes nothing
    for index, data in enumerate(listed):
        entry = data.get("entry", {})
        handoff = next((step["handoff"] for step in data.get("steps", ()) if "handoff" in step), "")
        handed_over = handed_over or bool(handoff)
        stages.append(
            Stage(
                index=index,
                name=data["name"],
                shared=data.get("shared", data["name"]),
                thresholds=_hundredths(entry["score"]) if "score" in entry else None,
                outcomes=frozenset(entry.get("outcome", ())),
                activities=frozenset(entry.get("activity", ())),
                both=data.get("both", False),
                steps=tuple(data.get("steps", ())),
                falls=data.get("fall", "stay" if handed_over else "back") == "back",
                margin=round(data.get("margin", DEFAULT_MARGIN) * 100),
                handoff=handoff,
            )
        )
    return tuple(stages)


def _hundredths(score: Any) -> Mapping[str, int] | int:
    return {name: round(one * 100) for name, one in score.items()} if isinstance(score, Mapping) else round(score * 100)


def _condition(rule: Mapping[str, Any]) -> Condition | None:
    return compile_condition(rule["when"]) if "when" in rule else None


def _follow_up(data: Mapping[str, Any], calendars: Mapping[str, Any]) -> FollowUp:
    agreed = FollowUpForm().load(data)
    if "calendar" in agreed:
        agreed["calendar"] = CalendarForm().load(calendars[agreed["calendar"]])
    return FollowUp(**agreed)
