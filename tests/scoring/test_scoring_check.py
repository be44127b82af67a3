# ruff: noqa: E501 - a row of the table is one file and its message, best read on one line
"""Wrong scoring.yaml files: each mistake is named where it stands, all of them at once, and nothing crashes the check."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest
from drawing import draws
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Problem
from gateway.scoring.checking import check
from gateway.scoring.plugin import register_scorers
from gateway.scoring.weighted import WeightedScorer
from gateway.settings.files import ConfigFile

LEVELS = "levels: {seniority: {attribute: title, order: [c_level, director, manager]}}\n"
RULE = "fit: [{name: Target, when: {x: 1}, points: 1}]\n"
GROUPS = "groups: {web: {cap: 30}}\n"


def problems(text):
    return [str(one) for one in check(ConfigFile("scoring.yaml", text))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("wieghts: {fit: 60, behaviour: 40}\n" + RULE, "1: wieghts: unknown key; did you mean 'weights'?"),
        ("weights: {fit: 60, behaviour: 50}\n" + RULE, "1: weights: the weights of fit and behaviour add up to 110, not to 100"),
        ("weights: {fit: 100}\n" + RULE, "1: weights.behaviour: is missing"),
        ("maximum: {fit: 0}\n" + RULE, "1: maximum.fit: must be above 0"),
        ("bands: {great: 40, good: 70}\n" + RULE, "1: bands.great: must be above good, which is 70"),
        ("bands: {great: 140, good: 70}\n" + RULE, "1: bands.great: must be from 0 to 100"),
        ("name: lead\n", "1: no rules under fit: or behaviour:, so every score would be 0"),
        ("fit:\n- {name: A, when: {x: 1}, points: 1}\n- {name: A, when: {x: 2}, points: 1}\n", "3: fit[1].name: another rule has this name already, on line 2"),
        ("fit: [{name: A, when: {x: 1}, points: ten}]\n", "1: fit[0].points: expected a number of points, such as 10 or -2.5"),
        ("fit: [{name: A, when: {x: 1}, points: true}]\n", "1: fit[0].points: expected a number of points, such as 10 or -2.5"),
        ("fit: [{name: A, when: {x: 1}, points: 1.005}]\n", "1: fit[0].points: points have at most two decimals"),
        ("fit: [{name: A, when: {x: 1}, points: .inf}]\n", "1: fit[0].points: expected a number of points, such as 10 or -2.5"),
        ("fit: [{name: A, when: {x: 1}}]\n", "1: fit[0]: the rule has no points"),
        ("fit: [{name: ' ', when: {x: 1}, points: 1}]\n", "1: fit[0].name: must not be blank"),
        ("fit: [{name: A, points: 1}]\n", "1: fit[0]: the rule says not what it looks at; expected level, levels, when, ranges, values"),
        ("behaviour: [{name: A, when: {x: 1}, activity: view, points: 1}]\n", "1: behaviour[0]: the rule has when and activity; expected only one of level, levels, when, ranges, values, activity"),
        ("fit: [{name: A, activity: view, points: 1}]\n", "1: fit[0].activity: what a lead does belongs under behaviour:"),
        ("behaviour: [{name: A, activity: [], points: 1}]\n", "1: behaviour[0].activity: expected a name or a list of names"),
        ("fit: [{name: A, when: {x: 1}, points: 1, window: 3d}]\n", "1: fit[0].window: only a rule with activity: can have this"),
        ("fit: [{name: A, when: {x: 1}, points: 1, above: manager}]\n", "1: fit[0].above: only a rule with level: can have this"),
        ("fit: [{name: A, when: {x: {contain: 1}}, points: 1}]\n", "1: fit[0].when.x.contain: unknown operator; did you mean 'contains'?"),
        ("behaviour: [{name: A, activity: view, where: {aset: x}, points: 1}]\n", "1: behaviour[0].where.aset: no such attribute; did you mean 'asset'?"),
        ("behaviour: [{name: A, activity: view, points: 1, window: 30}]\n", "1: behaviour[0].window: not a duration; write a whole number and a unit, such as 90s, 5m, 12h, 30d or 2w"),
        ("behaviour: [{name: A, activity: view, points: 1, half_life: 0d}]\n", "1: behaviour[0].half_life: must be longer than zero"),
        ("behaviour: [{name: A, activity: view, points: 1, cap: -5}]\n", "1: behaviour[0].cap: must be above 0"),
        ("behaviour: [{name: A, activity: view, points: 1, halflife: 5d}]\n", "1: behaviour[0].halflife: unknown key; did you mean 'half_life'?"),
        (GROUPS + "behaviour: [{name: A, activity: view, points: 1, group: wbe}]\n", "2: behaviour[0].group: no such group; did you mean 'web'?"),
        (GROUPS + "fit: [{name: A, when: {x: 1}, points: 1, group: web}]\nbehaviour: [{name: B, activity: v, points: 1, group: web}]\n", "3: behaviour[0].group: this group has rules of fit already; a group is of one axis"),
        (LEVELS + "fit: [{name: A, level: senority, at_least: manager, points: 1}]\n", "2: fit[0].level: no such set of levels; did you mean 'seniority'?"),
        (LEVELS + "fit: [{name: A, level: seniority, at_least: manger, points: 1}]\n", "2: fit[0].at_least: no such level; did you mean 'manager'?"),
        (LEVELS + "fit: [{name: A, level: seniority, is: xyz, points: 1}]\n", "2: fit[0].is: no such level; there are c_level, director, manager"),
        (LEVELS + "fit: [{name: A, level: seniority, points: 1}]\n", "2: fit[0]: a rule with level: needs exactly one of at_least, above, at_most, below, is"),
        (LEVELS + "fit: [{name: A, level: seniority, above: c_level, points: 1}]\n", "2: fit[0].above: no level is there, so the rule never gives points"),
        (LEVELS + "fit: [{name: A, levels: {level: seniority, points: {manger: 1}}}]\n", "2: fit[0].levels.points.manger: no such level; did you mean 'manager'?"),
        ("levels: {s: {attribute: title, order: [c_levle, manager, manager]}}\n" + RULE, "1: levels.s.order[0]: no built-in level, and titles: lists none for it; did you mean 'c_level'?"),
        ("titles: {c_levle: [big boss]}\n" + RULE, "1: titles.c_levle: no such level; did you mean 'c_level'?"),
        ("titles:\n  c_level: [big boss]\n  manager: [Big Boss]\n" + RULE, "3: titles.manager[0]: the same title stands on line 2"),
        ("titles: {c_level: ['* boss']}\n" + RULE, "1: titles.c_level[0]: a title begins with a word"),
        ("fit: [{name: A, ranges: {attribute: n, points: {0-49: 1, 49-99: 2}}}]\n", "1: fit[0].ranges.points.49-99: overlaps 0-49"),
        ("fit: [{name: A, ranges: {attribute: n, points: {0-0.5: 1, 0.5-1: 2}}}]\n", "1: fit[0].ranges.points.0.5-1: overlaps 0-0.5"),
        ("fit: [{name: A, ranges: {attribute: n, points: {few: 1}}}]\n", "1: fit[0].ranges.points.few: not a range; write 0-49, 500- (and more) or -10 (up to)"),
        ("fit: [{name: A, ranges: {attribute: n, points: {9-1: 1}}}]\n", "1: fit[0].ranges.points.9-1: the range ends before it begins"),
        ("fit: [{name: A, ranges: {attribute: n, points: {}}}]\n", "1: fit[0].ranges.points: no points given"),
        ("fit: [{name: A, ranges: {attribute: n, points: {1-2: 1}}, points: 5}]\n", "1: fit[0].points: the points of this rule stand under ranges:"),
        ("fit: [{name: A, values: {attribute: s, points: {Paid: 1, paid: 2}}}]\n", "1: fit[0].values.points.paid: this value is listed already; case and outer blanks do not matter"),
        ("fit: [{name: A, values: {atribute: s, attribute: s, points: {a: 1}}}]\n", "1: fit[0].values.atribute: unknown key; did you mean 'attribute'?"),
        (RULE + "titles: {languages: [en, dee]}\n", "2: titles.languages[1]: no such language of titles; did you mean 'de'?"),
        (RULE + "titles: {languages: []}\n", "2: titles.languages: names none of en, de, fr, es, pt, it, nl"),
        (RULE + "personas: {finance: {Targte: 2}}\n", "2: personas.finance.Targte: no such rule; did you mean 'Target'?"),
        (RULE + "personas: {finance: {Target: -1}}\n", "2: personas.finance.Target: expected a factor from 0 to 1000, such as 1.5"),
        (RULE + "overlays: [{name: o, from: 2026-01-01, rule: Targte, factor: 2}]\n", "2: overlays[0].rule: no such rule; did you mean 'Target'?"),
        (RULE + "overlays: [{name: o, from: 2026-01-05, to: 2026-01-05, rule: Target, factor: 2}]\n", "2: overlays[0].to: must be after from; the day named in to: is not included any more"),
        (RULE + "overlays: [{name: o, from: soon, rule: Target, factor: 2}]\n", "2: overlays[0].from: expected a day such as 2026-11-01, or a time such as 2026-11-01T12:00:00Z"),
        (RULE + "overlays: [{name: o, frm: 2026-01-01, to: 2026-01-02, rule: Target, factor: 2}]\n", "2: overlays[0].frm: unknown key; did you mean 'from'?"),
        (RULE + "overlays: [{name: o, rule: Target, factor: 2}]\n", "2: overlays[0]: an overlay needs from:, to: or both; without them change the points"),
        (RULE + "overlays: [{name: o, to: 2026-01-01, factor: 2}]\n", "2: overlays[0]: an overlay names either rule: or group:"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_line_and_a_suggestion(text, expected):
    """One file with one mistake: exactly that message comes first."""
    assert problems(text)[:1] == [f"scoring.yaml:{expected}"]


def test_all_problems_come_at_once_in_the_order_of_lines():
    """Shape and meaning are reported together, so one edit can mend all."""
    found = check(
        ConfigFile(
            "scoring.yaml",
            "weights: {fit: 60, behaviour: 50}\n"
            "fit:\n"
            "  - {name: A, when: {x: {contain: 1}}, points: ten}\n"
            "  - {name: A, level: nowhere, at_least: z, points: 1}\n"
            "personas: {finance: {B: 2}}\n",
        )
    )
    assert [problem.line for problem in found] == [1, 3, 3, 4, 4, 5]
    assert len(set(found)) == len(found)


def test_the_starter_model_passes_and_builds():
    """What `gateway init` copies is a valid model, and it reads what it says."""
    text = (files("gateway_mappings") / "starter" / "scoring.yaml").read_text(encoding="utf-8")
    file = ConfigFile("scoring.yaml", text)
    assert check(file) == []
    scorer = WeightedScorer(file.data)
    assert scorer.attributes == {"title", "country", "employees", "industry", "email", "source", "department"}
    assert {"page_view", "form_submitted", "demo_request", "unsubscribed"} <= scorer.kinds
    assert scorer.horizon is not None


def test_the_strategy_is_registered_by_the_hook():
    """The built-in strategy comes in by the same door as a stranger's."""
    seen = {}
    register_scorers(lambda name, factory, check=None: seen.update({name: (factory, check)}))
    assert seen == {"weighted": (WeightedScorer, check)}


yaml_data = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["1d", "x", "", "0-5", "2026-01-01", "web"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "when", "activity", "level", "points", "x", "order", "cap"]), inner)
    ),
    max_leaves=8,
)
keys = [
    "weights", "maximum", "bands", "groups", "levels", "titles", "fit", "behaviour", "personas", "overlays", "odd",
]  # fmt: skip
rule = st.dictionaries(
    st.sampled_from(
        ["name", "points", "level", "levels", "when", "ranges", "values", "activity", "where", "window", "is", "group"]
    ),
    yaml_data,
)


@draws(150)
@given(st.fixed_dictionaries({}, optional={key: yaml_data | st.lists(rule, max_size=2) for key in keys}))
def test_no_file_crashes_the_check(data):
    """Whatever shape a file has, the check returns problems; where it has none, the model can be built."""
    file = ConfigFile("scoring.yaml", json.dumps(data))
    found = check(file)
    assert all(isinstance(one, Problem) and one.message for one in found)
    if not found:
        WeightedScorer(file.data)
