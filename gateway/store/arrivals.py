"""Arrivals as rows of the inbox. In: what came, and the cursor of a write transaction. Out: which document each is.

The statements are written as text: while every caller waits, SQLAlchemy's part of a small commit would be three times
SQLite's own.
"""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import chain
from typing import Any, NamedTuple

import orjson

from gateway.contracts import Origin
from gateway.store.times import new_ids, to_micros

LONG_MEMORY = timedelta(days=30)
SHORT_MEMORY = timedelta(minutes=10)
OTHER_BODY = "same id, other body"
STATEMENT = 500, 8 * 1024 * 1024
"""Rows, and bytes of bodies, of one statement."""

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """Bytes that came in. ``key``: the sender's delivery id; None = the hash of the body stands in.

    ``memory`` is how long a second arrival with this key and body counts as the same one. Default: 30 days with an
    id; 10 minutes without, because the same bytes may later be news again (a status that went back and forth).
    """

    system: str
    body: bytes = field(repr=False)
    received_at: datetime
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    key: str | None = None
    memory: timedelta | None = None
    origin: Origin = "webhook"
    stream: str = ""
    history: bool = False


class Appended(NamedTuple):
    """``id`` of the document on disk; for a duplicate, of the one that was there already."""

    id: str
    duplicate: bool
    flags: str = ""


class Entry(NamedTuple):
    """What is to be stored of an arrival, made by the thread that brings it. ``since``: older ones with its key are
    others; ``row``: all but the first two of ``_COLUMNS``. Times in microseconds."""

    system: str
    key: str
    digest: str
    at: int
    since: int
    row: tuple[Any, ...]

    @property
    def size(self) -> int:
        """Bytes of its body."""
        return len(self.row[_COLUMNS.index("body") - 2])


def entry_of(arrival: Arrival) -> Entry:
    """``arrival`` as it is to be stored."""
    digest = sha256(arrival.body).hexdigest()
    key = (arrival.key or digest).replace("\0", "�")  # PostgreSQL's texts hold no NUL
    at = to_micros(arrival.received_at)
    row = (
        arrival.system,
        at,
        key,
        digest,
        arrival.body,
        arrival.content_type,
        _json(dict(arrival.headers)),
        arrival.origin,
        arrival.stream,
        arrival.history,
        "waiting",
    )
    return Entry(arrival.system, key, digest, at, at - _memory(arrival), row)


def put(cursor: Any, sqlite: bool, entries: Sequence[Entry]) -> tuple[list[Appended], bool]:
    """Store what is no duplicate, in ``cursor``'s transaction. Returns an answer to each, and whether any is new."""
    if not sqlite:  # there the turn is the only one
        cursor.execute(_ONE_AT_A_TIME, (_json([f"{entry.system}\n{entry.key}" for entry in entries]),))
    rows: list[tuple[Any, ...]] = []
    answers: list[Appended] = []
    repeated: Counter[str] = Counter()
    known = _known(cursor, sqlite, entries)
    for entry, id_ in zip(entries, new_ids(len(entries)), strict=True):
        alike = [each for each in known.get((entry.system, entry.key), ()) if each[2] > entry.since]
        same = next((each for each in alike if each[1] == entry.digest), None) if alike else None
        if same is not None:
            repeated[entry.system] += 1
            answers.append(Appended(same[0], True))
            continue
        flags = OTHER_BODY if alike else ""
        rows.append((id_, flags, *entry.row))
        known.setdefault((entry.system, entry.key), []).append((id_, entry.digest, entry.at))
        answers.append(Appended(id_, False, flags))
    for some in _portions(rows):
        # One statement, for SQLite lets all other threads run before each: it would get to its end late.
        if sqlite:
            row = f"({', '.join('?' * len(_COLUMNS))})"
            cursor.execute(f"{_INSERT} VALUES {', '.join([row] * len(some))}", [*chain.from_iterable(some)])
        else:
            cursor.execute(f"{_INSERT} {_GIVEN}", (_as_json(some),))
    for system, count in sorted(repeated.items()):
        cursor.execute(_COUNT.format("?" if sqlite else "%s"), (system, count))
    return answers, bool(rows)


# -- inside -----------------------------------------------------------------------------------------------------------

_COLUMNS = (
    *("id", "flags", "system", "received_at", "key", "body_hash", "body", "content_type"),
    *("headers", "origin", "stream", "history", "state"),
)
_INSERT = f"INSERT INTO documents ({', '.join(_COLUMNS)})"
# All rows in one parameter, as ``put`` has it: to name the type of each value would cost more than to store it.
_PARTS = {"body": ("text", "decode(body, 'base64')"), "headers": ("text", "headers::json")}
_PARTS |= {name: ("text", name) for name in _COLUMNS if name not in _PARTS}
_PARTS |= {"received_at": ("bigint", "received_at"), "history": ("boolean", "history")}
_GIVEN = (
    f"SELECT {', '.join(_PARTS[name][1] for name in _COLUMNS)} FROM json_to_recordset(%s::json)"
    f" AS given ({', '.join(f'{name} {_PARTS[name][0]}' for name in _COLUMNS)})"
)
_KNOWN = (
    "SELECT id, key, body_hash, received_at FROM documents"
    " WHERE key IN (SELECT value FROM json_each(?)) AND system = ? AND received_at > ?"
)
# Key by key: asked for all at once, PostgreSQL walks through every document of the system while its statistics of the
# table are older than most of its rows.
KNOWN_EACH = (
    "SELECT found.* FROM json_array_elements_text(%s::json) AS asked (key) CROSS JOIN LATERAL"
    " (SELECT id, d.key, body_hash, received_at FROM documents AS d"
    " WHERE system = %s AND d.key = asked.key AND received_at > %s ORDER BY received_at OFFSET 0) AS found"
)
# The same delivery may come by two doors at once. In one order, or two who share two keys would wait for each other.
_ONE_AT_A_TIME = (
    "SELECT pg_advisory_xact_lock(key) FROM"
    " (SELECT DISTINCT hashtextextended(pair, 0) AS key FROM json_array_elements_text(%s::json) AS pair"
    " ORDER BY key) AS keys"
)
_COUNT = (
    "INSERT INTO duplicates (system, count) VALUES ({0}, {0})"
    " ON CONFLICT (system) DO UPDATE SET count = duplicates.count + excluded.count"
)


def _memory(arrival: Arrival) -> int:
    """Microseconds."""
    return (arrival.memory or (LONG_MEMORY if arrival.key else SHORT_MEMORY)) // _MICROSECOND


def _known(cursor: Any, sqlite: bool, entries: Sequence[Entry]) -> dict[tuple[str, str], list[tuple[str, str, int]]]:
    """(system, key) → documents on disk that may be the same: (id, body hash, received at)."""
    asked: dict[str, set[str]] = {}
    since = min((entry.since for entry in entries), default=0)
    for entry in entries:
        asked.setdefault(entry.system, set()).add(entry.key)
    known: dict[tuple[str, str], list[tuple[str, str, int]]] = {}
    for system, wanted in asked.items():
        cursor.execute(_KNOWN if sqlite else KNOWN_EACH, (_json([*wanted]), system, since))
        for document, key, digest, at in cursor.fetchall():
            known.setdefault((system, key), []).append((document, digest, at))
    return known


def _portions(rows: Sequence[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    some, size, place = list[tuple[Any, ...]](), 0, _COLUMNS.index("body")
    for row in rows:
        if some and (len(some) == STATEMENT[0] or size + len(row[place]) > STATEMENT[1]):
            yield some
            some, size = [], 0
        some.append(row)
        size += len(row[place])
    if some:
        yield some


def _as_json(rows: Sequence[tuple[Any, ...]]) -> str:
    given = [dict(zip(_COLUMNS, row, strict=True)) for row in rows]
    for row in given:
        row["body"] = b64encode(row["body"]).decode()
    return _json(given)


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
