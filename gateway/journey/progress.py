"""Advance one stored lead: its rows become facts and standing, the answer becomes rows again."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from gateway.contracts import Contribution, Mark, Money
from gateway.journey.advance import Advance, Asked, Due, Opening, Withheld, advance
from gateway.journey.cause import Cause
from gateway.journey.endings import Close, Ending, find_ending
from gateway.journey.facts import Decided, Ended, Facts, Happened, Held, OpenHandoff, Outcome, Standing
from gateway.journey.journey import Journey
from gateway.leads.lead import Lead
from gateway.leads.record import Record
from gateway.leads.stamps import OWN
from gateway.scoring.rating import known
from gateway.times import from_micros, to_micros


def facts_of(lead: Lead, open_deal: bool) -> Facts:
    return Facts(
        known(lead.attributes, lead.beside),
        lead.persona,
        lead.score.total if lead.score else None,
        from_micros(lead.entered_at),
        [
            Outcome(
                from_micros(row.at),
                row.outcome,
                key[1],
                from_micros(row.known_at),
                row.reason,
                Money(Decimal(row.amount), row.currency or "") if row.amount is not None else None,
                row.by,
                row.precision,
                _moment(row.wake),
            )
            for key, row in sorted(lead.outcomes.items())
        ],
        {
            kind: Happened(count, from_micros(first), from_micros(last))
            for kind, (count, first, last) in lead.kinds.items()
        },
        open_deal,
        lead.score.band if lead.score else "",
        held_of(lead),
        {name: (one.total, one.band) for name, one in lead.scores.items()},
    )


def held_of(lead: Lead) -> Held | None:
    """What a person said last of not handing it over; to be held until a time that is over ends an earlier word."""
    said = max((mark for mark in lead.marks if mark.kind == "hold"), key=lambda mark: mark.at, default=None)
    return Held(said.until, said.reason) if said is not None else None


def standing_of(lead: Lead) -> Standing:
    return Standing(
        lead.stage,
        lead.above,
        [Decided(stage, from_micros(at), ref) for stage, at, ref in lead.decided],
        _handoff(lead.handoff, lead.overdue) if lead.handoff else None,
        lead.generation,
        lead.ended,
        lead.ignored,
        _handoff(lead.expired, False) if lead.expired else None,
        lead.held_back is not None,
    )


def _handoff(row: Mapping[str, Any], overdue: bool) -> OpenHandoff:
    return OpenHandoff(
        row["id"],
        row["stage"],
        from_micros(row["opened_at"]),
        row["generation"],
        _moment(row["accepted_at"]),
        _moment(row["contacted_at"]),
        _moment(row["period_ends"]),
        overdue,
    )


def own_record(lead: Lead, at: int) -> Record:
    """What the gateway itself says of ``lead``, as a record like any other."""
    ref = (*OWN, lead.id)
    return lead.records.setdefault(ref, Record(*ref, "person", lead.id, first_at=at, main=False))


def end(lead: Lead, journey: Journey, open_deal: bool, at: datetime) -> Ending:
    """Put onto ``lead``, before it is scored, how it ended with sales and what its behaviour is worth for that."""
    if lead.handoff is None and lead.expired is None and not (lead.ended.bucket and lead.outcomes):
        return Ending(lead.ended)  # most leads: nothing to look for
    ending = find_ending(journey, standing_of(lead), facts_of(lead, open_deal), at)
    if ending.correction is not None and lead.expired is not None:
        end_handoff(lead, journey, lead.expired, ending.correction, "correction")
        lead.expired = None
    handoff = lead.handoff
    if handoff is not None:
        for name, moment in (("accepted_at", ending.accepted_at), ("contacted_at", ending.contacted_at)):
            if moment is not None and handoff[name] != to_micros(moment):
                handoff[name] = to_micros(moment)
                lead.handoff_changed = True
        if ending.close is not None:
            end_handoff(lead, journey, handoff, ending.close, "end")
            lead.handoff, lead.handoff_changed = None, False
    ended = ending.ended
    if ending.returned and ended.at is not None:
        lead.returned = {
            "at": to_micros(ended.at),
            "bucket": ended.bucket,
            "reason": ended.reason,
            "wake": _micros(ended.wake),
        }
        lead.changed = True
        back = _ending(lead.last_handoff[0], ended.bucket, ended.reason, ended.at, ending.by, "return")
        lead.endings = [*lead.endings, back]
        _stand(lead, journey, ended)
    return ending


def progress(
    lead: Lead,
    journey: Journey,
    open_deal: bool,
    ending: Ending,
    cause: Cause,
    quiet: bool,
    active: Collection[str],
    ids: Any,
    asked: Asked | None = None,
) -> Advance | None:
    """Advance ``lead`` and put the answer onto it. A handoff to a system that is not active is withheld.

    The handoff to open is ``Advance.opening``; who can take it is decided over the whole batch.

    :param ids: makes a new id. :return: what was decided; None when nothing that the journey reads has moved.
    """
    if asked is None and _still(lead, journey, open_deal, ending, cause.at):
        return None
    facts = facts_of(lead, open_deal)
    answer = advance(journey, standing_of(lead), facts, ending, cause.at, cause.why, quiet=quiet, asked=asked)
    decided_at = to_micros(cause.at)
    lead.journey = journey.hash
    lead.stage, lead.above, lead.excluded = answer.stage, dict(answer.above), answer.excluded
    if lead.wakes_at != _micros(answer.wakes_at):
        lead.wakes_at, lead.changed = _micros(answer.wakes_at), True
    lead.reached = {stage: (to_micros(r.at), r.cause, r.ref) for stage, r in answer.reached.items()}
    lead.changed = lead.changed or lead.reached.keys() != lead.reached_before.keys()
    moves = [
        {
            "id": ids(),
            "lead": lead.id,
            "from_stage": move.from_stage,
            "stage": move.stage,
            "at": to_micros(move.at),
            "decided_at": decided_at,
            "cause": move.cause,
            "reason": move.reason,
            "ref": move.ref,
            "score": move.score,
            "threshold": move.threshold,
            "score_name": move.score_name,
            "scoring": cause.scoring,
            "journey": cause.journey,
        }
        for move in answer.moves
    ]
    lead.moves = [*lead.moves, *moves]
    off = answer.opening is not None and answer.opening.system not in active
    if not off:
        lead.ignored = answer.ignored
    for due in answer.due:
        step = _step(lead.id, due, decided_at, off if "handoff" in due.step else _unheard(journey, due, active))
        lead.steps = [*lead.steps, step]
        if step["state"] == "done":
            _do(lead, due, decided_at)
    if off and answer.opening is not None:
        stage, system = answer.opening.stage, answer.opening.system
        return replace(answer, opening=None, withheld=Withheld(stage, system, f"{system} is not active"))
    return answer


def _still(lead: Lead, journey: Journey, open_deal: bool, ending: Ending, at: datetime) -> bool:
    """Nothing that ``advance`` reads has moved since it was last asked: most news changes a field no rule looks at."""
    if (
        lead.journey != journey.hash
        or lead.overdue
        or lead.moved
        or lead.changed_kinds
        or lead.added_outcomes
        or lead.dropped_outcomes
        or ending.ended.new
        or (lead.wakes_at is not None and lead.wakes_at <= to_micros(at))
    ):
        return False
    about = known(lead.attributes, lead.beside) if lead.beside else lead.attributes
    excluded = journey.exclusion(about, open_deal)
    return lead.excluded == (excluded.reason if excluded else None)


def _do(lead: Lead, due: Due, at: int) -> None:
    """Steps that set something are values of the lead like any other: with a stamp, merged, and told by sync."""
    values: dict[str, Any] = {}
    for word, detail in due.step.items():
        if word == "set":
            values[detail["field"]] = detail["value"]
        elif word in ("join", "leave"):
            for name in ("lists", "left_lists"):  # also what was left is kept: somebody else may have put it there
                others = [one for one in lead.attributes.get(name, ()) if one != detail]
                if (name == "lists") == (word == "join"):
                    values[name] = [*others, detail]
                elif name in lead.attributes:
                    values[name] = others
        elif word == "campaign":
            named = f"{detail['name']}: "
            others = [entry for entry in lead.attributes.get("campaigns", ()) if not entry.startswith(named)]
            values["campaigns"] = [*others, f"{named}{detail['status']}"]
    if not values:
        return
    record = own_record(lead, at)
    record.snapshot.update({name: [value, at] for name, value in values.items()})
    record.last, record.dirty = (at, f"{due.stage}:{due.crossing}:{due.position}"), True
    lead.attributes = lead.attributes | values
    lead.changed_values = True


def end_handoff(lead: Lead, journey: Journey, handoff: dict[str, Any], close: Close, what: str) -> None:
    """Close ``handoff``, or end it otherwise than before (``what``: a correction)."""
    by = close.by or f"outcome {close.outcome}"
    handoff |= {
        "state": "closed",
        "bucket": close.bucket,
        "bucket_reason": close.reason,
        "closed_at": to_micros(close.at),
        "closed_by": by,
        "wake_at": _micros(close.wake),
    }
    lead.closed = [*lead.closed, handoff]
    lead.endings = [*lead.endings, _ending(handoff["id"], close.bucket, close.reason, close.at, by, what)]
    lead.last_handoff = handoff["id"], by
    _stand(lead, journey, Ended(close.bucket, close.at, close.reason, close.wake, handoff["stage"]))


def _ending(handoff: str, bucket: str, reason: str, at: datetime, by: str, what: str) -> dict[str, Any]:
    return {"handoff": handoff, "what": what, "bucket": bucket, "reason": reason, "at": to_micros(at), "by": by}


def _stand(lead: Lead, journey: Journey, ended: Ended) -> None:
    """How it stands with sales now, and what its behaviour until then is worth: that of the last ending counts."""
    treatment = journey.recycling.behaviour
    lead.ended = ended
    lead.unmark(lead.last_handoff[0])
    if ended.bucket == "recycled" and treatment != "keep" and ended.at is not None:
        reason = f"recycled: {ended.reason}" if ended.reason else "recycled"
        lead.mark(Mark(ended.at, treatment, reason=reason, by="journey", id=lead.last_handoff[0]))
    lead.moved = lead.changed = True


def open_handoff(lead: Lead, opening: Opening, cause: Cause, ids: Any) -> None:
    """Hand the lead to sales. From now on its records take part in outbound sync."""
    lead.generation = opening.generation
    lead.opened = lead.handoff = _opened(lead, opening, cause, ids)
    lead.had_handoff = True
    for record in lead.records.values():
        record.enrolled = record.dirty = True


def hold_back(lead: Lead, opening: Opening, cause: Cause, ids: Any) -> None:
    """Sales cannot take it now: the handoff is there, and waits for a person to release it."""
    lead.held_back = lead.opened = _opened(lead, opening, cause, ids) | {"state": "held"}
    for step in lead.steps:
        if "handoff" in step["step"] and step["state"] == "done":
            step["state"], step["reason"] = "withheld", "beyond capacity"


def _opened(lead: Lead, opening: Opening, cause: Cause, ids: Any) -> dict[str, Any]:
    return {
        "id": lead.held_back["id"] if lead.held_back is not None else ids(),
        "lead": lead.id,
        "stage": opening.stage,
        "system": opening.system,
        "persona": opening.persona,
        "generation": opening.generation,
        "opened_at": to_micros(opening.at),
        "decided_at": to_micros(cause.at),
        "score": opening.score,
        "score_name": opening.score_name,
        "contributions": [],
        "package": {},
        "scoring": cause.scoring,
        "journey": cause.journey,
        "owner": "",
        "owner_why": "",
        "owner_at": None,
        "their_owner": "",
        "response_time": None,
        "alarm": "",
        "alarm_at": None,
        "hearing": "",
        "cause": opening.cause,
        "cause_reason": opening.reason,
        "cause_by": opening.by,
        "wake_at": None,
        "response_due": _micros(opening.response_due),
        "period_ends": to_micros(opening.period_ends),
        "accepted_at": None,
        "contacted_at": None,
        "state": "open",
        "bucket": None,
        "bucket_reason": "",
        "closed_at": None,
        "closed_by": "",
        "checking": "",
    }


def frozen(contributions: Collection[Contribution]) -> list[list[Any]]:
    """A score's contributions as a handoff keeps them: [rule, hundredths, reason, axis], biggest first."""
    ordered = sorted(contributions, key=lambda line: -abs(line.hundredths))
    return [[line.rule, line.hundredths, line.reason, line.axis] for line in ordered]


def _unheard(journey: Journey, due: Due, active: Collection[str]) -> bool:
    """Whether a step wants somebody told through a system that nothing is sent to."""
    hearer = journey.notify.get(due.step.get("notify", ""))
    return "notify" in due.step and (hearer is None or hearer.through not in active)


def _step(lead: str, due: Due, at: int, off: bool) -> dict[str, Any]:
    withheld = due.withheld
    if withheld is None and off:
        withheld = "outbound off"
    return {
        "id": f"{lead}:{due.stage}:{due.crossing}:{due.position}",
        "lead": lead,
        "stage": due.stage,
        "crossing": due.crossing,
        "step": dict(due.step),
        "at": at,
        "state": "withheld" if withheld else "waiting" if "notify" in due.step else "done",
        "reason": withheld or "",
    }


def _moment(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)


def _micros(at: datetime | None) -> int | None:
    return None if at is None else to_micros(at)
