"""A person converts a lead, which becomes a contact: there is no REST call for it."""

from __future__ import annotations

from datetime import timedelta

from gateway_sandbox.records import Record
from gateway_sandbox.salesforce import ids
from gateway_sandbox.salesforce.catalogue import CONVERTED_STATUS
from gateway_sandbox.salesforce.fields import RowError
from gateway_sandbox.salesforce.org import Org

SAME = ("FirstName", "LastName", "Title", "Email", "Phone", "MobilePhone", "HasOptedOutOfEmail", "DoNotCall")
"""Fields that a contact has of its lead."""


def convert(
    org: Org,
    lead: str,
    *,
    opportunity: str | None = None,
    amount: float | None = None,
    contact: str | None = None,
    keep_key: bool = True,
    by: str | None = None,
) -> dict[str, str | None]:
    """Convert a lead: account, contact and (named) opportunity; tasks and campaign memberships move along.

    ``contact``: who it becomes; None: somebody new. ``keep_key``: the admin mapped the gateway's key to the contact.
    Raises ``RowError``.
    """
    record = org.get(lead, "Lead")
    by = by or org.people[0]
    if record is None:
        raise RowError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
    if record["IsConverted"]:
        raise RowError("CANNOT_UPDATE_CONVERTED_LEAD", "This lead has been converted")
    at = org.clock.now()
    owner = record["OwnerId"] if str(record["OwnerId"]).startswith("005") else by
    contact = ids.whole(contact) if contact is not None else _contact_of(org, record, owner, keep_key, by)
    account = org.records["Contact"][contact]["AccountId"]
    deal = None
    if opportunity is not None:
        deal = org.add(
            "Opportunity",
            {
                "Name": opportunity,
                "AccountId": account,
                "StageName": "Prospecting",
                "Amount": amount,
                "CloseDate": (at + timedelta(days=30)).strftime("%Y-%m-%d"),
                "LeadSource": record["LeadSource"],
                "OwnerId": owner,
            },
            by,
        ).id
        org.follow(org.records["Opportunity"][deal])
        org.add("OpportunityContactRole", {"OpportunityId": deal, "ContactId": contact, "IsPrimary": True}, by)
    for task in list(org.records.alive("Task")):
        if task["WhoId"] == record.id:
            org.write(task, {"WhoId": contact}, by)
    for member in list(org.records.alive("CampaignMember")):
        if member["LeadId"] == record.id:
            org.write(member, {"ContactId": contact, "LeadOrContactId": contact}, by)
    org.write(
        record,
        {
            "IsConverted": True,
            "Status": CONVERTED_STATUS,
            "ConvertedDate": at.strftime("%Y-%m-%d"),
            "ConvertedAccountId": account,
            "ConvertedContactId": contact,
            "ConvertedOpportunityId": deal,
        },
        by,
    )
    return {"account": account, "contact": contact, "opportunity": deal}


def _contact_of(org: Org, lead: Record, owner: str, keep_key: bool, by: str) -> str:
    """A new contact, of a new account."""
    account = org.add("Account", {"Name": lead["Company"], "OwnerId": owner}, by)
    values = {name: lead[name] for name in SAME}
    if keep_key:
        values |= {name: lead[name] for name in org.objects["Contact"] if name.startswith("Gateway_")}
    return org.add("Contact", {**values, "AccountId": account.id, "OwnerId": owner}, by).id
