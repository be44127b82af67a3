"""A changed model goes live by the API as by the desk: with the keys of both teams."""

from __future__ import annotations

from typing import Any

import pytest
from disk_instance import Instance


@pytest.fixture
def company(company: Instance) -> Instance:
    """With two keys, before the application is opened."""
    company.edit("gateway.yaml", "instance:", "approval: two-key\ninstance:")
    return company


def test_both_teams_turn_their_keys(program: Any, company: Instance) -> None:
    text = (company.root / "scoring.yaml").read_text().replace("points: 40", "points: 35", 1)
    marketing, sales, viewer = program("marketing"), program("sales"), program("viewer")
    said = {"name": "less", "files": {"scoring.yaml": text}, "reason": "titles say less"}
    viewer.post("/model/proposals", 403, **said)
    made = marketing.post("/model/proposals", key="p", **said)
    assert marketing.post("/model/proposals", key="p", **said) == made
    assert "Executive or above 40 → 35" in str(made["changes"])
    path = f"/model/proposals/{made['id']}"
    assert marketing.post(f"{path}/approve", reason="as agreed")["missing"] == ["sales"]
    assert "already" in marketing.post(f"{path}/approve", 409, reason="once more")["errors"][0]
    assert sales.post(f"{path}/approve", reason="as agreed")["state"] == "live"
    found = viewer.get("/model/versions")
    assert (found["approval"], found["drafts"]) == ("two-key", [])
    assert [turn["by"] for turn in found["versions"][0]["turns"]] == ["marketing@one.example", "sales@one.example"]
    entries = program("admin").get("/audit?what=model")["entries"]
    assert {(one["by"], one["token"]) for one in entries} >= {("sales@one.example", "t2")}


@pytest.mark.parametrize(
    ("files", "status", "words"),
    [
        ({"gateway.yaml": "x"}, 422, "gateway.yaml: a draft has scoring.yaml"),
        ({"../scoring.yaml": "x"}, 422, "../scoring.yaml: a draft has"),
        ({"scoring.yaml": "fit: ["}, 409, "scoring.yaml:1"),
        ({}, 409, "nothing in it differs"),
    ],
)
def test_what_cannot_be_proposed(program: Any, files: dict[str, str], status: int, words: str) -> None:
    told = program("sales").post("/model/proposals", status, name="x", files=files, reason="y")
    assert words in told["errors"][0]
