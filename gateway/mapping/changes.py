"""What a changed mapping file reads otherwise: the fields that known records were read without. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from gateway.mapping.compiled import ObjectMapping, SystemMapping

What = Literal["new", "changed"]
_NO_MATTER = frozenset({"sync", "prefer"})
"""Parts of a field's definition that say nothing of what a record's value means."""


def unread(before: SystemMapping, after: SystemMapping) -> dict[str, dict[str, What]]:
    """Object → field → why its known records have to be read again. An object that was not mapped has no records."""
    found = {name: _of(before.objects[name], now) for name, now in after.objects.items() if name in before.objects}
    return {name: fields for name, fields in found.items() if fields}


def _of(before: ObjectMapping, now: ObjectMapping) -> dict[str, What]:
    carried = {field.field for field in before.fields} | before.observed
    fields: dict[str, What] = {}
    for name in sorted({*now.inbound, *now.observed}):
        if name not in carried:
            fields[name] = "new"
        elif name in now.inbound and _meaning(now, name) != _meaning(before, name):
            fields[name] = "changed"
    return fields


def _meaning(object_: ObjectMapping, name: str) -> Mapping[str, Any] | None:
    field = object_.inbound.get(name)
    return {key: value for key, value in field.definition.items() if key not in _NO_MATTER} if field else None
