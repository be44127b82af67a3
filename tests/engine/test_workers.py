"""The loops: they work while there is work, wake when something is committed, and survive what fails."""

import threading
import time
from datetime import UTC, datetime

import pytest
from sqlalchemy.exc import OperationalError

from gateway.engine.workers import LONGEST_BATCH, POLL, SqliteBell, loop, pipeline_loop
from gateway.errors import StaleCommit, StorageBusy
from gateway.store.arrivals import Arrival
from gateway.store.database import open_store, upgrade, write
from gateway.store.inbox import DEATHS, Inbox
from gateway.store.tables import duplicates


@pytest.fixture
def store(tmp_path):
    store = open_store(tmp_path)
    upgrade(store)
    yield store
    store.close()


@pytest.fixture
def inbox(store):
    return Inbox(store.inbox)


def fill(inbox, *bodies):
    now = datetime.now(UTC)
    return [a.id for a in inbox.append([Arrival(system="s", body=body, received_at=now) for body in bodies])]


def until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.01)


class Clock:
    """Stands for the module ``time``: seconds that a test moves by hand, and how often they were asked for."""

    def __init__(self):
        self.seconds = 1000.0
        self.asked = 0

    def monotonic(self):
        self.asked += 1
        return self.seconds


class Running:
    """A loop in a thread, for as long as the block lasts."""

    def __init__(self, target, *arguments):
        self.stop = threading.Event()
        self.thread = threading.Thread(target=target, args=[self.stop if a is Running else a for a in arguments])

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exc):
        self.stop.set()
        self.thread.join(60)
        assert not self.thread.is_alive()


class Counting(threading.Event):
    """Notes how long it was waited for, and does not wait."""

    def __init__(self):
        super().__init__()
        self.waits = []

    def wait(self, timeout=None):
        self.waits.append(timeout)
        return self.is_set()


def test_work_goes_on_at_once_while_there_is_some():
    """No waiting between batches."""
    stop = Counting()
    left = [200]

    def work():
        left[0] -= 1
        if not left[0]:
            stop.set()
        return 1

    loop(work, stop)
    assert (left, stop.waits) == ([0], [])


def test_the_bell_rings_for_other_connections_commits_only(store):
    """Asked again without a commit in between, it is silent."""
    bell = SqliteBell(store.inbox)
    assert not bell.rang()
    with write(store.inbox) as connection:
        connection.execute(duplicates.insert().values(system="s", count=1))
    assert bell.rang()
    assert not bell.rang()
    bell.close()


def test_an_idle_worker_wakes_soon_after_a_commit(store, inbox, monkeypatch):
    """It does not wait for its own next look, which never comes here."""
    monkeypatch.setattr("gateway.engine.workers.LONGEST_IDLE", 3600)
    seen = []

    def work():
        documents = inbox.claim("w")
        inbox.finish([document.id for document in documents])
        seen.extend(document.id for document in documents)
        return len(documents)

    with Running(loop, work, Running, SqliteBell(store.inbox)):
        for n in range(10):
            time.sleep(2 * POLL)  # it is most likely idle again
            [document] = fill(inbox, b"%d" % n)
            until(lambda document=document: document in seen)


def test_failures_are_told_and_the_loop_goes_on_slower():
    """It waits longer after each failure, and after a success as long as at first."""
    stop = Counting()
    told = []
    results = iter(["fail", "fail", "fail", "done", "fail", "end"])

    def work():
        result = next(results)
        if result == "fail":
            raise RuntimeError("no")
        if result == "end":
            stop.set()
        return 1

    loop(work, stop, None, told.append, 0.8)
    assert [type(exc) for exc in told] == [RuntimeError] * 4
    assert stop.waits == [0.5, 0.8, 0.8, 0.5]


def test_a_failing_clear_up_does_not_end_the_loop():
    """The store may be away at both moments."""
    calls = []

    def work():
        calls.append(1)
        raise RuntimeError

    def failed(exc):
        raise OSError

    with Running(loop, work, Running, None, failed, 0.01):
        until(lambda: len(calls) >= 3)


def pipeline(inbox, once, sweep=lambda: 0):
    return Running(pipeline_loop, once, sweep, inbox, "w", Running)


def reader(inbox, fails):
    """A pipeline that finishes what it claims, and raises what ``fails`` says of a body."""

    def once(worker):
        documents = inbox.claim(worker)
        for document in documents:
            if error := fails(document.body):
                raise error
        inbox.finish([document.id for document in documents])
        return len(documents)

    return once


def test_a_document_that_breaks_the_pipeline_is_quarantined_alone(inbox, monkeypatch):
    """Its neighbours are read; the reason names the kind of error and the place, not the value."""
    monkeypatch.setattr("gateway.engine.workers.loop", lambda *a: loop(*a, longest_wait=0.01))
    ids = fill(inbox, b"a", b"bad", b"c")
    with pipeline(inbox, reader(inbox, lambda body: KeyError("jo@example.com") if body == b"bad" else None)):
        until(lambda: inbox.counts()["s"]["waiting"] == 0)
    [row] = inbox.listing(state="quarantined")
    assert row["id"] == ids[1]
    assert row["deaths"] == DEATHS
    assert row["reason"].startswith("the pipeline failed on this document alone: KeyError at test_workers.py:")
    assert "jo@example.com" not in row["reason"]
    assert inbox.counts()["s"]["read"] == 2


@pytest.mark.parametrize(
    "error", [StorageBusy("locked"), StaleCommit(), OperationalError("x", {}, Exception("locked")), OSError(28, "full")]
)
def test_trouble_of_the_store_counts_against_no_document(inbox, monkeypatch, error):
    """However often it happens, in the end all are read."""
    monkeypatch.setattr("gateway.engine.workers.loop", lambda *a: loop(*a, longest_wait=0.01))
    fill(inbox, b"a", b"b")
    left = [5]

    def fails(body):
        left[0] -= 1
        return error if left[0] >= 0 else None

    with pipeline(inbox, reader(inbox, fails)):
        until(lambda: inbox.counts()["s"]["read"] == 2)
    assert [row["deaths"] for row in inbox.listing()] == [0, 0]


def test_after_long_trouble_work_goes_on_within_five_seconds():
    """As calls do: nobody waits longer for what is in than for what is sent."""

    waits = []

    class Watch(threading.Event):
        def wait(self, timeout=None):
            waits.append(timeout)
            if len(waits) == 20:
                self.set()

    def work():
        raise OSError(28, "full")

    loop(work, Watch())
    assert waits == [0.5, 1.0, 2.0, 4.0, *[5.0] * 16]


@pytest.mark.parametrize("error", [OSError(28, "full"), KeyError("bad")])
def test_what_could_not_be_given_back_is_given_back_when_the_store_can_again(inbox, monkeypatch, error):
    """The disk is full for batch and clearing up alike: the worker lives on, so nobody would ever take it over."""
    monkeypatch.setattr("gateway.engine.workers.loop", lambda *a: loop(*a, longest_wait=0.01))
    fill(inbox, b"a", b"b")
    left = [5]

    def full(*arguments):
        left[0] -= 1
        return left[0] >= 0

    for name in ("release", "bury"):
        method = getattr(inbox, name)

        def away(*arguments, method=method):
            if full():
                raise OperationalError("x", {}, Exception("full"))
            return method(*arguments)

        monkeypatch.setattr(inbox, name, away)
    failures = [error]
    with pipeline(inbox, reader(inbox, lambda body: failures.pop() if failures else None)):
        until(lambda: inbox.counts()["s"]["read"] == 2)
    assert left[0] < 0


def test_the_sweep_has_its_turn_however_busy_the_pipeline_is(inbox, monkeypatch):
    """Scores that move by themselves must not wait for a quiet hour."""
    monkeypatch.setattr("gateway.engine.workers.SWEEP", 0.05)
    swept = []
    with pipeline(inbox, lambda worker: 1, lambda: swept.append(1) or 0):
        until(lambda: len(swept) >= 3)


def test_leases_are_kept_during_a_long_batch_and_given_back_at_the_end(inbox, store, monkeypatch):
    """The beat moves while the batch is worked; after a stop nothing is held."""
    monkeypatch.setattr("gateway.engine.workers.BEAT", 0.05)
    fill(inbox, b"a")
    go_on = threading.Event()

    def once(worker):
        claimed = inbox.claim(worker)
        go_on.wait(300)
        return len(claimed)

    def standing(column):
        with store.inbox.connect() as connection:
            return connection.exec_driver_sql(f"SELECT {column} FROM documents").scalar()

    with pipeline(inbox, once):
        until(lambda: standing("lease") == "w")
        first = standing("beat")
        until(lambda: standing("beat") > first + 2)
        go_on.set()
    assert standing("lease") == ""
    assert inbox.counts()["s"]["waiting"] == 1


def test_a_worker_without_progress_stops_beating(inbox, monkeypatch):
    """Its main thread hangs somewhere that no deadline watches: others may take over."""
    clock = Clock()
    monkeypatch.setattr("gateway.engine.workers.time", clock)
    monkeypatch.setattr("gateway.engine.workers.BEAT", 0.02)
    fill(inbox, b"a")
    go_on = threading.Event()
    hangs = threading.Event()
    beats = []
    monkeypatch.setattr(inbox, "beat", beats.append)

    def once(worker):
        inbox.claim(worker)
        hangs.set()
        go_on.wait(300)
        return 0

    with pipeline(inbox, once):
        assert hangs.wait(60)
        until(lambda: len(beats) >= 3)
        clock.seconds += LONGEST_BATCH
        asked = clock.asked
        until(lambda: clock.asked >= asked + 2)  # only the beating thread asks now: a beat under way is over
        before = len(beats)
        until(lambda: clock.asked >= asked + 6)
        assert len(beats) == before
        go_on.set()
