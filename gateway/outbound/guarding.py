"""Look again just before writing: two-way fields with ``guard: true``, and what an undo puts back, batch by batch.

In: the writes that are about to go. What the system holds otherwise than we know is news: it enters the inbox as a
document of our own, and the write waits until it is planned again with what somebody did meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson
from marshmallow import ValidationError

from gateway.contracts import Document, Held, Kind, Page, Receipt, RecordChanged, Sink, Write
from gateway.errors import AccessRefused, QuarantineDocument, TryLater
from gateway.leads.record import Record
from gateway.model import Guard
from gateway.store.inbox import Inbox
from gateway.times import to_micros

CONTENT_TYPE = "application/vnd.lead-gateway.held+json"
CHANGED = "changed meanwhile"
"""Code of a write that waits for the news of its record."""
WAIT = 15.0
"""Seconds in which the news is usually worked; it costs no try to come again."""

Going = Mapping[str, tuple[Write, Record]]
"""key → a write that is about to go, and what we know of its record"""


class Guarding:
    """``fields`` of one system: object → its name of the field → the field's mapping."""

    def __init__(
        self,
        system: str,
        sink: Sink,
        plugin: str,
        fields: Mapping[str, Mapping[str, Any]],
        inbox: Inbox,
        now: Callable[[], datetime],
        guard: Guard,
        log: Any,
    ) -> None:
        self.system = system
        self.sink = sink
        self.plugin = plugin
        self.fields = fields
        self.inbox = inbox
        self.now = now
        self.guard = guard
        self.log = log

    def changed(self, going: Going) -> dict[str, Receipt]:
        """Receipts of the writes that must not go as they are."""
        answers: dict[str, Receipt] = {}
        for object_, rules in self.fields.items():
            mine = {
                key: both
                for key, both in going.items()
                if both[0].object == object_ and both[0].record and _looked_at(*both, rules)
            }
            if mine:
                answers |= self._look(object_, rules, mine)
        return answers

    def _look(self, object_: str, rules: Mapping[str, Any], mine: Going) -> dict[str, Receipt]:
        ids = sorted({record.record for _, record in mine.values()})
        names = sorted({name for write, record in mine.values() for name in _looked_at(write, record, rules)})
        try:
            with self.guard(self.plugin, f"held {len(ids)} of {object_}"):
                held = dict(self.sink.held(object_, ids, names))
        except TryLater as exc:
            return _all(mine, Receipt(key="", result="limit", seconds=exc.seconds, code="limit", message=exc.reason))
        except AccessRefused as exc:
            return _all(mine, Receipt(key="", result="auth", message=exc.reason))
        except (Exception, SystemExit) as exc:  # noqa: BLE001 - a sink may raise anything; nothing was sent
            self.log.warning("look before writing failed", system=self.system, error=type(exc).__name__)
            return _all(mine, Receipt(key="", result="retry", code=type(exc).__name__, message="not looked at"))
        news = {}
        waiting: dict[str, Receipt] = {}
        for key, (_, record) in mine.items():
            found = held.get(record.record)
            if isinstance(found, Held) and (values := _differing(record, found.values, rules)):
                at = found.at if found.at is not None and to_micros(found.at) > record.last[0] else None
                news[record.record] = {"at": at.isoformat() if at else None, "values": values}
                waiting[key] = Receipt(key=key, result="limit", seconds=WAIT, code=CHANGED)
        if news:
            kind: Kind = next(iter(mine.values()))[1].kind
            body = orjson.dumps({"object": object_, "kind": kind, "records": news})
            self.inbox.append_page(
                self.system, "held", Page(document=body, content_type=CONTENT_TYPE), self.now(), origin="lookup"
            )
        return waiting


def _looked_at(write: Write, record: Record, rules: Mapping[str, Any]) -> set[str]:
    """Guarded fields, and those that an undo puts back where nobody changed them."""
    return {name for name in write.fields if name in rules and (rules[name].guard or name in record.holds)}


def _all(mine: Going, receipt: Receipt) -> dict[str, Receipt]:
    return {key: replace(receipt, key=key) for key in mine}


def _differing(record: Record, held: Mapping[str, Any], rules: Mapping[str, Any]) -> dict[str, Any]:
    """What the system holds otherwise than we know; in canonical form, for its spelling is no difference."""
    found = {}
    for name, raw in held.items():
        rule, entry = rules.get(name), record.snapshot.get(name)
        if rule is None or (entry is not None and _same(rule, entry[0], None if rule.is_blank(raw) else raw)):
            continue
        found[name] = None if rule.is_blank(raw) else raw
    return found


def _same(rule: Any, one: Any, other: Any) -> bool:
    if one is None or other is None:
        return one is other
    try:
        return bool(rule.load(one) == rule.load(other))
    except ValidationError:
        return bool(one == other)


def is_ours(document: Document) -> bool:
    """Whether a document is one of this module's; nobody else can store one with this origin."""
    return document.origin == "lookup" and document.content_type == CONTENT_TYPE


def read(document: Document) -> Iterator[RecordChanged]:
    """The news of a look: each record with the fields that it holds otherwise.

    Without a time of the system's, it lies somewhere before the look.
    """
    try:
        page = orjson.loads(document.body)
        for record, one in page["records"].items():
            at = datetime.fromisoformat(one["at"]) if one["at"] else document.received_at
            yield RecordChanged(
                system=document.system, object=page["object"], kind=page["kind"], record=record, at=at,
                key=f"{document.system}:{page['object']}:{record}:held:{document.id}",
                precision="instant" if one["at"] else "unknown",
                values={name: raw for name, raw in one["values"].items() if raw is not None},
                speaks_of=frozenset(one["values"]),
            )  # fmt: skip
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError, ValueError):
        raise QuarantineDocument("no look of the gateway's own") from None


def mapped(objects: Sequence[Any]) -> dict[str, dict[str, Any]]:
    """Object → field → mapping of all fields."""
    return {one.name: {field.field: field for field in one.fields} for one in objects}


def guarded(objects: Sequence[Any]) -> dict[str, dict[str, Any]]:
    """Object → field → mapping of the fields that are to be looked at again."""
    found = {one.name: {field.field: field for field in one.fields if field.guard} for one in objects}
    return {name: fields for name, fields in found.items() if fields}
