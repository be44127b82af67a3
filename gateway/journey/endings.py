"""What sales did with a handoff, and how it ended. In: ``Journey``, ``Standing``, ``Facts``. Out: ``Ending``. Pure.

Comes before scoring: how a handoff ended can change what the lead's behaviour is worth. What counts is when sales
acted. The first outcome with a bucket ends a handoff and later ones do not reopen it; but they, or a long silence, can
give a lead that sales had qualified back to marketing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from gateway.journey.facts import Ended, Facts, OpenHandoff, Outcome, Standing
from gateway.journey.journey import Journey
from gateway.journey.words import CLOCK, NO_WORD

SILENT = "silent"


class Close(NamedTuple):
    """A handoff ends, or ends otherwise than was decided. ``outcome``: id of what ended it; empty: the clock did."""

    handoff: str
    at: datetime
    bucket: str
    reason: str
    by: str
    outcome: str
    wake: datetime | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """``ended``: how it stands with sales now. ``open``: the handoff that was open still is; ``accepted_at`` and
    ``contacted_at`` are its. ``correction``: sales had acted in time where the clock spoke. ``returned``: what sales
    had qualified came back, and ``by`` whom. ``silent_at``: when it will, if nothing happens until then.
    """

    ended: Ended
    open: bool = False
    close: Close | None = None
    correction: Close | None = None
    accepted_at: datetime | None = None
    contacted_at: datetime | None = None
    returned: bool = False
    by: str = ""
    silent_at: datetime | None = None


def find_ending(journey: Journey, standing: Standing, facts: Facts, at: datetime) -> Ending:
    """``at``: business time of the advance that this belongs to."""
    close = correction = accepted_at = contacted_at = None
    if standing.handoff is not None:
        close, accepted_at, contacted_at = _updated(journey, standing.handoff, facts)
    if standing.expired is not None:
        correction = _correction(journey, standing.expired, facts)
    ended = standing.ended
    last, handoff = (close, standing.handoff) if close is not None else (correction, standing.expired)
    if last is not None and handoff is not None:
        ended = Ended(last.bucket, last.at, last.reason, last.wake, handoff.stage, new=True)
    given_back, silent_at = None, None
    still_open = standing.handoff is not None and close is None
    if not still_open and ended.at is not None and _qualified(journey, ended, facts):
        given_back, silent_at = _given_back(journey, ended, facts, at)
    return Ending(
        ended=given_back[0] if given_back else ended,
        open=still_open,
        close=close,
        correction=correction,
        accepted_at=accepted_at,
        contacted_at=contacted_at,
        returned=given_back is not None,
        by=given_back[1] if given_back else "",
        silent_at=silent_at,
    )


def outcome_order(outcome: Outcome) -> tuple[datetime, str]:
    return outcome.at, outcome.id


def _updated(
    journey: Journey, handoff: OpenHandoff, facts: Facts
) -> tuple[Close | None, datetime | None, datetime | None]:
    """What the reported outcomes make of the open handoff: its end, and when it was accepted and contacted.

    The first outcome with a bucket ends it, or the clock before it: what counts is when sales acted. An outcome dated
    before the handoff opened says nothing about it.
    """
    about = sorted((outcome for outcome in facts.outcomes if _is_about(outcome, handoff)), key=outcome_order)
    close = None
    first = {"accepted": handoff.accepted_at, "contacted": handoff.contacted_at}
    for outcome in about:
        if outcome.outcome in first:
            known = first[outcome.outcome]
            first[outcome.outcome] = outcome.at if known is None else min(known, outcome.at)
        bucket = journey.buckets.get(outcome.outcome)
        if bucket is not None:
            reason = journey.reason(bucket, outcome.reason)
            close = Close(handoff.id, outcome.at, bucket, reason, outcome.by, outcome.id, outcome.wake)
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


def _qualified(journey: Journey, ended: Ended, facts: Facts) -> bool:
    """Sales took the lead on: when its handoff ended, or later all the same."""
    return ended.bucket == "sales_qualified" or any(
        ended.at is not None and one.at > ended.at and journey.buckets.get(one.outcome) == "sales_qualified"
        for one in facts.outcomes
    )


def _given_back(
    journey: Journey, ended: Ended, facts: Facts, at: datetime
) -> tuple[tuple[Ended, str] | None, datetime | None]:
    """How a qualified lead came back since, and who said so; else when it will by itself."""
    assert ended.at is not None, "what ended has a time"
    since = [one for one in facts.outcomes if one.at > ended.at]
    last = max(since, key=outcome_order, default=None)
    bucket = journey.buckets.get(last.outcome, "") if last is not None else ""
    if last is not None and bucket in ("recycled", "sales_rejected"):
        reason = last.reason or last.outcome
        return (Ended(bucket, last.at, reason, last.wake, ended.stage, new=True), last.by), None
    silence = journey.recycling.silent
    if silence is None or facts.open_deal or any(one.outcome == "won" and one.at >= ended.at for one in facts.outcomes):
        return None, None
    heard = [ended.at, *(one.at for one in since), *(happened.last_at for happened in facts.kinds.values())]
    silent_at = max(heard) + silence
    if silent_at > at:
        return None, silent_at
    return (Ended("recycled", silent_at, SILENT, None, ended.stage, new=True), CLOCK), None
