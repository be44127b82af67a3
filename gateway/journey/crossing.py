"""When a lead crosses into a stage. In: how its entry held the last time, the facts, what bars it. Out: ``Hold``.

A lead *crosses* when its entry begins to hold (see ``Stage``). Each crossing has a number, so its steps are done once.
Once the entry holds, a second way in is no new crossing, with one exception: where a stage hands over and no handoff is
open, either way in counts, because nobody has the lead. Activities and outcomes up to the end of the last handoff are
used up: only later ones let the lead cross again. A lead that is barred from being handed over (see ``recycling``)
crosses into no such stage; when the bar is lifted while the entry holds, it does.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from gateway.journey.endings import Ending, outcome_order
from gateway.journey.facts import Facts, Standing
from gateway.journey.journey import Journey, Stage
from gateway.journey.recycling import ALL, OPEN, SCORE, WAYS, Bar
from gateway.times import to_micros

_FOREVER = 1 << 63
NEVER = (0, False, None)
"""``above`` of a stage that the lead never came near."""


class Reached(NamedTuple):
    """``cause``: entry | outcome | activity | threshold, or ``implied`` by the later stage that ``ref`` names."""

    at: datetime
    cause: str
    ref: str


class Way(NamedTuple):
    """How facts lead into a stage: the first of them, and when the latest was."""

    first: Reached
    last_at: datetime


class Hold(NamedTuple):
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


def hold(
    stage: Stage,
    before: Sequence[Any],
    way: Way | None,
    facts: Facts,
    standing: Standing,
    ending: Ending,
    bar: Bar,
) -> Hold:
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
    return Hold(crossings + crosses, over, seen, level, crosses, rises, cause)


def edges(journey: Journey, persona: str, score: str = "") -> list[int]:
    """Totals of one score, ascending, at which the entry of some stage may begin or cease to hold for leads of this
    persona: as long as the score stays on the same side of all of them, it moves nobody. ``score``: as ``Stage`` names
    it."""
    found = set[int]()
    for stage in journey.stages:
        if stage.score == score and (threshold := stage.threshold(persona)) is not None:
            found |= {threshold, threshold - stage.margin}
    return sorted(found)


def _over(stage: Stage, facts: Facts, was_over: bool) -> bool:
    threshold = stage.threshold(facts.persona)
    if threshold is None:
        return False
    total = facts.rated(stage.score)[0]
    if total is None:
        return was_over
    return total >= (threshold - stage.margin if was_over else threshold)


def way_into(stage: Stage, facts: Facts) -> Way | None:
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
            first = one if first is None else min(first, one, key=priority)
            last = last_at if last is None else max(last, last_at)
    return Way(first, last) if first is not None and last is not None else None


_CAUSES = {"entry": 0, "outcome": 1, "activity": 2, "threshold": 3}


def priority(reached: Reached) -> tuple[datetime, int, str]:
    return reached.at, _CAUSES[reached.cause], reached.ref
