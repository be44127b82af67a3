"""Under approval the model in use changes by keys alone: drafts, who may do what, dates, and what people are told."""

from __future__ import annotations

import shutil
from datetime import timedelta
from typing import Any

import pytest
import time_machine

from gateway.engine.files import differences, take_up
from gateway.notices.troubles import troubles
from gateway.settings.folder import store_place
from gateway.store import bundle, drafts
from gateway.store.database import read
from gateway.store.times import utc_now

EXECUTIVE = ("scoring.yaml", "at_least: vice_president, points: 40", "at_least: vice_president, points: 20")
LINE = "scoring.yaml differs from live"


def total(committee: Any) -> float:
    found: float = committee.instance.json("leads", "explain", "ann@one.example")["total"]
    return found


def test_an_edit_on_disk_changes_nothing_live_and_everybody_says_so(committee: Any) -> None:
    """check, status and history tell what differs and what to do; the score stays; discard puts the live text back."""
    before = total(committee)
    committee.instance.edit(*EXECUTIVE)
    assert total(committee) == before
    for command in (("check",), ("status",), ("model", "history")):
        said = committee.instance.run(*command).output
        assert f"{LINE} " in said
        assert "(1 change): propose or discard" in said
    place = store_place(committee.instance.root)
    assert take_up(committee.instance.root, str(place))["held"][0].startswith(LINE)
    [line] = differences(committee.instance.root, bundle.stored(place), place.folder / "run.json")
    assert line.startswith(LINE)
    assert "Executive or above 40 → 20" in committee.instance.run("model", "diff").stdout
    assert "would be lost" in committee.instance.run("model", "discard").stdout
    committee.instance.run("model", "discard", "--go")
    assert LINE not in committee.instance.run("status").output
    assert "points: 40" in (committee.instance.root / "scoring.yaml").read_text()


def test_two_keys_bring_a_draft_to_life(committee: Any) -> None:
    """One of marketing and one of sales; the version says who, when and why, and what it changed."""
    before = total(committee)
    committee.instance.edit(*EXECUTIVE)
    draft = committee.proposes()
    committee.does("mo", "approve", draft, reason="wins say so")
    assert total(committee) == before
    committee.does("sal", "approve", draft[-8:])
    assert total(committee) == before - 10
    assert LINE not in committee.instance.run("status").output
    live, former, _ = committee.instance.json("model", "history")["versions"]
    assert live["changes"] == {"scoring.yaml": ["Executive or above 40 → 20"]}
    assert [(one["by"], one["role"], one["reason"]) for one in live["turns"]] == [
        ("mo@one.example", "marketing", "wins say so"),
        ("sal@one.example", "sales", "because"),
    ]
    assert (live["until"], former["until"]) == (None, live["since"])
    scoring = committee.instance.json("leads", "explain", "ann@one.example")["scoring"]
    assert scoring == live["hashes"]["scoring"] != former["hashes"]["scoring"]
    assert "points: 40" in committee.instance.run("model", "export", former["hashes"]["scoring"]).stdout


def test_content_waits_for_keys_where_the_model_weighs_it(committee: Any) -> None:
    """Until then it is free; with the weights it is a part of the draft, told in words, and held back like them."""
    content = "content:\n  - {stage: mql, where: {asset: {contains: pricing}}}\n"
    committee.instance.write("content.yaml", content)
    assert "content.yaml" not in committee.instance.run("status").output
    scoring = (committee.instance.root / "scoring.yaml").read_text()
    committee.instance.write("scoring.yaml", scoring + "content_weights: {executive: {mql: 1.5}}\n")
    draft = committee.proposes()
    committee.agrees(draft)
    [version, *_] = committee.instance.json("model", "history")["versions"]
    assert version["changes"] == {
        "scoring.yaml": ["added content weights (executive mql 1.5)"],
        "content.yaml": ["added content (stage mql, asset contains pricing)"],
    }
    committee.instance.edit("content.yaml", "pricing", "prices")
    assert "content.yaml differs from live" in committee.instance.run("status").output
    assert "asset contains prices" in committee.instance.run("model", "diff").stdout
    assert "content.yaml" in committee.instance.json("model", "export")["files"]


def test_whose_turn_does_not_count_is_told_who_may(committee: Any) -> None:
    """The same person twice, the second of a role, an admin without override, a viewer."""
    committee.instance.edit(*EXECUTIVE)
    assert "may not decide about the model" in committee.does("vi", "propose", code=1).stderr
    draft = committee.proposes()
    committee.does("mo", "approve", draft)
    assert "turned your key already" in committee.does("mo", "approve", draft, code=1).stderr
    assert "marketing has approved already; what is missing is that of sales" in (
        committee.does("mi", "approve", draft, code=1).stderr
    )
    assert "an admin has no key" in committee.does("ada", "approve", draft, code=1).stderr
    assert "an emergency override is an admin's" in committee.does("sal", "approve", draft, "--override", code=1).stderr
    assert "only mo@one.example can withdraw it" in committee.does("mi", "reject", draft, "--withdraw", code=1).stderr
    committee.does("sal", "reject", draft)
    assert "this draft is rejected" in committee.does("sal", "approve", draft, code=1).stderr
    assert committee.instance.json("model", "history")["drafts"] == []


def test_an_override_is_an_admins_and_is_shown_as_long_as_it_is_live(committee: Any) -> None:
    """Without any key; status and history shout."""
    committee.instance.edit(*EXECUTIVE)
    draft = committee.proposes()
    committee.does("ada", "approve", draft, "--override", reason="sales drown")
    assert "EMERGENCY OVERRIDE of ada@one.example: sales drown" in committee.instance.run("status").stdout
    assert committee.instance.json("model", "history")["versions"][0]["overridden"] is True


def test_who_decides_is_told_what_waits(committee: Any) -> None:
    """As long as it does: whose key is missing; then that an override is live."""

    def told() -> list[str]:
        with committee.gateway() as gateway, read(gateway.store.main) as connection:
            return [one.words for one in troubles(gateway, connection, {}, (), ["model"])]

    assert told() == []
    committee.instance.edit(*EXECUTIVE)
    draft = committee.proposes()
    committee.does("sal", "approve", draft)
    [words] = told()
    assert words.startswith("a changed model waits for the key of marketing; ")
    committee.does("ada", "approve", draft, "--override")
    [words] = told()
    assert words.startswith("the live model came by emergency override")


def test_a_draft_goes_live_at_its_date(committee: Any) -> None:
    """Not with the last key; a date in the past is refused, and so is a key that comes too late."""
    before = total(committee)
    committee.instance.edit(*EXECUTIVE)
    assert "cannot go live in the past" in committee.does("mo", "propose", "--from", "2020-01-01", code=1).stderr
    tomorrow = utc_now() + timedelta(days=1)
    draft = committee.proposes("mo", "--from", tomorrow.isoformat())
    late = committee.proposes("mi", "--from", (tomorrow + timedelta(seconds=1)).isoformat())
    committee.agrees(draft)
    assert total(committee) == before
    assert "this draft is agreed" in committee.does("sal", "approve", draft, code=1).stderr
    with time_machine.travel(tomorrow + timedelta(minutes=1), tick=False):
        assert total(committee) == before - 10
        assert "has passed: propose it again" in committee.does("sal", "approve", late, code=1).stderr


def test_the_same_is_not_proposed_twice(committee: Any) -> None:
    """Else some approve the one and some the other; another day makes it another draft."""
    committee.instance.edit(*EXECUTIVE)
    draft = committee.proposes()
    said = committee.does("mi", "propose", code=1).stderr
    assert f"mo@one.example has proposed the same: draft {draft[-8:]}" in said
    committee.proposes("mi", "--from", "2999-01-01")
    assert ", live from 2999-01-01 00:00:00" in committee.instance.run("model", "history").stdout
    committee.does("mo", "reject", draft, "--withdraw")
    assert committee.proposes() != draft


def test_a_draft_beside_nothing_else_is_told_by_what_it_would_change(committee: Any) -> None:
    """A version is held against the files on disk. Once a draft is live, the files it was not made of are named."""
    root, diff = committee.instance.root, ("model", "diff")
    (root / "drafts").mkdir()
    text = (root / "scoring.yaml").read_text()
    (root / "drafts" / "spring.yaml").write_text(text.replace(*EXECUTIVE[1:]))
    for one in ("spring", draft := committee.proposes("mo", "spring")):
        assert "Executive or above 40 → 20" in committee.instance.run(*diff, one).stdout
    committee.does("mo", "approve", draft)
    said = committee.does("sal", "approve", draft).stdout
    assert "on disk scoring.yaml stays as before: `gateway model discard --go`" in said
    live = committee.instance.json("model", "history")["versions"][0]["bundle"]
    assert "Executive or above 20 → 40" in committee.instance.run(*diff, live).stdout
    committee.instance.run("model", "discard", "--go")
    assert (root / "scoring.yaml").read_text() == (root / "drafts" / "spring.yaml").read_text()


def test_a_draft_of_a_model_that_is_live_no_more_is_refused(committee: Any) -> None:
    """Else it would take back what was agreed on meanwhile."""
    committee.instance.edit(*EXECUTIVE)
    one = committee.proposes()
    committee.instance.edit("scoring.yaml", "points: 20}\n  - {name: Company", "points: 25}\n  - {name: Company")
    other = committee.proposes()
    committee.agrees(other)
    assert "changed since; propose the draft again" in committee.does("mo", "approve", one, code=1).stderr


def test_a_draft_that_does_not_fit_the_live_files_is_refused(committee: Any) -> None:
    """What no mapping brings in or no persona is, is named with its line; so is what the check finds; and no change."""
    folder = committee.instance.root / "drafts" / "spring"
    folder.mkdir(parents=True)
    shutil.copy(committee.instance.root / "scoring.yaml", folder)
    assert "nothing in it differs" in committee.does("mo", "propose", "spring", code=1).stderr
    text = (folder / "scoring.yaml").read_text()
    (folder / "scoring.yaml").write_text(text.replace("company.industry: software", "company.sector: software"))
    said = committee.does("mo", "propose", "spring", code=2).stderr
    assert "scoring.yaml:9: fit[1].when.company.sector: no mapping brings in attribute 'company.sector'" in said
    (folder / "scoring.yaml").write_text(text + "personas: {executve: {Software: 2}}\n")
    said = committee.does("mo", "propose", "spring", code=2).stderr
    assert "personas.executve: no such persona in journey.yaml; did you mean 'executive'?" in said
    (folder / "scoring.yaml").write_text(text.replace("activity: page_view", "activty: page_view"))
    assert "did you mean 'activity'" in committee.does("mo", "propose", "spring", code=2).stderr
    assert "no draft 'summer'" in committee.does("mo", "propose", "summer", code=1).stderr


def test_what_belongs_to_no_model_goes_live_by_itself(committee: Any) -> None:
    """Settings, a field that no rule looks at, who gets handoffs; a mapping that alters what is scored does not."""
    root, edit = committee.instance.root, committee.instance.edit
    edit("gateway.yaml", "name: Example", "name: Sample")
    edit("mappings/leads.yaml", "country: country", "country: land")
    edit("journey.yaml", "never_hand_over", "fallback: Desk\nowners: [{queue: Desk}]\nnever_hand_over")
    committee.instance.run("status")
    with committee.gateway() as gateway:
        assert gateway.instance.name == "Sample"
        assert gateway.held.changes == {}
        assert gateway.instance.journey.owners.fallback == "Desk"
    edit("mappings/leads.yaml", "title: title", "job: title")
    edit("gateway.yaml", "two-key", "off")
    with committee.gateway() as gateway:
        assert {*gateway.held.changes} == {"mappings/leads.yaml", "gateway.yaml"}
        assert gateway.held.changes["gateway.yaml"] == ["approval two-key → off"]
        assert gateway.instance.approval == "two-key"
    draft = committee.proposes()
    committee.agrees(draft)
    with committee.gateway() as gateway:
        assert (gateway.held.changes, gateway.instance.approval) == ({}, "off")
        assert "job" in gateway.instance.systems["leads"].mapping.objects["contact"].inbound
    assert (root / "mappings/leads.yaml").exists()


def test_before_the_first_approval_nobody_is_scored_or_handed_over(fresh: Any) -> None:
    """The first model follows the same rule; from its approval on everybody is scored."""
    leads = fresh.instance.json("leads", "list")["leads"]
    assert {one["score"] for one in leads} == {None}
    assert {one["stage"] for one in leads} == {"target", "won"}
    fresh.agrees(fresh.proposes())
    assert total(fresh) > 0


def test_off_is_said_too(committee: Any, tmp_path: Any, gateway_tables: Any) -> None:
    """And proposing is refused with what to do."""
    committee.instance.edit("gateway.yaml", "two-key", "off")
    draft = committee.proposes()
    other = committee.proposes("mi", "--from", "2999-01-01")
    committee.agrees(draft)
    assert "reject the draft" in committee.does("sal", "approve", other, code=1).stderr
    assert "approval: off" in committee.instance.run("status").stdout
    assert "approval is off" in committee.does("mo", "propose", code=1).stderr
    assert "approval: off" in committee.instance.run("check").stdout


@pytest.mark.parametrize("text", ["maybe", "false"])
def test_an_unknown_approval_is_a_problem_of_its_line(committee: Any, text: str) -> None:
    """It is never taken for off."""
    committee.instance.edit("gateway.yaml", "approval: two-key", f"approval: {text}")
    assert "approval: " in committee.instance.run("check", code=2).stderr


def test_a_file_that_is_taken_away_is_a_draft_too(committee: Any) -> None:
    """On disk, or as an empty file of a draft's folder."""
    (committee.instance.root / "scoring.yaml").unlink()
    assert "scoring.yaml differs from live" in committee.instance.run("status").output
    draft = committee.proposes()
    [said] = committee.instance.json("model", "history")["drafts"][0]["changes"]["scoring.yaml"]
    assert said.startswith("nobody is scored any more: scoring.yaml is taken away with its")
    committee.agrees(draft)
    assert "no scoring.yaml" in committee.instance.run("model", "show").stdout
    assert LINE not in committee.instance.run("status").output
    committee.instance.write("drafts/broken/journey.yaml", "stages: [")
    assert "broken/journey.yaml:1" in committee.instance.run("model", "diff", "broken", code=2).stderr
    committee.instance.write("drafts/none/journey.yaml", "")
    assert "journey.yaml is taken away, and with it all stages" in committee.does("mo", "propose", "none").stdout
    committee.instance.write("drafts/odd/scores/old/growth.yaml", "")
    told = committee.does("mo", "propose", "odd", code=2).stderr
    assert "drafts/odd/scores/old: nobody reads this folder: a score is scores/NAME.yaml" in told


def test_a_folder_whose_scoring_is_empty_takes_all_scoring_away_and_says_so(committee: Any) -> None:
    """In the words of the draft, and as a warning beside them: the stages stay, and no score leads into them."""
    committee.instance.write("drafts/empty/scoring.yaml", "")
    told = committee.does("mo", "propose", "empty").stdout
    assert "nobody is scored any more: scoring.yaml is taken away" in told
    assert "warning: journey.yaml:" in told
    assert "nobody has a score: there is no scoring.yaml" in told


def test_a_value_map_that_alters_what_is_scored_becomes_a_draft(committee: Any) -> None:
    """Resolving says so and changes nothing; one that the model does not look at applies at once."""
    instance = committee.instance
    for field in ("title", "country"):
        instance.edit(
            "mappings/leads.yaml",
            f"{field}: {field}",
            f"{field}: {{to: {field}, values: {{A: B}}, values_default: drop}}",
        )
    committee.agrees(committee.proposes())
    row = {"id": "8", "at": "2026-02-05T09:00:00", "email": "x@six.example", "title": "Boss", "country": "Oz"}
    instance.bring([row], "more.csv")
    items = {one["detail"]["value"]: one["id"] for one in instance.json("work", "list")["work"]}
    instance.run("work", "resolve", items["Oz"], "--map", "Australia")
    before = (instance.root / "mappings/leads.yaml").read_text()
    assert "Oz: Australia" in before
    said = instance.run("work", "resolve", items["Boss"], "--map", "Chief", code=1).output
    assert (instance.root / "mappings/leads.yaml").read_text() == before
    [name] = [one.name for one in (instance.root / "drafts").iterdir()]
    assert f"`gateway model propose {name}`" in " ".join(said.split())
    committee.agrees(committee.proposes("mo", name))
    instance.run("model", "discard", "--go")
    instance.run("work", "resolve", items["Boss"], "--map", "Chief")
    assert [one for one in instance.json("work", "list")["work"] if one["id"] == items["Boss"]] == []


def test_what_was_agreed_on_for_later_ends_where_approval_ended_before(committee: Any) -> None:
    """It is said until then, and at its date why nothing went live."""
    before = total(committee)
    tomorrow = utc_now() + timedelta(days=1)
    committee.instance.edit(*EXECUTIVE)
    later = committee.proposes("mo", "--from", tomorrow.isoformat())
    committee.agrees(later)
    committee.instance.run("model", "discard", "--go")
    committee.instance.edit("gateway.yaml", "two-key", "off")
    committee.agrees(committee.proposes())
    assert "will not go live: approval is off" in " ".join(committee.instance.run("status").stdout.split())
    with time_machine.travel(tomorrow + timedelta(minutes=1), tick=False):
        assert total(committee) == before
        assert committee.instance.json("model", "history")["drafts"] == []
    with committee.gateway() as gateway, read(gateway.store.main) as connection:
        found = drafts.found(connection, [drafts.FAILED])
    assert [(one.id, one.problem[:15]) for one in found] == [(later, "approval is off")]
