"""Rows of long work: written beside it, read by others, who may ask it to stop."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from gateway import jobs
from gateway.errors import Stopped
from gateway.store import jobs as store
from gateway.store import tables as t
from gateway.store.database import open_store, upgrade, write
from gateway.store.times import new_id, utc_now
from gateway.times import to_micros


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Work is worth a row from the start on."""
    monkeypatch.setattr(jobs, "FIRST", 0.0)
    monkeypatch.setattr(jobs, "EVERY", 0.01)
    opened = open_store(tmp_path)
    upgrade(opened)
    yield opened.main
    opened.close()


def test_work_says_how_far_it_is_and_how_it_ended(engine: Any) -> None:
    with jobs.Job(engine, "pull", "crm", "kim") as job:
        job.part("contacts", 10)
        job.tell(4)
        while not [one for one in jobs.rows(engine, running=True) if one.done]:
            job.wait(0.01)
        [row] = jobs.rows(engine, running=True)
        assert (row.what, row.subject, row.by, row.part, row.done, row.total) == (
            "pull",
            "crm",
            "kim",
            "contacts",
            4,
            10,
        )
    [row] = jobs.rows(engine)
    assert row.ended == "done"
    assert jobs.rows(engine, running=True) == []
    assert not jobs.ask_to_stop(engine, row.id, "kim")
    with pytest.raises(ZeroDivisionError), jobs.Job(engine, "pull", "crm", "kim") as job:
        while not jobs.rows(engine, running=True):
            job.wait(0.01)
        raise ZeroDivisionError
    assert jobs.rows(engine)[0].ended == "failed"


def test_what_takes_a_moment_leaves_no_row(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "FIRST", 60.0)
    with jobs.Job(engine, "pull", "crm", "kim") as job:
        job.tell(1)
    assert jobs.rows(engine) == []


def test_who_is_asked_to_stop_stops_and_wakes_for_it(engine: Any) -> None:
    told = pytest.raises(Stopped, match="stopped by kim; the same again goes on")
    with told, jobs.Job(engine, "pull", "crm", "bo") as job:
        while not jobs.rows(engine):
            job.wait(0.01)
        assert jobs.ask_to_stop(engine, job.id, "kim")
        assert not jobs.ask_to_stop(engine, job.id, "lee")  # asked already
        job.wait(600)
    [row] = jobs.rows(engine)
    assert (row.ended, row.stop_by) == ("stopped", "kim")


def test_work_whose_process_died_is_told_as_silent(engine: Any) -> None:
    with write(engine) as connection:
        store.begin(connection, {"id": new_id(), "what": "pull", "subject": "crm", "by": "kim"}, to_micros(utc_now()))
    assert [one.ended for one in jobs.rows(engine)] == [""]
    with write(engine) as connection:
        connection.execute(update(t.jobs).values(beat_at=t.jobs.c.beat_at - store.SILENCE - 10_000_000))
    assert [one.ended for one in jobs.rows(engine)] == ["silent"]
    assert jobs.rows(engine, running=True) == []
