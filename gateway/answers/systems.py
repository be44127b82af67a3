"""The systems: how each stands, and which field meets which, as JSON: the same for commands and the API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from marshmallow import Schema, fields

from gateway.answers.fields import Moment

if TYPE_CHECKING:
    from gateway.runtime import Gateway
    from gateway.settings.instance import System
    from gateway.store.overview import SystemCounts


class SystemSchema(Schema):
    system = fields.String(metadata={"description": "its name"})
    plugin = fields.String()
    role = fields.String(metadata={"description": "ma or crm"})
    outbound = fields.Boolean(metadata={"description": "whether it is written to"})
    source = fields.Boolean(metadata={"description": "whether its news can be read"})
    sink = fields.Boolean(metadata={"description": "whether it can be written to"})
    activated_at = Moment()
    paused = fields.String(metadata={"description": "why; empty: it is not"})
    asked_again_at = Moment(metadata={"format": "date-time", "description": "of one that does not answer; else null"})
    problem = fields.String(metadata={"description": "why it does not work; empty: it does"})


class FieldSchema(Schema):
    object = fields.String()
    kind = fields.String(metadata={"description": "what a record of it is: person, company, deal …"})
    field = fields.String(metadata={"description": "as the system calls it"})
    to = fields.String(metadata={"description": "as it is called here"})
    type = fields.String()
    sync = fields.String(metadata={"description": "in, out, newest, prefer or only_if_blank"})
    prefer = fields.String()
    values = fields.Dict(metadata={"description": "value there → value here, where they differ"})


def systems_of(gateway: Gateway, rows: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Every system in the order of gateway.yaml, which is their rank, for ``SystemSchema``.

    :param rows: of ``listing.systems``.
    """
    return [
        {
            "system": one.name,
            "plugin": one.plugin,
            "role": one.role,
            "outbound": one.outbound,
            "source": one.name in gateway.sources,
            "sink": one.name in gateway.sinks,
            "activated_at": rows.get(one.name, {}).get("activated_at"),
            "paused": rows.get(one.name, {}).get("paused", ""),
            "asked_again_at": again_at(rows.get(one.name, {})),
            "problem": gateway.problems.get(one.name, ""),
        }
        for one in gateway.instance.systems.values()
    ]


def again_at(row: Mapping[str, Any]) -> int | None:
    """Of a row of ``listing.systems``: when one that does not answer is asked again; None while it answers."""
    return row["retry_at"] if row.get("failures") else None


def mapping_json(system: System) -> list[dict[str, Any]]:
    """Each field of the mapping file; none where there is no mapping file."""
    objects = system.mapping.objects.items() if system.mapping else ()
    found = [
        {"object": name, "kind": one.kind, **{word: getattr(field, word) for word in _FIELD}}
        for name, one in objects
        for field in one.fields
    ]
    told: list[dict[str, Any]] = FieldSchema(many=True).dump(found)
    return told


_FIELD: Sequence[str] = ("field", "to", "type", "sync", "prefer", "values")


class EquationSchema(Schema):
    """``total`` is what came in, ``parts`` where it is now; ``holds``: nothing was lost."""

    total = fields.Integer()
    parts = fields.Dict(values=fields.Integer())
    holds = fields.Boolean()


class CountsSchema(Schema):
    documents = fields.Nested(EquationSchema)
    events = fields.Nested(EquationSchema)
    writes = fields.Nested(EquationSchema)
    duplicates = fields.Integer()
    skipped = fields.Dict(values=fields.Integer(), metadata={"description": "reason → events"})
    dropped = fields.Dict(values=fields.Integer(), metadata={"description": "field → values left out coming in"})
    unsent = fields.Dict(values=fields.Integer(), metadata={"description": "field → values left out going out"})
    oldest_document = Moment(metadata={"format": "date-time", "description": "that waits"})
    oldest_write = Moment(metadata={"format": "date-time", "description": "that waits"})


def counts_json(counts: SystemCounts | None) -> dict[str, Any] | None:
    told: dict[str, Any] | None = CountsSchema().dump(counts) if counts is not None else None
    return told
