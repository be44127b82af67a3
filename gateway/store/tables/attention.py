"""What people have to see to, or are told."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, Table, text

from gateway.store.tables.columns import Id, Json, String, Time, main

work_items = Table(
    "work_items",
    main,
    Column("id", Id, primary_key=True),
    Column("key", String, nullable=False, unique=True),  # the same trouble is one item, however often it is met
    Column(
        "kind", String, nullable=False
    ),  # conflict | ambiguous match | unmapped value | dead letter | model file ...
    Column("system", String, nullable=False),
    Column("object", String, nullable=False, server_default=""),
    Column("record", String, nullable=False, server_default=""),
    Column("lead", Id, index=True),
    Column("detail", Json, nullable=False),
    Column("count", Integer, nullable=False, server_default=text("1")),
    Column("opened_at", Time, nullable=False),
    Column("resolved_at", Time),
    Column("resolution", String, nullable=False, server_default=""),
    Index(
        "work_items_open",
        *("opened_at", "id", "kind", "system", "key"),
        sqlite_where=text("resolved_at IS NULL"),
        postgresql_where=text("resolved_at IS NULL"),
    ),
    Index(  # read before each delivery
        "work_items_drift",
        "system",
        sqlite_where=text("kind = 'drift' AND resolved_at IS NULL"),
        postgresql_where=text("kind = 'drift' AND resolved_at IS NULL"),
    ),
)

resolutions = Table(  # what people decided about work items: append-only
    "resolutions",
    main,
    Column("id", Id, primary_key=True),
    Column("item", Id, nullable=False, index=True),
    Column("lead", Id, index=True),
    Column("at", Time, nullable=False),
    Column("by", String, nullable=False),
    Column("resolution", String, nullable=False),
)

notices = Table(  # what people are told: something that happened, or a state while it lasts
    "notices",
    main,
    Column("id", Id, primary_key=True),
    Column(
        "key", String, nullable=False, unique=True
    ),  # <kind>:<subject>; with the id behind it once a state has ended
    Column("kind", String, nullable=False),
    Column("subject", String, nullable=False),  # a handoff, a step, a system ...
    Column("lead", Id, index=True),
    Column("words", String, nullable=False),  # what is wrong, of a state; no value of a person
    Column("began_at", Time, nullable=False),
    Column("ended_at", Time),  # null = it lasts
    Column("told_at", Time),  # null = its begin is yet to be told
    Column("end_told_at", Time),
    Index(
        "notices_open",
        "id",
        sqlite_where=text("ended_at IS NULL OR told_at IS NULL OR end_told_at IS NULL"),
        postgresql_where=text("ended_at IS NULL OR told_at IS NULL OR end_told_at IS NULL"),
    ),
)
