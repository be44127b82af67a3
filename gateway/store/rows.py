"""A row of a table as the object it stands for, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.contracts import Event, Kind
from gateway.leads.company import Company
from gateway.leads.deal import Deal
from gateway.leads.events import body_of, event_from
from gateway.leads.lead import Lead, StoredOutcome
from gateway.leads.record import Record, RecordWritten
from gateway.store import tables as t
from gateway.times import from_micros

_r = t.records.c
RECORD = (
    _r.system, _r.object, _r.record, _r.kind, _r.entity, _r.snapshot, _r.first_at, _r.created_at, _r.last_at,
    _r.last_key, _r.mapping, _r.main, _r.enrolled, _r.gone, _r.assumed, _r.holds, _r.told, _r.contested,
)  # fmt: skip
"""The columns ``record_of`` takes, in its order."""


def record_of(row: Sequence[Any]) -> Record:
    """A row of the columns ``RECORD``; by position, for there are two of them in most pieces of news."""
    system, object_, record_, kind, entity, snapshot, first_at, created_at, last_at, last_key, *rest = row
    last = (last_at, last_key)
    record = Record(system, object_, record_, kind, entity, snapshot, first_at, created_at, last, *rest)
    record.stored = (entity, last_at, last_key)
    record.kept = record.rest
    return record


def stored_event(row: Any, kind: Kind) -> Event:
    """A row of table ``events`` as the event it was."""
    common: dict[str, Any] = {
        "system": row.system,
        "object": row.object,
        "kind": kind,
        "record": row.record,
        "at": from_micros(row.at),
        "key": row.key,
        "precision": row.precision,
    }
    if row.type == "RecordWritten":
        return RecordWritten(**common, **{name: value for name, value in row.body.items() if name != "v"})
    return event_from(row.type, row.body, **common)


def outcome_of(row: Any) -> StoredOutcome:
    """A row of table ``outcomes``."""
    ref = (row.system, row.object, row.record)
    return StoredOutcome(
        row.at, row.outcome, row.reason, row.amount, row.currency, row.by, row.precision, ref, row.known_at, row.wake
    )


def name_of(attributes: Mapping[str, Any]) -> str:
    """What people look for a lead by: the last name, then the first; else the name it has, or its company's."""
    last, first = attributes.get("last_name"), attributes.get("first_name")
    if last or first:
        return f"{last or ''} {first or ''}"
    return str(attributes.get("name") or attributes.get("company_name") or "")


def sought(text: str) -> str:
    """As column ``sought`` has it: without case, one space between words, no more than anybody types."""
    return " ".join(text.casefold().split())[:100]


FILED = tuple(column.name for column in t.leads.c if any(column.name in index.c for index in t.leads.indexes))
"""The columns that leads are found by, in the order of ``Lead.filed``."""


def lead_row(lead: Lead) -> dict[str, Any]:
    return {
        "id": lead.id,
        "version": lead.version + 1,
        "known_at": lead.known_at,
        "entered_at": lead.entered_at,
        "merged_into": lead.merged_into,
        "company": lead.company,
        "attributes": lead.attributes,
        "persona": lead.persona,
        "stage": lead.stage,
        "journey": lead.journey,
        "excluded": lead.excluded,
        "ignored": lead.ignored,
        "generation": lead.generation,
        "above": lead.above,
        "erased_at": lead.erased_at,
        "returned": lead.returned,
        "wakes_at": lead.wakes_at,
        "sought": sought(name_of(lead.attributes)),
        "path": "" if lead.merged_into else "\n".join(sorted(lead.reached)),
    }


def company_row(company: Company) -> dict[str, Any]:
    return {
        "id": company.id,
        "version": company.version + 1,
        "known_at": company.known_at,
        "merged_into": company.merged_into,
        "attributes": company.attributes,
    }


def deal_row(deal: Deal) -> dict[str, Any]:
    return {
        "id": deal.id,
        "version": deal.version + 1,
        "known_at": deal.known_at,
        "merged_into": deal.merged_into,
        "company": deal.company,
        "attributes": deal.attributes,
        "stage": deal.stage,
        "status": deal.status,
        "status_at": deal.status_at,
        "amount": deal.amount,
        "currency": deal.currency,
    }


def record_row(record: Record) -> dict[str, Any]:
    """The inverse of ``record_of``."""
    return {
        "system": record.system,
        "object": record.object,
        "record": record.record,
        "kind": record.kind,
        "entity": record.entity,
        "snapshot": record.snapshot,
        "first_at": record.first_at,
        "created_at": record.created_at,
        "last_at": record.last[0],
        "last_key": record.last[1],
        "mapping": record.mapping,
        "main": record.main,
        "enrolled": record.enrolled,
        "gone": record.gone,
        "assumed": record.assumed,
        "holds": record.holds,
        "told": record.told,
        "contested": record.contested,
    }


def news_row(record: Record) -> dict[str, Any]:
    """Of ``record_row`` what news moves that leaves its ``rest``: writing four columns of JSON less is 6 µs less."""
    return {
        "system": record.system,
        "object": record.object,
        "record": record.record,
        "snapshot": record.snapshot,
        "last_at": record.last[0],
        "last_key": record.last[1],
    }


def event_row(
    event: Event, at: int, document: str, known_at: int, mapping: str, state: str = "applied", reason: str = ""
) -> dict[str, Any]:
    """One row of table ``events``."""
    if isinstance(event, RecordWritten):
        body: dict[str, Any] = {"v": 1, "values": event.values, "assumed": event.assumed, "sent": event.sent}
        body |= {"found": True} if event.found else {}
    else:
        body = body_of(event)
    return {
        "key": event.key,
        "document": document,
        "system": event.system,
        "object": event.object,
        "record": event.record,
        "type": type(event).__name__,
        "at": at,
        "known_at": known_at,
        "precision": event.precision,
        "body": body,
        "mapping": mapping,
        "state": state,
        "reason": reason,
    }
