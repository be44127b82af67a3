"""``gateway metrics baseline`` and ``goals``, deals in other currencies, and the leads behind every number."""

from __future__ import annotations

import csv
import io

import pytest
from sqlalchemy import select

from gateway.store import tables as t
from gateway.store.database import open_store

GOALS = """\
baseline: {from: 2026-01-01, until: 2026-01-07}
goals:
  - {name: Winners, from: target, to: won, reach: 60 %, team: Sales, by: 2026-12-31}
"""


def test_the_baseline_is_of_the_period_and_names_its_leads(filled):
    """Of four leads three reached the second stage."""
    data = filled.json("metrics", "baseline", "--since", "2026-01-01")
    step = data["steps"][0]
    assert (step["stage"], step["to"], step["covered"]) == ("target", "mql", True)
    listed = filled.json("metrics", "baseline", "--since", "2026-01-01", "--leads", "target/mql")
    assert listed["count"] == step["went_on"]
    assert "is not covered" in filled.run("metrics", "baseline", "--period", "2020").stdout


def test_the_baseline_states_the_year_that_it_is_of(filled):
    """Where no period is asked for: not `at any time`."""
    begin = filled.json("metrics", "baseline")["period"]["since"]
    assert begin is not None
    said = filled.run("metrics", "baseline").stdout
    assert "at any time" not in said
    assert "from 20" in said.splitlines()[0]


def test_goals_that_cannot_be_read_are_not_said_to_be_missing(filled):
    """The answer comes from the files in use, which had none: the line of the mistake stands there instead."""
    filled.run("check")
    filled.write("goals.yaml", GOALS.replace("team: Sales, ", ""))
    said = filled.run("metrics", "goals", code=1).stderr
    assert "goals.yaml:3: goals[0].team" in said
    assert "no goals.yaml yet" not in said


def test_goals_tell_how_far_they_have_come(filled):
    """Leads since the baseline; what is wrong with a goal stands with its line."""
    assert "no goals.yaml" in filled.run("metrics", "goals", code=1).stderr
    filled.write("goals.yaml", GOALS)
    (goal,) = filled.json("metrics", "goals")["goals"]
    assert (goal["leads"], goal["went_on"], goal["rate"], goal["state"]) == (2, 1, 0.5, "behind")
    said = filled.run("metrics", "goals").stdout
    assert {"wanted", "so far", "state"} <= filled.json("metrics", "goals")["definitions"].keys()
    assert "1 goal behind, of: Sales" in said
    filled.write("goals.yaml", GOALS.replace("60 %", "0 %").replace("team: Sales, ", ""))
    refused = filled.run("check", code=2).stderr
    assert "goals.yaml:3: goals[0].reach: write a percentage" in refused
    assert "goals.yaml:3: goals[0].team: " in refused


def test_every_number_of_the_funnel_names_as_many_leads_as_it_counts(filled):
    """By country, as a cohort and as a period."""
    for basis in ("cohort", "period"):
        words = ("metrics", "funnel", "--by", "country", "--count", basis)
        data = filled.json(*words)
        counts = {"entered": data["entered"]} | {one["stage"]: one["count"] for one in data["stages"]}
        counts |= {f"excluded/{one['reason']}": one["count"] for one in data["excluded"]}
        counts |= {f"outcome/{one['outcome']}": one["count"] for one in data["outcomes"]}
        for group in data["groups"]:
            name = group["value"] or "(none)"
            counts |= {f"{one['stage']}/{name}": one["count"] for one in group["stages"]}
        for number, count in counts.items():
            listed = filled.json(*words, "--leads", number)
            assert (listed["count"], len(listed["leads"])) == (count, count), (basis, number)
    assert "won/DE" in filled.run("metrics", "funnel", "--by", "country", "--leads").stdout


def test_a_number_that_does_not_exist_says_which_there_are(filled):
    """With the nearest one; --leads alone lists all."""
    assert "did you mean 'won'?" in filled.run("metrics", "funnel", "--leads", "wom", code=1).stderr
    rows = list(csv.DictReader(io.StringIO(filled.run("metrics", "funnel", "--leads", "won", "--csv").stdout)))
    assert [row["stage"] for row in rows] == ["won"]
    assert "1 of 1 lead behind won" in filled.run("metrics", "funnel", "--leads", "won").stdout


def test_the_stages_that_a_lead_carries_are_those_that_it_reached(filled):
    """What the funnel counts, and what it was made of."""
    store = open_store(filled.root / "var")
    with store.main.connect() as connection:
        paths = dict(connection.execute(select(t.leads.c.id, t.leads.c.path)).all())
        found: dict[str, set[str]] = {lead: set() for lead in paths}
        for lead, stage in connection.execute(select(t.reached.c.lead, t.reached.c.stage)):
            found[lead].add(stage)
    store.close()
    assert {lead: set(filter(None, path.split("\n"))) for lead, path in paths.items()} == found
    assert {"won"} <= set().union(*found.values())


def test_a_funnel_of_a_period_counts_what_happened_in_it(filled):
    """Di entered and was won on the eighth; who entered before is in no number of that day."""
    words = ("--since", "2026-01-08", "--until", "2026-01-09")
    data = filled.json("metrics", "funnel", "--count", "period", "--by", "month", *words)
    assert data["period"]["counts"] == "what happened"
    assert (data["entered"], data["revenue"]) == (1, 1500)
    assert [(group["value"], group["revenue"]) for group in data["groups"]] == [("2026-01", 1500)]
    assert "1,500.00 EUR of revenue won" in filled.run("metrics", "funnel", "--count", "period", *words).stdout


@pytest.mark.parametrize(("day", "revenue"), [("2026-01-01", 1350.0), ("2026-01-09", 0.0)])
def test_other_currencies_are_converted_at_the_rate_of_the_day(filled, day, revenue):
    """A deal that was won before the first rate is counted without its amount, and named."""
    filled.edit("gateway.yaml", "currency: EUR", "currency: USD")
    filled.write("rates.yaml", f"to: USD\nrates:\n  EUR: {{{day}: 0.9}}\n")
    data = filled.json("metrics", "funnel")
    assert data["revenue"] == revenue
    assert data["without_rate"] == ({} if revenue else {"EUR": 1})
    filled.write("rates.yaml", "to: EUR\nrates: {}\n")
    assert "rates.yaml:1: to: must be USD" in filled.run("check", code=2).stderr


@pytest.mark.parametrize("by", ["quarter", "year", "campaign", "channel", "owner", "persona", "stage", "lead.country"])
def test_a_funnel_by_any_word_adds_up(filled, by):
    """Every lead is in one group."""
    data = filled.json("metrics", "funnel", "--by", by)
    assert sum(group["entered"] for group in data["groups"]) == data["entered"] == 4
    assert sum(group["revenue"] for group in data["groups"]) == data["revenue"] == 1500
