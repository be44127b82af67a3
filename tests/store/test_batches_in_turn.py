"""Workers whose batches share leads go to different lanes, or wait, so that none is computed in vain."""

from __future__ import annotations

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
import small_instance
from small_instance import Small, days

from gateway import pipeline
from gateway.contracts import Secret
from gateway.store import tables as t
from gateway.store.database import open_store, write
from gateway.store.place import Place
from gateway.store.turns import in_turn

pytestmark = pytest.mark.sqlite  # each test says itself where its stores are


@pytest.fixture(params=["sqlite", "postgresql"])
def store_of(request, tmp_path, monkeypatch):
    """The folders of two workers whose store is one."""
    if request.param == "sqlite":
        return [tmp_path / "a", tmp_path / "a"]
    place = Place(tmp_path, Secret(request.getfixturevalue("postgresql").make(), "test"))
    monkeypatch.setattr(small_instance, "open_store", lambda folder: open_store(place))
    return [tmp_path / "a", tmp_path / "b"]


@pytest.fixture
def workers(store_of):
    """Two workers over one store, each with a pipeline of its own."""
    made = [Small(folder) for folder in store_of]
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
    monkeypatch.setattr(pipeline, "in_turn", lambda engine, *what: in_turn(engine, *what, 0.2))
    workers[1].pipeline._turns = 1
    with ExitStack() as turns:
        for lane in range(pipeline.LANES):
            turns.enter_context(in_turn(workers[0].store.main, "batch", [lane]))
        workers[1].take("site", {"kind": "contact", "id": "1", "at": days(1), "title": "CEO"})
    assert [lead["title"] for lead in workers[1].leads()] == ["CEO"]


def test_a_turn_keeps_nobody_from_writing(workers):
    """Whoever writes, alone or beside others, does not wait for whose turn it is."""
    with in_turn(workers[0].store.main, "batch", [0]), write(workers[1].store.main) as connection:
        connection.execute(t.settings.insert().values(name="a", value="b"))


def test_who_finds_a_lane_taken_goes_to_another(workers):
    """Of two lanes the second is free; when both are taken, the first is waited for."""
    mine, theirs = (worker.store.main for worker in workers)
    with in_turn(mine, "batch", [0, 1]) as one, in_turn(theirs, "batch", [0, 1]) as two:
        assert (one, two) == (0, 1)
    with in_turn(mine, "batch", [1, 0]) as one, in_turn(theirs, "batch", [1, 0]) as two:
        assert (one, two) == (1, 0)


def test_who_works_leads_of_any_lane_waits_for_all(workers, monkeypatch):
    """A sweep has no records that say which lane it is in."""
    lead = {"kind": "contact", "id": "1", "at": days(1), "title": "CEO"}
    workers[0].take("site", lead)
    ids = [row[0] for row in workers[0].rows(t.leads, "id")]
    workers[1].pipeline._turns = 1
    began = time.monotonic()
    with ThreadPoolExecutor(1) as pool, in_turn(workers[0].store.main, "batch", [1]):
        swept = pool.submit(workers[1].pipeline.run, (), ids, "time")
        time.sleep(0.3)
        assert not swept.done()
    swept.result()
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("first", [0, 1])
def test_two_workers_in_their_lanes_compute_nothing_in_vain(workers, monkeypatch, first):
    """Both have news of the same people and begin with different lanes: each computes while the other does."""
    people = [{"kind": "contact", "id": str(n), "at": days(9), "page": f"/{n}"} for n in range(12)]
    news = [
        [one | {"at": days(5), field: "X", "page": f"/{field}"} for one in people] for field in ("title", "country")
    ]
    workers[0].take("site", *people)
    computed, both, where = Counter(), threading.Barrier(2), threading.local()
    in_order = pipeline.in_lanes

    def lanes(events, count):
        return dict(sorted(in_order(events, count).items(), reverse=where.number != first))

    monkeypatch.setattr(pipeline, "in_lanes", lanes)
    for number, worker in enumerate(workers):

        def counted(*given, number=number, rehearse=worker.pipeline.rehearse):
            computed[number] += 1
            batch = rehearse(*given)
            both.wait(20)  # neither commits before the other has computed, too
            return batch

        monkeypatch.setattr(worker.pipeline, "rehearse", counted)

    def work(number):
        where.number = number
        workers[number].pipeline._turns = 10
        workers[number].take("site", *news[number])

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(work, number) for number in range(2)]:
            done.result()
    assert computed == {0: 2, 1: 2}
    assert [(lead["title"], lead["country"]) for lead in workers[0].leads()] == [("X", "X")] * 12
    assert {row[0] for row in workers[0].rows(t.activity_kinds, "count")} == {3}
