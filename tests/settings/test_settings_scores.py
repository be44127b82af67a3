"""Scores beside the main one: a file each in scores/, checked like scoring.yaml, named in thresholds and mappings."""
# ruff: noqa: E501 - the table is read row by row: which file, what is told

from __future__ import annotations

from typing import Any

import pytest

from gateway.errors import ConfigError
from gateway.settings.folder import texts
from gateway.settings.loading import load_instance

EXPANSION = """\
# what a customer may buy next
fit: [{name: Small, when: {employees: {below: 100}}, points: 10}]
"""
BY_IT = "stages: [{name: target, shared: target}, {name: mql, shared: mql, entry: {score: 50, of: %s}}]\n"
SENT = """\
system: crm
objects:
  Lead: {kind: person, id: Id, fields: {Email: {to: email, sync: newest}, Growth: {to: %s, sync: out}}}
"""


def problems(room: Any, files: dict[str, str | None]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        room(files)
    return [str(problem) for problem in caught.value.problems]


def test_each_file_in_scores_is_a_score_of_the_model(room: Any) -> None:
    """A threshold and a mapping may name it; its text is of the version, and its content of the one hash."""
    alone = room()
    both = room(
        {
            "scores/expansion.yaml": EXPANSION,
            "journey.yaml": BY_IT % "expansion",
            "mappings/crm.yaml": SENT % "score.expansion",
        }
    )
    assert list(both.scores) == ["expansion"]
    assert both.journey.stage("mql").score == "expansion"
    assert both.files["scores/expansion.yaml"] == texts(room.root)["scores/expansion.yaml"] == EXPANSION
    assert both.warnings == ()
    changed = room({"scores/expansion.yaml": EXPANSION.replace("10", "20")})
    laid_out = room({"scores/expansion.yaml": EXPANSION.replace("# what a customer may buy next\n", "")})
    assert len({one.hashes["scoring"] for one in (alone, both, changed)}) == 3
    assert laid_out.hashes["scoring"] == both.hashes["scoring"]
    assert load_instance(room.root, room.plugins, both.files).hashes == both.hashes


def test_what_a_score_looks_at_and_no_mapping_brings_in_is_told(room: Any) -> None:
    """As of scoring.yaml."""
    found = room({"scores/expansion.yaml": EXPANSION.replace("employees", "employes")})
    assert [str(one) for one in found.warnings] == ["scores/expansion.yaml:2: fit[0].when.employes: no mapping brings in attribute 'employes'; did you mean 'employees'?"]  # fmt: skip


@pytest.mark.parametrize(("files", "told"), [
    ({"journey.yaml": BY_IT % "expanson"}, "journey.yaml:1: stages[1].entry.of: no such score; did you mean 'expansion'?"),
    ({"journey.yaml": BY_IT % "expansion", "scores/expansion.yaml": None}, "journey.yaml:1: stages[1].entry.of: no such score; scores/expansion.yaml makes it"),
    ({"journey.yaml": BY_IT % "lead"}, "journey.yaml:1: stages[1].entry.of: the main score is meant where `of` is left out; leave it out"),
    ({"journey.yaml": BY_IT % "buyer", "scoring.yaml": "name: buyer\n" + EXPANSION}, "journey.yaml:1: stages[1].entry.of: the main score is meant where `of` is left out; leave it out"),
    ({"scores/old/growth.yaml": EXPANSION}, "scores/old: nobody reads this folder: a score is scores/NAME.yaml; call it so, or move it elsewhere"),
    ({"scores/growth.json": "{}"}, "scores/growth.json: nobody reads this file: a score is scores/NAME.yaml; call it so, or move it elsewhere"),
    ({"journey.yaml": BY_IT.replace("score: 50, ", "outcome: [won], ") % "expansion"}, "journey.yaml:1: stages[1].entry.of: says which score, and there is no `score:` beside it"),
    ({"mappings/crm.yaml": SENT % "company.engaged_lead"}, "mappings/crm.yaml:3: objects.Lead.fields.Growth: company.engaged_lead: no such roll-up; did you mean 'engaged_leads'?"),
    ({"mappings/crm.yaml": SENT % "score.expanson"}, "mappings/crm.yaml:3: objects.Lead.fields.Growth: score.expanson: no such score; did you mean 'expansion'?"),
    ({"mappings/crm.yaml": SENT.replace("out", "in") % "band.expansion"}, "mappings/crm.yaml:3: objects.Lead.fields.Growth: band.expansion is worked out by the gateway; it can only be sent (sync: out)"),
    ({"scores/Next Year.yaml": EXPANSION}, "scores/Next Year.yaml: a score's name, that of its file, is written in small letters, digits, - and _"),
    ({"scores/lead.yaml": EXPANSION}, "scores/lead.yaml: the score of scoring.yaml is called 'lead' already"),
    ({"scores/upsell.yml": EXPANSION}, "scores/upsell.yml: call it upsell.yaml"),
    ({"scores/upsell.yaml": "name: cross\n" + EXPANSION}, "scores/upsell.yaml:1: name: this score is called 'upsell', as its file"),
    ({"scores/upsell.yaml": EXPANSION.replace("points: 10", "points: ten")}, "scores/upsell.yaml:2: fit[0].points: expected a number of points, such as 10 or -2.5"),
    ({"scores/upsell.yaml": "strategy: wieghted\n" + EXPANSION}, "scores/upsell.yaml:1: strategy: no installed plugin offers this strategy; did you mean 'weighted'?"),
])  # fmt: skip
def test_a_mistake_is_told_where_it_stands(room: Any, files: dict[str, str | None], told: str) -> None:
    """With its line, and what was meant."""
    assert problems(room, {"scores/expansion.yaml": EXPANSION, **files}) == [told]


def test_without_scoring_yaml_nobody_has_a_score(room: Any) -> None:
    """The names are known all the same: journey and mappings stay right until the model is there."""
    found = room(
        {"scores/expansion.yaml": EXPANSION, "scoring.yaml": None, "mappings/crm.yaml": SENT % "score.expansion"}
    )
    assert (found.scores, "scoring" in found.hashes) == ({}, False)
    assert "scores/expansion.yaml: nobody has this score: there is no scoring.yaml" in map(str, found.warnings)


def test_a_won_stage_that_a_score_alone_leads_into_is_told(room: Any) -> None:
    """With sales' word beside it nobody is surprised; nor without a score."""
    stages = "stages: [{name: target, shared: target}, {name: mql, shared: mql, entry: {activity: [demo]}}, {name: buyer, shared: won, entry: {score: 60, outcome: [won]}%s}]\n"
    told = next(one for one in room({"journey.yaml": stages % ""}).warnings if one.key == "stages[2].entry.score")
    assert str(told) == (
        "journey.yaml:1: stages[2].entry.score: a score alone makes leads count as won; `outcome: [won]` with `both: true` "
        "asks for sales' word, too"
    )
    asked = room({"journey.yaml": stages % ", both: true"}).warnings
    assert [one.key for one in asked] == ["stages[1].entry.activity"]
    [_, told] = room({"journey.yaml": stages % ", both: true", "scoring.yaml": None}).warnings
    assert str(told) == "journey.yaml:1: stages[2].entry.score: nobody has a score: there is no scoring.yaml"


def test_a_strategy_that_is_not_to_be_had_leaves_the_other_scores(room: Any) -> None:
    """It is said whose it is; the instance starts."""
    room.plugins.unavailable["magic"] = "quarantined"
    found = room({"scores/expansion.yaml": "strategy: magic\n"})
    assert found.unscored == "scores/expansion.yaml: plugin magic is quarantined"
    assert list(found.scores) == ["expansion"]


def test_what_nothing_is_written_to_is_told(room: Any) -> None:
    """A roll-up goes out with the people; a company's record is only read."""
    sent = room({"mappings/crm.yaml": SENT % "company.engaged_leads"})
    assert list(sent.rollups) == ["engaged_leads"]
    assert sent.warnings == ()
    vain = room({"mappings/crm.yaml": (SENT % "industry").replace("kind: person", "kind: company")})
    assert any(
        str(one).startswith("mappings/crm.yaml:3: objects.Lead.fields.Growth.sync: records of companies are only read")
        for one in vain.warnings
    )
