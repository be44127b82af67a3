"""Fields that known records were read without: noted when a changed mapping is taken up, gone once they were read.

In: the mapping files before and now, and how many records there are. Out: for each field what reading it again takes,
as a warning of `gateway check` and as a work item until `gateway pull SYSTEM --fields …` has done it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

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
    """``records`` of one object were read without this field, which is ``new`` or ``changed``."""

    system: str
    object: str
    field: str
    what: str
    records: int
    calls: int

    @property
    def key(self) -> str:
        return _key(self.system, self.object, self.field)

    @property
    def in_words(self) -> str:
        return (
            f"{self.what}: {self.records:,} known records were read without it; `gateway pull {self.system} "
            f"--fields {self.field}` reads them again in about {self.calls:,} calls"
        )

    def problem(self, file: ConfigFile) -> Problem:
        return file.problem(("objects", self.object, "fields", self.field), self.in_words)


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
        source = gateway.sources.get(name)
        for object_, fields in unread(compiled, system.mapping).items():
            if records := lookups.count_known(connection, name, object_):
                calls = -(-records // (source.fetched if source else 1))
                for field, what in fields.items():
                    yield Unread(name, object_, field, what, records, calls)


def note(gateway: Gateway, connection: Connection, before: Mapping[str, str], now: datetime) -> None:
    """Open a work item for each such field; end those of fields that are read no more."""
    at = to_micros(now)
    rows = [
        {
            "key": one.key,
            "kind": alarms.UNREAD,
            "system": one.system,
            "object": one.object,
            "detail": {"field": one.field, "what": f"{one.object} {one.field} is {one.in_words}"},
        }
        for one in unread_fields(gateway, connection, before)
    ]
    alarms.raise_alarms(connection, rows, at)
    over = []
    for row in alarms.open_alarms(connection, alarms.UNREAD):
        system = gateway.instance.systems.get(row.system)
        object_ = system.mapping.objects.get(row.object) if system and system.mapping else None
        if object_ is None or row.detail["field"] not in {*object_.inbound, *object_.observed}:
            over.append(row.key)
    alarms.end_alarms(connection, over, "read no more", at)


def read_again(connection: Connection, system: str, fields: Mapping[str, Sequence[str]], now: datetime) -> None:
    """These fields (by object) of all known records were read."""
    keys = [_key(system, object_, field) for object_, names in fields.items() for field in names]
    alarms.end_alarms(connection, keys, "read again", to_micros(now))


def _key(system: str, object_: str, field: str) -> str:
    return f"unread:{system}:{object_}:{field}"
