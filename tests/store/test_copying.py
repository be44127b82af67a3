"""A whole store copied between the two databases, into a backup and out of one."""

import contextlib
import itertools
import os
import random
import signal
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import JSON, BigInteger, Boolean, LargeBinary, String, event, insert, inspect, select

from gateway.contracts import Secret
from gateway.errors import ConfigError, Refused
from gateway.store import bells, copying, migrations, tables
from gateway.store.database import INBOX_FILE, MAIN_FILE, Store, open_store, require_current, upgrade, write
from gateway.store.place import Place

pytestmark = pytest.mark.sqlite  # each test says itself where its stores are
VALUES = {"ü": [1, 1e22, -0.5, None, True, "a\0b \U0001f600"], "b": {"z": 1, "a": 2}, "a": 9007199254740993}


def filled(store: Store, rows: int = 3) -> Store:
    """Rows in every table, of every kind of value; a place that may be empty is in every other row."""
    for metadata, engine in ((tables.inbox, store.inbox), (tables.main, store.main)):
        with write(engine) as connection:
            for table in metadata.sorted_tables:
                connection.execute(insert(table), [row(table, number) for number in range(rows)])
    return store


def row(table, number):
    def value(column):
        if column.nullable and number % 2:
            return None
        if isinstance(column.type, Boolean):
            return bool(number % 2)
        if isinstance(column.type, LargeBinary):
            return bytes(range(256)) * number
        if isinstance(column.type, String):
            return f"{number:05}-{column.name}-ü~'"[: column.type.length]
        if isinstance(column.type, JSON):
            return [VALUES, {}, []][number % 3]
        return number + 2**40 * isinstance(column.type, BigInteger)

    return {column.name: value(column) for column in table.columns}


def contents(store: Store):
    found = {}
    for metadata, engine in ((tables.inbox, store.inbox), (tables.main, store.main)):
        with engine.connect() as connection:
            for table in metadata.sorted_tables:
                found[table.name] = sorted(map(repr, connection.execute(select(table)).all()))
    return found


@pytest.fixture
def opened():
    stores = []

    def open_(place):
        stores.append(open_store(place))
        return stores[-1]

    open_.stores = stores
    yield open_
    for store in stores:
        store.close()


@pytest.fixture
def a_store(opened, tmp_path):
    store = opened(Place(tmp_path / "var"))
    upgrade(store)
    return filled(store)


@pytest.fixture
def elsewhere(opened, postgresql):
    """An empty database of PostgreSQL."""
    return opened(Place(Path("var"), Secret(postgresql.make(tables=False), "test"), bells=True))


def test_a_store_goes_to_postgresql_and_back(a_store, elsewhere, opened, tmp_path):
    """Every row of every table, in both directions, with the same counts and hashes; no bell among them."""
    told = []
    upgrade(elsewhere)
    with write(elsewhere.main) as connection:
        bells.ring(connection, "pipeline")
    with copying.alone(a_store) as seen:
        total = 2 * copying.rows_of(seen)
        there = copying.copy(seen, elsewhere, told.append)
    assert told[-1] == total == 2 * sum(one.rows for one in there)
    assert {one.table for one in there} == {*tables.inbox.tables, *tables.main.tables}
    assert all(one.rows == 3 for one in there)
    assert contents(elsewhere) == contents(a_store)
    back = opened(Place(tmp_path / "back"))
    with copying.alone(elsewhere) as seen:
        assert copying.copy(seen, back) == there
    assert contents(back) == contents(a_store)


def test_a_target_with_rows_is_refused(a_store, elsewhere):
    """And it stays as it is."""
    with copying.alone(a_store) as seen:
        copying.copy(seen, elsewhere)
    with (
        copying.alone(a_store) as seen,
        pytest.raises(Refused, match=r"postgresql://\S+: is not empty \(documents, duplicates\)"),
    ):
        copying.copy(seen, elsewhere)
    assert contents(elsewhere) == contents(a_store)


def test_a_copy_that_differs_is_not_kept(a_store, elsewhere, monkeypatch):
    """Something at the target changes what is written: all of it is taken back."""
    upgrade(elsewhere)
    with elsewhere.main.begin() as connection:
        connection.exec_driver_sql(
            "CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN NEW.count := NEW.count + 1; RETURN NEW; END $$"
        )
        connection.exec_driver_sql("CREATE TRIGGER m BEFORE INSERT ON tallies FOR EACH ROW EXECUTE FUNCTION meddle()")
    with copying.alone(a_store) as seen, pytest.raises(Refused, match="tallies: the copy differs"):
        copying.copy(seen, elsewhere)
    assert not any(contents(elsewhere).values())


@pytest.fixture
def half(a_store, opened, tmp_path):
    """The power failed when a copy had kept one of its two files."""
    target = opened(Place(tmp_path / "target"))

    def dies(connection):
        raise KeyboardInterrupt

    event.listen(target.main, "commit", dies)
    with copying.view(a_store) as seen, pytest.raises(KeyboardInterrupt):
        copying.copy(seen, target)
    event.remove(target.main, "commit", dies)
    return target


def test_a_copy_that_ends_between_its_two_files_is_made_again(a_store, half):
    """There are no leads, rather than leads without documents; nobody opens it, and who tries again begins anew."""
    with half.main.connect() as connection:
        assert inspect(connection).get_table_names() == []
    for opening in (upgrade, require_current):
        with pytest.raises(ConfigError, match=r"inbox\.db: a copy into this store was cut off; say `gateway db"):
            opening(half)
    with copying.view(a_store) as seen:
        copying.copy(seen, half)
    require_current(half)
    assert contents(half) == contents(a_store)


def test_documents_that_came_since_are_never_taken_for_what_a_copy_left(a_store, half):
    """Whoever put them there: they are nowhere else."""
    with half.inbox.begin() as connection:
        connection.execute(insert(tables.documents).values(row(tables.documents, 7)))
    with copying.view(a_store) as seen, pytest.raises(Refused, match=r"inbox.db: is not empty"):
        copying.copy(seen, half)


def copied(source, target, killed_after=None):
    """Copy in a process of its own; ``killed_after``: seconds. Whether it came to its end."""
    child = os.fork()
    if not child:
        try:
            with closing(open_store(source)) as one, closing(open_store(target)) as other, copying.alone(one) as seen:
                copying.copy(seen, other)
            os._exit(0)
        finally:
            os._exit(1)
    if killed_after is not None:
        time.sleep(killed_after)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.waitstatus_to_exitcode(status) == 0
    return not os.WIFSIGNALED(status)


def looks_whole(store):
    """Nobody is left at it, and commands would take it for a store."""
    deadline = time.monotonic() + 30
    while True:
        with contextlib.suppress(Refused), copying.alone(store):
            break
        assert time.monotonic() < deadline
        time.sleep(0.05)
    try:
        require_current(store)
    except ConfigError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize("way", ["to postgresql", "from postgresql"])
def test_a_copy_that_is_killed_at_any_moment_never_looks_whole(way, opened, postgresql, tmp_path):
    """What is there then is refused as a store, and taken for nothing by who copies again; or all of it is there."""
    folders = (Place(tmp_path / str(number)) for number in itertools.count())
    databases = (Place(Path("var"), Secret(postgresql.make(tables=False), "test")) for _ in itertools.count())
    sources, targets = (folders, databases) if way == "to postgresql" else (databases, folders)
    source, target = next(sources), next(targets)
    upgrade(opened(source))
    held = contents(filled(opened(source), 60))
    for store in opened.stores:
        store.close()
    began = time.monotonic()
    assert copied(source, target)
    takes = time.monotonic() - began
    target, kills, chance = next(targets), 0, random.Random(7)
    while kills < 5:
        kills += not copied(source, target, chance.uniform(0, takes))
        if looks_whole(store := opened(target)):
            assert contents(store) == held
            target = next(targets)
        store.close()
    assert copied(source, target)
    store = opened(target)
    assert looks_whole(store)
    assert contents(store) == held


def test_a_store_that_is_in_use_is_not_moved(a_store, elsewhere, opened):
    """What another process writes meanwhile would be missing at the target."""
    other = sqlite3.connect(a_store.main.url.database)
    other.execute("SELECT * FROM leads").fetchall()
    with pytest.raises(Refused, match=r"gateway\.db: another process has this store open; stop `gateway run`"):
        copying.alone(a_store).__enter__()
    other.close()
    used = opened(Place(Path("var"), Secret(elsewhere.main.url.render_as_string(hide_password=False), "test")))
    with (
        used.main.connect() as connection,
        pytest.raises(Refused, match=r"postgresql://\S+: another process has this store open"),
    ):
        connection.exec_driver_sql("SELECT 1")
        copying.alone(elsewhere).__enter__()


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_backup_is_one_moment_of_a_store_at_work(request, database, a_store, opened, tmp_path):
    """While others write: what is settled in the inbox is in the other file, and the backup opens as a store."""
    store = a_store
    if database == "postgresql":
        store = request.getfixturevalue("elsewhere")
        upgrade(store)
        filled(store)
    stop, lost = threading.Event(), []

    def work():
        """First the events' place, then the document: as the pipeline does."""
        number = 100
        while not stop.is_set():
            number += 1
            document = row(tables.documents, number) | {"id": f"{number:032}", "state": "waiting"}
            with write(store.inbox) as connection:
                connection.execute(insert(tables.documents).values(document))
            with write(store.main) as connection:
                connection.execute(insert(tables.documents_read).values(document=document["id"], read_at=1))
            with write(store.inbox) as connection:
                settled = tables.documents.update().where(tables.documents.c.id == document["id"])
                connection.execute(settled.values(state="read"))

    worker = threading.Thread(target=work)
    worker.start()
    try:
        for number in range(3):
            copied = copying.backup(store, tmp_path / f"backup{number}")
            assert {one.table for one in copied} == {*tables.inbox.tables, *tables.main.tables}
            kept = opened(Place(tmp_path / f"backup{number}"))
            with kept.inbox.connect() as inbox, kept.main.connect() as main:
                read = set(inbox.scalars(select(tables.documents.c.id).where(tables.documents.c.state == "read")))
                there = set(inbox.scalars(select(tables.documents.c.id)))
                worked = set(main.scalars(select(tables.documents_read.c.document)))
            lost += read - worked or {one for one in worked if len(one) == 32 and one.isdigit()} - there
    finally:
        stop.set()
        worker.join()
    assert lost == []
    modes = {path.stat().st_mode & 0o077 for path in (tmp_path / "backup0").iterdir()}
    assert modes == {0}


def test_a_backup_of_an_older_version_is_restored(opened, elsewhere, tmp_path):
    """It fills tables of its own version, which are brought to this one afterwards."""
    old = opened(Place(tmp_path / "old"))
    for line, engine in (("inbox", old.inbox), ("main", old.main)):
        with write(engine) as connection:
            migrations.upgrade(line, connection, f"{line}_0001")
    with write(old.main) as connection:
        connection.exec_driver_sql("INSERT INTO tallies VALUES ('crm', 'read', '', 7)")
    old.close()
    with copying.view(copying.opened_backup(tmp_path / "old")) as seen:
        copying.copy(seen, elsewhere)
    upgrade(elsewhere)
    assert contents(elsewhere)["tallies"] == ["('crm', 'read', '', 7)"]
    assert "catalogues" in contents(elsewhere)


def test_what_is_no_backup_is_named(tmp_path, elsewhere, opened):
    """A folder without files, files without tables, and a place that is taken."""
    with pytest.raises(Refused, match=r"no backup: there is no inbox\.db and no gateway\.db"):
        copying.opened_backup(tmp_path)
    for file in (INBOX_FILE, MAIN_FILE):
        sqlite3.connect(tmp_path / file).close()
        (tmp_path / file).touch()
    store = opened(Place(tmp_path))
    with copying.view(store) as seen, pytest.raises(ConfigError, match="no store"):
        copying.copy(seen, elsewhere)
    with pytest.raises(Refused, match="is there already"):
        copying.backup(store, tmp_path)
