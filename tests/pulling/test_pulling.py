"""The way in that we begin: named records are fetched, streams are pulled, and nothing that was named is forgotten."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
import structlog
from sqlalchemy import select

from gateway.contracts import Page, Secret, Source
from gateway.errors import AccessRefused, StaleCommit, Stopped, TryLater
from gateway.inbound.pulling import FIRST_WAIT, TRIES, Pulling
from gateway.jobs import Job
from gateway.store import due
from gateway.store import tables as t
from gateway.store.database import open_store, write
from gateway.store.inbox import Inbox
from gateway.store.leases import SILENCE
from gateway.store.place import Place
from gateway.store.put import Put
from gateway.times import to_micros

EVERY = timedelta(minutes=15)


class Api(Source):
    """Contacts 1 … n, two a page; ``trouble`` is raised once, before or between pages."""

    def __init__(self):
        self.contacts, self.trouble, self.asked, self.between = 5, [], [], lambda: None

    def read(self, document):
        return ()

    def streams(self):
        return ["contacts", "deals"]

    def pull(self, stream, cursor, since):
        self.asked.append((stream, cursor, since))
        if stream != "contacts":
            return
        after = (cursor or {}).get("after", 0)
        while after < self.contacts:
            ids = list(range(after + 1, min(after + 3, self.contacts + 1)))
            after = ids[-1]
            yield Page(document=orjson.dumps(ids), cursor={"after": after}, more=True, records=len(ids))
            if self.trouble:
                raise self.trouble.pop()

    def fetch(self, lookups):
        self.asked.append([lookup.record for lookup in lookups])
        self.between()
        if self.trouble:
            raise self.trouble.pop()
        yield Page(document=orjson.dumps([lookup.record for lookup in lookups]))


class World:
    def __init__(self, folder):
        self.at = datetime(2026, 6, 1, tzinfo=UTC)
        self.store = open_store(folder)
        t.main.create_all(self.store.main)
        t.inbox.create_all(self.store.inbox)
        self.inbox = Inbox(self.store.inbox)
        self.api = Api()
        self.start()

    def start(self):
        def guard(*_):
            return contextlib.nullcontext()

        self.pulling = Pulling(
            self.store.main, self.inbox, "ma", "api", self.api, lambda: self.at, guard, structlog.get_logger()
        )

    def name(self, *records, asked=1):
        rows = [
            {
                "system": "ma",
                "object": "contact",
                "record": r,
                "fields": [],
                "asked": asked,
                "due_at": to_micros(self.at),
            }
            for r in records
        ]
        with write(self.store.main) as connection:
            Put(connection).count(t.lookups, rows, bump="asked")

    def bodies(self):
        with self.store.inbox.connect() as connection:
            rows = connection.execute(select(t.documents.c.body, t.documents.c.origin).order_by(t.documents.c.id))
            return [(orjson.loads(row.body), row.origin) for row in rows]

    def rows(self, table):
        with self.store.main.connect() as connection:
            return connection.execute(select(table)).all()


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    yield world
    world.store.close()


def test_a_stream_is_pulled_to_its_end_and_then_rests(world):
    """Each page with its cursor; nothing is asked again before its time."""
    assert world.pulling.pull(EVERY) == 3
    assert [body for body, _ in world.bodies()] == [[1, 2], [3, 4], [5]]
    world.at += EVERY - timedelta(seconds=1)
    assert world.pulling.pull(EVERY) == 0
    assert len(world.api.asked) == 2
    world.at += timedelta(seconds=1)
    world.api.contacts = 6
    assert world.pulling.pull(EVERY) == 1
    assert world.api.asked[2][1] == {"after": 5}
    world.at -= timedelta(hours=1)  # the clock goes back: that keeps nobody waiting
    world.api.contacts = 7
    assert world.pulling.pull(EVERY) == 1


def test_a_pull_that_breaks_off_goes_on_where_it_stood(world):
    """Also in another process: the cursor of the last stored page counts."""
    world.api.trouble = [ConnectionResetError()]
    assert world.pulling.pull(EVERY) == 1
    world.start()
    assert world.pulling.pull(EVERY) == 2
    assert [body for body, _ in world.bodies()] == [[1, 2], [3, 4], [5]]


def test_a_pull_that_is_asked_to_stop_goes_on_where_it_stood_at_the_next(world, monkeypatch):
    """Somebody saw it on the page of long work; its page is kept, and the stream rests as after any pull."""

    def asked(job, done):
        monkeypatch.undo()
        raise Stopped("kim")

    monkeypatch.setattr(Job, "tell", asked)
    assert world.pulling.pull(EVERY) == 1
    assert [body for body, _ in world.bodies()] == [[1, 2]]
    world.at += EVERY
    world.pulling.pull(EVERY)
    assert [body for body, _ in world.bodies()] == [[1, 2], [3, 4], [5]]


def test_a_stream_that_fails_rests_longer_and_longer_and_holds_up_no_other(world):
    """10 s, 20 s …; the others are pulled meanwhile."""
    world.api.trouble = [ValueError()]
    world.pulling.pull(EVERY)
    assert [stream for stream, *_ in world.api.asked] == ["contacts", "deals"]
    world.at += FIRST_WAIT - timedelta(seconds=1)
    world.pulling.pull(EVERY)
    assert len(world.api.asked) == 2
    world.at += timedelta(seconds=1)
    world.api.trouble = [ValueError()]
    world.pulling.pull(EVERY)
    world.at += FIRST_WAIT
    world.pulling.pull(EVERY)
    assert len(world.api.asked) == 3
    world.at += FIRST_WAIT
    world.pulling.pull(EVERY)
    assert len(world.api.asked) == 4


def test_named_records_are_fetched_in_one_go(world):
    """What comes is a document like any other; the names are settled once it is stored."""
    world.name("1", "2", "3")
    assert world.pulling.look_up() == 3
    assert world.bodies() == [(["1", "2", "3"], "lookup")]
    assert world.rows(t.lookups) == []
    assert world.pulling.look_up() == 0


def test_a_record_named_again_while_it_is_fetched_is_fetched_again(world):
    """The answer may be older than the second news."""
    world.name("1", "2")
    world.api.between = lambda: world.name("2")
    world.pulling.look_up()
    world.api.between = lambda: None
    assert world.pulling.look_up() == 1
    assert world.api.asked == [["1", "2"], ["2"]]
    assert world.rows(t.lookups) == []


def test_a_limit_costs_no_try_and_is_waited_for(world):
    """As long as the system says."""
    world.name("1")
    world.api.trouble = [TryLater(90, "its limit")]
    assert world.pulling.look_up() == 0
    world.at += timedelta(seconds=89)
    assert world.pulling.look_up() == 0
    world.at += timedelta(seconds=1)
    assert world.pulling.look_up() == 1
    assert world.api.asked == [["1"], ["1"]]


def test_refused_credentials_pause_the_system(world):
    """Everything of it, with the reason; no try is spent, and a person resumes it."""
    world.name("1")
    world.api.trouble = [AccessRefused("${TOKEN} was refused")]
    world.pulling.look_up()
    with world.store.main.connect() as connection:
        assert due.paused(connection, "ma") == "${TOKEN} was refused"
    world.at += timedelta(days=1)
    assert (world.pulling.look_up(), world.pulling.pull(EVERY)) == (0, 0)
    assert len(world.api.asked) == 1
    assert [row.attempts for row in world.rows(t.lookups)] == [0]


def test_a_record_that_cannot_be_fetched_becomes_a_question_to_a_person(world):
    """After a day of tries; it is not dropped in silence."""
    world.name("1")
    for _ in range(TRIES):
        world.api.trouble = [ValueError("secret")]
        world.pulling.look_up()
        world.at += timedelta(hours=2)
    ((kind, record, detail),) = [(row.kind, row.record, row.detail) for row in world.rows(t.work_items)]
    assert (kind, record, detail) == ("record not fetched", "1", {"error": "ValueError", "tries": TRIES})
    assert world.rows(t.lookups) == []


def test_two_machines_do_not_ask_a_system_at_the_same_time(world):
    """The other pulls and looks up nothing meanwhile; afterwards it may."""
    one, two = world.pulling, world.start() or world.pulling
    world.name("1")
    asked_by_two = []
    world.api.between = lambda: asked_by_two.append((two.look_up(), two.pull(EVERY)))
    assert one.look_up() == 1
    assert asked_by_two == [(0, 0)]
    world.api.between = lambda: None
    assert two.pull(EVERY) == 3


def test_a_machine_that_was_taken_over_saves_no_cursor(world, monkeypatch):
    """It hung between two pages until another held it for dead: its next commit is refused, nothing is lost."""
    one, two = world.pulling, world.start() or world.pulling
    clock = [1000.0]
    monkeypatch.setattr(two._lease, "_clock", lambda: clock[0])
    pages = []

    def hang():
        world.api.trouble = []
        assert two.pull(EVERY) == 0  # it is seen holding
        clock[0] += SILENCE
        pages.append(two.pull(EVERY))

    class Hanging(list):
        def __bool__(self):
            return not pages and (hang() or False)

    world.api.trouble = Hanging()
    with pytest.raises(StaleCommit):
        one.pull(EVERY)
    assert [json for json, _ in world.bodies()] == [[1, 2], [3, 4], [5]]
    with world.store.main.connect() as connection:
        assert due.cursor(connection, "ma", "contacts") == {"after": 5}


@pytest.mark.sqlite  # it says itself where its store is
def test_a_stream_is_pulled_once_for_all_machines(world, postgresql):
    """Where bells are rung, the machines share the times, too."""
    world.store.close()
    url = Secret(postgresql.make(bells=True), "test")
    world.store = open_store(Place(Path("var"), url, bells=True))
    world.inbox = Inbox(world.store.inbox)
    one, two = world.start() or world.pulling, world.start() or world.pulling
    assert [one.pull(EVERY), two.pull(EVERY)] == [3, 0]
    asked = len(world.api.asked)
    world.at += EVERY
    assert [two.pull(EVERY), one.pull(EVERY)] == [0, 0]
    assert len(world.api.asked) == asked + 2  # both streams, by one of them
