"""Receipts and news of the same records, booked at the same time: on PostgreSQL, where neither waits for the store."""

from __future__ import annotations

import contextlib
import random
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta

import pytest
import small_instance
import structlog
from small_instance import Small, days
from sqlalchemy import select, text

from gateway.contracts import Call, Receipt, Secret, Sink
from gateway.outbound.delivery import Delivery
from gateway.store import alarms, booking, database
from gateway.store import commit as committing
from gateway.store import tables as t
from gateway.store.database import open_store, read, write
from gateway.store.place import Place
from gateway.sync.drift import Drift

pytestmark = pytest.mark.sqlite  # each test says itself where its stores are


class Crm(Sink):
    """A CRM that takes everything, and knows a person by our key."""

    def __init__(self):
        self.heard = lambda: None

    def calls(self, writes):
        return [Call(title="rows", writes=tuple(writes[n : n + 5])) for n in range(0, len(writes), 5)]

    def deliver(self, call):
        self.heard()
        return [Receipt(key=one.key, result="done", record=one.record or f"r{one.key}") for one in call.writes]


@pytest.fixture
def small(tmp_path, postgresql, monkeypatch):
    url = postgresql.make()
    monkeypatch.setattr(small_instance, "open_store", lambda folder: open_store(Place(folder, Secret(url, "test"))))
    small = Small(tmp_path)
    small.crm = Crm()
    quiet = (lambda *_: contextlib.nullcontext(), structlog.get_logger())
    small.delivery = Delivery(small.store.main, "crm", small.crm, "crm", lambda: small.at, *quiet)
    yield small
    small.store.close()


@pytest.fixture
def beside():
    """Runs a call while the test goes on."""
    with ThreadPoolExecutor(8) as pool:
        yield pool.submit


def ready(small, *numbers):
    """Leads over the threshold: a write waits for each."""
    common = {"kind": "contact", "at": days(9), "title": "CEO", "page": "/a", "country": "Chile"}
    small.take("site", *({"id": str(number), **common} for number in numbers))


def told(small, number, **fields):
    """News of the record that the CRM made for lead ``number``."""
    small.take("crm", {"id": record_of(small, number), **fields})


def record_of(small, number):
    r = t.records.c
    lead = select(r.entity).where(r.system == "site", r.record == str(number)).scalar_subquery()
    with read(small.store.main) as connection:
        return connection.scalar(select(r.record).where(r.system == "crm", r.entity == lead))


def snapshot(small, number):
    r = t.records.c
    with read(small.store.main) as connection:
        held = connection.scalar(select(r.snapshot).where(r.system == "crm", r.record == record_of(small, number)))
    return {name: value[0] for name, value in held.items()}


def waits_for_a_row(small):
    """How many of the database's sessions wait for somebody else's."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with small.store.main.connect() as connection:
        return connection.scalar(text(waiting))


def until_it_waits(small, call: Future):
    for _ in range(2000):
        if call.done() or waits_for_a_row(small):
            return
        call_wait(call, 0.005)


def call_wait(call, seconds):
    with contextlib.suppress(TimeoutError):
        call.result(seconds)


def test_receipts_are_booked_while_batches_and_other_systems_commit(small, monkeypatch):
    """Nobody who writes other rows is waited for."""
    monkeypatch.setattr(database, "CROWD_SECONDS", 0.3)
    ready(small, 1)
    with write(small.store.main, shared=True) as batch:
        batch.execute(t.settings.insert().values(name="a", value="batch"))
        assert small.delivery.run("w") == (1, [])
    assert small.rows(t.writes, "state") == [("confirmed",)]


def test_what_waited_for_an_alarm_goes_while_batches_commit(small, monkeypatch):
    """What a batch is at just then goes after it; nobody is kept from writing, and nobody is waited for."""
    monkeypatch.setattr(database, "CROWD_SECONDS", 0.3)
    ready(small, 1, 2)
    alarm = {"key": "drift:crm:lead:land", "kind": alarms.DRIFT, "system": "crm", "object": "lead"}
    detail = alarms.detail_of(Drift("lead", "land", "gone", "went"))
    with write(small.store.main) as connection:
        alarms.raise_alarms(connection, [alarm | {"detail": detail}], 1)
    assert small.delivery.run("w") == (2, [])
    assert set(small.rows(t.writes, "state", "code")) == {("waiting", alarm["key"])}
    with write(small.store.main) as connection:
        alarms.end_alarms(connection, [alarm["key"]], alarms.RIGHT_AGAIN, 2)
    with write(small.store.main, shared=True) as batch:
        one = batch.execute(
            select(t.writes.c.id, t.writes.c.lead).order_by(t.writes.c.id).limit(1).with_for_update()
        ).one()
        count, again = small.delivery.run("w")
        assert (count, len(again)) == (1, 1)
        assert (one.lead,) not in again
    assert small.delivery.run("w") == (1, [(one.lead,)])
    assert small.delivery.run("w") == (2, [])
    assert set(small.rows(t.writes, "state")) == {("confirmed",)}


def test_news_that_comes_while_receipts_are_booked_is_worked_after_them(small, beside, monkeypatch):
    """Its batch was loaded before: what the receipt taught the snapshot is not lost."""
    ready(small, 1)
    small.delivery.run("w")
    small.take("site", {"kind": "contact", "id": "1", "at": days(5), "country": "Peru"})
    original, batches = booking._dead_letters, []

    def while_news_comes(*given):
        batches.append(beside(told, small, 1, at=days(4), state="Working"))
        until_it_waits(small, batches[0])
        assert not batches[0].done()  # it waits for the lead
        return original(*given)

    monkeypatch.setattr(booking, "_dead_letters", while_news_comes)
    small.delivery.run("w")
    batches[0].result(30)
    assert (snapshot(small, 1)["land"], snapshot(small, 1)["state"]) == ("Peru", "Working")


def test_receipts_that_come_while_news_is_committed_are_booked_after_it(small, beside, monkeypatch):
    """They read the record when they have its lead, so the news is not lost."""
    ready(small, 1)
    small.delivery.run("w")
    small.take("site", {"kind": "contact", "id": "1", "at": days(5), "country": "Peru"})
    original, runs = committing._commit_facts, []

    def while_receipts_come(*given):
        if not runs:
            runs.append(beside(small.delivery.run, "w"))
            until_it_waits(small, runs[0])
            assert not runs[0].done()
        return original(*given)

    monkeypatch.setattr(committing, "_commit_facts", while_receipts_come)
    told(small, 1, at=days(4), state="Working")
    assert runs[0].result(30)[0] == 1
    assert (snapshot(small, 1)["land"], snapshot(small, 1)["state"]) == ("Peru", "Working")


def test_news_of_a_record_that_is_faster_than_its_receipt_is_seen_by_it(small, beside, monkeypatch):
    """Both would make the record's row: the receipt is booked anew, and says whose the record is."""
    ready(small, 1)
    original, runs = committing._commit_facts, []
    key = small.rows(t.writes, "key")[0][0]

    def while_receipts_come(*given):
        if not runs:
            runs.append(beside(small.delivery.run, "w"))
            until_it_waits(small, runs[0])
            assert not runs[0].done()
        return original(*given)

    monkeypatch.setattr(committing, "_commit_facts", while_receipts_come)
    small.take("crm", {"id": f"r{key}", "at": days(4), "state": "Working"})
    _, again = runs[0].result(30)
    small.pipeline.again(again)
    assert len(small.leads()) == 1
    assert (snapshot(small, 1)["position"], snapshot(small, 1)["state"]) == ("CEO", "Working")


def test_receipts_and_news_in_any_order_lose_nothing(small, beside):
    """Twelve leads changed again and again on both sides, by two pipelines and a delivery worker."""
    ready(small, *range(12))
    small.delivery.run("w")
    rng = random.Random(3)
    rounds, at = 3, [days(3 - step / 10) for step in range(20)]

    def news(system):
        for step in range(rounds):
            for number in rng.sample(range(12), 12):
                if system == "crm":
                    told(small, number, at=at[step], state=f"state {step}")
                else:
                    common = {"kind": "contact", "id": str(number), "at": at[step]}
                    small.take("site", common | {"country": f"country {step}"})

    sources = [beside(news, system) for system in ("crm", "site")]
    while not all(source.done() for source in sources):
        small.pipeline.again(small.delivery.run("w")[1])
    for source in sources:
        source.result()
    small.at += timedelta(hours=1)
    while small.delivery.run("w")[0]:
        pass
    held = [snapshot(small, number) for number in range(12)]
    assert {(one["land"], one["state"]) for one in held} == {(f"country {rounds - 1}", f"state {rounds - 1}")}
    assert {row[0] for row in small.rows(t.writes, "state")} <= {"confirmed", "superseded"}
