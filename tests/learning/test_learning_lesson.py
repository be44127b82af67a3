"""Points learned from made-up past leads: what is true of them is found, what leaks is not used, all of it is said."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from past_leads import odds, past_leads

from gateway.contracts import Subject
from gateway.errors import Refused
from gateway.learning import draft
from gateway.learning.case import Told, cases
from gateway.learning.judging import auc
from gateway.learning.lesson import learn, totals
from gateway.scoring.checking import check
from gateway.scoring.weighted import WeightedScorer
from gateway.settings.files import ConfigFile

LIVE = ConfigFile(
    "scoring.yaml",
    """
weights: {fit: 60, behaviour: 40}
levels: {rank: {attribute: title, order: [intern, c_level, vice_president, director, manager]}}
fit:
  - {name: Branch, values: {attribute: industry, points: {retail: 10}}}
  - {name: Software or red, when: {any: [{industry: software}, {colour: red}]}, points: 10}
behaviour:
  - {name: Asked, activity: demo, points: 10, cap: 100, half_life: 7d}
  - {name: Size, ranges: {attribute: employees, points: {"0-500": 5}}}
personas: {cfo: {Asked: 2, Software or red: 3}}
overlays: [{name: fair, from: 2026-01-01, rule: Gone, factor: 2}]
""",
).data
FACTORIES = {"weighted": WeightedScorer}


def taught(pasts, live=LIVE, **more):
    scorer = WeightedScorer(live) if live else None
    return learn(cases(pasts), live, FACTORIES, live_scorer=scorer, **more)


@pytest.fixture(scope="module")
def lesson():
    return taught(past_leads(), thresholds=[("mql", "", 15.0)])


@pytest.fixture(scope="module")
def text(lesson):
    return draft.text(lesson)


def test_learned_points_come_near_to_the_truth(lesson):
    """On leads that nobody has seen: nearly as good as the odds they were drawn with, better than the live model."""
    found = cases(past_leads(1500, seed=2))
    demos = [[(case.at - one.at).days for one in case.subject.activities] for case in found]
    truth = np.array([odds(case.subject.attributes, each) for case, each in zip(found, demos, strict=True)])
    won = np.array([case.won for case in found])
    learned = auc(totals(WeightedScorer(lesson.data), found), won)
    assert auc(truth, won) - 0.02 < learned
    assert auc(totals(WeightedScorer(LIVE), found), won) + 0.1 < learned
    assert lesson.verdict("learned points").auc == pytest.approx(learned, abs=0.05)
    assert lesson.verdict("learned points").auc == pytest.approx(lesson.verdict("logistic regression").auc, abs=0.02)
    assert lesson.verdict("learned points").auc > lesson.verdict("live model").auc + 0.1
    assert lesson.verdict("learned points").off < 6


def test_what_leaks_and_what_says_nothing_is_named_and_not_used(lesson, text):
    found = {leak.attribute: (leak.why, leak.words) for leak in lesson.left_out}
    assert found["verdict"][0] == "after"
    assert found["hunch"][0] == "too good"
    assert "constant" in found["plan"][1]
    assert "who they are" in found["email"][1]
    body = text.partition("\nstrategy:")[2]
    assert not [name for name in ("verdict", "hunch", "plan", "email") if name in body]
    for name in ("verdict", "hunch", "plan", "email"):
        assert f"#   {name}" in text


def test_a_person_can_force_what_was_left_out():
    lesson = taught(past_leads(), forced=["hunch"])
    assert lesson.verdict("learned points").auc > 0.95
    assert "hunch" in str(lesson.data)
    assert "(forced: it is in)" in draft.text(lesson)


def test_a_name_that_forces_nothing_is_refused():
    with pytest.raises(Refused, match=r"--force hunsh: no past lead has .*; did you mean 'hunch'"):
        taught(past_leads(100), forced=["hunsh"])


def test_no_value_of_a_person_is_shown(text):
    """That the first name is known may count; what it is never does."""
    assert not re.search(r"Ann|Bob|Cem|@example", text)


def test_the_draft_is_a_model_that_can_be_checked_and_scores_as_it_says(lesson, text):
    file = ConfigFile("scoring.yaml", text)
    assert check(file) == []
    some = cases(past_leads(60, seed=3))
    assert list(totals(WeightedScorer(file.data), some)) == list(totals(WeightedScorer(lesson.data), some))


def test_every_value_has_its_reason(lesson, text):
    """Estimate, interval, cases, lift, as a plain sentence; names and axes are those of the live model."""
    rules = {rule.name: rule for rule in lesson.proposed.rules}
    assert {"Branch", "Asked", "Size", "Software or red"} >= {"Branch", "Asked", "Size"} & rules.keys()
    assert (rules["Asked"].axis, rules["Size"].axis, rules["Branch"].axis) == ("behaviour", "behaviour", "fit")
    software = next(one for one in rules["Branch"].values if one.label == "software")
    mining = next(one for one in rules["Branch"].values if one.label == "mining")
    assert software.low < software.points < software.high
    assert software.low > mining.high
    assert software.lift > 1.15 > mining.lift
    assert 400 < software.cases < 600
    assert re.search(
        r"software: \d+  # \d+ leads, \d+% won, 1\.\d times the average; between \+\S+ and \+\S+ points\n", text
    )


def test_levels_half_lives_and_caps_are_learned(lesson, text):
    """Interns do not stand above the board; a demo is halved every 30 days and counts twice at most, not for a week."""
    before, after = lesson.proposed.orders["rank"]
    assert before[0] == "intern"
    assert after[-1] == "intern"
    assert {*after[:2]} == {"c_level", "vice_president"}
    assert "# rank was intern, c_level, vice_president, director, manager: past leads say " in text
    [asked] = [rule for rule in lesson.data["behaviour"] if rule["name"] == "Asked"]
    assert asked["half_life"] == "30d"
    assert asked["cap"] in (2 * asked["points"], 3 * asked["points"])
    assert "halved every 30 days: better than the 34 others tried" in text


def test_the_measured_split_stands_beside_the_usual_one(lesson, text):
    assert set(lesson.splits) == set(range(0, 101, 5))
    assert lesson.splits[lesson.chosen] >= max(lesson.splits.values()) - 0.02
    assert lesson.data["weights"]["fit"] + lesson.data["weights"]["behaviour"] == 100
    assert "60/40 0." in text


def test_whether_the_live_model_is_beaten_is_said(lesson, text):
    """Clearly by what was learned; by itself it is not beaten, and nothing is to be changed then."""
    assert lesson.better > 0.95
    assert f"what was learned stands above the live model in {round(100 * lesson.better)} of 100 resamples" in text
    again = taught(past_leads(), live=lesson.data)
    assert again.better < 0.9
    assert re.search(r"(that may be chance|no reason to change the model)\.\n", draft.text(again))


def test_a_live_model_that_may_have_been_made_of_these_leads_is_doubted():
    """Nobody is judged fairly on what they have seen; what was heard of later cannot have been seen."""
    pasts = [replace(past, told=[one._replace(known_at=1000) for one in past.told]) for past in past_leads(300)]
    [doubt] = set(taught(pasts, live_since=1001).doubts) - set(taught(pasts, live_since=1000).doubts)
    assert "the end of 90 of the newest 90 was known" in doubt


def test_one_axis_alone_has_no_split():
    pasts = [replace(past, activities=[]) for past in past_leads(400)]
    lesson = taught(pasts, live={})
    assert (lesson.splits, lesson.data["weights"]) == ({}, {"fit": 100, "behaviour": 0})
    assert "60/40" not in draft.text(lesson)


def test_what_others_wrote_is_kept_where_it_still_names_a_rule(lesson):
    assert lesson.data["personas"] == {"cfo": {"Asked": 2}}
    assert "overlays" not in lesson.data


def test_weights_of_content_stay_as_they_were():
    """What was learned is judged with them, and the draft has them; content.yaml's entries stay in their file."""
    content = [{"stage": "mql", "where": {"asset": {"known": True}}}]
    weighed = {"content_weights": {"default": {"mql": 3}}, "content": content}
    told = taught(past_leads(400), {**LIVE, **weighed})
    assert {key: told.data[key] for key in weighed} == weighed
    file = ConfigFile("scoring.yaml", draft.text(told))
    assert check(file) == []
    assert file.data["content_weights"] == weighed["content_weights"]


def test_a_threshold_lets_as_many_in_as_before(lesson):
    [crossing] = lesson.crossings
    assert crossing.won_after > crossing.won_before
    live, mine = (totals(WeightedScorer(one), cases(past_leads())) for one in (LIVE, lesson.data))
    assert (mine >= crossing.after).sum() == pytest.approx((live >= 15).sum(), rel=0.3)


def test_the_same_leads_teach_the_same(text):
    assert draft.text(taught(past_leads(), thresholds=[("mql", "", 15.0)])) == text


def test_nothing_is_needed_to_begin_with():
    """Without a live model: fit is what leads are, behaviour what they do."""
    lesson = taught(past_leads(600), live={})
    assert lesson.verdict("learned points").auc > 0.7
    assert [one.name for one in lesson.verdicts] == ["learned points", "logistic regression"]
    assert {rule["name"] for rule in lesson.data["behaviour"]} == {"Demo"}


# -- little, and nothing -----------------------------------------------------------------------------------------------


def ends(count, won):
    """So many past leads, of whom ``won`` says who was."""
    for number, past in enumerate(past_leads(count)):
        yield replace(past, told=[Told(past.told[0].at, "won" if won(number) else "lost", True)])


def test_thirty_won_leads_teach_something_and_it_says_how_unsure():
    """Of leads that are as they are by chance alone nothing is made up."""
    some = taught(past_leads(100, seed=4))
    assert 25 < some.won < 60
    fresh = cases(past_leads(1500, seed=5))
    won = np.array([case.won for case in fresh])
    assert auc(totals(WeightedScorer(some.data), fresh), won) > 0.68
    widths = [one.high - one.low for rule in some.proposed.rules for one in rule.values]
    assert min(widths) > 3
    none = taught(ends(200, lambda number: number % 4 == number // 8 % 4))
    assert none.verdict("learned points").auc - none.verdict("learned points").unsure < 0.6
    few = taught(ends(60, lambda number: number % 4 == 0))
    assert "only 15 leads were won: the estimates are a hint" in draft.text(few)


@pytest.mark.parametrize(
    ("pasts", "words"),
    [
        ([], "there are no won and no lost leads yet; `gateway import"),
        (
            ends(50, lambda number: number < 5),
            "only 5 won and 45 lost leads: 10 of each are the least, 30 won make it useful",
        ),
        (ends(50, lambda number: True), "all 50 leads with an end were won: without lost ones"),
        (ends(50, lambda number: False), "all 50 leads with an end were lost: without won ones"),
        (
            ends(50, lambda number: number < 12),
            "of the newest 30 % of 50 leads all were lost, so nothing can be judged",
        ),
    ],
)
def test_too_little_is_refused_with_what_to_do(pasts, words):
    with pytest.raises(Refused) as raised:
        taught(list(pasts))
    assert words in str(raised.value)


def test_values_of_unknown_time_are_named_and_can_be_used():
    pasts = list(past_leads(400, dated=False))
    lesson = taught(pasts)
    assert {leak.attribute for leak in lesson.left_out if leak.why == "undated"} >= {"title", "industry", "employees"}
    assert {rule["name"] for rule in lesson.data["behaviour"] if "activity" in rule} == {"Asked"}
    used = learn(cases(pasts, undated=True), LIVE, FACTORIES, live_scorer=WeightedScorer(LIVE))
    assert "industry" not in {leak.attribute for leak in used.left_out}
    assert used.verdict("learned points").auc > lesson.verdict("learned points").auc


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.1, 0.25, 0.4, 0.8], "a share, which is a range with a fraction"),
        ([-20, -3, 0, 5, 40, 90], "below zero"),
        ([[100, "EUR"], [2000, "EUR"], [30000, "EUR"]], "money"),
        ([["a", "b"], ["b"], ["c", "a"]], "a list"),
        ([True, False], "yes and no"),
        (["x: y", "- z", "yes", "007", "#9", "O'Brien"], "texts that YAML would read as something else"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_whatever_the_values_are_the_draft_is_sound(values, expected):
    """It passes the check, and gives points for what tells leads apart."""
    found = []
    for number, case in enumerate(cases(past_leads(300))):
        value = values[number % len(values)]
        won = (number % len(values) == 0) != (number % 7 == 0)
        found.append(replace(case, won=won, subject=Subject({"it": value}), late={}, undated={}))
    lesson = learn(found, {}, FACTORIES)
    file = ConfigFile("scoring.yaml", draft.text(lesson))
    assert check(file) == []
    scorer = WeightedScorer(file.data)
    first, second = (scorer.score(case.subject, case.at).total for case in found[:2])
    assert first > second


def test_another_strategy_is_taught_without_what_leaks_and_who_people_are():
    """It sees nothing of that; what it makes of the rest is judged on leads that it has not seen."""
    seen = []

    class Taught(WeightedScorer):
        @classmethod
        def learn(cls, examples, behaviour=()):
            seen.append((examples, list(behaviour)))
            return {**LIVE, "bands": {"great": 60, "good": 20}}

    some = cases(past_leads(400))
    lesson = learn(some, {}, {"own": Taught}, "own")
    (older, _), (every, _) = seen
    assert (len(older), len(every)) == (280, 400)
    assert older == every[:280]
    assert [one.won for one in every] == [case.won for case in some]
    known = {name for one in every for name in one.subject.attributes}
    assert known == {"title", "industry", "employees", "colour", "plan"}
    assert lesson.data["bands"] == {"great": 60, "good": 20}
    assert [one.name for one in lesson.verdicts] == ["learned own", "logistic regression"]
    with pytest.raises(Refused, match="the strategy 'weighted2' does not learn"):
        learn(some, {}, {"weighted2": WeightedScorer}, "weighted2")
