"""The stage a lead stands on, and when it first reached each. In: ways, crossings, decisions. Out: ``Move``s.

``reached`` is a function of the facts and of the recorded threshold moves, so facts in any order, with repeats, cut
into any batches give the same. Moves are decisions: they depend on what was known at the time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple

from gateway.journey.crossing import NEVER, Reached, Way, priority
from gateway.journey.facts import Decided, Ended, Facts, Standing
from gateway.journey.journey import Journey, Stage

MoveReason = Literal["entry", "threshold", "outcome", "activity", "fall", "withdrawn", "recycled", "journey"]


class Move(NamedTuple):
    """From one of the company's stages to another.

    ``reason``: ``entry`` the lead is new · ``threshold`` · ``outcome`` · ``activity`` · ``fall`` its score fell ·
    ``withdrawn`` the fact that had moved it is gone · ``recycled`` sales gave it back · ``journey`` the stage it stood
    on is no longer in journey.yaml. ``ref``: id of the outcome, kind of the activity, or ``<stage>:<crossing>``.
    ``cause`` is what the caller said. ``at``: time of the fact, else of this advance. ``score`` and ``threshold`` only
    where the score decided; ``score_name``: which, empty = the main one.
    """

    from_stage: str
    stage: str
    at: datetime
    cause: str
    reason: MoveReason
    ref: str
    score: int | None = None
    threshold: int | None = None
    score_name: str = ""


def moves_of(
    journey: Journey,
    standing: Standing,
    facts: Facts,
    ended: Ended,
    ways: Mapping[str, Way],
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
        over = stage.name not in spent and above.get(stage.name, NEVER)[1]
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
            fallen = facts.rated(before.score)[0], threshold, before.score
            moves.append(Move(before.name, down.name, at, cause, "fall", "", *fallen))
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
        if not above.get(stage.name, NEVER)[1] or len(above[stage.name]) > len(NEVER)  # the score is barred, too
    }


def _move(
    start: str,
    stage: Stage,
    facts: Facts,
    way: Way | None,
    above: Mapping[str, Sequence[Any]],
    by_score: bool,
    at: datetime,
    cause: str,
) -> Move:
    if way is not None and not stage.both and not by_score:
        reason: MoveReason = "outcome" if way.first.cause == "outcome" else "activity"
        return Move(start, stage.name, way.first.at, cause, reason, way.first.ref)
    ref = f"{stage.name}:{above.get(stage.name, (0,))[0]}"
    score, threshold = facts.rated(stage.score)[0], stage.threshold(facts.persona)
    return Move(start, stage.name, at, cause, "threshold", ref, score, threshold, stage.score)


def reached_of(journey: Journey, facts: Facts, ways: Mapping[str, Way], decided: list[Decided]) -> dict[str, Reached]:
    """Stage → the first time the lead reached it. Reaching a stage reaches all listed before it at the same time."""
    own = {stage.name: ways[stage.name].first for stage in journey.stages if stage.name in ways and not stage.both}
    own[journey.stages[0].name] = Reached(facts.entered_at, "entry", "")
    for one in decided:
        first = Reached(one.at, "threshold", one.ref)
        own[one.stage] = min(first, own.get(one.stage, first), key=priority)
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
