"""Roll-ups of a company: what journey.yaml may say of them, and what they come to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gateway.contracts import Activity, Score
from gateway.journey.check import check
from gateway.journey.rollups import Colleague, Tally, compile_rollups, wanted
from gateway.settings.files import ConfigFile

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("listed", "problem"),
    [
        ("x: {window: 9d}", "rollups.x: says not what it is"),
        ("x: {count: lead}", "rollups.x.count: it counts leads or personas"),
        ("x: {best: total, activity: [demo]}", "rollups.x.activity: only what counts has this"),
        ("x: {count: leads, where: {asseet: a}}", "did you mean 'asset'?"),
        ("engaged_leads: {count: personas}", "engaged_leads is built in"),
        ("X y: {count: leads}", "must be a word"),
        ("x: {count: leads, when: {any: [{company.x: 1}]}}", "roll-ups are made of this"),
        ("x: {count: leads, when: {company.best_score: 1}}", "roll-ups are made of this"),
        (
            "x: {count: leads, when: {score: {at_least: 50}}}",
            "journey.yaml:2: rollups.x.when.score: a roll-up asks for a lead's own fields, not for 'score', which is "
            "worked out here; `best: total` is the best score of its leads",
        ),
        (
            "x: {count: leads, when: {any: [{band.growth: great}]}}",
            "not for 'band.growth', which is worked out here; `best",
        ),
        ("x: {count: leads, when: {stage: mql}}", "not for 'stage', which is worked out here"),
        ("x: {best: fit, when: {persona: cfo}}", "which is worked out here; `count: personas` counts them"),
        ("x: {count: leads, when: {company.industry: software}}", "not for 'company.industry', which is its company's"),
    ],
)
def test_a_mistake_is_named_where_it_stands(listed, problem):
    """Each on its line, with what to do."""
    problems = [str(one) for one in check(ConfigFile("journey.yaml", f"rollups:\n  {listed}\n"))]
    assert len(problems) == 1
    assert problems[0].startswith("journey.yaml:2: ")
    assert problem in problems[0]


def test_no_persona_reads_a_roll_up():
    """Personas are counted by them."""
    text = "personas:\n  - {name: hot, when: {company.engaged_leads: {at_least: 3}}}\n  - {name: other}\n"
    (problem,) = check(ConfigFile("journey.yaml", text))
    assert "personas[0].when.company.engaged_leads: roll-ups are made of this" in str(problem)


def test_what_nothing_reads_is_not_worked_out():
    """Those built in are there for who reads them; those that are named, in any case."""
    assert wanted({}, ["title", "company.industry"]) == {}
    assert set(wanted({}, ["company.best_score"])) == {"best_score"}
    assert set(wanted({"rollups": {"x": {"count": "leads"}}}, ["company.best_score"])) == {"best_score", "x"}


def tally(listed, *leads):
    made = Tally(compile_rollups(wanted({"rollups": listed}, ())), NOW)
    for lead in leads:
        made.add(lead)
    return made


def lead(id_, *ages, persona="user", kind="visit", scored=lambda at: None, **attributes):
    did = [Activity(NOW - timedelta(days=age), kind, channel="web") for age in ages]
    return Colleague(id_, persona, attributes, did, scored)


def test_the_window_ends_where_it_says():
    """What is exactly as old as the window counts no more; what has not happened yet moves it later."""
    made = tally({"engaged_leads": {"window": "10d"}}, lead("a", 10), lead("b", 9.5), lead("c", -2))
    assert made.numbers() == {"engaged_leads": 1}
    assert made.moves_at() == NOW + timedelta(days=0.5)


def test_who_is_engaged_until_when_is_said_by_the_last_thing_they_did():
    """An older visit that leaves the window moves nothing."""
    made = tally({"engaged_leads": {"window": "10d"}}, lead("a", 9, 3))
    assert made.moves_at() == NOW + timedelta(days=7)


def test_conditions_choose_leads_and_what_they_did():
    """``when`` of the lead, ``activity`` and ``where`` of what it did."""
    listed = {
        "demos": {"count": "leads", "activity": ["demo"]},
        "fairs": {"count": "leads", "where": {"channel": "fair"}},
        "bosses": {"count": "personas", "when": {"title": "chief"}},
    }
    people = [lead("a", 1, kind="demo"), lead("b", 1, title="chief", persona="boss"), lead("c", 1, title="chief")]
    assert tally(listed, *people).numbers() == {"demos": 1, "fairs": 0, "bosses": 2}


def test_the_best_score_is_of_any_day_within_the_window():
    """A score that has fallen since counts until its day leaves the window."""
    peak = NOW - timedelta(days=4)

    def scored(at):
        total = 6000 if at == peak else 2000
        return Score(total, total, 0, "good", NOW + timedelta(days=1) if at == NOW else None)

    made = tally({"best_score": {"window": "10d"}}, lead("a", 4, scored=scored), lead("b", scored=lambda at: None))
    assert made.numbers() == {"best_score": 60.0}
    assert made.moves_at() == NOW + timedelta(days=6)
