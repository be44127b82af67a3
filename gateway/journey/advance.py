"""Where a lead stands now, and what is due because of it. In: ``Journey``, ``Standing``, ``Facts``. Out: ``Advance``.

Before: scoring. After: the store records the answer, sync carries it out. Pure: the same input gives the same answer.

Two kinds of truth meet here. ``reached`` — the first time a lead reached each stage — is a function of the facts and
of the recorded threshold moves, so facts in any order, with repeats, cut into any batches give the same. Moves, steps,
openings and closings are decisions: they depend on what was known at the time and are never taken back.

A lead *crosses* into a stage when its entry begins to hold (see ``Stage``). Each crossing has a number, so its steps
are done once. Once the entry holds, a second way in is no new crossing, with one exception: where a stage hands over
and no handoff is open, either way in counts, because nobody has the lead. Activities and outcomes up to the end of the
last handoff are used up: only later ones let the lead cross again. A lead that is barred from being handed over (see
``recycling``) crosses into no such stage; when the bar is lifted while the entry holds, it does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple

from gateway.journey.endings import Ending, outcome_order
from gateway.journey.facts import Decided, Ended, Facts, Standing
from gateway.journey.journey import Exclusion, Journey, Stage
from gateway.journey.recycling import ALL, OPEN, SCORE, WAYS, Bar
from gateway.times import to_micros

_FOREVER = 1 << 63
_NEVER = (0, False, None)
MoveReason = Literal["entry", "threshold", "outcome", "activity", "fall", "withdrawn", "recycled", "journey"]


class Move(NamedTuple):
    """From one of the company's stages to another.

    ``reason``: ``entry`` the lead is new · ``threshold`` · ``outcome`` · ``activity`` · ``fall`` its score fell ·
    ``withdrawn`` the fact that had moved it is gone · ``recycled`` sales gave it back · ``journey`` the stage it stood
    on is no longer in journey.yaml. ``ref``: id of the outcome, kind of the activity, or ``<stage>:<crossing>``.
    ``cause`` is what the caller said. ``at``: time of the fact, else of this advance. ``score`` and ``threshold`` only
    where the score decided.
    """

    from_stage: str
    stage: str
    at: datetime
    cause: str
    reason: MoveReason
    ref: str
    score: int | None = None
    threshold: int | None = None


class Reached(NamedTuple):
    """``cause``: entry | outcome | activity | threshold, or ``implied`` by the later stage that ``ref`` names."""

    at: datetime
    cause: str
    ref: str


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
    outcome, activity, fast track, wake, activation, or person, then ``by`` whom and why (``reason``).
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


class _Way(NamedTuple):
    """How facts lead into a stage: the first of them, and when the latest was."""

    first: Reached
    last_at: datetime


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
    ways = {s.name: way for s in journey.stages if (s.outcomes or s.activities) and (way := _way(s, facts))}
    excluded = journey.exclusion(facts.attributes, facts.open_deal)
    ended = ending.ended
    bar = journey.recycling.bar(ended, facts, standing.generation, at)

    above: dict[str, Sequence[Any]] = {name: list(held) for name, held in standing.above.items()}
    crossed: dict[str, _Hold] = {}
    by_score: set[str] = set()
    for stage in journey.stages[1:]:
        before, way = above.get(stage.name, _NEVER), ways.get(stage.name)
        if way is None and stage.thresholds is None and before is _NEVER:
            continue
        now = _hold(stage, before, way, facts, standing, ending, bar)
        if now.crossings or now.over or now.seen is not None:
            above[stage.name] = [now.crossings, now.over, now.seen, *([now.level] if now.level else [])]
        else:
            above.pop(stage.name, None)
        if now.crosses:
            crossed[stage.name] = now
        if now.rises:
            by_score.add(stage.name)

    current, moves = _moves(journey, standing, facts, ended, ways, above, by_score, at, cause)
    decided = [*standing.decided, *(Decided(m.stage, m.at, m.ref) for m in moves if m.reason == "threshold")]

    opening: Opening | None = None
    withheld: Withheld | None = None
    note: OwnerNote | None = None
    # The highest stage only: a lead that crosses two thresholds at once goes to those who want the better leads.
    handing = next((stage for stage in reversed(journey.stages) if stage.name in crossed and stage.handoff), None)
    if handing is None and asked is not None:
        named = journey.stage(asked.stage)
        handing = named or next((stage for stage in journey.stages if stage.handoff), None)
    if handing is not None:
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
        reached=_reached(journey, facts, ways, decided),
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


def existing(
    journey: Journey, standing: Standing, facts: Facts, at: datetime, system: str
) -> Opening | Withheld | None:
    """What handing over a lead that already stands over a threshold of ``system`` would do; used at its activation.

    None: it stands over none. Nothing is decided here: the caller opens it, or marks the lead as ignored.
    """
    for stage in reversed(journey.stages):
        crossings, over, seen, *_ = standing.above.get(stage.name, _NEVER)
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


# -- crossings ---------------------------------------------------------------------------------------------------------


class _Hold(NamedTuple):
    """How a stage's entry holds now; the first four are its entry in ``above``, see ``Standing``.

    ``rises``: the score decides, being over the threshold now and not before (or only now together with a fact).
    ``cause``: what let the lead cross.
    """

    crossings: int
    over: bool
    seen: int | None
    level: int
    crosses: bool
    rises: bool
    cause: str


def _hold(
    stage: Stage,
    before: Sequence[Any],
    way: _Way | None,
    facts: Facts,
    standing: Standing,
    ending: Ending,
    bar: Bar,
) -> _Hold:
    crossings, was_over, was_seen, *barred = before
    was_level: int = barred[0] if barred else OPEN
    over = _over(stage, facts, was_over)
    level = bar.level if stage.handoff else OPEN
    if bar.falls and stage.handoff and was_over:
        level = SCORE
    ended = ending.ended
    new = ended.new and ended.bucket != "sales_qualified" and stage.handoff != ""
    # What ends a handoff uses up the facts that led to it, and is itself the way into a later stage.
    used_up = ended.at if stage.handoff else standing.ended.at
    until = -_FOREVER if used_up is None else to_micros(used_up)
    seen = to_micros(way.last_at) if way else None

    was_in = was_seen is not None and was_seen > until and was_level < WAYS
    # A late report of something older than the last handoff's end asks for no new handoff; elsewhere it is news.
    is_in = seen is not None and (seen > until or (was_seen is None and not stage.handoff)) and level < WAYS
    counted = was_over and was_level == OPEN and not new
    counts = over and level == OPEN
    fast_at = max((facts.kinds[kind].last_at for kind in stage.fast if kind in facts.kinds), default=None)
    fast = fast_at is not None and level < ALL and to_micros(fast_at) > until
    fast = fast and (was_seen is None or to_micros(fast_at) > was_seen or was_level == ALL)  # type: ignore[arg-type]
    woken = bar.woken and ended.stage == stage.name and (was_level != OPEN or new)
    if stage.both:
        crosses = counts and is_in and not (counted and was_in)
    else:
        crosses = (counts and not counted) or (is_in and not was_in)
        if (counted or was_in) and (ending.open or not stage.handoff):
            crosses = False
    rises = counts and (crosses if stage.both else not counted)
    if (fast or woken) and not ending.open and standing.handoff is None:
        crosses = True
    cause = "fast track" if fast else "wake" if woken else "threshold" if rises else way.first.cause if way else ""
    return _Hold(crossings + crosses, over, seen, level, crosses, rises, cause)


def _over(stage: Stage, facts: Facts, was_over: bool) -> bool:
    threshold = stage.threshold(facts.persona)
    if threshold is None:
        return False
    if facts.score is None:
        return was_over
    return facts.score >= (threshold - stage.margin if was_over else threshold)


def _way(stage: Stage, facts: Facts) -> _Way | None:
    first: Reached | None = None
    last: datetime | None = None
    if stage.outcomes and facts.outcomes:
        found = [outcome for outcome in facts.outcomes if outcome.outcome in stage.outcomes]
        if found:
            earliest = min(found, key=outcome_order)
            first, last = Reached(earliest.at, "outcome", earliest.id), max(outcome.at for outcome in found)
    for kind in stage.activities:
        if kind in facts.kinds:
            _, first_at, last_at = facts.kinds[kind]
            one = Reached(first_at, "activity", kind)
            first = one if first is None else min(first, one, key=_priority)
            last = last_at if last is None else max(last, last_at)
    return _Way(first, last) if first is not None and last is not None else None


_CAUSES = {"entry": 0, "outcome": 1, "activity": 2, "threshold": 3}


def _priority(reached: Reached) -> tuple[datetime, int, str]:
    return reached.at, _CAUSES[reached.cause], reached.ref


# -- the stage it stands on --------------------------------------------------------------------------------------------


def _moves(
    journey: Journey,
    standing: Standing,
    facts: Facts,
    ended: Ended,
    ways: Mapping[str, _Way],
    above: Mapping[str, Sequence[Any]],
    by_score: set[str],
    at: datetime,
    cause: str,
) -> tuple[int, list[Move]]:
    """The index of the highest stage that something keeps the lead on, and the moves there."""
    spent = _spent(journey, ended, above)
    decided = {one.stage for one in standing.decided if one.stage not in spent or one.at > spent[one.stage]}
    ways = {name: way for name, way in ways.items() if name not in spent or way.last_at > spent[name]}

    def kept(stage: Stage) -> bool:
        over = stage.name not in spent and above.get(stage.name, _NEVER)[1]
        way = ways.get(stage.name)
        if stage.index == 0 or (not stage.falls and stage.name in decided):
            return True
        return bool(over and way) if stage.both else bool(over or way)

    keeping = [stage for stage in journey.stages if kept(stage)]
    current = keeping[-1].index
    before = journey.stage(standing.stage)
    moves: list[Move] = []

    def on_record(stage: Stage) -> bool:
        return stage.index == 0 or stage.name in decided or (stage.name in ways and not stage.both)

    if before is not None and current >= before.index:
        # A stage whose fact was withdrawn but whose score holds is entered once more, from itself, by its threshold.
        base = before.index - (not on_record(before))
    elif before is not None:
        # Back to the highest stage on record; one that only the score keeps it on is a new move by threshold, below.
        down = next(stage for stage in reversed(keeping) if on_record(stage))
        base, threshold = down.index, before.threshold(facts.persona)
        if before.name in spent:
            moves.append(Move(before.name, down.name, at, cause, "recycled", ""))
        elif before.falls and threshold is not None:
            moves.append(Move(before.name, down.name, at, cause, "fall", "", facts.score, threshold))
        else:
            moves.append(Move(before.name, down.name, at, cause, "withdrawn", ""))
    elif standing.stage:
        base = 0
        moves.append(Move(standing.stage, journey.stages[0].name, at, cause, "journey", ""))
    else:
        base = 0
        moves.append(Move("", journey.stages[0].name, facts.entered_at, cause, "entry", ""))
    for stage in keeping:
        if stage.index > base:
            start = moves[-1].stage if moves else standing.stage
            moves.append(_move(start, stage, facts, ways.get(stage.name), above, stage.name in by_score, at, cause))
    return current, moves


def _spent(journey: Journey, ended: Ended, above: Mapping[str, Sequence[Any]]) -> Mapping[str, datetime]:
    """Stages that what led to them no longer keeps a recycled lead on, because it goes back → until when that was."""
    floor = journey.stage(journey.recycling.stage)
    if floor is None or ended.bucket != "recycled" or ended.at is None:
        return {}
    return {
        stage.name: ended.at
        for stage in journey.stages[floor.index + 1 :]
        if not above.get(stage.name, _NEVER)[1] or len(above[stage.name]) > len(_NEVER)  # the score is barred, too
    }


def _move(
    start: str,
    stage: Stage,
    facts: Facts,
    way: _Way | None,
    above: Mapping[str, Sequence[Any]],
    by_score: bool,
    at: datetime,
    cause: str,
) -> Move:
    if way is not None and not stage.both and not by_score:
        reason: MoveReason = "outcome" if way.first.cause == "outcome" else "activity"
        return Move(start, stage.name, way.first.at, cause, reason, way.first.ref)
    ref = f"{stage.name}:{above.get(stage.name, (0,))[0]}"
    return Move(start, stage.name, at, cause, "threshold", ref, facts.score, stage.threshold(facts.persona))


def _reached(journey: Journey, facts: Facts, ways: Mapping[str, _Way], decided: list[Decided]) -> dict[str, Reached]:
    """Stage → the first time the lead reached it. Reaching a stage reaches all listed before it at the same time."""
    own = {stage.name: ways[stage.name].first for stage in journey.stages if stage.name in ways and not stage.both}
    own[journey.stages[0].name] = Reached(facts.entered_at, "entry", "")
    for one in decided:
        first = Reached(one.at, "threshold", one.ref)
        own[one.stage] = min(first, own.get(one.stage, first), key=_priority)
    reached: dict[str, Reached] = {}
    later: tuple[str, Reached] | None = None
    for stage in reversed(journey.stages):
        mine = own.get(stage.name)
        if later is not None and (mine is None or later[1].at < mine.at):
            reached[stage.name] = Reached(later[1].at, "implied", later[0])
        elif mine is not None:
            reached[stage.name] = mine
            later = stage.name, mine
    return dict(reversed(reached.items()))


# -- handoffs ----------------------------------------------------------------------------------------------------------


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
    clock = journey.fast_clock if why.cause == "fast track" else journey.follow_up
    return Opening(
        stage=stage.name,
        system=stage.handoff,
        at=at,
        persona=facts.persona,
        score=facts.score or 0,
        generation=standing.generation + (ended.bucket == "recycled"),
        response_due=clock.response_due(at, facts.band),
        period_ends=clock.period_ends(at),
        cause=why.cause,
        reason=why.reason,
        by=why.by,
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
