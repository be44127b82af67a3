"""The two databases: how they open, how they come to their tables, and what they say when something is wrong."""

import logging
import os
import sqlite3
import subprocess
import sys
import threading
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, select, text

from gateway.errors import ConfigError
from gateway.store import database, migrations, tables
from gateway.store.database import (
    BUSY_SECONDS,
    INBOX_FILE,
    MAIN_FILE,
    open_store,
    read,
    require_current,
    upgrade,
    write,
)

LINES = ("inbox", "main")


@pytest.fixture
def store(tmp_path):
    store = open_store(tmp_path / "var")
    upgrade(store)
    yield store
    store.close()


@pytest.fixture
def migrated(tmp_path):
    """A store that went all steps, as one does that was made long ago."""
    store = open_store(tmp_path / "old")
    for line in LINES:
        with write(getattr(store, line)) as connection:
            migrations.steps(line, connection)
    upgrade(store)  # nothing is missing but, on PostgreSQL, what bells need
    yield store
    store.close()


@pytest.mark.bare
@pytest.mark.filterwarnings("ignore:.*expression-based index")  # the next test compares them
@pytest.mark.parametrize("line", LINES)
def test_migrated_schema_equals_fresh_schema(migrated, line):
    """Whoever edits tables.py must write the step too: `python -m gateway.store.migrations.generate`."""
    metadata = migrations.METADATA[line]
    with getattr(migrated, line).connect() as connection:
        options = {"version_table": migrations.version_table(line), "include_object": _of(metadata)}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []


def _of(metadata):
    """On PostgreSQL the tables of both lines are in one database."""
    return lambda thing, name, kind, *_: kind != "table" or name in metadata.tables


def _definitions(engine):
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            columns = connection.exec_driver_sql(
                "SELECT table_name || '.' || column_name, data_type, character_maximum_length, is_nullable,"
                " column_default, collation_name FROM information_schema.columns WHERE table_schema = 'public'"
            )
            indexes = connection.exec_driver_sql(
                "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
            )
            rows = [*columns, *indexes]
            return {row[0]: tuple(row[1:]) for row in rows if not row[0].startswith("version_")}
        rows = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").all()
    return {name: _loose(sql) for name, sql in rows if not name.startswith("version_")}


def _loose(sql):
    """A table's definition without what does not matter: spaces, quotes and the order of its lines."""
    return sorted(" ".join(part.replace('"', "").split()) for part in sql.replace("\n", " ").split(","))


@pytest.mark.bare
@pytest.mark.parametrize("line", LINES)
def test_migrated_schema_has_the_same_index_conditions_and_defaults(migrated, store, line):
    """What Alembic does not compare (conditions of indexes, tables without rowid) is compared as text."""
    assert _definitions(getattr(migrated, line)) == _definitions(getattr(store, line))


@pytest.mark.sqlite
def test_both_files_are_made_in_a_private_folder(store, tmp_path):
    """The folder holds personal data: nobody but its owner may read it."""
    assert {INBOX_FILE, MAIN_FILE} <= {path.name for path in (tmp_path / "var").iterdir()}
    assert (tmp_path / "var").stat().st_mode & 0o077 == 0


@pytest.mark.sqlite
@pytest.mark.parametrize("line", LINES)
def test_commits_are_on_disk_when_they_return(store, line):
    """Write-ahead log with synchronous=FULL (2), in both files."""
    with getattr(store, line).connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2


@pytest.mark.sqlite
def test_a_write_takes_the_lock_at_its_start(store):
    """So a writer that first reads can never fail half-way because another one wrote meanwhile."""
    with write(store.main) as first:
        first.execute(select(tables.settings)).all()
        other = sqlite3.connect(store.main.url.database, timeout=0)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        other.close()


def test_a_write_that_raises_leaves_nothing(store):
    """The block is one transaction."""
    with pytest.raises(ZeroDivisionError), write(store.main) as connection:
        connection.execute(tables.settings.insert().values(name="a", value="b"))
        raise ZeroDivisionError
    with read(store.main) as connection:
        assert connection.execute(select(tables.settings)).all() == []


def test_a_read_is_one_view_and_blocks_no_writer(store):
    """A reader that began before a commit does not see it, and the writer did not wait."""
    with read(store.main) as before:
        assert before.execute(select(tables.settings)).all() == []
        with write(store.main) as connection:
            connection.execute(tables.settings.insert().values(name="a", value="b"))
        assert before.execute(select(tables.settings)).all() == []


def test_json_columns_keep_text_and_numbers_and_refuse_decimals(store):
    """Raw values come back as they were; a Decimal in a JSON column is a bug and says so."""
    row = {"id": "1", "version": 1, "known_at": 0, "attributes": {"ü": [1, 2.5, None, True, "…"]}}
    with write(store.main) as connection:
        connection.execute(tables.companies.insert().values(**row))
        assert connection.execute(select(tables.companies.c.attributes)).scalar() == row["attributes"]
    with pytest.raises(Exception, match="Decimal"), write(store.main) as connection:
        connection.execute(tables.companies.insert().values(**{**row, "id": "2", "attributes": {"x": Decimal(1)}}))


def test_upgrade_twice_changes_nothing(store):
    """Starting again is harmless."""
    upgrade(store)
    require_current(store)


@pytest.mark.sqlite
def test_several_starters_upgrade_at_once(tmp_path):
    """Web and worker processes may all start on an empty folder."""
    code = (
        "import sys, pathlib; from gateway.store.database import *;"
        "s = open_store(pathlib.Path(sys.argv[1])); upgrade(s); require_current(s)"
    )
    started = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) for _ in range(4)]
    assert [process.wait(300) for process in started] == [0, 0, 0, 0]


@pytest.mark.sqlite
def test_an_upgrade_waits_longer_than_a_call_may(store, monkeypatch):
    """On a slow machine the first of several starters needs its time for all the tables."""
    other = sqlite3.connect(store.main.url.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    slept = []

    def sleep(seconds):
        slept.append(0.25)
        if sum(slept) == 10 * BUSY_SECONDS:
            other.execute("COMMIT")

    monkeypatch.setattr(database, "time", SimpleNamespace(monotonic=lambda: sum(slept), sleep=sleep))
    upgrade(store)
    assert sum(slept) == 10 * BUSY_SECONDS
    other.close()


@pytest.mark.parametrize("code", [sqlite3.SQLITE_BUSY, sqlite3.SQLITE_BUSY_RECOVERY, sqlite3.SQLITE_BUSY_SNAPSHOT])
def test_every_kind_of_busy_is_waited_for(code):
    """A process that was killed leaves a log; while another recovers it, nobody may write."""
    refusals = 3

    class Driver:
        def execute(self, sql):
            nonlocal refusals
            if refusals:
                refusals -= 1
                refusal = sqlite3.OperationalError("database is locked")
                refusal.sqlite_errorcode = code
                raise refusal

    database._lock(Driver())
    assert refusals == 0


def test_upgrade_leaves_logging_alone(tmp_path):
    """Migrations run inside the gateway's processes, which have set up their own logging."""
    before = (logging.getLogger().level, list(logging.getLogger().handlers), logging.getLogger("alembic").disabled)
    store = open_store(tmp_path)
    upgrade(store)
    store.close()
    assert before == (
        logging.getLogger().level,
        list(logging.getLogger().handlers),
        logging.getLogger("alembic").disabled,
    )


@pytest.mark.bare
def test_an_upgrade_that_fails_leaves_the_database_as_it_was(tmp_path, monkeypatch):
    """All steps or none, tables included."""
    store = open_store(tmp_path)

    def broken(line, connection):
        connection.execute(text("CREATE TABLE half (x INTEGER)"))
        raise RuntimeError("step failed")

    monkeypatch.setattr(migrations, "upgrade", broken)
    with pytest.raises(RuntimeError):
        upgrade(store)
    assert inspect(store.inbox).get_table_names() == []
    store.close()


@pytest.mark.bare
def test_missing_tables_say_what_to_do(tmp_path):
    """A store that was never upgraded names the command."""
    store = open_store(tmp_path)
    with pytest.raises(ConfigError, match=r"(\.db|postgresql:\S+): older than this gateway; run `gateway db upgrade`"):
        require_current(store)
    store.close()


@pytest.mark.parametrize("call", [upgrade, require_current])
def test_a_newer_database_is_refused(store, call):
    """An older gateway must not touch tables it does not know."""
    with write(store.main) as connection:
        connection.exec_driver_sql("UPDATE version_main SET version_num = 'main_9999'")
    with pytest.raises(ConfigError, match=r"(\.db|postgresql:\S+): made by a newer gateway \(main_9999 is unknown"):
        call(store)


@pytest.mark.sqlite
def test_a_file_that_is_no_database_is_named(tmp_path):
    """Not a stack trace: the file and what to do."""
    (tmp_path / INBOX_FILE).write_bytes(b"this is not a database, it is text" * 100)
    store = open_store(tmp_path)
    with pytest.raises(ConfigError, match=r"inbox\.db: is not a readable SQLite database"):
        upgrade(store)
    store.close()


@pytest.mark.sqlite
def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    """A file stands where the folder should be."""
    (tmp_path / "var").write_text("")
    with pytest.raises(ConfigError, match="cannot make the store's folder"):
        open_store(tmp_path / "var")


@pytest.mark.sqlite
@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_read_only_database_is_named(store, tmp_path):
    """Permissions are the admin's to mend."""
    store.close()
    for path in (tmp_path / "var").iterdir():
        path.chmod(0o400)
    (tmp_path / "var").chmod(0o500)
    again = open_store(tmp_path / "var")
    with pytest.raises(ConfigError, match="cannot be written"):
        upgrade(again)
    (tmp_path / "var").chmod(0o700)
    again.close()


def test_many_threads_share_one_store(store, monkeypatch):
    """Connections come from a pool; each thread's writes wait for the others instead of failing."""
    monkeypatch.setattr(database, "BUSY_SECONDS", 300.0)  # a busy machine's turns may be long

    def add(number):
        for index in range(20):
            with write(store.main) as connection:
                connection.execute(tables.settings.insert().values(name=f"{number}-{index}", value=""))

    threads = [threading.Thread(target=add, args=(number,)) for number in range(5)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    with read(store.main) as connection:
        assert len(connection.execute(select(tables.settings)).all()) == 100


@pytest.mark.parametrize("line", LINES)
def test_the_steps_are_named_as_alembic_knows_them(line):
    """Which there are is told by their files, without importing any of them."""
    scripts = migrations._scripts(line)
    assert migrations.known(line) == {script.revision for script in scripts.walk_revisions()}
    assert migrations.head(line) == scripts.get_current_head()


def test_texts_are_in_the_order_of_their_characters_numbers(store):
    """In both databases as in Python: ids of pushes are found by their beginning, pages begin where the last ended."""
    names = ["a", "B", "a-2", "a b", "ä", "_", "a.", "aa"]
    with write(store.main) as connection:
        connection.execute(tables.settings.insert(), [{"name": name, "value": ""} for name in names])
    name = tables.settings.c.name
    with read(store.main) as connection:
        assert list(connection.scalars(select(name).order_by(name))) == sorted(names)
        assert set(connection.scalars(select(name).where(name.between("a", "a.")))) == {"a", "a b", "a-2", "a."}


@pytest.mark.sqlite
def test_who_begins_while_the_file_is_away_makes_no_empty_one(store):
    """SQLite would empty its log beside it, and with it what was committed and is not in the file yet."""
    file = Path(store.main.url.database)
    with write(store.main) as connection:
        connection.execute(tables.settings.insert().values(name="kept", value="yes"))
    file.rename(away := file.with_name("away"))
    other = open_store(file.parent)
    with pytest.raises(ConfigError, match="put it back, or move the rest of the store away and restore"):
        require_current(other)
    assert not file.exists()
    away.rename(file)
    require_current(other)
    with read(other.main) as connection:
        assert list(connection.execute(select(tables.settings.c.name, tables.settings.c.value))) == [("kept", "yes")]
    other.close()
