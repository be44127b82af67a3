"""Several scores on the command line: shown, explained, listed, told of in the past."""

from __future__ import annotations

from typing import Any

import pytest
from disk_instance import JOURNEY, SALES

ANN = "ann@one.example"
GROWTH = """\
# what they may buy next
fit:
  - {name: Small firm, ranges: {attribute: employees, points: {"0-99": 60, "100-": 0}}}
  - {name: Germany, when: {country: DE}, points: 30}
"""


@pytest.fixture
def growing(instance: Any, people: list[dict[str, str]]) -> Any:
    instance.write("scores/growth.yaml", GROWTH)
    instance.write("journey.yaml", JOURNEY.replace("{score: 50}", "{score: 45, of: growth}"))
    instance.write("mappings/sales.yaml", SALES + "      growth: {to: score.growth, type: integer, sync: out}\n")
    instance.bring(people)
    return instance


def test_each_score_is_explained_by_its_name(growing: Any) -> None:
    """Without a name it is the main one's points."""
    main, growth = (growing.json("leads", "explain", ANN, *more) for more in ((), ("--score", "growth")))
    assert (main["score"], main["total"], growth["score"], growth["total"]) == ("lead", 60.0, "growth", 54.0)
    assert [one["rule"] for one in growth["contributions"]] == ["Small firm", "Germany"]
    said = growing.run("leads", "explain", ANN, "--score", "growth").stdout
    assert "persona executive, score growth\n" in said
    assert growing.json("leads", "explain", ANN, "--score", "lead") | {"at": 0} == main | {"at": 0}


def test_a_score_that_is_not_there_is_refused(growing: Any) -> None:
    """With what was meant."""
    for command in (("explain", ANN), ("history", ANN), ("list",)):
        refused = growing.run("leads", *command, "--score", "grwoth", code=1)
        assert "the model has no score 'grwoth'; did you mean 'growth'?" in refused.stderr
    refused = growing.run("leads", "list", "--score", "zzz", code=1)
    assert "there are: lead, growth" in refused.stderr


def test_a_lead_shows_each_score_and_which_one_moved_it(growing: Any) -> None:
    """In words and as JSON."""
    told = growing.json("leads", "show", ANN)
    assert (told["score"]["total"], told["scores"]["growth"]["total"]) == (60.0, 54.0)
    said = growing.run("leads", "show", ANN).stdout
    assert "growth 54.00 (good: fit 54.00, behaviour 0.00)" in said
    assert "54.00 points of growth, threshold 45.00" in said


def test_leads_are_listed_by_any_score(growing: Any) -> None:
    """The highest of that score first."""
    by_main, by_growth = (
        [(one["attributes"]["email"], one["score"]) for one in growing.json("leads", "list", *more)["leads"]]
        for more in ((), ("--score", "growth"))
    )
    assert by_main[0] == (ANN, 60.0)
    assert by_growth[:2] == [(ANN, 54.0), ("bob@two.example", 36.0)]


def test_what_a_score_was_then_is_told_by_the_model_of_then(growing: Any) -> None:
    """A changed named score leaves the past as it was; its history tells of both, that of the main one of neither."""
    before = growing.json("leads", "explain", ANN, "--score", "growth")
    growing.write("scores/growth.yaml", GROWTH.replace("points: 30", "points: 10"))
    now = growing.json("leads", "explain", ANN, "--score", "growth")
    assert (before["total"], now["total"]) == (54.0, 42.0)
    then = growing.json("leads", "explain", ANN, "--score", "growth", "--at", before["at"])
    assert (then["total"], then["contributions"], then["scoring"]) == (54.0, before["contributions"], before["scoring"])
    moved = growing.json("leads", "history", ANN, "--score", "growth")
    assert moved["score"] == "growth"
    assert [(one["total"], one["cause"]) for one in moved["history"]] == [(42.0, "model"), (54.0, "news")]
    main = growing.json("leads", "history", ANN)["history"]
    assert {one["total"] for one in main} == {60.0}


def test_the_model_is_shown_with_all_its_scores(growing: Any) -> None:
    """Rules and weights of each, and which score a stage is entered by."""
    told = growing.json("model", "show")
    assert [one["name"] for one in told["scores"]["growth"]["rules"]] == ["Small firm", "Germany"]
    assert [one["entry"] for one in told["stages"] if one["stage"] == "mql"] == ["score growth 45"]
    said = growing.run("model", "show").stdout
    assert said.index("score growth:") < said.index("Small firm") < said.index("score growth 45")
    exported = growing.run("model", "export").stdout
    assert "# scores/growth.yaml of live" in exported
    assert GROWTH.rstrip() in exported
    assert "5 scoring rules of 2 scores" not in growing.run("check").stdout
    assert "6 scoring rules of 2 scores" in growing.run("check").stdout


def test_a_change_of_a_named_score_is_told_and_tried_by_itself(growing: Any) -> None:
    """Who would cross into its own stage; without its name it is said that nothing of it is tried."""
    growing.write("draft/scores/growth.yaml", GROWTH.replace('"0-99": 60', '"0-99": 20'))
    assert growing.json("model", "diff", "live", str(growing.root / "draft"))["changes"] == {
        "scores/growth.yaml": ["score growth: Small firm: 0-99 60 → 20"]
    }
    draft, since = str(growing.root / "draft"), ("--since", "2026-01-01")
    tried = growing.json("model", "simulate", draft, *since, "--score", "growth")
    assert (tried["stage"], tried["not_replayed"]) == ({"live": "mql", "draft": "mql"}, [])
    assert (tried["live"]["stand_now"], tried["draft"]["stand_now"]) == (1, 0)
    refused = growing.run("model", "simulate", draft, *since, code=1)
    assert "the live model has no stage that a score enters" in refused.stderr
    growing.edit("journey.yaml", "  - {name: mql", "  - {name: high, shared: mql, entry: {score: 90}}\n  - {name: mql")
    said = growing.run("model", "simulate", draft, *since).stdout
    assert "another score; `simulate --score growth` tries it" in " ".join(said.split())
    growing.write("scores/other.yaml", GROWTH)
    growing.write("draft/scores/other.yaml", "")  # taken away: there is nothing to try
    assert growing.json("model", "simulate", draft, *since)["not_replayed"] == ["scores/growth.yaml"]


def test_a_score_that_came_later_is_no_mistake_of_who_asks(growing: Any) -> None:
    """Asked for a time before it, the answer is when it came; a misspelt one is still told what was meant."""
    before = growing.json("leads", "explain", ANN)["at"]
    growing.write("scores/second.yaml", GROWTH)
    growing.json("leads", "explain", ANN, "--score", "second")  # takes the files up
    refused = growing.run("leads", "explain", ANN, "--score", "second", "--at", before, code=1)
    assert "second did not exist at 20" in refused.stderr
    assert "its model had lead, growth; it came at 20" in " ".join(refused.stderr.split())
    refused = growing.run("leads", "explain", ANN, "--score", "secnd", "--at", before, code=1)
    assert "the model has no score 'secnd'; did you mean 'second'?" in refused.stderr


def test_roll_ups_are_shown_as_people_read_them(growing: Any) -> None:
    """What each counts, and which rules of which score read it; one that nothing reads only where it is named."""
    rule = "  - {name: Several, when: {company.engaged_leads: {at_least: 2}}, points: 5}\n"
    growing.write("scores/growth.yaml", GROWTH + rule)
    listed = (
        "rollups:\n"
        "  bosses: {count: personas, when: {title: {contains: chief}}, activity: [demo], where: {channel: fair},"
        " window: 14d}\n"
        "  best_fit: {best: fit}\n"
    )
    growing.write("journey.yaml", JOURNEY.replace("{score: 50}", "{score: 45, of: growth}") + listed)
    assert growing.json("model", "show")["rollups"] == [
        {
            "name": "company.engaged_leads",
            "what": "leads that did anything within 90 days",
            "read_by": ["growth: Several"],
        },
        {
            "name": "company.bosses",
            "what": "personas among its leads that did demo (only channel is fair) within 14 days, "
            "where title contains chief",
            "read_by": [],
        },
        {"name": "company.best_fit", "what": "the best fit of one of its leads within 90 days", "read_by": []},
    ]
    said = growing.run("model", "show").stdout
    assert "company.engaged_leads" in said
    growing.write("draft/scores/growth.yaml", GROWTH)
    told = growing.json("model", "show", str(growing.root / "draft"))["rollups"]
    assert [one["name"] for one in told] == ["company.bosses", "company.best_fit"]
