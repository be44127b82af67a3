"""``gateway metrics rules`` and ``surprises`` on stored handoffs."""

from __future__ import annotations

import csv
import io

import pytest
from sqlalchemy import delete, insert

from gateway.store import tables as t
from gateway.store.database import open_store, write

DAY = 86_400_000_000
JAN = 1_767_225_600_000_000
"""2026-01-01 in microseconds"""


@pytest.fixture
def stored(filled):
    """Ann was given twice and bought after the second time, Bob was rejected; 20 more have no lead of their own."""
    leads = {row["attributes"].get("email"): row["lead"] for row in filled.json("leads", "list")["leads"]}
    ann, bob = leads["ann@one.example"], leads["bob@two.example"]
    rows = [
        _handoff(1, ann, 0, 7000, "recycled", rule="Old rule"),
        _handoff(2, ann, 40, 3000, "sales_qualified"),
        _handoff(3, bob, 41, 9500, "sales_rejected", "no budget"),
        *(_handoff(n, f"{n:032x}", 42, 4000 + n * 100, None) for n in range(10, 30)),
    ]
    store = open_store(filled.root / "var")
    with write(store.main) as connection:
        connection.execute(delete(t.handoffs))
        connection.execute(delete(t.reached).where(t.reached.c.stage == "won"))
        connection.execute(insert(t.handoffs), rows)
        won = {"lead": ann, "stage": "won", "at": JAN + 50 * DAY, "cause": "outcome", "ref": ""}
        connection.execute(insert(t.reached).values(won))
    store.close()
    return filled, ann, bob


def _handoff(number, lead, day, score, bucket, reason="", rule="Chief"):
    return {
        "id": f"{number:032x}", "lead": lead, "stage": "mql", "system": "crm", "persona": "other", "generation": 1,
        "opened_at": JAN + day * DAY, "decided_at": JAN + day * DAY, "score": score,
        "contributions": [[rule, score, "why", "fit"], ["limit of fit", -100, "", "fit"]],
        "scoring": "", "journey": "", "state": "closed" if bucket else "open", "bucket": bucket,
        "bucket_reason": reason, "closed_at": JAN + (day + 1) * DAY if bucket else None,
    }  # fmt: skip


def test_rules_by_the_points_of_the_time(stored):
    instance, ann, _ = stored
    told = instance.json("metrics", "rules")
    assert (told["handoffs"], told["decided"], told["good"]) == (23, 3, 1)
    assert told["period"]["counts"] == "handoffs opened"
    rows = {one["rule"]: one for one in told["rules"]}
    assert (rows["Old rule"]["hits"], rows["Old rule"]["live"], rows["Old rule"]["good"]) == (1, False, 0)
    assert (rows["Chief"]["decided"], rows["Chief"]["good"], rows["Chief"]["won"]) == (2, 1, 1)
    assert "limit of fit" not in rows
    assert [one["lead"] for one in instance.json("metrics", "rules", "--leads", "Old rule")["leads"]] == [ann]
    assert instance.json("metrics", "rules", "--leads", "Chief/good")["count"] == 1
    assert instance.json("metrics", "rules", "--leads", "good")["count"] == 1
    later = instance.json("metrics", "rules", "--since", "2026-02-01")
    assert (later["handoffs"], later["good"]) == (22, 1)
    before = instance.json("metrics", "rules", "--until", "2026-02-01")
    assert (before["handoffs"], before["good"]) == (1, 0)  # it was won after a later handoff
    table = list(csv.DictReader(io.StringIO(instance.run("metrics", "rules", "--csv").stdout)))
    assert {row["rule"] for row in table} >= {"Chief", "Old rule"}


def test_surprises_are_named_as_people_call_them(stored):
    instance, ann, bob = stored
    told = instance.json("metrics", "surprises")
    assert [one["lead"] for one in told["won_low"]] == [ann]
    assert [(one["lead"], one["reason"]) for one in told["rejected_high"]] == [(bob, "no budget")]
    because = instance.json("metrics", "surprises", "--leads", "rejected_high/no budget")["leads"]
    assert [one["lead"] for one in because] == [bob]
    text = instance.run("metrics", "surprises").stdout
    assert "won with a low score" in text
    assert "no budget" in text
    assert ann not in text


@pytest.mark.parametrize(("name", "says"), [("rules", "0 handoffs"), ("surprises", "no handoffs")])
def test_without_handoffs_it_says_so_and_draws_a_page(filled, name, says, tmp_path):
    store = open_store(filled.root / "var")
    with write(store.main) as connection:
        connection.execute(delete(t.handoffs))
    store.close()
    assert says in filled.run("metrics", name).stdout
    assert "drawn in" in filled.run("metrics", name, "--html", str(tmp_path / "page.html")).stdout


def test_the_ideal_opportunity_is_counted(filled):
    """Ann's company is what is wished for; what it is stands at the company."""
    assert "names no ideal opportunity" in filled.run("metrics", "ideal", code=1).stderr
    text = (filled.root / "journey.yaml").read_text(encoding="utf-8")
    wish = "\nideal: {executive: {name: A software firm, when: {company.industry: software}}}\n"
    filled.write("journey.yaml", text + wish)
    told = filled.json("metrics", "ideal")
    assert (told["ideal"], told["leads"], told["won"]) == (1, 1, 0)
    assert "1 of 1 lead and 0 of 0 wins" in filled.run("metrics", "ideal").stdout
    [ann] = filled.json("metrics", "ideal", "--leads", "executive")["leads"]
    assert ann["persona"] == "executive"
    assert filled.json("metrics", "ideal", "--since", "2027-01-01")["leads"] == 0
