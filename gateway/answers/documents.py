"""Documents as they came, as JSON; their bodies masked for those who may not see personal data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from marshmallow import Schema, fields

from gateway.answers.fields import Moment
from gateway.answers.texts import iso_time

LONGEST_KEY = 60
"""Characters of a key that still look like a name of a field."""


class DocumentRowSchema(Schema):
    id = fields.String()
    system = fields.String()
    received_at = fields.Function(lambda row: iso_time(row["received_at"]), metadata={"type": "string"})
    origin = fields.String(metadata={"description": "webhook, pull, file or lookup"})
    stream = fields.String()
    state = fields.String(metadata={"description": "waiting, read, quarantined or discarded"})
    reason = fields.String(metadata={"description": "why it is quarantined, or was given up and by whom"})
    flags = fields.String()
    deaths = fields.Integer(metadata={"description": "how many workers ended while they read it"})
    size = fields.Integer(allow_none=True, metadata={"description": "bytes of its body"})


class TroubleSchema(Schema):
    document = fields.String()
    system = fields.String()
    object = fields.String()
    record = fields.String(allow_none=True)
    state = fields.String()
    reason = fields.String()
    known_at = Moment()


def row_json(row: Mapping[str, Any]) -> dict[str, Any]:
    """Of a document with its body, or of a row of the list."""
    size = len(row["body"]) if row.get("body") is not None else row.get("size")
    told: dict[str, Any] = DocumentRowSchema().dump({**row, "size": size})
    return told


def body_json(body: bytes | None, allowed: bool) -> Any:
    """What a document says: its JSON, else its text. Masked: the shape of its JSON alone; null where there is none."""
    if body is None:
        return None
    try:
        said = orjson.loads(body)
    except ValueError:
        return body.decode("utf-8", "replace") if allowed else None
    return said if allowed else masked(said)


def masked(said: Any) -> Any:
    """The same shape with no value of it; keys that may be somebody's are no keys of ours to tell."""
    if isinstance(said, dict):
        told: dict[str, Any] = {}
        for key, value in said.items():
            name = key if len(key) <= LONGEST_KEY and "@" not in key else f"(key {len(told) + 1})"
            told[name] = masked(value)
        return told
    if isinstance(said, list):
        return [masked(one) for one in said]
    if isinstance(said, str):
        return f"(text of {len(said)})" if said else ""
    return said if said is None or isinstance(said, bool) else "(number)"
