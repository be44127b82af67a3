"""Two versions of the model, and how they differ in words."""

from __future__ import annotations

import pytest

from gateway.governance.words import differences
from gateway.settings.files import ConfigFile

SCORING = """
weights: {fit: 60, behaviour: 40}
levels: {seniority: {attribute: title, order: [c_level, director]}}
fit:
  - {name: Executive title, level: seniority, at_least: c_level, points: 20}
  - {name: Size, ranges: {attribute: employees, points: {"1-19": -5, "20-": 5}}}
behaviour:
  - {name: Opened, activity: email_open, points: 2, half_life: 30d}
"""
JOURNEY = """
personas: [{name: cfo, when: {title: cfo}}, {name: other}]
stages:
  - {name: target}
  - {name: mql, entry: {score: {cfo: 50, other: 60}}}
never_hand_over: [{reason: staff, when: {email: {ends_with: "@own.example"}}}]
"""


@pytest.mark.parametrize(
    ("text", "old", "new", "words"),
    [
        (SCORING, "points: 20}", "points: 15}", ["Executive title 20 → 15"]),
        (SCORING, "half_life: 30d", "half_life: 60d", ["Opened: half life 30d → 60d"]),
        (SCORING, ", half_life: 30d", "", ["Opened: removed half life 30d"]),
        (SCORING, '"1-19": -5', '"1-19": 0', ["Size: 1-19 -5 → 0"]),
        (SCORING, "fit: 60, behaviour: 40", "fit: 50, behaviour: 50",
         ["weights: fit 60 → 50", "weights: behaviour 40 → 50"]),
        (SCORING, "c_level, director]", "director, c_level]",
         ["levels: seniority order c_level, director → director, c_level"]),
        (SCORING, "name: Opened,", "name: Opened mail,", [
            "removed Opened +2 (activity email_open, half life 30d)",
            "added Opened mail +2 (activity email_open, half life 30d)",
        ]),
        (JOURNEY, "cfo: 50", "cfo: 45", ["mql: score cfo 50 → 45"]),
        (JOURNEY, "cfo: 50, other: 60}", "cfo: 50, other: 60}, of: growth", ["mql: added by the score growth"]),
        (JOURNEY, "{title: cfo}", "{title: [cfo, coo]}", ["cfo: when title is cfo → title is cfo or coo"]),
        (JOURNEY, "- {name: target}\n", "- {name: target}\n  - {name: known}\n", ["added known"]),
        (JOURNEY, "@own.", "@our.", ["staff: when email ends with @own.example → email ends with @our.example"]),
        (JOURNEY, "[{name: cfo, when: {title: cfo}}, {name: other}]",
         "[{name: other}, {name: cfo, when: {title: cfo}}]", ["order cfo, other → other, cfo"]),
    ],
)  # fmt: skip
def test_a_change_reads_as_people_say_it(text: str, old: str, new: str, words: list[str]) -> None:
    """By the names of rules, personas and stages; what did not change is not told."""
    assert old in text
    before, after = ConfigFile("a", text).data, ConfigFile("b", text.replace(old, new)).data
    assert differences(before, after) == words
    assert differences(after, after) == []


def test_rules_that_only_changed_places_are_the_same_model() -> None:
    """The order of rules decides nothing."""
    one = {"fit": [{"name": "a", "points": 1}, {"name": "b", "points": 2}]}
    assert differences(one, {"fit": one["fit"][::-1]}) == []
