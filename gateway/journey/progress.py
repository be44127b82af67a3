"""Advance one stored lead: its rows become facts and standing, the answer becomes rows again."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from gateway.contracts import Contribution, Money
from gateway.journey.advance import Advance, Close, Due, Opening, advance
from gateway.journey.facts import Decided, Facts, Happened, OpenHandoff, Outcome, Standing
from gateway.journey.journey import Journey
from gateway.leads.lead import Lead
from gateway.leads.record import Record
from gateway.leads.stamps import OWN
from gateway.times import from_micros, to_micros


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a lead is advanced (news, time, model, import, merge, person) and what every decision records."""

    why: str
    at: datetime
    scoring: str
    journey: str


def facts_of(lead: Lead, open_deal: bool) -> Facts:
    return Facts(
        lead.attributes,
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
            )
            for key, row in sorted(lead.outcomes.items())
        ],
        {
            kind: Happened(count, from_micros(first), from_micros(last))
            for kind, (count, first, last) in lead.kinds.items()
        },
        open_deal,
        lead.score.band if lead.score else "",
    )


def standing_of(lead: Lead) -> Standing:
    return Standing(
        lead.stage,
        lead.above,
        [Decided(stage, from_micros(at), ref) for stage, at, ref in lead.decided],
        _handoff(lead.handoff, lead.overdue) if lead.handoff else None,
        lead.generation,
        lead.last_bucket,
        from_micros(lead.last_closed) if lead.last_closed else None,
        lead.ignored,
        _handoff(lead.expired, False) if lead.expired else None,
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


def progress(
    lead: Lead, journey: Journey, open_deal: bool, cause: Cause, quiet: bool, active: Collection[str], ids: Any
) -> Advance | None:
    """Advance ``lead`` and put the answer onto it. A handoff to a system that is not active is withheld.

    :param ids: makes a new id. :return: what was decided; None when nothing that the journey reads has moved.
    """
    if _still(lead, journey, open_deal):
        return None
    answer = advance(journey, standing_of(lead), facts_of(lead, open_deal), cause.at, cause.why, quiet=quiet)
    decided_at = to_micros(cause.at)
    lead.journey = journey.hash
    lead.stage, lead.above, lead.excluded = answer.stage, dict(answer.above), answer.excluded
    lead.reached = {stage: (to_micros(r.at), r.cause, r.ref) for stage, r in answer.reached.items()}
    lead.moves += [
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
            "scoring": cause.scoring,
            "journey": cause.journey,
        }
        for move in answer.moves
    ]
    _follow(lead, answer, decided_at)
    opening = answer.opening
    off = opening is not None and opening.system not in active
    if not off:
        lead.ignored = answer.ignored
    for due in answer.due:
        step = _step(lead.id, due, decided_at, off)
        lead.steps.append(step)
        if step["state"] == "done":
            _do(lead, due, decided_at)
    if opening is not None and not off:
        open_handoff(lead, opening, cause, ids)
    return answer


def _still(lead: Lead, journey: Journey, open_deal: bool) -> bool:
    """Nothing that ``advance`` reads has moved since it was last asked: most news changes a field no rule looks at."""
    if (
        lead.journey != journey.hash
        or lead.overdue
        or lead.moved
        or lead.changed_kinds
        or lead.added_outcomes
        or lead.dropped_outcomes
    ):
        return False
    excluded = journey.exclusion(lead.attributes, open_deal)
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
    ref = (*OWN, lead.id)
    record = lead.records.setdefault(ref, Record(*ref, "person", lead.id, first_at=at, main=False))
    record.snapshot.update({name: [value, at] for name, value in values.items()})
    record.last, record.dirty = (at, f"{due.stage}:{due.crossing}:{due.position}"), True
    lead.attributes = lead.attributes | values
    lead.changed_values = True


def _follow(lead: Lead, answer: Advance, decided_at: int) -> None:
    """What sales did with the open handoff, its end, and another end than the clock had given the one before."""
    if answer.correction is not None and lead.expired is not None:
        _end(lead, lead.expired, answer.correction)
        lead.expired = None
    handoff = lead.handoff
    if handoff is None:
        return
    for name, at in (("accepted_at", answer.accepted_at), ("contacted_at", answer.contacted_at)):
        if at is not None and handoff[name] != to_micros(at):
            handoff[name] = to_micros(at)
            lead.handoff_changed = True
    if answer.close is not None:
        _end(lead, handoff, answer.close)
        lead.handoff, lead.handoff_changed = None, False


def _end(lead: Lead, handoff: dict[str, Any], close: Close) -> None:
    handoff |= {
        "state": "closed",
        "bucket": close.bucket,
        "bucket_reason": close.reason,
        "closed_at": to_micros(close.at),
        "closed_by": close.by or f"outcome {close.outcome}",
    }
    lead.closed.append(handoff)
    lead.last_bucket, lead.last_reason, lead.last_closed = close.bucket, close.reason, handoff["closed_at"]


def open_handoff(lead: Lead, opening: Opening, cause: Cause, ids: Any) -> None:
    """Hand the lead to sales. From now on its records take part in outbound sync."""
    lead.generation = opening.generation
    lead.opened = lead.handoff = {
        "id": ids(),
        "lead": lead.id,
        "stage": opening.stage,
        "system": opening.system,
        "persona": opening.persona,
        "generation": opening.generation,
        "opened_at": to_micros(opening.at),
        "decided_at": to_micros(cause.at),
        "score": opening.score,
        "contributions": [],
        "scoring": cause.scoring,
        "journey": cause.journey,
        "owner": "",
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
    lead.had_handoff = True
    for record in lead.records.values():
        record.enrolled = record.dirty = True


def frozen(contributions: Collection[Contribution]) -> list[list[Any]]:
    """A score's contributions as a handoff keeps them: [rule, hundredths, reason, axis], biggest first."""
    ordered = sorted(contributions, key=lambda line: -abs(line.hundredths))
    return [[line.rule, line.hundredths, line.reason, line.axis] for line in ordered]


def _step(lead: str, due: Due, at: int, off: bool) -> dict[str, Any]:
    withheld = due.withheld
    if withheld is None and "notify" in due.step:
        withheld = "no plugin carries notifications yet"
    if withheld is None and off and "handoff" in due.step:
        withheld = "outbound off"
    return {
        "id": f"{lead}:{due.stage}:{due.crossing}:{due.position}",
        "lead": lead,
        "stage": due.stage,
        "crossing": due.crossing,
        "step": dict(due.step),
        "at": at,
        "state": "withheld" if withheld else "done",
        "reason": withheld or "",
    }


def _moment(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)


def _micros(at: datetime | None) -> int | None:
    return None if at is None else to_micros(at)
