"""The predictive strategy: its sum, its reasons, what it learns from past leads, and every mistake of its file."""

from __future__ import annotations

import math
import random
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from gateway_predictive import PredictiveScorer, check

from gateway.contracts import Activity, Example, Mark, Subject
from gateway.errors import Refused
from gateway.settings.files import ConfigFile
from gateway.testing import ScorerContract

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
TEXT = re.search(r"```yaml scoring.yaml\n(.*?)```", README, re.DOTALL)[1]
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SCORER = PredictiveScorer(ConfigFile("scoring.yaml", TEXT).data)


class TestPredictiveScorer(ScorerContract):
    attributes = {"industry": "Software", "employees": 500}  # noqa: RUF012
    kinds = ("demo_request", "page_view")

    def build(self):
        return PredictiveScorer(ConfigFile("scoring.yaml", TEXT).data)


def hundredths(*weights):
    return round(10_000 / (1 + math.exp(-(1.05 * (-2.2 + sum(weights)) + 0.1))))


@pytest.mark.parametrize(
    ("attributes", "days_ago", "weights"),
    [
        ({}, [], []),
        ({"industry": " SOFTWARE "}, [], [1.4]),
        ({"industry": "mining"}, [], [-0.5]),  # known, not listed
        ({"employees": 19}, [], [-0.8]),
        ({"employees": 20}, [], [0.1]),  # an edge begins its range
        ({"employees": [1000, "EUR"]}, [], [0.5]),  # money
        ({"employees": "many"}, [], []),
        ({}, [0], [2.1]),
        ({}, [30], [1.05]),  # one half-life
        ({}, [0, 1, 2], [2.1]),  # at most once
        ({}, [240], []),  # eight half-lives
        ({}, [-1], []),  # not yet
    ],
)
def test_weights_add_up_to_a_probability(attributes, days_ago, weights):
    done = [Activity(NOW - days * DAY, "demo_request", id=str(days)) for days in days_ago]
    assert SCORER.score(Subject(attributes, done), NOW).total == hundredths(*weights)


def test_each_reason_has_its_sign_and_all_add_up():
    """A halved activity and a manual mark, too."""
    done = [Activity(NOW - 3 * DAY, "demo_request", id="1")]
    marks = (Mark(NOW - DAY, "halve"), Mark(NOW - DAY, "manual", -5, "asked for a refund", None, "kim"))
    told = SCORER.score(Subject({"industry": "retail", "employees": 300}, done, marks), NOW, explain=True)
    assert [(one.axis, one.rule, one.reason) for one in told.contributions] == [
        ("fit", "What every lead begins with", "before anything is known of it"),
        ("fit", "Industry", "industry is retail"),
        ("fit", "Employees", "employees is from 200 on, below 1000"),
        ("behaviour", "Demo request", "demo_request, worth 0.5 by now"),
        ("mark", "Points of a person", "asked for a refund"),
    ]
    begin, industry, employees, demo, mark = (one.hundredths for one in told.contributions)
    assert begin > 0 > industry
    assert employees > 0 < demo
    assert mark == -500
    assert told.total == sum(one.hundredths for one in told.contributions) == hundredths(-0.3, 0.9, 1.05) - 500
    assert (told.fit, told.behaviour) == (begin + industry + employees, demo)


# -- learning ----------------------------------------------------------------------------------------------------------


def past(count, seed=1):
    """Leads whose odds are known: software +1.5, each of up to three demos +1, noise in `colour`."""
    chance = random.Random(seed)
    for number in range(count):
        industry = chance.choice(["software", "retail", "mining", None])
        demos = chance.choice([0, 0, 1, 2])
        at = NOW + number * DAY
        logit = -1.5 + 1.5 * (industry == "software") + demos
        known = {"colour": chance.choice(["red", "blue"]), "employees": chance.randrange(1, 900)}
        known |= {"industry": industry} if industry else {}
        done = [Activity(at - DAY, "demo_request", id=f"{number}-{one}") for one in range(demos)]
        yield Example(Subject(known, done), at, chance.random() < 1 / (1 + math.exp(-logit)))


@pytest.fixture(scope="module")
def learned():
    return PredictiveScorer.learn(list(past(1500)), ["employees"])


def test_what_is_learned_is_a_model_that_passes_the_check(learned):
    """Axes as asked; the true weights are found again; nothing else weighs much."""
    import json

    assert check(ConfigFile("scoring.yaml", json.dumps(learned))) == []
    assert {one["name"] for one in learned["behaviour"]} == {"Employees", "Demo request"}
    fit = {one["attribute"]: one for one in learned["fit"]}
    demo = next(one for one in learned["behaviour"] if "activity" in one)
    assert fit["industry"]["values"]["software"] - fit["industry"]["values"]["mining"] == pytest.approx(1.5, abs=0.35)
    assert demo["weight"] == pytest.approx(1, abs=0.3)
    assert abs(fit["colour"]["values"]["red"] - fit["colour"]["values"]["blue"]) < 0.3


def test_probabilities_are_calibrated_on_leads_it_has_not_seen(learned):
    scorer = PredictiveScorer(learned)
    told = sorted((scorer.score(one.subject, one.at).total / 10_000, one.won) for one in past(3000, seed=2))
    for group in (told[start : start + 600] for start in range(0, 3000, 600)):
        promised, won = (sum(column) / 600 for column in zip(*group, strict=True))
        assert promised == pytest.approx(won, abs=0.08)


def test_it_learns_the_same_from_the_same(learned):
    assert PredictiveScorer.learn(list(past(1500)), ["employees"]) == learned


@pytest.mark.parametrize(
    ("examples", "words"),
    [
        ([Example(Subject({}), NOW, place % 2 == 0) for place in range(50)], "nothing is known of 10 leads or more"),
        ([Example(Subject({"a": "x"}), NOW, place < 40) for place in range(50)], "all ended the same way"),
    ],
)
def test_too_little_is_refused(examples, words):
    with pytest.raises(Refused, match=words):
        PredictiveScorer.learn(examples)


def test_scoring_loads_no_scikit_learn():
    code = "import gateway_predictive, sys; sys.exit('sklearn' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# -- the file ----------------------------------------------------------------------------------------------------------


def test_the_example_of_the_readme_has_no_problem():
    assert check(ConfigFile("scoring.yaml", TEXT)) == []


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("base: -2.2", "bass: -2.2", r":\d+: bass: .*did you mean 'base'"),
        ("weights: [-0.8, 0.1, 0.9, 0.5]", "weights: [1, 2]", r"fit\[1\].weights: 3 edges have 4 weights"),
        ("[20, 200, 1000]", "[20, 20, 1000]", r"fit\[1\].edges: edges rise from one to the next"),
        ("attribute: industry, values", "values", r"fit\[0\].attribute: values and edges are an attribute's"),
        ("half_life: 30d, ", "", r"behaviour\[0\].half_life: an activity is forgotten by and by"),
        ("slope: 1.05", "slope: 0", r"calibration.slope: must be above 0"),
        ("activity: demo_request, half", "half", r"behaviour\[0\].name: say what it looks at"),
        ("great: 60", "great: 160", r"bands.great: expected points, 0 to 100"),
    ],
)
def test_a_mistake_is_told_with_its_line(old, new, problem):
    assert old in TEXT
    found = check(ConfigFile("scoring.yaml", TEXT.replace(old, new, 1)))
    assert re.search(problem, "\n".join(map(str, found)))


def test_an_activity_is_no_fit_and_an_empty_model_none():
    file = ConfigFile("scoring.yaml", TEXT.replace("\nbehaviour:\n", "\n"))
    assert ["what a lead does belongs under behaviour:" in str(one) for one in check(file)] == [True, True]
    assert "every lead would score the same" in str(check(ConfigFile("scoring.yaml", "base: 1\n"))[0])
