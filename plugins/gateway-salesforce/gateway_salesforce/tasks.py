"""The follow-up tasks of handoffs: up to 200 in one call, upserted on the handoff's id, so that each is made once.

In: writes of ``follow_up_task``, with the lead or contact in their refs. Out: one row each. The task is for who owns
that record, where neither the handoff nor the mapping (a lead field ``owner``) says whose it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from gateway.contracts import Write
from gateway_salesforce.org import Org
from gateway_salesforce.rows import Row, Rows

OURS = "closed:"
"""What our key begins with in a task that we closed ourselves."""
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
        self._users: dict[str, str] = {}
        """E-mail address of a user → id, "" when there is none."""
        self.key: str = settings["external_id"]

    def ownerless(self, writes: Sequence[Write]) -> bool:
        """Whether somebody has to be asked whose these tasks are."""
        return any(not str(write.fields.get("owner") or "").startswith(USER) for write in writes)

    def make(self, writes: Sequence[Write], priority: int) -> list[Row]:
        """Make these tasks; those that are there already stay as they are found. Raises what ``Org.call`` raises."""
        owners = self._owners(writes, priority)
        bodies = [self._body(write, owners.get(write.key, "")) for write in writes]
        return self._rows.upsert("Task", self.key, bodies, priority)

    def at(self, records: Sequence[str]) -> dict[str, dict[str, str]]:
        """Record's id, without its last three characters → its tasks of handoffs, the oldest first: id → our key. One
        that somebody deleted was made, too."""
        select, where = f"SELECT Id, WhoId, CreatedDate, {self.key} FROM Task", f" AND {self.key} != null"
        rows = self._org.query_in(select, "WhoId", list(records), where=where, deleted=True, priority=1)
        found: dict[str, dict[str, str]] = {}
        for row in sorted(rows, key=lambda row: str(row.get("CreatedDate"))):
            told = str(row[self.key]).removeprefix(OURS)
            found.setdefault(row["WhoId"][:15], {})[row["Id"]] = told if ":" in told else f"handoff:{told}:task"
        return found

    def change(self, writes: Sequence[Write], priority: int) -> list[Row]:
        """Complete tasks that nobody has to do any more, or give them to somebody else; what sales closed stays so.

        What we close is marked in our key, so that it is not taken for what sales did.
        """
        select, ids = "SELECT Id FROM Task", [write.record for write in writes if write.record]
        found = self._org.query_in(select, "Id", ids, where=" AND IsClosed = true", priority=priority)
        closed = {row["Id"][:15] for row in found}
        owners = self._owners([write for write in writes if not write.fields.get("done")], priority)
        bodies = {}
        for write in writes:
            id_, owner = write.record or "", owners.get(write.key)
            if id_[:15] in closed:
                continue
            if write.fields.get("done"):
                bodies[write.key] = {"id": id_, "Status": self._settings["closed"], self.key: OURS + write.key}
            elif owner:  # a queue owns no tasks
                bodies[write.key] = {"id": id_, "OwnerId": owner, **_due(write.fields)}
        rows = iter(self._rows.update("Task", list(bodies.values()), priority) if bodies else ())
        return [next(rows) if write.key in bodies else Row(record=write.record or "") for write in writes]

    def _owners(self, writes: Sequence[Write], priority: int) -> dict[str, str]:
        """Write → the user whose task it is; none for what a queue owns, then the org decides."""
        owners: dict[str, str] = {}
        asked: dict[str, dict[str, list[str]]] = {}
        for write in writes:
            owner = str(write.fields.get("owner") or "")
            if "@" in owner:
                owner = self._user(owner.casefold(), priority)
            if owner.startswith(USER):
                owners[write.key] = owner
            elif write.refs:
                ((object_, record),) = write.refs.items()
                asked.setdefault(object_, {}).setdefault(record[:15], []).append(write.key)
        for object_, keys in asked.items():
            select = f"SELECT Id, OwnerId FROM {object_}"
            for row in self._org.query_in(select, "Id", list(keys), priority=priority):
                for key in keys.get(row["Id"][:15], ()):
                    owners[key] = str(row.get("OwnerId") or "")
        return {key: owner for key, owner in owners.items() if owner.startswith(USER)}

    def _user(self, address: str, priority: int) -> str:
        if address not in self._users:
            where = " AND IsActive = true"
            rows = list(self._org.query_in("SELECT Id FROM User", "Email", [address], where=where, priority=priority))
            self._users[address] = rows[0]["Id"] if len(rows) == 1 else ""
        return self._users[address]

    def _body(self, write: Write, owner: str) -> dict[str, Any]:
        settings, told = self._settings, write.fields
        day = self._now().date() + timedelta(days=settings["due_days"])
        body = {
            self.key: str(told["handoff"]),
            "Subject": settings.get("subject") or str(told.get("subject") or "Follow up")[:255],
            "ActivityDate": day.isoformat(),
            "WhoId": next(iter(write.refs.values()), None),
            "OwnerId": owner,
            "Priority": settings["priority"],
            "Status": settings.get("status"),
            "Description": str(told.get("description") or "")[:_LONGEST_DESCRIPTION],
            **_due(told),
        }
        return {name: value for name, value in body.items() if value}


def _due(told: Mapping[str, Any]) -> dict[str, Any]:
    """The day, and a reminder at the hour, which a task's own date has not."""
    due = _moment(told.get("due_at"))
    if due is None:
        return {}
    day = due.astimezone(ZoneInfo(told.get("zone") or "UTC")).date()
    reminder = f"{due.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return {"ActivityDate": day.isoformat(), "IsReminderSet": True, "ReminderDateTime": reminder}


def _moment(text: Any) -> datetime | None:
    return datetime.fromisoformat(text) if isinstance(text, str) and text else None
