"""`gateway model learn` and `gateway model thresholds` on an instance: from stored records to drafts."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import pytest
from disk_instance import Instance

COUNT = 160


def history(seed: int = 1) -> list[dict[str, str]]:
    """Leads that come in, look around and end a week later: software firms' and chiefs are won most. Sales note the
    country with the end."""
    chance = random.Random(seed)
    rows = [
        {"object": "firm", "id": kind, "at": "2025-01-01T09:00:00", "industry": kind} for kind in ("software", "mining")
    ]
    for number in range(COUNT):
        day = f"2026-{1 + number // 28:02}-{1 + number % 28:02}"
        chief, firm = chance.random() < 0.4, chance.choice(["software", "mining"])
        pages = chance.choice([0, 0, 1, 3])
        good = chance.random() < 0.15 + 0.3 * chief + 0.35 * (firm == "software") + 0.05 * pages
        who = {"id": str(number), "first": chance.choice(["Ann", "Bob"]), "firm": firm}
        who |= {"title": "Chief Financial Officer" if chief else "Intern", "employees": str(chance.randrange(1, 900))}
        who |= {"email": f"p{number}@one.example"}
        rows.append(who | {"at": f"{day}T08:00:00"})
        rows += [who | {"at": f"{day}T09:{page:02}:00", "page": "/pricing"} for page in range(pages)]
        end = {"status": "Won" if good else "Rejected", "amount": "10", "country": "DE" if good else "AT"}
        rows.append(who | {"at": f"{day}T20:00:00"} | end)
    return rows


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory, gateway_tables: Path) -> Path:
    """A folder with a past, of which nothing was handed over."""
    pytest.importorskip("gateway_files")
    instance = Instance(tmp_path_factory.mktemp("past") / "instance", gateway_tables)
    instance.bring(history(), history=True)
    return instance.root


@pytest.fixture
def past(imported: Path, tmp_path: Path, gateway_tables: Path) -> Instance:
    shutil.copytree(imported, tmp_path / "instance")
    return Instance(tmp_path / "instance", gateway_tables, given=True)


def test_a_model_is_proposed_from_what_is_stored(past: Instance) -> None:
    """The draft is a scoring.yaml that can be used; what leaked is named by its field; nothing of the store changes."""
    out = past.root / "drafts" / "learned" / "scoring.yaml"
    before = past.json("model", "show")
    said = past.run("model", "learn", "--out", str(out)).stdout
    assert "160 leads with an end, of which " in said
    assert "country (country of leads)" in said
    assert "told only after the lead was judged: 160 of 160 leads" in said
    assert f"{out}: the draft, with a reason for each value; it scores nobody" in said
    told = past.json("model", "learn")
    models = {one["name"]: one for one in told["models"]}
    assert set(models) == {"learned points", "live model", "logistic regression"}
    assert models["learned points"]["auc"] > 0.6
    assert told["draft"] == out.read_text(encoding="utf-8")
    assert told["model"]["levels"]["seniority"]["order"][0] == "c_level"
    assert {one["rule"] for one in told["values"]} >= {"Company's industry", "Title", "Viewed a page"}
    assert {one["name"]: one["why"] for one in told["left_out"]}["country"] == "after"
    assert {one["stage"]: one["before"] for one in told["thresholds"]} == {"mql": 50}
    assert past.json("model", "show") == before
    past.write("scoring.yaml", told["draft"])
    assert "ok: Example" in past.run("check").stdout


def test_a_file_that_is_there_stays_as_it_is(past: Instance) -> None:
    """Not even the scoring.yaml in use is written over."""
    before = (past.root / "scoring.yaml").read_text(encoding="utf-8")
    for command in (["learn"], ["thresholds", "--per-week", "5"]):
        told = past.run("model", *command, "--out", str(past.root / "scoring.yaml"), code=1).stderr
        assert "scoring.yaml: is there already; name another file" in told
    assert (past.root / "scoring.yaml").read_text(encoding="utf-8") == before


def test_what_cannot_be_learned_from_is_said_with_what_to_do(filled: Instance) -> None:
    assert "all 1 leads with an end were won: without lost ones" in filled.run("model", "learn", code=1).stderr
    told = filled.run("model", "learn", "--strategy", "crystal", code=1).stderr
    assert "no installed plugin offers the strategy 'crystal'; there are " in told
    told = filled.run("model", "learn", "--order-by", "country", code=1).stderr
    assert "--order-by country: 1 of 1 leads have no number and no time there" in told
    told = filled.run("model", "thresholds", "--per-week", "5", code=1).stderr
    assert "no lead was won yet, or none lost" in told


def test_values_of_unknown_time_wait_for_somebody_who_trusts_them(instance: Instance) -> None:
    """Without times of its own a file's values are known since it was read: nobody knows whether that was too late."""
    instance.edit("mappings/leads.yaml", "    time: at\n    blank", "    time: received\n    blank")
    instance.bring([row for row in history() if "status" not in row], "first.csv", history=True)
    instance.bring([row for row in history() if "status" in row], "ends.csv", history=True)
    told = instance.json("model", "learn")
    found = {one["name"]: one["why"] for one in told["left_out"]}
    assert (found["title"], found["country"], found["page_view"]) == ("undated", "after", "undated")
    told = instance.json("model", "learn", "--undated")
    found = {one["name"]: one["why"] for one in told["left_out"]}
    assert found.get("title") is None
    assert found["country"] == "after"
    assert {one["rule"] for one in told["values"]} >= {"Title", "Company's industry"}


def test_a_learned_strategy_is_learned_and_judged_the_same_way(past: Instance) -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("gateway_predictive")
    told = past.json("model", "learn", "--strategy", "predictive")
    assert told["models"][0]["name"] == "learned predictive"
    assert told["models"][0]["auc"] > 0.6
    assert "country" not in str(told["model"])
    past.write("scoring.yaml", told["draft"])
    assert "ok: Example" in past.run("check").stdout
    told_ = past.run("model", "learn", "--strategy", "matrix", code=1).stderr
    assert "the strategy 'matrix' does not learn" in told_


def test_a_threshold_fits_what_sales_can_work(past: Instance) -> None:
    """--out changes the numbers of journey.yaml and nothing else; more room lets more in."""
    some = past.json("model", "thresholds", "--per-week", "2", "--weeks", "500")
    assert some["stage"] == "mql"
    assert {one["persona"] for one in some["personas"]} == {"executive", "other"}
    tight: dict[str, Any] = past.json("model", "thresholds", "--per-week", "0.1", "--weeks", "500")
    taken = [sum(one["leads"] for one in told["personas"]) for told in (some, tight)]
    assert 0 < taken[1] <= 0.1 < taken[0] <= 2
    out = past.root / "journey-draft.yaml"
    said = past.run("model", "thresholds", "--per-week", "0.1", "--weeks", "500", "--out", str(out)).stdout
    assert "what it costs to move a threshold:" in said
    proposed = {one["persona"]: one["proposed"] for one in tight["personas"]}
    wanted = f"{{score: {{executive: {proposed['executive']}, other: {proposed['other']}}}}}"
    journey = (past.root / "journey.yaml").read_text(encoding="utf-8")
    assert out.read_text(encoding="utf-8") == journey.replace("{score: 50}", wanted)
    past.write("journey.yaml", out.read_text(encoding="utf-8"))
    assert "ok: Example" in past.run("check").stdout
    again = past.root / "again.yaml"
    past.run("model", "thresholds", "--per-week", "2", "--weeks", "500", "--out", str(again))
    assert [one for one in again.read_text(encoding="utf-8").splitlines() if "mql, shared" in one] != []


def test_thresholds_of_a_draft_are_those_of_its_scores(past: Instance) -> None:
    draft = past.root / "draft.yaml"
    past.run("model", "learn", "--out", str(draft))
    learned = past.json("model", "thresholds", "--per-week", "0.1", "--weeks", "500", "--draft", str(draft))
    live = past.json("model", "thresholds", "--per-week", "0.1", "--weeks", "500")
    won = [sum(one["won"] for one in told["personas"]) / sum(one["leads"] for one in told["personas"])
           for told in (learned, live)]  # fmt: skip
    assert learned["leads"] == live["leads"] == COUNT
    assert won[0] >= won[1] - 0.05
    draft.write_text("fit: []\n", encoding="utf-8")
    broken = past.run("model", "thresholds", "--per-week", "1", "--draft", str(draft), code=2).stderr
    assert "no rules under fit: or behaviour:" in broken


def test_what_thresholds_need_is_asked_for(past: Instance) -> None:
    told = past.run("model", "thresholds", code=1).stderr
    assert "how many leads can sales work in a week? --per-week N says it, or capacity: in journey.yaml" in told
    told = past.run("model", "thresholds", "--per-week", "1", "--stage", "won", code=1).stderr
    assert "no stage 'won' is entered by a score; those are mql" in told
    past.edit("journey.yaml", "never_hand_over", "capacity: {hour: 1, day: 4}\nnever_hand_over")
    assert past.json("model", "thresholds", "--weeks", "500")["per_week"] == 20


def test_another_score_is_learned_from_the_leads_that_it_brought(past: Instance) -> None:
    """Who came to sales another way says nothing of it; without such leads it is said how to learn from all."""
    past.write("scores/growth.yaml", "fit:\n  - {name: Boss, when: {title: {contains: chief}}, points: 60}\n")
    past.edit(
        "journey.yaml", "- {name: won", "- {name: grown, shared: mql, entry: {score: 30, of: growth}}\n  - {name: won"
    )
    refused = past.run("model", "learn", "--score", "growth", code=1).stderr
    assert "there are no won and no lost leads yet" in refused
    assert "the leads that growth brought to sales; --any-end takes all that were won or lost" in refused
    out = past.root / "drafts" / "learned" / "scores" / "growth.yaml"
    told = past.json("model", "learn", "--score", "growth", "--any-end", "--out", str(out))
    assert (told["score"], told["cases"], told["model"]["name"]) == ("growth", COUNT, "growth")
    assert {one["stage"] for one in told["thresholds"]} == {"grown"}
    assert {one["stage"] for one in past.json("model", "learn")["thresholds"]} == {"mql"}
    assert [*past.json("model", "diff", "live", str(past.root / "drafts" / "learned"))["changes"]] == [
        "scores/growth.yaml"
    ]
    room = ("--per-week", "5", "--weeks", "2000")
    found = past.json("model", "thresholds", "--score", "growth", "--any-end", "--draft", str(out), *room)
    assert (found["stage"], found["score"]) == ("grown", "growth")
    assert past.json("model", "thresholds", "--score", "lead", *room)["stage"] == "mql"
    assert "--any-end" in past.run("model", "thresholds", "--stage", "grown", *room, code=1).stderr


def test_what_was_said_before_a_score_brought_a_lead_is_none_of_its_ends(past: Instance) -> None:
    """Chiefs crossed their threshold of it in the middle: of those only what sales said since counts."""
    import sqlite3

    past.write("scores/growth.yaml", "fit:\n  - {name: Boss, when: {title: {contains: chief}}, points: 60}\n")
    past.edit(
        "journey.yaml", "- {name: won", "- {name: grown, shared: mql, entry: {score: 30, of: growth}}\n  - {name: won"
    )
    with sqlite3.connect(past.root / "var" / "gateway.db") as database:
        late = "SELECT lead, max(at) FROM outcomes GROUP BY lead ORDER BY max(at) DESC LIMIT 60"
        rows = database.execute(late).fetchall()
        shape = (
            "INSERT INTO transitions (id, lead, from_stage, stage, at, decided_at, cause, reason, ref, score_name, "
            "scoring, journey) VALUES (hex(randomblob(16)), ?, 'target', 'grown', ?, 0, 'news', 'threshold', '', "
            "'growth', '', '')"
        )
        database.executemany(shape, [(lead, at - 3_600_000_000) for lead, at in rows])
        gone = database.execute(late.replace("60", "80")).fetchall()[60:]
        database.executemany(shape, [(lead, at + 1) for lead, at in gone])
    told = past.json("model", "learn", "--score", "growth")
    assert (told["cases"], told["judged"]["handoff"]) == (60, 60)
