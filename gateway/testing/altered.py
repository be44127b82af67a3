"""Documents with something changed in them: their items turned round, or one thing wrong."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import orjson

from gateway.contracts import Document
from gateway.testing.hostile import VALUES


def turned_round(document: Document) -> Iterator[Document]:
    """The document with its items in the other order."""
    payload = _payload(document)
    if isinstance(payload, list):
        yield replace(document, body=orjson.dumps(payload[::-1]))
    elif isinstance(payload, dict):
        for name, items in payload.items():
            if isinstance(items, list) and len(items) > 1 and all(isinstance(item, dict) for item in items):
                yield replace(document, body=orjson.dumps({**payload, name: items[::-1]}))


def broken_ways(document: Document) -> Iterator[Document]:
    """The document with one thing wrong in it: a value replaced, a part missing, bytes cut off or hurt."""
    payload = _payload(document)
    if isinstance(payload, dict | list):
        text = document.body
        for path in _paths(payload):
            for value in VALUES:
                yield replace(document, body=_with(orjson.loads(text), path, value))
        return
    body, chosen = document.body, random.Random(1)
    for _ in range(60):
        at = chosen.randrange(len(body) + 1)
        yield replace(document, body=body[:at])
        yield replace(document, body=body[:at] + bytes([chosen.randrange(256)]) + body[at + 1 :])


def _payload(document: Document) -> Any:
    try:
        return orjson.loads(document.body)
    except orjson.JSONDecodeError:
        return None


def _paths(node: Any, path: tuple[Any, ...] = (), most: int = 60) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for name, part in inner:
        if len(found) < most:
            found += _paths(part, (*path, name), most - len(found))
    return found[:most]


def _with(payload: Any, path: Sequence[Any], value: Any) -> bytes:
    node = payload
    for name in path[:-1]:
        node = node[name]
    node[path[-1]] = value
    return json.dumps(payload).encode()  # orjson refuses numbers that do not fit
