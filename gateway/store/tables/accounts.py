"""People who use the desk and the API, and what they changed there."""

from __future__ import annotations

from sqlalchemy import Column, Table

from gateway.store.tables.columns import Id, Json, String, Time, main
from gateway.store.types import string

users = Table(  # people who may use the desk and the API
    "users",
    main,
    Column("id", Id, primary_key=True),
    Column("email", String, nullable=False, unique=True),
    Column("name", String, nullable=False),
    Column("role", String, nullable=False),
    Column("password", String, nullable=False),  # argon2's text; empty = none yet
    Column("created_at", Time, nullable=False),
    Column("disabled_at", Time),
)

keys = Table(  # what they come in with, as hashes: session | browser | link | token
    "keys",
    main,
    Column("hash", string(64), primary_key=True),
    Column("id", Id, nullable=False, unique=True),
    Column("kind", String, nullable=False),
    Column("user", Id, nullable=False, index=True),
    Column("name", String, nullable=False),
    Column("scopes", Json),  # null = all that the user's role may
    Column("created_at", Time, nullable=False),
    Column("seen_at", Time),
    Column("expires_at", Time),
)

login_failures = Table(
    "login_failures",
    main,
    Column("account", String, nullable=False, index=True),
    Column("address", String, nullable=False, index=True),
    Column("at", Time, nullable=False, index=True),
)

once = Table(  # answers to writes of the API that may be sent again
    "once",
    main,
    Column("key", string(64), primary_key=True),
    Column("asked", string(64), nullable=False),
    Column("answer", Json),
    Column("at", Time, nullable=False, index=True),
)

audit = Table(  # who changed what at the desk: append-only
    "audit",
    main,
    Column("id", Id, primary_key=True),
    Column("at", Time, nullable=False, index=True),
    Column("by", String, nullable=False),
    Column("token", String, nullable=False, server_default=""),
    Column("what", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("before", Json),
    Column("after", Json),
)
