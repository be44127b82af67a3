"""What visitors do: pages, forms, marketing e-mails, events. Each leaves a readable event and moves the counters.

The events API exists on Enterprise accounts only and knows nothing of marketing e-mails; those have the v1 endpoint,
which answers youngest first. Form submissions, too, come youngest first, and name the contact by e-mail alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway_sandbox.calls import Call
from gateway_sandbox.clock import iso, millis, parse
from gateway_sandbox.hubspot import errors
from gateway_sandbox.hubspot.objects import plural
from gateway_sandbox.hubspot.portal import Portal
from gateway_sandbox.records import Record
from gateway_sandbox.sandbox import Reply, Route

SUBMISSIONS, EMAIL_EVENTS, EVENTS = 50, 1000, 100
EMAIL_TYPES = ("SENT", "DELIVERED", "OPEN", "CLICK", "BOUNCE")
STATES = ("REGISTERED", "ATTENDED", "CANCELLED", "EMPTY", "NO_SHOW")
APP_ID = 113


@dataclass(slots=True)
class Form:
    id: str
    name: str
    submissions: list[dict[str, Any]] = field(default_factory=list)
    """Oldest first."""


@dataclass(slots=True)
class Campaign:
    """A marketing e-mail."""

    id: int
    name: str
    subject: str


class Activities:
    def __init__(self, portal: Portal, enterprise: Callable[[], bool]) -> None:
        self.portal = portal
        self.enterprise = enterprise
        self.events: list[dict[str, Any]] = []
        self.email_events: list[dict[str, Any]] = []
        self.forms: dict[str, Form] = {}
        self.campaigns: dict[int, Campaign] = {}
        self.participations: list[dict[str, Any]] = []
        self._marketing_events: dict[str, str] = {}

    def routes(self) -> list[Route]:
        return [
            ("GET", "/events/v3/events", self.read_events),
            ("GET", "/events/v3/events/event-types", self.event_types),
            ("GET", "/email/public/v1/events", self.read_email_events),
            ("GET", "/email/public/v1/campaigns/{id}", self.campaign),
            ("GET", "/marketing/v3/forms", self.read_forms),
            ("GET", "/marketing/v3/forms/{id}", self.form),
            ("GET", "/form-integrations/v1/submissions/forms/{id}", self.submissions),
            ("GET", "/marketing/v3/marketing-events/participations/contacts/{contact}/breakdown", self.breakdown),
        ]

    # What visitors do

    def visit(self, contact: str, url: str, title: str = "", at: datetime | None = None, source: str = "") -> None:
        """A page view."""
        record, at = self._contact(contact), at or self.portal.clock.now()
        properties = {"hs_url": url, "hs_title": title or url.rsplit("/", 1)[-1]}
        self._event(record, "e_visited_page", at, properties)
        moved = {
            "hs_analytics_num_page_views": _more(record, "hs_analytics_num_page_views"),
            "hs_analytics_last_timestamp": iso(at),
            "hs_analytics_last_url": url,
        }
        if not record["hs_analytics_first_timestamp"]:
            moved |= {"hs_analytics_first_timestamp": iso(at), "hs_analytics_num_visits": "1"}
        if source:
            moved |= {"hs_latest_source": source, "hs_latest_source_timestamp": iso(at)}
        self.portal.update(record, moved, "ANALYTICS", at)

    def email(
        self, contact: str, kind: str, campaign: str, url: str | None = None, at: datetime | None = None
    ) -> dict[str, Any]:
        """A marketing e-mail is sent, delivered, opened, clicked or bounces (``kind`` as in ``EMAIL_TYPES``)."""
        if kind not in EMAIL_TYPES:
            raise ValueError(f"an e-mail event is one of {', '.join(EMAIL_TYPES)}")
        record, at = self._contact(contact), at or self.portal.clock.now()
        of = next((one for one in self.campaigns.values() if one.name == campaign), None)
        if of is None:
            of = Campaign(700_001 + len(self.campaigns), campaign, campaign)
            self.campaigns[of.id] = of
        event: dict[str, Any] = {
            "id": f"e{len(self.email_events) + 1:08d}-5c1a-4e0b-9c55-000000000000",
            "created": millis(at),
            "type": kind,
            "recipient": record["email"],
            "portalId": self.portal.id,
            "appId": APP_ID,
            "appName": "Batch",
            "emailCampaignId": of.id,
            "subject": of.subject,
            "filteredEvent": False,
        }
        if url:
            event["url"] = url
        self.email_events.append(event)
        moves = {
            "SENT": {"hs_email_last_send_date": iso(at)},
            "DELIVERED": {"hs_email_delivered": _more(record, "hs_email_delivered")},
            "OPEN": {"hs_email_open": _more(record, "hs_email_open"), "hs_email_last_open_date": iso(at)},
            "CLICK": {"hs_email_click": _more(record, "hs_email_click"), "hs_email_last_click_date": iso(at)},
            "BOUNCE": {"hs_email_bounce": _more(record, "hs_email_bounce")},
        }
        self.portal.update(record, moves[kind], "EMAIL", at)
        return event

    def submit(
        self,
        contact: str,
        form: str,
        values: Mapping[str, str] | None = None,
        page: str = "",
        at: datetime | None = None,
    ) -> None:
        """A form, found or made by its name, is filled in; its values become the contact's."""
        record, at = self._contact(contact), at or self.portal.clock.now()
        of = self.form_named(form)
        given = {"email": record["email"], **(values or {})}
        of.submissions.append(
            {
                "conversionId": f"c{sum(len(one.submissions) for one in self.forms.values()) + 1:07d}-{of.id}",
                "submittedAt": millis(at),
                "values": [{"name": name, "value": value, "objectTypeId": "0-1"} for name, value in given.items()],
                "pageUrl": page or "https://www.sandbox.example/",
            }
        )
        moved = {
            **(values or {}),
            "num_conversion_events": _more(record, "num_conversion_events"),
            "recent_conversion_event_name": form,
            "recent_conversion_date": iso(at),
        }
        if not record["first_conversion_date"]:
            moved |= {"first_conversion_date": iso(at), "first_conversion_event_name": form}
        self.portal.update(record, moved, "FORM", at)

    def form_named(self, name: str) -> Form:
        found = next((one for one in self.forms.values() if one.name == name), None)
        if found is None:
            found = Form(f"{len(self.forms) + 1:08d}-0f0a-4b1c-8d2e-000000000000", name)
            self.forms[found.id] = found
        return found

    def attend(self, contact: str, event: str, state: str = "ATTENDED", at: datetime | None = None) -> None:
        """A webinar or fair: registered, attended, cancelled, not shown up."""
        if state not in STATES:
            raise ValueError(f"a state is one of {', '.join(STATES)}")
        record, at = self._contact(contact), at or self.portal.clock.now()
        id = self._marketing_events.setdefault(event, str(800_001 + len(self._marketing_events)))
        self.participations.append(
            {
                "id": str(900_001 + len(self.participations)),
                "createdAt": iso(at),
                "associations": {
                    "marketingEvent": {"marketingEventId": id, "externalEventId": f"ext-{id}", "name": event},
                    "contact": {
                        "contactId": record.id,
                        "email": record["email"],
                        "firstname": record["firstname"],
                        "lastname": record["lastname"],
                    },
                },
                "properties": {"occurredAt": millis(at), "attendanceState": state},
            }
        )
        self.portal.update(record, {"hs_analytics_last_timestamp": iso(at)}, "MARKETING_EVENT", at)

    def meeting(self, contact: str, title: str, outcome: str = "COMPLETED", at: datetime | None = None) -> Record:
        """A meeting that sales had with the contact."""
        at = at or self.portal.clock.now()
        values = {
            "hs_timestamp": iso(at),
            "hs_meeting_title": title,
            "hs_meeting_outcome": outcome,
            "hs_meeting_start_time": iso(at),
        }
        made = self.portal.create("meetings", values, "CRM_UI", at, indexed=True)
        self.portal.link("meetings", made.id, "contacts", contact)
        return made

    def _contact(self, id: str) -> Record:
        record = self.portal.find("contacts", id)
        if record is None:
            raise KeyError(f"no contact {id}")
        return record

    def _event(self, record: Record, type: str, at: datetime, properties: Mapping[str, str]) -> None:
        self.events.append(
            {
                "objectType": "CONTACT",
                "objectId": record.id,
                "eventType": type,
                "occurredAt": iso(at),
                "id": f"{len(self.events) + 1:08d}-9b1d-11ef-8a00-000000000000",
                "properties": dict(properties),
            }
        )

    # What can be read

    def read_events(self, call: Call) -> Reply:
        if not self.enterprise():
            raise errors.refuse(403, "The account doesn't have access to this product.", "MISSING_SCOPES")
        object, id, type = call.arg("objectType"), call.arg("objectId"), call.arg("eventType")
        if not (type or (object and id)):
            raise errors.invalid("Either eventType or objectType with objectId is needed")
        if object:
            plural(object.lower())
        after, before = (call.arg(f"occurred{end}") for end in ("After", "Before"))
        found = [
            event
            for event in self.events
            if (not id or self._same(event["objectId"], id))
            and (not type or event["eventType"] == type)
            and (not after or parse(event["occurredAt"]) > parse(after))
            and (not before or parse(event["occurredAt"]) < parse(before))
        ]
        found.sort(key=lambda event: (event["occurredAt"], event["id"]), reverse=call.arg("sort", "")[:1] == "-")  # type: ignore[index]
        limit, start = min(int(call.arg("limit") or EVENTS), EVENTS), int(call.arg("after") or 0)
        body: dict[str, Any] = {"results": found[start : start + limit]}
        if start + limit < len(found):
            body["paging"] = {"next": {"after": str(start + limit)}}
        return Reply(body=body)

    def _same(self, had: str, asked: str) -> bool:
        if had == asked:
            return True
        record = self.portal.find("contacts", had)
        return record is not None and record.id == asked

    def event_types(self, call: Call) -> Reply:
        # the list names types the account cannot use
        known = {"e_visited_page", "e_opened_email_v2", "e_clicked_link_in_email_v2"}
        return Reply(body={"eventTypes": sorted(known | {event["eventType"] for event in self.events})})

    def read_email_events(self, call: Call) -> Reply:
        limit = int(call.arg("limit") or 10)
        if not 1 <= limit <= EMAIL_EVENTS:
            raise errors.invalid(f"limit must be between 1 and {EMAIL_EVENTS}, was {limit}")
        start, end = int(call.arg("startTimestamp") or 0), int(call.arg("endTimestamp") or 1 << 53)
        kind, recipient, campaign = call.arg("eventType"), call.arg("recipient"), call.arg("campaignId")
        found = [
            event
            for event in self.email_events
            if start <= event["created"] <= end
            and (not kind or event["type"] == kind)
            and (not recipient or event["recipient"] == recipient.lower())
            and (not campaign or str(event["emailCampaignId"]) == campaign)
        ]
        found.sort(key=lambda event: (event["created"], event["id"]), reverse=True)
        at = int(call.arg("offset") or 0)
        return Reply(
            body={
                "events": found[at : at + limit],
                "hasMore": at + limit < len(found),
                "offset": str(min(at + limit, len(found))),
            }
        )

    def campaign(self, call: Call, id: str) -> Reply:
        of = self.campaigns.get(int(id))
        if of is None:
            raise errors.not_found()
        return Reply(body={"id": of.id, "appId": APP_ID, "appName": "Batch", "name": of.name, "subject": of.subject})

    def _form(self, of: Form) -> dict[str, Any]:
        at = "2025-01-01T00:00:00.000Z"
        return {
            "id": of.id,
            "name": of.name,
            "formType": "hubspot",
            "createdAt": at,
            "updatedAt": at,
            "archived": False,
        }

    def read_forms(self, call: Call) -> Reply:
        limit, start = int(call.arg("limit") or 20), int(call.arg("after") or 0)
        found = [self._form(of) for of in self.forms.values()]
        body: dict[str, Any] = {"results": found[start : start + limit]}
        if start + limit < len(found):
            body["paging"] = {"next": {"after": str(start + limit)}}
        return Reply(body=body)

    def form(self, call: Call, id: str) -> Reply:
        if id not in self.forms:
            raise errors.not_found()
        return Reply(body=self._form(self.forms[id]))

    def submissions(self, call: Call, id: str) -> Reply:
        if id not in self.forms:
            raise errors.not_found(f"Form with guid {id} not found")
        limit = int(call.arg("limit") or 20)
        if not 1 <= limit <= SUBMISSIONS:
            raise errors.invalid(f"limit must be between 1 and {SUBMISSIONS}, was {limit}")
        youngest = sorted(self.forms[id].submissions, key=lambda one: -int(one["submittedAt"]))
        start = int(call.arg("after") or 0)
        body: dict[str, Any] = {"results": youngest[start : start + limit]}
        if start + limit < len(youngest):
            body["paging"] = {"next": {"after": str(start + limit)}}
        return Reply(body=body)

    def breakdown(self, call: Call, contact: str) -> Reply:
        state = call.arg("state")
        found = [
            one
            for one in self.participations
            if contact in (one["associations"]["contact"]["contactId"], one["associations"]["contact"]["email"])
            and (not state or one["properties"]["attendanceState"] == state)
        ]
        limit, start = int(call.arg("limit") or 10), int(call.arg("after") or 0)
        body: dict[str, Any] = {"results": found[start : start + limit], "total": len(found)}
        if start + limit < len(found):
            body["paging"] = {"next": {"after": str(start + limit)}}
        return Reply(body=body)


def _more(record: Record, name: str) -> str:
    return str(int(float(record[name] or 0)) + 1)
