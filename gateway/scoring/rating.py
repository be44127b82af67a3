"""Score one lead: its facts become the scorer's subject, the scorer's answer the lead's standing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from operator import eq
from typing import Any

from gateway.checked import refuse_score
from gateway.contracts import Score, Scorer, Subject
from gateway.leads.lead import Lead, Standing
from gateway.times import from_micros, to_micros


def subject(lead: Lead, company: Mapping[str, Any]) -> Subject:
    """The lead as a scorer sees it. Copies of its own."""
    attributes = known(lead.attributes, company)
    if list in map(type, attributes.values()):
        attributes = {name: value[:] if type(value) is list else value for name, value in attributes.items()}
    return Subject(attributes, list(lead.activities.values()), tuple(lead.marks), lead.persona)


def untouched(given: Subject, lead: Lead, company: Mapping[str, Any]) -> bool:
    """Whether ``given`` still says what ``lead`` does."""
    return (
        given.attributes == (known(lead.attributes, company) if company else lead.attributes)
        and given.persona == lead.persona
        and len(given.activities) == len(lead.activities)
        and all(map(eq, given.activities, lead.activities.values()))
        and given.marks == tuple(lead.marks)
    )


def known(attributes: Mapping[str, Any], company: Mapping[str, Any]) -> dict[str, Any]:
    """A lead's attributes and, under ``company.<name>``, its company's."""
    both = dict(attributes)
    if company:
        both |= {f"company.{name}": value for name, value in company.items()}
    return both


def standing(score: Score, at: datetime, scoring: str) -> Standing:
    """The part of a score that is stored; contributions are computed again whenever somebody asks."""
    return Standing(
        score.total,
        score.fit,
        score.behaviour,
        score.band,
        to_micros(at),
        to_micros(score.changes_at) if score.changes_at else None,
        scoring,
    )


def _last(standing: Standing | None) -> Score:
    assert standing is not None, "a lead without a score is loaded with its activities"
    changes_at = None if standing.changes_at is None else from_micros(standing.changes_at)
    return Score(standing.total, standing.fit, standing.behaviour, standing.band, changes_at)


def rate(
    before: Standing | None, counted: bool, given: Subject, scorer: Scorer, scoring: str, at: datetime
) -> Standing:
    """The score at ``at`` of the lead that ``given`` shows. ``counted``: with its activities; else ``before``, the last
    score, stands for them.

    Raises ``Garbage`` when the scorer gives none.
    """
    score = scorer.score(given, at) if counted else scorer.renew(_last(before), given, at)
    refuse_score(score, at)
    return standing(score, at, scoring)


def moved(before: Standing | None, after: Standing) -> bool:
    """Whether the stored score has to be written again."""
    return before is None or (
        before.total,
        before.fit,
        before.behaviour,
        before.band,
        before.changes_at,
        before.scoring,
    ) != (
        after.total,
        after.fit,
        after.behaviour,
        after.band,
        after.changes_at,
        after.scoring,
    )
