"""A system that is only in memory, as a plugin of its own: ``plugin: memory`` in a ``gateway_instance``.

The other side for plugins that are no system themselves (scorers, transforms), and for those that are one of two. It
takes any JSON, without proof, gives what it was told when it is pulled, and holds what is written to it. Faults come
when ``fail`` asks for them. It is never offered outside of tests.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway.contracts import (
    COMPANIONS,
    Call,
    Context,
    Cursor,
    Document,
    Held,
    Page,
    ReadItem,
    Receipt,
    Sink,
    Source,
    Verification,
    Write,
)
from gateway.errors import AccessRefused, QuarantineDocument, TryLater
from gateway.hookspecs import RegisterSink, RegisterSource, hookimpl
from gateway.payloads import decode_json
from gateway.testing.system import FakeSystem, Fault

BATCH = 100
"""Writes of one call."""


class MemorySystem(FakeSystem):
    """``held``: object → id → fields. ``effects``: every write that had one, in order. ``told``: what a pull gives."""

    def __init__(self) -> None:
        self.held: dict[str, dict[str, dict[str, Any]]] = {}
        self.effects: list[Write] = []
        self.told: list[Any] = []
        self._keys: dict[tuple[str, str], str] = {}
        self._doubles: dict[tuple[str, str], list[str]] = {}
        self._calls = 0
        self._planned: list[tuple[Fault, float, int]] = []

    @property
    def calls(self) -> int:
        return self._calls

    def fail(self, fault: Fault, *, seconds: float = 0, after: int = 0) -> None:
        self._planned.append((fault, seconds, after))

    def calm(self) -> None:
        self._planned.clear()

    def records(self, object: str) -> Mapping[str, Mapping[str, Any]]:
        return self.held.get(object, {})

    def tell(self, *payloads: Any) -> None:
        """What the next pull brings, each as a page of its own."""
        self.told += payloads

    def heard(self) -> tuple[Fault | None, float]:
        """One call; the fault that it meets."""
        self._calls += 1
        if not self._planned:
            return None, 0
        fault, seconds, after = self._planned.pop(0)
        if after:
            self._planned.insert(0, (fault, seconds, after - 1))
            return None, 0
        return fault, seconds

    def keep(self, write: Write) -> str:
        """Do as the write says; the record's id. The same key twice is one record."""
        name = (write.object, write.key)
        id_ = self._keys[name] = write.record or self._keys.get(name) or f"{write.object}-{len(self._keys) + 1}"
        self.held.setdefault(write.object, {}).setdefault(id_, {}).update(write.fields)
        self.effects.append(replace(write, record=id_))
        return id_

    def of_key(self, object: str, key: str) -> list[str]:
        if (id_ := self._keys.get((object, key))) is None:
            return []
        return [id_, *self._doubles.get((object, id_), ())]

    def double(self, object: str, record: str) -> str:
        doubles = self._doubles.setdefault((object, record), [])
        doubles.append(f"{record}-{len(doubles) + 2}")
        self.held[object][doubles[-1]] = dict(self.held[object][record])
        return doubles[-1]


_systems: dict[tuple[Path, str], MemorySystem] = {}


def memory(root: Path, system: str) -> MemorySystem:
    """That of one system of one instance; it outlives the gateway, as other people's systems do."""
    return _systems.setdefault((root.resolve(), system), MemorySystem())


def forget(root: Path) -> None:
    """Drop all systems of an instance."""
    for name in [name for name in _systems if name[0] == root.resolve()]:
        del _systems[name]


class MemorySource(Source):
    verification = Verification(scheme="none")

    def __init__(self, settings: Mapping[str, Any], context: Context) -> None:
        self.context = context
        self.memory = memory(context.root, context.system)

    def read(self, document: Document) -> Iterable[ReadItem]:
        if self.context.mapping is None:
            raise QuarantineDocument("the system has no mapping file")
        return self.context.mapping.read(decode_json(document.body), document)

    def streams(self) -> Sequence[str]:
        return ("told",)

    def pull(self, stream: str, cursor: Cursor | None, since: datetime | None) -> Iterator[Page]:
        for number in range(cursor["told"] if cursor else 0, len(self.memory.told)):
            fault, seconds = self.memory.heard()
            if fault == "limit":
                raise TryLater(seconds, "too many calls")
            if fault == "auth":
                raise AccessRefused("the credentials are not good")
            if fault is not None:
                raise ConnectionError(fault)
            more = number + 1 < len(self.memory.told)
            yield Page(document=json.dumps(self.memory.told[number]).encode(), cursor={"told": number + 1}, more=more)


class MemorySink(Sink):
    carries = dict.fromkeys(COMPANIONS, ("*",))

    def __init__(self, settings: Mapping[str, Any], context: Context) -> None:
        self.memory = memory(context.root, context.system)

    def calls(self, writes: Sequence[Write]) -> Sequence[Call]:
        cut = [tuple(writes[start : start + BATCH]) for start in range(0, len(writes), BATCH)]
        return [Call(title=f"{len(part)} records", writes=part) for part in cut]

    def deliver(self, call: Call) -> Iterable[Receipt]:
        fault, seconds = self.memory.heard()
        if fault in ("limit", "busy", "auth"):
            result: Any = {"limit": "limit", "busy": "retry", "auth": "auth"}[fault]
            return [Receipt(key=write.key, result=result, seconds=seconds) for write in call.writes]
        if fault == "cut before":
            raise ConnectionError(fault)
        done = [Receipt(key=one.key, result="done", record=self.memory.keep(one)) for one in call.writes]
        if fault is not None:  # it had its effect, and its answer is lost
            raise ConnectionError(fault)
        return done

    def find(self, object: str, keys: Sequence[str]) -> Mapping[str, Sequence[str]]:
        return {key: ids for key in keys if (ids := self.memory.of_key(object, key))}

    def held(self, object: str, records: Sequence[str], fields: Sequence[str]) -> Mapping[str, Held]:
        rows = self.memory.records(object)
        return {id_: Held(values={name: rows[id_].get(name) for name in fields}) for id_ in records if id_ in rows}


@hookimpl
def register_sources(register: RegisterSource) -> None:
    register("memory", MemorySource)


@hookimpl
def register_sinks(register: RegisterSink) -> None:
    register("memory", MemorySink)
