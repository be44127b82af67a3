"""A file is brought by the browser or by a call: kept from others, taken in by a command, then removed."""

from __future__ import annotations

import io
import os
import time
from pathlib import Path
from typing import Any

import pytest
from disk_instance import ANN, Instance
from werkzeug.datastructures import FileStorage
from werkzeug.test import stream_encode_multipart

from gateway import jobs
from gateway.accounts import audit
from gateway.engine import errands
from gateway.errors import Refused
from gateway.store import jobs as stored
from gateway.store.database import write
from gateway.web import uploads
from gateway.web.desk.page import NAME, real_now


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Those that were begun."""
    found: list[tuple[str, ...]] = []

    def start(engine: Any, root: Any, what: str, subject: str, by: str, arguments: Any, seconds: Any = None) -> str:
        found.append((what, subject, by, *arguments))
        return "a" * 32

    monkeypatch.setattr(errands, "start", start)
    return found


def newcomers(company: Instance, count: int) -> bytes:
    rows = [ANN | {"id": f"n{n}", "email": f"new{n}@five.example", "last": "x" * 100} for n in range(count)]
    return company.csv("new.csv", rows).read_bytes()


def test_a_file_is_chosen_at_the_desk_and_taken_in(desk: Any, company: Instance, commands: Any) -> None:
    """Larger than any other form may be, and under a name that means no other folder."""
    body = newcomers(company, 9000)
    assert len(body) > 1 << 20
    browser = desk("admin")
    assert "Import a file" in browser.get("/systems/leads")
    given = {"history": "1", "back": "/systems/leads"}
    browser.post("/systems/leads/import", file=(io.BytesIO(body), "../../new leads.csv"), **given)
    assert "<h1>Long work</h1>" in browser.text
    [(what, subject, by, *arguments)] = commands
    assert (what, subject, by) == ("import", "new_leads.csv → leads", "admin@one.example")
    kept = Path(arguments[1])
    assert (kept.parents[2], kept.read_bytes()) == (company.root / "var", body)
    assert kept.stat().st_mode & 0o077 == 0
    told = company.json(*arguments)
    assert (told["leads_new"], told["history"]) == (9000, True)
    assert not kept.exists()


def test_a_program_sends_the_file_as_it_is(program: Any, company: Instance, commands: Any) -> None:
    """The same bytes again have the same path: an import that was stopped goes on."""
    caller, body = program("admin"), newcomers(company, 3)
    for _ in range(2):
        path = "/api/v1/systems/leads/import?file=new.csv"
        found = caller.client.post(
            path, data=body, headers=caller.headers | {"Content-Type": "application/octet-stream"}
        )
        assert (found.status_code, found.json) == (200, {"job": "a" * 32})
    first, second = ([*one[3:]] for one in commands)
    assert first == second
    assert "--history" not in first
    assert company.json(*first)["leads_new"] == 3


def test_who_does_not_choose_a_file_or_is_not_logged_in_is_told(desk: Any, company: Instance, commands: Any) -> None:
    browser = desk("admin")
    browser.get("/systems/leads")
    assert "choose a file" in browser.post("/systems/leads/import", back="/systems/leads")
    empty = (io.BytesIO(b""), "none.csv")
    assert "there is nothing in this one" in browser.post("/systems/leads/import", file=empty, back="/systems/leads")
    browser.post("/systems/other/import", file=(io.BytesIO(b"x"), "x.csv"))
    assert browser.status == 404
    large = {"file": FileStorage(io.BytesIO(b"x" * (2 << 20)), "x.csv")}
    sent, _, boundary = stream_encode_multipart(large, use_tempfile=False)  # nobody would close the file
    kind = f"multipart/form-data; boundary={boundary}"
    stranger = desk().client.post("/systems/leads/import", data=sent.read(), content_type=kind, follow_redirects=True)
    assert 'value="/systems/leads"' in stranger.text  # the login goes back to the page where the file is chosen
    assert commands == []


def test_what_is_too_large_or_left_behind_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "LARGEST", 10)
    with pytest.raises(Refused, match="larger than"):
        uploads.keep(tmp_path, "leads", "a.csv", io.BytesIO(b"x" * 11))
    assert list((tmp_path / "uploads").iterdir()) == []
    old = uploads.keep(tmp_path, "leads", "a.csv", io.BytesIO(b"old"))
    for one in (old, old.parent):
        os.utime(one, (0, time.time() - uploads.LEFT - 60))
    new = uploads.keep(tmp_path, "leads", "a.csv", io.BytesIO(b"new"))
    assert (old.exists(), new.read_bytes()) == (False, b"new")


def test_refused_lines_are_named_and_can_be_had_as_they_came(
    app: Any, desk: Any, program: Any, company: Instance, commands: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By line and reason in what the job said; the lines themselves for who may see documents, for a day."""
    job, header = "b" * 32, "id,at,email,employees\n"
    monkeypatch.setenv(jobs.GIVEN, f"{job}:{os.getppid()}")
    short, nobody = "4,2026-01-05T09:00:00,d@one.example\n", ",2026-01-05T09:00:00,n@one.example,8\n"
    wide = '6,"not a\ntime",f@one.example,8\n'
    body = (
        f"{header}1,2026-01-05T09:00:00,a@one.example,8\n{nobody}{short}{wide}5,2026-01-05T09:00:00,e@one.example,8\n"
    )
    caller = program("admin")
    sent = caller.client.post("/api/v1/systems/leads/import?file=new.csv", data=body.encode(), headers=caller.headers)
    assert sent.status_code == 200
    told = company.json(*commands[0][3:])
    assert {one["line"]: one["reason"] for one in told["refused"]} == {
        3: "contact without id: id: the record's id is missing",
        4: "3 columns instead of 4",
        5: "contact 6: at: not an ISO 8601 time: text of 10 characters",
    }
    store = app.extensions[NAME].gateway.store.main
    with write(store) as connection:
        stored.begin(connection, {"id": job, "what": "import", "subject": "new.csv", "by": "kim"}, real_now())
        stored.say(connection, job, "refused  line 3")
    assert caller.get(f"/jobs/{job}")["refused"] is True
    had = caller.client.get(f"/api/v1/jobs/{job}/refused", headers=caller.headers, buffered=True)
    assert had.text == header + nobody + short + wide
    browser = desk("admin")
    assert f"/jobs/{job}/refused" in browser.get("/jobs")
    assert browser.client.get(f"/jobs/{job}/refused", buffered=True).text == had.text
    looked = [one for one in _entries(app) if one["what"] == "import: refused lines looked into"]
    assert [one["subject"] for one in looked] == [job, job]
    kept = company.root / "var" / "uploads" / "refused" / f"{job}.csv"
    assert kept.stat().st_mode & 0o077 == 0
    os.utime(kept, (time.time() - uploads.LEFT - 1,) * 2)
    assert caller.get(f"/jobs/{job}")["refused"] is False
    caller.get(f"/jobs/{job}/refused", 404)
    assert not kept.exists()


def _entries(app: Any) -> list[dict[str, Any]]:
    with app.extensions[NAME].looking() as connection:
        return audit.entries(connection, 100)
