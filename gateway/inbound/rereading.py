"""Fields that known records were read without: noted when a changed mapping is taken up, gone once they were read.

In: the mapping files before and now, and how many records there are. Out: for each object what reading these fields
again takes, as a warning of ``gateway check`` and as a work item until ``gateway pull SYSTEM --fields …`` has done it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from gateway.errors import ConfigError, Problem
from gateway.mapping import compile_mapping
from gateway.mapping.changes import unread
from gateway.settings.files import ConfigFile, content_hash
from gateway.store import alarms, lookups
from gateway.times import to_micros

if TYPE_CHECKING:
    from gateway.runtime import Gateway


@dataclass(frozen=True, slots=True)
class Unread:
    """``records`` of one object were read without these fields, or when they meant something else."""

    system: str
    object: str
    fields: tuple[str, ...]
    records: int
    calls: int

    @property
    def in_words(self) -> str:
        many = f"{self.records:,} known records were" if self.records > 1 else "1 known record was"
        calls = f"{self.calls:,} calls" if self.calls > 1 else "1 call"
        command = f"gateway pull {self.system} --fields {','.join(self.fields)}"
        names = ", ".join(self.fields)
        return f"{many} read without {names}, or otherwise; `{command}` does it again, in about {calls}"

    def problem(self, file: ConfigFile) -> Problem:
        return file.problem(("objects", self.object, "fields", self.fields[0]), self.in_words)


def unread_fields(gateway: Gateway, connection: Connection, before: Mapping[str, str]) -> Iterator[Unread]:
    """What the gateway's mappings read that those of the files ``before`` did not, where records are known already."""
    for name, system in gateway.instance.systems.items():
        file = f"mappings/{name}.yaml"
        if system.mapping is None or file not in before:
            continue
        try:
            was = ConfigFile(file, before[file])
            if content_hash(was.data) == system.mapping.hash:
                continue
            compiled = compile_mapping(was, system.role, gateway.host.transforms)
        except ConfigError:  # written for other plugins than those of now
            continue
        for object_, fields in unread(compiled, system.mapping).items():
            if one := _unread(gateway, connection, name, object_, list(fields)):
                yield one


def note(gateway: Gateway, connection: Connection, before: Mapping[str, str], now: datetime) -> None:
    """Open a work item for each object with such fields; what is read no more is dropped from those that are open."""
    at = to_micros(now)
    fresh = {(one.system, one.object): set(one.fields) for one in unread_fields(gateway, connection, before)}
    for row in alarms.open_alarms(connection, alarms.UNREAD):
        system = gateway.instance.systems.get(row.system)
        object_ = system.mapping.objects.get(row.object) if system and system.mapping else None
        reads = {*object_.inbound, *object_.observed} if object_ else set()
        fresh[row.system, row.object] = fresh.get((row.system, row.object), set()) | (reads & {*row.detail["fields"]})
    for (name, object_name), fields in fresh.items():
        _put(gateway, connection, name, object_name, fields, at, "read no more")


def read_again(gateway: Gateway, connection: Connection, system: str, fields: Mapping[str, Sequence[str]]) -> None:
    """These fields (by object) of all known records were read."""
    for row in alarms.open_alarms(connection, alarms.UNREAD, system):
        left = {*row.detail["fields"]} - {*fields.get(row.object, ())}
        _put(gateway, connection, system, row.object, left, to_micros(gateway.now()), "read again")


def _put(
    gateway: Gateway, connection: Connection, system: str, object_: str, fields: set[str], at: int, over: str
) -> None:
    key = f"unread:{system}:{object_}"
    one = _unread(gateway, connection, system, object_, sorted(fields)) if fields else None
    if one is None:
        alarms.end_alarms(connection, [key], over, at)
        return
    detail: dict[str, Any] = {"fields": list(one.fields), "what": f"{object_}: {one.in_words}"}
    item = {"key": key, "kind": alarms.UNREAD, "system": system, "object": object_, "detail": detail}
    alarms.raise_alarms(connection, [item], at)


def _unread(
    gateway: Gateway, connection: Connection, system: str, object_: str, fields: Sequence[str]
) -> Unread | None:
    source = gateway.sources.get(system)
    size = source.per_fetch(object_) if source else 0
    records = lookups.count_known(connection, system, object_) if size else 0
    return Unread(system, object_, tuple(fields), records, -(-records // size)) if records else None
