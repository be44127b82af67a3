"""Several scores at the desk and in the API: each is shown, explained and drawn by its name."""

from __future__ import annotations

import re
from typing import Any

import pytest

from gateway.opening import open_gateway

GROWTH = """\
fit:
  - {name: Small firm, ranges: {attribute: employees, points: {"0-99": 60, "100-": 0}}}
"""


@pytest.fixture
def growing(company: Any) -> Any:
    company.write("scores/growth.yaml", GROWTH)
    company.edit("journey.yaml", "{score: 50}", "{score: 30, of: growth}")
    company.run("leads", "list")  # takes the files up
    return company


def test_a_leads_page_shows_each_score(growing: Any, desk: Any) -> None:
    """The main one first, with the way to the other; a name that is none is the main one's."""
    browser = desk("viewer")
    text = browser.get("/leads/ann@one.example")
    assert "Executive or above" in text
    assert "Small firm" not in text
    lead = growing.json("leads", "show", "ann@one.example")["lead"]
    assert f'href="/leads/{lead}?score=growth#score"' in text
    text = browser.get(f"/leads/{lead}?score=growth")
    assert "Small firm" in text
    assert "Executive or above" not in text.partition('id="score"')[2].partition("How it moved")[0]
    assert "Executive or above" in browser.get(f"/leads/{lead}?score=none")


def test_the_models_page_shows_each_score(growing: Any, desk: Any) -> None:
    """With the thresholds that are measured by it."""
    browser = desk("viewer")
    text = browser.get("/model?score=growth")
    assert "Small firm" in text
    assert "Executive or above" not in text
    assert '<th scope="row">mql</th><td class="number">30' in text
    assert 'href="/model?score=lead"' in text
    assert '<th scope="row">mql</th><td class="number">' not in browser.get("/model")


def test_leads_are_listed_by_the_score_that_is_chosen(growing: Any, desk: Any) -> None:
    """Shown, put in order, narrowed down and taken away as CSV by it; the way to a lead keeps it."""
    gateway = open_gateway(growing.root)
    while gateway.sweep_once():
        pass
    gateway.close()
    browser = desk("viewer")
    text = browser.get("/leads?score=growth")
    assert '<th scope="col">Score growth</th>' in text
    assert "<option selected>growth</option>" in text
    assert re.search(r'href="/leads/[0-9a-f]{32}\?score=growth"', text)
    lines = browser.get("/leads.csv?score=growth&band=bad").splitlines()
    assert lines[0].split(",")[6:8] == ["score growth", "band"]
    growth = growing.json("leads", "list", "--score", "growth", "--band", "bad")["leads"]
    assert sorted(line.split(",")[0] for line in lines[1:]) == sorted(one["lead"] for one in growth) != []
    by_main = growing.json("leads", "list", "--band", "bad")["leads"]
    assert {one["lead"] for one in by_main} != {one["lead"] for one in growth}
    assert "the model has no score &#39;grwth&#39;; did you mean" in browser.get("/leads?score=grwth")


def test_without_other_scores_nothing_of_them_is_said(desk: Any) -> None:
    browser = desk("viewer")
    text = browser.get("/leads/ann@one.example") + browser.get("/model") + browser.get("/leads")
    assert "?score=" not in text
    assert 'name="score"' not in text
