"""A model's numbers as a form: every one of them, and files that keep their comments when one is changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.governance.numbers import changed, numbers
from gateway.governance.words import differences
from gateway.settings.files import ConfigFile

SCORING = """
# agreed in May
weights: {fit: 60, behaviour: 40}
maximum: {fit: 50, behaviour: 60}
levels:
  seniority: {attribute: title, order: [c_level, director, intern]}
fit:
  - {name: Executive, level: seniority, at_least: director, points: 20} # who decides
  - name: Size
    ranges: {attribute: employees, points: {"1-49": 0, "50-": 10.5}}
behaviour:
  - {name: Demo, activity: demo, points: 40, cap: 40, half_life: 60d}
overlays:
  - {name: Fair, start: 2026-05-01, end: 2026-05-10, rules: [Demo], factor: 2}
"""
JOURNEY = """
stages:
  - {name: target, shared: target}
  - {name: mql, shared: mql, entry: {score: {finance: 50, other: 65}}, margin: 3}
"""
FILES = {"scoring.yaml": SCORING, "journey.yaml": JOURNEY}


def found():
    return {(one.of, one.label): one for one in numbers(FILES)}


def test_every_number_has_a_field_that_says_what_it_is():
    told = {name: one.value for name, one in found().items()}
    assert told["weights", "fit"] == "60"
    assert told["Executive", "points"] == "20"
    assert told["Executive", "at least"] == "director"
    assert told["Size", "ranges points 50-"] == "10.5"
    assert told["Demo", "half life"] == "60d"
    assert told["Fair", "factor"] == "2"
    assert told["levels", "seniority order"] == "c_level, director, intern"
    assert told["mql", "score finance"] == "50"
    assert told["mql", "margin"] == "3"
    assert told["Fair", "start"] == "2026-05-01"
    assert len(told) == 18


def test_a_changed_number_changes_nothing_else():
    keys = found()
    given = {one.key: one.value for one in keys.values()}
    assert changed(FILES, given) == {}
    given[keys["Executive", "points"].key] = " 15 "
    given[keys["levels", "seniority order"].key] = "c_level, vp,director , intern"
    given['["scoring.yaml", "secret"]'] = "1"
    after = changed(FILES, given)
    assert list(after) == ["scoring.yaml"]
    text = after["scoring.yaml"]
    assert "points: 15} # who decides" in text
    assert "# agreed in May" in text
    before, now = (ConfigFile("scoring.yaml", one).data for one in (SCORING, text))
    assert differences(before, now) == [
        "levels seniority order: added vp",
        "Executive 20 → 15",
    ]


def test_thresholds_are_numbers_too():
    keys = found()
    after = changed(FILES, {keys["mql", "score other"].key: "70.5"})
    assert "other: 70.5" in after["journey.yaml"]


def test_a_day_stays_a_day():
    keys = found()
    after = changed(FILES, {keys["Fair", "end"].key: "2026-05-20"})["scoring.yaml"]
    assert "end: 2026-05-20," in after


@pytest.mark.parametrize("example", sorted(Path(__file__).parents[2].glob("mappings/**/scoring.yaml")), ids=str)
def test_what_nobody_changes_stays(example):
    files = {name: (example.parent / name).read_text("utf-8") for name in ("scoring.yaml", "journey.yaml")}
    fields = numbers(files)
    assert len(fields) > 5
    assert len({one.key for one in fields}) == len(fields)
    assert changed(files, {one.key: one.value for one in fields}) == {}
