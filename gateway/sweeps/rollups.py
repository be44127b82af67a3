"""The sweep that works out companies' roll-ups: at most hourly for each, and only where something happened.

In: companies that are due. Out: their numbers, where they moved, and their leads queued to be scored again. The score
that a roll-up is made of is the model's own, of a lead that knows of no roll-up.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

from gateway.checked import refuse_score
from gateway.contracts import Score, Subject
from gateway.journey.rollups import Colleague, Tally
from gateway.pipeline import Pipeline
from gateway.scoring.rating import known
from gateway.store import rollups as store
from gateway.store.database import read, write
from gateway.store.rescoring import companies as attributes_of
from gateway.times import to_micros

COMPANIES = 200
"""Companies worked out in one step."""
LEADS = 2000
"""Of their leads so many are loaded at a time: one company may have any number."""


def sweep(pipeline: Pipeline) -> int:
    """Work out some of the roll-ups that are due. Returns for how many companies."""
    model, at = pipeline.model, pipeline.now()
    rates = any(one.best for one in model.rollups.values())
    if not model.rollups or (rates and pipeline.stopped(model.scorer_plugin, "score", "")):
        return 0
    now = to_micros(at)
    with read(pipeline.engine) as connection:
        if not store.any_due(connection, now):
            return 0
    with write(pipeline.engine) as connection:
        claimed = store.claim(connection, now, COMPANIES)
    tallies = _tallied(pipeline, claimed, at, rates)
    numbers = {company: tally.numbers() for company, tally in tallies.items()}
    moves = {company: to_micros(m) if (m := tally.moves_at()) else None for company, tally in tallies.items()}
    with write(pipeline.engine) as connection:
        moved = store.settle(connection, claimed, now, numbers, moves, to_micros(pipeline.now()))
    if moved:
        pipeline.log.info("roll-ups moved", companies=len(moved), of=len(claimed))
    return len(claimed)


def _tallied(pipeline: Pipeline, claimed: list[str], at: datetime, rates: bool) -> dict[str, Tally]:
    model = pipeline.model
    window = max(one.window for one in model.rollups.values())
    horizon: timedelta | None = model.scorer.horizon if rates and model.scorer else timedelta(0)
    cutoff = None if horizon is None else to_micros(at - window - horizon)
    with read(pipeline.engine) as connection:
        living = store.living(connection, claimed)
        companies = attributes_of(connection, living, rolled=False) if rates else {}
    tallies = {company: Tally(model.rollups, at) for company in living}
    after = ("", "")
    while True:
        with read(pipeline.engine) as connection:
            some = store.some_leads(connection, living, after, LEADS, cutoff)
        for id_, attributes, persona, company in some.leads:
            activities = some.activities.get(id_, [])
            facts = known(attributes, companies.get(company, {}))
            subject = Subject(facts, activities, tuple(some.marks.get(id_, ())), persona)
            scored = partial(_scored, pipeline, id_, subject)
            tallies[company].add(Colleague(id_, persona, attributes, activities, scored))
        if len(some.leads) < LEADS:
            return tallies
        after = (some.leads[-1][3], some.leads[-1][0])


def _scored(pipeline: Pipeline, lead: str, subject: Subject, at: datetime) -> Score | None:
    """None: the scorer fails on it, which the lead's own scoring tells."""
    scorer, plugin = pipeline.model.scorer, pipeline.model.scorer_plugin
    if scorer is None or pipeline.stopped(plugin, "score", lead):
        return None
    try:
        with pipeline.guard(plugin, f"score {lead}"):
            score = scorer.score(subject, at)
            refuse_score(score, at)
    except (Exception, SystemExit):  # noqa: BLE001 - a scorer may raise anything
        return None
    return score
