"""The scorer as the gateway's contract suite wants it, its file, and a lead that is scored by it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from gateway.contracts import Activity, Subject
from gateway.settings.files import ConfigFile
from gateway.testing import ScorerContract

from gateway_acme import AcmeScorer, check

README = Path(__file__).parents[1] / "README.md"
MODEL = re.search(r"```yaml\n# scoring.yaml\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)[1]
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def scorer():
    return AcmeScorer(ConfigFile("scoring.yaml", MODEL).data)


class TestAcmeScorer(ScorerContract):
    attributes = {"industry": "Software", "employees": 500}
    kinds = ("demo_request", "page_view")

    def build(self):
        return scorer()


@pytest.mark.parametrize(
    ("attributes", "days_ago", "points"),
    [
        ({}, None, 0),
        ({"industry": "SOFTWARE"}, None, 35),
        ({"industry": "farming", "employees": 50}, None, 25),
        ({"industry": "games", "employees": 49.5}, 89, 60),  # 35 and the demo's 25
        ({"industry": "games"}, 90, 35),  # its window is over
    ],
)
def test_the_example_of_the_readme(attributes, days_ago, points):
    done = [] if days_ago is None else [Activity(NOW - timedelta(days=days_ago), "demo_request", id="1")]
    assert scorer().score(Subject(attributes, done), NOW).total == points * 100


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("points: 35", "points: 80", r"scoring.yaml:2: fit: the rules of both axes give 145 points; 100 is the most"),
        ("points: 35", "points: many", r"scoring.yaml:3: fit\[0\].points: "),
        ("at_least: 50, ", "", r"scoring.yaml:4: fit\[1\].name: say whom it fits"),
        ("within_days", "within_day", r"behaviour\[0\].within_day: .*did you mean 'within_days'"),
    ],
)
def test_a_mistake_is_told_with_its_line(old, new, problem):
    [found] = check(ConfigFile("scoring.yaml", MODEL.replace(old, new, 1)))
    assert re.search(problem, str(found))


def test_a_lead_is_scored_by_it(gateway_instance):
    """One line of scoring.yaml chooses the strategy; everything else of the gateway stays as it is."""
    mapping = """
        system: site
        timezone: UTC
        objects:
          contact:
            kind: person
            id: id
            time: at
            fields: {email: email, industry: industry}
            activities: [{activity: demo_request, when: {asked: demo}, on: each}]
        """
    instance = gateway_instance(
        {
            "gateway.yaml": "systems: {site: {plugin: memory, role: ma}}",
            "mappings/site.yaml": mapping,
            "scoring.yaml": MODEL,
        }
    )
    ann = {"id": "1", "at": "2026-05-31T09:00:00", "email": "ann@one.example", "industry": "Software"}
    instance.give("site", {**ann, "asked": "demo"})
    instance.work()
    [lead] = instance.leads()
    assert (lead["fit"], lead["behaviour"], lead["total"], lead["band"]) == (3500, 2500, 6000, "good")
