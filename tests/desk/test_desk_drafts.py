"""Drafts of the model at the desk: made, tried, compared, approved by both teams; and the versions that were in use."""

from __future__ import annotations

import re
import time
from datetime import datetime, timedelta
from html import unescape
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from disk_instance import Instance

from gateway.accounts import audit
from gateway.engine import errands
from gateway.store import jobs
from gateway.store.database import write
from gateway.store.times import utc_now
from gateway.times import to_micros
from gateway.web.desk.page import NAME


@pytest.fixture
def approving(company: Instance) -> None:
    """Two keys, before the desk is opened."""
    company.edit("gateway.yaml", "instance:", "approval: two-key\ninstance:")


def replayed(browser: Any, path: str) -> str:
    """The page of a draft, once the process that replays it has ended."""
    until = time.monotonic() + 120
    while "It is tried on what happened" in browser.get(path):
        assert time.monotonic() < until
        time.sleep(0.2)
    return unescape(browser.text)


def fields_of(page: str) -> dict[str, str]:
    """What a browser would send of the form of a file, but for its buttons."""
    form = page.partition('class="sheet draft"')[2].partition("</form>")[0]
    found = re.findall(r'<input (?:type="[a-z]+" )?name="([^"]+)"[^>]*? value="([^"]*)"', form)
    text = re.findall(r'<textarea name="text"[^>]*>(.*?)</textarea>', form, re.DOTALL)
    named = {unescape(name): unescape(value) for name, value in found if name != "csrf_token"}
    return named | dict.fromkeys(["text"] * len(text), unescape("".join(text)))


def test_a_draft_is_made_tried_and_approved_by_both_teams(
    approving: None, app: Any, desk: Any, company: Instance
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

    marketing.post(f"{path}/try", back=path)
    assert "leads would have come to mql under the draft" in replayed(marketing, path)

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
    assert "job: simulate" in whats


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
    seen = marketing.post("/model/drafts/new", look="1", **{**given, key: "many"})
    assert "It does not fit yet" in seen
    assert "scoring.yaml:" in seen.partition("It does not fit yet")[2].partition("</div>")[0]
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
    assert "It does not fit yet" in marketing.text
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


def path_of(browser: Any) -> str:
    """Where the draft is whose page the browser shows."""
    return "/model/drafts/" + re.findall(r"/model/drafts/([0-9a-f]{32})/(?:try|stop|write)", browser.text)[0]


def test_a_draft_holds_any_files_and_is_proposed_as_a_whole(
    approving: None, app: Any, desk: Any, company: Instance
) -> None:
    """Points, then the threshold: one page says what both change, one key of each team brings both to life."""
    marketing, sales = desk("marketing"), desk("sales")
    given = fields_of(marketing.get("/model/drafts/new?file=scoring.yaml"))
    key = next(name for name, value in given.items() if name.endswith('"points"]') and value == "40")
    marketing.post("/model/drafts/new", **given | {key: "35"}, open="journey.yaml")
    path = path_of(marketing)
    given = fields_of(marketing.text)
    assert given["file"] == "journey.yaml"
    assert "scoring.yaml (changed)" in marketing.text
    needed = [name for name, value in given.items() if name.startswith("threshold-") and value]
    seen = unescape(
        marketing.post(f"{path}/write", **given | dict.fromkeys(needed, "77") | {"reason": "fewer, better"}, look="1")
    )
    assert "40 → 35" in seen
    assert "→ 77" in seen
    assert 'value="fewer, better"' in seen
    assert path in marketing.get("/model/versions")
    assert "Propose" not in sales.get("/model/versions").partition("What was in use")[0].partition("None waits")[0]
    seen = sales.get(f"{path}?file=scoring.yaml")
    assert "40 → 35" in unescape(seen)
    given = fields_of(sales.text)
    assert key not in {name for name, value in given.items() if value == "40"}
    sales.post(f"{path}/approve", reason="go", back=path)
    assert "still worked on" in sales.text
    marketing.get(path)
    marketing.post(f"{path}/write", **fields_of(marketing.text) | {"reason": "fewer, better"})
    assert "Waits for the key of marketing and sales" in marketing.text
    assert path_of(marketing) == path
    marketing.post(f"{path}/write", **given, look="1")
    assert marketing.status == 409
    assert "cannot be changed any more" in marketing.text
    for browser in (marketing, sales):
        browser.get(path)
        browser.post(f"{path}/approve", reason="as agreed", back=path)
    shown = company.json("model", "export", "live")["files"]
    assert "points: 35" in shown["scoring.yaml"]
    assert "77" in shown["journey.yaml"]
    assert "reasons:" in shown["journey.yaml"]
    with app.extensions[NAME].looking() as connection:
        whats = [one["what"] for one in audit.entries(connection, 20)]
    assert ("model draft begun" in whats, "model draft changed" in whats) == (True, True)


def test_a_trial_is_told_to_be_of_an_older_text(approving: None, desk: Any, company: Instance) -> None:
    """It is tried before anybody proposes it, and kept with the draft; an edit after it is said."""
    marketing = desk("marketing")
    given = fields_of(marketing.get("/model/drafts/new?file=journey.yaml"))
    needed = [name for name, value in given.items() if name.startswith("threshold-") and value]
    marketing.post("/model/drafts/new", **{"try": "1", **given, **dict.fromkeys(needed, "5")})
    path = path_of(marketing)
    seen = replayed(marketing, path)
    assert "leads would have come to mql under the draft" in seen
    assert "of an older text" not in seen
    given = fields_of(seen) | dict.fromkeys(needed, "6")
    seen = unescape(marketing.post(f"{path}/write", **given, look="1"))
    assert "leads would have come to mql under the draft" in seen
    assert "This is of an older text" in seen
    viewer = desk("viewer").get(path)
    assert "This is of an older text" in viewer
    assert "<textarea" not in viewer
    marketing.post(f"{path}/discard")
    assert "The draft is thrown away." in marketing.text
    marketing.get(path)
    assert marketing.status == 404


def test_two_who_change_one_file_of_a_draft_hear_of_each_other(approving: None, desk: Any, company: Instance) -> None:
    """Different files of it are no conflict."""
    marketing, sales = desk("marketing"), desk("sales")
    given = fields_of(marketing.get("/model/drafts/new?file=scoring.yaml"))
    marketing.post("/model/drafts/new", **given | {"text": given["text"].replace("points: 40", "points: 35")}, look="1")
    path = path_of(marketing)
    mine = fields_of(marketing.get(f"{path}?file=scoring.yaml"))
    journey = fields_of(sales.get(f"{path}?file=journey.yaml"))
    needed = [name for name, value in journey.items() if name.startswith("threshold-") and value]
    sales.post(f"{path}/write", **journey | dict.fromkeys(needed, "66"), look="1")
    theirs = fields_of(sales.get(f"{path}?file=scoring.yaml"))
    points = next(name for name, value in theirs.items() if name.endswith('"points"]') and value == "35")
    sales.post(f"{path}/write", **theirs | {points: "31"}, look="1")
    marketing.post(f"{path}/write", **mine | {points: "32"}, look="1")
    assert marketing.status == 409
    assert "somebody else changed scoring.yaml in this draft meanwhile" in marketing.text
    marketing.post(f"{path}/write", **fields_of(marketing.text), look="1")
    assert "40 → 32" in unescape(marketing.text)
    assert "→ 66" in unescape(marketing.text)
    marketing.post(f"{path}/write", file="scoring.yaml", back="1")
    assert "40 →" not in unescape(marketing.text)
    assert "→ 66" in unescape(marketing.text)


def test_a_live_model_that_moved_meanwhile_is_told(approving: None, desk: Any, company: Instance) -> None:
    """What would be undone by the draft is said before it can be proposed unseen."""
    marketing, admin = desk("marketing"), desk("admin")
    given = fields_of(marketing.get("/model/drafts/new?file=scoring.yaml"))
    text = given["text"]
    marketing.post("/model/drafts/new", **given | {"text": text.replace("points: 40", "points: 35")}, look="1")
    mine = path_of(marketing)
    kept = fields_of(marketing.text)
    other = fields_of(admin.get("/model/drafts/new?file=scoring.yaml"))
    admin.post("/model/drafts/new", **other | {"text": text.replace("great: 70", "great: 91"), "reason": "now"})
    theirs = path_of(admin)
    admin.post(f"{theirs}/override", reason="now", sure="1", back=theirs)
    assert "It is live by your emergency override" in admin.text
    marketing.post(f"{mine}/write", **kept | {"reason": "less"})
    assert "It is not proposed: the live model changed" in marketing.text
    assert "The live model has changed since: scoring.yaml" in marketing.text
    marketing.post(f"{mine}/write", **fields_of(marketing.text), look="1")
    assert "The live model has changed since" not in marketing.text


def test_a_trial_under_way_shows_how_far_it_is_and_is_stopped_by_who_may_decide(
    approving: None, app: Any, desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its work is a job; people who may not operate the gateway stop it on the draft's own page."""
    begun: list[Any] = []

    def start(engine: Any, root: Any, what: str, subject: str, by: str, *command: Any) -> str:
        begun.append((what, command[0]))
        with write(engine) as connection:
            row = {"id": "a" * 32, "what": what, "subject": subject, "by": by, "total": 8000, "done": 4000}
            jobs.begin(connection, row, to_micros(utc_now()))
        return "a" * 32

    monkeypatch.setattr(errands, "start", start)
    marketing, sales = desk("marketing"), desk("sales")
    given = fields_of(marketing.get("/model/drafts/new?file=scoring.yaml"))
    marketing.post(
        "/model/drafts/new", **{"try": "1", **given, "text": given["text"].replace("points: 40", "points: 3")}
    )
    path = path_of(marketing)
    assert begun == [("simulate", ["model", "simulate", path.rsplit("/", 1)[-1], "--keep"])]
    assert '<progress aria-labelledby="trial" max="8000" value="4000">' in marketing.text
    assert "4,000 leads of 8,000" in marketing.text
    assert "Try it" not in marketing.text.partition("What it would have done")[2].partition("</section>")[0]
    sales.get(path)
    sales.post(f"{path}/stop", back=path)
    assert "It is asked to stop by sales@one.example" in sales.text
    with write(app.extensions[NAME].gateway.store.main) as connection:
        jobs.end(connection, "a" * 32, to_micros(utc_now()), "stopped")
    assert "was stopped by sales@one.example; nothing of it is kept" in marketing.get(path)
    assert "Try it" in marketing.text


def test_what_was_learned_opens_as_one_draft_of_points_and_thresholds(
    approving: None, desk: Any, company: Instance
) -> None:
    """Texts that come beside that of the form are kept with it."""
    marketing = desk("marketing")
    marketing.get("/model/versions")
    scoring, journey = ((company.root / name).read_text() for name in ("scoring.yaml", "journey.yaml"))
    marketing.get("/model/drafts/new?file=scoring.yaml")
    texts = {"text": scoring.replace("points: 40", "points: 35"), "more journey.yaml": journey + "capacity: {day: 7}\n"}
    marketing.post("/model/drafts/new", file="scoring.yaml", look="1", **texts)
    changes = unescape(marketing.text).partition("What it changes")[2].partition("What it would have done")[0]
    assert "40 → 35" in changes
    assert "capacity" in changes
