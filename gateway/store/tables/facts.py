"""What systems said: of their records, of what happened and of what became of it."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Table, false, text, true

from gateway.store.tables.columns import ROOM, Id, Json, String, Time, main

records = Table(
    "records",
    main,
    Column("system", String, primary_key=True),
    Column("object", String, primary_key=True),
    Column("record", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("entity", Id, nullable=False),  # lead, company or deal
    Column("snapshot", Json, nullable=False),  # system field -> [raw value or null (blank), at]; absent = unknown
    Column("first_at", Time, nullable=False),
    Column("created_at", Time),  # when it began over there, if the system says so
    Column("last_at", Time, nullable=False),  # the last event folded in, by (at, key)
    Column("last_key", String, nullable=False),
    Column("mapping", String, nullable=False),
    Column("main", Boolean, nullable=False, server_default=true()),  # primary of its object: written to
    Column("enrolled", Boolean, nullable=False, server_default=false()),
    Column("gone", String),  # reason, while it is deleted over there
    Column("assumed", Json, nullable=False),  # fields whose value we sent but have not seen back
    # fields put back by an undo and left alone since: field -> [sent, before, stamp of before, at, push]
    Column("holds", Json, nullable=False, server_default=text("'{}'")),
    Index("records_entity", "entity", "system", "object", "record"),  # tells who is beside a batch's own, rows unread
    Index("records_holds", "entity", sqlite_where=text("holds <> '{}'"), postgresql_where=text("holds::text <> '{}'")),
    Column("told", Json, nullable=False, server_default=text("'{}'")),  # field -> [raw value last sent, when it was]
    Column("contested", Json, nullable=False, server_default=text("'[]'")),  # fields that are not written any more
    postgresql_with=ROOM,
)

associations = Table(  # record-to-record links as a system reports them
    "associations",
    main,
    Column("system", String, primary_key=True),
    Column("object", String, primary_key=True),
    Column("record", String, primary_key=True),
    Column("to_object", String, primary_key=True),
    Column("to_record", String, primary_key=True),
    Column("role", String, primary_key=True),
    Column("to_kind", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("present", Boolean, nullable=False),
    Column("at", Time, nullable=False),
    Column("event", String, nullable=False),
    Index("associations_to", "system", "to_object", "to_record"),
)

events = Table(
    "events",
    main,
    Column("key", String, primary_key=True),
    Column("document", Id, nullable=False, index=True),
    Column("system", String, nullable=False),
    Column("object", String, nullable=False),
    Column("record", String, nullable=False),
    Column("type", String, nullable=False),
    Column("at", Time, nullable=False),
    Column("known_at", Time, nullable=False),
    Column("precision", String, nullable=False),
    Column("body", Json, nullable=False),
    Column("mapping", String, nullable=False),
    Column("state", String, nullable=False),  # applied | waiting | dead
    Column("reason", String, nullable=False, server_default=""),
    Index("events_record", "system", "object", "record", "at"),
    Index(
        "events_open",
        "system",
        "state",
        sqlite_where=text("state <> 'applied'"),
        postgresql_where=text("state <> 'applied'"),
    ),
    Index(
        "events_troubles",
        "system",
        "known_at",
        "key",
        sqlite_where=text("reason <> ''"),
        postgresql_where=text("reason <> ''"),
    ),
)

tallies = Table(  # what became of everything read: counted in the transaction that did it
    "tallies",
    main,
    Column("system", String, primary_key=True),
    Column("what", String, primary_key=True),  # read | applied | skipped | dead | resurrected | planned | confirmed ...
    Column("reason", String, primary_key=True),
    Column("count", BigInteger, nullable=False),
)

documents_read = Table(  # fencing: a document is worked exactly once, whoever held its lease
    "documents_read",
    main,
    Column("document", Id, primary_key=True),
    Column("read_at", Time, nullable=False),
)

parts_read = Table(  # when else a document told something new: in a lane before its last, or as it was replayed
    "parts_read",
    main,
    Column("document", Id, primary_key=True),
    Column("read_at", Time, primary_key=True),
)

activities = Table(
    "activities",
    main,
    Column("lead", Id, primary_key=True),
    Column("at", Time, primary_key=True),
    Column("id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("asset", String, nullable=False),
    Column("channel", String, nullable=False),
    Column("campaign", String, nullable=False),
    Column("system", String, nullable=False),
    Column("object", String, nullable=False),
    Column("record", String, nullable=False),
    Column("known_at", Time, nullable=False),
    Index("activities_record", "system", "object", "record"),
    Index(
        "activities_campaign",
        "campaign",
        "lead",
        sqlite_where=text("campaign <> ''"),
        postgresql_where=text("campaign <> ''"),
    ),
    sqlite_with_rowid=False,
)

activity_kinds = Table(
    "activity_kinds",
    main,
    Column("lead", Id, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("count", Integer, nullable=False),
    Column("first_at", Time, nullable=False),
    Column("last_at", Time, nullable=False),
    sqlite_with_rowid=False,
)

outcomes = Table(
    "outcomes",
    main,
    Column("lead", Id, primary_key=True),
    Column("at", Time, primary_key=True),
    Column("id", String, primary_key=True),
    Column("outcome", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("amount", String),
    Column("currency", String),
    Column("by", String, nullable=False),
    Column("precision", String, nullable=False),
    Column("system", String, nullable=False),
    Column("object", String, nullable=False),
    Column("record", String, nullable=False),
    Column("known_at", Time, nullable=False),
    Column("wake", Time),  # when sales want the lead again
    Index("outcomes_record", "system", "object", "record"),
    Index("outcomes_outcome", "outcome", "lead"),
)

marks = Table(
    "marks",
    main,
    Column("id", Id, primary_key=True),
    Column("lead", Id, nullable=False, index=True),
    Column("at", Time, nullable=False),
    Column("kind", String, nullable=False),
    Column("points", Integer, nullable=False),
    Column("reason", String, nullable=False),
    Column("until", Time),
    Column("by", String, nullable=False),
    Column("known_at", Time, nullable=False),
)
