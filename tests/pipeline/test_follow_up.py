"""The end of follow-up: every handoff ends in a bucket, judged by when sales acted, after the CRM was asked."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from small_instance import JOURNEY, NOW, Small
from sqlalchemy import select, update

from gateway.contracts import CAMPAIGN, LIST, TASK, Page, Source
from gateway.inbound.pulling import Pulling
from gateway.model import unguarded
from gateway.store import tables as t
from gateway.store.inbox import Inbox
from gateway.sweeps import clocks
from gateway.times import to_micros

AGREED = (
    JOURNEY + "follow_up: {response: 4h, period: 5d, warn: never, escalate: never}\nreasons: {recycled: [not now]}\n"
)
ANN = {"kind": "contact", "id": "c1", "at": "2026-05-30T08:00:00", "email": "ann@one.example"}
ANN |= {"title": "CEO", "number": "7"}
PAGE = {"kind": "contact", "id": "c1", "at": "2026-05-31T08:00:00", "page": "pricing"}
DAY = timedelta(days=1)


class Crm(Source):
    """Leads of the CRM; ``trouble`` is raised at each fetch while it is there."""

    def __init__(self, small: Small) -> None:
        self.small, self.leads, self.trouble, self.fetched = small, {}, None, []

    def read(self, document: Any) -> Iterable[Any]:
        return ()

    def fetch(self, lookups: Any) -> Iterable[Page]:
        if self.trouble:
            raise self.trouble
        self.fetched += [lookup.record for lookup in lookups]
        yield Page(document=orjson.dumps([self.leads[lookup.record] for lookup in lookups]))


class World:
    """Ann is with sales since ``NOW``; in the CRM she is lead L1."""

    def __init__(self, folder: Any, pull: Any = DAY) -> None:
        self.small = Small(folder, journey=AGREED)
        t.inbox.create_all(self.small.store.inbox)
        self.inbox = Inbox(self.small.store.inbox)
        self.crm = Crm(self.small)
        self.pulling = Pulling(
            self.small.store.main, self.inbox, "crm", "crm", self.crm, lambda: self.small.at,
            unguarded, self.small.pipeline.log,
        )  # fmt: skip
        self.gateway = SimpleNamespace(
            store=self.small.store, inbox=self.inbox, pipeline=self.small.pipeline, now=lambda: self.small.at,
            pullings={"crm": self.pulling}, observe=lambda done: None,
            instance=SimpleNamespace(systems={"crm": SimpleNamespace(pull=pull)}),
        )  # fmt: skip
        self.small.take("site", ANN, PAGE, PAGE | {"at": "2026-05-31T09:00:00"})
        self.said()

    def delivered(self) -> None:
        """The CRM has the lead: its write is confirmed, and what it made there is news."""
        self.small.take("crm", self.crm.leads["L1"])
        with self.small.store.main.begin() as connection:
            connection.execute(update(t.writes).values(state="confirmed"))

    def said(self, **news: Any) -> None:
        """The CRM's lead as the CRM shows it; known here from the start."""
        self.crm.leads["L1"] = {"id": "L1", "at": "2026-06-01T00:00:01", "number": "7", **news}

    def rows(self, table: Any) -> list[Any]:
        with self.small.store.main.connect() as connection:
            return list(connection.execute(select(table)))

    def handoff(self) -> Any:
        [handoff] = self.rows(t.handoffs)
        return handoff

    def endings(self) -> list[tuple[str, str]]:
        return [(row.bucket, row.by) for row in sorted(self.rows(t.endings), key=lambda row: row.decided_at)]

    def work(self) -> None:
        """Everything that runs by itself, until nothing is left to do."""
        moved = 1
        while moved:
            moved = clocks.tick(self.gateway) + self.pulling.look_up()
            for document in self.inbox.claim("w"):
                items = orjson.loads(document.body)
                self.small.take("crm", *items)
                self.inbox.finish([document.id])
                moved += 1


@pytest.fixture
def world(tmp_path: Any) -> World:
    world = World(tmp_path)
    world.delivered()
    return world


def test_before_the_end_nothing_is_asked_and_nothing_ends(world: World) -> None:
    world.small.at = NOW + 5 * DAY - timedelta(minutes=1)
    world.work()
    assert (world.handoff().state, world.crm.fetched) == ("open", [])


def test_a_handoff_without_a_word_ends_in_the_default_bucket_once_the_crm_was_asked(world: World) -> None:
    """The record is fetched once; the end is dated when the follow-up was over, however late the clock came."""
    world.small.at = NOW + 6 * DAY
    world.work()
    ended = world.handoff()
    assert (ended.state, ended.bucket, ended.bucket_reason) == ("closed", "recycled", "no word from sales")
    assert (ended.closed_by, ended.closed_at) == ("clock", ended.period_ends)
    assert world.crm.fetched == ["L1"]
    assert world.endings() == [("recycled", "clock")]


def test_how_it_ended_is_told_at_once_while_a_score_that_fell_waits_for_the_full_hour(world: World) -> None:
    world.small.at = NOW + 6 * DAY + timedelta(minutes=7)
    world.work()
    [told] = [row for row in world.rows(t.writes) if row.state == "waiting"]
    assert (told.fields["bucket"], told.due_at) == ("recycled", to_micros(world.small.at))
    with world.small.store.main.begin() as connection:
        connection.execute(update(t.writes).values(state="confirmed"))
    world.small.at += 40 * DAY
    world.small.pipeline.run((), [row.id for row in world.rows(t.leads)], cause="time")
    [fell] = [row for row in world.rows(t.writes) if row.state == "waiting"]
    assert fell.due_at == to_micros(world.small.at + timedelta(minutes=53))


def test_the_clock_fires_once(world: World) -> None:
    world.small.at = NOW + 6 * DAY
    world.work()
    world.work()
    assert (clocks.tick(world.gateway), len(world.endings())) == (0, 1)


def test_what_sales_did_in_time_counts_though_we_hear_of_it_only_when_asking(world: World) -> None:
    world.said(at="2026-06-05T23:00:00", state="Recycled", why="not now")
    world.small.at = NOW + 6 * DAY
    world.work()
    ended = world.handoff()
    assert (ended.bucket, ended.bucket_reason, ended.closed_by[:7]) == ("recycled", "not now", "outcome")


def test_what_sales_did_after_the_end_comes_too_late(world: World) -> None:
    """It is a fact, and does not end the handoff."""
    world.said(at="2026-06-06T01:00:00", state="Recycled", why="not now")
    world.small.at = NOW + 6 * DAY
    world.work()
    assert (world.handoff().closed_by, [row.outcome for row in world.rows(t.outcomes)]) == ("clock", ["recycled"])


def test_while_the_crm_cannot_be_read_the_clock_waits(world: World) -> None:
    """And ends what is over when it can be read again."""
    world.crm.trouble = ConnectionError()
    world.small.at = NOW + 6 * DAY
    world.work()
    assert (world.handoff().state, world.handoff().checking) == ("open", "asked")
    world.crm.trouble = None
    world.small.at += DAY
    world.work()
    assert world.handoff().closed_by == "clock"


def test_what_was_fetched_is_read_before_the_clock_acts(world: World) -> None:
    """The answer may wait in the inbox behind thousands of others."""
    world.small.at = NOW + 6 * DAY
    clocks.tick(world.gateway)
    world.pulling.look_up()
    for _ in range(3):
        clocks.tick(world.gateway)
    assert world.handoff().state == "open"
    world.work()
    assert world.handoff().state == "closed"


def test_a_restart_between_any_two_steps_goes_on(world: World) -> None:
    """All that the clock knows is in the store."""
    world.small.at = NOW + 6 * DAY
    clocks.tick(world.gateway)
    world.gateway.inbox = world.inbox = Inbox(world.small.store.inbox)
    world.work()
    assert world.endings() == [("recycled", "clock")]


def test_news_that_sales_had_acted_in_time_corrects_the_clock(world: World) -> None:
    """By a new decision beside the old one; the lead has the new bucket."""
    world.small.at = NOW + 6 * DAY
    world.work()
    world.small.at += DAY
    won = {"kind": "contact", "id": "c1", "at": "2026-06-03T12:00:00", "status": "Won"}
    world.small.take("site", won)
    ended = world.handoff()
    assert (ended.bucket, ended.state) == ("sales_qualified", "closed")
    assert [bucket for bucket, _ in world.endings()] == ["recycled", "sales_qualified"]
    assert world.endings()[0] == ("recycled", "clock")


def test_later_news_corrects_nothing(world: World) -> None:
    world.small.at = NOW + 6 * DAY
    world.work()
    world.small.at += DAY
    world.small.take("site", {"kind": "contact", "id": "c1", "at": "2026-06-06T12:00:00", "status": "Won"})
    assert (world.handoff().bucket, world.endings()) == ("recycled", [("recycled", "clock")])


def test_the_clock_asks_nobody_for_a_reason(world: World) -> None:
    world.small.at = NOW + 6 * DAY
    world.work()
    assert [row.kind for row in world.rows(t.work_items)] == []


def test_a_system_that_is_never_asked_is_not_waited_for(tmp_path: Any) -> None:
    """Without `pull:` nothing is fetched by itself: the clock acts on what is known."""
    world = World(tmp_path, pull=None)
    world.delivered()
    world.small.at = NOW + 6 * DAY
    world.work()
    assert (world.handoff().closed_by, world.crm.fetched) == ("clock", [])


def test_nobody_is_blamed_for_what_the_crm_was_never_told(tmp_path: Any) -> None:
    """The lead's record is not made yet: its follow-up cannot be over."""
    world = World(tmp_path)
    world.small.at = NOW + 6 * DAY
    world.work()
    assert (world.handoff().state, world.handoff().checking) == ("open", "")


@pytest.mark.parametrize(("beside", "state"), [(TASK, "open"), (LIST, "closed"), (CAMPAIGN, "closed")])
def test_a_list_that_was_refused_keeps_no_handoff_open(world: World, beside: str, state: str) -> None:
    """Sales know of the lead by its record and its task."""
    with world.small.store.main.begin() as connection:
        row = dict(connection.execute(select(t.writes)).mappings().all()[0])
        refused = {"id": "w2", "object": beside, "key": f"{beside}:1", "state": "dead"}
        connection.execute(t.writes.insert().values(row | refused))
    world.small.at = NOW + 6 * DAY
    world.work()
    assert world.handoff().state == state
