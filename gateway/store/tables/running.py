"""The gateway at work: who does what, what failed, and what this database is."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, Table, Text, text

from gateway.store.tables.columns import Id, Json, String, Time, main

leases = Table(  # what one process of all machines does at a time; the token grows when it changes hands
    "leases",
    main,
    Column("name", String, primary_key=True),
    Column("holder", String, nullable=False, server_default=""),
    Column("token", Integer, nullable=False, server_default=text("0")),
    Column("beat", Integer, nullable=False, server_default=text("0")),
)

jobs = Table(  # long work under way, and what ended lately; times of the real clock
    "jobs",
    main,
    Column("id", Id, primary_key=True),
    Column("what", String, nullable=False),  # import | pull | replay | push | check …
    Column("subject", String, nullable=False, server_default=""),  # of which system or file
    Column("by", String, nullable=False),
    Column("machine", String, nullable=False, server_default=""),  # host:process
    Column("begun_at", Time, nullable=False),
    Column("beat_at", Time, nullable=False),
    Column("part", String, nullable=False, server_default=""),
    Column("done", BigInteger, nullable=False, server_default=text("0")),
    Column("total", BigInteger),
    Column("stop_by", String, nullable=False, server_default=""),  # who asked it to stop
    Column("ended_at", Time),
    Column("ended", String, nullable=False, server_default=""),  # done | stopped | failed
    Column("told", Text, nullable=False, server_default=""),
)

breakers = Table(  # parts of plugins that failed; open while they are not called. Times are the real clock's
    "breakers",
    main,
    Column("plugin", String, primary_key=True),
    Column("part", String, primary_key=True),  # read | pull | deliver | score | load | a hook
    Column("strikes", Json, nullable=False),  # [item, time, reason, call or "", times], until it opens
    Column("opened_at", Time),
    Column("retry_at", Time),
    Column("trips", Integer, nullable=False),
    Column("reason", String, nullable=False),
)

settings = Table(  # facts about this database itself, such as the key of the tombstones' hash
    "settings",
    main,
    Column("name", String, primary_key=True),
    Column("value", Text, nullable=False),
)
