"""Reviews at the desk and by the API: a pack is made beside the page, decided by, and its tasks end."""

from __future__ import annotations

import re
from typing import Any

import pytest

DUE = "2099-01-31"


@pytest.fixture
def pack(company: Any) -> str:
    return str(company.json("review", "--period", "2026")["period"])


def test_both_teams_decide_by_a_pack(company: Any, desk: Any, pack: str) -> None:
    marketing = desk("marketing")
    assert pack in marketing.get("/reviews")
    page = marketing.get(f"/reviews/{pack}")
    assert page.count("<section") == 16
    assert "numbers.js" in page
    told = marketing.post(f"/reviews/{pack}/decide", words="Ask <b>first</b>", owner="Ann", due=DUE)
    assert "Recorded." in told
    assert "Ask &lt;b&gt;first&lt;/b&gt;" in told
    assert "Its numbers stay" in told
    sales = desk("sales")
    page = sales.get("/reviews")
    [task] = re.findall(r"/reviews/tasks/(\w+)/done", page)
    assert "Done." in sales.post(f"/reviews/tasks/{task}/done")
    assert "Nothing that was decided is open" in sales.text
    assert company.json("review", "tasks", "--all")["tasks"][0]["done_by"] == "sales@one.example"


def test_what_is_wrong_in_a_decision_is_said_at_once(desk: Any, pack: str) -> None:
    marketing = desk("marketing")
    marketing.get(f"/reviews/{pack}")
    told = marketing.post(f"/reviews/{pack}/decide", words=" ", owner="Ann", due="soon", back=f"/reviews/{pack}")
    assert "a decision has words and an owner" in told
    assert "a day is written like" in told


def test_the_page_to_print_needs_no_other(desk: Any, pack: str) -> None:
    viewer = desk("viewer")
    page = viewer.get(f"/reviews/{pack}/page.html")
    assert page.startswith("<!doctype html>")
    assert "<script src" not in page
    assert "<link" not in page
    viewer.get("/reviews/2031-Q1")
    assert viewer.status == 404


def test_a_pack_is_made_in_a_job(desk: Any, program: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from gateway.engine import errands

    begun: list[Any] = []
    monkeypatch.setattr(errands, "start", lambda *said: begun.append(said[2:6]) or "0" * 32)
    marketing = desk("marketing")
    marketing.get("/reviews")
    assert "is being made" in marketing.post("/reviews", period="2026")
    arguments = ["review", "--period", "2026", "--by", "marketing@one.example"]
    assert begun == [("review", "2026", "marketing@one.example", arguments)]
    assert "is no period" in marketing.post("/reviews", period="soon")
    assert program("sales").post("/reviews", period="2026") == {"job": "0" * 32}


def test_a_program_does_the_same(program: Any, pack: str) -> None:
    sales = program("sales")
    assert [one["period"] for one in sales.get("/reviews")["reviews"]] == [pack]
    assert len(sales.get(f"/reviews/{pack}")["sections"]) == 15
    said = {"decision": "More calls", "owner": "Ben", "due": DUE}
    task = sales.post(f"/reviews/{pack}/decisions", key="once", **said)["task"]
    assert sales.post(f"/reviews/{pack}/decisions", key="once", **said)["task"] == task
    assert [one["task"] for one in sales.get("/reviews")["tasks"]] == [task]
    sales.post(f"/reviews/tasks/{task}/done")
    assert sales.get("/reviews")["tasks"] == []
    sales.post(f"/reviews/tasks/{task}/done", status=409)
    sales.get("/reviews/2031-Q1", status=404)
