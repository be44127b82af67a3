"""Workers whose batches share leads: on PostgreSQL they go one after another, so that none is computed in vain."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import small_instance
from small_instance import Small, days

from gateway import pipeline
from gateway.contracts import Secret
from gateway.store import tables as t
from gateway.store.database import in_turn, open_store, write
from gateway.store.place import Place

pytestmark = pytest.mark.sqlite  # each test says itself where its stores are


@pytest.fixture
def store_of(postgresql, monkeypatch):
    url = postgresql.make()
    monkeypatch.setattr(small_instance, "open_store", lambda folder: open_store(Place(folder, Secret(url, "test"))))


@pytest.fixture
def workers(tmp_path, store_of):
    """Two workers over one store, each with a pipeline of its own."""
    made = [Small(tmp_path / name) for name in "ab"]
    yield made
    for one in made:
        one.store.close()


def counted(small, monkeypatch):
    """How often a batch of ``small`` is computed, slowly enough to be met."""
    times, compute = [], small.pipeline.compute

    def slowly(*given):
        times.append(1)
        time.sleep(0.05)
        compute(*given)

    monkeypatch.setattr(small.pipeline, "compute", slowly)
    return times


def test_workers_that_share_leads_compute_few_batches_twice(workers, monkeypatch):
    """Once two have met, they take turns: of forty batches about the same lead, nearly all are computed once."""
    computed = [counted(small, monkeypatch) for small in workers]
    ready = threading.Barrier(2)

    def work(small, field):
        ready.wait()
        for n in range(20):
            small.take("site", {"kind": "contact", "id": "1", "at": days(9 - n / 10), field: f"{field} {n}"})

    workers[0].take("site", {"kind": "contact", "id": "1", "at": days(10), "title": "CEO"})
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(work, *one) for one in zip(workers, ("title", "country"), strict=True)]:
            done.result()
    assert [(lead["title"], lead["country"]) for lead in workers[0].leads()] == [("title 19", "country 19")]
    assert sum(map(len, computed)) - 1 <= 40 + 12  # without turns: 65 and more


def test_who_waits_too_long_for_a_turn_goes_ahead(workers, monkeypatch):
    """A worker that is stopped in the middle of its turn keeps nobody from working."""
    monkeypatch.setattr(pipeline, "in_turn", lambda engine, word: in_turn(engine, word, 0.2))
    workers[1].pipeline._turns = 1
    with in_turn(workers[0].store.main, "batch"):
        workers[1].take("site", {"kind": "contact", "id": "1", "at": days(1), "title": "CEO"})
    assert [lead["title"] for lead in workers[1].leads()] == ["CEO"]


def test_a_turn_keeps_nobody_from_writing(workers):
    """Whoever writes, alone or beside others, does not wait for whose turn it is."""
    with in_turn(workers[0].store.main, "batch"), write(workers[1].store.main) as connection:
        connection.execute(t.settings.insert().values(name="a", value="b"))
