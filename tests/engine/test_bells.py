"""The engines are the same to a loop: it works what waits, wakes when there is work, and loses none of it.

On PostgreSQL with procrastinate: what rings, what is heard where, and what becomes of bells that nobody answers.
"""

import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.contracts import Secret
from gateway.engine import bells as heard
from gateway.engine.workers import bell_of, loop
from gateway.store import bells
from gateway.store.arrivals import Arrival
from gateway.store.database import open_store, read, upgrade, write
from gateway.store.inbox import Inbox
from gateway.store.place import Place

pytestmark = pytest.mark.sqlite  # each test says itself where its store is


@pytest.fixture
def opened(postgresql):
    """Opens one database with bells as often as it is called: each time as another machine would."""
    url, stores = postgresql.make(bells=True), []

    def open_(url=url, hung=True):
        stores.append(open_store(Place(Path("var"), Secret(url, "test"), bells=hung)))
        return stores[-1]

    yield open_
    for store in stores:
        store.close()


def fill(inbox, *bodies):
    now = datetime.now(UTC)
    return [a.id for a in inbox.append([Arrival(system="s", body=body, received_at=now) for body in bodies])]


def until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.01)


def jobs(store, *columns):
    with read(store.main) as connection:
        sql = f"SELECT {', '.join(columns or ('queue_name',))} FROM procrastinate_jobs ORDER BY id"
        return [tuple(row) for row in connection.exec_driver_sql(sql)]


class Worker:
    """A loop in a thread, over a store of its own, that takes one document after the other."""

    def __init__(self, store, name):
        self.inbox, self.name, self.seen, self.looks = Inbox(store.inbox), name, [], 0
        self.stop, self.bell = threading.Event(), bell_of(store.inbox, bells.PIPELINE)
        self.thread = threading.Thread(target=loop, args=(self.work, self.stop, self.bell))

    def work(self):
        self.looks += 1
        documents = self.inbox.claim(self.name, documents=1)
        self.inbox.finish([document.id for document in documents])
        self.seen += [document.id for document in documents]
        return len(documents)

    def __enter__(self):
        self.thread.start()
        until(lambda: getattr(self.bell, "hears", True))
        return self

    def __exit__(self, *exc):
        self.stop.set()
        self.thread.join(60)
        self.bell.close()
        assert not self.thread.is_alive()


@pytest.mark.parametrize("engine", ["sqlite", "postgresql", "procrastinate"])
def test_two_workers_share_what_comes_in(request, engine, tmp_path):
    """Everything is worked, nothing twice, whoever is told of it and however."""
    if engine == "sqlite":
        stores = [open_store(tmp_path) for _ in range(3)]
        upgrade(stores[0])
    else:
        opened = request.getfixturevalue("opened")
        stores = [opened(hung=engine == "procrastinate") for _ in range(3)]
    inbox, wanted = Inbox(stores[2].inbox), []
    with Worker(stores[0], "one") as one, Worker(stores[1], "two") as two:
        for number in range(20):
            wanted += fill(inbox, b"%d" % number)
        until(lambda: len(one.seen + two.seen) >= len(wanted))
    assert sorted(one.seen + two.seen) == wanted
    assert inbox.counts()["s"]["waiting"] == 0
    for store in stores:
        store.close()


def test_a_bell_is_rung_by_the_commit_that_made_the_work(opened):
    """Not before, not when it is taken back, and once however often."""
    store = opened()
    with write(store.main, lock=None) as connection:
        bells.ring(connection, "deliver:crm", "pull:crm")
        bells.ring(connection, "deliver:crm")
        assert jobs(store) == []
    assert jobs(store) == [("deliver:crm",), ("pull:crm",)]
    with pytest.raises(RuntimeError), write(store.main, lock=None) as connection:
        bells.ring(connection, "deliver:other")
        raise RuntimeError
    inbox = Inbox(store.inbox)
    fill(inbox, b"1")
    fill(inbox, b"2")
    fill(inbox, b"2")
    assert jobs(store, "queue_name", "task_name", "status") == [
        ("deliver:crm", "ring", "todo"),
        ("pull:crm", "ring", "todo"),
        ("pipeline", "ring", "todo"),
    ]


def test_who_rings_waits_for_nobody(opened):
    """Another rings the same bell and has not committed: one bell is enough, and its rollback loses no work."""
    one, two = opened(), opened()
    with write(one.main, lock=None) as first:
        bells.ring(first, "pipeline")
        bells.send(first)
        began = time.monotonic()
        with write(two.main, lock=None) as second:
            bells.ring(second, "pipeline", "deliver:crm")
        assert time.monotonic() - began < 5
    assert jobs(one) == [("pipeline",), ("deliver:crm",)] or jobs(one) == [("deliver:crm",), ("pipeline",)]


def test_an_idle_worker_waits_for_the_bell_and_answers_it(opened, monkeypatch):
    """It looks ever more seldom; it wakes at once; the job is gone when its look is over."""
    monkeypatch.setattr(heard, "LONGEST_LOOK", 3600)
    store = opened()
    inbox = Inbox(store.inbox)
    with Worker(opened(), "w") as worker:
        until(lambda: worker.bell._pause > 1)
        for number in range(3):
            [document] = fill(inbox, b"%d" % number)
            until(lambda document=document: document in worker.seen)
        until(lambda: jobs(store) == [])


def test_while_a_worker_is_busy_its_next_bell_is_for_another(opened):
    """The bell that a worker answers is not the one that waits: an idle machine takes that."""
    store = opened()
    inbox, go_on = Inbox(store.inbox), threading.Event()

    class Slow(Worker):
        def work(self):
            done = super().work()
            if done:
                go_on.wait(60)
            return done

    with Slow(opened(), "slow") as slow:
        fill(inbox, b"1")
        until(lambda: slow.seen)
        fill(inbox, b"2")
        until(lambda: jobs(store, "status") == [("doing",), ("todo",)])
        with Worker(opened(), "quick") as quick:
            until(lambda: quick.seen)
        assert len(slow.seen) == 1
        go_on.set()


def test_the_sweep_is_rung_once_for_all_and_heard_by_one(opened):
    """Two workers, and about one bell in a second."""
    bells_ = [bell_of(opened().inbox, bells.PIPELINE) for _ in range(2)]
    try:
        until(lambda: any(bell.sweep_due(False) for bell in bells_))
        heard_, began = 0, time.monotonic()
        while time.monotonic() - began < 3:
            heard_ += sum(bell.sweep_due(True) for bell in bells_)
            time.sleep(0.02)
    finally:
        for bell in bells_:
            bell.close()
    assert 1 <= heard_ <= 4
