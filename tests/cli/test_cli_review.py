"""``gateway review``: a pack of every number, kept; decisions against it; nobody's name in what is kept."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import insert, select

from gateway.store import tables as t
from gateway.store.database import open_store, read, write

DAY = 86_400_000_000
JAN = 1_767_225_600_000_000
"""2026-01-01 in microseconds"""


@pytest.fixture
def met(filled):
    """Bob was handed over with the best score of five in January and rejected."""
    bob = next(
        one["lead"]
        for one in filled.json("leads", "list")["leads"]
        if one["attributes"].get("email") == "bob@two.example"
    )
    leads = [(bob, 9500, "sales_rejected"), *((f"{n:032x}", 4000 + n * 100, "recycled") for n in range(4))]
    rows = [
        {
            "id": f"{n:032x}", "lead": lead, "stage": "mql", "system": "crm", "persona": "other", "generation": 1,
            "opened_at": JAN + n * DAY, "decided_at": JAN, "score": score, "contributions": [["Chief", 100, "", "fit"]],
            "scoring": "", "journey": "", "state": "closed", "bucket": bucket, "bucket_reason": "no budget",
            "closed_at": JAN + 9 * DAY,
        }
        for n, (lead, score, bucket) in enumerate(leads)
    ]  # fmt: skip
    store = open_store(filled.root / "var")
    with write(store.main) as connection:
        connection.execute(insert(t.handoffs), rows)
    store.close()
    return filled


def section(told, name):
    return next(one for one in told["sections"] if one["name"] == name)


def test_the_pack_tells_every_number_with_a_sentence(met, tmp_path):
    page = tmp_path / "review.html"
    text = met.run("review", "--period", "2026-Q1", "--html", str(page)).stdout
    assert "Of 5 handoffs 0 were won with a low score, and 1 rejected with a high one" in text
    assert "most often because: no budget." in text
    assert "there is no goals.yaml yet" in text
    told = met.json("review", "--period", "2026-Q1")
    assert [one["name"] for one in told["sections"]] == [
        *("funnel", "goals", "baseline", "ideal", "surprises", "rules", "content", "campaigns"),
        *("attribution", "recycled", "velocity", "model", "overlays", "drift", "proposed"),
    ]
    assert all(one["sentence"] for one in told["sections"])
    assert section(told, "goals")["problem"]
    assert section(told, "rules")["data"]["handoffs"] == 5
    assert section(told, "model")["sentence"] == "0 versions went live in the period, 0 drafts wait."
    drawn = page.read_text(encoding="utf-8")
    assert drawn.count("<section>") == 1 + 15 + 1
    assert "Whom the score misjudged" in drawn


def test_names_are_put_in_when_it_is_shown(met, tmp_path):
    """What is kept holds ids alone, so an erasure has nothing to look for in it."""
    page = tmp_path / "review.html"
    met.run("review", "--period", "2026-Q1", "--html", str(page))
    bob = section(met.json("review", "--period", "2026-Q1"), "surprises")["data"]["rejected_high"][0]["lead"]
    assert "bob@two.example" in page.read_text(encoding="utf-8")
    store = open_store(met.root / "var")
    with read(store.main) as connection:
        kept = json.dumps(connection.execute(select(t.reviews.c.pack)).scalar_one())
    store.close()
    assert bob in kept
    assert "bob@" not in kept.casefold()
    met.run("leads", "forget", "bob@two.example", "--go", "--by", "Ann")
    met.run("review", "--period", "2026-Q1", "--html", str(page))
    assert "bob@two.example" not in page.read_text(encoding="utf-8")


def test_a_decision_makes_its_numbers_final_and_is_a_task(met):
    met.json("review", "--period", "2026-Q1")
    words = ("--owner", "Ann", "--due", "2099-01-31", "--period", "2026-Q1", "--by", "Ben")
    task = met.json("review", "decide", "Ask for the budget first", *words)["task"]
    store = open_store(met.root / "var")
    with write(store.main) as connection:
        connection.execute(t.handoffs.delete())
    store.close()
    told = met.json("review", "--period", "2026-Q1")
    assert section(told, "rules")["data"]["handoffs"] == 5
    assert [(one["decision"], one["owner"], one["decided_by"]) for one in told["decisions"]] == [
        ("Ask for the budget first", "Ann", "Ben")
    ]
    assert told["reviewed_at"]
    assert [one["task"] for one in met.json("review", "tasks")["tasks"]] == [task]
    later = met.json("review", "--period", "2026-Q2")
    assert later["before"]["period"] == "2026-Q1"
    assert later["before"]["decisions"][0]["task"] == task
    assert "done: Ask for the budget first" in met.run("review", "done", task[:30], "--by", "Ann").stdout
    assert met.json("review", "tasks")["tasks"] == []
    assert met.json("review", "tasks", "--all")["tasks"][0]["done_by"] == "Ann"
    assert "Ann finished it before" in met.run("review", "done", task, code=1).stderr


@pytest.mark.parametrize(
    ("said", "told", "code"),
    [
        (("review", "--period", "soon"), "'soon' is no period", 1),
        (("review", "--period", "2099-Q1"), "has not begun", 1),
        (("review", "decide", "x", "--owner", "A", "--due", "2020-01-01"), "2020-01-01 is over", 1),
        (("review", "decide", "x", "--owner", "A", "--due", "2.1.2099"), "a day is written like", 1),
        (("review", "decide", "x", "--owner", "A", "--due", "2099-01-01", "--period", "2025"), "no review of 2025", 1),
        (("review", "--period", "2025", "decide", "x", "--owner", "A", "--due", "2099-01-01"), "no review of 2025", 1),
        (("review", "done", "abc"), "no task 'abc'", 1),
    ],
)
def test_what_is_wrong_is_said(filled, said, told, code):
    assert told in filled.run(*said, code=code).stderr
