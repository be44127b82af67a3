"""Learning at the desk: what past leads say, with its reasons, opened as a draft."""

from __future__ import annotations

import random
import subprocess
from html import unescape
from typing import Any

import pytest
from click.testing import CliRunner
from disk_instance import Instance

from gateway.accounts import audit
from gateway.cli.main import cli
from gateway.web.desk import apart
from gateway.web.desk.page import NAME


@pytest.fixture
def past(company: Instance, monkeypatch: pytest.MonkeyPatch) -> Instance:
    """Before the desk is opened: chiefs are won most."""
    chance, rows = random.Random(1), []
    for n in range(120):
        chief = chance.random() < 0.4
        good = chance.random() < (0.7 if chief else 0.15)
        day = f"2026-{1 + n // 28:02}-{1 + n % 28:02}"
        who = {"id": f"p{n}", "email": f"p{n}@past.example", "title": "Chief Financial Officer" if chief else "Intern"}
        rows += [who | {"at": f"{day}T08:00:00"}]
        rows += [who | {"at": f"{day}T20:00:00", "status": "Won" if good else "Rejected"}]
    company.bring(rows, "past.csv", history=True)
    company.edit("gateway.yaml", "instance:", "approval: two-key\ninstance:")

    def run(command: list[str], **options: Any) -> Any:
        ended = CliRunner().invoke(cli, ["-C", str(company.root), *command[5:]])
        return subprocess.CompletedProcess(command, ended.exit_code, ended.stdout, ended.stderr)

    monkeypatch.setattr(apart.subprocess, "run", run)
    monkeypatch.setattr("gateway.web.desk.beside.WAIT", 60.0)
    return company


def test_what_past_leads_say_is_opened_as_a_draft(past: Instance, app: Any, desk: Any) -> None:
    """Each value with its estimate, interval, cases, lift and sentence; the points first, then thresholds by them."""
    marketing = desk("marketing")
    assert "What past leads say" in marketing.get("/model/versions")
    marketing.get("/model/learned")
    page = unescape(marketing.post("/model/learned", per_week="5", weeks="2000"))
    assert "learned points" in page
    assert "of 100 resamples of the newest leads" in page  # whether that is more than chance
    assert 'name="per_week" inputmode="decimal" size="6" value="5"' in page  # learning again asks the same
    assert "Thresholds by these points" in page
    assert "Open as a draft of journey.yaml" in page
    text = page.split('<textarea name="text" hidden>')[1].split("</textarea>")[0]
    seen = unescape(marketing.post("/model/drafts/new", look="1", file="scoring.yaml", text=text))
    assert marketing.status == 200
    assert "What it changes" in seen
    marketing.post("/model/drafts/new", file="scoring.yaml", text=text, reason="what the past says")
    assert "Waits for the key" in marketing.text
    with app.extensions[NAME].looking() as connection:
        assert "model learned from past leads" in [one["what"] for one in audit.entries(connection, 20)]


@pytest.fixture
def growing(past: Instance) -> Instance:
    past.edit("gateway.yaml", "approval: two-key\n", "")
    past.write("scores/growth.yaml", "fit:\n  - {name: Boss, when: {title: {contains: chief}}, points: 60}\n")
    return past


def test_another_score_is_learned_by_its_name(growing: Instance, desk: Any) -> None:
    """Its draft is its own file; what was learned of the one is not shown for the other."""
    marketing = desk("marketing")
    assert 'href="/model/learned?score=growth"' in marketing.get("/model/learned")
    page = unescape(marketing.get("/model/learned?score=growth"))
    assert "not only those that growth brought to sales" in page
    page = unescape(marketing.post("/model/learned?score=growth", per_week="5", weeks="2000"))
    assert "there are no won and no lost leads yet" in page
    page = unescape(marketing.post("/model/learned?score=growth", per_week="5", weeks="2000", any_end="1"))
    assert "Open as a draft of scores/growth.yaml" in page
    assert "no stage of journey.yaml is entered by growth" in page
    assert "How good it is" not in marketing.get("/model/learned")


def test_what_cannot_be_learned_is_said(past: Instance, desk: Any) -> None:
    marketing = desk("marketing")
    marketing.get("/model/learned")
    assert "a number of leads or weeks is asked for" in marketing.post("/model/learned", per_week="many")
    page = unescape(marketing.post("/model/learned", order_by="nothing"))
    assert "nothing" in page.split('role="alert">')[1]
