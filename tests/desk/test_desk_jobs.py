"""Long work: told of while it goes on, stopped between two batches, begun again where it stopped; begun at the desk."""

from __future__ import annotations

import time
from typing import Any

import pytest
from disk_instance import ANN, BOB, PEOPLE, Instance
from sqlalchemy import select

from gateway import jobs
from gateway.store import tables as t
from gateway.store.database import open_store, read
from gateway.store.place import Place


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work is worth a row from the start on."""
    monkeypatch.setattr(jobs, "FIRST", 0.0)
    monkeypatch.setattr(jobs, "EVERY", 0.01)


@pytest.fixture
def engine(company: Instance) -> Any:
    opened = open_store(Place(company.root / "var"))
    yield opened.main
    opened.close()


@pytest.fixture
def asked_to_stop(monkeypatch: pytest.MonkeyPatch) -> Any:
    """``asked_to_stop(n)``: somebody asks at once, and is heard when the work tells how far it is the n-th time."""

    def arrange(times: int) -> None:
        told = [0]

        def tell(self: jobs.Job, done: int) -> None:
            told[0] += 1
            self._far = {**self._far, "done": done}
            if told[0] == times:
                while not jobs.rows(self._engine):
                    time.sleep(0.01)
                assert jobs.ask_to_stop(self._engine, self.id, "kim@one.example")
                self._heard.wait(20)
            self.check()

        monkeypatch.setattr(jobs.Job, "tell", tell)

    return arrange


def test_an_import_that_is_stopped_goes_on_where_it_stopped(
    company: Instance, engine: Any, asked_to_stop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was committed stays, nothing is read twice, and the equations hold in between."""
    from gateway_files import source

    monkeypatch.setattr(source, "MAX_RECORDS", 2)
    rows = [{"id": f"n{n}", "at": "2026-03-01T09:00:00", "email": f"n{n}@new.example"} for n in range(6)]
    path = company.csv("many.csv", rows)
    asked_to_stop(1)
    stopped = company.run("import", str(path), "--system", "leads", code=1)
    assert "stopped by kim@one.example" in stopped.output
    assert "stopped by kim@one.example" in company.run("jobs", "list").output
    assert company.json("status")["ok"]
    before = company.json("status")["leads"]
    asked_to_stop(0)
    told = company.json("import", str(path), "--system", "leads")
    assert told["leads_new"] == len(rows) + len(PEOPLE) - 1 - before  # the firm is no lead
    assert told["documents"]["duplicates"] == 0


def test_a_replay_that_is_stopped_leaves_the_rest_as_it_was(
    company: Instance, engine: Any, asked_to_stop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gateway.cli import inbox

    monkeypatch.setattr(inbox, "PART", 1)
    company.bring([ANN | {"at": "2026-02-01T09:00:00"}], "again.csv")
    company.bring([BOB | {"at": "2026-02-01T09:00:00"}], "once.csv")
    asked_to_stop(1)
    assert "stopped by kim" in company.run("inbox", "replay", "--system", "leads", "--state", "read", code=1).output
    states = [one["state"] for one in company.json("inbox", "list")["documents"]]
    assert states == ["read"] * 3
    assert jobs.rows(engine)[0].done == 1


def test_a_push_that_is_stopped_sends_the_rest_the_next_time(
    company: Instance, engine: Any, asked_to_stop: Any
) -> None:
    asked_to_stop(1)
    assert "stopped by" in company.run("push", "sales", code=1).output
    asked_to_stop(0)
    [told] = company.json("push", "sales")["systems"]
    assert (told["confirmed"], told["waiting"], told["dead"]) == (1, 0, 0)


def test_a_rescoring_rests_and_goes_on(company: Instance, engine: Any, desk: Any) -> None:
    """Meanwhile people see the scores of before; `status` and the page say that it rests."""
    from gateway.cli.main import App

    before = company.json("leads", "list")["leads"]
    company.edit("scoring.yaml", "points: 40}", "points: 30}")
    app = App(company.root)
    with read(engine) as connection:
        assert connection.scalar(select(t.rescores.c.id)) is None
    try:
        gateway = app.gateway
        from gateway.answers import jobs as answers

        [row] = answers.jobs_of(gateway, running=True)
        browser = desk("admin")
        browser.get("/jobs")
        browser.post(f"/jobs/{row.id}/stop", back="/jobs")
        assert "rests, asked by admin@one.example" in browser.text
        assert gateway.rescoring.step() == 0
        assert company.json("leads", "list")["leads"] == before
        assert "rests, asked by admin@one.example (`gateway jobs resume" in company.run("status").output
        browser.post(f"/jobs/{row.id}/resume", back="/jobs")
        while gateway.sweep_once():
            pass
    finally:
        app.close()
    assert company.json("leads", "list")["leads"] != before
    assert company.json("jobs", "list")["jobs"] == []
    assert "no job is or ends with" in company.run("jobs", "stop", row.id, code=1).output


def test_who_may_not_operate_begins_and_stops_nothing(desk: Any, engine: Any) -> None:
    with jobs.Job(engine, "pull", "crm", "kim") as job:
        while not jobs.rows(engine):
            job.wait(0.01)
        browser = desk("sales")
        assert "Pull crm" in browser.get("/jobs")
        for path in (f"/jobs/{job.id}/stop", "/check", "/systems/sales/push"):
            browser.get("/account")
            browser.post(path)
            assert browser.status == 403
        assert jobs.rows(engine)[0].stop_by == ""


def test_what_would_be_written_is_looked_at_and_nothing_is_sent(desk: Any, company: Instance) -> None:
    browser = desk("admin")
    text = browser.get("/systems/sales/plan")
    assert "1 new record" in text
    for words in ("gateway_id", "Ann Ames", "Chief Financial Officer", "Send it now"):
        assert words in text
    assert company.json("deliveries", "list")["deliveries"][0]["state"] == "waiting"
    viewer = desk("viewer")
    viewer.get("/systems/sales/plan")
    assert viewer.status == 403


@pytest.mark.processes
def test_a_push_is_begun_at_the_desk_and_tells_what_it_did(desk: Any, company: Instance, engine: Any) -> None:
    browser = desk("admin")
    browser.get("/systems/sales")
    browser.post("/systems/sales/push", back="/jobs")
    assert "Push sales" in browser.text
    browser.post("/systems/sales/push", back="/jobs")
    assert "push sales is under way already" in browser.text
    until = time.monotonic() + 120
    while not jobs.rows(engine)[0].ended_at or not jobs.rows(engine)[0].told:
        assert time.monotonic() < until
        time.sleep(0.1)
    [row] = jobs.rows(engine)
    assert (row.ended, row.by) == ("done", "admin@one.example")
    assert "1 confirmed" in browser.get("/jobs")
