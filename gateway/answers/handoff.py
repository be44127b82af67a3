"""One handoff: as JSON, and its state and its end in words. In: its row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, fields

from gateway.answers.fields import Moment, Points
from gateway.answers.texts import iso, points


class HandoffSchema(Schema):
    """A row of the table as JSON, the same for commands and the API."""

    handoff = fields.String(attribute="id", metadata={"description": "its id"})
    lead = fields.String()
    system = fields.String(metadata={"description": "where it was handed over to"})
    stage = fields.String()
    persona = fields.String()
    generation = fields.Integer(metadata={"description": "1, and 1 more for each time the lead came back"})
    owner = fields.String(metadata={"description": "whose it is, as the system knows them"})
    owner_why = fields.String()
    state = fields.String(metadata={"description": "held, open, closed, absorbed or withdrawn"})
    alarm = fields.String(metadata={"description": "what is due next: warned, escalated or reassigned"})
    cause = fields.String()
    cause_reason = fields.String()
    cause_by = fields.String()
    bucket = fields.String(allow_none=True, metadata={"description": "how it ended; null while it is open"})
    bucket_reason = fields.String()
    score = Points(metadata={"description": "of the lead, as it was handed over"})
    score_name = fields.String(metadata={"description": "which score that is; empty: the main one"})
    opened_at = Moment()
    response_due = Moment()
    period_ends = Moment()
    accepted_at = Moment()
    contacted_at = Moment()
    closed_at = Moment()
    closed_by = fields.String(metadata={"description": "who ended it: an address, or as the system knows them"})
    alarm_at = Moment()
    wake_at = Moment()
    waits_for = fields.Function(lambda row: waits_for(row), metadata={"type": "string"})
    contributions = fields.Method("_contributions", metadata={"type": "array", "items": {"type": "object"}})

    def _contributions(self, row: Mapping[str, Any]) -> list[dict[str, Any]]:
        return [
            {"rule": rule, "points": points(given), "reason": reason, "axis": axis}
            for rule, given, reason, axis in row["contributions"]
        ]


_schema = HandoffSchema()


def handoff_json(row: Mapping[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = _schema.dump(row)
    return told


def standing(row: Mapping[str, Any]) -> dict[str, Any]:
    """What decisions change, as the audit keeps it."""
    names = ("state", "owner", "accepted_at", "bucket", "bucket_reason")
    return {name: iso(row[name]) if name == "accepted_at" else row[name] for name in names}


def ended_as(row: Mapping[str, Any]) -> str:
    return bucket_words(row["bucket"], row["bucket_reason"])


def bucket_words(bucket: str | None, reason: str) -> str:
    return " ".join(filter(None, [bucket, reason and f"({reason})"]))


def state_words(row: Mapping[str, Any]) -> str:
    if row["state"] != "open":
        return str(row["state"])
    state = "contacted" if row["contacted_at"] else "accepted" if row["accepted_at"] else "open"
    waits = waits_for(row)
    return f"{state}; its clock waits until {waits} is read" if waits else state


def waits_for(row: Mapping[str, Any]) -> str:
    """The system that a clock asks what sales did; empty: none is due."""
    asked = row["state"] == "open" and (row["checking"], row["hearing"]) != ("", "")
    return str(row["system"]) if asked else ""
