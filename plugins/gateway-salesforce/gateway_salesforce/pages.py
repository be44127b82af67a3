"""Items cut into pages of a size that the gateway takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from gateway.contracts import Cursor, Page

MOST = 1000
"""Records of a page."""
LARGEST = 1_000_000
"""Bytes of a page; the host's limit is a little more."""


def pages_of(
    object_: str,
    items: Sequence[Mapping[str, Any]],
    cursor: Cursor | None,
    more: bool = False,
    deleted: Sequence[Mapping[str, Any]] = (),
    former: Sequence[Mapping[str, Any]] = (),
) -> Iterator[Page]:
    """Items cut into pages; the cursor comes with the last, so that a broken pull begins its window again."""
    parts = [{"former": part, "records": []} for part in _by_size(former)]
    parts += [{"records": part} for part in _by_size(items)]
    parts += [{"records": [], "deleted": part} for part in _by_size(deleted)]
    if not parts and cursor is not None:
        parts = [{"records": []}]
    for number, part in enumerate(parts, start=1):
        last = number == len(parts)
        yield Page(
            document=orjson.dumps({"object": object_, **part}),
            cursor=cursor if last else None,
            more=more or not last,
            records=len(part["records"]) + len(part.get("deleted", ())),
        )


def _by_size(items: Sequence[Mapping[str, Any]]) -> Iterator[Sequence[Mapping[str, Any]]]:
    """Parts of at most 1,000 items and about a megabyte."""
    start, size = 0, 0
    for place, item in enumerate(items):
        length = len(orjson.dumps(item)) + 1
        if place > start and (place - start == MOST or size + length > LARGEST):
            yield items[start:place]
            start, size = place, 0
        size += length
    if start < len(items):
        yield items[start:]
