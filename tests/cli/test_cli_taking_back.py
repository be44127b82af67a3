"""Merge, split and undo on the command line: told first, done with --go, each with who did it."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def pair(filled: Any) -> tuple[Any, str, str]:
    """Ann, who is older, and Bob."""
    ids = {one["attributes"]["email"]: one["lead"] for one in filled.json("leads", "list")["leads"]}
    return filled, ids["ann@one.example"], ids["bob@two.example"]


def test_a_merge_is_told_and_then_done(pair: Any) -> None:
    """Who stays, what it has then; afterwards either key leads there, and the timeline says who did it."""
    instance, ann, bob = pair
    said = instance.run("leads", "merge", "bob@two.example", ann).output
    assert f"lead {ann} (Ann Ames) stays" in said
    assert "nothing is stored yet" in said
    assert instance.json("leads", "show", bob)["lead"] == bob
    done = instance.json("leads", "merge", ann, bob, "--go", "--by", "kim")
    assert (done["lead"], done["other"], done["done"]) == (ann, bob, True)
    shown = instance.json("leads", "show", "bob@two.example")
    assert (shown["lead"], shown["merged"]) == (ann, [bob])
    [entry] = [one for one in shown["timeline"] if one["cause"] == "by kim"]
    assert (entry["what"], bob in entry["text"]) == ("merge", True)


def test_a_split_gives_the_merged_lead_back(pair: Any) -> None:
    """By the id it had; both timelines tell it."""
    instance, ann, bob = pair
    instance.run("leads", "merge", ann, bob, "--go", "--by", "kim")
    assert f"--lead {bob}" in instance.run("leads", "split", ann, code=1).output
    done = instance.json("leads", "split", ann, "--lead", bob, "--go", "--by", "kim", "--why", "brothers")
    assert (done["restored"], done["other"]) == (True, bob)
    assert [side["records"] for side in done["after"]] == [["leads:contact:1"], ["leads:contact:2"]]
    for lead in (ann, bob):
        told = [one["text"] for one in instance.json("leads", "show", lead)["timeline"] if one["what"] == "split"]
        assert len(told) == 1
        assert "brothers" in told[0]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["merge", "leads:contact:1", "ann@one.example"], 1, "nothing to merge"),
        (["merge", "leads:contact:1", "nobody"], 1, "no lead has this id"),
        (["split", "leads:contact:1", "--record", "leads:contact:9"], 1, "it has leads:contact:1"),
        (["split", "leads:contact:1", "--record", "leads:contact:1"], 1, "at least one has to stay"),
        (["split", "leads:contact:1", "--record", "1"], 2, "SYSTEM:OBJECT:ID"),
    ],
)
def test_what_cannot_be_regrouped_says_why(filled: Any, arguments: list[str], code: int, words: str) -> None:
    """The same lead, nobody, foreign records, all records, a misspelt one."""
    assert words in filled.run("leads", *arguments, code=code).output


@pytest.fixture
def sent(filled: Any) -> tuple[Any, str, str]:
    """Ann was handed over by one push, and her title corrected by the next."""
    filled.run("activate", "sales", "--existing", "handover")
    first = filled.json("push")["systems"][0]["push"]
    ann = {"id": "1", "at": "2026-02-05T09:00:00", "email": "ann@one.example", "title": "Chief Marketing Officer"}
    filled.bring([ann], name="later.csv")
    second = filled.json("push")["systems"][0]["push"]
    return filled, first, second


def test_a_push_has_a_name_under_which_it_can_be_undone(sent: Any) -> None:
    """Listed with what it did; planned field by field, put back with --go, left alone since, released again."""
    instance, _, second = sent
    assert second in [one["push"] for one in instance.json("undo")["pushes"]]
    plan = instance.json("undo", second)
    [title] = [one for one in plan["fields"] if one["field"] == "position"]
    assert (title["before"], title["sent"], title["possible"]) == (
        *("Chief Financial Officer", "Chief Marketing Officer"),
        True,
    )
    assert instance.json("undo", second, "--go")["waiting"] == 1
    instance.run("push")
    assert "an undo took it back" in instance.run("plan", "sales").output
    assert instance.json("undo")["held"] == {second: 1}
    assert instance.json("undo", "--release", second)["released"] == 1
    assert "Chief Financial Officer → Chief Marketing Officer" in instance.run("plan", "sales").output


def test_created_records_are_told_and_stay(sent: Any) -> None:
    """An undo deletes nothing."""
    instance, first, _ = sent
    said = instance.run("undo", first).output
    assert "made by it; they are not deleted" in said
    assert instance.json("undo", first)["created"][0]["object"] == "lead"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["none"], 1, "`gateway undo` lists"),
        (["--go"], 2, "name the push"),
        (["none", "--release"], 1, "nothing of push 'none' is held"),
        (["none", "--release", "--go"], 2, "one of them"),
    ],
)
def test_what_cannot_be_undone_says_why(filled: Any, arguments: list[str], code: int, words: str) -> None:
    """Unknown pushes, and orders that make no sense."""
    assert words in filled.run("undo", *arguments, code=code).output
