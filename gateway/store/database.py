"""The two databases as engines. In: a folder (SQLite) or a URL (PostgreSQL). Out: a ``Store`` the rest works with.

``open_store`` only opens; ``upgrade`` brings the tables up to date, ``require_current`` says what is wrong with them.
Writers use ``write(engine)``, which takes SQLite's write lock at its start: a transaction that first reads and then
writes could otherwise fail half-way because somebody else wrote in between.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError, DataError, DBAPIError, IntegrityError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from gateway.errors import ConfigError, StorageBusy
from gateway.store import migrations

INBOX_FILE = "inbox.db"
MAIN_FILE = "gateway.db"
BUSY = "is busy: another process is writing; try again"
BUSY_SECONDS = 2.0
"""How long a statement waits for another process's lock: an accepted call must be answered within 3 s."""
UPGRADE_SECONDS = 120.0
"""The same for an upgrade: of several processes that start at once, one makes the tables and the others wait."""

# FULL in both files. gateway.db first, then the inbox row is flipped to `read`: were the main commit less durable than
# the flip, a power cut could keep the flip and lose the events. No mmap: it would count as our memory.
_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA cache_size = -32768",  # KiB
    "PRAGMA temp_store = MEMORY",
    "PRAGMA journal_size_limit = 67108864",
)


@dataclass(frozen=True, slots=True)
class Store:
    """``inbox`` holds documents as they came, ``main`` everything made of them. On PostgreSQL both are one database."""

    inbox: Engine
    main: Engine

    def close(self) -> None:
        self.inbox.dispose()
        self.main.dispose()


def open_store(folder: Path | None = None, url: str | None = None) -> Store:
    """Open the databases in ``folder`` (made if missing) or at ``url``; give exactly one of the two.

    Raises ``ConfigError`` when the folder cannot be made. Nothing is read yet: see ``require_current``.
    """
    if (folder is None) == (url is None):
        raise ValueError("give a folder or a url")
    if url is not None:
        engine = _engine(url)
        return Store(inbox=engine, main=engine)
    assert folder is not None
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # bodies and leads are personal data
    except OSError as exc:
        where = "`store:` in gateway.yaml says where"
        raise ConfigError([f"{folder}: cannot make the store's folder: {exc.strerror}; {where}"]) from None
    return Store(inbox=_engine(f"sqlite:///{folder / INBOX_FILE}"), main=_engine(f"sqlite:///{folder / MAIN_FILE}"))


@contextlib.contextmanager
def write(engine: Engine, patience: float | None = None) -> Iterator[Connection]:
    """One write transaction: committed at the end, rolled back when the block raises.

    ``patience``: seconds to wait for another process's, ``BUSY_SECONDS`` by default. Of SQLite only.
    """
    options: dict[str, Any] = {"gateway_write": True, "gateway_patience": patience}
    with engine.connect().execution_options(**options) as connection, connection.begin():
        yield connection


class PlainWriter:
    """One connection for write after write by one thread, through the driver's own cursor: for the accept path, where
    the pool's and SQLAlchemy's part of a small commit would be its largest. Raises the driver's errors.
    """

    def __init__(self, engine: Engine) -> None:
        self._connection = engine.raw_connection()
        self._sqlite = engine.dialect.name == "sqlite"
        if self._sqlite:
            self._patience(0)

    @contextlib.contextmanager
    def turn(self) -> Iterator[Any]:
        """One write transaction, like ``write``; yields the cursor."""
        cursor = self._connection.cursor()
        try:
            if self._sqlite:
                _lock(self._connection.driver_connection)
            yield cursor
            self._connection.commit()
        except BaseException:
            self._connection.rollback()
            raise
        finally:
            cursor.close()

    def close(self) -> None:
        if self._sqlite:
            self._patience(BUSY_SECONDS)
        self._connection.close()

    def _patience(self, seconds: float) -> None:
        driver: Any = self._connection.driver_connection
        driver.execute(f"PRAGMA busy_timeout = {seconds * 1000:.0f}")


@contextlib.contextmanager
def read(engine: Engine) -> Iterator[Connection]:
    """One consistent view for several statements; never blocks a writer."""
    with engine.connect() as connection, connection.begin():
        yield connection


def upgrade(store: Store) -> None:
    """Bring both databases to this version's tables; several processes may do it at once.

    Raises ``ConfigError`` for a database that is newer, read-only or no database of ours.
    """
    for line, engine in _lines(store):
        with spoken(engine), write(engine, UPGRADE_SECONDS) as connection:
            _refuse_newer(line, engine, connection)
            migrations.upgrade(line, connection)


def require_current(store: Store) -> None:
    """Raises ``ConfigError`` with what to do when the tables are missing, older or newer than this version's."""
    for line, engine in _lines(store):
        with spoken(engine), read(engine) as connection:
            _refuse_newer(line, engine, connection)
            if migrations.current(line, connection) != migrations.head(line):
                raise ConfigError([f"{_name(engine)}: older than this gateway; run `gateway db upgrade`"])


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
        raise ConfigError(
            [f"{_name(engine)}: made by a newer gateway ({current} is unknown here); install that version or a backup"]
        )


@contextlib.contextmanager
def spoken(engine: Engine) -> Iterator[None]:
    """The driver's errors as what an admin can act on."""
    try:
        yield
    except DatabaseError as exc:
        if (message := in_words(exc)) and message != BUSY:
            raise ConfigError([f"{_name(engine)}: {message}"]) from None
        raise


def in_words(exc: DBAPIError) -> str:
    """What an admin can do about a failing store; "" when that is nothing."""
    what = str(exc.orig).lower()
    if "locked" in what or "busy" in what:
        return BUSY
    if "readonly" in what or "unable to open" in what:
        return "cannot be written; check the owner and permissions of the file and its folder"
    if "not a database" in what or "malformed" in what:
        return "is not a readable SQLite database; restore a backup"
    if "full" in what:
        return "cannot be written: the disk is full; make room, then try again"
    return f"cannot be used: {exc.orig}" if isinstance(exc, OperationalError) else ""


def _name(engine: Engine) -> str:
    return engine.url.database or "" if engine.dialect.name == "sqlite" else repr(engine.url)  # hides the password


def _engine(url: str) -> Engine:
    options: dict[str, Any] = {"json_serializer": _dumps, "json_deserializer": orjson.loads}
    options["hide_parameters"] = True  # an error's text must hold no values
    if not url.startswith("sqlite"):
        return create_engine(url, pool_pre_ping=True, **options)
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS}, **options)
    event.listen(engine, "connect", _connected)
    event.listen(engine, "begin", _begun)
    return engine


def _dumps(value: Any) -> str:
    return orjson.dumps(value).decode()


def _connected(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver's own, late BEGIN would come after the first read: we say it
    for pragma in _PRAGMAS:
        connection.execute(pragma)


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
