"""What a person decides of one lead, against or beside what the rules say: worked in one batch with everything else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.contracts import Mark
from gateway.journey.advance import Asked
from gateway.journey.endings import Close
from gateway.journey.journey import Journey
from gateway.journey.progress import end_handoff, own_record
from gateway.leads.lead import Lead, StoredOutcome
from gateway.leads.stamps import OWN
from gateway.times import to_micros

WORDS = {"sales_qualified": "qualified", "sales_rejected": "rejected", "recycled": "recycled"}
"""Bucket → the outcome that says so."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """``asked``: hand it over now; its own row where it was held back. ``marks``: points, or not to be handed over.

    ``unmark``: id of a mark that is taken back. ``correction``: another end of this closed handoff (its row) than was
    recorded. ``withdrawn``: why its held back handoff is given up.
    """

    asked: Asked | None = None
    marks: tuple[Mark, ...] = ()
    unmark: str = ""
    correction: tuple[Mapping[str, Any], Close] | None = None
    withdrawn: str = ""


NONE = Judgement()


def judge(lead: Lead, journey: Journey, judged: Judgement, now: int) -> None:
    """Put it onto ``lead``, apart from a handoff to open."""
    for mark in judged.marks:
        lead.mark(mark)
    if judged.unmark:
        lead.unmark(judged.unmark)
    if judged.correction is not None:
        _correct(lead, journey, *judged.correction, now)
    if judged.withdrawn and lead.held_back is not None:
        lead.withdrawn = lead.held_back | {"state": "withdrawn", "bucket_reason": judged.withdrawn}
        lead.held_back, lead.changed = None, True


def _correct(lead: Lead, journey: Journey, row: Mapping[str, Any], close: Close, now: int) -> None:
    """It ends otherwise, at the time it had ended; what was said here of that end is said anew."""
    stood, latest = (lead.ended, lead.last_handoff, lead.marks), row["id"] == lead.last_handoff[0]
    end_handoff(lead, journey, dict(row), close, "correction")
    if not latest:  # an older one counts in the numbers only
        lead.ended, lead.last_handoff, lead.marks = stood
        lead.added_marks, lead.dropped_marks = (), frozenset()
    lead.expired = None
    at, ref = to_micros(close.at), (*OWN, lead.id)
    for key in [key for key, said in lead.outcomes.items() if said.at == at and said.ref == ref]:
        lead.drop_outcome(key)
    own_record(lead, now).dirty = True
    word, wake = WORDS[close.bucket], to_micros(close.wake) if close.wake else None
    said = StoredOutcome(at, word, close.reason, None, None, close.by, "instant", ref, now, wake)
    lead.put_outcome((at, f"correction:{row['id']}:{now}"), said)
