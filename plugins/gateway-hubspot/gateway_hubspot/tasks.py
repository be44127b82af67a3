"""Follow-up tasks as HubSpot's: a task is made with its contact and our key in a unique property. Pure.

Made once: after an answer that never came it is found by the key, and HubSpot takes no second one with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from gateway.contracts import Receipt, Write

TAKEN = ("CONFLICT", "CONFLICTING_UNIQUE_VALUE")
"""Codes of a key that some task has already: it is looked up."""


def task(made: Write, settings: Mapping[str, Any], now: datetime) -> Write:
    """The write of a follow-up task with HubSpot's properties. ``settings`` as ``TaskSchema`` loads them."""
    told = made.fields
    owner = str(told.get("owner") or "")
    whose = {"hubspot_owner_id": owner} if owner.isdecimal() else {}
    if made.record is not None:
        due = {"hs_timestamp": told["due_at"]} if told.get("due_at") else {}
        change = {"hs_task_status": "COMPLETED"} if told.get("done") else whose | due
        return replace(made, object="task", fields=change, refs={})
    at = told.get("due_at") or (now + timedelta(days=settings.get("due_days", 1))).isoformat()
    properties = {
        "hs_task_subject": settings.get("subject") or told.get("subject") or "Follow up",
        "hs_task_body": "<br>".join(_escaped(line) for line in str(told.get("description") or "").splitlines()),
        "hs_task_status": "NOT_STARTED",
        "hs_task_priority": str(told.get("priority") or "high").upper(),
        "hs_task_type": "TODO",
        "hs_timestamp": at,
        **whose,
    }
    return replace(made, object="task", fields={name: value for name, value in properties.items() if value})


def settled(receipt: Receipt) -> Receipt:
    """The receipt without HubSpot's words for what we wrote. A task of this key that is there is the one we made."""
    if receipt.result == "duplicate" and len(receipt.candidates) == 1:
        return Receipt(key=receipt.key, result="done", record=receipt.candidates[0])
    if receipt.result == "duplicate" or receipt.code in TAKEN:
        return Receipt(key=receipt.key, result="unknown", code=receipt.code)
    return replace(receipt, held={})


def _escaped(line: str) -> str:
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
