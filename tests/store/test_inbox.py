"""The one way in: what is stored, what is a duplicate, who works it, and what becomes of the dead."""

import asyncio
import gc
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections import namedtuple
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import event

from gateway.contracts import Page, Secret
from gateway.errors import StorageBusy
from gateway.store import arrivals, database
from gateway.store.arrivals import KNOWN_EACH, OTHER_BODY, Appended, Arrival
from gateway.store.database import open_store, upgrade
from gateway.store.group_writer import GroupWriter
from gateway.store.inbox import DEATHS, KEPT, PAGE_BYTES, POISON, SILENCE, Inbox
from gateway.store.place import Place

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Clock:
    """Monotonic seconds that a test moves by hand; who sleeps by it only moves it."""

    def __init__(self):
        self.seconds = 1000.0

    def __call__(self):
        return self.seconds

    monotonic = __call__

    def sleep(self, seconds):
        self.seconds += seconds


@pytest.fixture
def store(tmp_path):
    store = open_store(tmp_path / "var")
    upgrade(store)
    yield store
    store.close()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def inbox(store, clock):
    return Inbox(store.inbox, clock)


def arrival(body=b"{}", key=None, at=NOW, system="website", **more):
    return Arrival(system=system, body=body, key=key, received_at=at, **more)


def until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.01)


def fill(inbox, count, size=10):
    return [answer.id for answer in inbox.append([arrival(b"%0*d" % (size, n), f"k{n}") for n in range(count)])]


# -- in ---------------------------------------------------------------------------------------------------------------


def test_a_document_comes_back_as_it_came(inbox):
    """Bytes, headers, type, origin, stream and time survive the way through the database."""
    came = arrival(
        b'\x00\xff{"a": 1}',
        "1",
        content_type="text/x",
        headers={"x-event": "ü"},
        origin="pull",
        stream="s",
        history=True,
    )
    [answer] = inbox.append([came])
    [document] = inbox.documents([answer.id])
    for name in ("system", "body", "received_at", "content_type", "headers", "origin", "stream", "history"):
        assert getattr(document, name) == getattr(came, name)


@pytest.mark.parametrize(
    ("first", "second", "duplicate", "flags"),
    [
        (arrival(b"a", "1"), arrival(b"a", "1"), True, ""),  # an honest retry
        (arrival(b"a", "1"), arrival(b"a", "1", NOW + timedelta(days=29)), True, ""),  # remembered for 30 days
        (arrival(b"a", "1"), arrival(b"a", "1", NOW + timedelta(days=31)), False, ""),
        (arrival(b"a"), arrival(b"a", at=NOW + timedelta(minutes=9)), True, ""),  # no id: the body counts, 10 minutes
        (arrival(b"a"), arrival(b"a", at=NOW + timedelta(minutes=11)), False, ""),
        (arrival(b"a"), arrival(b"a", at=NOW + timedelta(hours=1), memory=timedelta(hours=2)), True, ""),
        (arrival(b"a", "1"), arrival(b"a", "2"), False, ""),  # two deliveries with equal news are two
        (arrival(b"a"), arrival(b"b"), False, ""),
        (arrival(b"a", "1"), arrival(b"b", "1"), False, OTHER_BODY),  # never thrown away, but somebody should look
        (arrival(b"a", "1"), arrival(b"a", "1", system="crm"), False, ""),  # ids are each system's own
    ],
)
@pytest.mark.parametrize("together", [False, True])
def test_what_counts_as_the_same_delivery(inbox, first, second, duplicate, flags, together):
    """The rule is the same in one transaction and in two."""
    if together:
        one, two = inbox.append([first, second])
    else:
        [one], [two] = inbox.append([first]), inbox.append([second])
    assert one == Appended(one.id, False)
    assert (two.duplicate, two.flags) == (duplicate, flags)
    assert (two.id == one.id) == duplicate


def test_a_retry_of_the_other_body_is_a_duplicate_too(inbox):
    """Same id with bodies a, b, then b again: two documents, one of them flagged."""
    inbox.append([arrival(b"a", "1"), arrival(b"b", "1")])
    [again] = inbox.append([arrival(b"b", "1")])
    assert again.duplicate
    assert [row["flags"] for row in inbox.listing()] == [OTHER_BODY, ""]


def test_counts_add_up_and_duplicates_are_counted_apart(inbox):
    """Stored = read + waiting + quarantined + discarded, per system."""
    ids = fill(inbox, 5)
    fill(inbox, 3)
    inbox.append([arrival(system="crm")])
    inbox.finish(ids[:2])
    for each in ids[2:4]:
        inbox.quarantine(each, "not JSON")
    inbox.discard(ids[3:4], "ann", "a test")
    assert inbox.counts() == {
        "website": {"stored": 5, "read": 2, "waiting": 1, "quarantined": 1, "discarded": 1, "duplicates": 3},
        "crm": {"stored": 1, "read": 0, "waiting": 1, "quarantined": 0, "discarded": 0, "duplicates": 0},
    }


def test_the_number_of_statements_does_not_grow_with_the_batch(inbox, store):
    """One look-up and one insert, for 1 arrival or 200 of one system."""
    seen = []
    event.listen(store.inbox, "before_cursor_execute", lambda *arguments: seen.append(arguments[2]))
    inbox.append([arrival(b"one", "one")])
    single = len(seen)
    fill(inbox, 200)
    assert len(seen) == 2 * single


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("sql", "reason"),
    [("PRAGMA max_page_count = 1", "disk full"), ("DROP TABLE documents", "storage away")],
)
def test_storage_trouble_is_one_error(inbox, store, sql, reason):
    """Whatever the driver says, the sender is to come again."""
    with store.inbox.connect() as connection:
        connection.connection.driver_connection.execute(sql)
        connection.connection.driver_connection.execute("PRAGMA incremental_vacuum")
    with pytest.raises(StorageBusy, match=reason):
        inbox.append([arrival(b"x" * 100_000)])


@pytest.mark.sqlite
def test_a_locked_file_is_busy_within_three_seconds(inbox, store, monkeypatch):
    """Somebody holds the write lock: the sender hears of it in time."""
    waited = Clock()
    monkeypatch.setattr(database, "time", waited)
    other = sqlite3.connect(store.inbox.url.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    start = waited()
    with pytest.raises(StorageBusy, match="locked"):
        inbox.append([arrival()])
    assert 1 < waited() - start < 3
    other.execute("ROLLBACK")
    other.close()
    assert not inbox.append([arrival()])[0].duplicate


def test_a_page_enters_by_the_same_door(inbox):
    """With its own key; the same page again, after a crash before its cursor was kept, is a duplicate."""
    page = Page(document=b'[{"id": 1}]', key="file:0", content_type="text/csv")
    first = inbox.append_page("crm", "deals", page, NOW, origin="file", history=True)
    again = inbox.append_page("crm", "deals", page, NOW + timedelta(hours=1), origin="file", history=True)
    [document] = inbox.documents([first.id])
    assert again == Appended(first.id, True)
    assert (document.stream, document.origin, document.history, document.content_type) == (
        "deals",
        "file",
        True,
        "text/csv",
    )


def test_an_empty_page_stores_nothing(inbox):
    """It only moves the cursor."""
    assert inbox.append_page("crm", "deals", Page(document=b"", more=True), NOW) is None
    assert inbox.counts() == {}


def test_a_page_over_the_limit_is_the_plugins_fault(inbox):
    """The limit of a document holds for every origin."""
    with pytest.raises(ValueError, match="at most 1048576"):
        inbox.append_page("crm", "deals", Page(document=b"x" * (PAGE_BYTES + 1)), NOW)


# -- out --------------------------------------------------------------------------------------------------------------


def test_the_oldest_come_first_and_only_once(inbox):
    """Two workers never hold the same document."""
    ids = fill(inbox, 5)
    assert [document.id for document in inbox.claim("a", documents=3)] == ids[:3]
    assert [document.id for document in inbox.claim("b", documents=3)] == ids[3:]
    assert inbox.claim("c") == []
    with inbox.engine.connect() as connection:
        leases = connection.exec_driver_sql("SELECT DISTINCT lease FROM documents WHERE state = 'waiting'")
        assert sorted(leases.scalars()) == ["a", "b"]


def test_a_claim_is_bounded_in_bytes_but_never_empty(inbox):
    """A document larger than the bound still gets its turn."""
    ids = fill(inbox, 4, size=100)
    assert [document.id for document in inbox.claim("a", bytes=250)] == ids[:2]
    assert [document.id for document in inbox.claim("b", bytes=10)] == ids[2:3]


def test_asking_an_empty_inbox_writes_nothing(inbox, store):
    """Idle workers must not take the write lock from the accept path."""
    inbox.finish(fill(inbox, 1))
    seen = []
    event.listen(store.inbox, "before_cursor_execute", lambda *arguments: seen.append(arguments[2]))
    assert inbox.claim("a") == []
    assert not [statement for statement in seen if "IMMEDIATE" in statement or "UPDATE" in statement]


def test_what_is_done_is_not_claimed_again(inbox):
    """Read, quarantined and released: only the last comes back, as if nothing had been."""
    read, bad, back = fill(inbox, 3)
    inbox.claim("a")
    inbox.finish([read])
    inbox.quarantine(bad, "not JSON")
    inbox.release("a", [back])
    assert [document.id for document in inbox.claim("b")] == [back]
    assert inbox.listing(state="quarantined")[0]["reason"] == "not JSON"


def test_release_gives_back_all_that_a_worker_holds(inbox):
    """At a stop, and when the database was busy: nothing counts against the documents, so they come together again."""
    ids = fill(inbox, 3)
    inbox.claim("a")
    inbox.release("a")
    assert [document.id for document in inbox.claim("b")] == ids


def test_a_silent_worker_loses_its_documents_after_the_silence(store, inbox, clock):
    """The taker's own clock decides; a beat starts the wait anew."""
    ids = fill(inbox, 1)
    worker = Inbox(store.inbox, Clock())
    worker.claim("a")
    for _ in range(3):  # as long as it beats it keeps them, however long it takes
        assert inbox.claim("b") == []
        clock.seconds += SILENCE - 1
        worker.beat("a")
    assert inbox.claim("b") == []
    clock.seconds += SILENCE - 1
    assert inbox.claim("b") == []
    clock.seconds += 1
    assert [document.id for document in inbox.claim("b")] == ids
    assert worker.beat("a") is False


def test_a_workers_own_documents_are_never_taken_for_a_dead_ones(inbox, clock):
    """It may be slow; it is alive, since it asks."""
    fill(inbox, 2)
    assert len(inbox.claim("a", documents=1)) == 1
    for _ in range(3):
        clock.seconds += SILENCE
        inbox.claim("a", documents=1)
    assert [row["deaths"] for row in inbox.listing()] == [0, 0]


def test_after_a_death_each_document_of_the_batch_is_tried_alone(inbox):
    """Nobody knows yet which one it was: no death counts."""
    ids = fill(inbox, 3)
    inbox.claim("a")
    assert inbox.bury("a") == 3
    assert [row["deaths"] for row in inbox.listing()] == [0, 0, 0]
    for each in ids:
        assert [document.id for document in inbox.claim("b")] == [each]
        inbox.finish([each])
    assert inbox.claim("b") == []


def test_a_poison_document_is_quarantined_and_its_neighbours_are_read(inbox):
    """One of three kills every worker that touches it; the others only suffer the first death with it."""
    ids = fill(inbox, 3)
    lives = 0
    while batch := inbox.claim(f"w{lives}"):
        if ids[1] in [document.id for document in batch]:
            inbox.bury(f"w{lives}")
            lives += 1
        else:
            inbox.finish([document.id for document in batch])
    assert lives == 1 + DEATHS
    assert inbox.counts()["website"] | {"discarded": 0, "duplicates": 0} == {
        "stored": 3,
        "read": 2,
        "waiting": 0,
        "quarantined": 1,
        "discarded": 0,
        "duplicates": 0,
    }
    [poison] = inbox.listing(state="quarantined")
    assert (poison["id"], poison["reason"], poison["deaths"]) == (ids[1], POISON, DEATHS)


def test_only_what_is_in_quarantine_is_given_up_and_then_it_is_empty_for_good(inbox, clock):
    """Who, why and what was wrong stay; nobody reads it again, and the same sent again is known."""
    waiting, read, *bad = fill(inbox, 5)
    inbox.finish([read])
    for each in bad:
        inbox.quarantine(each, "not JSON")
    assert inbox.quarantined() == bad
    assert inbox.quarantined([*bad[1:], read, "f" * 32]) == bad[1:]
    assert inbox.quarantined(system="crm") == []
    assert (inbox.quarantined(since=NOW), inbox.quarantined(until=NOW)) == (bad, [])
    assert inbox.discard([waiting, read, *bad[1:]], "ann", "a test") == 2
    assert inbox.discard(bad[1:], "bob", "once more") == 0
    for each in bad[1:]:
        row = inbox.one(each)
        assert (row["state"], row["body"], row["headers"]) == ("discarded", b"", {})
        assert row["reason"] == "given up by ann: a test; it was in quarantine: not JSON"
    assert inbox.requeue(bad, states=("quarantined", "read")) == bad[:1]
    assert [row["id"] for row in inbox.listing(state="discarded")] == bad[:0:-1]
    fill(inbox, 5)
    assert inbox.counts()["website"]["duplicates"] == 5


def test_healthy_documents_before_a_suspect_are_still_batched(inbox):
    """A suspect comes alone, but does not make the others go alone."""
    suspects = fill(inbox, 2)
    inbox.claim("a")
    inbox.bury("a")
    fresh = [answer.id for answer in inbox.append([arrival(b"x%d" % n, f"x{n}") for n in range(3)])]
    assert [[document.id for document in inbox.claim("b")] for _ in range(3)] == [[suspects[0]], [suspects[1]], fresh]


@pytest.mark.sqlite
def test_a_claim_that_stops_at_a_suspect_leaves_no_old_view_behind(inbox, store):
    """An unfinished read on a connection of the pool would be told "locked" at its next write, whatever it waits."""
    fill(inbox, 3)
    inbox.claim("a")
    inbox.bury("a")
    gc.disable()  # it would finish the read some time
    try:
        for n in range(3):
            [document] = inbox.claim("b")
            other = sqlite3.connect(store.inbox.url.database)
            other.execute("INSERT INTO duplicates (system, count) VALUES (?, 1)", (str(n),))
            other.commit()
            other.close()
            inbox.finish([document.id])
    finally:
        gc.enable()
    assert inbox.counts()["website"]["read"] == 3


@pytest.mark.parametrize(
    ("what", "again"),
    [
        ({}, [1, 2]),  # everything that is quarantined
        ({"ids": [2]}, [2]),
        ({"states": ("read", "quarantined")}, [0, 1, 2]),
        ({"system": "crm"}, []),
        ({"since": NOW + timedelta(hours=2)}, [2]),
        ({"until": NOW + timedelta(hours=2)}, [1]),
        ({"dry_run": True}, [1, 2]),
    ],
)
def test_replay_lets_documents_be_read_again(inbox, what, again):
    """By id, system, state or time; a dry run only names them; what waits is left alone."""
    ids = [
        inbox.append([arrival(b"%d" % n, str(n), NOW + timedelta(hours=n))])[0].id for n in range(4)
    ]  # 0 read, 1 and 2 quarantined, 3 waiting
    inbox.finish(ids[:1])
    for each in ids[1:3]:
        inbox.quarantine(each, "bad")
    if "ids" in what:
        what = {"ids": [ids[n] for n in what["ids"]]}
    expected = [ids[n] for n in again]
    assert inbox.requeue(**what) == expected
    waiting = [ids[3]] if what.get("dry_run") else [*expected, ids[3]]
    assert [document.id for document in inbox.claim("w")] == waiting


def test_listing_pages_backwards_without_bodies(inbox):
    """Newest first; ``before`` continues."""
    ids = fill(inbox, 5)
    first = inbox.listing(limit=2)
    assert [row["id"] for row in first] == [ids[4], ids[3]]
    assert [row["id"] for row in inbox.listing(limit=9, before=ids[3])] == ids[2::-1]
    assert first[0]["size"] == 10
    assert first[0]["received_at"] == NOW
    assert "body" not in first[0]


@pytest.mark.parametrize("statement", [(2, 1000), (500, 12)])
def test_what_is_large_together_is_stored_by_several_statements(inbox, monkeypatch, statement):
    """A statement holds some rows and some bytes; a body above that goes alone."""
    monkeypatch.setattr(arrivals, "STATEMENT", statement)
    bodies = [b"%d" % n * 5 for n in range(5)] + [b"x" * 20]
    stored = inbox.append([arrival(body, f"{n}") for n, body in enumerate(bodies)])
    assert [document.body for document in inbox.documents([one.id for one in stored])] == bodies


# -- the group writer ------------------------------------------------------------------------------------------------


@pytest.fixture
def writer(inbox, store, tmp_path):
    writer = GroupWriter(inbox, tmp_path / "var", patience=300)
    yield writer
    writer.close()


def test_many_callers_share_few_commits(inbox, store, writer):
    """Every caller gets the answer to its own arrival."""
    commits = []
    event.listen(store.inbox, "commit", commits.append)
    answers = {}

    def send(number):
        for index in range(10):
            answers[number, index] = writer.append(arrival(b"%d-%d" % (number, index), f"{number}-{index}"))

    threads = [threading.Thread(target=send, args=(number,)) for number in range(16)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(commits) < 160
    bodies = {key: inbox.documents([answer.id])[0].body for key, answer in answers.items()}
    assert bodies == {(n, i): b"%d-%d" % (n, i) for n in range(16) for i in range(10)}


@pytest.mark.sqlite
def test_the_writer_recovers_by_itself(inbox, store, writer, monkeypatch):
    """Locked: busy. Free again: stored, without a restart."""
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.1)
    other = sqlite3.connect(store.inbox.url.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageBusy):
        writer.append(arrival())
    other.execute("ROLLBACK")
    other.close()
    assert writer.append(arrival()).id


def test_a_nearly_full_disk_takes_nothing_in(inbox, tmp_path, monkeypatch):
    """What is in must still be workable; when there is room again it goes on."""
    free = [10]
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(free[0]))
    writer = GroupWriter(inbox, tmp_path, reserve=100)
    with pytest.raises(StorageBusy, match="nearly full"):
        writer.append(arrival())
    free[0] = 1000
    writer._room_at = float("-inf")
    assert not writer.append(arrival()).duplicate
    writer.close()


class StuckDisk:
    """Holds up a writer's thread with the arrival ``first`` until ``go_on`` is set; ``sender`` waits for its answer."""

    def __init__(self, inbox, writer, monkeypatch):
        begun = threading.Event()
        self.go_on = threading.Event()
        append = inbox.append_entries

        def held_up(*arguments):
            begun.set()
            assert self.go_on.wait(300)
            return append(*arguments)

        monkeypatch.setattr(inbox, "append_entries", held_up)
        self.sender = threading.Thread(target=writer.append, args=[arrival(b"first")])
        self.sender.start()
        assert begun.wait(60)


def refused(writer, body):
    """Why ``body`` was not taken in."""
    with pytest.raises(StorageBusy) as caught:
        writer.append(arrival(body))
    return caught.value.reason


def test_too_much_waiting_is_refused_at_once(inbox, monkeypatch):
    """A high-water mark: while the disk is stuck neither memory nor the wait grows, and later it goes on."""
    writer = GroupWriter(inbox, waiting=3, patience=300, hands=1)
    disk = StuckDisk(inbox, writer, monkeypatch)
    writer._patience = 0.01
    assert [refused(writer, b"%d" % n) for n in range(3)] == ["the disk is too slow"] * 3
    writer._patience = 300  # who is refused at once does not wait so long
    assert [refused(writer, b"%d" % n) for n in range(3)] == ["too much is waiting to be written"] * 3
    disk.go_on.set()
    until(writer._queue.empty)
    assert not writer.append(arrival(b"later")).duplicate
    disk.sender.join()
    writer.close()
    assert [document.body for document in inbox.claim("w")] == [b"first", b"later"]


def test_who_gave_up_before_the_commit_is_not_stored(inbox, monkeypatch):
    """The sender heard 503 and will come again; what still waited is dropped, not written behind its back."""
    writer = GroupWriter(inbox, patience=300, hands=1)
    disk = StuckDisk(inbox, writer, monkeypatch)
    writer._patience = 0.01
    assert refused(writer, b"second") == "the disk is too slow"
    disk.go_on.set()
    disk.sender.join()
    writer.close()
    assert [document.body for document in inbox.claim("w")] == [b"first"]


def test_an_arrival_that_cannot_be_stored_fails_alone(inbox, monkeypatch):
    """A bug in one must not take its neighbours along."""
    writer = GroupWriter(inbox, patience=300, hands=1)
    disk = StuckDisk(inbox, writer, monkeypatch)
    results = {}

    def send(name):
        try:
            kind = "\ud800" if name == "bad" else "application/json"  # half a character has no bytes
            results[name] = writer.append(arrival(name.encode(), content_type=kind)).duplicate
        except Exception as exc:  # noqa: BLE001 - the kind is what is asserted
            results[name] = type(exc).__name__

    threads = [threading.Thread(target=send, args=(name,)) for name in ("good", "bad", "fine")]
    [thread.start() for thread in threads]
    until(lambda: writer._queue.qsize() == 3)  # they gather in one batch behind the first
    disk.go_on.set()
    [thread.join() for thread in (disk.sender, *threads)]
    writer.close()
    assert results.pop("bad") not in (False, "StorageBusy")
    assert results == {"good": False, "fine": False}


def test_close_commits_what_was_taken_in_and_refuses_the_rest(inbox):
    """A stop loses nothing that was promised."""
    writer = GroupWriter(inbox)
    writer.append(arrival(b"a"))
    writer.close()
    with pytest.raises(StorageBusy, match="shutting down"):
        writer.append(arrival(b"b"))
    assert inbox.counts()["website"]["stored"] == 1


def test_callers_in_a_loop_share_commits_too(inbox, store, writer):
    """Each gets its own answer, beside callers on threads."""
    commits = []
    event.listen(store.inbox, "commit", commits.append)

    async def all_of_them():
        thread = asyncio.to_thread(writer.append, arrival(b"thread", "thread"))
        return await asyncio.gather(*(writer.soon(arrival(b"%d" % n, f"{n}")) for n in range(40)), thread)

    *answers, last = asyncio.run(all_of_them())
    assert len(commits) < 10
    assert [inbox.documents([answer.id])[0].body for answer in answers] == [b"%d" % n for n in range(40)]
    assert inbox.documents([last.id])[0].body == b"thread"


def test_a_loop_that_waits_in_vain_is_told_and_goes_on(inbox, monkeypatch):
    """The disk is stuck: 503 in time, and nothing is written behind its back."""
    writer = GroupWriter(inbox, patience=300, hands=1)
    disk = StuckDisk(inbox, writer, monkeypatch)
    writer._patience = 0.01

    async def refused_soon():
        with pytest.raises(StorageBusy, match="too slow"):
            await writer.soon(arrival(b"second"))
        disk.go_on.set()
        writer._patience = 300
        bad = arrival(b"bad", content_type="\ud800")  # half a character has no bytes
        stored, wrong = await asyncio.gather(writer.soon(arrival(b"third")), writer.soon(bad), return_exceptions=True)
        assert not stored.duplicate
        assert isinstance(wrong, Exception)
        assert not isinstance(wrong, StorageBusy)

    asyncio.run(refused_soon())
    disk.sender.join()
    writer.close()
    with pytest.raises(StorageBusy, match="shutting down"):
        asyncio.run(writer.soon(arrival(b"late")))
    assert [document.body for document in inbox.claim("w")] == [b"first", b"third"]


@pytest.mark.sqlite
def test_the_log_is_copied_back_beside_the_commits(inbox, store, writer):
    """No caller waits for that, and the log does not grow for ever."""
    file = Path(store.inbox.url.database)

    async def all_of_them():
        bodies = (arrival(b"%d" % n * 2000, f"{n}") for n in range(1000, 2200))  # 8,000 bytes each
        await asyncio.gather(*map(writer.soon, bodies))

    for _ in range(3):
        asyncio.run(all_of_them())
    until(lambda: file.stat().st_size > 4_000_000)
    assert inbox.counts()["website"]["stored"] == 1200
    assert file.with_name(f"{file.name}-wal").stat().st_size < 30_000_000


@pytest.mark.sqlite  # whose store is, it says itself
def test_whether_an_arrival_is_known_is_asked_key_by_key(tmp_path, postgresql):
    """With statistics from before most rows came PostgreSQL took them for few, and read them all for each commit."""
    store = open_store(Place(tmp_path, Secret(postgresql.make(), "test")))
    Inbox(store.inbox).append([arrival(b"%d" % n, f"{n}") for n in range(300)])
    with store.inbox.connect() as connection:
        told = connection.exec_driver_sql("EXPLAIN " + KNOWN_EACH, ('["1", "none"]', "website", 0))
        plan = "\n".join(told.scalars())
    store.close()
    assert re.search(r"using documents_key .*\n.*key.* = asked\.key", plan), plan


TWO_WRITERS = """
import sys, pathlib, threading
from datetime import UTC, datetime
from gateway.store import arrivals, database
from gateway.store.arrivals import Arrival
from gateway.store.group_writer import GroupWriter
from gateway.store.inbox import Inbox
database.BUSY_SECONDS = 300.0  # a busy machine's turns may be long
writer = GroupWriter(Inbox(database.open_store(pathlib.Path(sys.argv[1])).inbox), patience=300)
def send(part):
    for n in range(part, 200, 4):
        writer.append(Arrival(system="website", body=b"%d" % n, key=str(n), received_at=datetime.now(UTC)))
threads = [threading.Thread(target=send, args=(part,)) for part in range(4)]
[t.start() for t in threads]; [t.join() for t in threads]
writer.close()
"""


@pytest.mark.processes
def test_two_processes_with_the_same_deliveries_store_each_once(inbox, tmp_path):
    """200 delivery ids from both sides at once: 200 documents, 200 duplicates."""
    started = [subprocess.Popen([sys.executable, "-c", TWO_WRITERS, str(tmp_path / "var")]) for _ in range(2)]
    assert [process.wait(300) for process in started] == [0, 0]
    counts = inbox.counts()["website"]
    assert (counts["stored"], counts["duplicates"]) == (200, 200)


# -- bodies that are kept ---------------------------------------------------------------------------------------------


def test_only_bodies_that_were_read_long_ago_are_emptied_and_none_is_looked_at_twice(inbox):
    """In chunks, the oldest first; what waits, or a person has to look at, keeps its body."""
    times = [NOW + timedelta(days=n % 4, seconds=n) for n in range(12)]
    ids = [inbox.append([arrival(b"body", f"k{n}", at)])[0].id for n, at in enumerate(times)]
    inbox.claim("w")
    inbox.finish(ids[2:])
    inbox.quarantine(ids[0], "no reason")
    until_then = NOW + timedelta(days=2)
    old = sorted((at, id_) for at, id_ in zip(times[2:], ids[2:], strict=True) if at < until_then)
    assert inbox.kept_long_enough(until_then, 3) == [id_ for _, id_ in old[:3]]
    inbox.blank([id_ for _, id_ in old[:3]], KEPT)
    assert inbox.kept_long_enough(until_then, 10) == [id_ for _, id_ in old[3:]]
    inbox.blank([id_ for _, id_ in old[3:]], KEPT)
    assert inbox.kept_long_enough(until_then, 10) == []
    left = {document.id for document in inbox.documents(ids) if document.body}
    assert left == set(ids) - {id_ for _, id_ in old}


@pytest.mark.sqlite
def test_who_looks_for_old_bodies_walks_through_nothing_else(inbox, store):
    """Of a million documents that lost theirs already, none is looked at."""
    told = []
    event.listen(
        store.inbox, "before_cursor_execute", lambda _c, _cursor, text, values, *_: told.append((text, values))
    )
    inbox.kept_long_enough(NOW, 500)
    with store.inbox.connect() as connection:
        plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {told[-1][0]}", told[-1][1])]
    assert plan == ["SEARCH documents USING INDEX documents_kept (state=? AND received_at<?)"]
