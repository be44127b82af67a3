"""A deal: of one company and any number of leads, with stage history and one system of record; its revenue counts once.

What a deal says of its leads (won, lost) is a pure function of its attributes today: a deal that is reopened or
corrected takes back what it said before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Any

from gateway.contracts import Precision
from gateway.leads.record import Record, Ref
from gateway.leads.stamps import instant


@dataclass(slots=True)
class Deal:
    """Attributes the gateway reads: ``deal_stage``, ``status`` (open, won, lost), ``amount`` (money), ``closed_at``."""

    id: str
    version: int = 0
    known_at: int = 0
    merged_into: str | None = None
    company: str | None = None
    attributes: dict[str, Any] = field(default_factory=dict, repr=False)
    stage: str = ""
    status: str = "open"
    status_at: int | None = None
    amount: str | None = None
    currency: str | None = None
    leads: set[str] = field(default_factory=set)
    records: dict[Ref, Record] = field(default_factory=dict, repr=False)
    added_leads: set[str] = field(default_factory=set)
    dropped_leads: set[str] = field(default_factory=set)
    history: dict[tuple[int, str], str] = field(default_factory=dict)
    """(time, stage) → status, as the batch's news tell it"""
    outdated: set[tuple[int, str]] = field(default_factory=set)
    """What its stored history says and, after a late event, does not say any more."""
    changed: bool = False

    def settle(
        self,
        attributes: dict[str, Any],
        origin: Mapping[str, tuple[int, str]],
        system_of_record: str | None,
        zone: tzinfo = UTC,
    ) -> None:
        """Read the deal's standing out of its attributes. ``zone``: whose days ``closed_at`` is one of.

        With a system of record, a deal that has no record there is a copy somebody keeps: it is stored but stays open,
        so that nobody's revenue counts twice.
        """
        status = str(attributes.get("status", "open")).lower()
        if status not in ("won", "lost") or (
            system_of_record and not any(ref[0] == system_of_record for ref in self.records)
        ):
            status = "open"
        closed = attributes.get("closed_at")
        at = instant(closed, zone) if closed else origin.get("status", (None, ""))[0]
        money = attributes.get("amount")
        amount, currency = (money[0], money[1]) if isinstance(money, list) else (None, None)
        stage = str(attributes.get("deal_stage", ""))
        if status == "open":
            at = origin.get("status", (None, ""))[0]
        standing = (attributes, stage, status, at, amount, currency)
        if standing == (self.attributes, self.stage, self.status, self.status_at, self.amount, self.currency):
            return
        self.attributes, self.stage, self.status, self.status_at, self.amount, self.currency = standing
        self.changed = True

    @property
    def precision(self) -> Precision:
        """Of ``status_at``: many systems know the day alone on which a deal was closed."""
        closed = str(self.attributes.get("closed_at") or "")
        return "day" if closed and "T" not in closed else "instant"
