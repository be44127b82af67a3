"""What systems are told, and what stands in its way."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Table, false, text

from gateway.store.tables.columns import Id, Json, String, Time, main

systems = Table(
    "systems",
    main,
    Column("name", String, primary_key=True),
    Column("activated_at", Time),
    Column("existing", String, nullable=False, server_default=""),  # ignore | handover | fields
    Column("paused", String, nullable=False, server_default=""),  # reason; empty = not paused
    Column("paused_at", Time),
    Column("failures", Integer, nullable=False, server_default=text("0")),
    Column("retry_at", Time),
)

writes = Table(
    "writes",
    main,
    Column("id", Id, primary_key=True),
    Column("system", String, nullable=False),
    Column("object", String, nullable=False),
    Column("key", String, nullable=False),
    Column("lead", Id, index=True),
    Column("record", String),
    Column("fields", Json, nullable=False),
    Column("refs", Json, nullable=False),
    Column("create", Boolean, nullable=False),
    Column("anyway", Boolean, nullable=False, server_default=false()),  # a person knows who else is there
    Column(
        "stamps", Json, nullable=False
    ),  # when each value came to be, in microseconds: what we write keeps its origin
    Column("priority", Integer, nullable=False),
    Column("cause", String, nullable=False),
    Column("document", Id, nullable=False, server_default=""),  # the latest that it was planned because of
    Column("planned_at", Time, nullable=False),
    Column("state", String, nullable=False),  # waiting | leased | unknown | confirmed | superseded | dead
    Column("due_at", Time, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("lease", String, nullable=False, server_default=""),
    Column("beat", Integer, nullable=False, server_default=text("0")),
    Column("code", String, nullable=False, server_default=""),
    Column("message", String, nullable=False, server_default=""),
    Column("finished_at", Time),
    Column("push", String, nullable=False, server_default=""),  # the push (or minute of `gateway run`) that sent it
    # what the record held before: field -> [raw value or null (blank), stamp]; absent = unknown
    Column("before", Json, nullable=False, server_default=text("'{}'")),
    Index("writes_due", "system", "state", "priority", "due_at"),
    Index("writes_planned", "system", "state", "planned_at", "id"),  # the newest first
    Index(  # what a system has refused or not answered again and again
        "writes_failing",
        "system",
        sqlite_where=text("attempts >= 3 AND finished_at IS NULL"),
        postgresql_where=text("attempts >= 3 AND finished_at IS NULL"),
    ),
    Index("writes_push", "push", sqlite_where=text("push <> ''"), postgresql_where=text("push <> ''")),
    Index(
        "writes_waiting",
        "system",
        "key",
        unique=True,
        sqlite_where=text("state = 'waiting'"),
        postgresql_where=text("state = 'waiting'"),
    ),
)

lookups = Table(
    "lookups",
    main,
    Column("system", String, primary_key=True),
    Column("object", String, primary_key=True),
    Column("record", String, primary_key=True),
    Column("fields", Json, nullable=False),
    Column("asked", Integer, nullable=False, server_default=text("1")),  # how often it was named while it waits
    Column("due_at", Time, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Index("lookups_due", "system", "due_at"),
)

cursors = Table(
    "cursors",
    main,
    Column("system", String, primary_key=True),
    Column("stream", String, primary_key=True),
    Column("cursor", Json, nullable=False),
    Column("at", Time, nullable=False),
)

catalogues = Table(  # each object's fields as its system described them when all was right
    "catalogues",
    main,
    Column("system", String, primary_key=True),
    Column("object", String, primary_key=True),
    Column("fields", Json, nullable=False),  # none until it was described once
    Column("at", Time, nullable=False),  # of the last look
)

budgets = Table(
    "budgets",
    main,
    Column("system", String, primary_key=True),
    Column("window", String, primary_key=True),
    Column("used", BigInteger, nullable=False),
)
