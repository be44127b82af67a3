"""People who are forgotten, and stay so."""

from __future__ import annotations

from sqlalchemy import Column, Table

from gateway.store.tables.columns import Id, String, Time, main
from gateway.store.types import string

tombstones = Table(  # keyed hashes of forgotten people: they stay forgotten at the next pull
    "tombstones",
    main,
    Column("hash", string(64), primary_key=True),
    Column("at", Time, nullable=False),
)

unblanked = Table(  # documents that named people who are forgotten: the inbox has yet to empty their bodies
    "unblanked",
    main,
    Column("document", Id, primary_key=True),
)

repeats = Table(  # documents that name a record and told nothing new of it: no event says whose bodies they are
    "repeats",
    main,
    Column("system", String, primary_key=True),
    Column("object", String, primary_key=True),
    Column("record", String, primary_key=True),
    Column("document", Id, primary_key=True, index=True),
)
