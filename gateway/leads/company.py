"""A company: a record of its own kind, whose attributes reach the fit of all its leads."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gateway.leads.record import Record, Ref


@dataclass(slots=True)
class Company:
    id: str
    version: int = 0
    known_at: int = 0
    merged_into: str | None = None
    attributes: dict[str, Any] = field(default_factory=dict, repr=False)
    rollups: dict[str, int | float] = field(default_factory=dict)
    """What its leads come to together, where the model asks: see ``journey.rollups``."""
    records: dict[Ref, Record] = field(default_factory=dict, repr=False)
    changed: bool = False

    @property
    def known(self) -> dict[str, Any]:
        """All that counts for its leads."""
        return {**self.attributes, **self.rollups} if self.rollups else self.attributes
