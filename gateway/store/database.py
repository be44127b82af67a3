"""The two databases as engines. In: where the store is. Out: a ``Store`` the rest works with.

``open_store`` only opens; ``upgrade`` brings the tables up to date, ``require_current`` says what is wrong with them.
Writers use ``write(engine)``, which takes a lock at its start: a transaction that first reads and then writes could
otherwise fail half-way, or lose what somebody else wrote in between. On SQLite that is the file's write lock. On
PostgreSQL it is one that only gateways know: who says nothing writes alone; batches, whose rows carry versions, write
beside each other.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.dialects.postgresql.psycopg import PGCompiler_psycopg
from sqlalchemy.exc import (
    DatabaseError,
    DataError,
    DBAPIError,
    DisconnectionError,
    IntegrityError,
    OperationalError,
    ProgrammingError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout

from gateway.errors import ConfigError, StorageBusy
from gateway.store import bells, hanging, migrations
from gateway.store.place import Place, shown

INBOX_FILE = "inbox.db"
MAIN_FILE = "gateway.db"
BUSY = "is busy: another process is writing; try again"
BUSY_SECONDS = 2.0
"""How long a statement waits for another process's lock: an accepted call must be answered within 3 s."""
IDLE_SECONDS = 15.0
"""On PostgreSQL, how long a writer may keep others out and say nothing: one that was stopped, or cut off, is ended."""
CROWD_SECONDS = IDLE_SECONDS + 5.0
"""How long a writer waits there, where no call does: many workers may be in front, or one that was stopped."""
WHOLE = "store"
"""The lock of who writes anywhere."""
UPGRADE_SECONDS = 120.0
"""The same for an upgrade: of several processes that start at once, one makes the tables and the others wait."""

ALONG: ContextVar[Callable[[Connection], None] | None] = ContextVar("along", default=None)
"""Called at the end of each write transaction of this thread: what has to be kept with whatever it changes."""

# FULL in both files. gateway.db first, then the inbox row is flipped to `read`: were the main commit less durable than
# the flip, a power cut could keep the flip and lose the events. No mmap: it would count as our memory.
_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA cache_size = -32768",  # KiB
    "PRAGMA temp_store = MEMORY",
    "PRAGMA journal_size_limit = 67108864",
    "PRAGMA secure_delete = ON",  # what is forgotten is overwritten, not just left to be
)
_BATCH_CACHE = "PRAGMA cache_size = -65536"
"""Of who commits batches: one touches pages all over the tables and their indexes, more than 32 MiB of them. Measured
6 % less processor time an event; the memory is that process's alone."""
LOG_PAGES = 1000
"""Of SQLite's log, after which a commit copies it back: SQLite's own number."""
# 64 MiB: a batch dirties more than that, and then each commit copied all of them back. The inbox's log stays as short
# as ``roomy_log`` makes it.
LONG_PAGES = 16384
_LONG_LOG = f"PRAGMA wal_autocheckpoint = {LONG_PAGES}"


@dataclass(frozen=True, slots=True)
class Store:
    """``inbox`` holds documents as they came, ``main`` everything made of them. On PostgreSQL both are one database."""

    inbox: Engine
    main: Engine

    def close(self) -> None:
        self.inbox.dispose()
        self.main.dispose()


def open_store(place: Path | Place) -> Store:
    """Open the databases at ``place``; a folder is made if missing.

    Raises ``ConfigError`` when the folder cannot be made, or PostgreSQL's driver is not installed. Nothing is read
    yet: see ``require_current``.
    """
    place = place if isinstance(place, Place) else Place(place)
    if place.url is not None:
        engine = _postgresql(make_url(place.url.reveal()))
        if place.bells:
            engine.update_execution_options(**{bells.HUNG: True})
        return Store(inbox=engine, main=engine)
    return _files(place.folder)


def _files(folder: Path) -> Store:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # bodies and leads are personal data
    except OSError as exc:
        where = "`store:` in gateway.yaml says where"
        raise ConfigError([f"{folder}: cannot make the store's folder: {exc.strerror}; {where}"]) from None
    return Store(_sqlite(folder / INBOX_FILE, _PRAGMAS), _sqlite(folder / MAIN_FILE, (*_PRAGMAS, _LONG_LOG)))


def is_there(place: Place) -> bool:
    """Whether there may be a store: of one on PostgreSQL only asking it would tell."""
    return place.url is not None or (place.folder / MAIN_FILE).is_file()


@contextlib.contextmanager
def write(
    engine: Engine, patience: float | None = None, lock: str | None = WHOLE, shared: bool = False
) -> Iterator[Connection]:
    """One write transaction: committed at the end, rolled back when the block raises.

    ``patience``: seconds to wait for others. SQLite has one writer at a time; the rest is PostgreSQL's alone:

    :param lock: who else waits meanwhile: everybody with the same word. None = nobody, the statements see to it.
    :param shared: others who share it may write at the same time, and rows' versions tell who was first.
    """
    options: dict[str, Any] = {"gateway_write": True, "gateway_patience": patience, bells.RUNG: set()}
    with engine.connect().execution_options(**options) as connection, connection.begin():
        if engine.dialect.name == "postgresql":
            values: dict[str, Any] = {"idle": f"{IDLE_SECONDS * 1000:.0f}ms"}
            if lock is not None:
                seconds = CROWD_SECONDS if patience is None else patience
                values |= {"lock": lock_key(lock), "patience": f"{seconds * 1000:.0f}ms"}
            connection.execute(TURN[shared] if lock is not None else BEGIN, values)
        elif shared:
            connection.exec_driver_sql(_BATCH_CACHE)
        yield connection
        if (along := ALONG.get()) is not None:
            along(connection)
        bells.send(connection)


_IDLE = "SELECT set_config('idle_in_transaction_session_timeout', :idle, true)"
BEGIN = text(_IDLE)
TURN = [
    text(f"{_IDLE}, set_config('lock_timeout', :patience, true), {take}(:lock)")
    for take in ("pg_advisory_xact_lock", "pg_advisory_xact_lock_shared")
]


def lock_key(word: str) -> int:
    """The number that PostgreSQL's advisory locks know a lock by."""
    return int.from_bytes(hashlib.blake2b(f"lead gateway {word}".encode(), digest_size=8).digest(), signed=True)


class PlainWriter:
    """One connection for write after write by one thread, through the driver's own cursor: for the accept path, where
    the pool's and SQLAlchemy's part of a small commit would be its largest. Raises the driver's errors.
    """

    def __init__(self, engine: Engine, log: bool = True) -> None:
        """:param log: a commit that finds SQLite's log long copies it back; else somebody calls ``copy_log_back``."""
        self._connection = engine.raw_connection()
        self._sqlite = engine.dialect.name == "sqlite"
        if self._sqlite:
            self._set(busy_timeout=0, wal_autocheckpoint=LOG_PAGES if log else 0)

    @contextlib.contextmanager
    def turn(self) -> Iterator[Any]:
        """One write transaction, like ``write``; yields the cursor."""
        cursor = self._connection.cursor()
        driver = self._connection.driver_connection
        try:
            if self._sqlite:
                if moved := _moved(self._connection):
                    raise moved
                _lock(driver)
            with contextlib.nullcontext() if self._sqlite else hanging.cut_off(driver):
                yield cursor
                self._connection.commit()
        except BaseException:
            self._connection.rollback()
            raise
        finally:
            cursor.close()

    def close(self) -> None:
        if self._sqlite:
            self._set(busy_timeout=round(BUSY_SECONDS * 1000), wal_autocheckpoint=LOG_PAGES)
        self._connection.close()

    def _set(self, **pragmas: int) -> None:
        driver: Any = self._connection.driver_connection
        for name, value in pragmas.items():
            driver.execute(f"PRAGMA {name} = {value}")


@contextlib.contextmanager
def read(engine: Engine) -> Iterator[Connection]:
    """One consistent view for several statements; never blocks a writer."""
    options: dict[str, Any] = {}
    if engine.dialect.name == "postgresql":  # where each statement would have a view of its own
        options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    with engine.connect().execution_options(**options) as connection, connection.begin():
        yield connection


def overwrite(engine: Engine) -> None:
    """Let what was deleted leave SQLite's log of changes, too; while somebody reads, a later call does it."""
    if engine.dialect.name == "sqlite":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def upgrade(store: Store) -> None:
    """Bring both databases to this version's tables; several processes may do it at once.

    Raises ``ConfigError`` for a database that is newer, read-only, half of a copy or no database of ours.
    """
    _refuse_half(store)
    for engine in dict.fromkeys((store.inbox, store.main)):
        with spoken(engine), write(engine, UPGRADE_SECONDS) as connection:  # all of a database's tables, or none
            upgrade_within(store, engine, connection)


def upgrade_within(store: Store, engine: Engine, connection: Connection) -> None:
    """The same for one of its databases, in the caller's transaction."""
    for line in (line for line, its in _lines(store) if its is engine):
        _refuse_newer(line, engine, connection)
        migrations.upgrade(line, connection)
    if bells.hung(engine):
        what, helps = bells.trouble(connection)
        if not helps:
            raise ConfigError([f"{name_of(engine)}: {what}"])
        bells.upgrade(connection)


def require_current(store: Store) -> None:
    """Raises ``ConfigError`` with what to do when the tables are missing, older or newer than this version's."""
    _refuse_half(store)
    for line, engine in _lines(store):
        with spoken(engine), read(engine) as connection:
            _refuse_newer(line, engine, connection)
            if migrations.current(line, connection) != migrations.head(line):
                raise ConfigError([f"{name_of(engine)}: older than this gateway; run `gateway db upgrade`"])
    if bells.hung(store.main):
        with spoken(store.main), read(store.main) as connection:
            if what := bells.trouble(connection)[0]:
                raise ConfigError([f"{name_of(store.main)}: {what}"])


def copy_log_back(engine: Engine) -> None:
    """Copy SQLite's log into the file, beside who writes; the next commit begins the log anew once all is copied."""
    with contextlib.closing(engine.raw_connection()) as connection:
        driver: Any = connection.driver_connection
        _, pages, _ = driver.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if pages > LONG_PAGES:  # there was always more: now writers wait until there is not
            driver.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()


def roomy_log(engine: Engine, size: int = 8 * 1024 * 1024) -> None:
    """Make SQLite's write-ahead log ``size`` bytes long, with nothing in it; elsewhere do nothing.

    A commit that lengthens the log's file waits for the file system's own journal too: measured 4 ms instead of 0.5.
    Pages that a transaction spills before it is rolled back stretch the file and change nothing.
    """
    log = Path(f"{engine.url.database}-wal")
    if engine.dialect.name != "sqlite" or (log.exists() and log.stat().st_size >= size):
        return
    with contextlib.suppress(OperationalError), engine.connect().execution_options(gateway_write=True) as connection:
        before = connection.exec_driver_sql("PRAGMA cache_size").scalar()
        connection.exec_driver_sql("PRAGMA cache_size = 10")  # pages: spill at once
        try:
            connection.exec_driver_sql("CREATE TABLE stretch (bytes BLOB)")
            connection.exec_driver_sql("INSERT INTO stretch VALUES (zeroblob(?))", (size,))
        finally:
            connection.rollback()
            connection.exec_driver_sql(f"PRAGMA cache_size = {before}")


def store_trouble(exc: BaseException) -> bool:
    """Whether the store is what failed: full, locked, away. What it refuses to hold is the fault of who brought it."""
    if isinstance(exc, IntegrityError | DataError | ProgrammingError):
        return False
    return isinstance(exc, StorageBusy | DBAPIError | PoolTimeout | OSError)


def _lines(store: Store) -> tuple[tuple[migrations.Line, Engine], ...]:
    return ("inbox", store.inbox), ("main", store.main)


def _refuse_newer(line: migrations.Line, engine: Engine, connection: Connection) -> None:
    current = migrations.current(line, connection)
    if current is not None and current not in migrations.known(line):
        newer = f"made by a newer gateway ({current} is unknown here); install that version or a backup"
        raise ConfigError([f"{name_of(engine)}: {newer}"])


def number(connection: Connection, new: int | None = None) -> int:
    """What a copy numbers SQLite's two files by while it keeps one after the other; 0 = they belong together."""
    if new is not None:
        connection.exec_driver_sql(f"PRAGMA user_version = {new}")
    return int(connection.exec_driver_sql("PRAGMA user_version").scalar() or 0)


def is_half(inbox: Connection, main: Connection) -> bool:
    """Whether a copy was cut off when only the inbox was kept."""
    return number(inbox) not in (0, number(main))


def _refuse_half(store: Store) -> None:
    if store.inbox is store.main:
        return
    with spoken(store.inbox), read(store.inbox) as inbox, spoken(store.main), read(store.main) as main:
        if is_half(inbox, main):
            again = "say `gateway db copy` or `gateway db restore` again, which begins anew, or delete the folder"
            raise ConfigError([f"{name_of(store.inbox)}: a copy into this store was cut off; {again}"])


@contextlib.contextmanager
def spoken(engine: Engine) -> Iterator[None]:
    """The driver's errors as what an admin can act on."""
    try:
        yield
    except DatabaseError as exc:
        if (message := in_words(exc)) and message != BUSY:
            raise ConfigError([f"{name_of(engine)}: {message}"]) from None
        raise


def in_words(exc: DBAPIError) -> str:
    """What an admin can do about a failing store; "" when that is nothing."""
    what = str(exc.orig).lower()
    if not isinstance(exc.orig, sqlite3.Error):
        told = next((words for sign, words in _SIGNS.items() if sign in what), "")
        return told or (f"cannot be used: {type(exc.orig).__name__}" if isinstance(exc, OperationalError) else "")
    if what == GONE:
        return GONE
    if "locked" in what or "busy" in what:
        return BUSY
    if "readonly" in what or "unable to open" in what:
        return "cannot be written; check the owner and permissions of the file and its folder"
    if "not a database" in what or "malformed" in what:
        return "is not a readable SQLite database; restore a backup"
    if "full" in what:
        return "cannot be written: the disk is full; make room, then try again"
    return f"cannot be used: {exc.orig}" if isinstance(exc, OperationalError) else ""


_REFUSED = "refuses the user or the password; `store:` in gateway.yaml says which"
_NOWHERE = "cannot be found: there is no host of that name"
GONE = (
    "is not there any more: moved or deleted while in use; put it back, or move the rest of the store away and restore"
    " a backup"
)
READ_ONLY = "is read-only; `store:` in gateway.yaml must name the server that is written to"
_SIGNS = {
    "lock timeout": BUSY,
    "password authentication failed": _REFUSED,
    "authentication failed": _REFUSED,
    "no password supplied": _REFUSED,
    "no pg_hba.conf entry": _REFUSED,
    'role "': _REFUSED,
    'database "': "takes nobody in: there is no such database, or it is closed; CREATE DATABASE makes one",
    "permission denied": "may not be written by this user: GRANT it the database and its schema",
    "read-only transaction": READ_ONLY,
    "no space left": "cannot be written: the disk is full; make room, then try again",
    "connection slots": "takes no more connections; raise max_connections, or run fewer processes",
    "too many clients": "takes no more connections; raise max_connections, or run fewer processes",
    **dict.fromkeys(("starting up", "not yet accepting", "in recovery mode"), "is starting; try again"),
    "shutting down": "is being shut down; try again when it is back",
    "failed to resolve": _NOWHERE,
    "could not translate host name": _NOWHERE,
    "name or service not known": _NOWHERE,
    "name resolution": _NOWHERE,
    "no address associated": _NOWHERE,
    "timeout": "does not answer",
    "refused": "does not answer: nobody listens there",
    "no such file": "does not answer: nobody listens there",
    "terminat": "went away; try again when it is back",
    "closed": "went away; try again when it is back",
    "connection is lost": "went away; try again when it is back",
}
"""A sign in PostgreSQL's or its driver's words → ours, which name no user."""


def name_of(engine: Engine) -> str:
    """SQLite's file, or PostgreSQL's host and database."""
    if engine.dialect.name == "sqlite":
        return engine.url.database or ""
    return shown(engine.url.render_as_string(hide_password=True))


def _sqlite(file: Path, pragmas: Sequence[str]) -> Engine:
    # The connection that was used last: it knows the pages that it wrote, and another's cache is void since then.
    engine = create_engine(f"sqlite:///{file}", connect_args={"timeout": BUSY_SECONDS}, pool_use_lifo=True, **_OPTIONS)
    event.listen(engine, "connect", partial(_connected, pragmas))
    event.listen(engine, "checkout", _checked_out)
    event.listen(engine, "do_connect", partial(_not_anew, file, []))
    event.listen(engine, "begin", _begun)
    return engine


def _postgresql(url: URL) -> Engine:
    """Of a process's connections most are idle; a call that must be answered soon does not wait long for one."""
    # A machine that is gone answers nothing at all: 2 s for a new connection, 2,500 ms for its sign that bytes came,
    # and a look after 5 s of silence whether it is still there. For one that is there and silent see ``hanging``.
    patience: dict[str, Any] = {"connect_timeout": hanging.CONNECT, "tcp_user_timeout": 2500}
    patience |= {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3}
    given = {name: value for name, value in patience.items() if name not in url.query}
    try:
        engine = create_engine(
            url.set(drivername="postgresql+psycopg"),
            connect_args={"application_name": APPLICATION, **given},
            pool_pre_ping=True,
            pool_size=8,
            max_overflow=8,
            pool_timeout=BUSY_SECONDS,
            **_OPTIONS,
        )
    except ImportError:
        need = "needs a driver that is not installed: pip install 'lead-gateway[postgresql]'"
        raise ConfigError([f"{shown(url.render_as_string(hide_password=True))}: {need}"]) from None
    engine.dialect.statement_compiler = _Compiler
    hanging.look_after(engine)
    return engine


class _Compiler(PGCompiler_psycopg):
    """A parameter takes its order from the column it is held against; said of itself, BETWEEN would not be SQL."""

    def render_bind_cast(self, type_: Any, dbapi_type: Any, sqltext: str) -> str:
        if getattr(dbapi_type, "collation", None):
            return f"{sqltext}::VARCHAR"
        return str(super().render_bind_cast(type_, dbapi_type, sqltext))  # type: ignore[no-untyped-call]


APPLICATION = "lead-gateway"
"""What PostgreSQL's list of connections calls ours."""


def _dumps(value: Any) -> str:
    return orjson.dumps(value).decode()


_OPTIONS: dict[str, Any] = {
    "json_serializer": _dumps,
    "json_deserializer": orjson.loads,
    "hide_parameters": True,  # an error's text must hold no values
}


def _not_anew(file: Path, made: list[bool], *_: Any) -> None:
    """SQLite would make an empty file where ours was, and empty the log that holds what is not in the file yet."""
    if not file.exists() and (made or Path(f"{file}-wal").exists()):
        raise sqlite3.OperationalError(GONE)
    made[:] = [True]


def _connected(pragmas: Sequence[str], connection: Any, record: Any) -> None:
    connection.isolation_level = None  # the driver's own, late BEGIN would come after the first read: we say it
    for pragma in pragmas:
        connection.execute(pragma)
    path = connection.execute("PRAGMA database_list").fetchone()[2]
    record.info["file"] = path, os.stat(path).st_ino


def _checked_out(connection: Any, record: Any, proxy: Any) -> None:
    if moved := _moved(proxy):
        raise moved if isinstance(moved, OperationalError) else DisconnectionError  # then the pool opens the other one


def _moved(connection: Any) -> Exception | None:
    """SQLite goes on writing into a file that was deleted, or that another has taken the place of: lost for good."""
    path, number = connection.info["file"]
    try:
        return None if os.stat(path).st_ino == number else sqlite3.OperationalError(GONE)
    except OSError:
        return OperationalError("stat", None, sqlite3.OperationalError(GONE))


def _begun(connection: Connection) -> None:
    options = connection.get_execution_options()
    if not options.get("gateway_write"):
        connection.exec_driver_sql("BEGIN")
        return
    driver: Any = connection.connection.driver_connection
    driver.execute("PRAGMA busy_timeout = 0")
    try:
        _lock(driver, options.get("gateway_patience"))
    except sqlite3.OperationalError as exc:
        raise OperationalError("BEGIN IMMEDIATE", None, exc) from exc
    finally:
        driver.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000:.0f}")


def _lock(driver: Any, patience: float | None = None) -> None:
    """``BEGIN IMMEDIATE``, asking often: SQLite itself would wait in ever longer sleeps, and turns are short here."""
    deadline = time.monotonic() + (BUSY_SECONDS if patience is None else patience)
    while True:
        try:
            driver.execute("BEGIN IMMEDIATE")
            return
        except sqlite3.OperationalError as exc:
            # The low byte: also while another process recovers the log of one that was killed.
            if exc.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(0.0005)
