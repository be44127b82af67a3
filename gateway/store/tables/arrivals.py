"""What came in, as it came: the tables of the database ``inbox``."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, MetaData, Table, false, text

from gateway.store.tables.columns import Id, Json, String, Time
from gateway.store.types import string

inbox = MetaData()

documents = Table(
    "documents",
    inbox,
    Column("id", Id, primary_key=True),
    Column("system", String, nullable=False),
    Column("received_at", Time, nullable=False),
    Column("key", String, nullable=False),  # sender's delivery id, else hash of the body
    Column("body_hash", string(64), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("content_type", String, nullable=False),
    Column("headers", Json, nullable=False),
    Column("origin", String, nullable=False),  # webhook | pull | file | lookup
    Column("stream", String, nullable=False, server_default=""),
    Column("history", Boolean, nullable=False, server_default=false()),
    Column("state", String, nullable=False),  # waiting | read | quarantined | discarded
    Column("reason", String, nullable=False, server_default=""),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("deaths", Integer, nullable=False, server_default=text("0")),
    Column("flags", String, nullable=False, server_default=""),  # e.g. `same id, other body`
    Column("lease", String, nullable=False, server_default=""),
    Column("beat", Integer, nullable=False, server_default=text("0")),
    Index("documents_key", "system", "key", "received_at"),
    Index(
        "documents_waiting", "id", sqlite_where=text("state = 'waiting'"), postgresql_where=text("state = 'waiting'")
    ),
    Index("documents_state", "state", "system"),
    Index(  # those that still have their bodies; who has none has a reason
        "documents_kept",
        "state",  # always the same: with it SQLite takes this index rather than the one above
        "received_at",
        sqlite_where=text("state = 'read' AND reason = ''"),
        postgresql_where=text("state = 'read' AND reason = ''"),
    ),
)

duplicates = Table(  # how many honest retries each system sent: they have no effect, but they are counted
    "duplicates",
    inbox,
    Column("system", String, primary_key=True),
    Column("count", BigInteger, nullable=False),
)
