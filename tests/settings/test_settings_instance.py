"""An instance is loaded and checked as a whole."""
# ruff: noqa: E501 - the table is read row by row: which file, what is changed, what is told

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from drawing import draws
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from marshmallow import Schema, fields
from ruamel.yaml import YAML

from gateway.errors import ConfigError, Problem
from gateway.settings.files import ConfigFile
from gateway.settings.loading import load_instance

GOOD = Path(__file__).parent


def problems(room: Any, files: dict[str, str | None] | None = None) -> list[str]:
    try:
        room(files)
    except ConfigError as exc:
        return [str(problem) for problem in exc.problems]
    return []


def text_of(room: Any, name: str, good: str, bad: str) -> dict[str, str | None]:
    room()
    text = (room.root / name).read_text()
    assert good in text
    return {name: text.replace(good, bad, 1)}


def test_a_good_instance_holds_what_its_files_say(room: Any) -> None:
    """Every setting, the systems in their rank, the compiled mappings, the hashes and the bundle."""
    instance = room()
    assert (instance.name, instance.zone.key, instance.currency, instance.fiscal_year_start) == (
        "Example",
        "Europe/Berlin",
        "EUR",
        1,
    )
    assert (instance.root, str(instance.store)) == (room.root, str(room.root / "var"))
    assert (instance.engine, instance.listen, instance.public_url) == ("local", ("127.0.0.1", 8080), None)
    assert (instance.merge_on_email, instance.send_score_step, instance.deals_system) == (False, 5, None)
    assert [(one.name, one.plugin, one.role, one.outbound, one.rank) for one in instance.systems.values()] == [
        ("website", "hook", "ma", False, 0),
        ("crm", "table", "crm", True, 1),
    ]
    assert instance.systems["crm"].mapping.objects["Lead"].create == "stage mql"
    assert set(instance.hashes) == {"scoring", "journey", "mapping:website", "mapping:crm"}
    assert instance.files["journey.yaml"] == (room.root / "journey.yaml").read_text()
    assert instance.scoring.data["strategy"] == "weighted"
    assert instance.journey.stage("mql") is not None
    assert instance.warnings == ()


@pytest.mark.parametrize(
    ("name", "good", "bad", "told"),
    [
        ("gateway.yaml", "zone: Europe/Berlin, ", "", ":1: instance.zone: is missing"),
        ("gateway.yaml", "Europe/Berlin", "Europe/Berln", ":1: instance.zone: no such time zone; did you mean 'Europe/Berlin'?"),
        ("gateway.yaml", "EUR", "Euro", ":1: instance.currency: a currency's three capital letters"),
        ("gateway.yaml", "currency: EUR", "currency: EUR, fiscal_year_start: 13", ":1: instance.fiscal_year_start: a month from 1 to 12"),
        ("gateway.yaml", "systems:", "lissten: x\nsystems:", ":2: lissten: unknown key; did you mean 'listen'?"),
        ("gateway.yaml", "systems:", "listen: 8080\nsystems:", ":2: listen: expected HOST:PORT"),
        ("gateway.yaml", "systems:", "listen: ::1:80\nsystems:", ":2: listen: expected HOST:PORT"),
        ("gateway.yaml", "systems:", "listen: a:99999\nsystems:", ":2: listen: a port is at most 65535"),
        ("gateway.yaml", "systems:", "public_url: example.com\nsystems:", ":2: public_url: expected a web address"),
        ("gateway.yaml", "systems:", "public_url: 'https://[x'\nsystems:", ":2: public_url: expected a web address"),
        ("gateway.yaml", "systems:", "engine: celery\nsystems:", ":2: engine: not one of local"),
        ("gateway.yaml", "systems:", "send_score_step: 0\nsystems:", ":2: send_score_step: points from 1 to 100"),
        ("gateway.yaml", "systems:", "deals: {system_of_record: cmr}\nsystems:", ":2: deals.system_of_record: no such system; did you mean 'crm'?"),
        ("gateway.yaml", "  crm: {", "  CRM!: {", ":4: systems.CRM!: a system's name is written in small letters"),
        ("gateway.yaml", "plugin: hook", "plugin: hok", ":3: systems.website.plugin: no installed plugin offers it; did you mean 'hook'?"),
        ("gateway.yaml", "plugin: hook", "plugin: zzz", ":3: systems.website.plugin: no installed plugin offers it; `gateway plugins list` says what there is"),
        ("gateway.yaml", "role: ma", "role: mma", ":3: systems.website.role: not one of ma, crm, other"),
        ("gateway.yaml", "outbound: on", "outbound: perhaps", ":4: systems.crm.outbound: expected true or false"),
        ("gateway.yaml", "token:", "tokn:", ":3: systems.website.settings.tokn: unknown key; did you mean 'token'?"),
        ("gateway.yaml", "${WEBSITE_TOKEN}", "${NO_SUCH_TOKEN}", ":3: systems.website.settings.token: the environment variable NO_SUCH_TOKEN is not set"),
        ("gateway.yaml", "outbound: on", "settings: {a: 1}", ":4: systems.crm.settings: this plugin has no settings"),
        ("gateway.yaml", "outbound: on", "settings: [a]", ":4: systems.crm.settings: expected keys with values"),
        ("mappings/crm.yaml", "stage mql", "stage mqll", ":6: objects.Lead.create: no such stage; did you mean 'mql'?"),
        ("mappings/crm.yaml", "sync: newest", "sync: prefer, prefer: websit", ":7: objects.Lead.fields.Email.prefer: no such system; did you mean 'website'?"),
        ("mappings/crm.yaml", "sync: newest", "type: string, sync: newest", ":7: objects.Lead.fields.Email: email is of type string here and email at mappings/website.yaml:6"),
        ("mappings/website.yaml", "kind: person", "kind: persn", ":4: objects.contact.kind: not one of person, company, deal, user; did you mean 'person'?"),
        ("scoring.yaml", "strategy: weighted", "strategy: wighted", ":1: strategy: no installed plugin offers this strategy; did you mean 'weighted'?"),
        ("scoring.yaml", "strategy: weighted", "strategy: [weighted]", ":1: strategy: no installed plugin offers this strategy"),
        ("scoring.yaml", "points: 10", "pints: 10", ":2: fit[0].pints: unknown key; did you mean 'points'?"),
        ("journey.yaml", "shared: mql", "shared: mqll", ":1: stages[1].shared: "),
    ],
)  # fmt: skip
def test_each_mistake_is_told_at_its_line(room: Any, name: str, good: str, bad: str, told: str) -> None:
    """In every file, with a suggestion where a name is near."""
    found = problems(room, text_of(room, name, good, bad))
    assert [one for one in found if one.startswith(f"{name}{told}")], found


def test_a_system_whose_plugin_is_not_to_be_had_is_no_mistake_of_the_file(room: Any) -> None:
    """It is there with the reason, so that all else goes on; its settings are nobody's to judge meanwhile."""
    room.plugins.unavailable["hook"] = "disabled: by anna"
    del room.plugins.sources["hook"]
    website = room().systems["website"]
    assert (website.absent, dict(website.settings)) == ("plugin hook is disabled: by anna", {})


def test_all_problems_of_all_files_come_at_once(room: Any) -> None:
    """gateway.yaml first, then the others by name."""
    files = {}
    for name, good, bad in [
        ("gateway.yaml", "plugin: hook", "plugin: hok"),
        ("journey.yaml", "shared: mql", "shared: mqll"),
        ("mappings/crm.yaml", "kind: company", "kind: compny"),
        ("mappings/website.yaml", "system: website", "system: websit"),
        ("scoring.yaml", "points: 10", "pints: 10"),
    ]:
        files |= text_of(room, name, good, bad)
    assert list(dict.fromkeys(one.split(":")[0] for one in problems(room, files))) == list(files)


def test_a_system_needs_its_mapping_file(room: Any) -> None:
    """And a mapping file its system; a near name is suggested."""
    room()
    found = problems(room, {"mappings/website.yaml": None, "mappings/websit.yaml": "system: websit"})
    assert found == [
        "mappings/websit.yaml: no such system in gateway.yaml; did you mean 'website'?",
        "mappings/website.yaml: no such file",
    ]
    (room.root / "mappings/website.yml").write_text("system: website")
    assert "mappings/website.yml: call it website.yaml" in problems(
        room, {"mappings/websit.yaml": None, "mappings/website.yaml": None}
    )


def test_without_gateway_yaml_the_other_files_are_checked_all_the_same(room: Any) -> None:
    """One run tells all there is to tell."""
    room()
    files = {"gateway.yaml": "a: [", **text_of(room, "mappings/crm.yaml", "kind: company", "kind: compny")}
    found = problems(room, files)
    assert found[0].startswith("gateway.yaml:1: not readable as YAML")
    assert any(one.startswith("mappings/crm.yaml:8: objects.Account.kind") for one in found)
    (room.root / "gateway.yaml").unlink()
    with pytest.raises(ConfigError, match=r"gateway.yaml: no such file"):
        load_instance(room.root, room.plugins)


def test_scoring_and_journey_may_be_left_out(room: Any) -> None:
    """Then there is one stage and no score; ``create: stage X`` has no stage to name."""
    files = {"scoring.yaml": None, "journey.yaml": None}
    assert problems(room, files) == [
        "mappings/crm.yaml:6: objects.Lead.create: no such stage; there is no journey.yaml"
    ]
    instance = room(
        {
            **files,
            **text_of(room, "mappings/crm.yaml", "stage mql", "handoff"),
            "scoring.yaml": None,
            "journey.yaml": None,
        }
    )
    assert instance.scoring is None
    assert "scoring" not in instance.hashes


@pytest.mark.parametrize(
    ("name", "good", "bad", "warned"),
    [
        ("scoring.yaml", "when: {employees:", "when: {emplyees:", "scoring.yaml:2: fit[0].when.emplyees: no mapping brings in attribute 'emplyees'; did you mean 'employees'?"),
        ("scoring.yaml", "when: {employees:", "when: {score:", "scoring.yaml:2: fit[0].when.score: a rule reads what systems tell of somebody; 'score' is worked out here: never so"),
        ("scoring.yaml", "activity: page_view", "activity: page_vew", "scoring.yaml:3: behaviour[0].activity: no mapping brings in activity 'page_vew'; did you mean 'page_view'?"),
        ("journey.yaml", "stages:", "personas: [{name: a, when: {any: [{company.industri: x}]}}, {name: b}]\nstages:", "journey.yaml:1: personas[0].when.any[0].company.industri: no mapping brings in attribute 'company.industri'; did you mean 'company.industry'?"),
        ("scoring.yaml", "behaviour:", "personas: {finanse: {Looked: 2}}\nbehaviour:", "scoring.yaml:3: personas.finanse: no such persona in journey.yaml; there is none"),
        ("journey.yaml", "entry: {score: 50}", "entry: {activity: [became_mql]}", "journey.yaml:1: stages[1].entry.activity: no mapping brings in activity 'became_mql'"),
    ],
)  # fmt: skip
def test_what_no_mapping_supplies_is_a_warning(room: Any, name: str, good: str, bad: str, warned: str) -> None:
    """Not a problem: another way in may bring it."""
    assert [str(one) for one in room(text_of(room, name, good, bad)).warnings] == [warned]


@pytest.mark.parametrize(
    ("lead_field", "hint"),
    [
        ("emial", "; did you mean 'email'?"),  # nothing else speaks of it, and it is nearly another's name
        ("email_private", None),  # a name that goes on is another field
        ("remarks", None),  # like no other
    ],
)
def test_a_lead_field_that_is_nearly_another_is_a_warning(room: Any, lead_field: str, hint: str | None) -> None:
    """Lead fields are whatever the mappings say, so a slip makes a new one."""
    files = text_of(room, "mappings/crm.yaml", "Score: {", f"Slip: {lead_field}, Score: {{")
    told = [str(one) for one in room(files).warnings]
    slip = f"mappings/crm.yaml:7: objects.Lead.fields.Slip: nothing else speaks of lead field '{lead_field}'"
    assert told == ([slip + hint] if hint else [])


def test_hashes_move_with_what_they_stand_for(room: Any) -> None:
    """A threshold is the journey's; a persona also weighs rules, so it is the model's as well; a comment is nobody's."""
    base = room().hashes

    def moved(name: str, good: str, bad: str) -> set[str]:
        changed = room(text_of(room, name, good, bad)).hashes
        return {key for key in base if base[key] != changed[key]}

    assert moved("journey.yaml", "score: 50", "score: 60") == {"journey"}
    assert moved("journey.yaml", "stages:", "personas: [{name: all}]\nstages:") == {"journey", "scoring"}
    assert moved("scoring.yaml", "points: 10", "points: 11") == {"scoring"}
    assert moved("mappings/crm.yaml", "Score: {to: score", "Points: {to: score") == {"mapping:crm"}
    assert moved("scoring.yaml", "strategy:", "# hello\nstrategy:") == set()


def test_a_plugins_failing_check_is_a_problem_of_its_place(room: Any) -> None:
    """A schema or check that raises anything else than its own errors; its text, which may hold a secret, is not shown."""

    class Failing(Schema):
        token = fields.Function(deserialize=lambda value: 1 / 0)

    def failing(file: Any) -> Any:
        raise RuntimeError("hunter2")

    room()
    object.__setattr__(room.plugins.sources["hook"], "settings", Failing)
    object.__setattr__(room.plugins.scorers["weighted"], "check", failing)
    assert problems(room) == [
        "gateway.yaml:3: systems.website.settings: the plugin's check of its settings failed: ZeroDivisionError",
        "scoring.yaml:1: strategy: the strategy's check of this file failed: RuntimeError",
    ]


LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.dates())
NESTED = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.one_of(st.text(max_size=6), st.integers()), inner, max_size=3)),
    max_leaves=8,
)  # fmt: skip


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    entries = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [place for key, inner in entries for place in ((*path, key), *places(inner, (*path, key)))]


STARTER = GOOD.parents[1] / "mappings" / "starter"
TREES = {
    name: YAML(typ="safe").load((STARTER / name).read_text())
    for name in ("gateway.yaml", "scoring.yaml", "journey.yaml")
}
PLACES = [(name, place) for name, tree in TREES.items() for place in places(tree)]


@draws(60, suppress_health_check=list(HealthCheck))
@given(place=st.sampled_from(PLACES), value=NESTED)
def test_one_wrong_value_anywhere_is_told_and_never_a_traceback(room: Any, place: tuple[str, Any], value: Any) -> None:
    """Replaces one value of one file by anything: the instance loads, or there are problems."""
    name, path = place
    data = copy.deepcopy(TREES[name])
    node = data
    for part in path[:-1]:
        node = node[part]
    node[path[-1]] = value
    room()
    read = ConfigFile.read

    def replaced(where: Path, root: Path | None = None) -> ConfigFile:
        file = read(where, root)
        if file.name == name:
            file.data = data
        return file

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ConfigFile, "read", replaced)
        told: list[Any] = []
        try:
            load_instance(room.root, room.plugins)
        except ConfigError as exc:
            told = exc.problems
        assert all(isinstance(problem, Problem) for problem in told)
