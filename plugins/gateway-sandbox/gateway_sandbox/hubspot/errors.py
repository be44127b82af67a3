"""HubSpot's error bodies, in its own words where they are known."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from gateway_sandbox.sandbox import Refusal


def body(message: str, category: str | None = None, **more: Any) -> dict[str, Any]:
    """``{status, message, correlationId, category}``; the correlation id is of the message, so runs are equal."""
    digest = hashlib.sha256(message.encode()).hexdigest()
    correlation = f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-9{digest[17:20]}-{digest[20:32]}"
    error: dict[str, Any] = {"status": "error", "message": message, "correlationId": correlation}
    if category:
        error["category"] = category
    return error | more


def refuse(status: int, message: str, category: str | None = None, **more: Any) -> Refusal:
    return Refusal(status, body(message, category, **more))


def invalid(message: str, **more: Any) -> Refusal:
    return refuse(400, message, "VALIDATION_ERROR", **more)


def not_found(message: str = "resource not found") -> Refusal:
    return refuse(404, message, "OBJECT_NOT_FOUND")


def properties_message(problems: Sequence[Mapping[str, Any]]) -> str:
    """The detail of a refused property is a JSON list inside the message's text."""
    return f"Property values were not valid: {orjson.dumps(list(problems)).decode()}"


def conflict(kind: str, existing: str) -> Refusal:
    return refuse(409, f"{kind} already exists. Existing ID: {existing}", "CONFLICT")


def duplicate_ids(ids: Iterable[str]) -> Refusal:
    twice = list(ids)
    return invalid(
        f"Duplicate IDs found in batch input: [{', '.join(twice)}]. IDs must be unique", context={"ids": twice}
    )


def row(message: str, category: str, **context: list[str]) -> dict[str, Any]:
    """One entry of ``errors`` in a 207 answer."""
    return {"status": "error", "category": category, "message": message, "context": context}
