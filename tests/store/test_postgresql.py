"""What the store promises where several machines write to it at once: on PostgreSQL."""

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError, OperationalError

from gateway import logs
from gateway.contracts import Secret
from gateway.errors import StaleCommit, StorageBusy
from gateway.store import database, migrations, outbox, tables
from gateway.store.arrivals import Arrival
from gateway.store.budgets import held, hold
from gateway.store.commit import commit, commit_writes
from gateway.store.database import in_words, open_store, read, require_current, upgrade, write
from gateway.store.inbox import Inbox
from gateway.store.place import Place
from gateway.times import to_micros

pytestmark = pytest.mark.sqlite  # each test says itself where its stores are
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def opened(postgresql):
    """Opens one database as often as it is called: each time as another machine would."""
    url, stores = postgresql.make(), []

    def open_(url=url):
        stores.append(open_store(Place(Path("var"), Secret(url, "test"))))
        return stores[-1]

    yield open_
    for store in stores:
        store.close()


def at_once(*calls):
    """The results of calls that begin together."""
    ready = threading.Barrier(len(calls))

    def begun(call):
        ready.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [one.result() for one in [pool.submit(begun, call) for call in calls]]


def definitions(store):
    columns = (
        "SELECT table_name, column_name, data_type, character_maximum_length, is_nullable, column_default,"
        " collation_name FROM information_schema.columns WHERE table_schema = 'public'"
    )
    indexes = "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
    keys = "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype <> 'n'"
    options = "SELECT relname, reloptions::text FROM pg_class WHERE relkind = 'r' AND reloptions IS NOT NULL"
    with store.main.connect() as connection:
        rows = [tuple(row) for sql in (columns, indexes, keys, options) for row in connection.execute(text(sql))]
    return {row for row in rows if "version_" not in row[0] and "pg_" not in row[0]}


def test_migrated_tables_are_the_fresh_ones(opened, postgresql):
    """Columns, their order of characters, conditions of indexes, defaults, keys, and the room on pages."""
    fresh = opened(postgresql.make(tables=False))
    for metadata in migrations.METADATA.values():
        metadata.create_all(fresh.main)
    migrated = definitions(opened())
    assert migrated == definitions(fresh)
    assert ("leads", "{fillfactor=75}") in migrated
    assert {row[6] for row in migrated if len(row) == 7 and row[2] == "character varying"} == {"C"}


def test_who_claims_beside_another_takes_the_next_documents(opened):
    """A worker that looks while another is taking its share finds the rest, not nothing."""
    one, two = (Inbox(opened().inbox) for _ in range(2))
    upgrade(opened())
    one.append([Arrival(system="site", body=b"%d" % n, received_at=NOW) for n in range(6)])
    for _ in range(3):
        taken = at_once(lambda: one.claim("one", bytes=1), lambda: two.claim("two", bytes=1))
        assert [len(documents) for documents in taken] == [1, 1]
    assert one.claim("one") == []


def test_several_starters_upgrade_one_database_at_once(opened, postgresql):
    """One makes the tables; the others wait for it and find them."""
    url = postgresql.make(tables=False)
    stores = [opened(url) for _ in range(3)]
    at_once(*((lambda store=store: upgrade(store)) for store in stores))
    require_current(stores[0])


def test_one_delivery_by_many_doors_is_stored_once(opened):
    """The same ten ids, in any order, by four connections at once."""
    inboxes = [Inbox(opened().inbox) for _ in range(4)]
    arrivals = [Arrival(system="website", body=b"{}", key=f"k{number}", received_at=NOW) for number in range(10)]
    orders = [arrivals, arrivals[::-1]] * 2
    doors = zip(inboxes, orders, strict=True)
    answers = at_once(*((lambda inbox=inbox, order=order: inbox.append(order)) for inbox, order in doors))
    counts = inboxes[0].counts()["website"]
    assert (counts["stored"], counts["duplicates"]) == (10, 30)
    assert len({answer.id for one in answers for answer in one}) == 10


def test_workers_share_what_waits(opened):
    """No document is claimed twice, and nobody waits for who claims beside them."""
    inboxes = [Inbox(opened().inbox) for _ in range(4)]
    inboxes[0].append([Arrival(system="website", body=b"%d" % n, key=str(n), received_at=NOW) for n in range(40)])
    claims = at_once(
        *((lambda number=n, inbox=inbox: inbox.claim(f"w{number}", 10)) for n, inbox in enumerate(inboxes))
    )
    claimed = [document.id for one in claims for document in one]
    assert len(claimed) == len(set(claimed))
    assert claimed


def test_who_writes_alone_waits_for_batches_and_they_for_it(opened, monkeypatch):
    """Batches write beside each other; who reads and then writes has the store to itself."""
    monkeypatch.setattr(database, "CROWD_SECONDS", 0.2)
    one, two = opened(), opened()
    with write(one.main, shared=True), write(two.main, shared=True):
        pass
    for first, second in (({}, {"shared": True}), ({"shared": True}, {}), ({}, {})):
        with write(one.main, **first), pytest.raises(OperationalError, match="lock timeout"), write(two.main, **second):
            pass
    with write(one.main), write(two.main, lock="budget crm"), write(two.main, lock=None):
        pass


@pytest.mark.parametrize("how", [{}, {"shared": True}, {"lock": None}])
def test_a_writer_that_was_stopped_keeps_the_others_out_for_a_while_only(opened, monkeypatch, how):
    """Its transaction is ended by the server, so that nothing of it counts when it wakes."""
    usual = database.IDLE_SECONDS
    assert usual < database.CROWD_SECONDS  # who waits behind it, as a process that begins, is still there
    monkeypatch.setattr(database, "IDLE_SECONDS", 1.0)
    stopped, other = opened(), opened()
    row = {"name": "a", "value": "stopped"}
    with pytest.raises(DBAPIError) as refused, write(stopped.main, **how) as sleeping:
        sleeping.execute(insert(tables.settings).values(row))
        monkeypatch.setattr(database, "IDLE_SECONDS", usual)  # the others are slow on a busy machine, not stopped
        with write(other.main) as connection:  # waits for the lock, or for the row
            connection.execute(insert(tables.settings).values(row | {"value": "awake"}))
        sleeping.execute(select(1))
    assert database.store_trouble(refused.value)
    with write(stopped.main) as connection:
        assert connection.scalar(select(tables.settings.c.value)) == "awake"


def test_no_call_is_taken_from_a_budget_twice(opened):
    """Two workers that read and then write the same number count both."""
    stores = [opened() for _ in range(2)]

    def take(store):
        for _ in range(20):
            with write(store.main, lock="budget crm") as connection:
                hold(connection, "crm", {"60": held(connection, "crm").get("60", 0) + 1})

    at_once(*((lambda store=store: take(store)) for store in stores))
    with read(stores[0].main) as connection:
        assert held(connection, "crm") == {"60": 40}


def planned(store, leads):
    """Two writes for each of so many leads, about the same record, by keys of their own."""
    now = to_micros(NOW)
    row = {"object": "contact", "fields": {"a": 1}, "refs": {}, "create": False, "stamps": {}, "priority": 5}
    row |= {"cause": "news", "planned_at": now, "state": "waiting", "due_at": now, "system": "crm"}
    rows = [row | {"id": f"{n:032}", "key": f"k{n}", "lead": f"{n // 2:032}"} for n in range(2 * leads)]
    with write(store.main) as connection:
        connection.execute(insert(tables.writes), rows)


def claim(store, worker, limit=4):
    with write(store.main, lock=outbox.turn("crm")) as connection:
        return [row.lead for row in outbox.claim(connection, "crm", worker, to_micros(NOW), limit)]


def test_workers_share_what_is_to_be_written(opened):
    """No write is claimed twice, nor two of one lead at a time; nobody waits for who writes anywhere else."""
    stores = [opened() for _ in range(4)]
    planned(stores[0], 20)

    def worker(number):
        return lambda: claim(stores[number], f"w{number}") + claim(stores[number], f"w{number}")

    with write(stores[0].main):
        claims = at_once(*map(worker, range(4)))
    claimed = [lead for one in claims for lead in one]
    assert len(claimed) == len(set(claimed)) == 16


def test_what_is_being_superseded_is_not_claimed_and_what_is_claimed_not_superseded(opened):
    """Who replaces a waiting write and who sends it are never both right."""
    one, two = opened(), opened()
    planned(one, 1)
    newer = {"system": "crm", "key": "k0", "lead": f"{0:032}", "object": "contact", "fields": {"a": 2}, "refs": {}}
    newer |= {"create": False, "stamps": {}, "priority": 5, "cause": "news", "planned_at": 1, "state": "waiting"}
    newer |= {"due_at": to_micros(NOW)}
    with write(one.main, shared=True) as connection:
        commit_writes(connection, [newer | {"id": f"{9:032}"}], to_micros(NOW))
        with write(two.main, lock=outbox.turn("crm")) as there:
            claimed = [row.key for row in outbox.claim(there, "crm", "w", to_micros(NOW))]
    assert claimed == []  # the lead's other write was looked at by the planner, too
    with write(two.main, lock=outbox.turn("crm")) as there, ThreadPoolExecutor(1) as pool:
        [row] = outbox.claim(there, "crm", "w", to_micros(NOW))

        def supersede():
            with write(one.main, shared=True) as connection:
                commit_writes(connection, [newer | {"id": f"{10:032}", "key": row.key}], to_micros(NOW))

        waits = pool.submit(supersede)
        with pytest.raises(TimeoutError):
            waits.result(0.2)
        there.commit()
        waits.result(30)
    w = tables.writes.c
    with read(one.main) as connection:
        states = dict(connection.execute(select(w.id, w.state).where(w.key == row.key)).all())
    assert states[row.id] == "leased"
    assert states[f"{10:032}"] == "waiting"


def test_batches_that_wait_for_each_other_are_computed_again(opened):
    """PostgreSQL ends one of two that would wait for ever: it is stale, like any that came second."""
    one, two = opened(), opened()
    with write(one.main) as connection:
        rows = [{"name": name, "value": ""} for name in "ab"]
        connection.execute(insert(tables.settings), rows)
    met = threading.Barrier(2)

    class Crossing:
        """A batch whose commit changes two rows, with a meeting in between."""

        def __init__(self, names):
            self.names = names

        @property
        def leads(self):
            change = tables.settings.update()
            self.connection.execute(change.where(tables.settings.c.name == self.names[0]).values(value=self.names))
            met.wait(30)
            self.connection.execute(change.where(tables.settings.c.name == self.names[1]).values(value=self.names))
            return {}

    def work(store, names):
        batch = Crossing(names)
        try:
            with write(store.main, shared=True) as batch.connection:
                commit(batch.connection, batch)
        except StaleCommit:
            return "stale"
        except AttributeError:  # the rest of a batch it has not
            return "through"

    assert sorted(at_once(lambda: work(one, "ab"), lambda: work(two, "ba"))) == ["stale", "through"]


def test_a_database_that_was_away_is_used_again(opened, postgresql):
    """What was not stored is said to be; the connections that broke are made anew by themselves."""
    store = opened()
    inbox, name = Inbox(store.inbox), store.main.url.database
    inbox.append([Arrival(system="website", body=b"1", key="1", received_at=NOW)])
    postgresql.server.run(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
    postgresql.server.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    began = time.monotonic()
    with pytest.raises(StorageBusy, match="storage away"):
        inbox.append([Arrival(system="website", body=b"2", key="2", received_at=NOW)])
    assert time.monotonic() - began < 30
    postgresql.server.run(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    assert not inbox.append([Arrival(system="website", body=b"2", key="2", received_at=NOW)])[0].duplicate
    with read(store.main) as connection:
        assert connection.scalar(select(tables.leads.c.id)) is None


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("FATAL:  the database system is starting up", "is starting; try again"),
        ("FATAL:  the database system is not yet accepting connections", "is starting; try again"),  # after a crash
        ("FATAL:  the database system is in recovery mode", "is starting; try again"),
        ("FATAL:  the database system is shutting down", "is being shut down; try again when it is back"),
        ("server closed the connection unexpectedly", "went away; try again when it is back"),
    ],
)
def test_a_server_that_comes_or_goes_says_which(said, told):
    import psycopg

    assert in_words(OperationalError("SELECT 1", None, psycopg.OperationalError(said))) == told


def test_connections_that_broke_are_told_in_a_line(opened, postgresql, capfd):
    """All of them break at once: no traceback, and nothing that says who connects."""
    store, name = opened(), opened().main.url.database
    logs.configure(logs.WARNING)
    logs._BROKEN._told = float("-inf")

    def cut():
        with pytest.raises(DBAPIError), write(store.main) as connection:
            postgresql.server.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
            connection.execute(select(1))

    with store.main.connect() as reading:
        reading.execute(select(1))
        cut()
        reading.invalidate()
    cut()
    logging.getLogger("sqlalchemy.pool").error("Exception during reset or similar", exc_info=OSError("who"))
    logging.getLogger("psycopg").warning("error ignored in rollback on who")
    [line] = capfd.readouterr().err.splitlines()
    assert 'level=warning event="database connection broke; the next statement makes a new one"' in line
    assert "who" not in line


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("s3cret", "wrong-s3cret"), "refuses the user or the password"),
        (("/{name}", "/{name}x"), "takes nobody in: there is no such database"),
        ((":{port}/", ":1/"), "does not answer: nobody listens there"),
        (("127.0.0.1", "nowhere.invalid"), "cannot be found: there is no host of that name"),
    ],
)
def test_what_is_wrong_is_told_without_user_and_password(postgresql, change, told):
    """Host, database and what to do."""
    server = postgresql.server
    name = postgresql.make().partition("?")[0].rpartition("/")[2]
    server.run("DROP ROLE IF EXISTS somebody")
    server.run("CREATE ROLE somebody LOGIN PASSWORD 's3cret'")
    url = server.host_url(name, "somebody", "s3cret")
    old, new = (part.format(name=name, port=server.port) for part in change)
    head, _, tail = url.rpartition("somebody:")
    store = open_store(Place(Path("var"), Secret(f"{head}somebody:{tail.replace(old, new)}", "test")))
    with pytest.raises(database.ConfigError) as failed:
        require_current(store)
    store.close()
    server.run("DROP ROLE somebody")
    assert told in str(failed.value)
    assert str(failed.value).startswith("postgresql://")
    assert "s3cret" not in repr(failed.value) + repr(store) + str(failed.value)
