"""A whole store copied: between SQLite and PostgreSQL, into a backup, and back out of one.

In: a store of any version that is known here, and an empty one. Out: every table with its rows and their hash, read
again at the target. Rows go as the databases hold them, a thousand at a time; the target is filled in one transaction.

A backup is a folder with SQLite's two files, whatever the store was: `store:` could name it, ``sqlite3`` reads it, and
it goes into either database. ``pg_dump``'s form would go into one, and needs programs of the server's version.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Boolean, Connection, LargeBinary, MetaData, Table, func, inspect, select
from sqlalchemy.exc import DBAPIError, OperationalError

from gateway.errors import ConfigError, Refused
from gateway.store import database, migrations
from gateway.store.database import APPLICATION, INBOX_FILE, MAIN_FILE, Store, open_store, read, write
from gateway.store.place import Place
from gateway.store.tables import inbox as inbox_tables

CHUNK = 1000
PAGES = 4096
"""Pages of SQLite's backup between two tellings."""

Tell = Callable[[int], None]
"""Is told how much is done: rows written and rows compared, of twice the rows."""


@dataclass(frozen=True, slots=True)
class Copied:
    """``hash``: of all rows in the order of their key, the same in both databases."""

    table: str
    rows: int
    hash: str


@dataclass(frozen=True, slots=True)
class View:
    """One moment of a store. Both connections are the same one on PostgreSQL."""

    inbox: Connection
    main: Connection

    def lines(self) -> Iterator[tuple[migrations.Line, Connection]]:
        yield "inbox", self.inbox
        yield "main", self.main


@contextlib.contextmanager
def view(store: Store) -> Iterator[View]:
    """As the store is now, for as long as it takes; nobody waits longer than a moment.

    Nothing is read in the inbox whose events are not there: while both views begin, no document comes or is settled.
    """
    with contextlib.ExitStack() as stack:
        if store.inbox is store.main:
            connection = stack.enter_context(read(store.main))
            yield View(connection, connection)
            return
        with write(store.inbox):
            both = [stack.enter_context(read(engine)) for engine in (store.inbox, store.main)]
            for connection in both:
                connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").all()  # the view begins here
        yield View(*both)


@contextlib.contextmanager
def alone(store: Store) -> Iterator[View]:
    """Nobody else writes to the store meanwhile. Raises ``Refused`` when another process has it open."""
    store.close()  # our own idle connections would be others, too
    if store.inbox is store.main:
        with write(store.main) as connection:
            # Nothing is said here while the other side is written and read.
            connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
            others = connection.exec_driver_sql(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                f" AND application_name = '{APPLICATION}' AND pid <> pg_backend_pid()"
            ).scalar()
            if others:
                raise Refused(_USED.format(database.name_of(store.main)))
            names = inspect(connection).get_table_names()
            quoted = connection.dialect.identifier_preparer.quote
            if names:
                connection.exec_driver_sql(f"LOCK TABLE {', '.join(map(quoted, names))} IN SHARE MODE")
            yield View(connection, connection)
        return
    for engine in (store.inbox, store.main):
        _refuse_used(Path(engine.url.database or ""))
    # The inbox is kept first: whoever is killed in between leaves a store without leads, which nobody takes for whole.
    with write(store.main) as main, write(store.inbox) as inbox:
        yield View(inbox, main)


_USED = "{}: another process has this store open; stop `gateway run`, web and worker everywhere, then try again"


def _refuse_used(file: Path) -> None:
    """SQLite lets a file be had alone only while no other connection is open."""
    if not file.exists():  # asking would make it
        return
    probe = sqlite3.connect(file, timeout=0, isolation_level=None)
    try:
        probe.execute("PRAGMA locking_mode = EXCLUSIVE")
        probe.execute("BEGIN EXCLUSIVE")
        probe.execute("ROLLBACK")
    except sqlite3.OperationalError:
        raise Refused(_USED.format(file)) from None
    finally:
        probe.close()


def rows_of(source: View) -> int:
    """How many rows there are to copy."""
    return sum(
        connection.scalar(select(func.count()).select_from(table)) or 0
        for line, connection in source.lines()
        for table in _tables(line, connection)
    )


def copy(
    source: View, target: Store, tell: Tell = lambda done: None, then: Callable[[View], None] = lambda to: None
) -> list[Copied]:
    """Fill ``target``, which gets the source's tables, and compare it row for row. All of it is there, or nothing.

    SQLite's two files are kept one after the other. Who is killed in between leaves one that nobody opens as a store,
    and that is taken away when this is tried again.

    :param then: what else is to be done before anything is kept.

    Raises ``Refused`` for a target that is not empty and when the two differ afterwards, ``ConfigError`` for a source
    that is no store, or a newer gateway's.
    """
    done = 0

    def more(count: int) -> None:
        nonlocal done
        tell(done := done + count)

    copied: list[Copied] = []
    with alone(target) as to:
        _take_away_half(to)
        for (line, here), (_, there) in zip(source.lines(), to.lines(), strict=True):
            revision = migrations.current(line, here)
            if revision is None or revision not in migrations.known(line):
                what = "no store" if revision is None else f"made by a newer gateway ({revision} is unknown here)"
                raise ConfigError([f"{database.name_of(here.engine)}: {what}"])
            _refuse_filled(line, there, revision)
            migrations.upgrade(line, there, revision)
            for table in _tables(line, here):
                sent = _digest(_stream(here, table, more), there, table)
                held = _digest(_stream(there, table, more))
                if sent != held:
                    raise Refused(f"{table.name}: the copy differs from what was copied, and is not kept")
                copied.append(Copied(table.name, *sent))
        if to.main.dialect.name == "postgresql":
            to.main.exec_driver_sql("ANALYZE")  # it plans by what it knows of the tables, and it has just met them
        then(to)
        if to.inbox is not to.main:
            for _, connection in to.lines():
                database.number(connection, _number(to))
    if target.inbox is not target.main:
        for engine in (target.inbox, target.main):
            with write(engine) as connection:
                database.number(connection, 0)
    return copied


def _number(to: View) -> int:
    """Of a copy that was cut off it tells whether anything has come since."""
    return 1 + (to.inbox.scalar(select(func.count()).select_from(inbox_tables.tables["documents"])) or 0) % (1 << 30)


def _take_away_half(to: View) -> None:
    """The one file that a copy has left that was cut off."""
    if to.inbox is to.main or not database.is_half(to.inbox, to.main):
        return
    filled = any(to.main.execute(select(table).limit(1)).first() is not None for table in _tables("main", to.main))
    if not filled and database.number(to.inbox) == _number(to):
        left = MetaData()
        left.reflect(to.inbox)
        left.drop_all(to.inbox)


def backup(store: Store, folder: Path, tell: Tell = lambda done: None) -> list[Copied]:
    """The store of this moment into ``folder``, which must be empty or not there; the gateway may be at work.

    Raises ``Refused`` and ``ConfigError`` like ``copy``.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Refused(f"{folder}: is there already; a backup needs an empty folder, or one that is not there")
    target = open_store(folder)
    try:
        with view(store) as source:
            copied = (_pages if source.main.dialect.name == "sqlite" else copy)(source, target, tell)
    except BaseException:
        target.close()
        for file in folder.iterdir():
            file.unlink()
        raise
    target.close()
    for file in folder.iterdir():
        file.chmod(0o600)
    return copied


def _pages(source: View, target: Store, tell: Tell) -> list[Copied]:
    """SQLite's own way: the pages of the file as they are in the view."""
    done = 0
    for (line, here), engine in zip(source.lines(), (target.inbox, target.main), strict=True):
        if migrations.current(line, here) is None:
            raise ConfigError([f"{database.name_of(here.engine)}: no store"])
        driver: Any = here.connection.driver_connection
        copying = engine.raw_connection()
        last = 0

        def told(status: int, remaining: int, total: int, before: int = done) -> None:
            nonlocal last
            last = total
            tell(before + total - remaining)

        try:
            driver.backup(copying.driver_connection, pages=PAGES, progress=told)
        finally:
            copying.close()
        done += last
    copied = []
    for (line, here), engine in zip(source.lines(), (target.inbox, target.main), strict=True):
        with read(engine) as there:
            if (found := there.exec_driver_sql("PRAGMA quick_check(1)").scalar()) != "ok":
                raise Refused(f"{database.name_of(engine)}: the copy cannot be read: {found}")
            for table in _tables(line, here):
                sent, held = _digest(_stream(here, table)), _digest(_stream(there, table))
                if sent != held:
                    raise Refused(f"{table.name}: the copy differs from what was copied")
                copied.append(Copied(table.name, *sent))
    return copied


def pages_of(store: Store) -> int | None:
    """Pages of SQLite's files; None elsewhere, where rows are copied."""
    if store.inbox is store.main:
        return None
    total = 0
    for engine in (store.inbox, store.main):
        with read(engine) as connection:
            total += int(connection.exec_driver_sql("PRAGMA page_count").scalar() or 0)
    return total


def opened_backup(folder: Path) -> Store:
    """The store in ``folder``. Raises ``Refused`` when it has none."""
    if missing := [file for file in (INBOX_FILE, MAIN_FILE) if not (folder / file).is_file()]:
        raise Refused(f"{folder}: no backup: there is no {' and no '.join(missing)}")
    return open_store(Place(folder))


def _tables(line: migrations.Line, connection: Connection) -> Sequence[Table]:
    """As they are in this database, whichever version made them; of PostgreSQL's only those of the line.

    Bells are no data: where a copy is used, they are rung anew.
    """
    names = {name for name in inspect(connection).get_table_names() if not name.startswith("procrastinate_")}
    ours = names & inbox_tables.tables.keys() if line == "inbox" else names - inbox_tables.tables.keys()
    metadata = MetaData()
    with warnings.catch_warnings():  # an index of an expression is left out: it holds no rows
        warnings.filterwarnings("ignore", "Skipped unsupported reflection of expression-based index")
        metadata.reflect(connection, only=sorted(name for name in ours if not name.startswith("version_")))
    return metadata.sorted_tables


def _refuse_filled(line: migrations.Line, there: Connection, revision: str) -> None:
    where = database.name_of(there.engine)
    current = migrations.current(line, there)
    filled = [table.name for table in _tables(line, there) if there.execute(select(table).limit(1)).first() is not None]
    if filled:
        what = f"is not empty ({', '.join(filled[:3])}): a copy needs a place without rows"
        raise Refused(f"{where}: {what}; move this aside, or name another")
    if current is not None and current != revision:
        raise Refused(f"{where}: has the tables of another version; a copy needs a place without tables, or the same")


def _stream(connection: Connection, table: Table, tell: Tell = lambda count: None) -> Iterator[list[tuple[Any, ...]]]:
    """The rows in the order of their key, or of all they hold, in chunks, each value as both databases hand it out."""
    quote = connection.dialect.identifier_preparer.quote
    text = "CAST({} AS TEXT)" if connection.dialect.name == "postgresql" else "{}"
    json = [column.type.__class__.__name__ in ("JSON", "JSONB") for column in table.columns]
    names = [
        (text if whole else "{}").format(quote(column.name)) for column, whole in zip(table.columns, json, strict=True)
    ]
    order = ", ".join(quote(column.name) for column in table.primary_key.columns or table.columns)
    truth = [place for place, column in enumerate(table.columns) if isinstance(column.type, Boolean)]
    raw = [place for place, column in enumerate(table.columns) if isinstance(column.type, LargeBinary)]
    statement = f"SELECT {', '.join(names)} FROM {quote(table.name)} ORDER BY {order}"
    options = {"stream_results": True, "yield_per": CHUNK}
    with connection.exec_driver_sql(statement, execution_options=options) as found:
        for chunk in found.partitions(CHUNK):
            rows = [list(row) for row in chunk]
            for row in rows:
                for place in truth:
                    row[place] = bool(row[place]) if row[place] is not None else None
                for place in raw:
                    row[place] = bytes(row[place]) if row[place] is not None else None
            yield [tuple(row) for row in rows]
            tell(len(rows))


def _digest(
    chunks: Iterator[list[tuple[Any, ...]]], into: Connection | None = None, table: Table | None = None
) -> tuple[int, str]:
    """(rows, hash) of what streams by; with ``into``, it is written to that table on its way."""
    count, digest = 0, hashlib.sha256()
    insert = ""
    if into is not None and table is not None:
        quote = into.dialect.identifier_preparer.quote
        mark = "?" if into.dialect.name == "sqlite" else "%s"
        names = ", ".join(quote(column.name) for column in table.columns)
        insert = f"INSERT INTO {quote(table.name)} ({names}) VALUES ({', '.join([mark] * len(table.columns))})"
    for rows in chunks:
        count += len(rows)
        for row in rows:
            digest.update(orjson.dumps(row, default=lambda value: hashlib.sha256(value).hexdigest()))
        if insert and into is not None and table is not None:
            try:
                into.exec_driver_sql(insert, rows)
            except DBAPIError as exc:
                if isinstance(exc, OperationalError):
                    raise
                raise Refused(f"{table.name}: a row cannot be held there: {type(exc.orig).__name__}") from None
    return count, digest.hexdigest()
