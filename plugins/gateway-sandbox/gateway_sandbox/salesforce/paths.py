"""Fields of a record, of its parents (``Owner.Email``) too: how they are spelled, read and compared."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from gateway_sandbox.clock import parse as parse_time
from gateway_sandbox.records import Record
from gateway_sandbox.salesforce import ids
from gateway_sandbox.salesforce.fields import Field, RowError
from gateway_sandbox.salesforce.org import Org

NAME_FIELDS = {
    name.lower(): name
    for name in ("Id", "Name", "Type", "Email", "FirstName", "LastName", "Title", "Phone", "Username", "IsActive")
}
"""What can be asked of a parent that may be of several types."""


def reader(org: Org, object: str, path: str) -> tuple[Callable[[Record], Any], Field]:
    """How to read a path from a record, and the field at its end. Raises ``RowError`` INVALID_FIELD."""
    *parents, name = path.split(".")
    if parents and parents[0].lower() == object.lower():
        parents = parents[1:]
    at, relations = object, []
    for parent in parents:
        of = relation_of(org, at, parent)
        if of is None:
            raise RowError(
                "INVALID_FIELD",
                f"Didn't understand relationship '{parent}' in field path. If you are attempting to use a custom "
                "relationship, be sure to append the '__r' after the custom relationship name.",
            )
        relations.append(of)
        if len(of.to) > 1:
            if name.lower() not in NAME_FIELDS:
                raise no_column(name, "Name")
            name = NAME_FIELDS[name.lower()]
            end = next((org.objects[to][name] for to in of.to if name in org.objects[to]), Field(name))
            return _through(org, relations, name), end
        at = of.to[0]
    end_of = org.field(at, name)
    if end_of is None:
        raise no_column(name, at)
    if not relations:
        exact = end_of.name
        return lambda record: record.values.get(exact), end_of
    return _through(org, relations, end_of.name), end_of


def _through(org: Org, relations: list[Field], name: str) -> Callable[[Record], Any]:
    def read(record: Record) -> Any:
        held: Record | None = record
        for of in relations:
            held = parent_of(org, held, of) if held else None
        return value_of(held, name) if held else None

    return read


def relation_of(org: Org, object: str, name: str) -> Field | None:
    return next(
        (of for of in org.fields(object).values() if of.relationship and of.relationship.lower() == name.lower()), None
    )


def parent_of(org: Org, record: Record, of: Field) -> Record | None:
    id = record[of.name]
    return org.records[ids.object_of(id) or ""].get(id) if id else None


def spelled(org: Org, object: str, name: str) -> str:
    of = org.field(object, name)
    return of.name if of else NAME_FIELDS.get(name.lower(), name)


def value_of(record: Record, name: str) -> Any:
    if name.lower() == "type" and record.object in ("User", "Group", "Lead", "Contact"):
        return "Queue" if record.object == "Group" else record.object
    if name in record.values:
        return record.values[name]
    return next((value for key, value in record.values.items() if key.lower() == name.lower()), None)


def comparable(of: Field, value: Any) -> Any:
    if value is None:
        return None
    if of.type == "datetime":
        return value if isinstance(value, datetime) else parse_time(str(value))
    if of.type in ("double", "int", "currency", "percent"):
        return float(value)
    if of.type == "boolean":
        return bool(value)
    if of.type in ("id", "reference"):
        try:
            return ids.whole(str(value))
        except ValueError:
            return str(value)
    return str(value).lower()


def no_column(name: str, object: str) -> RowError:
    return RowError(
        "INVALID_FIELD",
        f"\nERROR at Row:1:Column:8\nNo such column '{name}' on entity '{object}'. If you are attempting to use a "
        "custom field, be sure to append the '__c' after the custom field name. Please reference your WSDL or the "
        "describe call for the appropriate names.",
    )
