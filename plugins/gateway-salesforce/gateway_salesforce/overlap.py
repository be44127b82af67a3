"""What a cursor remembers of the rows that the next pull sees again: it goes back a little each time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from gateway.contracts import Cursor
from gateway_salesforce.soql import literal, moment

SEEN = 200
"""Rows of the overlap that a cursor remembers one by one; when there are more, and one is late, some come twice."""


def after_row(row: Mapping[str, Any]) -> str:
    at = literal(moment(row["SystemModstamp"]))
    return f" WHERE SystemModstamp > {at} OR (SystemModstamp = {at} AND Id > '{row['Id']}')"


def digest(row: Mapping[str, Any]) -> int:
    """Of all it holds: stamps are of whole seconds, in which a row may change twice."""
    return int.from_bytes(hashlib.sha256(orjson.dumps(row, option=orjson.OPT_SORT_KEYS)).digest()[:6])


def cursor_of(stamp: str, trail: Sequence[tuple[str, int]]) -> Cursor:
    """``trail``: (stamp, digest) of the rows that the next pull will see again."""
    return {"stamp": stamp, "sum": _sum(digest for _, digest in trail), "seen": [one[1] for one in trail[-SEEN:]]}


def _sum(digests: Iterable[int]) -> int:
    return sum(digests) % 2**48


def missed(again: Sequence[dict[str, Any]], cursor: Cursor) -> list[dict[str, Any]]:
    """Of the rows in the overlap those that came in late; none when the overlap is as it was left."""
    if _sum(digest(row) for row in again) == cursor.get("sum"):
        return []
    seen = set(cursor.get("seen", ()))
    return [row for row in again if digest(row) not in seen]
