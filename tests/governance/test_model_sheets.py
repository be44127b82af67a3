"""Overlays, orders and thresholds as tables of a form: rows come, go and change places; comments stay."""

from __future__ import annotations

import pytest

from gateway.governance import sheets
from gateway.governance.numbers import numbers
from gateway.governance.words import differences
from gateway.settings.files import ConfigFile

BARE = """
weights: {fit: 60, behaviour: 40}
levels:
  seniority: {attribute: title, order: [c_level, director, intern]}
fit:
  - {name: Executive, level: seniority, at_least: director, points: 20} # who decides
  - {name: Size, ranges: {attribute: employees, points: {"1-49": 0, "50-": 10.5}}}
behaviour:
  - {name: Demo, activity: demo, points: 40, cap: 40, half_life: 60d}
"""
MODEL = (
    BARE
    + """
overlays:
  - {name: Fair, from: 2026-05-01, to: 2026-05-10, rule: Demo, factor: 2} # agreed with sales
"""
)
PEOPLE = """
personas: [{name: finance}, {name: other}]
stages:
  - {name: target, shared: target}
  - {name: mql, shared: mql, entry: {score: {finance: 50, other: 65}}, margin: 3}
"""


def data(text, name="scoring.yaml"):
    return ConfigFile(name, text).data


def said(given, text=MODEL, name="scoring.yaml"):
    """The words for what a form with these fields changes, and the text."""
    after = sheets.arranged(name, text, {key: [one] if isinstance(one, str) else one for key, one in given.items()})
    return differences(data(text, name), data(after, name)), after


def overlay(place, **fields):
    given = {"name": "Fair", "from": "2026-05-01", "to": "2026-05-10", "owner": "", "factor": "2", "of": ["rule: Demo"]}
    return {f"overlay-{place}-{key}": one for key, one in {**given, **fields}.items()}


def test_a_form_that_nobody_changed_changes_nothing():
    assert said(overlay(0) | overlay(1, name="")) == ([], MODEL)
    assert said({}) == ([], MODEL)


def test_an_overlay_is_edited_added_and_taken_away():
    words, text = said(overlay(0, to="2026-05-20", owner="Mo"))
    assert words == ["overlays: Fair to 2026-05-10 → 2026-05-20", "overlays Fair: added owner Mo"]
    assert "# agreed with sales" in text
    words, text = said(overlay(0) | overlay(1, name="Summer", to="", of=["rule: Executive", "rule: Size"]))
    assert "{name: Summer, factor: 2, from: 2026-05-01, rule: [Executive, Size]}" in text
    assert len(words) == 1
    words, text = said(overlay(0) | {"overlay-0-drop": "1"})
    assert words[0].startswith("removed Fair")
    assert sheets.overlays(data(text)) == []
    words, text = said(overlay(0, name="First", of=["group: web"]), text=BARE)
    assert sheets.overlays(data(text))[0].of == ("group: web",)


@pytest.mark.parametrize(
    ("given", "order"),
    [
        ({"move": "seniority 2 -1"}, ["c_level", "intern", "director"]),
        ({"move": "seniority 0 1"}, ["director", "c_level", "intern"]),
        ({"move": "seniority 9 1"}, ["c_level", "director", "intern"]),  # a form of before
        ({"drop": "seniority 1"}, ["c_level", "intern"]),
        ({"level-seniority-add": " trainee "}, ["c_level", "director", "intern", "trainee"]),
    ],
)
def test_entries_of_a_level_change_places(given, order):
    _, text = said(given)
    assert sheets.orders(data(text)) == {"seniority": order}
    assert "# who decides" in text


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"threshold-0-0": "55"}, ["mql: score finance 50 → 55"]),
        ({"threshold-0-1": ""}, ["mql score: removed other 65"]),
        ({"threshold-0-0": "many"}, ["mql: score finance 50 → many"]),  # the check says that it is no number
    ],
)
def test_a_threshold_of_one_persona_moves(given, words):
    found, _ = said(given, PEOPLE, "journey.yaml")
    assert [one.replace("entry ", "") for one in found] == words


def test_one_threshold_becomes_two_and_two_stay_one():
    one = "personas: [{name: a}, {name: b}]\nstages:\n  - {name: t}\n  - {name: mql, entry: {score: 50}} # x\n"
    assert "{score: 60}} # x" in said({"threshold-0-0": "60", "threshold-0-1": "60"}, one, "journey.yaml")[1]
    assert "{score: {a: 50, b: 60}}} # x" in said({"threshold-0-1": "60"}, one, "journey.yaml")[1]
    assert "entry: {}" in said({"threshold-0-0": "", "threshold-0-1": ""}, one, "journey.yaml")[1]


def test_what_is_in_a_table_has_no_field_of_its_own():
    found = [one.label for one in numbers({"scoring.yaml": MODEL, "journey.yaml": PEOPLE}) if not sheets.elsewhere(one)]
    assert "cap" in found
    assert not {"order", "score finance", "factor"} & {*found}
