"""What columns are made of, and the database ``main``, in which every room has its tables.

Times are integers: microseconds since 1970 in UTC. Ids are UUIDv7 in 32 lower-case hex digits. JSON columns hold only
raw values, derived attributes and event bodies.
"""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, MetaData

from gateway.store.types import string

main = MetaData()

# Not PostgreSQL's JSONB: it forgets the order of keys and how numbers were written, and we hand back what came.
Json = JSON()
String = string()
Id = string(32)
Time = BigInteger
ROOM = {"fillfactor": 75}  # percent of a page of PostgreSQL: a row that changes stays on it, and its indexes as well
