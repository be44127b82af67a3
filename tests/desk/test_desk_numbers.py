"""The page of numbers: what it shows, what is behind each, and that what takes long stops no page."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import threading
import time
from html import unescape
from typing import Any

import pytest
from disk_instance import Instance

from gateway.answers.metrics.asking import METRICS, question
from gateway.errors import NotFound, Refused, TryLater
from gateway.web.desk import apart, beside
from gateway.web.desk.beside import BROKEN, Beside
from gateway.web.desk.page import NAME

MQL = {"Ann Ames", "cy@rival.example", "di@three.example"}
GOALS = """
baseline: {from: 2025-01-01, until: 2026-01-01}
goals:
  - {name: More are won, from: mql, to: won, reach: 60 %, team: Sales, by: 2026-12-31}
"""


def figures(text: str) -> list[Any]:
    found = re.search(r'<script type="application/json" id="figures">(.*?)</script>', text, re.DOTALL)
    return list(json.loads(found[1])) if found else []


def test_each_page_of_numbers_says_what_they_mean_or_why_there_are_none(desk: Any) -> None:
    browser = desk("viewer")
    said = {"goals": "there is no goals.yaml yet", "reconcile": "Nobody has asked", "ideal": "names no ideal"}
    for name, metric in METRICS.items():
        text = browser.get(f"/numbers/{name}")
        assert browser.status == 200
        assert metric.words in unescape(text)
        assert said.get(name, "Worked out") in text


def test_the_funnel_is_drawn_and_told_and_each_number_leads_to_its_leads(desk: Any) -> None:
    browser = desk("viewer")
    text = browser.get("/numbers")
    [drawn] = figures(text)
    assert drawn["numbers"] == [["entered", "target", "mql", "won"]]
    link = re.search(r'<a href="([^"]+number=mql)" title="the leads behind this number">3</a>', text)
    assert link is not None
    listed = browser.get(unescape(link[1]))
    assert "3 leads" in listed
    assert set(re.findall(r">([^<]+)</a></td>", listed)) == MQL
    browser.get("/numbers/funnel/leads?number=nothing")
    assert "this number is not there any more" in browser.text


def test_filters_stand_in_the_address_and_go_into_every_link(desk: Any) -> None:
    browser = desk("viewer")
    text = browser.get("/numbers/funnel?by=title&count=period&since=2026-01-01")
    assert 'value="2026-01-01"' in text
    assert "Chief Financial Officer" in text
    assert "by=title&amp;count=period" in text or "count=period&amp;" in text
    for link in re.findall(r'href="(/numbers/funnel/leads[^"]+)"', text):
        assert "by=title" in link
        assert "since=2026-01-01" in link


def test_what_cannot_be_asked_is_told_where_it_was_asked(desk: Any) -> None:
    browser = desk("viewer")
    for asked, told in (
        ("period=soon", "period: 'soon': write 2026 (a fiscal year)"),
        ("period=2026&since=2026-01-01", "leave out since and until"),
        ("since=yesterday", "a day is written like 2026-10-31"),
        ("since=2026-02-01&until=2026-01-01", "since: it must lie before until"),
        ("count=heads", "count: 'heads': one of cohort, period"),
        ("by=shoe_size", "no mapping brings in a lead field"),
    ):
        assert told in unescape(browser.get(f"/numbers/funnel?{asked}"))
        assert browser.status == 200


def test_numbers_and_their_leads_are_taken_away(desk: Any) -> None:
    browser = desk("viewer")
    [row] = csv.DictReader(io.StringIO(browser.get("/numbers/funnel.csv")))
    assert (row["entered"], row["mql"]) == ("4", "3")
    rows = list(csv.DictReader(io.StringIO(browser.get("/numbers/funnel/leads.csv?number=mql"))))
    assert {one["who"] for one in rows} == MQL


@pytest.fixture
def agreed(company: Instance) -> None:
    """Goals, before the desk is opened."""
    company.write("goals.yaml", GOALS)


def test_goals_stand_on_their_page_and_on_today(agreed: None, desk: Any) -> None:
    browser = desk("viewer")
    assert "More are won" in browser.get("/numbers/goals")
    today = browser.get("/")
    assert "More are won" in today
    assert ">60 %</td>" in today


def test_systems_are_asked_only_when_somebody_who_may_says_so(
    app: Any, desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a process of its own; who looks later sees what it said, and the leads on one side."""
    import subprocess

    ann = desk("viewer").client.get("/leads/ann@one.example").headers["Location"].rsplit("/", 1)[-1]
    only = {"side": "passed", "kind": "late", "why": "not there yet", "system": "leads", "object": "contact"}
    data = {
        "passed": {"count": 3, "systems": [{"system": "leads", "object": "contact", "count": 3}]},
        "received": {"count": 2, "systems": [{"system": "sales", "object": "lead", "count": 2}]},
        "both": 2,
        "reasons": [{"why": "not there yet", "kind": "late", "passed": 1, "received": 0}],
        "only": [{**only, "record": "1", "lead": ann, "at": "2026-01-01T00:00:00Z"}],
    }
    commands = []

    def run(arguments: list[str], **options: Any) -> Any:
        commands.append(arguments)
        return subprocess.CompletedProcess(arguments, 0, json.dumps(data), "")

    monkeypatch.setattr(apart.subprocess, "run", run)
    browser = desk("marketing")
    assert "Ask the systems" in browser.get("/numbers/reconcile?since=2026-01-01")
    browser.post("/numbers/reconcile", back="/numbers/reconcile")
    assert "say of when" in browser.text
    browser.post("/numbers/reconcile", since="2026-01-01", back="/numbers/reconcile?since=2025-01-01")
    assert "not there yet" in browser.text
    assert commands[0][5:] == ["metrics", "reconcile", "--since=2026-01-01T00:00:00+01:00", "--json"]
    looking = desk("viewer")
    text = looking.get("/numbers/reconcile?since=2026-01-01")
    assert "Ask the systems" not in text
    link = re.search(r'href="([^"]+number=passed-only/not[^"]+)"', text)
    assert link is not None
    assert "Ann Ames" in looking.get(unescape(link[1]))
    rows = list(csv.DictReader(io.StringIO(looking.get("/numbers/reconcile.csv?since=2026-01-01"))))
    assert [(one["record"], one["why"], one["since"]) for one in rows] == [("1", "not there yet", "2026-01-01")]
    rows = list(csv.DictReader(io.StringIO(looking.get(unescape(link[1]).replace("/leads?", "/leads.csv?")))))
    assert [(one["lead"], one["who"]) for one in rows] == [(ann, "Ann Ames")]
    refused = looking.client.get("/numbers/reconcile.csv?since=2025-01-01")
    assert (refused.status_code, "ask them first" in refused.text) == (409, True)
    assert len(commands) == 1


def test_the_script_that_draws_is_ours_and_told_apart_from_other_peoples_names(desk: Any, company: Instance) -> None:
    from disk_instance import ANN

    hostile = "</script><script>alert(1)</script>"
    company.bring([ANN | {"title": hostile, "at": "2026-02-05T09:00:00"}], "hostile.csv")
    browser = desk("viewer")
    answer = browser.client.get("/numbers/funnel?by=title")
    assert "<script>alert" not in answer.text
    assert any("alert(1)" in json.dumps(one) for one in figures(answer.text))
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    script = browser.client.get("/static/desk/plotly.js")
    assert b"plotly.js v" in gzip.decompress(script.data)[:200]


def test_a_question_is_told_all_that_is_wrong_with_it(app: Any) -> None:
    gateway = app.extensions[NAME].gateway
    with pytest.raises(Refused, match=r"by: 'moon'.*half_life: 'x'.*period: 'x'"):
        question("attribution", {"by": "moon", "half_life": "x", "period": "x"}, gateway)
    with pytest.raises(NotFound, match="no metric is called 'sums'"):
        question("sums", {}, gateway)
    same = [question("funnel", {"period": one}, gateway) for one in ("2026-Q1", "2026-q1")]
    assert same[0] == same[1]


def test_what_takes_long_is_shown_as_it_was_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "WAIT", 0.05)
    monkeypatch.setattr(beside, "FRESH", 0.0)
    gate, worked = threading.Event(), Beside()

    def slow() -> str:
        gate.wait(5)
        return "told"

    first = worked.ask("it", slow)
    assert (first.value, first.running is None) == (None, False)
    assert worked.ask("it", lambda: "another").running is first.running  # the same work, not twice
    assert worked.look("other") is None
    gate.set()
    assert first.running.wait(5)
    assert first.value is None  # what a page has in hand does not change under it
    assert worked.look("it").value == "told"
    worked._kept["it"].took = 9.0
    gate.clear()
    begun = time.monotonic()
    assert worked.ask("it", slow).value == "told"
    assert time.monotonic() - begun < 4
    gate.set()


def test_who_cannot_look_again_waits_for_a_first_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "WAIT", 0.0)
    gate, worked = threading.Event(), Beside()
    with pytest.raises(TryLater, match="still being counted"):
        worked.ask("it", lambda: gate.wait(5)).answer()
    threading.Timer(0.1, gate.set).start()
    assert worked.ask("it", lambda: "another", patience=5.0).answer() is True

    def refused() -> str:
        raise Refused("ask otherwise")

    with pytest.raises(Refused, match="ask otherwise"):
        worked.ask("other", refused, patience=5.0).answer()


def test_work_that_fails_says_why_and_keeps_what_was_there(capsys: pytest.CaptureFixture[str]) -> None:
    worked = Beside()
    assert worked.ask("it", lambda: "told").value == "told"

    def refused() -> str:
        raise Refused("ask otherwise")

    def broken() -> str:
        raise ValueError("ann@one.example")

    assert (worked.again("it", refused).problem, worked.ask("it", refused).value) == ("ask otherwise", "told")
    assert worked.again("it", broken).problem == BROKEN
    assert "ann@one.example" not in capsys.readouterr().err


def test_only_so_many_answers_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "MOST", 2)
    worked = Beside()
    for key in range(4):
        worked.ask(key, lambda: "told")
    assert [worked.look(key) is not None for key in range(4)] == [False, False, True, True]
