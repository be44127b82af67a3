"""What HubSpot's refusal of one write means. Pure: an error object and the write in, a receipt out.

Messages name properties and HubSpot's own codes. HubSpot's text quotes what it was sent, so it is never passed on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from gateway.contracts import Receipt, Write

EVERY_ROW = frozenset({"PROPERTY_DOESNT_EXIST", "READ_ONLY_VALUE", "PROPERTY_NOT_FOUND", "CALCULATED_PROPERTY"})
"""Codes that speak of the property, not of this value: every write with it is refused."""
REQUIRED = frozenset({"MISSING_REQUIRED_PROPERTY", "MISSING_CONDITIONAL_REQUIRED_PROPERTY", "REQUIRED_PROPERTY"})
BUSY = frozenset({"RATE_LIMIT", "RATE_LIMITS"})
GONE = "OBJECT_NOT_FOUND"
LOCKED = 2.0
OVERLOADED = 10.0
ELSEWHERE = 300.0

_EXISTING = re.compile(r"Existing ID:\s*(\d+)", re.IGNORECASE)
_CODE = re.compile(r"[A-Z][A-Z0-9_]{1,60}")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")


def refused(made: Write, status: int, error: Mapping[str, Any]) -> Receipt:
    """The receipt of a write that HubSpot did not take. ``status`` is the call's, 207 for one of a batch."""
    category = _word(error.get("category")) or _word(error.get("errorType"))
    details = problems(error)
    if category == GONE:
        return Receipt(key=made.key, result="gone", code=category)
    if status == 404:  # a wrong address, or somebody in between: no word of HubSpot's on this record
        return Receipt(key=made.key, result="retry", seconds=ELSEWHERE, code="404", message="nobody is at this address")
    if status == 429 or category in BUSY:
        return Receipt(key=made.key, result="limit", seconds=10, code=category or "429")
    if status == 423:
        return Receipt(key=made.key, result="retry", seconds=LOCKED, code="423", message="the record is locked")
    if status >= 500:
        return Receipt(key=made.key, result="retry", seconds=OVERLOADED, code=str(status))
    if status == 409 or category == "CONFLICT":
        return _conflict(made, error)
    names = tuple(sorted({name for name, _ in details if name}))
    codes = [code for _, code in details if code]
    code = codes[0] if codes else category or str(status)
    scope: Any = "mapping" if any(code in EVERY_ROW for code in codes) else "row"
    said = "does not know or may not write the property" if scope == "mapping" else "refused"
    if any(code in REQUIRED for code in codes):
        said = "asks for more"
    return Receipt(
        key=made.key, result="rejected", code=code, fields=names, scope=scope, message=f"HubSpot {said}: {code}"
    )


def _conflict(made: Write, error: Mapping[str, Any]) -> Receipt:
    """Somebody has this address (as a second one, perhaps) or key already: whom a create would double."""
    existing = tuple(_EXISTING.findall(str(error.get("message"))))
    if made.record is None and existing:
        return Receipt(key=made.key, result="duplicate", candidates=existing, code="CONFLICT")
    return Receipt(
        key=made.key, result="rejected", code="CONFLICT", fields=tuple(sorted({"email"} & set(made.fields))),
        message="another record in HubSpot has this value, which must be unique",
    )  # fmt: skip


def problems(error: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(property, code) of a validation error; HubSpot puts them as JSON into the text of the message."""
    found: list[tuple[str, str]] = []
    message = error.get("message")
    start = message.find("[{") if isinstance(message, str) else -1
    if isinstance(message, str) and start >= 0:
        try:
            listed = orjson.loads(message[start : message.rindex("]") + 1])
        except (orjson.JSONDecodeError, ValueError):
            listed = []
        found += [(_property(one.get("name")), _word(one.get("error"))) for one in listed if isinstance(one, dict)]
    errors = error.get("errors")
    for one in errors if isinstance(errors, list) else ():
        if isinstance(one, dict):
            context = one.get("context")
            names = [_property(name) for name in _texts(context, ("propertyName", "properties", "propertyNames"))]
            code = _word(one.get("code")) or _word(one.get("error")) or _word(one.get("subCategory"))
            found += [(name, code) for name in names or [_property(one.get("name") or one.get("in"))]]
    return [(name, code) for name, code in found if name or code]


def about(error: Mapping[str, Any], name: str) -> list[str]:
    """What ``context.NAME`` of an error lists: the trace ids, or the record ids, it is about."""
    return _texts(error.get("context"), (name,))


def _texts(context: Any, names: Sequence[str]) -> list[str]:
    found: list[str] = []
    for name in names if isinstance(context, Mapping) else ():
        value = context.get(name)
        found += [str(one) for one in (value if isinstance(value, list) else [value]) if one is not None]
    return found


def _word(value: Any) -> str:
    """A code of HubSpot's: upper case only, so that no value can pass for one."""
    text = str(value).rpartition(".")[2] if isinstance(value, str) else ""
    return text if _CODE.fullmatch(text) else ""


def _property(value: Any) -> str:
    return value if isinstance(value, str) and _NAME.fullmatch(value) else ""
