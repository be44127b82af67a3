"""The sweep of machines that wait for bells: one at a time, and nothing that waits is left without a bell."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert

from gateway.engine.sweeping import alone, shared, unheld
from gateway.store import bells, due
from gateway.store import tables as t
from gateway.store.database import read, write
from gateway.store.leases import Lease
from gateway.store.rescoring import under_way
from gateway.testing.instance import Instance
from gateway.times import to_micros

pytestmark = pytest.mark.sqlite  # it says itself where its store is
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
FILES = {
    "mappings/crm.yaml": {
        "system": "crm",
        "timezone": "UTC",
        "objects": {
            "contact": {
                "kind": "person",
                "id": "id",
                "time": "at",
                "create": "always",
                "fields": {"email": "email", "score": {"to": "score", "type": "integer", "sync": "out"}},
            }
        },
    },
    "scoring.yaml": {
        "weights": {"fit": 60, "behaviour": 40},
        "maximum": {"fit": 60, "behaviour": 40},
        "fit": [{"name": "All", "when": {"email": {"known": True}}, "points": 10}],
    },
}


@pytest.fixture
def instance(tmp_path, postgresql):
    store = {"store": postgresql.make(bells=True), "engine": "procrastinate"}
    systems = {"crm": {"plugin": "memory", "role": "crm", "outbound": True, "pull": "1h"}}
    instance = Instance(tmp_path, FILES | {"gateway.yaml": store | {"systems": systems}}, lambda: NOW)
    yield instance
    instance.close()


def jobs(gateway):
    with read(gateway.store.main) as connection:
        sql = "SELECT queue_name, status FROM procrastinate_jobs ORDER BY id"
        return [tuple(row) for row in connection.exec_driver_sql(sql)]


def lose(gateway):
    """Every bell that has rung."""
    with write(gateway.store.main, lock=None) as connection:
        connection.exec_driver_sql("DELETE FROM procrastinate_jobs")


def test_each_kind_of_work_rings_and_is_rung_for_again(instance):
    """By the commit that made it; and, its bell lost, by the sweep, as long as it is due and nobody holds it."""
    gateway = instance.open()
    sweep = alone(gateway, "w", lambda: 7)
    instance.give("crm", {"object": "contact", "id": "1", "at": NOW.isoformat(), "email": "a@example.org"})
    assert jobs(gateway) == [("pipeline", "todo")]
    lose(gateway)
    assert list(unheld(gateway)) == ["pipeline"]
    documents = gateway.inbox.claim("another")
    assert list(unheld(gateway)) == []
    gateway.inbox.release("another", [document.id for document in documents])
    assert sweep() == 7
    assert jobs(gateway) == [("pipeline", "todo")]
    lose(gateway)
    instance.work()
    assert ("deliver:crm", "todo") in jobs(gateway)
    lose(gateway)
    assert list(unheld(gateway)) == ["deliver:crm"]
    instance.deliver("crm")
    assert list(unheld(gateway)) == []
    with write(gateway.store.main) as connection:
        row = {"system": "crm", "object": "contact", "record": "2", "fields": []}
        later = to_micros(NOW + timedelta(hours=1))
        connection.execute(
            insert(t.lookups), [row | {"due_at": later}, row | {"record": "3", "due_at": to_micros(NOW)}]
        )
    assert list(unheld(gateway)) == ["pull:crm"]
    with write(gateway.store.main) as connection:
        connection.execute(t.systems.insert().values(name="crm", paused="a person said so", paused_at=1))
        assert due.paused(connection, "crm")
    assert list(unheld(gateway)) == []


def test_one_machine_sweeps_at_a_time(instance):
    """Another that is at it is enough; one that fails keeps it from nobody."""
    gateway = instance.open()
    seen = []
    one, two = (alone(gateway, name, lambda: seen.append(two()) or 1) for name in ("one", "two"))
    assert one() == 1
    assert seen == [0]

    def fails():
        raise RuntimeError

    with pytest.raises(RuntimeError):
        alone(gateway, "three", fails)()
    assert Lease(gateway.store.main, "sweep", "four").take()


def test_bells_that_a_dead_process_had_heard_are_forgotten(instance):
    """Those of the living stay, and so do those that wait."""
    gateway = instance.open()
    with write(gateway.store.main, lock=None) as connection:
        bells.ring(connection, "one", "two", "three")
    with write(gateway.store.main, lock=None) as connection:
        for beat, queue in (("90 seconds", "one"), ("1 second", "two")):
            connection.exec_driver_sql(
                "WITH w AS (INSERT INTO procrastinate_workers (last_heartbeat)"
                f" VALUES (now() - interval '{beat}') RETURNING id) UPDATE procrastinate_jobs"
                f" SET status = 'doing', worker_id = w.id FROM w WHERE queue_name = '{queue}'"
            )
    alone(gateway, "w", lambda: 0)()
    assert sorted(jobs(gateway)) == [("three", "todo"), ("two", "doing")]


def test_a_rescoring_is_shared_by_all_that_have_no_documents(instance):
    """Each part is the work of whoever is idle; the sweep rings until all is done."""
    instance.give("crm", {"object": "contact", "id": "1", "at": NOW.isoformat(), "email": "a@example.org"})
    instance.work()
    instance.deliver("crm")
    instance.close()
    fit = [{"name": "All", "when": {"email": {"known": True}}, "points": 60}]
    instance.write("scoring.yaml", FILES["scoring.yaml"] | {"fit": fit})
    gateway = instance.open()
    assert list(unheld(gateway)) == ["pipeline"]
    work = shared(gateway)
    while work("w"):
        pass
    with read(gateway.store.main) as connection:
        assert under_way(connection) is None
    assert [lead["fit"] for lead in instance.leads()] == [6000]


def test_a_worker_that_was_taken_over_changes_nothing_when_it_wakes(instance):
    """It had read its documents; its heir has worked them meanwhile: what they say is known already."""
    gateway = instance.open()
    instance.give("crm", {"object": "contact", "id": "1", "at": NOW.isoformat(), "email": "a@example.org"})
    readings = [gateway.read(document) for document in gateway.inbox.claim("stopped")]
    assert gateway.inbox.bury("stopped") == 1
    assert gateway.run_pipeline_once("heir") == 1
    with read(gateway.store.main) as connection:
        before = [connection.execute(table.select()).all() for table in (t.events, t.leads, t.writes)]
    gateway.pipeline.run(readings)
    gateway.inbox.finish(reading.document.id for reading in readings)
    with read(gateway.store.main) as connection:
        after = [connection.execute(table.select()).all() for table in (t.events, t.leads, t.writes)]
    assert after == before
    assert gateway.inbox.counts()["crm"]["read"] == 1
