"""``gateway metrics campaigns`` and ``gateway import FILE --costs``."""

from __future__ import annotations

import csv
import io

import pytest


@pytest.fixture
def run(instance):
    """Spring brought Ann (won, 300) and Bob, Fair brought Cy (won, 100); Di came without a campaign."""
    instance.edit("mappings/leads.yaml", "on: each, asset: page}", "on: each, asset: page, campaign: page}")
    instance.bring(
        [
            _row("ann", "2026-01-02", page="Spring"),
            _row("ann", "2026-01-03", page="Fair"),
            _row("bob", "2026-01-04", page="Spring"),
            _row("cy", "2026-02-05", page="Fair"),
            _row("di", "2026-02-06"),
            _row("ann", "2026-02-07", status="Won", amount="300"),
            _row("cy", "2026-02-08", status="Won", amount="100"),
        ]
    )
    return instance


def _row(name, day, **more):
    return {"id": name, "at": f"{day}T10:00:00", "email": f"{name}@example.org", "title": "CEO"} | more


def _costs(instance, text, code=0):
    path = instance.write("costs.csv", text)
    return instance.run("import", str(path), "--costs", code=code)


def _by_name(data):
    return {one["campaign"]: one for one in data["campaigns"]}


def test_a_lead_counts_once_for_the_campaign_that_touched_it_first(run):
    """Whatever touched it later; who no campaign touched stands in a row of their own, and all add up."""
    data = run.json("metrics", "campaigns")
    found = _by_name(data)
    assert {name: one["leads"] for name, one in found.items()} == {"Spring": 2, "Fair": 1, None: 1}
    assert {name: one["revenue"] for name, one in found.items()} == {"Spring": 300, "Fair": 100, None: 0}
    assert found["Spring"]["stages"][-1] == {"stage": "won", "count": 1, "share": 0.5, "cost_each": None}
    assert (data["total"]["leads"], data["total"]["revenue"]) == (4, 400)
    scores = {one["attributes"]["email"][:3]: one["score"] for one in run.json("leads", "list")["leads"]}
    assert found["Spring"]["score_mean"] == (scores["ann"] + scores["bob"]) / 2


def test_the_leads_of_a_campaign_are_as_many_as_it_counts(run):
    """Also of none at all; and of a stage."""
    for number, count in (
        ("leads/Spring", 2),
        ("leads/(none)", 1),
        ("won/Fair", 1),
        ("won/(none)", 0),
        ("leads", 4),
        ("won", 2),
    ):
        assert run.json("metrics", "campaigns", "--leads", number)["count"] == count, number


def test_the_leads_with_a_great_score_are_named(run):
    """As many as their share says."""
    for one in run.json("metrics", "campaigns")["campaigns"]:
        number = f"great/{one['campaign'] or '(none)'}"
        assert run.json("metrics", "campaigns", "--leads", number)["count"] == one["great_share"] * one["leads"]


def test_costs_give_the_price_of_each_stage_and_the_return(run):
    """A campaign that brought nobody has its cost, too; what no activity names is said with what was meant."""
    said = _costs(run, "campaign,amount,month\nSpring,100,2026-01\nFair,80,2026-02\nspring,20,2026-01\n")
    assert "costs.csv:4: no activity names the campaign 'spring'; did you mean 'Spring'?" in said.stderr
    data = run.json("metrics", "campaigns")
    found = _by_name(data)
    assert (found["Spring"]["cost"], found["Spring"]["return"]) == (100, 2)
    assert found["Spring"]["stages"][-1]["cost_each"] == 100
    assert (found["spring"]["leads"], found["spring"]["cost"], found["spring"]["return"]) == (0, 20, -1)
    assert data["total"]["cost"] == 200
    assert "200 %" in run.run("metrics", "campaigns").stdout


def test_the_same_costs_again_change_nothing_and_new_ones_take_their_place(run):
    """An import is repeated without harm."""
    text = "campaign,amount,month\nSpring,100,2026-01\n"
    assert "1 new" in _costs(run, text).stdout
    assert "0 new" in _costs(run, text).stdout
    _costs(run, text.replace("100", "150"))
    assert _by_name(run.json("metrics", "campaigns"))["Spring"]["cost"] == 150


def test_a_period_has_its_part_of_the_costs(run):
    """Half of January's days cost half of January's money."""
    _costs(run, "campaign,amount,from,until\nSpring,310,2026-01-01,2026-01-31\n")
    data = run.json("metrics", "campaigns", "--since", "2026-01-01", "--until", "2026-01-04")
    assert _by_name(data)["Spring"]["cost"] == 30
    assert {name: one["leads"] for name, one in _by_name(data).items()} == {"Spring": 1}


def test_half_a_day_has_half_of_its_costs(run):
    """A period may begin and end at a time of day."""
    _costs(run, "campaign,amount,from,until\nSpring,310,2026-01-01,2026-01-31\n")
    data = run.json("metrics", "campaigns", "--since", "2026-01-01T12:00", "--until", "2026-01-04T00:00")
    assert _by_name(data)["Spring"]["cost"] == 25


def test_a_campaign_that_is_called_none_is_not_none(run):
    """Its leads are its own."""
    run.bring([_row("eve", "2026-02-09", page="(none)")], "eve.csv")
    numbers = run.json("metrics", "campaigns", "--leads")["numbers"]
    assert {'leads/"(none)"', "leads/(none)"} <= {*numbers}
    assert len(numbers) == len({*numbers})
    assert run.json("metrics", "campaigns", "--leads", 'leads/"(none)"')["count"] == 1
    assert '"(none)"' in run.run("metrics", "campaigns").stdout


def test_costs_in_another_currency_are_named_not_guessed(run):
    """There is no rate to count them with."""
    _costs(run, "campaign,amount,currency,month\nSpring,100,USD,2026-01\n")
    data = run.json("metrics", "campaigns")
    assert (data["costs_without_rate"], _by_name(data)["Spring"]["cost"]) == ({"USD": "100.00"}, None)
    assert "costs of 100.00 USD are left out" in run.run("metrics", "campaigns").stdout
    run.write("rates.yaml", "to: EUR\nrates: {USD: {2026-01-01: 0.5}}\n")
    assert _by_name(run.json("metrics", "campaigns"))["Spring"]["cost"] == 50


def test_a_campaign_that_no_activity_names_is_told(run):
    """Its costs stand there; it may only be called otherwise."""
    _costs(run, "campaign,amount,month\nSprng,10,2026-01\n")
    assert run.json("metrics", "campaigns")["unknown_campaigns"] == ["Sprng"]
    assert "no activity names the campaign 'Sprng'" in run.run("metrics", "campaigns").stdout


def test_a_wrong_file_is_refused_whole(run):
    """Exit code 2, each problem at its line, nothing stored."""
    said = _costs(run, "campaign,amount,month\nSpring,100,2026-01\nFair,much,2026-01\n", code=2)
    assert "costs.csv:3: amount" in said.stderr
    assert _by_name(run.json("metrics", "campaigns"))["Spring"]["cost"] is None


def test_import_wants_a_system_or_costs(run):
    """One of the two."""
    path = str(run.write("costs.csv", "x"))
    assert "--costs" in run.run("import", path, code=2).stderr
    assert "--costs" in run.run("import", path, "--costs", "--system", "leads", code=2).stderr


def test_csv_says_what_each_stage_cost_and_in_what(run, instance):
    """As the table on the terminal does."""
    run.run("import", str(instance.write("costs.csv", "campaign,amount,month\nSpring,300,2026-01\n")), "--costs")
    rows = csv.DictReader(io.StringIO(run.run("metrics", "campaigns", "--csv").stdout))
    spring = next(row for row in rows if row["campaign"] == "Spring")
    assert spring["cost_EUR"] == "300.0"
    assert spring["cost_per_won_EUR"] == "300.0"
    assert "revenue_EUR" in spring


def test_csv_has_a_row_for_each_campaign(run):
    """With every stage."""
    rows = list(csv.DictReader(io.StringIO(run.run("metrics", "campaigns", "--csv").stdout)))
    assert {row["campaign"]: (row["leads"], row["won"]) for row in rows} == {
        "Spring": ("2", "1"),
        "Fair": ("1", "1"),
        "": ("1", "0"),
    }
