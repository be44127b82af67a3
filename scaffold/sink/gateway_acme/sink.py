"""Writes become records of Acme's.

In: the gateway's writes. Out: calls of up to 100, and a receipt for each write. The other side keeps our key beside
each record, and a write with a known key changes that record: the same write twice leaves one record. That is what a
sink has to see to; where a system cannot do it, look the key up before you make a record.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from gateway.contracts import Call, Context, Field, Held, Receipt, Sink, Write
from gateway.errors import AccessRefused, TryLater

from gateway_acme.client import ROOM, Busy, Client, Unacceptable, Unanswered

_TYPES = {"text": "string", "number": "number", "flag": "boolean", "moment": "datetime"}
"""Acme's word for a type → a mapping file's."""


class AcmeSink(Sink):
    """Objects are Acme's own: ``person`` is /records/person."""

    def __init__(self, settings: Mapping[str, Any], context: Context) -> None:
        self._client = Client(settings, context)

    def calls(self, writes: Sequence[Write]) -> Sequence[Call]:
        """One call takes up to 100 records of one object. No network here: `gateway plan` prints the titles."""
        ordered = sorted(writes, key=lambda write: (write.priority, write.object))
        return [
            Call(title=f"write {len(part)} of {object_}", writes=tuple(part))
            for (_, object_), same in groupby(ordered, key=lambda write: (write.priority, write.object))
            for part in _cut(list(same))
        ]

    def deliver(self, call: Call) -> Iterable[Receipt]:
        rows = [
            {"key": write.key, "id": write.record, "fields": {**write.fields, **write.refs}} for write in call.writes
        ]
        path = f"/records/{call.writes[0].object}"
        try:
            answer = self._client.call("POST", path, priority=call.writes[0].priority, json={"records": rows})
        except TryLater as exc:
            return _all(call, result="limit", seconds=exc.seconds, code="too many calls")
        except AccessRefused as exc:
            return _all(call, result="auth", message=exc.reason)
        except Busy as exc:
            return _all(call, result="retry", code="busy", message=str(exc))
        except Unanswered as exc:
            return _all(call, result="unknown", code="no answer", message=str(exc))
        except Unacceptable as exc:
            return _all(call, result="rejected", code=f"HTTP {exc.status}", message=str(exc))
        return [_receipt(row) for row in answer.get("results", ()) if isinstance(row, dict)]

    def find(self, object: str, keys: Sequence[str]) -> Mapping[str, Sequence[str]]:
        found: dict[str, list[str]] = {}
        for row in self._rows(object, "keys", keys):
            found.setdefault(row["key"], []).append(row["id"])
        return found

    def held(self, object: str, records: Sequence[str], fields: Sequence[str]) -> Mapping[str, Held]:
        return {
            row["id"]: Held(values={name: row["fields"].get(name) for name in fields})
            for row in self._rows(object, "ids", records)
        }

    def describe(self, object: str) -> Mapping[str, Field]:
        try:
            answer = self._client.call("GET", f"/records/{object}/fields")
        except Unacceptable:
            return {}
        return {
            row["name"]: Field(
                name=row["name"],
                type=_TYPES.get(row["type"], "other"),
                label=row.get("label", ""),
                length=row.get("longest"),
                writable=row.get("writable", True),
            )
            for row in answer["fields"]
        }

    def _rows(self, object: str, by: str, named: Sequence[str]) -> Iterator[Mapping[str, Any]]:
        for part in _cut(list(named)):
            yield from self._client.call("GET", f"/records/{object}", params={by: ",".join(part)})["records"]


def _cut(items: list[Any]) -> list[list[Any]]:
    return [items[start : start + ROOM] for start in range(0, len(items), ROOM)]


def _all(call: Call, **said: Any) -> list[Receipt]:
    return [Receipt(key=write.key, **said) for write in call.writes]


def _receipt(row: Mapping[str, Any]) -> Receipt:
    """What the answer says of one record. A write that it says nothing of is looked up by the gateway."""
    key, status = row.get("key", ""), row.get("status")
    if status == "written":
        return Receipt(key=key, result="done", record=row.get("id", ""))
    if status == "gone":
        return Receipt(key=key, result="gone")
    if status == "refused":
        fields = (row["field"],) if row.get("field") else ()
        return Receipt(key=key, result="rejected", code=row.get("code", "refused"), fields=fields)
    return Receipt(key=key, result="unknown", code="no status")
