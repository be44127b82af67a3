"""The objects and fields an org has, and what a value of each type may be.

In: values as JSON brings them. Out: values as the org keeps them, or a ``RowError`` in Salesforce's words.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from gateway_sandbox.clock import parse
from gateway_sandbox.salesforce import ids


class RowError(Exception):
    """One record is refused. ``more`` are further keys of the error (duplicate results)."""

    def __init__(
        self,
        code: str,
        message: str,
        fields: list[str] | None = None,
        status: int = 400,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.fields = fields or []
        self.status = status
        self.more = dict(more or {})


@dataclass(slots=True)
class Field:
    name: str
    type: str = "string"
    length: int = 0
    precision: int = 18
    scale: int = 0
    values: tuple[str, ...] = ()
    """Picklist values, active ones."""
    restricted: bool = False
    to: tuple[str, ...] = ()
    """Objects a reference may lead to."""
    required: bool = False
    createable: bool = True
    updateable: bool = True
    external_id: bool = False
    unique: bool = False
    id_lookup: bool = False
    calculated: bool = False
    default: Any = None
    label: str = ""
    inactive: tuple[str, ...] = field(default=())

    @property
    def relationship(self) -> str | None:
        if not self.to:
            return None
        return self.name.removesuffix("__c") + "__r" if self.name.endswith("__c") else self.name.removesuffix("Id")

    @property
    def shown_label(self) -> str:
        return self.label or re.sub(r"(?<=[a-z])(?=[A-Z])", " ", self.name.removesuffix("__c").replace("_", " "))

    def as_json(self) -> dict[str, Any]:
        text = self.type in ("string", "textarea", "email", "phone", "url", "picklist", "multipicklist")
        return {
            "name": self.name,
            "label": self.shown_label,
            "type": self.type,
            "length": self.length if text else 18 if self.type in ("id", "reference") else 0,
            "byteLength": self.length * 3 if text else 18 if self.type in ("id", "reference") else 0,
            "digits": self.precision if self.type == "int" else 0,
            "precision": self.precision if self.type in ("double", "currency", "percent") else 0,
            "scale": self.scale,
            "nillable": not self.required and self.type != "boolean",
            "createable": self.createable,
            "updateable": self.updateable,
            "defaultedOnCreate": self.default is not None or self.type == "boolean" or self.name == "OwnerId",
            "defaultValue": self.default,
            "externalId": self.external_id,
            "unique": self.unique,
            "caseSensitive": False,
            "idLookup": self.id_lookup or self.external_id,
            "restrictedPicklist": self.restricted,
            "picklistValues": [
                {
                    "active": active,
                    "defaultValue": value == self.default,
                    "label": value,
                    "validFor": None,
                    "value": value,
                }
                for active, all_of in ((True, self.values), (False, self.inactive))
                for value in all_of
            ],
            "referenceTo": list(self.to),
            "relationshipName": self.relationship,
            "calculated": self.calculated,
            "autoNumber": False,
            "custom": self.name.endswith("__c"),
            "filterable": True,
            "sortable": True,
            "groupable": True,
        }

    def kept(self, value: Any) -> Any:
        """The value as the org keeps it; None clears. Raises ``RowError``."""
        if value is None or value == "":
            if self.type == "boolean":
                raise RowError("INVALID_TYPE_ON_FIELD_IN_RECORD", f"{self.shown_label}: value not of required type: ")
            return None
        return _KEEP.get(self.type, _text)(self, value)


def _wrong_type(of: Field, value: Any) -> RowError:
    return RowError(
        "INVALID_TYPE_ON_FIELD_IN_RECORD", f"{of.shown_label}: value not of required type: {value}", [of.name]
    )


def _text(of: Field, value: Any) -> str:
    if isinstance(value, (dict, list, bool)):
        raise _wrong_type(of, value)
    text = str(value)
    if len(text) > of.length:
        shown = text if len(text) < 100 else text[:100]
        raise RowError(
            "STRING_TOO_LONG", f"{of.shown_label}: data value too large: {shown} (max length={of.length})", [of.name]
        )
    return text


def _email(of: Field, value: Any) -> str:
    text = _text(of, value).strip()
    if not re.fullmatch(r"[^@\s,;<>]+@[^@\s,;<>]+\.[^@\s.,;<>]+", text):
        raise RowError("INVALID_EMAIL_ADDRESS", f"{of.shown_label}: invalid email address: {text}", [of.name])
    return text.lower()


def _number(of: Field, value: Any) -> float | int:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise _wrong_type(of, value) from None
    if isinstance(value, bool) or not math.isfinite(number):
        raise _wrong_type(of, value)
    if abs(number) >= 10 ** (of.precision - of.scale):
        raise RowError(
            "NUMBER_OUTSIDE_VALID_RANGE", f"{of.shown_label}: value outside of valid range on numeric field", [of.name]
        )
    number = round(number, of.scale)
    return int(number) if of.type == "int" else number


def _boolean(of: Field, value: Any) -> bool:
    if value in (True, False):
        return bool(value)
    if str(value).lower() in ("true", "false"):
        return str(value).lower() == "true"
    raise _wrong_type(of, value)


def _date(of: Field, value: Any) -> str:
    try:
        return parse(str(value)[:10]).strftime("%Y-%m-%d")
    except ValueError:
        raise _wrong_type(of, value) from None


def _datetime(of: Field, value: Any) -> str:
    try:
        return stamp(parse(str(value)))
    except ValueError:
        raise _wrong_type(of, value) from None


def _picklist(of: Field, value: Any) -> str:
    text = str(value)
    chosen = text.split(";") if of.type == "multipicklist" else [text]
    if of.restricted and (unknown := [one for one in chosen if one not in of.values]):
        raise RowError(
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
            f"{of.shown_label}: bad value for restricted picklist field: {unknown[0]}",
            [of.name],
        )
    return text


def _reference(of: Field, value: Any) -> str:
    try:
        return ids.whole(str(value))
    except ValueError:
        raise RowError("MALFORMED_ID", f"{of.shown_label}: id value of incorrect type: {value}", [of.name]) from None


_KEEP = {
    "email": _email,
    "double": _number,
    "int": _number,
    "currency": _number,
    "percent": _number,
    "boolean": _boolean,
    "date": _date,
    "datetime": _datetime,
    "picklist": _picklist,
    "multipicklist": _picklist,
    "reference": _reference,
    "id": _reference,
}


def stamp(at: datetime) -> str:
    """``2026-11-20T08:00:00.000+0000``: whole seconds, so many rows share one."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")


LEAD_STATUS = ("Open - Not Contacted", "Working - Contacted", "Closed - Converted", "Closed - Not Converted")
CONVERTED_STATUS = "Closed - Converted"
STAGES = {
    "Prospecting": (10, False, False),
    "Qualification": (20, False, False),
    "Proposal/Price Quote": (60, False, False),
    "Negotiation/Review": (80, False, False),
    "Closed Won": (100, True, True),
    "Closed Lost": (0, True, False),
}
"""Stage → (probability, closed, won)."""
_SOURCES = ("Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Other")

# name  type(length, or picklist)  flags: ! required, r read-only, c create-only, x external id and unique, > reference
_SYSTEM = """
Id id r
IsDeleted boolean r
CreatedDate datetime r
CreatedById >User r
LastModifiedDate datetime r
LastModifiedById >User r
SystemModstamp datetime r
"""
_PERSON = """
FirstName string(40)
LastName string(80) !
Name string(121) r
Salutation picklist(Mr.|Ms.|Mrs.|Dr.|Prof.)
Title string(128)
Email email(80)
Phone phone(40)
MobilePhone phone(40)
Description textarea(32000)
HasOptedOutOfEmail boolean
DoNotCall boolean
"""
_GATEWAY = """
Gateway_Id__c string(36) x
Gateway_Score__c double(5,1)
Gateway_Fit__c double(5,1)
Gateway_Behaviour__c double(5,1)
Gateway_Grade__c picklist*(great|good|bad)
Gateway_Band__c picklist*(great|good|bad)
Gateway_Stage__c string(40)
Gateway_Bucket__c picklist*(sales_qualified|sales_rejected|recycled)
Gateway_Bucket_Reason__c string(255)
Gateway_Reason__c string(255)
Gateway_Reasons__c textarea(32000)
Gateway_Handoff__c string(64)
Gateway_Scored_At__c datetime
"""
_OBJECTS = {
    "Lead": f"""
        {_PERSON}
        Company string(255) !
        Industry string(255)
        Website url(255)
        Street textarea(255)
        City string(40)
        State string(80)
        PostalCode string(20)
        Country string(80)
        NumberOfEmployees int(8)
        AnnualRevenue currency(18,0)
        LeadSource picklist({"|".join(_SOURCES)})
        Status picklist({"|".join(LEAD_STATUS)}) =Open - Not Contacted
        Rating picklist(Hot|Warm|Cold)
        OwnerId >User|Group
        IsConverted boolean r
        ConvertedDate date r
        ConvertedAccountId >Account r
        ConvertedContactId >Contact r
        ConvertedOpportunityId >Opportunity r
        MasterRecordId >Lead r
        IsUnreadByOwner boolean
        Reject_Reason__c string(255)
        """,
    "Contact": f"""
        {_PERSON}
        AccountId >Account
        Department string(80)
        LeadSource picklist({"|".join(_SOURCES)})
        Contact_Status__c picklist(Working|Qualified|Closed)
        Reject_Reason__c string(255)
        MailingCity string(40)
        MailingCountry string(80)
        OwnerId >User
        MasterRecordId >Contact r
        """,
    "Account": """
        Name string(255) !
        Website url(255)
        Industry string(255)
        NumberOfEmployees int(8)
        AnnualRevenue currency(18,0)
        BillingCountry string(80)
        OwnerId >User
        MasterRecordId >Account r
        """,
    "Opportunity": f"""
        Name string(120) !
        AccountId >Account
        StageName picklist({"|".join(STAGES)}) !
        Amount currency(18,2)
        CloseDate date !
        Probability percent(3,0)
        IsClosed boolean r
        IsWon boolean r
        Type picklist(New Customer|Existing Customer - Upgrade)
        LeadSource picklist({"|".join(_SOURCES)})
        CampaignId >Campaign
        ContactId >Contact c
        Loss_Reason__c string(255)
        OwnerId >User
        """,
    "OpportunityContactRole": """
        OpportunityId >Opportunity !c
        ContactId >Contact !
        Role picklist(Decision Maker|Economic Buyer|Evaluator|Influencer|Other)
        IsPrimary boolean
        """,
    "Task": """
        Subject string(255)
        Status picklist(Not Started|In Progress|Completed|Waiting on someone else|Deferred) =Not Started
        Priority picklist(High|Normal|Low) =Normal
        ActivityDate date
        IsReminderSet boolean
        ReminderDateTime datetime
        WhoId >Lead|Contact
        WhatId >Account|Opportunity|Campaign
        OwnerId >User
        Description textarea(32000)
        Type picklist(Call|Email|Meeting|Other)
        TaskSubtype picklist(Task|Email|Call) c
        CallType picklist(Inbound|Outbound|Internal)
        CallDurationInSeconds int(8)
        CallDisposition string(255)
        IsClosed boolean r
        CompletedDateTime datetime r
        Gateway_Id__c string(80) x
        """,
    "Event": """
        Subject string(255)
        StartDateTime datetime !
        EndDateTime datetime
        ActivityDate date
        IsReminderSet boolean
        ReminderDateTime datetime
        WhoId >Lead|Contact
        WhatId >Account|Opportunity|Campaign
        OwnerId >User
        Description textarea(32000)
        Type picklist(Call|Email|Meeting|Other)
        """,
    "Campaign": """
        Name string(80) !
        Type picklist(Webinar|Conference|Email|Advertisement|Other)
        Status picklist(Planned|In Progress|Completed|Aborted) =Planned
        StartDate date
        EndDate date
        IsActive boolean
        BudgetedCost currency(18,0)
        ActualCost currency(18,0)
        OwnerId >User
        """,
    "CampaignMember": """
        CampaignId >Campaign !c
        LeadId >Lead c
        ContactId >Contact c
        Status string(40)
        HasResponded boolean r
        FirstRespondedDate date r
        LeadOrContactId string(18) r
        """,
    "CampaignMemberStatus": """
        CampaignId >Campaign !c
        Label string(80) !
        HasResponded boolean
        IsDefault boolean
        SortOrder int(4)
        """,
    "User": """
        Username string(80) !
        LastName string(80) !
        FirstName string(40)
        Name string(121) r
        Email email(128) !
        IsActive boolean
        TimeZoneSidKey picklist(Europe/Berlin|Europe/London|Europe/Rome|America/New_York|America/Los_Angeles|Asia/Tokyo)
        """,
    "Group": """
        Name string(40) !
        DeveloperName string(80)
        Type picklist(Queue|Regular|Role) c
        Email email(80)
        """,
    "QueueSobject": """
        QueueId >Group c
        SobjectType string(40) c
        """,
    "LeadStatus": """
        ApiName string(255) r
        MasterLabel string(255) r
        SortOrder int(4) r
        IsDefault boolean r
        IsConverted boolean r
        """,
    "OpportunityStage": """
        ApiName string(255) r
        MasterLabel string(255) r
        SortOrder int(4) r
        IsActive boolean r
        IsClosed boolean r
        IsWon boolean r
        DefaultProbability percent(3,0) r
        """,
    "LeadHistory": """
        LeadId >Lead r
        Field string(255) r
        OldValue string(255) r
        NewValue string(255) r
        """,
    "OpportunityFieldHistory": """
        OpportunityId >Opportunity r
        Field string(255) r
        OldValue string(255) r
        NewValue string(255) r
        """,
    "OpportunityHistory": """
        OpportunityId >Opportunity r
        StageName string(255) r
        Amount currency(18,2) r
        CloseDate date r
        Probability percent(3,0) r
        """,
    "Organization": """
        Name string(80) r
        IsSandbox boolean r
        InstanceName string(5) r
        OrganizationType string(40) r
        DefaultLocaleSidKey string(40) r
        TimeZoneSidKey string(40) r
        """,
}
READ_ONLY = frozenset(
    {"LeadStatus", "OpportunityStage", "LeadHistory", "OpportunityFieldHistory", "OpportunityHistory", "Organization"}
)


def field_of(line: str) -> Field:
    """``Company string(255) !`` as a field."""
    found = re.fullmatch(r"(\w+) (>)?([\w|]+)(\*)?(?:\(([^)]*)\))?(?: ([!rcx]+))?(?: =(.*))?", line)
    if found is None:
        raise ValueError(line)
    name, reference, type, restricted, size, flags, default = found.groups()
    flags = flags or ""
    of = Field(name, "reference" if reference else type, restricted=bool(restricted), default=default)
    if reference:
        of.to = tuple(type.split("|"))
    elif type in ("picklist", "multipicklist"):
        of.values, of.length = tuple(size.split("|")), 255
    elif type in ("double", "currency", "percent"):
        of.precision, of.scale = map(int, size.split(","))
    elif type == "int":
        of.precision = int(size)
    elif size:
        of.length = int(size)
    of.required = "!" in flags
    of.createable = "r" not in flags
    of.updateable = "r" not in flags and "c" not in flags
    of.external_id = of.unique = "x" in flags
    of.id_lookup = type == "id" or (name == "Email" and type == "email")
    return of


def standard(gateway: bool = True) -> dict[str, dict[str, Field]]:
    """An org's objects: name → field → definition; with the gateway's own fields on Lead and Contact, or without."""
    objects = {}
    for object, text in _OBJECTS.items():
        lines = f"{_SYSTEM}{text}{_GATEWAY if gateway and object in ('Lead', 'Contact') else ''}".splitlines()
        fields = [field_of(line.strip()) for line in lines if line.strip()]
        if not gateway:
            fields = [of for of in fields if of.name != "Gateway_Id__c"]
        objects[object] = {of.name: of for of in fields}
    return objects


CHILDREN = {
    ("Opportunity", "OpportunityContactRoles"): ("OpportunityContactRole", "OpportunityId"),
    ("Opportunity", "OpportunityHistories"): ("OpportunityHistory", "OpportunityId"),
    ("Account", "Contacts"): ("Contact", "AccountId"),
    ("Account", "Opportunities"): ("Opportunity", "AccountId"),
    ("Contact", "OpportunityContactRoles"): ("OpportunityContactRole", "ContactId"),
    ("Lead", "Tasks"): ("Task", "WhoId"),
    ("Contact", "Tasks"): ("Task", "WhoId"),
    ("Lead", "Histories"): ("LeadHistory", "LeadId"),
    ("Lead", "CampaignMembers"): ("CampaignMember", "LeadId"),
    ("Contact", "CampaignMembers"): ("CampaignMember", "ContactId"),
    ("Campaign", "CampaignMembers"): ("CampaignMember", "CampaignId"),
    ("Campaign", "CampaignMemberStatuses"): ("CampaignMemberStatus", "CampaignId"),
}
"""(parent, relationship) → (child, its field that leads to the parent)."""
