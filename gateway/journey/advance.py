"""Where a lead stands now, and what is due because of it. In: journey, standing, facts, ending. Out: ``Advance``.

Before: scoring. After: the store records the answer, sync carries it out. Pure: the same input gives the same answer.

Two kinds of truth meet here. ``reached`` — the first time a lead reached each stage — is a function of the facts.
Moves, steps and openings are decisions: they depend on what was known at the time and are never taken back.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from gateway.journey.crossing import NEVER, Hold, Reached, Way, hold, way_into
from gateway.journey.endings import Ending, outcome_order
from gateway.journey.facts import Decided, Ended, Facts, Standing
from gateway.journey.journey import Exclusion, Journey, Stage
from gateway.journey.moving import Move, moves_of, reached_of
from gateway.journey.recycling import ALL, Bar


class Due(NamedTuple):
    """One step of one crossing. ``withheld``: why it is not done; None = do it."""

    stage: str
    crossing: int
    position: int
    step: Mapping[str, Any]
    withheld: str | None


class Withheld(NamedTuple):
    """A handoff that was asked for and is not opened.

    ``reason``: ``history`` · ``already open`` · ``with sales`` · ``held back`` · ``never handed over: <reason of
    journey.yaml>`` · why it is barred; from ``existing`` also ``ignored`` · ``handed over before``.
    """

    stage: str
    system: str
    reason: str


class OwnerNote(NamedTuple):
    """The owner of the lead's open deal is told, instead of a handoff."""

    stage: str
    system: str
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Opening:
    """A handoff to open. ``response_due`` and ``period_ends`` come from ``follow_up``; None = no such limit.

    ``generation`` is the lead's new one: one more than before when the last handoff was recycled. ``cause``: threshold,
    outcome, activity, fast track, wake, activation, or person, then ``by`` whom and why (``reason``). ``score_name``:
    whose points ``score`` are, that of the stage's threshold; empty = the main score's.
    """

    stage: str
    system: str
    at: datetime
    persona: str
    score: int
    generation: int
    response_due: datetime | None
    period_ends: datetime
    cause: str = "threshold"
    reason: str = ""
    by: str = ""
    score_name: str = ""


class Asked(NamedTuple):
    """A person wants the lead handed over now, whatever its score; or that of an ``activation``, at ``stage``."""

    reason: str
    by: str
    cause: str = "person"
    stage: str = ""


@dataclass(frozen=True, slots=True)
class Advance:
    """All of it as it is after the advance; ``moves``, ``due``, ``opening``, ``withheld`` and ``note`` are new.

    ``reached`` replaces the lead's rows as a whole. ``excluded``: reason of journey.yaml why the lead is never handed
    over; None = it may be. ``wakes_at``: when it has to be advanced again though nothing happened.
    """

    stage: str
    reached: Mapping[str, Reached]
    above: Mapping[str, Sequence[Any]]
    excluded: str | None
    generation: int
    ignored: bool
    moves: tuple[Move, ...] = ()
    due: tuple[Due, ...] = ()
    opening: Opening | None = None
    withheld: Withheld | None = None
    note: OwnerNote | None = None
    wakes_at: datetime | None = None


def advance(
    journey: Journey,
    standing: Standing,
    facts: Facts,
    ending: Ending,
    at: datetime,
    cause: str,
    quiet: bool = False,
    asked: Asked | None = None,
) -> Advance:
    """One lead, one batch. ``at``: business time of the advance; ``cause``: news, time, model, import, merge or person.

    ``ending`` is what ``find_ending`` says of the same lead. ``quiet`` (an import of history) records moves and
    crossings, opens nothing and does no step.
    """
    ways = {s.name: way for s in journey.stages if (s.outcomes or s.activities) and (way := way_into(s, facts))}
    excluded = journey.exclusion(facts.attributes, facts.open_deal)
    ended = ending.ended
    bar = journey.recycling.bar(ended, facts, standing.generation, at)

    above, crossed, by_score = _stands(journey, standing, facts, ending, bar, ways)
    current, moves = moves_of(journey, standing, facts, ended, ways, above, by_score, at, cause)
    decided = [*standing.decided, *(Decided(m.stage, m.at, m.ref) for m in moves if m.reason == "threshold")]

    opening: Opening | None = None
    withheld: Withheld | None = None
    note: OwnerNote | None = None
    if (handing := _handing(journey, crossed, asked)) is not None:
        reason = "history" if quiet else _objection(journey, standing, facts, excluded, handing, ending, asked)
        if reason is None and asked is not None and facts.held is not None and bar.level == ALL:
            reason = bar.why
        if reason is None:
            by = _Cause(asked.cause, asked.reason, asked.by) if asked else _Cause(crossed[handing.name].cause)
            opening = _opening(journey, standing, facts, handing, at, ended, by)
        else:
            withheld = Withheld(handing.name, handing.handoff, reason)
            if not quiet and excluded is not None and excluded.note_owner:
                note = OwnerNote(handing.name, handing.handoff, at, excluded.reason)
    return Advance(
        stage=journey.stages[current].name,
        reached=reached_of(journey, facts, ways, decided),
        above=above,
        excluded=excluded.reason if excluded else None,
        generation=opening.generation if opening else standing.generation,
        ignored=standing.ignored and opening is None,
        moves=tuple(moves),
        due=tuple(_due(journey, {name: hold.crossings for name, hold in crossed.items()}, quiet, opening, withheld)),
        opening=opening,
        withheld=withheld,
        note=note,
        wakes_at=min((time for time in (bar.until, ending.silent_at) if time is not None), default=None),
    )


def _stands(
    journey: Journey, standing: Standing, facts: Facts, ending: Ending, bar: Bar, ways: Mapping[str, Way]
) -> tuple[dict[str, Sequence[Any]], dict[str, Hold], set[str]]:
    """Over which thresholds it stands now, which of them it crosses, and to which stages its score takes it."""
    above: dict[str, Sequence[Any]] = {name: list(held) for name, held in standing.above.items()}
    crossed: dict[str, Hold] = {}
    by_score: set[str] = set()
    for stage in journey.stages[1:]:
        before, way = above.get(stage.name, NEVER), ways.get(stage.name)
        if way is None and stage.thresholds is None and before is NEVER:
            continue
        now = hold(stage, before, way, facts, standing, ending, bar)
        if now.crossings or now.over or now.seen is not None:
            above[stage.name] = [now.crossings, now.over, now.seen, *([now.level] if now.level else [])]
        else:
            above.pop(stage.name, None)
        if now.crosses:
            crossed[stage.name] = now
        if now.rises:
            by_score.add(stage.name)
    return above, crossed, by_score


def _handing(journey: Journey, crossed: Collection[str], asked: Asked | None) -> Stage | None:
    """The stage at which it is handed over. The highest only: a lead that crosses two thresholds at once goes to those
    who want the better leads."""
    handing = next((stage for stage in reversed(journey.stages) if stage.name in crossed and stage.handoff), None)
    if handing is None and asked is not None:
        named = journey.stage(asked.stage)
        handing = named or next((stage for stage in journey.stages if stage.handoff), None)
    return handing


def existing(
    journey: Journey, standing: Standing, facts: Facts, at: datetime, system: str
) -> Opening | Withheld | None:
    """What handing over a lead that already stands over a threshold of ``system`` would do; used at its activation.

    None: it stands over none. Nothing is decided here: the caller opens it, or marks the lead as ignored.
    """
    for stage in reversed(journey.stages):
        crossings, over, seen, *_ = standing.above.get(stage.name, NEVER)
        if stage.handoff != system or not crossings or not (over or (seen is not None and not stage.both)):
            continue
        excluded = journey.exclusion(facts.attributes, facts.open_deal)
        ending = Ending(standing.ended, open=standing.handoff is not None)
        reason = _objection(journey, standing, facts, excluded, stage, ending, None)
        if reason is None and standing.ended.bucket:
            reason = "handed over before"
        if reason is None and standing.ignored:
            reason = "ignored"
        if reason is not None:
            return Withheld(stage.name, system, reason)
        return _opening(journey, standing, facts, stage, at, standing.ended, _Cause("threshold"))
    return None


class _Cause(NamedTuple):
    """Why a handoff opens; ``reason`` and ``by`` are a person's."""

    cause: str
    reason: str = ""
    by: str = ""


def _objection(
    journey: Journey,
    standing: Standing,
    facts: Facts,
    excluded: Exclusion | None,
    stage: Stage,
    ending: Ending,
    asked: Asked | None,
) -> str | None:
    """Why the lead is not handed over now; None = it is."""
    if excluded is not None:
        return f"never handed over: {excluded.reason}"
    if ending.open:
        return "already open"
    if asked is not None:
        return None
    if standing.held_back:
        return "held back"
    ended = ending.ended
    last = max(facts.outcomes, key=outcome_order, default=None)
    further = False
    if last is not None and (ended.at is None or last.at > ended.at):
        if journey.buckets.get(last.outcome) in ("sales_rejected", "recycled"):
            return None
        stood = journey.stage(standing.stage)
        further = stood is not None and stood.index > stage.index
    return "with sales" if further or ended.bucket == "sales_qualified" else None


def _opening(
    journey: Journey, standing: Standing, facts: Facts, stage: Stage, at: datetime, ended: Ended, why: _Cause
) -> Opening:
    total, band = facts.rated(stage.score)
    clock = journey.fast_clock if why.cause == "fast track" else journey.follow_up
    return Opening(
        stage=stage.name,
        system=stage.handoff,
        at=at,
        persona=facts.persona,
        score=total or 0,
        generation=standing.generation + (ended.bucket == "recycled"),
        response_due=clock.response_due(at, band),
        period_ends=clock.period_ends(at),
        cause=why.cause,
        reason=why.reason,
        by=why.by,
        score_name=stage.score,
    )


def _due(
    journey: Journey, crossed: Mapping[str, int], quiet: bool, opening: Opening | None, withheld: Withheld | None
) -> Iterator[Due]:
    for stage in journey.stages:
        for position, step in enumerate(stage.steps if stage.name in crossed else ()):
            reason = "history" if quiet else None
            if not quiet and "handoff" in step and (opening is None or opening.stage != stage.name):
                reason = withheld.reason if withheld else "already open"
            yield Due(stage.name, crossed[stage.name], position, step, reason)
