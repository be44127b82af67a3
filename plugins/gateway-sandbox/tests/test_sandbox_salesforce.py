"""The Salesforce sandbox, seen through simple-salesforce in direct mode: the real API's shapes and refusals."""

from __future__ import annotations

import base64
import json
import time
from datetime import timedelta
from typing import Any

import jwt
import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from simple_salesforce.exceptions import (
    SalesforceError,
    SalesforceExpiredSession,
    SalesforceMoreThanOneRecord,
    SalesforceRefusedRequest,
)

from gateway_sandbox import SalesforceSandbox, serve
from gateway_sandbox.salesforce import CONSUMER_KEY, USERNAME, DuplicateRule
from gateway_sandbox.testing import log_in

LEAD = {"LastName": "Okafor", "Company": "Norvik AS"}


def rows(*records: dict[str, Any], object: str = "Lead", all_or_none: bool = False) -> dict[str, Any]:
    return {"allOrNone": all_or_none, "records": [{"attributes": {"type": object}, **one} for one in records]}


def upsert(force: Any, *records: dict[str, Any], object: str = "Lead", **more: Any) -> Any:
    body = rows(*records, object=object, all_or_none=more.pop("all_or_none", False))
    return force.restful(f"composite/sobjects/{object}/Gateway_Id__c", method="PATCH", json=body, **more)


def refused(call: Any, *arguments: Any, **named: Any) -> tuple[int, dict[str, Any]]:
    with pytest.raises(SalesforceError) as caught:
        call(*arguments, **named)
    return caught.value.status, caught.value.content[0]


# Tokens


@pytest.mark.parametrize(
    ("data", "auth", "error"),
    [
        ({"grant_type": "client_credentials"}, (CONSUMER_KEY, "wrong"), "invalid_client"),
        ({"grant_type": "client_credentials"}, ("nobody", "wrong"), "invalid_client_id"),
        ({"grant_type": "password"}, None, "unsupported_grant_type"),
        ({"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": "x"}, None, "invalid_grant"),
    ],
)
def test_the_token_endpoint_refuses_with_an_object(salesforce, data, auth, error):
    """400 and ``{error, error_description}``, not a list."""
    with serve(salesforce) as server:
        answer = requests.post(f"{server.url}/services/oauth2/token", data=data, auth=auth, timeout=30)
    assert answer.status_code == 400
    assert answer.json()["error"] == error
    assert "access_token" not in answer.text


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({}, 200),
        ({"exp": 180}, 200),
        ({"aud": "https://acme.my.salesforce.com"}, 400),
        ({"sub": "somebody@else.example"}, 400),
        ({"iss": "another-app"}, 400),
        ({"exp": -10}, 400),
        ({"exp": 3600}, 400),
    ],
)
def test_an_assertion_is_checked_claim_by_claim(claims, status):
    """Issuer, user, audience and a life of at most five minutes; signed by the app's key."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    sandbox = SalesforceSandbox(public_key=public.decode())
    with serve(sandbox) as server:
        answer = requests.post(
            f"{server.url}/services/oauth2/token",
            data={
                "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
                "assertion": _signed(key, claims),
            },
            timeout=30,
        )
    assert answer.status_code == status


def _signed(key: Any, claims: dict[str, Any]) -> str:
    """Signed by hand: the library refuses to encode the text that the client sends as ``exp``.

    ``exp`` is given in seconds from now, and then sent as a number.
    """
    now = int(time.time())
    given = {
        "iss": CONSUMER_KEY,
        "sub": USERNAME,
        "aud": "https://login.salesforce.com",
        "exp": str(now + 180),
    } | claims
    if "exp" in claims:
        given["exp"] = now + claims["exp"]
    api = jwt.PyJWS()
    return api.encode(json.dumps(given).encode(), key, algorithm="RS256")


def test_another_key_signs_in_vain():
    """The signature counts once the public key is known."""
    ours, theirs = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
    public = ours.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    with serve(SalesforceSandbox(public_key=public.decode())) as server:
        answer = requests.post(
            f"{server.url}/services/oauth2/token",
            data={"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": _signed(theirs, {})},
            timeout=30,
        )
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def test_a_dead_session_is_a_list(salesforce, force):
    """401 and ``[{message, errorCode}]``; a new token works."""
    salesforce.expire_tokens()
    with pytest.raises(SalesforceExpiredSession) as caught:
        force.query("SELECT Id FROM Lead")
    assert caught.value.content == [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]
    told = log_in(f"http://{force.sf_instance}")
    force.session_id = told["access_token"]
    force._generate_headers()
    assert force.query("SELECT Id FROM Lead")["totalSize"] == 0


def test_sessions_end_by_themselves(salesforce, force):
    """After the org's policy, two hours."""
    salesforce.clock.advance(timedelta(hours=2))
    with pytest.raises(SalesforceExpiredSession):
        force.query("SELECT Id FROM Lead")


def test_old_versions_are_gone(salesforce, force):
    """410 below 31, 404 above the newest."""
    for version, status in (("29.0", 410), ("99.0", 404)):
        force.base_url = f"https://{force.sf_instance}/services/data/v{version}/"
        assert refused(force.query, "SELECT Id FROM Lead")[0] == status


# Rows


def test_upsert_creates_then_updates(salesforce, force):
    """201 with ``created``, then 200; one record."""
    first = force.Lead.upsert("Gateway_Id__c/p-1", LEAD, raw_response=True)
    second = force.Lead.upsert("Gateway_Id__c/p-1", {"Title": "CFO"}, raw_response=True)
    assert (first.status_code, second.status_code) == (201, 200)
    assert (first.json()["created"], second.json()["created"]) == (True, False)
    assert len(salesforce.records["Lead"]) == 1
    assert force.Lead.get_by_custom_id("Gateway_Id__c", "P-1")["Title"] == "CFO"


def test_upsert_of_a_key_that_several_have_names_them(salesforce, force):
    """300 with a list of addresses; nothing is changed."""
    for _ in range(2):
        salesforce.add("Lead", {**LEAD, "Email": "kim@example.org"})
    with pytest.raises(SalesforceMoreThanOneRecord) as caught:
        force.Lead.upsert("Email/kim@example.org", {"Title": "CFO"})
    assert [url.rsplit("/", 1)[1] for url in caught.value.content] == list(salesforce.records["Lead"])
    assert not salesforce.effects[-1].values.get("Title")


@pytest.mark.parametrize(
    ("values", "code", "fields"),
    [
        ({"Company": None}, "REQUIRED_FIELD_MISSING", ["Company"]),
        ({"Title": "x" * 129}, "STRING_TOO_LONG", ["Title"]),
        ({"Gateway_Bucket__c": "qualified"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", ["Gateway_Bucket__c"]),
        ({"Email": "nobody"}, "INVALID_EMAIL_ADDRESS", ["Email"]),
        ({"Gateway_Score__c": 10_000}, "NUMBER_OUTSIDE_VALID_RANGE", ["Gateway_Score__c"]),
        ({"NumberOfEmployees": "many"}, "INVALID_TYPE_ON_FIELD_IN_RECORD", ["NumberOfEmployees"]),
        ({"OwnerId": "nonsense"}, "MALFORMED_ID", ["OwnerId"]),
        ({"OwnerId": "005Ka0000009999IAA"}, "INVALID_CROSS_REFERENCE_KEY", ["OwnerId"]),
        ({"Nonsense__c": "x"}, "INVALID_FIELD", ["Nonsense__c"]),
        ({"IsConverted": True}, "INVALID_FIELD_FOR_INSERT_UPDATE", ["IsConverted"]),
    ],
)
def test_a_row_is_refused_by_code_and_fields(salesforce, force, values, code, fields):
    """The same error alone (400) and within a collection (200), where the row beside it goes through."""
    status, told = refused(force.Lead.create, {**LEAD, **values})
    assert (status, told["errorCode"], told["fields"]) == (400, code, fields)
    good, bad = upsert(force, {"Gateway_Id__c": "p-1", **LEAD}, {"Gateway_Id__c": "p-2", **LEAD, **values})
    assert good["success"]
    assert (bad["errors"][0]["statusCode"], bad["errors"][0]["fields"]) == (code, fields)
    assert "id" not in bad
    assert len(salesforce.records["Lead"]) == 1


def test_the_same_key_twice_in_a_collection_is_refused(salesforce, force):
    """Both rows; the third goes through."""
    answer = upsert(force, *({"Gateway_Id__c": key, **LEAD} for key in ("p-1", "P-1", "p-2")))
    assert [one["success"] for one in answer] == [False, False, True]
    assert answer[0]["errors"][0]["statusCode"] == "DUPLICATE_VALUE"


def test_all_or_none_puts_everything_back(salesforce, force):
    """Innocent rows say so; creates are undone and updates, too."""
    id = salesforce.add("Lead", {**LEAD, "Gateway_Id__c": "p-1", "Title": "CFO"}).id
    answer = upsert(
        force,
        {"Gateway_Id__c": "p-1", "Title": "CEO"},
        {"Gateway_Id__c": "p-2", **LEAD},
        {"Gateway_Id__c": "p-3", "LastName": "Lee"},
        all_or_none=True,
    )
    codes = [one["errors"][0]["statusCode"] for one in answer]
    assert codes == ["ALL_OR_NONE_OPERATION_ROLLED_BACK"] * 2 + ["REQUIRED_FIELD_MISSING"]
    assert list(salesforce.records["Lead"]) == [id]
    assert salesforce.records["Lead"][id]["Title"] == "CFO"
    assert [one.id for one in salesforce.org.matching("Lead", "Gateway_Id__c", "p-2")] == []


def test_a_collection_has_at_most_200_rows(force):
    """201 are refused as a whole."""
    status, _ = refused(upsert, force, *({"Gateway_Id__c": f"p-{number}", **LEAD} for number in range(201)))
    assert status == 400


def test_a_field_that_is_no_external_id_is_not_found(force):
    """404, a mistake of configuration and not a missing record."""
    status, told = refused(force.Lead.upsert, "Title/CFO", LEAD)
    assert (status, told["errorCode"]) == (404, "NOT_FOUND")


def test_auto_assign_is_on_when_nobody_says_no(salesforce, force):
    """An absent header re-owns the lead; FALSE leaves it."""
    salesforce.org.assignment_owner = salesforce.org.people[2]
    upsert(force, {"Gateway_Id__c": "p-1", **LEAD}, headers={"Sforce-Auto-Assign": "FALSE"})
    lead = next(iter(salesforce.records["Lead"].values()))
    assert lead["OwnerId"] == salesforce.org.user
    upsert(force, {"Gateway_Id__c": "p-1", "Title": "CFO"})
    assert lead["OwnerId"] == salesforce.org.people[2]
    assert [call.headers.get("sforce-auto-assign") for call in salesforce.calls.matching("PATCH")] == ["FALSE", None]


@pytest.mark.parametrize(
    ("block", "header", "saved"),
    [(False, None, False), (False, "allowSave=true", True), (True, "allowSave=true", False)],
)
def test_a_duplicate_rule_names_the_match(salesforce, force, block, header, saved):
    """A lead may match a contact; only an alert can be saved past."""
    contact = salesforce.add("Contact", {"LastName": "Okafor", "Email": "ada@norvik.example"}).id
    salesforce.org.duplicate_rules.append(DuplicateRule(block=block))
    lead = {**LEAD, "Email": "Ada@Norvik.example"}
    headers = {"Sforce-Duplicate-Rule-Header": header} if header else {}
    if saved:
        assert force.Lead.create(lead, headers=headers)["success"]
        return
    status, told = refused(force.Lead.create, lead, headers=headers)
    assert (status, told["errorCode"]) == (400, "DUPLICATES_DETECTED")
    match = told["duplicateResut"]["matchResults"][0]["matchRecords"][0]["record"]
    assert (match["attributes"]["type"], match["Id"]) == ("Contact", contact)


def test_a_converted_lead_cannot_be_written(salesforce, force):
    """Its contact, account, deal and role are there; its task moved along."""
    lead = salesforce.add("Lead", {**LEAD, "Gateway_Id__c": "p-1"}).id
    task = force.Task.create({"WhoId": lead, "Subject": "Call"})["id"]
    made = salesforce.convert(lead, opportunity="Norvik", amount=12_000)
    status, told = refused(force.Lead.update, lead, {"Title": "CFO"})
    assert (status, told["errorCode"]) == (400, "CANNOT_UPDATE_CONVERTED_LEAD")
    row = force.query("SELECT IsConverted, ConvertedDate, ConvertedContactId, ConvertedOpportunityId FROM Lead")[
        "records"
    ][0]
    assert (row["IsConverted"], row["ConvertedDate"]) == (True, "2026-11-20")
    assert (row["ConvertedContactId"], row["ConvertedOpportunityId"]) == (made["contact"], made["opportunity"])
    assert salesforce.records["Task"][task]["WhoId"] == made["contact"]
    assert salesforce.records["Contact"][str(made["contact"])]["Gateway_Id__c"] == "p-1"
    roles = force.query("SELECT ContactId FROM OpportunityContactRole")["records"]
    assert [one["ContactId"] for one in roles] == [made["contact"]]


def test_a_locked_record_waits_for_approval(salesforce, force):
    """ENTITY_IS_LOCKED for that row alone."""
    first, second = (salesforce.add("Lead", {**LEAD, "Gateway_Id__c": f"p-{number}"}).id for number in (1, 2))
    salesforce.org.locked.add(first)
    answer = upsert(force, *({"Gateway_Id__c": f"p-{number}", "Title": "CFO"} for number in (1, 2)))
    assert answer[0]["errors"][0]["statusCode"] == "ENTITY_IS_LOCKED"
    assert answer[1] == {"id": second, "success": True, "errors": [], "created": False}


def test_a_merged_lead_leads_to_its_master(salesforce, force):
    """queryAll shows the deleted row with its master; writing it says that it is gone."""
    winner, loser = (salesforce.add("Lead", {**LEAD, "Title": title}).id for title in ("CFO", "CEO"))
    salesforce.merge(winner, loser)
    row = force.query_all("SELECT Id, MasterRecordId FROM Lead WHERE IsDeleted = true", include_deleted=True)
    assert [(one["Id"], one["MasterRecordId"]) for one in row["records"]] == [(loser, winner)]
    answer = force.restful("composite/sobjects", method="PATCH", json=rows({"Id": loser, "Title": "CTO"}))
    assert answer[0]["errors"][0]["statusCode"] == "ENTITY_IS_DELETED"


def test_a_queue_owns_leads_but_no_contacts(salesforce, force):
    """OwnerId of a queue."""
    assert force.Lead.create({**LEAD, "OwnerId": salesforce.org.queue})["success"]
    assert refused(force.Contact.create, {"LastName": "Lee", "OwnerId": salesforce.org.queue})[0] == 400


def test_a_campaign_takes_each_person_once(salesforce, force):
    """DUPLICATE_VALUE the second time; the status must be the campaign's; responding follows it."""
    campaign = salesforce.add_campaign("Webinar", {"Invited": False, "Attended": True}).id
    lead = salesforce.add("Lead", LEAD).id
    assert refused(force.CampaignMember.create, {"CampaignId": campaign, "LeadId": lead, "Status": "Came"})[1][
        "errorCode"
    ] == ("INVALID_STATUS")
    made = force.CampaignMember.create({"CampaignId": campaign, "LeadId": lead, "Status": "Invited"})["id"]
    assert refused(force.CampaignMember.create, {"CampaignId": campaign, "LeadId": lead})[1] == {
        "message": "Already a campaign member.",
        "errorCode": "DUPLICATE_VALUE",
    }
    force.CampaignMember.update(made, {"Status": "Attended"})
    assert force.CampaignMember.get(made)["HasResponded"] is True


def test_a_task_of_a_lead_has_no_account(salesforce, force):
    """WhatId does not go with a lead."""
    lead, account = salesforce.add("Lead", LEAD).id, salesforce.add("Account", {"Name": "Norvik"}).id
    assert refused(force.Task.create, {"WhoId": lead, "WhatId": account, "Subject": "Call"})[0] == 400


# Composite


def test_composite_parts_name_each_other(salesforce, force):
    """The task belongs to the lead that the first part made; one call."""
    before = salesforce.used_today
    answer = force.restful("composite", method="POST", json=_chain("Not Started"))["compositeResponse"]
    assert [one["httpStatusCode"] for one in answer] == [201, 201]
    task = next(iter(salesforce.records["Task"].values()))
    assert task["WhoId"] == answer[0]["body"]["id"]
    assert salesforce.used_today == before + 1


def test_a_composite_of_all_or_none_halts(salesforce, force):
    """The second part fails; the first is rolled back and says PROCESSING_HALTED."""
    answer = force.restful("composite", method="POST", json=_chain("x" * 300))["compositeResponse"]
    assert answer[0]["body"][0]["errorCode"] == "PROCESSING_HALTED"
    assert answer[1]["body"][0]["errorCode"] == "STRING_TOO_LONG"
    assert not salesforce.records["Lead"]


def _chain(subject: str) -> dict[str, Any]:
    base = "/services/data/v67.0/sobjects"
    return {
        "allOrNone": True,
        "compositeRequest": [
            {"method": "PATCH", "url": f"{base}/Lead/Gateway_Id__c/p-1", "referenceId": "lead", "body": LEAD},
            {
                "method": "POST",
                "url": f"{base}/Task",
                "referenceId": "task",
                "body": {"WhoId": "@{lead.id}", "Subject": subject},
            },
        ],
    }


# Reading


def test_a_query_pages_by_locator(salesforce, force):
    """At least 200 rows a page; all rows, each once."""
    for number in range(450):
        salesforce.add("Lead", {**LEAD, "Title": str(number)})
    first = force.query("SELECT Id FROM Lead ORDER BY Id", headers={"Sforce-Query-Options": "batchSize=50"})
    assert (first["totalSize"], first["done"], len(first["records"])) == (450, False, 200)
    seen = [one["Id"] for one in first["records"]]
    more = first
    while not more["done"]:
        more = force.query_more(
            more["nextRecordsUrl"], identifier_is_url=True, headers={"Sforce-Query-Options": "batchSize=200"}
        )
        seen += [one["Id"] for one in more["records"]]
    assert seen == list(salesforce.records["Lead"])


def test_a_locator_that_nobody_gave_is_refused(force):
    """INVALID_QUERY_LOCATOR: begin the query again."""
    assert refused(force.query_more, "01gKa0000000001AAA-200")[1]["errorCode"] == "INVALID_QUERY_LOCATOR"


def test_updated_and_deleted_cover_a_window(salesforce, force):
    """Ids only; seconds are dropped; what is covered is the end of the window or now."""
    old = salesforce.add("Lead", LEAD, at=salesforce.clock.now() - timedelta(days=2)).id
    new, gone = (salesforce.add("Lead", LEAD).id for _ in range(2))
    salesforce.remove("Lead", gone)
    now = salesforce.clock.now()
    salesforce.clock.advance(90)
    told = force.Lead.updated(now - timedelta(hours=1), now + timedelta(minutes=1))
    assert (told["ids"], told["latestDateCovered"]) == ([new], "2026-11-20T09:01:00.000+0000")
    assert old not in told["ids"]
    removed = force.Lead.deleted(now - timedelta(hours=1), now + timedelta(minutes=1))
    assert [one["id"] for one in removed["deletedRecords"]] == [gone]
    status, error = refused(force.Lead.updated, now - timedelta(days=40), now)
    assert (status, error["errorCode"]) == (400, "INVALID_REPLICATION_DATE")


def test_describe_tells_what_a_mapping_must_know(force):
    """Length, picklist values, external ids, read-only fields."""
    fields = {one["name"]: one for one in force.Lead.describe()["fields"]}
    assert (fields["Gateway_Id__c"]["externalId"], fields["Gateway_Id__c"]["unique"]) == (True, True)
    assert (fields["LastName"]["length"], fields["LastName"]["nillable"]) == (80, False)
    assert fields["IsConverted"]["updateable"] is False
    values = [one["value"] for one in fields["Gateway_Bucket__c"]["picklistValues"]]
    assert (fields["Gateway_Bucket__c"]["restrictedPicklist"], values[0]) == (True, "sales_qualified")
    assert fields["OwnerId"]["referenceTo"] == ["User", "Group"]


def test_fields_come_and_go(salesforce, force):
    """A changed catalogue is newer than the last look at it; a hidden field cannot be written."""
    since = {"If-Modified-Since": "Fri, 20 Nov 2026 09:00:00 GMT"}
    with pytest.raises(SalesforceError) as caught:
        force.restful("sobjects/Lead/describe", headers=since)
    assert caught.value.status == 304
    salesforce.clock.advance(60)
    salesforce.define("Lead", "Tier__c picklist*(gold|silver)")
    salesforce.hide("Lead", "Rating")
    seen = force.restful("sobjects/Lead/describe", headers=since)
    names = {one["name"] for one in seen["fields"]}
    assert "Tier__c" in names
    assert "Rating" not in names
    assert refused(force.Lead.create, {**LEAD, "Tier__c": "bronze"})[1]["errorCode"].startswith("INVALID_OR_NULL")
    assert refused(force.Lead.create, {**LEAD, "Rating": "Hot"})[1]["errorCode"] == "INVALID_FIELD"
    assert force.Lead.create({**LEAD, "Tier__c": "gold"})["success"]


def test_the_day_ends(salesforce, force):
    """403 with the limit's code; the header counts on every answer."""
    force.query("SELECT Id FROM Lead")
    assert force.api_usage["api-usage"].used == salesforce.used_today
    salesforce.used_today = salesforce.daily
    with pytest.raises(SalesforceRefusedRequest) as caught:
        force.query("SELECT Id FROM Lead")
    assert caught.value.content[0]["errorCode"] == "REQUEST_LIMIT_EXCEEDED"


def test_credentials_are_kept_nowhere(salesforce, force):
    """Neither token nor secret is in what is recorded."""
    force.query("SELECT Id FROM Lead")
    kept = json.dumps([call.as_json() for call in salesforce.calls if "oauth2" not in call.path])
    basic = base64.b64encode(f"{CONSUMER_KEY}:sandbox-consumer-secret".encode()).decode()
    assert force.session_id not in kept
    assert basic not in json.dumps([call.as_json() for call in salesforce.calls])
