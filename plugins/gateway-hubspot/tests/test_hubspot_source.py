"""HubSpot in: who may call, what a notification means, what is fetched and pulled."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from gateway_hubspot import HubSpotSource, SettingsSchema
from gateway_hubspot.client import Client, NoAnswer, dated
from gateway_hubspot.settings import verification
from hubspot.utils.signature import Signature
from marshmallow import ValidationError

from gateway.contracts import (
    Document,
    Lookup,
    PersonErased,
    RecordChanged,
    RecordGone,
    RecordsLinked,
    RecordsMerged,
    Secret,
    Skipped,
)
from gateway.errors import AccessRefused, QuarantineDocument, TryLater
from gateway.web.signatures import flaws, verify

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
SENT = datetime.fromtimestamp(1767225600, UTC)
BODY = b'[{"eventId":100,"subscriptionType":"contact.creation","objectId":501}]'


@pytest.fixture
def source(hubspot, settings, context):
    return HubSpotSource(settings(), context)


def document(body: Any, **given: Any) -> Document:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Document(id="d1", system="hubspot", received_at=NOW, body=raw, **given)


def pages(source, stream, cursor=None, since=None):
    return list(source.pull(stream, cursor, since))


def events(source, page, origin="pull"):
    return list(source.read(document(page.document, origin=origin)))


def changed(source, given):
    return [one for page in given for one in events(source, page) if isinstance(one, RecordChanged)]


# -- who may call ------------------------------------------------------------------------------------------------------


def called(verification, url, signature, sent="1767225600000", now=SENT, body=BODY, **headers):
    names = {"x-hubspot-signature-v3": signature, "x-hubspot-request-timestamp": sent, **headers}
    given = {name: value for name, value in names.items() if value is not None}
    return verify(verification, method="POST", url=url, query={}, headers=given, body=body, now=now)


GOOD = "MTgjlD/v758WC5g6pHYeGtZWGPWrEPVmf8Anxz4YDlg="
HOOK = "https://gw.example.org/hooks/hubspot"


@pytest.mark.parametrize(
    ("url", "signature", "given", "ok"),
    [
        (HOOK, GOOD, {}, True),
        (f"{HOOK}?src=a%3Ab%2Fc%28d%29", "d/htLiABs5/FNnquzWXhqTFqQRPnEJUcFA721EGA6dk=", {}, True),  # decoded first
        (HOOK, GOOD, {"now": SENT + timedelta(minutes=4)}, True),
        (HOOK, GOOD, {"now": SENT + timedelta(minutes=6)}, False),  # too old
        (HOOK, GOOD, {"now": SENT - timedelta(minutes=6)}, False),  # from the future
        ("http://gw.example.org/hooks/hubspot", GOOD, {}, False),  # not the address HubSpot called
        (HOOK, GOOD, {"body": BODY + b" "}, False),
        (HOOK, None, {}, False),
        (HOOK, GOOD, {"sent": None}, False),
        (HOOK, "é", {}, False),
    ],
)
def test_a_v3_signature_is_checked_against_the_public_address(source, url, signature, given, ok):
    """Method, decoded address, body and time, within five minutes both ways."""
    assert called(source.verification, url, signature, **given).ok is ok


@pytest.mark.parametrize(
    ("version", "content", "ok"),
    [
        ("v1", b"gw-test-secret" + BODY, True),
        ("v1", b"another" + BODY, False),
        ("v1", BODY + b"gw-test-secret", False),
        ("v2", b"gw-test-secretPOST" + HOOK.encode() + BODY, True),
        ("v2", b"gw-test-secretPOSThttps://elsewhere.example.org" + BODY, False),
    ],
)
def test_older_signatures_count_where_the_settings_say_so(settings, context, version, content, ok):
    """A plain hash, secret first; a call signed by v3 alone is refused then."""
    source = HubSpotSource(settings(webhook_signature=version), context)
    headers = {"x-hubspot-signature": hashlib.sha256(content).hexdigest(), "x-hubspot-signature-version": version}
    assert called(source.verification, HOOK, None, **headers).ok is ok
    assert not called(source.verification, HOOK, GOOD).ok


@pytest.mark.parametrize("version", ["v1", "v2", "v3"])
def test_signatures_are_those_of_hubspots_own_library(version):
    """Which nobody here has written."""
    made = Signature.get_signature("s3cret", BODY.decode(), version, HOOK, "POST", "1767225600000")
    name = "x-hubspot-signature-v3" if version == "v3" else "x-hubspot-signature"
    given = made.decode() if isinstance(made, bytes) else made
    rule = verification(version, (Secret("s3cret", "${S}"),))
    assert not flaws(rule)
    assert called(rule, HOOK, None, **{name: given}).ok
    assert not called(rule, HOOK, None, **{name: given}, body=BODY + b" ").ok


def test_a_configured_address_is_what_was_signed(settings, context):
    """Behind a proxy the address HubSpot called is known from the settings alone."""
    source = HubSpotSource(settings(public_url=HOOK), context)
    assert called(source.verification, "http://10.0.0.7:8080/hooks/hubspot", GOOD).ok


def test_without_a_client_secret_no_webhook_is_taken(hubspot, context):
    """A service key has no webhooks; polling brings everything."""
    loaded = SettingsSchema().load({"token": Secret("t", "${T}"), "base_url": hubspot.url})
    assert HubSpotSource(loaded, context).verification is None


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "token"),
        ({"token": "pat-in-the-file"}, "token"),
        ({"api": "v4"}, "api"),
        ({"base_url": "https://api.hubapi.com/crm"}, "base_url"),
        ({"objects": ["tickets"]}, "objects"),
        ({"external_id": "Gateway Id"}, "external_id"),
        ({"public_url": HOOK}, "public_url"),
        ({"limits": {"per_10s": 0}}, "limits"),
        ({"portal_id": "abc"}, "portal_id"),
    ],
)
def test_wrong_settings_are_named(given, field):
    """Each with its field; a secret that stands in the file is not repeated."""
    token = {} if field == "token" else {"token": Secret("t", "${T}")}
    with pytest.raises(ValidationError) as caught:
        SettingsSchema().load({**token, **given})
    assert field in caught.value.messages_dict
    assert "pat-in-the-file" not in str(caught.value)


# -- notifications -----------------------------------------------------------------------------------------------------


def notification(type_: str, **given: Any) -> dict[str, Any]:
    return {
        "eventId": 7, "portalId": 9900123, "appId": 45, "occurredAt": 1795255200123, "subscriptionType": type_,
        "attemptNumber": 0, "objectId": 50110, **given,
    }  # fmt: skip


AT = datetime(2026, 11, 21, 10, 0, 0, 123000, tzinfo=UTC)
ABOUT = {"system": "hubspot", "object": "contact", "kind": "person", "at": AT}


@pytest.mark.parametrize(
    ("item", "meaning"),
    [
        (notification("contact.creation"), [Lookup(system="hubspot", object="contact", record="50110")]),
        (
            notification("contact.propertyChange", propertyName="jobtitle", propertyValue="REDACTED"),
            [Lookup(system="hubspot", object="contact", record="50110")],
        ),
        (
            notification("object.propertyChange", objectTypeId="0-3", objectId=88120, propertyName="dealstage"),
            [Lookup(system="hubspot", object="deal", record="88120")],
        ),
        (
            notification("object.creation", objectTypeId="0-2"),
            [Lookup(system="hubspot", object="company", record="50110")],
        ),
        (
            notification(
                "contact.merge", objectId=50300, primaryObjectId=50110, mergedObjectIds=[50111], newObjectId=50300
            ),
            [
                ("RecordsMerged", "50300", ("50110", "50111")),
                Lookup(system="hubspot", object="contact", record="50300"),
            ],
        ),
        (
            notification("object.merge", objectTypeId="0-1", primaryObjectId=50110, mergedObjectIds=[50111]),
            [("RecordsMerged", "50110", ("50111",)), Lookup(system="hubspot", object="contact", record="50110")],
        ),
        (notification("contact.deletion"), [("RecordGone", "50110", "deleted")]),
        (notification("contact.privacyDeletion"), [("PersonErased", "50110", "erased in HubSpot for privacy")]),
        (
            notification("contact.restore"),
            [("RecordRestored", "50110", None), Lookup(system="hubspot", object="contact", record="50110")],
        ),
        (notification("conversation.newMessage"), [("Skipped", "", "of no mapped object")]),
        (notification("object.creation", objectTypeId="2-99"), [("Skipped", "", "of no mapped object")]),
        (notification("contact.somethingNew"), [("Skipped", "50110", "of a kind that means nothing here")]),
        (
            notification("contact.creation", objectId=None),
            [("Quarantined", "", "contact.creation: objectId is missing or malformed")],
        ),
        (
            notification("contact.deletion", occurredAt="x"),
            [("Quarantined", "50110", "contact.deletion: occurredAt is missing or malformed")],
        ),
        ({"eventId": 1}, [("Quarantined", "", "a notification has no subscriptionType")]),
        ("x", [("Quarantined", "", "a notification is no object")]),
    ],
)  # fmt: skip
def test_what_a_notification_means(source, item, meaning):
    """Values are only a hint to read the record; what became of a record is news by itself."""
    found = [
        one if isinstance(one, Lookup) else (
            type(one).__name__, one.record, getattr(one, "losers", None) or getattr(one, "reason", None)
        )
        for one in source.read(document([item]))
    ]  # fmt: skip
    assert found == meaning


def test_a_batch_names_each_record_once(source):
    """A hundred changes of one contact are one lookup."""
    batch = [notification("contact.propertyChange", eventId=n, occurredAt=1795255200000 + n) for n in range(100)]
    assert list(source.read(document(batch))) == [Lookup(system="hubspot", object="contact", record="50110")]


def test_a_repeated_notification_has_the_same_key(source):
    """A second attempt of HubSpot is the same event; another one with the same eventId is not."""
    first, again, other = (
        next(iter(source.read(document([notification("contact.deletion", **given)]))))
        for given in ({}, {"attemptNumber": 3}, {"objectId": 50111})
    )
    assert first.key == again.key != other.key


def test_an_erased_person_is_news_beside_the_deletion(source):
    """HubSpot tells both, in any order."""
    both = [notification("contact.deletion"), notification("contact.privacyDeletion")]
    kinds = [type(one) for one in source.read(document(both))]
    assert kinds == [RecordGone, PersonErased]


def test_an_association_makes_both_ends_be_read_again(source):
    """The deal names its contacts, so the deal is what must be looked at; the contact may name the company."""
    item = notification("contact.associationChange", associationType="CONTACT_TO_DEAL", fromObjectId=5, toObjectId=8)
    assert list(source.read(document([item]))) == [
        Lookup(system="hubspot", object="contact", record="5"),
        Lookup(system="hubspot", object="deal", record="8"),
    ]


def test_a_removed_association_ends_the_link_as_the_mapping_names_it(source):
    """No record speaks of it any more, so nothing but the notification can tell."""
    item = notification(
        "contact.associationChange",
        associationType="CONTACT_TO_DEAL",
        fromObjectId=5,
        toObjectId=8,
        associationRemoved=True,
    )
    link = next(one for one in source.read(document([item])) if isinstance(one, RecordsLinked))
    assert (link.object, link.record, link.to_object, link.to_record, link.role, link.present) == (
        "deal", "8", "contact", "5", "buyer", False,
    )  # fmt: skip


def test_notifications_of_another_account_are_left_out(settings, context):
    """An app may be installed in several accounts; only the pinned one is ours."""
    source = HubSpotSource(settings(portal_id=1), context)
    assert [type(one) for one in source.read(document([notification("contact.creation")]))] == [Skipped]


@pytest.mark.parametrize("body", [b"", b"nonsense", b'"text"', b"{}", b'{"results": 3}', b"\xff"])
def test_bytes_that_are_neither_are_quarantined(source, body):
    """As a whole, with a reason."""
    with pytest.raises(QuarantineDocument):
        list(source.read(document(body)))


# -- lookups -----------------------------------------------------------------------------------------------------------


def test_lookups_are_read_by_the_hundred_with_the_mapped_properties(hubspot, source):
    """250 records are three calls, and no property is asked for that no rule reads."""
    for id_ in range(1, 251):
        hubspot.add("contacts", id_, email=f"p{id_}@example.org", jobtitle="CFO", phone="secret")
    found = list(source.fetch([Lookup(system="hubspot", object="contact", record=str(n)) for n in range(1, 251)]))
    reads = [one for one in hubspot.requests if one.path.endswith("/batch/read") and "objects" in one.path]
    assert [len(one.body["inputs"]) for one in reads] == [100, 100, 50]
    assert reads[0].body["properties"] == sorted(
        ["email", "jobtitle", "gw_score", "lifecyclestage", "hs_analytics_num_page_views",
         "hs_analytics_last_timestamp", "hs_merged_object_ids"]
    )  # fmt: skip
    read = changed(source, found)
    assert len(read) == 250
    assert read[0].values == {"email": "p1@example.org", "jobtitle": "CFO"}
    assert {"email", "jobtitle", "gw_score"} <= read[0].speaks_of


def test_a_record_that_is_no_more_is_gone(hubspot, source):
    """What was asked for and not answered was deleted meanwhile."""
    hubspot.add("contacts", 1, email="a@example.org")
    [page] = source.fetch([Lookup(system="hubspot", object="contact", record=id_) for id_ in ("1", "2")])
    gone = [one for one in events(source, page) if isinstance(one, RecordGone)]
    assert [(one.record, one.object) for one in gone] == [("2", "contact")]


def test_a_merged_record_is_told_by_who_absorbed_it(hubspot, source):
    """HubSpot answers for the old id with the winner: a merge also shows to whoever has no webhooks."""
    hubspot.add("contacts", 1, email="a@example.org", hs_merged_object_ids="2;3")
    hubspot.merged["2"] = "1"
    [page] = source.fetch([Lookup(system="hubspot", object="contact", record="2")])
    [merge] = [one for one in events(source, page) if isinstance(one, RecordsMerged)]
    assert (merge.record, merge.losers) == ("1", ("2", "3"))
    assert not [one for one in events(source, page) if isinstance(one, RecordGone)]


def test_a_hidden_property_says_nothing(hubspot, source):
    """A redaction marker is no value, and no blank either."""
    hubspot.add("contacts", 1, email="a@example.org", jobtitle="REDACTED")
    [page] = source.fetch([Lookup(system="hubspot", object="contact", record="1")])
    [event] = [one for one in events(source, page) if isinstance(one, RecordChanged)]
    assert "jobtitle" not in event.speaks_of
    assert "jobtitle" not in event.values


def test_a_deal_comes_with_its_people_company_and_money(hubspot, source):
    """Associations are read beside it, and become links."""
    hubspot.add("deals", 8, amount="1500", deal_currency_code="EUR", dealstage="closedwon")
    hubspot.associations["deals", "contacts"] = {"8": [{"toObjectId": 5, "associationTypes": []}, {"toObjectId": 12}]}
    hubspot.associations["deals", "companies"] = {
        "8": [
            {"toObjectId": 70, "associationTypes": [{"category": "HUBSPOT_DEFINED", "typeId": 341, "label": None}]},
            {"toObjectId": 71, "associationTypes": [{"category": "HUBSPOT_DEFINED", "typeId": 5, "label": "Primary"}]},
        ]
    }
    [page] = source.fetch([Lookup(system="hubspot", object="deal", record="8")])
    read = events(source, page)
    links = {(one.to_object, one.to_record) for one in read if isinstance(one, RecordsLinked)}
    assert links == {("contact", "5"), ("contact", "12"), ("company", "71")}  # of several companies the primary
    assert next(one for one in read if isinstance(one, RecordChanged)).values["amount"] == ["1500", "EUR"]


# -- streams -----------------------------------------------------------------------------------------------------------


def test_streams_are_the_mapped_objects(settings, context):
    """An object without a mapping is not even asked for; activities only where they are named."""
    objects = ["contacts", "companies", "deals"]
    assert HubSpotSource(settings(), context).streams() == [*objects, *(f"deleted {one}" for one in objects)]
    some = HubSpotSource(settings(objects=["deals"], activities=["form_submissions"]), context)
    assert some.streams() == ["deals", "form_submissions", "deleted deals"]


def test_the_first_pull_lists_everything_and_ends_at_hubspots_time(hubspot, source):
    """By list, which knows no cap, a hundred a page; what changes meanwhile is in the first window."""
    for id_ in range(1, 231):
        hubspot.add("contacts", id_, email=f"p{id_}@example.org")
    given = pages(source, "contacts")
    assert [page.records for page in given] == [100, 100, 30]
    assert [page.more for page in given] == [True, True, False]
    assert given[-1].cursor == {"to": int(NOW.timestamp() * 1000)}
    assert not [path for path in hubspot.paths() if path.endswith("search")]


def test_a_list_goes_on_where_it_broke_off(hubspot, source):
    """From the cursor of any page come all the later records."""
    for id_ in range(1, 231):
        hubspot.add("contacts", id_)
    first = next(source.pull("contacts", None, None))
    rest = [one.record for one in changed(source, pages(source, "contacts", first.cursor))]
    assert rest == [str(n) for n in range(101, 231)]


def test_a_window_overlaps_the_last_and_ends_before_hubspots_time(hubspot, source):
    """Five minutes back, a minute short: HubSpot's index lags, and its clock, not ours, counts."""
    hubspot.add("contacts", 1, NOW - timedelta(minutes=4), email="a@example.org")
    hubspot.add("contacts", 2, NOW - timedelta(minutes=9), email="old@example.org")
    to = int((NOW - timedelta(minutes=2)).timestamp() * 1000)
    [page] = pages(source, "contacts", {"to": to})
    [search] = [one for one in hubspot.requests if one.path.endswith("search")]
    [changed_since] = search.body["filterGroups"][0]["filters"]
    assert changed_since == {"propertyName": "lastmodifieddate", "operator": "GTE", "value": str(to - 300_000)}
    assert [one.record for one in changed(source, [page])] == ["1"]
    assert page.cursor == {"to": int(NOW.timestamp() * 1000) - 60_000}
    assert not page.more


def test_deals_are_asked_by_their_own_property(hubspot, source):
    """Only contacts call it ``lastmodifieddate``."""
    pages(source, "deals", {"to": 0})
    assert hubspot.requests[0].body["filterGroups"][0]["filters"][0]["propertyName"] == "hs_lastmodifieddate"


def test_nothing_new_is_one_call_and_no_document(hubspot, source):
    """Idle polling costs one search per stream."""
    assert pages(source, "contacts", {"to": int(NOW.timestamp() * 1000)}) == []
    assert len(hubspot.requests) == 1


def test_ten_thousand_records_of_one_time_all_come(hubspot, source):
    """A month-end update gives more records one time than a search may show: they are paged by id."""
    at = NOW - timedelta(minutes=3)
    for id_ in range(1, 10_452):
        hubspot.records["contacts"][str(id_)] = {
            "hs_object_id": str(id_), "createdate": "2026-01-01T00:00:00Z",
            "lastmodifieddate": at.isoformat().replace("+00:00", "Z"),
        }  # fmt: skip
    given = pages(source, "contacts", {"to": int(at.timestamp() * 1000)})
    ids = [one["id"] for page in given for one in json.loads(page.document)["results"]]
    assert ids == [str(n) for n in range(1, 10_452)]
    searches = [one.body for one in hubspot.requests if one.path.endswith("search")]
    assert not any("after" in one for one in searches)
    highs = {one["filterGroups"][0]["filters"][0].get("highValue") for one in searches[1:]}
    assert highs == {str(int(NOW.timestamp() * 1000) - 60_000)}  # fixed for the whole run


def test_a_window_goes_on_where_it_broke_off(hubspot, source):
    """The cursor of a page holds both ends and the last id; HubSpot's time may have moved on."""
    for id_ in range(1, 501):
        hubspot.add("contacts", id_, NOW - timedelta(minutes=3))
    start = int((NOW - timedelta(minutes=3)).timestamp() * 1000)
    whole = pages(source, "contacts", {"to": start})
    first = next(source.pull("contacts", {"to": start}, None))
    hubspot.now = NOW + timedelta(minutes=30)
    rest = pages(source, "contacts", first.cursor)
    assert [page.document for page in [first, *rest]] == [page.document for page in whole]
    assert rest[-1].cursor == whole[-1].cursor


def test_since_begins_there(hubspot, source):
    """Whatever the cursor would say."""
    hubspot.add("contacts", 1, NOW - timedelta(days=30), email="a@example.org")
    hubspot.add("contacts", 2, NOW - timedelta(days=90), email="b@example.org")
    given = pages(source, "contacts", None, NOW - timedelta(days=60))
    assert [one.record for one in changed(source, given)] == ["1"]


def test_property_names_that_do_not_fit_a_search_are_read_by_id(hubspot, settings, context):
    """A search request has 3,000 characters; the records' properties then come by batch read."""
    source = HubSpotSource(settings(), context)
    source._shapes["contact"] = replace(
        source._shapes["contact"], properties=("email", *(f"a_rather_long_property_name_{n:03}" for n in range(150)))
    )
    hubspot.add("contacts", 1, NOW - timedelta(minutes=1), email="a@example.org")
    [page] = pages(source, "contacts", {"to": int(NOW.timestamp() * 1000)})
    assert [path.rsplit("/", 1)[1] for path in hubspot.paths()] == ["search", "read", "read"]
    assert json.loads(page.document)["results"][0]["properties"]["email"] == "a@example.org"


def test_a_page_is_cut_to_what_the_gateway_takes(hubspot, source):
    """Only the last part moves the cursor, so that breaking off in between repeats and loses nothing."""
    for id_ in range(1, 101):
        hubspot.add("contacts", id_, jobtitle="x" * 30_000)
    given = pages(source, "contacts")
    assert len(given) > 1
    assert all(len(page.document) <= 1024 * 1024 for page in given)
    assert sum(page.records for page in given) == 100
    assert [page.cursor["list"] for page in given[:-1]] == [""] * (len(given) - 1)
    assert "to" in given[-1].cursor


def test_an_overlap_read_twice_gives_the_same_events(hubspot, source):
    """The same record in two windows is one event."""
    hubspot.add("contacts", 1, NOW - timedelta(minutes=1), email="a@example.org")
    to = int(NOW.timestamp() * 1000)
    once, twice = (changed(source, pages(source, "contacts", {"to": to - n})) for n in (0, 1000))
    assert [one.key for one in once] == [one.key for one in twice] != []


# -- activities --------------------------------------------------------------------------------------------------------


def submission(n: int, at: datetime) -> dict[str, Any]:
    return {
        "conversionId": f"c{n}", "submittedAt": int(at.timestamp() * 1000), "pageUrl": "https://example.org/demo",
        "values": [{"name": "email", "value": f"p{n}@example.org", "objectTypeId": "0-1"}],
    }  # fmt: skip


def test_form_submissions_come_newest_first_until_known(hubspot, settings, context):
    """The cursor moves to the newest of all forms when all have been asked."""
    source = HubSpotSource(settings(activities=["form_submissions"]), context)
    hubspot.forms["f1"] = [submission(n, NOW - timedelta(hours=n)) for n in range(120)]
    hubspot.forms["f2"] = [submission(500, NOW - timedelta(days=40))]
    given = pages(source, "form_submissions")
    assert sum(page.records for page in given) == 121
    assert given[-1].cursor == {"to": int(NOW.timestamp() * 1000)}
    assert {page.cursor["to"] for page in given[:-1]} == {0}
    hubspot.forms["f1"].append(submission(900, NOW + timedelta(minutes=10)))
    [page] = pages(source, "form_submissions", given[-1].cursor)
    records = {one.record for one in events(source, page) if isinstance(one, RecordChanged)}
    assert records == {"p900@example.org", "p0@example.org", "p1@example.org"}  # an hour is asked for twice


def test_email_events_are_opens_and_clicks_with_their_campaign(hubspot, settings, context):
    """Each keyed by id and time, as HubSpot says."""
    source = HubSpotSource(settings(activities=["email_events"]), context)
    made = {"id": "e1", "created": int(NOW.timestamp() * 1000), "recipient": "a@example.org", "emailCampaignId": 77}
    hubspot.email_events = [{**made, "type": "OPEN"}, {**made, "type": "CLICK", "id": "e2", "url": "https://x.example"}]
    given = pages(source, "email_events", {"to": 1})
    assert given[-1].cursor == {"to": made["created"]}
    assert not given[-1].more
    from gateway_hubspot import activities

    items = [item for page in given for item in activities.items("email_events", json.loads(page.document)["results"])]
    assert [(item["type"], item["campaign"], item["time"]) for item in items] == [
        ("click", "77", "2026-11-21T10:00:00Z"), ("open", "77", "2026-11-21T10:00:00Z"),
    ]  # fmt: skip


# -- the way out -------------------------------------------------------------------------------------------------------


def error(category: str = "", **given: Any) -> dict[str, Any]:
    return {"status": "error", "message": "kim@example.org is wrong", "category": category, **given}


@pytest.mark.parametrize(
    ("status", "body", "headers", "expected", "text"),
    [
        (401, error("INVALID_AUTHENTICATION"), {}, AccessRefused, "${HUBSPOT_TOKEN}"),
        (
            403,
            error("MISSING_SCOPES", errors=[{"context": {"requiredGranularScopes": ["crm.objects.deals.read"]}}]),
            {},
            AccessRefused,
            "crm.objects.deals.read",
        ),
        (429, {"policyName": "TEN_SECONDLY_ROLLING"}, {}, TryLater, "again in 10 s"),
        (429, {"policyName": "DAILY"}, {}, TryLater, "again in 3600 s"),
        (429, {"policyName": "SECONDLY"}, {"Retry_After": "7"}, TryLater, "again in 7 s"),
        (429, b"<html>too much</html>", {}, TryLater, "again in 10 s"),
        (477, b"", {"Retry_After": "7200"}, TryLater, "again in 7200 s"),
    ],
)
def test_limits_and_refused_access_are_told_apart(hubspot, settings, context, status, body, headers, expected, text):
    """A limit says when to come again; a refused secret is named by its reference, never by its value."""
    hubspot.once("search", status, body, **headers)
    client = Client(settings(), context, sleep=lambda seconds: None)
    with pytest.raises(expected) as caught:
        client.search("contacts", {})
    assert text in str(caught.value)
    assert "very-secret" not in str(caught.value)
    assert "kim@" not in str(caught.value)
    assert len(hubspot.requests) == 1


@pytest.mark.parametrize(("refused", "ends"), [(2, False), (3, True)])
def test_a_search_of_others_in_the_same_second_is_waited_for(hubspot, settings, context, refused, ends):
    """Each process keeps its own pace: a second later there is room; three refusals are more than bad luck."""
    for _ in range(refused):
        hubspot.once("search", 429, {"policyName": "SECONDLY"})
    waited: list[float] = []
    client = Client(settings(), context, sleep=waited.append)
    body = {"filterGroups": [{"filters": []}], "sorts": [], "properties": [], "limit": 100}
    if ends:
        with pytest.raises(TryLater, match="again in 1 s"):
            client.search("contacts", body)
    else:
        assert client.search("contacts", body).results == []
    assert waited.count(1.0) == 2
    assert len(hubspot.requests) == 3


def test_a_day_that_is_used_up_ends_at_the_portals_midnight(hubspot, settings, context):
    """10:00 UTC is 11:00 in Berlin: thirteen hours are left."""
    client = Client(settings(portal_id=9900123), context, sleep=lambda seconds: None)
    hubspot.once("search", 429, {"policyName": "DAILY"})
    with pytest.raises(TryLater) as caught:
        client.search("contacts", {})
    assert caught.value.seconds == 13 * 3600


@pytest.mark.parametrize("status", [423, 500, 502, 503, 504, 521, 523, 524])
def test_a_reading_is_tried_again(hubspot, settings, context, status):
    """A hiccup of HubSpot is nobody's business; error pages may be in any encoding."""
    hubspot.once("search", status, b"\xff\xfe not UTF-8")
    hubspot.once("search", 0, b"")  # and the line drops
    waited: list[float] = []
    client = Client(settings(), context, sleep=waited.append, clock=lambda: 0.0)
    assert client.search("contacts", {"filterGroups": [{"filters": []}], "limit": 1, "properties": []}).status == 200
    assert waited[-2:] == [0.5, 1.5]


def test_an_unreachable_hubspot_was_sent_nothing(settings, context):
    """Whether a write may have arrived decides what becomes of it."""
    client = Client(settings(base_url="http://127.0.0.1:1"), context, sleep=lambda seconds: None)
    with pytest.raises(NoAnswer) as caught:
        client.change(client.batch.update, "contacts", {"inputs": []})
    assert not caught.value.sent


def test_a_token_of_another_account_is_refused(hubspot, settings, context):
    """The pin protects from a production key in a test instance, and the other way round."""
    source = HubSpotSource(settings(portal_id=1), context)
    with pytest.raises(AccessRefused, match=r"\$\{HUBSPOT_TOKEN\} is of the HubSpot account 9900123, not of 1"):
        pages(source, "contacts")
    assert hubspot.paths() == ["/account-info/v3/details"]


@pytest.mark.parametrize("body", [{}, [], {"results": None}, b"", b"<html>"])
@pytest.mark.parametrize("call", ["batch/read", "search", "contacts"])
def test_an_answer_without_records_is_no_empty_one(hubspot, source, call, body):
    """Else a proxy's page would delete everybody, or end the list of all contacts."""
    hubspot.rules.append(lambda request: (200, body, {}) if request.path.endswith(call) else None)
    source._client._sleep = lambda seconds: None
    with pytest.raises(NoAnswer):
        if call == "batch/read":
            list(source.fetch([Lookup(system="hubspot", object="contact", record="1")]))
        else:
            pages(source, "contacts", {"to": 0} if call == "search" else None)


class Budget:
    def __init__(self) -> None:
        self.limits: dict[timedelta, int] = {}
        self.spent: list[int] = []
        self.used: list[int] = []

    def allow(self, calls, window):
        self.limits[window] = calls

    def spend(self, calls=1, priority=5):
        self.spent.append(priority)

    def told(self, used, window):
        self.used.append(used)


def test_every_call_is_spent_and_the_days_count_is_told(hubspot, settings, context):
    """Retries, account details and searches too; what other apps used is HubSpot's to say."""
    budget = Budget()
    client = Client(settings(portal_id=9900123), replace(context, budget=budget), lambda seconds: None, lambda: 100.0)
    day = {"X_HubSpot_RateLimit_Daily": "250000", "X_HubSpot_RateLimit_Daily_Remaining": "249000"}
    hubspot.once("details", 200, {"portalId": 9900123}, **day)
    hubspot.once("search", 503, {})
    client.search("contacts", {"filterGroups": [{"filters": []}], "limit": 1, "properties": []})
    assert len(budget.spent) == len(hubspot.requests) == 3
    assert budget.limits == {timedelta(seconds=10): 100, timedelta(days=1): 250_000}
    assert budget.used == [1000]


def test_calls_carry_our_name_and_the_token(hubspot, source):
    """And nothing of the library's."""
    pages(source, "contacts", {"to": 0})
    headers = hubspot.requests[0].headers
    assert headers["User-Agent"].startswith("lead-gateway/")
    assert headers["Authorization"] == "Bearer pat-eu1-very-secret"


@pytest.mark.parametrize(
    ("path", "moved"),
    [
        ("/crm/v3/objects/{objectType}/batch/read", "/crm/objects/2026-09/{objectType}/batch/read"),
        ("/crm/v4/associations/{a}/{b}/batch/read", "/crm/associations/2026-09/{a}/{b}/batch/read"),
        ("/crm/v4/objects/{t}/{id}/associations/x", "/crm/objects/2026-09/{t}/{id}/associations/x"),
        ("/crm/v3/lists/{listId}/memberships/add", "/crm/lists/2026-09/{listId}/memberships/add"),
        ("/crm/v3/properties/{objectType}", "/crm/properties/2026-09/{objectType}"),
        ("/crm/v3/owners/", "/crm/owners/2026-09/"),
        ("/crm/v3/pipelines/{objectType}", "/crm/pipelines/2026-09/{objectType}"),
        ("/account-info/v3/details", "/account-info/2026-09/details"),
        ("/events/v3/events", "/events/event-occurrences/2026-09"),
        ("/marketing/v3/forms", "/marketing/forms/2026-09-beta"),
        ("/email/public/v1/events", "/email/public/v1/events"),  # v1 only
    ],
)
def test_paths_of_the_dated_api(path, moved):
    """Only the prefix moves."""
    assert dated(path) == moved


def test_the_dated_api_is_called_where_the_settings_say_so(hubspot, settings, context):
    """Both read the same."""
    source = HubSpotSource(settings(api="2026-09"), context)
    hubspot.add("deals", 8, NOW - timedelta(minutes=1), dealstage="closedwon")
    given = pages(source, "deals", {"to": int(NOW.timestamp() * 1000)})
    assert hubspot.paths() == [
        "/crm/objects/2026-09/deals/search",
        "/crm/associations/2026-09/deals/contacts/batch/read",
        "/crm/associations/2026-09/deals/companies/batch/read",
    ]
    assert [one.record for one in changed(source, given)] == ["8"]
