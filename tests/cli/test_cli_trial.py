"""``gateway try``: what a record would do is shown all the way, and nothing of it is stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from gateway.store import tables as t
from gateway.store.database import open_store


def content(root: Path) -> dict[str, Any]:
    """Every row of both databases."""
    store = open_store(root / "var")
    found = {}
    for engine, metadata in ((store.inbox, t.inbox), (store.main, t.main)):
        with engine.connect() as connection:
            for name, table in metadata.tables.items():
                found[name] = [tuple(row) for row in connection.execute(select(table))]
    store.close()
    return found


@pytest.fixture
def tried(filled: Any) -> Any:
    """Runs a trial of some rows and makes sure that it left the store as it was."""
    filled.edit("gateway.yaml", "outbound: off", "outbound: on ")
    filled.run("status")  # the edit becomes active

    def run(rows: list[dict[str, str]]) -> Any:
        path = filled.csv("trial.csv", rows)
        before = content(filled.root)
        found = filled.json("try", "--file", str(path), "--system", "leads")
        assert content(filled.root) == before
        return found

    return run


EVE = {"id": "9", "at": "2026-01-09T09:00:00", "email": "eve@nine.example", "title": "Chief Executive Officer"}
EVE |= {"employees": "400", "page": "/pricing"}


def test_a_new_person_is_shown_all_the_way_and_not_stored(tried: Any) -> None:
    """Values, score with its reasons, stage, handoff and the write, of somebody whom nobody knew."""
    found = tried([EVE])
    [lead] = found["leads"]
    assert (lead["new"], lead["stage"], lead["handoff"]) == (True, "mql", "sales")
    assert lead["score"] == sum(line["points"] for line in lead["contributions"])
    [write] = lead["writes"]
    fields = {one["field"]: one["wanted"] for one in write["fields"]}
    assert (write["system"], write["action"], fields["mail"]) == ("sales", "create", "eve@nine.example")
    [record] = found["records"]
    email = next(one for one in record["fields"] if one["field"] == "email")
    assert (email["lead_field"], email["value"]) == ("email", "eve@nine.example")


def test_news_of_a_known_lead_says_what_moves(tried: Any, bob: dict[str, str]) -> None:
    """The lead it is, its score and stage before and after."""
    found = tried([{**bob, "at": "2026-02-06T09:00:00", "title": "Chief Financial Officer", "employees": "80"}])
    [lead] = found["leads"]
    assert not lead["new"]
    assert lead["lead"] is not None
    assert lead["score_before"] < lead["score"]
    assert (lead["stage_before"], lead["stage"]) == ("target", "mql")


def test_what_is_known_already_shows_the_lead_as_it_is(tried: Any, ann: dict[str, str]) -> None:
    """The same record again has no effect, and says whose it is."""
    found = tried([ann])
    assert [event["known"] for event in found["documents"][0]["events"]] == [True, True]
    assert [one["attributes"]["email"] for one in found["leads"]] == ["ann@one.example"]
    assert found["leads"][0]["score"] == found["leads"][0]["score_before"]


def test_what_is_left_out_says_why(tried: Any, bob: dict[str, str]) -> None:
    """An excluded record with its reason, a value that does not load, never the value itself."""
    found = tried([{**EVE, "email": "eve@test.example"}, {**bob, "at": "2026-02-07T09:00:00", "employees": "many"}])
    assert [item["reason"] for item in found["documents"][0]["items"]] == ["test address"]
    problems = [one["problem"] for record in found["records"] for one in record["fields"] if one["problem"]]
    assert len(problems) == 1
    assert "many" not in problems[0]


def test_a_changed_company_counts_the_leads_it_moves(tried: Any, firm: dict[str, str]) -> None:
    """Its leads are scored again, in batches of their own."""
    assert tried([{**firm, "at": "2026-02-01T09:00:00", "industry": "steel"}])["scored_again"] == 1


def test_a_trial_reads_as_a_story(filled: Any) -> None:
    """For people: from the document to the write, and that nothing was stored."""
    path = filled.csv("trial.csv", [EVE])
    said = filled.run("try", "--file", str(path), "--system", "leads").output
    for words in ("of the file", "title", "a new lead", "Executive or above", "withheld, outbound off", "sales"):
        assert words in said
    assert said.rstrip().endswith("nothing was stored")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["leads:contact:1"], 1, "cannot fetch a record"),
        (["leads:contcat:1"], 1, "did you mean 'contact'"),
        (["nobody:contact:1"], 1, "no system 'nobody'"),
        (["leads:contact"], 2, "SYSTEM:OBJECT:ID"),
        ([], 2, "--file with --system"),
        (["--system", "leads"], 2, "--file with --system"),
    ],
)
def test_a_trial_of_nothing_says_what_can_be_tried(filled: Any, arguments: list[str], code: int, words: str) -> None:
    """Wrong systems, objects and spellings."""
    assert words in filled.run("try", *arguments, code=code).output


def test_a_file_with_nothing_in_it_is_no_success(filled: Any) -> None:
    """Nothing could be read: the exit code says so."""
    path = filled.csv("empty.csv", [])
    filled.run("try", "--file", str(path), "--system", "leads", code=1)
