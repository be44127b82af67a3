"""Every call that came, what was answered, and what it changed: the evidence a test asks for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs

import orjson

HIDDEN = frozenset({"authorization", "cookie"})


@dataclass(frozen=True, slots=True)
class Effect:
    """One change of one record: ``kind`` is create, update, archive, restore, merge, erase, join, leave, associate …

    ``call`` is the number of the call that caused it, None for what a person (or the simulation) did over there.
    """

    call: int | None
    at: datetime
    kind: str
    object: str
    id: str
    values: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        return {
            "call": self.call,
            "at": self.at.isoformat(),
            "kind": self.kind,
            "object": self.object,
            "id": self.id,
            "values": self.values,
        }


@dataclass(slots=True)
class Call:
    """One HTTP request and its answer. ``path`` as it was sent (still quoted); ``status`` 0: the line was cut."""

    number: int
    at: datetime
    method: str
    path: str
    query: str
    headers: dict[str, str]
    """Names in lower case; credentials are left out."""
    body: bytes
    status: int = 0
    answer: bytes = b""
    fault: str | None = None
    effects: list[Effect] = field(default_factory=list)

    def json(self) -> Any:
        """The decoded body. Raises ValueError."""
        return orjson.loads(self.body)

    def answered(self) -> Any:
        """The decoded answer, None without one. Raises ValueError."""
        return orjson.loads(self.answer) if self.answer else None

    def args(self, name: str) -> list[str]:
        """The values of one query parameter, repeated or separated by commas."""
        given = parse_qs(self.query, keep_blank_values=True).get(name, [])
        return [part for value in given for part in value.split(",") if part]

    def arg(self, name: str, default: str | None = None) -> str | None:
        """One query parameter, whole."""
        given = parse_qs(self.query, keep_blank_values=True).get(name)
        return given[0] if given else default

    def as_json(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "at": self.at.isoformat(),
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "headers": self.headers,
            "body": self.body.decode(errors="replace"),
            "status": self.status,
            "answer": self.answer.decode(errors="replace"),
            "fault": self.fault,
            "effects": [effect.as_json() for effect in self.effects],
        }


class Calls(list[Call]):
    """All calls in order. Calls of the control interface are not among them."""

    def matching(self, pattern: str) -> list[Call]:
        """Calls whose ``METHOD /path?query`` the pattern is found in (``re.search``)."""
        return [call for call in self if re.search(pattern, line(call))]

    def effects(self) -> Iterable[Effect]:
        return (effect for call in self for effect in call.effects)


def line(call: Call) -> str:
    return f"{call.method} {call.path}" + (f"?{call.query}" if call.query else "")
