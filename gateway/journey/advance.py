"""Where a lead stands now, and what is due because of it. In: ``Journey``, ``Standing``, ``Facts``. Out: ``Advance``.

Before: scoring. After: the store records the answer, sync carries it out. Pure: the same input gives the same answer.

Two kinds of truth meet here. ``reached`` — the first time a lead reached each stage — is a function of the facts and
of the recorded threshold moves, so facts in any order, with repeats, cut into any batches give the same. Moves, steps,
openings and closings are decisions: they depend on what was known at the time and are never taken back.

A lead *crosses* into a stage when its entry begins to hold (see ``Stage``). Each crossing has a number, so its steps
are done once. Once the entry holds, a second way in is no new crossing, with one exception: where a stage hands over
and no handoff is open, either way in counts, because nobody has the lead. Activities and outcomes up to the end of the
last handoff are used up: only later ones let the lead cross again. A score must fall below its margin first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from gateway.journey.facts import Decided, Facts, OpenHandoff, Outcome, Standing
from gateway.journey.journey import Exclusion, Journey, Stage
from gateway.journey.words import CLOCK, NO_WORD
from gateway.times import to_micros

_FOREVER = 1 << 63
_NEVER = (0, False, None)
MoveReason = Literal["entry", "threshold", "outcome", "activity", "fall", "withdrawn", "journey"]


class Move(NamedTuple):
    """From one of the company's stages to another.

    ``reason``: ``entry`` the lead is new · ``threshold`` · ``outcome`` · ``activity`` · ``fall`` its score fell ·
    ``withdrawn`` the fact that had moved it is gone · ``journey`` the stage it stood on is no longer in journey.yaml.
    ``ref``: id of the outcome, kind of the activity, or ``<stage>:<crossing>``. ``cause`` is what the caller said.
    ``at``: time of the fact, else of this advance. ``score`` and ``threshold`` only where the score decided.
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

    ``reason``: ``history`` · ``already open`` · ``with sales`` · ``never handed over: <reason of journey.yaml>``; from
    ``existing`` also ``ignored`` · ``handed over before``.
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

    ``generation`` is the lead's new one: one more than before when the last handoff was recycled.
    """

    stage: str
    system: str
    at: datetime
    persona: str
    score: int
    generation: int
    response_due: datetime | None
    period_ends: datetime


class Close(NamedTuple):
    """A handoff ends, or ends otherwise than was decided. ``outcome``: id of what ended it; empty: the clock did."""

    handoff: str
    at: datetime
    bucket: str
    reason: str
    by: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Advance:
    """All of it as it is after the advance; ``moves``, ``due``, ``opening``, ``withheld``, ``note``, ``close`` are new.

    ``reached`` replaces the lead's rows as a whole. A closing comes before an opening, so that one handoff is open at
    most. ``correction``: sales had acted in time where the clock spoke. ``accepted_at`` and ``contacted_at`` belong to
    the handoff that was open before. ``excluded``: reason of journey.yaml why the lead is never handed over; None = it
    may be.
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
    close: Close | None = None
    correction: Close | None = None
    accepted_at: datetime | None = None
    contacted_at: datetime | None = None


class _Way(NamedTuple):
    """How facts lead into a stage: the first of them, and when the latest was."""

    first: Reached
    last_at: datetime


class _Ended(NamedTuple):
    """How the lead's latest handoff ended; empty and None when none has."""

    bucket: str
    at: datetime | None


def advance(
    journey: Journey, standing: Standing, facts: Facts, at: datetime, cause: str, quiet: bool = False
) -> Advance:
    """One lead, one batch. ``at``: business time of the advance; ``cause``: news, time, model, import, merge or person.

    ``quiet`` (an import of history) records moves and crossings, opens nothing and does no step.
    """
    ways = {s.name: way for s in journey.stages if (s.outcomes or s.activities) and (way := _way(s, facts))}
    excluded = journey.exclusion(facts.attributes, facts.open_deal)
    close = accepted_at = contacted_at = None
    if standing.handoff is not None:
        close, accepted_at, contacted_at = _updated(journey, standing.handoff, facts)
    still_open = standing.handoff is not None and close is None
    correction = _correction(journey, standing.expired, facts) if standing.expired is not None else None
    last = close or correction
    ended = _Ended(last.bucket, last.at) if last else _Ended(standing.last_bucket, standing.closed_at)

    above: dict[str, Sequence[Any]] = {name: list(held) for name, held in standing.above.items()}
    crossed: dict[str, int] = {}
    by_score: set[str] = set()
    for stage in journey.stages[1:]:
        before, way = above.get(stage.name, _NEVER), ways.get(stage.name)
        if way is None and stage.thresholds is None and before is _NEVER:
            continue
        # What ends a handoff uses up the facts that led to it, and is itself the way into a later stage.
        used_up = ended.at if stage.handoff else standing.closed_at
        now = _hold(stage, before, way, facts, used_up, still_open)
        if now.crossings or now.over or now.seen is not None:
            above[stage.name] = [now.crossings, now.over, now.seen]
        else:
            above.pop(stage.name, None)
        if now.crosses:
            crossed[stage.name] = now.crossings
        if now.rises:
            by_score.add(stage.name)

    current, moves = _moves(journey, standing, facts, ways, above, by_score, at, cause)
    decided = [*standing.decided, *(Decided(m.stage, m.at, m.ref) for m in moves if m.reason == "threshold")]

    opening: Opening | None = None
    withheld: Withheld | None = None
    note: OwnerNote | None = None
    # The highest stage only: a lead that crosses two thresholds at once goes to those who want the better leads.
    handing = next((stage for stage in reversed(journey.stages) if stage.name in crossed and stage.handoff), None)
    if handing is not None:
        reason = "history" if quiet else _objection(journey, standing, facts, excluded, handing, still_open, ended)
        if reason is None:
            opening = _opening(journey, standing, facts, handing, at, ended)
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
        due=tuple(_due(journey, crossed, quiet, opening, withheld)),
        opening=opening,
        withheld=withheld,
        note=note,
        close=close,
        correction=correction,
        accepted_at=accepted_at,
        contacted_at=contacted_at,
    )


def existing(
    journey: Journey, standing: Standing, facts: Facts, at: datetime, system: str
) -> Opening | Withheld | None:
    """What handing over a lead that already stands over a threshold of ``system`` would do; used at its activation.

    None: it stands over none. Nothing is decided here: the caller opens it, or marks the lead as ignored.
    """
    for stage in reversed(journey.stages):
        crossings, over, seen = standing.above.get(stage.name, _NEVER)
        if stage.handoff != system or not crossings or not (over or (seen is not None and not stage.both)):
            continue
        excluded = journey.exclusion(facts.attributes, facts.open_deal)
        ended = _Ended(standing.last_bucket, standing.closed_at)
        reason = _objection(journey, standing, facts, excluded, stage, standing.handoff is not None, ended)
        if reason is None and standing.last_bucket:
            reason = "handed over before"
        if reason is None and standing.ignored:
            reason = "ignored"
        if reason is not None:
            return Withheld(stage.name, system, reason)
        return _opening(journey, standing, facts, stage, at, ended)
    return None


# -- crossings ---------------------------------------------------------------------------------------------------------


class _Hold(NamedTuple):
    """How a stage's entry holds now; the first three are its entry in ``above``, see ``Standing``.

    ``rises``: the score decides, being over the threshold now and not before (or only now together with a fact).
    """

    crossings: int
    over: bool
    seen: int | None
    crosses: bool
    rises: bool


def _hold(
    stage: Stage, before: Sequence[Any], way: _Way | None, facts: Facts, used_up: datetime | None, still_open: bool
) -> _Hold:
    crossings, was_over, was_seen = before
    over = _over(stage, facts, was_over)
    seen = to_micros(way.last_at) if way else None
    until = -_FOREVER if used_up is None else to_micros(used_up)
    was_in = was_seen is not None and was_seen > until
    # A late report of something older than the last handoff's end asks for no new handoff; elsewhere it is news.
    is_in = seen is not None and (seen > until or (was_seen is None and not stage.handoff))
    if stage.both:
        crosses = over and is_in and not (was_over and was_in)
    else:
        crosses = (over and not was_over) or (is_in and not was_in)
        if (was_over or was_in) and (still_open or not stage.handoff):
            crosses = False
    rises = over and (crosses if stage.both else not was_over)
    return _Hold(crossings + crosses, over, seen, crosses, rises)


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
            earliest = min(found, key=_order)
            first, last = Reached(earliest.at, "outcome", earliest.id), max(outcome.at for outcome in found)
    for kind in stage.activities:
        if kind in facts.kinds:
            _, first_at, last_at = facts.kinds[kind]
            one = Reached(first_at, "activity", kind)
            first = one if first is None else min(first, one, key=_priority)
            last = last_at if last is None else max(last, last_at)
    return _Way(first, last) if first is not None and last is not None else None


def _order(outcome: Outcome) -> tuple[datetime, str]:
    return outcome.at, outcome.id


_CAUSES = {"entry": 0, "outcome": 1, "activity": 2, "threshold": 3}


def _priority(reached: Reached) -> tuple[datetime, int, str]:
    return reached.at, _CAUSES[reached.cause], reached.ref


# -- the stage it stands on --------------------------------------------------------------------------------------------


def _moves(
    journey: Journey,
    standing: Standing,
    facts: Facts,
    ways: Mapping[str, _Way],
    above: Mapping[str, Sequence[Any]],
    by_score: set[str],
    at: datetime,
    cause: str,
) -> tuple[int, list[Move]]:
    """The index of the highest stage that something keeps the lead on, and the moves there."""
    decided = {one.stage for one in standing.decided}

    def kept(stage: Stage) -> bool:
        over, way = above.get(stage.name, (0, False))[1], ways.get(stage.name)
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
        if before.falls and threshold is not None:
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


def _objection(
    journey: Journey,
    standing: Standing,
    facts: Facts,
    excluded: Exclusion | None,
    stage: Stage,
    still_open: bool,
    ended: _Ended,
) -> str | None:
    """Why the lead is not handed over now; None = it is."""
    if excluded is not None:
        return f"never handed over: {excluded.reason}"
    if still_open:
        return "already open"
    last = max(facts.outcomes, key=_order, default=None)
    further = False
    if last is not None and (ended.at is None or last.at > ended.at):
        if journey.buckets.get(last.outcome) in ("sales_rejected", "recycled"):
            return None
        stood = journey.stage(standing.stage)
        further = stood is not None and stood.index > stage.index
    return "with sales" if further or ended.bucket == "sales_qualified" else None


def _opening(journey: Journey, standing: Standing, facts: Facts, stage: Stage, at: datetime, ended: _Ended) -> Opening:
    clock = journey.follow_up
    return Opening(
        stage=stage.name,
        system=stage.handoff,
        at=at,
        persona=facts.persona,
        score=facts.score or 0,
        generation=standing.generation + (ended.bucket == "recycled"),
        response_due=clock.response_due(at, facts.band),
        period_ends=clock.period_ends(at),
    )


def _updated(
    journey: Journey, handoff: OpenHandoff, facts: Facts
) -> tuple[Close | None, datetime | None, datetime | None]:
    """What the reported outcomes make of the open handoff: its end, and when it was accepted and contacted.

    The first outcome with a bucket ends it, or the clock before it: what counts is when sales acted. An outcome dated
    before the handoff opened says nothing about it.
    """
    about = sorted((outcome for outcome in facts.outcomes if _is_about(outcome, handoff)), key=_order)
    close = None
    first = {"accepted": handoff.accepted_at, "contacted": handoff.contacted_at}
    for outcome in about:
        if outcome.outcome in first:
            known = first[outcome.outcome]
            first[outcome.outcome] = outcome.at if known is None else min(known, outcome.at)
        bucket = journey.buckets.get(outcome.outcome)
        if bucket is not None:
            close = Close(handoff.id, outcome.at, bucket, outcome.reason, outcome.by, outcome.id)
            break
    end = handoff.period_ends
    if end is not None and (handoff.overdue if close is None else close.at > end):
        close = Close(handoff.id, end, journey.follow_up.default_bucket, NO_WORD, CLOCK, "")
    return close, first["accepted"], first["contacted"]


def _correction(journey: Journey, expired: OpenHandoff, facts: Facts) -> Close | None:
    """What sales had done in time, and we heard of only after the clock had ended the handoff."""
    close, _, _ = _updated(journey, expired, facts)
    return close if close is not None and close.outcome else None


def _is_about(outcome: Outcome, handoff: OpenHandoff) -> bool:
    if outcome.at >= handoff.opened_at:
        return True
    # "Rejected on the 4th" is midnight of the 4th, before a handoff of that noon: it counts when we heard of it later.
    same_day = outcome.precision == "day" and outcome.at + timedelta(days=1) > handoff.opened_at
    return same_day and outcome.known_at >= handoff.opened_at


def _due(
    journey: Journey, crossed: Mapping[str, int], quiet: bool, opening: Opening | None, withheld: Withheld | None
) -> Iterator[Due]:
    for stage in journey.stages:
        for position, step in enumerate(stage.steps if stage.name in crossed else ()):
            reason = "history" if quiet else None
            if not quiet and "handoff" in step and (opening is None or opening.stage != stage.name):
                reason = withheld.reason if withheld else "already open"
            yield Due(stage.name, crossed[stage.name], position, step, reason)
