"""A draft tried on a stored history: the command, and that it leaves no trace."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from disk_instance import ANN, BOB, CY, FIRM, Instance

from gateway.accounts import users
from gateway.answers import outlook
from gateway.answers.simulation import simulation_json
from gateway.committee import proposing, simulating
from gateway.opening import open_gateway
from gateway.store.database import write


def day(ago: int) -> str:
    return (datetime.now(UTC) - timedelta(days=ago)).replace(tzinfo=None).isoformat(timespec="seconds")


@pytest.fixture
def looked(tmp_path: Path, gateway_tables: Path) -> Instance:
    """Ann (60 of fit) came 20 days ago; Bob looked at five pages in the last days; a rival is handed to nobody."""
    pytest.importorskip("gateway_files")
    instance = Instance(tmp_path / "instance", gateway_tables)
    pages = [BOB | {"at": day(9 - number), "page": f"/{number}"} for number in range(5)]
    rows = [
        FIRM,
        ANN | {"at": day(20)},
        CY | {"at": day(20)},
        *pages,
        BOB | {"at": day(1), "status": "Won", "page": ""},
    ]
    instance.bring(rows, history=True)
    return instance


def lower(instance: Instance) -> None:
    """A draft that hands over from 35 points on."""
    folder = instance.root / "drafts"
    folder.mkdir()
    text = (instance.root / "journey.yaml").read_text().replace("score: 50", "score: 35")
    (folder / "lower.yaml").write_text(text)


def rows(instance: Instance) -> list[Any]:
    with sqlite3.connect(instance.root / "var" / "gateway.db") as database:
        names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = [(name, database.execute(f"SELECT * FROM {name} ORDER BY 1").fetchall()) for name in sorted(names)]
    database.close()
    return found


def test_who_would_cross_is_told_by_name_week_and_win(looked: Instance) -> None:
    """Ann under both, Bob under the draft alone, at his fourth page and before he was won; the rival under none."""
    lower(looked)
    looked.run("status")
    before = rows(looked)
    told = looked.json("model", "simulate", "lower")
    assert rows(looked) == before
    assert (told["live"]["crossed"], told["draft"]["crossed"], told["both"]) == (1, 2, 1)
    assert (told["wins"], told["wins_caught"], told["wins_missed"]) == (1, 1, 0)
    [bob] = told["examples"]["gained"]
    assert (bob["who"], bob["at"][:10], bob["live"]) == ("bob@two.example", day(6)[:10], bob["draft"])
    assert told["examples"]["wins caught"][0]["lead"] == bob["lead"]
    assert sum(week["draft"] for week in told["weeks"]) == 2
    assert told["changes"] == {"journey.yaml": ["mql: score 50 → 35"]}
    said = looked.run("model", "simulate", "lower").stdout
    assert "1 lead crosses that did not, 0 no longer do" in said
    assert "bob@two.example" in said


def test_a_time_that_begins_later_forgets_who_crossed_before(looked: Instance) -> None:
    """They stood over the threshold when it began."""
    lower(looked)
    told = looked.json("model", "simulate", "lower", "--since", day(3))
    assert (told["draft"]["crossed"], told["draft"]["stand_now"], told["wins_caught"]) == (0, 2, 1)
    assert "nothing to replay" in looked.run("model", "simulate", "lower", "--since", "2100-01-01", code=1).stderr


def test_several_processes_find_the_same(looked: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each reads parts of the leads by a connection of its own."""
    monkeypatch.setattr(simulating, "PART", 1)
    gateway = open_gateway(looked.root)
    since = datetime.now(UTC) - timedelta(days=90)
    files = {**gateway.instance.files}
    told = []
    found = [simulating.simulate(gateway, files, since, lambda *far: told.append(far), n) for n in (1, 2)]
    one, two = ({**simulation_json(gateway, each), "until": ""} for each in found)
    gateway.close()
    assert one == two
    assert one["gained"] == one["dropped"] == 0
    assert told[-1] == (3, 3)


def test_a_draft_that_scores_nobody_is_refused(looked: Instance) -> None:
    """With what is missing."""
    looked.write("drafts/none.yaml", "stages: [{name: target}, {name: won, entry: {outcome: [won]}}]\n")
    assert "the draft has no stage that a score enters" in looked.run("model", "simulate", "none", code=1).stderr


def test_a_roll_up_is_what_it_was_on_each_day(tmp_path: Path, gateway_tables: Path) -> None:
    """Dan, who does nothing, crosses on the day on which a second colleague did something; where the draft counts
    others, he does not."""
    pytest.importorskip("gateway_files")
    instance = Instance(tmp_path / "instance", gateway_tables)
    clerk = {"title": "Intern", "firm": "f1"}
    dan = clerk | {"id": "7", "at": day(30), "email": "dan@one.example"}
    eve = clerk | {"id": "8", "at": day(12), "email": "eve@one.example", "page": "/a"}
    fay = clerk | {"id": "9", "at": day(8), "email": "fay@one.example", "page": "/b"}
    instance.bring([FIRM, dan, eve, fay], history=True)
    rule = "fit:\n  - {name: Several, when: {company.engaged_leads: {at_least: 2}}, points: 20}\n"
    scoring = (instance.root / "scoring.yaml").read_text().replace("fit:\n", rule, 1)
    journey = (instance.root / "journey.yaml").read_text().replace("score: 50", "score: 35")
    instance.write("drafts/several/scoring.yaml", scoring)
    instance.write("drafts/several/journey.yaml", journey)
    told = instance.json("model", "simulate", "several")
    gained = {one["who"]: one["at"][:10] for one in told["examples"]["gained"]}
    assert gained == {f"{name}@one.example": day(8)[:10] for name in ("dan", "eve", "fay")}
    assert told["not_replayed"] == []
    chiefs = "rollups: {engaged_leads: {when: {title: {contains: chief}}}}\n"
    instance.write("drafts/several/journey.yaml", journey + chiefs)
    assert instance.json("model", "simulate", "several")["gained"] == 0
    instance.write("drafts/several/journey.yaml", journey + "rollups: {engaged_leads: {window: 3d}}\n")
    assert instance.json("model", "simulate", "several")["gained"] == 0  # never two within three days


def test_an_overlay_says_what_it_changed(looked: Instance) -> None:
    """Bob came to sales by the days on which pages counted double; planned, running and over are told apart."""
    ten, far = day(10)[:10], (datetime.now(UTC) + timedelta(days=9)).date()
    lines = f"""
overlays:
  - {{name: Fair, rule: Viewed a page, factor: 1.5, from: {ten}, to: {far}, owner: Mo}}
  - {{name: Winter, rule: [Software], factor: 2, from: 2100-01-01}}
  - {{name: Spring, rule: [Software], factor: 2, to: 2020-01-01}}
"""
    scoring = (looked.root / "scoring.yaml").read_text()
    looked.write("scoring.yaml", scoring.replace("cap: 40", "cap: 60") + lines)
    looked.edit("journey.yaml", "score: 50", "score: 38")
    looked.edit("scoring.yaml", "maximum: {fit: 60, behaviour: 40}", "maximum: {fit: 60, behaviour: 60}")
    looked.run("status")
    listed = looked.json("model", "overlays")["overlays"]
    assert [(one["name"], one["state"], one["owner"]) for one in listed] == [
        ("Fair", "running", "Mo"),
        ("Winter", "planned", ""),
        ("Spring", "over", ""),
    ]
    told = looked.json("model", "overlays", "Fair")
    assert (told["with"], told["without"], told["brought"], told["kept_back"]) == (1, 0, 1, 0)
    assert told["examples"]["brought"][0]["who"] == "bob@two.example"
    assert "1 by it alone" in looked.run("model", "overlays", "Fair").stdout
    assert "Winter has not begun" in looked.run("model", "overlays", "Winter", code=1).stderr
    assert "did you mean 'Fair'?" in looked.run("model", "overlays", "Fare", code=1).stderr


def test_an_overlay_of_another_score_is_tried_by_its_stage(looked: Instance) -> None:
    """Bob came by it alone; of two of one name it must be said which."""
    growth = (
        "maximum: {fit: 60, behaviour: 60}\nfit: [{name: Any, when: {email: {known: true}}, points: 5}]\n"
        "behaviour: [{name: Viewed a page, activity: page_view, points: 10}]\n"
        f"overlays: [{{name: Fair, rule: Viewed a page, factor: 1.5, from: {day(10)[:10]}, owner: Mo}}]\n"
    )
    looked.write("scores/growth.yaml", growth)
    looked.edit(
        "journey.yaml", "- {name: won", "- {name: grown, shared: mql, entry: {score: 40, of: growth}}\n  - {name: won"
    )
    looked.run("status")
    assert [(one["name"], one["score"]) for one in looked.json("model", "overlays")["overlays"]] == [("Fair", "growth")]
    assert looked.json("model", "overlays", "--score", "lead")["overlays"] == []
    told = looked.json("model", "overlays", "Fair")
    assert (told["score"], told["brought"], told["kept_back"]) == ("growth", 1, 0)
    held = section(pack(looked), "overlays")
    assert held["sentence"] == "1 overlay held in the period; growth: Fair brought 1 lead by itself."
    text = (looked.root / "scoring.yaml").read_text()
    looked.write("scoring.yaml", text + growth.splitlines()[-1] + "\n")
    assert (
        "several scores have an overlay 'Fair': lead, growth" in looked.run("model", "overlays", "Fair", code=1).stderr
    )
    assert looked.json("model", "overlays", "Fair", "--score", "lead")["score"] == "lead"


def test_the_pack_tells_what_overlays_changed_and_what_drafts_would_have_done(
    looked: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bob came by an overlay and would not by the draft; his name is in the page, not in what is kept."""
    assert section(pack(looked), "proposed")["sentence"] == "Nothing is proposed."
    assert section(pack(looked), "overlays")["sentence"] == "No overlay held in the period."
    assert "Too few leads to say" in section(pack(looked), "drift")["sentence"]
    fair = f"overlays: [{{name: Fair, rule: Viewed a page, factor: 1.5, from: {day(10)[:10]}, owner: Mo}}]\n"
    text = (looked.root / "scoring.yaml").read_text().replace("cap: 40", "cap: 60")
    looked.write("scoring.yaml", text.replace("behaviour: 40}\nbands", "behaviour: 60}\nbands") + fair)
    looked.edit("journey.yaml", "score: 50", "score: 38")
    looked.edit("gateway.yaml", "instance:", "approval: off\ninstance:")
    looked.run("status")
    looked.edit("gateway.yaml", "approval: off", "approval: two-key")
    looked.run("status")
    with closing(open_gateway(looked.root)) as gateway:
        with write(gateway.store.main) as connection:
            mo = users.add(connection, "mo@one.example", "Mo", "marketing", "", 0, "test")
        draft = {"journey.yaml": gateway.instance.files["journey.yaml"].replace("score: 38", "score: 90")}
        proposing.propose(gateway, mo, "strict", draft, "sales drown")
        assert outlook._scores_of({"journey.yaml": [], "scores/growth.yaml": []}) == ["", "growth"]
        assert outlook._scores_of({"scores/growth.yaml": []}) == ["growth"]
    told = pack(looked)
    overlays, proposed = section(told, "overlays"), section(told, "proposed")
    assert overlays["sentence"] == "1 overlay held in the period; Fair brought 1 lead by itself."
    assert proposed["sentence"] == (
        "1 draft waits: strict would have brought 0 leads to sales in 90 days instead of 2."
    )
    assert proposed["data"]["drafts"][0]["changes"] == {"journey.yaml": ["mql: score 38 → 90"]}
    assert "bob@two.example" not in json.dumps(told)
    page = looked.root / "review.html"
    looked.run("review", "--period", this_year(), "--html", str(page))
    assert page.read_text(encoding="utf-8").count("bob@two.example") == 3
    # A day has not gone by: nothing is replayed again.
    monkeypatch.setattr(simulating, "_worked", None)
    assert section(pack(looked), "proposed")["data"] == proposed["data"]


def this_year() -> str:
    return str(datetime.now(UTC).year)


def pack(instance: Instance) -> Any:
    return instance.json("review", "--period", this_year())


def section(told: Any, name: str) -> Any:
    return next(one for one in told["sections"] if one["name"] == name)
