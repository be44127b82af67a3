"""The properties a portal has from the start, and what a value of each type may be.

In: values as a client sends them. Out: values as HubSpot keeps them (always strings), or what is wrong with them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway_sandbox.clock import iso, parse

TYPE_IDS = {
    "contacts": "0-1",
    "companies": "0-2",
    "deals": "0-3",
    "tickets": "0-5",
    "notes": "0-46",
    "meetings": "0-47",
    "calls": "0-48",
    "emails": "0-49",
    "tasks": "0-27",
    "leads": "0-136",
}


def singular(object: str) -> str:
    return "company" if object == "companies" else object.removesuffix("s")


OBJECTS = {spelled: plural for plural, number in TYPE_IDS.items() for spelled in (plural, singular(plural), number)}
"""Every way a path may name an object type → the one this model uses."""

FIRST_ID = {"contacts": 501, "companies": 7001, "deals": 88001, "leads": 61001}

LIFECYCLE = (
    "subscriber",
    "lead",
    "marketingqualifiedlead",
    "salesqualifiedlead",
    "opportunity",
    "customer",
    "evangelist",
    "other",
)
SUBSCRIPTIONS = {"11001": "Marketing Information", "11002": "One to One", "11003": "Newsletter"}
"""Types of e-mail that people can opt out of: id → name."""
LEAD_STATUS = (
    "NEW",
    "OPEN",
    "IN_PROGRESS",
    "OPEN_DEAL",
    "UNQUALIFIED",
    "ATTEMPTED_TO_CONTACT",
    "CONNECTED",
    "BAD_TIMING",
)
SOURCES = (
    "ORGANIC_SEARCH",
    "PAID_SEARCH",
    "EMAIL_MARKETING",
    "SOCIAL_MEDIA",
    "REFERRALS",
    "OTHER_CAMPAIGNS",
    "DIRECT_TRAFFIC",
    "OFFLINE",
    "PAID_SOCIAL",
)
PAIRS = {
    "number": ("number",),
    "string": ("text", "textarea", "file"),
    "enumeration": ("select", "radio", "checkbox"),
    "bool": ("booleancheckbox",),
    "date": ("date",),
    "datetime": ("date",),
}
MAX_TEXT = 65_536


@dataclass(slots=True)
class Property:
    """A property's definition. ``options`` are (internal value, label) in display order."""

    name: str
    label: str
    type: str = "string"
    field_type: str = "text"
    group: str = "contactinformation"
    options: list[dict[str, Any]] = field(default_factory=list)
    read_only: bool = False
    unique: bool = False
    own: bool = True
    """Defined by HubSpot."""
    description: str = ""
    calculated: bool = False
    archived: bool = False
    hidden: bool = False
    order: int = -1
    created_at: datetime | None = None
    updated_at: datetime | None = None

    def as_json(self) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "name": self.name,
            "label": self.label,
            "type": self.type,
            "fieldType": self.field_type,
            "description": self.description,
            "groupName": self.group,
            "options": self.options,
            "displayOrder": self.order,
            "calculated": self.calculated,
            "externalOptions": False,
            "archived": self.archived,
            "hasUniqueValue": self.unique,
            "hidden": self.hidden,
            "formField": not self.read_only,
            "modificationMetadata": {
                "archivable": not self.own,
                "readOnlyDefinition": self.own,
                "readOnlyValue": self.read_only,
            },
        }
        if self.own:
            shown["hubspotDefined"] = True
        if self.created_at is not None:
            shown["createdAt"] = iso(self.created_at)
        if self.updated_at is not None:
            shown["updatedAt"] = iso(self.updated_at)
        return shown

    def values(self) -> list[str]:
        return [option["value"] for option in self.options]

    def kept(self, given: Any) -> str:
        """The value as HubSpot keeps it. Raises ``Wrong``."""
        text = "true" if given is True else "false" if given is False else str(given)
        return _KEEP[self.type](self, text) if text else ""


class Wrong(Exception):
    def __init__(self, error: str, message: str) -> None:
        super().__init__(error)
        self.error = error
        self.message = message


def _string(of: Property, text: str) -> str:
    if len(text) > MAX_TEXT:
        raise Wrong("PROPERTY_VALUE_TOO_LONG", f"Property value is longer than {MAX_TEXT} characters")
    if of.name == "email" and not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s.]+", text.strip()):
        raise Wrong("INVALID_EMAIL", "Email address is invalid")
    return text.strip().lower() if of.name == "email" else text


def _number(of: Property, text: str) -> str:
    if not re.fullmatch(r"-?\d+(\.\d+)?([eE][+-]?\d+)?", text.strip()):
        raise Wrong("INVALID_NUMBER", "Property value was not a valid number")
    return text.strip()


def _bool(of: Property, text: str) -> str:
    if text.lower() not in ("true", "false"):
        raise Wrong("INVALID_OPTION", "Property value was not one of the allowed options: [true, false]")
    return text.lower()


def _enumeration(of: Property, text: str) -> str:
    chosen = [part for part in text.split(";") if part] if of.field_type == "checkbox" else [text]
    if unknown := [part for part in chosen if part not in of.values()]:
        raise Wrong("INVALID_OPTION", f"{unknown[0]} was not one of the allowed options: [{', '.join(of.values())}]")
    return text


def _date(of: Property, text: str) -> str:
    if re.fullmatch(r"-?\d{9,}", text):
        at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(text))
        if (at.hour, at.minute, at.second, at.microsecond) != (0, 0, 0, 0):
            raise Wrong("INVALID_DATE", "Property value is not at midnight UTC")
        return at.strftime("%Y-%m-%d")
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        raise Wrong("INVALID_DATE", "Property value was not a valid date")
    return parse(text).strftime("%Y-%m-%d")


def _datetime(of: Property, text: str) -> str:
    try:
        if re.fullmatch(r"-?\d{9,}", text):
            return iso(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(text)))
        return iso(parse(text))
    except (ValueError, OverflowError):
        raise Wrong("INVALID_DATE", "Property value was not a valid datetime") from None


_KEEP = {
    "string": _string,
    "number": _number,
    "bool": _bool,
    "enumeration": _enumeration,
    "date": _date,
    "datetime": _datetime,
}


def options(values: Mapping[str, str] | tuple[str, ...]) -> list[dict[str, Any]]:
    labels = values if isinstance(values, Mapping) else {value: value.replace("_", " ").title() for value in values}
    return [
        {"label": label, "value": value, "displayOrder": place, "hidden": False}
        for place, (value, label) in enumerate(labels.items())
    ]


def _text(*names: str, **more: Any) -> list[Property]:
    return [Property(name, name.replace("_", " ").capitalize(), **more) for name in names]


def _analytics(type: str, *names: str) -> list[Property]:
    return [
        Property(
            name,
            name.removeprefix("hs_").replace("_", " ").capitalize(),
            type,
            {"number": "number", "datetime": "date", "string": "text"}[type],
            "analyticsinformation",
            read_only=True,
        )
        for name in names
    ]


def _record_properties(modified: str) -> list[Property]:
    return [
        Property("hs_object_id", "Record ID", "number", "number", read_only=True),
        Property("createdate", "Create date", "datetime", "date"),
        Property(modified, "Last modified date", "datetime", "date", read_only=True),
        Property("hubspot_owner_id", "Owner", "enumeration", "select"),
        Property("hs_merged_object_ids", "Merged record IDs", read_only=True),
    ]


def _contacts() -> list[Property]:
    stages = options(
        {
            "subscriber": "Subscriber",
            "lead": "Lead",
            "marketingqualifiedlead": "Marketing Qualified Lead",
            "salesqualifiedlead": "Sales Qualified Lead",
            "opportunity": "Opportunity",
            "customer": "Customer",
            "evangelist": "Evangelist",
            "other": "Other",
        }
    )
    return [
        *_record_properties("lastmodifieddate"),
        *_text(
            *("email", "firstname", "lastname", "salutation", "jobtitle", "company", "phone", "mobilephone", "website"),
            *("address", "city", "state", "zip", "country", "industry", "hs_additional_emails", "message"),
            *("annualrevenue", "numemployees", "job_function", "hs_language"),
        ),
        # left by HubSpot's own Salesforce connector
        *_text("salesforceleadid", "salesforcecontactid", "salesforceaccountid", group="salesforceinformation"),
        Property("lifecyclestage", "Lifecycle Stage", "enumeration", "radio", options=stages),
        Property("hs_lead_status", "Lead Status", "enumeration", "radio", options=options(LEAD_STATUS)),
        Property("hubspotscore", "HubSpot Score", "number", "number", read_only=True),
        Property("hs_latest_source", "Latest source", "enumeration", "select", options=options(SOURCES)),
        Property("hs_analytics_source", "Original source", "enumeration", "select", options=options(SOURCES)),
        Property("hs_email_optout", "Unsubscribed from all email", "bool", "booleancheckbox", read_only=True),
        *(
            Property(f"hs_email_optout_{id}", f"Opted out of email: {name}", "bool", "booleancheckbox", read_only=True)
            for id, name in SUBSCRIPTIONS.items()
        ),
        *_analytics("number", "hs_email_delivered", "hs_email_open", "hs_email_click", "hs_email_bounce"),
        *_analytics("datetime", "hs_email_last_open_date", "hs_email_last_click_date", "hs_email_last_send_date"),
        *_analytics(
            "number",
            *("hs_analytics_num_page_views", "hs_analytics_num_visits", "num_conversion_events"),
            *("num_unique_conversion_events", "num_associated_deals"),
        ),
        *_analytics(
            "datetime",
            *("hs_analytics_last_timestamp", "hs_analytics_first_timestamp", "recent_conversion_date"),
            *("first_conversion_date", "notes_last_contacted", "hs_latest_source_timestamp"),
        ),
        *_analytics("string", "recent_conversion_event_name", "first_conversion_event_name", "hs_analytics_last_url"),
        *_analytics("datetime", *(f"hs_lifecyclestage_{stage}_date" for stage in LIFECYCLE)),
    ]


def _companies() -> list[Property]:
    return [
        *_record_properties("hs_lastmodifieddate"),
        *_text("name", "domain", "hs_additional_domains", "industry", "city", "country", "phone", "website"),
        *_text("salesforceaccountid", "type", "description"),
        Property("numberofemployees", "Number of employees", "number", "number"),
        Property("annualrevenue", "Annual revenue", "number", "number"),
        Property("lifecyclestage", "Lifecycle Stage", "enumeration", "radio", options=options(LIFECYCLE)),
        Property("hs_num_open_deals", "Open deals", "number", "number", read_only=True),
    ]


def _deals() -> list[Property]:
    return [
        *_record_properties("hs_lastmodifieddate"),
        *_text("dealname", "pipeline", "description", "closed_lost_reason", "closed_won_reason"),
        *_text("hs_salesforceopportunityid", group="salesforceinformation"),
        Property("dealstage", "Deal Stage", "enumeration", "radio"),
        Property("dealtype", "Deal Type", "enumeration", "radio", options=options(("newbusiness", "existingbusiness"))),
        Property("amount", "Amount", "number", "number"),
        Property("amount_in_home_currency", "Amount in company currency", "number", "number", read_only=True),
        Property("deal_currency_code", "Currency", "enumeration", "select", options=options(("EUR", "USD", "GBP"))),
        Property("closedate", "Close Date", "datetime", "date"),
        Property("hs_is_closed", "Is Deal Closed?", "bool", "booleancheckbox", read_only=True, calculated=True),
        Property("hs_is_closed_won", "Is Closed Won", "bool", "booleancheckbox", read_only=True, calculated=True),
    ]


def _engagement(*texts: str) -> list[Property]:
    return [
        *_record_properties("hs_lastmodifieddate"),
        Property("hs_timestamp", "Activity date", "datetime", "date"),
        *_text(*texts),
    ]


def standard() -> dict[str, dict[str, Property]]:
    """A fresh portal's properties: object → name → definition."""
    lists = {
        "contacts": _contacts(),
        "companies": _companies(),
        "deals": _deals(),
        "tickets": [*_record_properties("hs_lastmodifieddate"), *_text("subject", "content", "hs_pipeline_stage")],
        "leads": [
            *_record_properties("hs_lastmodifieddate"),
            *_text("hs_lead_name", "hs_pipeline", "hs_pipeline_stage", "hs_lead_disqualification_reason"),
            *_text("hs_lead_type", "hs_lead_label"),
        ],
        "meetings": [
            *_engagement("hs_meeting_title", "hs_meeting_body", "hs_meeting_outcome", "hs_meeting_location"),
            Property("hs_meeting_start_time", "Start", "datetime", "date"),
            Property("hs_meeting_end_time", "End", "datetime", "date"),
        ],
        "calls": _engagement("hs_call_title", "hs_call_body", "hs_call_status", "hs_call_direction"),
        "emails": _engagement("hs_email_subject", "hs_email_text", "hs_email_direction", "hs_email_status"),
        "notes": _engagement("hs_note_body"),
        "tasks": _engagement("hs_task_subject", "hs_task_body", "hs_task_status", "hs_task_priority", "hs_task_type"),
    }
    return {object: {one.name: one for one in of_object} for object, of_object in lists.items()}


MODIFIED = {object: "lastmodifieddate" if object == "contacts" else "hs_lastmodifieddate" for object in TYPE_IDS}
DEFAULT_READ = {
    "contacts": ("createdate", "email", "firstname", "hs_object_id", "lastmodifieddate", "lastname"),
    "companies": ("createdate", "domain", "hs_lastmodifieddate", "hs_object_id", "name"),
    "deals": (
        "amount",
        "closedate",
        "createdate",
        "dealname",
        "dealstage",
        "hs_lastmodifieddate",
        "hs_object_id",
        "pipeline",
    ),
}
