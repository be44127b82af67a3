"""Salesforce ids: a three-letter prefix, a counter in base 62, and three letters that keep the case of the rest."""

from __future__ import annotations

import re
import string

PREFIXES = {
    "Account": "001",
    "Contact": "003",
    "User": "005",
    "Opportunity": "006",
    "OpportunityContactRole": "00K",
    "Lead": "00Q",
    "Group": "00G",
    "QueueSobject": "03g",
    "Task": "00T",
    "Event": "00U",
    "CampaignMember": "00v",
    "CampaignMemberStatus": "01Y",
    "Campaign": "701",
    "LeadStatus": "01J",
    "OpportunityStage": "01k",
    "LeadHistory": "017",
    "OpportunityHistory": "008",
    "OpportunityFieldHistory": "018",
    "Organization": "00D",
    "AssignmentRule": "01Q",
    "Job": "750",
    "QueryLocator": "01g",
    "OutboundNotification": "04l",
    "PermissionSet": "0PS",
    "CustomField": "00N",
}
OBJECTS = {prefix: object for object, prefix in PREFIXES.items()}

_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_SUFFIX = string.ascii_uppercase + "012345"


def make(object: str, number: int) -> str:
    """The id of the object's ``number``-th record, 18 characters: ``00QKa00000000019AB``."""
    digits = ""
    for _ in range(9):
        number, digit = divmod(number, 62)
        digits = _DIGITS[digit] + digits
    return whole(f"{PREFIXES[object]}Ka0{digits}")


def whole(id: str) -> str:
    """The 18-character form of an id of 15 (or 18) characters. Raises ValueError."""
    if not re.fullmatch(r"[A-Za-z0-9]{15}([A-Z0-5]{3})?", id):
        raise ValueError("malformed id")
    short = id[:15]
    suffix = ""
    for start in (0, 5, 10):
        upper = sum(1 << place for place, letter in enumerate(short[start : start + 5]) if letter.isupper())
        suffix += _SUFFIX[upper]
    return short + suffix


def object_of(id: str) -> str | None:
    return OBJECTS.get(id[:3])
