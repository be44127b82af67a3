"""Drafts of the model at the desk: made, tried, compared, approved by both teams; and the versions that were in use."""

from __future__ import annotations

import re
import subprocess
from datetime import datetime, timedelta
from html import unescape
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from disk_instance import Instance

from gateway.accounts import audit
from gateway.store.times import utc_now
from gateway.web.desk import apart
from gateway.web.desk.page import NAME


@pytest.fixture
def approving(company: Instance) -> None:
    """Two keys, before the desk is opened."""
    company.edit("gateway.yaml", "instance:", "approval: two-key\ninstance:")


def test_a_draft_is_made_tried_and_approved_by_both_teams(
    approving: None, app: Any, desk: Any, company: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One rule is worth less; nothing changes before the second key."""
    scoring = (company.root / "scoring.yaml").read_text()
    assert "points: 40" in scoring
    marketing, sales = desk("marketing"), desk("sales")
    assert "points: 40" in marketing.get("/model/drafts/new?file=scoring.yaml")
    marketing.post("/model/drafts/new", file="scoring.yaml", text="fit: [", reason="a slip")
    assert marketing.status == 409
    assert ">fit: [</textarea>" in marketing.text
    assert 'value="a slip"' in marketing.text
    assert "scoring.yaml:1" in marketing.text
    worth_less = scoring.replace("points: 40", "points: 35")
    marketing.post("/model/drafts/new", file="scoring.yaml", text=worth_less, reason="titles say less")
    assert marketing.status == 200
    path = "/model/drafts/" + marketing.text.split("/approve")[0].rsplit("/", 1)[-1]
    assert "40 → 35" in unescape(marketing.text)
    assert "Waits for the key of marketing and sales" in marketing.text

    def run(command: list[str], **options: Any) -> Any:
        return subprocess.CompletedProcess(command, 0, company.run(*command[5:]).output, "")

    monkeypatch.setattr(apart.subprocess, "run", run)
    monkeypatch.setattr("gateway.web.desk.beside.WAIT", 30.0)
    marketing.post(f"{path}/try", back=path)
    assert "leads would have come to mql under the draft" in marketing.text

    for browser, told in (
        (marketing, "Waits for the key of sales"),
        (sales, "live · proposed by marketing@one.example"),
    ):
        browser.get(path)
        browser.post(f"{path}/approve", reason="as agreed", back=path)
        assert told in browser.text
    sales.post(f"{path}/approve", reason="once more", back=path)
    assert "this draft is live" in sales.text
    text = unescape(desk("viewer").get("/model/versions"))
    assert "sales@one.example (sales): as agreed" in text
    assert "40 → 35" in text
    with app.extensions[NAME].looking() as connection:
        whats = [one["what"] for one in audit.entries(connection, 20)]
    assert "model proposed" in whats
    assert "model tried" in whats


def test_numbers_are_changed_in_a_form_and_what_that_means_is_told(
    approving: None, desk: Any, company: Instance
) -> None:
    """The rest of the file, its comments too, stays as it was; a number that is none is said with its line."""
    marketing = desk("marketing")
    page = marketing.get("/model/drafts/new?file=scoring.yaml")
    fields = {unescape(name): value for name, value in re.findall(r'name="(\[[^"]+)" value="([^"]*)"', page)}
    key = next(name for name, value in fields.items() if name.endswith('"points"]') and value == "40")
    text = (company.root / "scoring.yaml").read_text()
    given = {**fields, key: "35", "file": "scoring.yaml", "text": text}
    seen = unescape(marketing.post("/model/drafts/new", look="1", **given))
    assert marketing.status == 200
    assert "40 → 35" in seen
    assert "Nothing is proposed" not in seen
    marketing.post("/model/drafts/new", look="1", **{**given, key: "many"})
    assert marketing.status == 409
    assert "scoring.yaml:" in marketing.text
    marketing.post("/model/drafts/new", reason="titles say less", **given)
    assert "40 → 35" in unescape(marketing.text)
    assert "Waits for the key" in marketing.text


def test_tables_of_the_model_are_forms(approving: None, desk: Any, company: Instance) -> None:
    """An overlay is added, an entry of a level goes up, a threshold moves: told in words, nothing typed is lost."""
    marketing = desk("marketing")
    page = marketing.get("/model/drafts/new?file=scoring.yaml")
    text = (company.root / "scoring.yaml").read_text()
    assert 'name="overlay-0-name"' in page
    fair = {"overlay-0-name": "Fair", "overlay-0-factor": "2", "overlay-0-of": "rule: Viewed a page"}
    given = {"file": "scoring.yaml", "text": text, **fair, "overlay-0-from": "2026-05-01", "reason": "the fair"}
    seen = unescape(marketing.post("/model/drafts/new", move="seniority 1 -1", **given))
    assert "Fair (" in seen
    assert "seniority: order c level, vice president" not in seen
    assert "name: Fair" in seen
    assert re.findall(r'aria-label="(\w+) higher"', seen)[0] == "vice_president"
    journey = {"file": "journey.yaml", "text": (company.root / "journey.yaml").read_text(), "reason": "fewer"}
    page = marketing.get("/model/drafts/new?file=journey.yaml")
    fields = re.findall(r'name="(threshold-[^"]+)" value="([^"]*)"', page)
    assert fields
    marketing.post("/model/drafts/new", **journey, **{name: "77" if value else "" for name, value in fields})
    assert "→ 77" in unescape(marketing.text)
    assert "Waits for the key" in marketing.text


def test_a_draft_is_rejected_with_a_reason_and_withdrawn_by_its_maker(
    approving: None, desk: Any, company: Instance
) -> None:
    scoring = (company.root / "scoring.yaml").read_text()
    marketing, sales = desk("marketing"), desk("sales")
    paths = []
    for points in (35, 30):
        marketing.get("/model/drafts/new?file=scoring.yaml")
        text = scoring.replace("points: 40", f"points: {points}")
        marketing.post("/model/drafts/new", file="scoring.yaml", text=text, reason="less")
        paths.append("/model/drafts/" + marketing.text.split("/approve")[0].rsplit("/", 1)[-1])
    sales.get(paths[0])
    sales.post(f"{paths[0]}/comment", reason="let us look at it again", back=paths[0])
    assert "let us look at it again" in sales.text
    sales.post(f"{paths[0]}/reject", reason="too little", back=paths[0])
    assert "It is rejected." in sales.text
    assert "too little" in sales.text
    sales.post(f"{paths[1]}/withdraw", reason="x", back=paths[1])
    assert "only marketing@one.example can withdraw it" in sales.text
    marketing.get(paths[1])
    marketing.post(f"{paths[1]}/withdraw", reason="for now", back=paths[1])
    assert "It is withdrawn." in marketing.text
    marketing.post(f"{paths[1]}/dance", back=paths[1])
    assert "no such word" in marketing.text


def test_an_override_is_offered_to_admins_alone_and_stays_in_sight(
    approving: None, desk: Any, company: Instance
) -> None:
    """It asks for a reason and for the word that this is an emergency; then every page says how the model came."""
    scoring = (company.root / "scoring.yaml").read_text()
    marketing, admin = desk("marketing"), desk("admin")
    marketing.get("/model/drafts/new?file=scoring.yaml")
    text = scoring.replace("points: 40", "points: 35")
    marketing.post("/model/drafts/new", file="scoring.yaml", text=text, reason="titles say less")
    path = "/model/drafts/" + marketing.text.split("/approve")[0].rsplit("/", 1)[-1]
    assert "Emergency override" not in marketing.text
    marketing.post(f"{path}/override", reason="now", sure="1", back=path)
    assert "an emergency override is an admin" in marketing.text
    assert "without the key of marketing and sales" in admin.get(path)
    admin.post(f"{path}/override", reason="sales drown", back=path)
    assert "say that this is one" in admin.text
    admin.post(f"{path}/override", reason="sales drown", sure="1", back=path)
    assert "It is live by your emergency override" in admin.text
    [said] = re.findall(r'<span class="quiet">admin, ([0-9: -]+)</span>', admin.text)
    at = datetime.fromisoformat(said).replace(tzinfo=ZoneInfo("Europe/Berlin"))
    assert abs(utc_now() - at) < timedelta(minutes=30)
    assert "EMERGENCY OVERRIDE of admin@one.example: sales drown" in admin.get("/leads")


def test_versions_are_compared_and_files_on_disk_are_told(desk: Any, company: Instance) -> None:
    browser = desk("marketing")
    text = browser.get("/model/versions?before=live&after=live")
    assert "They are the same model." in text
    assert "Without approval there are no drafts" in text
    assert "is live, disk, or the beginning" in unescape(browser.get("/model/versions?before=live&after=nothing"))
    browser.get("/model/drafts/new?file=scoring.yaml")
    browser.post("/model/drafts/new", file="scoring.yaml", text="fit: []", reason="x")
    assert "approval is off" in browser.text
    browser.get("/model/drafts/new?file=../gateway.yaml")
    assert browser.status == 404


@pytest.fixture
def weighing(company: Instance) -> None:
    """A model that weighs content, in use before keys are asked for."""
    company.write("content.yaml", "content:\n  - {stage: mql, where: {asset: pricing}}\n")
    scoring = (company.root / "scoring.yaml").read_text()
    company.write("scoring.yaml", scoring + "content_weights: {default: {mql: 1.5}}\n")
    company.run("leads", "list")  # takes the files up


def test_content_and_a_new_score_have_drafts_at_the_desk(
    weighing: None, approving: None, desk: Any, company: Instance
) -> None:
    """Content where it is weighed; another score begins empty. Neither has the tables of others."""
    marketing = desk("marketing")
    assert "edit content.yaml" in marketing.get("/model/versions")
    page = marketing.get("/model/drafts/new?file=content.yaml")
    assert "asset: pricing" in page
    assert "Overlays" not in page
    text = (company.root / "content.yaml").read_text().replace("asset: pricing", "asset: prices")
    marketing.post("/model/drafts/new", file="content.yaml", text=text.replace("mql", "mqll"), look="1")
    assert "no such stage in journey.yaml; did you mean" in unescape(marketing.text)
    marketing.post("/model/drafts/new", file="content.yaml", text=text, look="1")
    assert "pricing" in marketing.text.partition("What it changes")[2].partition("<form")[0]
    marketing.post("/model/drafts/new", file="content.yaml", text=text, reason="pages were renamed")
    assert marketing.status == 200
    assert "Waits for the key of marketing and sales" in marketing.text

    page = marketing.get("/model/drafts/new?file=scores/growth.yaml")
    assert "Propose" in page
    growth = "fit: [{name: Small, ranges: {attribute: employees, points: {'0-99': 60}}}]\n"
    marketing.post("/model/drafts/new", file="scores/growth.yaml", text=growth, reason="a second product")
    assert "Waits for the key of marketing and sales" in marketing.text
    assert "Small" in marketing.text
    marketing.get("/model/drafts/new?file=scores/../gateway.yaml")
    assert marketing.status == 404


def test_content_that_nothing_weighs_has_no_draft(approving: None, desk: Any) -> None:
    """It is free to be edited, so no key is asked for it."""
    assert "edit content.yaml" not in desk("marketing").get("/model/versions")
