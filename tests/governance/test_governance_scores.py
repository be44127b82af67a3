"""Scores beside the main one belong to the model: told in words, held back under approval, in the form of numbers."""

from __future__ import annotations

from gateway.committee import governing
from gateway.governance.numbers import changed, numbers
from gateway.governance.parts import is_model, is_score, names

GATEWAY = "approval: two-key\n"
SCORING = "fit: [{name: Big, when: {size: {at_least: 100}}, points: 10}]\n"
GROWTH = "fit:\n  - {name: Small, when: {size: {below: 100}}, points: 20}  # agreed in May\n"
LIVE = {"gateway.yaml": GATEWAY, "scoring.yaml": SCORING, "scores/growth.yaml": GROWTH}


def test_a_change_of_a_named_score_is_told_with_its_name() -> None:
    """Its points, and that it came or went."""
    after = {**LIVE, "scores/growth.yaml": GROWTH.replace("20", "15")}
    assert governing.changes(LIVE, after) == {"scores/growth.yaml": ["score growth: Small 20 → 15"]}
    without = {name: text for name, text in LIVE.items() if name != "scores/growth.yaml"}
    assert governing.changes(without, LIVE) == {
        "scores/growth.yaml": ["score growth: added Small +20 (size below 100)"]
    }
    assert governing.changes(LIVE, without) == {"scores/growth.yaml": ["the score growth is taken away with its rule"]}


def test_that_nobody_is_scored_any_more_is_a_sentence() -> None:
    """In a folder's draft an empty file takes it away; so is that no stage is left."""
    files = {**LIVE, "journey.yaml": "stages: [{name: target}, {name: mql, entry: {score: 50}}]\n"}
    emptied = governing.merged(files, {"scoring.yaml": "", "journey.yaml": "\n"})
    assert governing.changes(files, emptied) == {
        "scoring.yaml": [
            "nobody is scored any more: scoring.yaml is taken away with its rule, and with it every threshold"
        ],
        "scores/growth.yaml": ["the score growth is taken away with its rule"],
        "journey.yaml": ["nobody is handed over any more: journey.yaml is taken away, and with it all stages"],
    }


def test_under_approval_an_edit_of_a_named_score_waits_for_keys() -> None:
    """Changed, new or gone: what is in use stays."""
    edited = {**LIVE, "scores/growth.yaml": GROWTH.replace("20", "15"), "scores/other.yaml": GROWTH}
    held = governing.held_back(edited, LIVE)
    assert list(held) == ["scores/growth.yaml", "scores/other.yaml"]
    assert governing.working(edited, LIVE, held) == LIVE
    gone = {name: text for name, text in LIVE.items() if name != "scores/growth.yaml"}
    assert governing.working(gone, LIVE, governing.held_back(gone, LIVE)) == LIVE


def test_before_the_first_model_a_named_score_is_not_in_force() -> None:
    """Nobody is scored by it, and the first draft tells of it as of all else."""
    first = governing.unapproved(LIVE)
    assert "scoring.yaml" not in first
    assert list(governing.changes(first, LIVE)) == ["scoring.yaml", "scores/growth.yaml"]


def test_its_numbers_are_fields_of_the_form() -> None:
    """And the comments stay."""
    [one] = numbers({"scores/growth.yaml": GROWTH})
    assert (one.of, one.label, one.value) == ("Small", "points", "20")
    assert changed(LIVE, {one.key: "25"}) == {"scores/growth.yaml": GROWTH.replace("20", "25")}


def test_only_files_of_that_form_are_scores() -> None:
    """No other folder, no path that leads out of it; the main one comes first."""
    assert [name for name in ("scores/a.yaml", "scoring.yaml", "scores/../a.yaml", "scores/A.yaml", "scores/a.yml")
            if is_score(name)] == ["scores/a.yaml", "scoring.yaml"]  # fmt: skip
    assert not is_model("mappings/crm.yaml")
    assert list(names({"journey.yaml", "scores/a.yaml", "mappings/crm.yaml", "scoring.yaml"})) == [
        "scoring.yaml", "scores/a.yaml", "journey.yaml", "mappings/crm.yaml",
    ]  # fmt: skip
