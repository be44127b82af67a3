"""The follow-up task of a handoff, made once: upserted on the handoff's id.

A write that carries a handoff's id tells of a handoff the system has not heard of. Said again, after whatever broke
off, it finds the task, also one that sales finished or deleted, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from gateway.contracts import Write
from gateway_salesforce.codes import Fault
from gateway_salesforce.org import Org, RefusedCall
from gateway_salesforce.rows import Rows

USER = "005"
"""What ids of users begin with: a queue cannot own a task."""
_LONGEST_DESCRIPTION = 32_000


class Tasks:
    """``settings`` as ``TaskSchema`` loads them."""

    def __init__(self, settings: Mapping[str, Any], org: Org, rows: Rows, now: Callable[[], datetime]) -> None:
        self._settings = settings
        self._org = org
        self._rows = rows
        self._now = now
        self.field: str = settings["handoff"]
        """Where the records tell of their handoff."""

    def handoff(self, write: Write) -> str:
        """The id of the handoff that a write tells of, or ""."""
        return str(write.fields.get(self.field) or "")

    def ensure(self, due: Sequence[tuple[Write, str]]) -> dict[str, Fault]:
        """Make the tasks of these writes, each with its record's id, where they are not there yet.

        Returns the faults of those that could not be made, by the write's key.
        """
        due = [(write, record) for write, record in due if self.handoff(write)]
        if not due:
            return {}
        priority = min(write.priority for write, _ in due)
        try:
            there = self.there([self.handoff(write) for write, _ in due], priority)
            due = [(write, record) for write, record in due if self.handoff(write).casefold() not in there]
            owners = self._owners(due, priority)
        except RefusedCall as refused:
            return {write.key: refused.fault for write, _ in due}
        if not due:
            return {}
        bodies = [self._body(write, record, owners.get(record[:15], "")) for write, record in due]
        rows = self._rows.upsert("Task", self._settings["external_id"], bodies, priority)
        return {write.key: row.fault for (write, _), row in zip(due, rows, strict=True) if row.fault is not None}

    def there(self, handoffs: Sequence[str], priority: int) -> set[str]:
        """Of these handoffs those that have a task, be it done or deleted by now; in small letters."""
        key = self._settings["external_id"]
        rows = self._org.query_in(f"SELECT Id, {key} FROM Task", key, handoffs, deleted=True, priority=priority)
        return {str(row.get(key)).casefold() for row in rows}

    def _owners(self, due: Sequence[tuple[Write, str]], priority: int) -> dict[str, str]:
        """Record → its owner: who owns the record does the task, or the integration's user would."""
        owners: dict[str, str] = {}
        for object_ in sorted({write.object for write, _ in due}):
            unknown = []
            for write, record in due:
                if write.object != object_:
                    continue
                if write.fields.get("OwnerId"):
                    owners[record[:15]] = str(write.fields["OwnerId"])
                else:
                    unknown.append(record)
            for row in self._org.query_in(f"SELECT Id, OwnerId FROM {object_}", "Id", unknown, priority=priority):
                owners[row["Id"][:15]] = str(row.get("OwnerId") or "")
        return {record: owner for record, owner in owners.items() if owner.startswith(USER)}

    def _body(self, write: Write, record: str, owner: str) -> dict[str, Any]:
        settings = self._settings
        day = self._now().date() + timedelta(days=settings["due_days"])
        description = write.fields.get(settings.get("description", ""))
        body = {
            settings["external_id"]: self.handoff(write),
            "Subject": settings["subject"],
            "ActivityDate": day.isoformat(),
            "WhoId": record,
            "OwnerId": owner,
            "Priority": settings.get("priority"),
            "Status": settings.get("status"),
            "Description": str(description)[:_LONGEST_DESCRIPTION] if description else None,
        }
        return {name: value for name, value in body.items() if value}
