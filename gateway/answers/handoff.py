"""One handoff: as JSON, and its state and its end in words. In: its row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.answers.texts import iso, points


def handoff_json(row: Mapping[str, Any]) -> dict[str, Any]:
    times = (
        "opened_at",
        "response_due",
        "period_ends",
        "accepted_at",
        "contacted_at",
        "closed_at",
        "alarm_at",
        "wake_at",
    )
    names = (
        "lead",
        "system",
        "stage",
        "persona",
        "generation",
        "owner",
        "owner_why",
        "state",
        "alarm",
        "cause",
        "cause_reason",
        "cause_by",
    )
    return {
        "handoff": row["id"],
        **{name: row[name] for name in (*names, "bucket", "bucket_reason")},
        "score": points(row["score"]),
        **{name: iso(row[name]) for name in times},
        "waits_for": waits_for(row),
        "contributions": [
            {"rule": rule, "points": points(given), "reason": reason, "axis": axis}
            for rule, given, reason, axis in row["contributions"]
        ],
    }


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
