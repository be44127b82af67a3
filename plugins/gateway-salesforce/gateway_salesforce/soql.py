"""How Salesforce writes times and values, and what its records come to without their wrapping."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from gateway_salesforce.org import quoted

NAME = re.compile(r"[A-Za-z]\w*(?:\.[A-Za-z]\w*)*\Z")


def flat(row: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A record without ``attributes``, related fields as ``Owner.Email``. Of one that is not there, only its name."""
    fields: dict[str, Any] = {}
    for name, value in row.items():
        if name == "attributes":
            continue
        if isinstance(value, Mapping):
            fields |= flat(value, f"{prefix}{name}.")
        else:
            fields[f"{prefix}{name}"] = value
    return fields


def moment(text: str) -> datetime:
    """``2026-11-20T08:00:00.000+0000`` in UTC. Raises ``ValueError``."""
    return datetime.fromisoformat(text).astimezone(UTC)


def literal(at: datetime) -> str:
    """A time as SOQL writes it, to the millisecond."""
    return f"{at.astimezone(UTC).isoformat(timespec='milliseconds').removesuffix('+00:00')}Z"


def value_of(value: str | int | float | bool) -> str:
    """As SOQL writes it: ``TRUE``, ``7``, ``'text'``."""
    return (
        str(value).upper() if isinstance(value, bool) else str(value) if not isinstance(value, str) else quoted(value)
    )


def seconds_of(at: datetime) -> str:
    return f"{at.astimezone(UTC).isoformat(timespec='seconds')}"


def cut(values: Sequence[str], most: int) -> Iterator[Sequence[str]]:
    return (values[start : start + most] for start in range(0, len(values), most))
