"""The past beside the news: read once, whole, from where it broke off; and what is known read again, field by field."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta

import orjson
import pytest
import structlog
from sqlalchemy import select

from gateway.contracts import Estimate, Page, Source
from gateway.errors import TryLater
from gateway.inbound.pulling import SKEW, Pulling
from gateway.store import due
from gateway.store import tables as t
from gateway.store.database import open_store, read, write
from gateway.store.inbox import Inbox
from gateway.store.put import Put
from gateway.times import to_micros

START = datetime(2026, 6, 1, tzinfo=UTC)


class Api(Source):
    """Contacts 1 … 5, two a page; ``breaks`` counts down to a broken page."""

    def __init__(self):
        self.asked, self.breaks = [], -1

    def read(self, document):
        return ()

    def streams(self):
        return ["contacts"]

    def pull(self, stream, cursor, since):
        self.asked.append(("pull", cursor, since))
        yield from self._pages((cursor or {}).get("after", 0))

    def history(self, stream, cursor, since):
        self.asked.append(("history", cursor, since))
        yield from self._pages((cursor or {}).get("after", 0))

    def _pages(self, after):
        for last in range(after + 2, 7, 2):
            self.breaks -= 1
            if self.breaks == 0:
                raise TryLater(60, "the calls are used up")
            ids = [n for n in (last - 1, last) if n <= 5]
            yield Page(document=orjson.dumps(ids), cursor={"after": last}, more=last < 6, records=len(ids))

    def fetch(self, lookups):
        self.asked.append(("fetch", [one.record for one in lookups], lookups[0].fields))
        self.breaks -= 1
        if self.breaks == 0:
            raise TryLater(60, "the calls are used up")
        yield Page(document=orjson.dumps([self.asked[-1][1], len(self.asked)]), records=len(lookups))

    def estimate(self, stream, since):
        return Estimate(records=5, calls=3)


class World:
    def __init__(self, folder):
        self.at = START
        self.store = open_store(folder)
        t.main.create_all(self.store.main)
        t.inbox.create_all(self.store.inbox)
        self.inbox = Inbox(self.store.inbox)
        self.api = Api()

        def guard(*_):
            return contextlib.nullcontext()

        log = structlog.get_logger()
        self.pulling = Pulling(self.store.main, self.inbox, "ma", "api", self.api, lambda: self.at, guard, log)

    def connect(self, at):
        row = {"id": "b", "files": {}, "hashes": {"mapping:ma": "x"}, "active_at": to_micros(at)}
        with write(self.store.main) as connection:
            Put(connection).insert(t.bundles, [row])

    def know(self, count):
        rows = [
            {"system": "ma", "object": "contact", "record": f"{n:03}", "kind": "person", "entity": "e", "snapshot": {},
             "first_at": 0, "last_at": 0, "last_key": "k", "mapping": "", "main": True, "enrolled": False,
             "gone": "deleted" if n == 1 else None, "assumed": []}
            for n in range(count)
        ]  # fmt: skip
        with write(self.store.main) as connection:
            Put(connection).insert(t.records, rows)

    def documents(self):
        with read(self.store.inbox) as connection:
            rows = connection.execute(select(t.documents).order_by(t.documents.c.id)).all()
        return [(orjson.loads(row.body), row.history) for row in rows]

    def cursor(self, stream="contacts"):
        with read(self.store.main) as connection:
            return due.cursor(connection, "ma", stream)


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    yield made
    made.store.close()


def test_history_goes_on_where_it_broke_off(world):
    """The pages before are not asked for again; the documents are marked as history."""
    world.api.breaks = 2
    with pytest.raises(TryLater):
        list(world.pulling.history("contacts"))
    list(world.pulling.history("contacts"))
    assert [cursor for _, cursor, _ in world.api.asked] == [None, {"after": 2}]
    assert world.documents() == [([1, 2], True), ([3, 4], True), ([5], True)]


def test_news_go_on_where_history_ended(world):
    """The stream had no cursor yet."""
    list(world.pulling.history("contacts"))
    assert world.cursor() == {"after": 6}


def test_history_leaves_the_news_where_they_are(world):
    """What is new is pulled already: the end of the past moves nothing."""
    with write(world.store.main) as connection:
        due.save_cursor(connection, "ma", "contacts", {"after": 99}, 0)
    list(world.pulling.history("contacts"))
    assert world.cursor() == {"after": 99}


def test_a_stream_whose_past_was_read_waits_for_the_others(world):
    """A second start asks it nothing, until all of them are read: then the past can be read anew."""
    list(world.pulling.history("contacts"))
    assert world.pulling.read_whole("contacts")
    assert list(world.pulling.history("contacts")) == []
    world.pulling.forget_history(["contacts"])
    assert len(list(world.pulling.history("contacts"))) == 3


def test_a_first_pull_begins_when_the_system_was_connected(world):
    """What was there before is no news; of a system that was pulled before, the cursor says where."""
    world.connect(START - timedelta(days=2))
    assert world.pulling.begin("contacts") == START - timedelta(days=2) - SKEW
    world.pulling.pull(timedelta(minutes=1))
    assert world.api.asked == [("pull", None, START - timedelta(days=2) - SKEW)]
    assert world.pulling.begin("contacts") is None


def test_a_stream_that_comes_later_begins_when_it_came(world):
    """Not when its system was connected, long ago; and it stays there until it has a cursor of its own."""
    world.connect(START - timedelta(days=300))
    world.pulling.pull(timedelta(minutes=1))
    assert world.pulling.begin("deals") == START - SKEW
    world.at += timedelta(days=1)
    assert world.pulling.begin("deals") == START - SKEW


def test_known_records_are_read_again_without_news(world, monkeypatch):
    """Just these fields, of those that are there, as history; broken off, it goes on where it stopped."""
    monkeypatch.setattr("gateway.inbound.pulling.LOOKUPS", 2)
    world.know(6)
    world.api.breaks = 2
    with pytest.raises(TryLater):
        list(world.pulling.again({"contact": ["city"]}))
    done = [count for count, _ in world.pulling.again({"contact": ["city"]})]
    assert [(records, fields) for _, records, fields in world.api.asked] == [
        (["000", "002"], ("city",)), (["003", "004"], ("city",)), (["003", "004"], ("city",)), (["005"], ("city",)),
    ]  # fmt: skip
    assert done == [4, 5]
    assert {history for _, history in world.documents()} == {True}
    list(world.pulling.again({"contact": ["city"]}))
    assert world.api.asked[4][1] == ["000", "002"]  # all were read: this is another reading
