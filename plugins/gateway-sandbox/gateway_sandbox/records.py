"""What a sandbox holds: records with their values, and the history of every value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Version:
    """One value of one field, from ``at`` on; ``by`` says who set it (``API``, ``CRM_UI``, ``FORM`` …)."""

    at: datetime
    value: Any
    by: str


@dataclass(slots=True)
class Record:
    """One record. ``values`` by the system's own field names; ``record["email"]`` reads one, None when empty."""

    object: str
    id: str
    created_at: datetime
    changed_at: datetime
    values: dict[str, Any] = field(default_factory=dict)
    history: dict[str, list[Version]] = field(default_factory=dict)
    gone: bool = False
    """Archived (HubSpot), in the recycle bin (Salesforce)."""
    gone_at: datetime | None = None
    merged_into: str | None = None

    def __getitem__(self, name: str) -> Any:
        return self.values.get(name)

    def put(self, name: str, value: Any, at: datetime, by: str) -> bool:
        """Set one value and remember it. Returns whether it changed."""
        if self.values.get(name) == value and (name in self.values or value is None):
            return False
        self.values[name] = value
        self.history.setdefault(name, []).append(Version(at, value, by))
        return True

    def as_json(self) -> dict[str, Any]:
        return {
            "object": self.object,
            "id": self.id,
            "created_at": self.created_at.isoformat(),
            "changed_at": self.changed_at.isoformat(),
            "gone": self.gone,
            "merged_into": self.merged_into,
            "values": self.values,
        }


class Records(dict[str, dict[str, Record]]):
    """``records[object][id]``; an object without records is empty, not missing."""

    def __missing__(self, object: str) -> dict[str, Record]:
        self[object] = {}
        return self[object]

    def alive(self, object: str) -> Iterator[Record]:
        return (record for record in self[object].values() if not record.gone)
