"""Receipts as a sink gives them, made sound: they mean something, can be kept, and tell no value."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from dataclasses import replace
from os.path import commonprefix
from typing import Any

import orjson

from gateway.contracts import Receipt, Write, without_secrets
from gateway.store import outbox, receipts
from gateway.sync.receipts import Verdict, verdict

GARBAGE = "no valid receipt"
_RESULTS = frozenset({"done", "moved", "gone", "duplicate", "unknown", "retry", "rejected", "auth", "limit"})
BEGINNING = 16
"""Characters by which a long value is known."""
_LONGEST_WAIT = 31 * 86400  # seconds
_ADDRESS = re.compile(r"[^\s@<>\"'(),;]+@[^\s@<>\"'(),;]+")


def settled_by(row: Any, made: Write, receipt: Receipt) -> receipts.Settled:
    decided = verdict(receipt, row.attempts, random.random())
    if receipt.code == outbox.KNOWN:
        decided = Verdict("superseded", code=receipt.code)
    return receipts.Settled(row, made, receipt, decided)


def unknown(key: str, exc: BaseException) -> Receipt:
    return Receipt(key=key, result="unknown", code=type(exc).__name__, message="no answer")


def ids_of(given: Any) -> tuple[str, ...]:
    if not isinstance(given, list | tuple) or not all(isinstance(id_, str) and id_ for id_ in given):
        raise TypeError("find gives a list of record ids for each key")
    return tuple(given)


def sound(receipt: Receipt, made: Write) -> Receipt:
    """The receipt as it can be booked, its message without values. ``unknown`` where it means nothing."""
    try:
        texts = (receipt.object, receipt.record, receipt.code, receipt.message, *receipt.candidates, *receipt.fields)
        orjson.dumps([texts, dict(receipt.held)])  # what no database could keep
        moved_to = receipt.result != "moved" or (receipt.object and receipt.record)
        if (
            receipt.result not in _RESULTS
            or not moved_to
            or not all(type(text) is str for text in texts)
            or not isinstance(receipt.candidates, list | tuple)
            or not isinstance(receipt.fields, list | tuple)
            or not 0 <= receipt.seconds <= _LONGEST_WAIT
        ):
            raise ValueError(receipt.result)
    except (TypeError, ValueError, AttributeError):
        return Receipt(key=made.key, result="unknown", code=GARBAGE)
    # A system without ids of its own knows the record by our key.
    record = receipt.record or (made.record or made.key if receipt.result == "done" else "")
    return replace(
        receipt,
        record=record,
        candidates=tuple(receipt.candidates),
        fields=tuple(receipt.fields),
        code=_without_values(receipt.code, made.fields.values()),
        message=_without_values(receipt.message, made.fields.values()),
    )


def _without_values(message: str, values: Iterable[Any]) -> str:
    """Systems quote in their answers what they were sent; fields' names may be told, values not."""
    if not message:
        return ""
    message = without_secrets(message)
    quoted = {str(value) for value in values if value is not None and len(str(value)) > 3}
    for text in sorted(quoted, key=len, reverse=True):
        message = re.sub(re.escape(text), "…", message, flags=re.IGNORECASE)
        if rest := text[BEGINNING:]:  # of a long one they may quote the beginning alone
            before, *after = message.split(text[:BEGINNING])
            cut = (len(commonprefix((part, rest)).rstrip()) for part in after)  # noqa: RUF071 - these are no paths
            message = "…".join([before, *(part[length:] for part, length in zip(after, cut, strict=True))])
    return _ADDRESS.sub("…", message)
