"""The HubSpot sandbox, seen through hubspot-api-client: shapes, refusals and habits of the real API."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
import requests
from hubspot import HubSpot
from hubspot.crm.contacts import ApiException
from hubspot.crm.lists import ApiException as ListsException
from hubspot.crm.properties import ApiException as PropertiesException

from gateway_sandbox import HubSpotSandbox, serve
from gateway_sandbox.hubspot import Limits


def write(id: str, trace: str | None = None, key: str | None = None, **properties: str) -> dict[str, Any]:
    one: dict[str, Any] = {"id": id, "properties": properties}
    if trace:
        one["objectWriteTraceId"] = trace
    if key:
        one["idProperty"] = key
    return one


def refused(call: Any, *arguments: Any, **named: Any) -> tuple[int, dict[str, Any]]:
    with pytest.raises(ApiException) as caught:
        call(*arguments, **named)
    return caught.value.status, json.loads(caught.value.body)


def test_pages_follow_each_other_to_the_last_record(hubspot, hub):
    """The cursor is the next record's id; the last page has none."""
    made = [hubspot.add("contacts", {"email": f"a{number}@example.org"}).id for number in range(7)]
    seen, after = [], None
    while True:
        page = hub.crm.contacts.basic_api.get_page(limit=3, after=after, properties=["email"])
        seen += [one.id for one in page.results]
        if page.paging is None:
            break
        after = page.paging.next.after
    assert seen == made


def test_unknown_names_are_left_out_and_empty_ones_are_null(hubspot, hub):
    """Asking for what does not exist is no error, unlike writing it."""
    id = hubspot.add("contacts", {"email": "kim@example.org"}).id
    read = hub.crm.contacts.basic_api.get_by_id(id, properties=["email", "jobtitle", "nonsense"]).properties
    assert read["email"] == "kim@example.org"
    assert read["jobtitle"] is None
    assert "nonsense" not in read


def test_an_email_that_exists_is_a_conflict_naming_its_contact(hubspot, hub):
    """409, and the id stands in the text alone."""
    id = hubspot.add("contacts", {"email": "kim@example.org"}).id
    status, told = refused(hub.crm.contacts.basic_api.create, {"properties": {"email": "KIM@example.org"}})
    assert (status, told["category"]) == (409, "CONFLICT")
    assert told["message"] == f"Contact already exists. Existing ID: {id}"


def test_a_secondary_address_conflicts_with_its_owner(hubspot, hub):
    """The id of a conflict may be a contact with another primary address."""
    id = hubspot.add("contacts", {"email": "kim@example.org", "hs_additional_emails": "k@example.org"}).id
    status, told = refused(hub.crm.contacts.basic_api.create, {"properties": {"email": "k@example.org"}})
    assert status == 409
    assert told["message"].endswith(id)


@pytest.mark.parametrize(
    ("properties", "error"),
    [
        ({"gw_scoree": "1"}, "PROPERTY_DOESNT_EXIST"),
        ({"gw_score": "many"}, "INVALID_NUMBER"),
        ({"gw_bucket": "Recycled"}, "INVALID_OPTION"),  # internal values, with their case
        ({"hs_email_open": "3"}, "READ_ONLY_VALUE"),
        ({"gw_scored_at": "yesterday"}, "INVALID_DATE"),
        ({"email": "nobody"}, "INVALID_EMAIL"),
    ],
)
def test_what_is_wrong_with_a_value_is_json_inside_the_message(hubspot, hub, properties, error):
    """One bad property refuses the record; the detail is a JSON list in the text, and nothing is written."""
    id = hubspot.add("contacts", {"email": "kim@example.org"}).id
    status, told = refused(hub.crm.contacts.basic_api.update, id, {"properties": {"firstname": "Kim", **properties}})
    assert (status, told["category"]) == (400, "VALIDATION_ERROR")
    prefix, detail = told["message"].split(": ", 1)
    assert prefix == "Property values were not valid"
    assert [one["error"] for one in json.loads(detail)] == [error]
    assert hubspot.records["contacts"][id]["firstname"] is None


def test_with_trace_ids_a_batch_fails_row_by_row(hubspot, hub):
    """207: results and errors, each error with the trace id of its input."""
    ids = [hubspot.add("contacts", {"email": f"a{number}@example.org"}).id for number in range(2)]
    answer, status, _ = hub.crm.contacts.batch_api.update_with_http_info(
        {
            "inputs": [
                write(ids[0], "t0", gw_score="71"),
                write(ids[1], "t1", gw_scoree="12"),
                write("999999", "t2", gw_score="3"),
            ]
        }
    )
    assert status == 207
    assert [one.id for one in answer.results] == [ids[0]]
    assert answer.num_errors == 2
    assert [one.context["objectWriteTraceId"] for one in answer.errors] == [["t1"], ["t2"]]
    assert [one.category for one in answer.errors] == ["VALIDATION_ERROR", "OBJECT_NOT_FOUND"]
    assert hubspot.records["contacts"][ids[0]]["gw_score"] == "71"


def test_without_trace_ids_one_bad_row_refuses_the_batch(hubspot, hub):
    """Nothing is written, though the first row was fine."""
    ids = [hubspot.add("contacts", {"email": f"a{number}@example.org"}).id for number in range(2)]
    inputs = [write(ids[0], gw_score="71"), write(ids[1], gw_scoree="12")]
    status, _ = refused(hub.crm.contacts.batch_api.update, {"inputs": inputs})
    assert status == 400
    assert hubspot.records["contacts"][ids[0]]["gw_score"] is None


def test_the_same_id_twice_refuses_the_batch(hubspot, hub):
    """With trace ids, too."""
    id = hubspot.add("contacts", {"email": "kim@example.org"}).id
    inputs = [write(id, "t0", gw_score="1"), write(id, "t1", gw_score="2")]
    status, told = refused(hub.crm.contacts.batch_api.update, {"inputs": inputs})
    assert status == 400
    assert told["message"] == f"Duplicate IDs found in batch input: [{id}]. IDs must be unique"
    assert told["context"] == {"ids": [id]}


def test_the_same_email_twice_costs_the_whole_create(hubspot, hub):
    """Two equal addresses kill their batch, trace ids or not."""
    inputs = [
        {"objectWriteTraceId": f"t{place}", "properties": {"email": email}}
        for place, email in enumerate(("kim@example.org", "lou@example.org", "Kim@example.org"))
    ]
    status, _ = refused(hub.crm.contacts.batch_api.create, {"inputs": inputs})
    assert status == 409
    assert not hubspot.records["contacts"]


def test_a_batch_has_at_most_a_hundred_inputs(hubspot, hub):
    """101 are refused."""
    status, _ = refused(
        hub.crm.contacts.batch_api.read,
        {"inputs": [{"id": str(number)} for number in range(101)], "properties": [], "propertiesWithHistory": []},
    )
    assert status == 400


def test_upsert_by_our_own_unique_property_creates_then_updates(hubspot, hub):
    """``new`` says which; one record is there afterwards."""
    inputs = {"inputs": [write("gw-1", "t0", "gw_external_id", email="kim@example.org", gw_score="5")]}
    first = hub.crm.contacts.batch_api.upsert(inputs).results[0]
    second = hub.crm.contacts.batch_api.upsert(inputs).results[0]
    assert (first.new, second.new, first.id) == (True, False, second.id)
    assert len(hubspot.records["contacts"]) == 1


def test_batch_read_names_what_is_missing(hubspot, hub):
    """207 with the ids that are not there."""
    id = hubspot.add("contacts", {"email": "kim@example.org"}).id
    asked = {"inputs": [{"id": id}, {"id": "1"}], "properties": ["email"], "propertiesWithHistory": []}
    answer, status, _ = hub.crm.contacts.batch_api.read_with_http_info(asked)
    assert status == 207
    assert [one.id for one in answer.results] == [id]
    assert answer.errors[0].context == {"ids": ["1"]}


def test_old_ids_lead_to_the_survivor_of_a_merge(hubspot, hub):
    """The record answers with another id than was asked for."""
    winner, loser = (hubspot.add("contacts", {"email": f"{name}@example.org"}).id for name in ("kim", "kim2"))
    survivor = hub.crm.contacts.basic_api.merge({"primaryObjectId": winner, "objectIdToMerge": loser})
    assert survivor.id not in (winner, loser)
    for old in (winner, loser, survivor.id):
        assert hub.crm.contacts.basic_api.get_by_id(old).id == survivor.id
    assert hubspot.records["contacts"][survivor.id]["hs_additional_emails"] == "kim2@example.org"
    assert hub.crm.contacts.basic_api.get_by_id("kim2@example.org", id_property="email").id == survivor.id


def test_a_privacy_deletion_leaves_nothing(hubspot, hub):
    """Neither the record nor its address is known any more."""
    hubspot.add("contacts", {"email": "kim@example.org"})
    hub.crm.contacts.basic_api.purge({"objectId": "kim@example.org", "idProperty": "email"})
    assert not hubspot.records["contacts"]
    assert hub.crm.contacts.basic_api.create({"properties": {"email": "kim@example.org"}}).id


def test_the_lifecycle_stage_moves_forward_only(hubspot, hub):
    """A backward write is dropped without a word; clearing first, then setting, goes back."""
    id = hubspot.add("contacts", {"email": "kim@example.org", "lifecyclestage": "salesqualifiedlead"}).id
    update = hub.crm.contacts.basic_api.update

    def stage(value: str) -> str | None:
        return update(id, {"properties": {"lifecyclestage": value}}).properties["lifecyclestage"]

    assert stage("lead") == "salesqualifiedlead"
    assert stage("customer") == "customer"
    assert stage("") is None
    assert stage("lead") == "lead"
    assert hubspot.records["contacts"][id]["hs_lifecyclestage_customer_date"] == "2026-11-20T09:00:00.000Z"


def search(hub: HubSpot, *filters: dict[str, Any], **more: Any) -> Any:
    groups = [{"filters": list(filters)}] if filters else []
    return hub.crm.contacts.search_api.do_search({"filterGroups": groups, **more})


def test_search_runs_behind_the_writes(hubspot, hub):
    """What was written is found only after the index has caught up, and not with its old value either."""
    hubspot.portal.index_lag = timedelta(seconds=10)
    hub.crm.contacts.basic_api.create({"properties": {"email": "kim@example.org"}})
    wanted = {"propertyName": "email", "operator": "EQ", "value": "kim@example.org"}
    assert search(hub, wanted).total == 0
    hubspot.clock.advance(10)
    assert search(hub, wanted).total == 1


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ({"propertyName": "email", "operator": "EQ", "value": "A1@example.org"}, [1]),
        ({"propertyName": "email", "operator": "IN", "values": ["a1@example.org", "a3@example.org"]}, [1, 3]),
        ({"propertyName": "email", "operator": "NOT_IN", "values": ["a1@example.org"]}, [0, 2, 3]),
        ({"propertyName": "gw_score", "operator": "GT", "value": "9"}, [1, 2, 3]),  # by size, not by letters
        ({"propertyName": "gw_score", "operator": "BETWEEN", "value": "10", "highValue": "20"}, [1, 2]),
        ({"propertyName": "jobtitle", "operator": "HAS_PROPERTY"}, [0]),
        ({"propertyName": "jobtitle", "operator": "NOT_HAS_PROPERTY"}, [1, 2, 3]),
        ({"propertyName": "email", "operator": "CONTAINS_TOKEN", "value": "*example.org"}, [0, 1, 2, 3]),
        ({"propertyName": "createdate", "operator": "GTE", "value": "1795165200000"}, [0, 1, 2, 3]),
        ({"propertyName": "createdate", "operator": "GT", "value": "1795165200000"}, []),
    ],
)
def test_filters_compare_as_their_property_does(hubspot, hub, condition, found):
    """Times in milliseconds, numbers by size, text without case."""
    ids = [
        hubspot.add("contacts", {"email": f"a{number}@example.org", "gw_score": str(number * 10)}).id
        for number in range(4)
    ]
    hubspot.edit("contacts", ids[0], {"jobtitle": "Chief"})
    assert [one.id for one in search(hub, condition).results] == [ids[number] for number in found]


@pytest.mark.parametrize(
    "asked",
    [
        {"limit": 201},
        {"limit": 200, "after": "9900"},  # past 10,000
        {"properties": ["p" * 60] * 60},  # longer than 3,000 characters
        {"sorts": [{"propertyName": "email"}, {"propertyName": "createdate"}]},
        {"filterGroups": [{"filters": []}] * 6},
        {"filterGroups": [{"filters": [{"propertyName": "nonsense", "operator": "HAS_PROPERTY"}]}]},
    ],
)
def test_a_search_beyond_its_limits_is_refused(hub, asked):
    """400, whatever the limit."""
    status, told = refused(hub.crm.contacts.search_api.do_search, asked)
    assert (status, told["category"]) == (400, "VALIDATION_ERROR")


def test_keyset_pages_pass_equal_timestamps(hubspot, hub):
    """All records changed in one instant; paging by id sees each once."""
    made = [hubspot.add("contacts", {"email": f"a{number}@example.org"}).id for number in range(5)]
    seen: list[str] = []
    while True:
        page = search(
            hub,
            {"propertyName": "lastmodifieddate", "operator": "LTE", "value": "1795165200000"},
            {"propertyName": "hs_object_id", "operator": "GT", "value": seen[-1] if seen else "0"},
            sorts=[{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
            limit=2,
        )
        seen += [one.id for one in page.results]
        if len(page.results) < 2:
            break
    assert seen == made


def test_memberships_are_idempotent_and_name_what_is_missing(hubspot, hub):
    """Who is on the list already is not added again."""
    id = hubspot.add("contacts", {"email": "kim@example.org"}).id
    made = hub.crm.lists.lists_api.create({"name": "Nurture", "objectTypeId": "0-1", "processingType": "MANUAL"})
    first = hub.crm.lists.memberships_api.add(made.list.list_id, [id, "99"])
    assert (first.records_ids_added, first.record_ids_missing) == ([id], ["99"])
    assert hub.crm.lists.memberships_api.add(made.list.list_id, [id]).records_ids_added == []
    assert [one.record_id for one in hub.crm.lists.memberships_api.get_page(made.list.list_id).results] == [id]
    assert hub.crm.lists.lists_api.get_by_name("Nurture", "0-1").list.list_id == made.list.list_id


def test_a_dynamic_list_takes_no_members(hubspot, hub):
    """Only MANUAL and SNAPSHOT lists are written to."""
    made = hub.crm.lists.lists_api.create({"name": "All", "objectTypeId": "0-1", "processingType": "DYNAMIC"})
    with pytest.raises(ListsException) as caught:
        hub.crm.lists.memberships_api.add(made.list.list_id, ["1"])
    assert caught.value.status == 400


def test_properties_are_created_once_and_come_back_from_the_archive(hub):
    """409 for a name that is there; an archived one is restored by posting it."""
    api = hub.crm.properties.core_api
    hub.crm.properties.groups_api.create("contacts", {"name": "ours", "label": "Ours"})
    given = {"groupName": "ours", "name": "our_text", "label": "T", "type": "string", "fieldType": "text"}
    assert api.create("contacts", given).name == "our_text"
    with pytest.raises(PropertiesException) as caught:
        api.create("contacts", given)
    assert caught.value.status == 409
    assert json.loads(caught.value.body)["subCategory"] == "Properties.PROPERTY_WITH_NAME_EXISTS"
    api.archive("contacts", "our_text")
    assert api.create("contacts", given).name == "our_text"


def test_patching_options_replaces_them_all(hub):
    """An option that is not in the patch is gone."""
    option = {"label": "New", "value": "new", "hidden": False}
    patched = hub.crm.properties.core_api.update("contacts", "gw_bucket", {"options": [option]})
    assert [one.value for one in patched.options] == ["new"]


def test_the_first_company_is_the_primary_one(hubspot, hub):
    """Association type 1 beside 279, on one company at a time."""
    contact = hubspot.add("contacts", {"email": "kim@example.org"}).id
    companies = [hubspot.add("companies", {"name": name}).id for name in ("A", "B")]
    for company in companies:
        hubspot.associate("contacts", contact, "companies", company)
    read = hub.crm.associations.v4.batch_api.get_page("contacts", "companies", {"inputs": [{"id": contact}]})
    types = {to.to_object_id: {one.type_id for one in to.association_types} for to in read.results[0].to}
    assert types == {companies[0]: {1, 279}, companies[1]: {279}}


def test_a_won_deal_says_so(hubspot, hub):
    """The closing flags follow the stage."""
    deal = hub.crm.deals.basic_api.create({"properties": {"dealname": "D", "amount": "1200", "pipeline": "default"}})
    hub.crm.deals.basic_api.update(deal.id, {"properties": {"dealstage": "closedwon"}})
    read = hub.crm.deals.basic_api.get_by_id(deal.id, properties=["hs_is_closed_won", "closedate", "amount"])
    assert read.properties["hs_is_closed_won"] == "true"
    assert read.properties["closedate"] == "2026-11-20T09:00:00.000Z"


@pytest.mark.parametrize(
    ("token", "status", "category"),
    [("wrong", 401, "INVALID_AUTHENTICATION"), ("old", 401, "EXPIRED_AUTHENTICATION"), ("young", 200, None)],
)
def test_tokens_end(hubspot, token, status, category):
    """A token nobody issued, one that has run out, one that has not."""
    hubspot.issue("old", 60)
    hubspot.clock.advance(60)
    hubspot.issue("young", 60)
    with serve(hubspot) as server:
        answer = requests.get(
            f"{server.url}/account-info/v3/details", headers={"Authorization": f"Bearer {token}"}, timeout=5
        )
    assert (answer.status_code, answer.json().get("category")) == (status, category)


def test_a_missing_scope_is_named():
    """403 with the scope that would have been needed."""
    sandbox = HubSpotSandbox(scopes={"crm.objects.contacts.read"})
    with serve(sandbox) as server:
        api = HubSpot(access_token="pat-sandbox", host=server.url, retry=False).crm.contacts.basic_api
        assert api.get_page().results == []
        status, told = refused(api.create, {"properties": {"email": "kim@example.org"}})
    assert (status, told["category"]) == (403, "MISSING_SCOPES")
    assert told["errors"][0]["context"]["requiredGranularScopes"] == ["crm.objects.contacts.write"]


@pytest.mark.parametrize(
    ("limits", "searches", "policy"),
    [
        (Limits(burst=2), False, "TEN_SECONDLY_ROLLING"),
        (Limits(search=2), True, "SECONDLY"),
        (Limits(daily=2), False, "DAILY"),
    ],
)
def test_limits_are_enforced_and_say_which(limits, searches, policy):
    """The third call of two is a 429 that names its window; searches tell nothing of what is left."""
    with serve(HubSpotSandbox(limits=limits)) as server:
        api = HubSpot(access_token="pat-sandbox", host=server.url, retry=False).crm.contacts
        call = api.search_api.do_search_with_http_info if searches else api.basic_api.get_page_with_http_info
        arguments = ({},) if searches else ()
        for _ in range(2):
            _, _, headers = call(*arguments)
        assert ("X-HubSpot-RateLimit-Remaining" in headers) is (not searches and limits.burst is not None)
        status, told = refused(call, *arguments)
    assert (status, told["errorType"], told["policyName"]) == (429, "RATE_LIMIT", policy)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("/crm/v3/objects/contacts", "/crm/objects/2026-09/contacts"),
        ("/crm/v3/properties/contacts", "/crm/properties/2026-09/contacts"),
        ("/crm/v3/owners", "/crm/owners/2026-09"),
        ("/crm/v3/pipelines/deals", "/crm/pipelines/2026-09/deals"),
        ("/crm/v3/lists?listIds=1", "/crm/lists/2026-09?listIds=1"),
        ("/account-info/v3/details", "/account-info/2026-09/details"),
        ("/crm/v4/objects/contacts/501/associations/deals", "/crm/objects/2026-09/contacts/501/associations/deals"),
        ("/events/v3/events?eventType=e_visited_page", "/events/event-occurrences/2026-09?eventType=e_visited_page"),
    ],
)
def test_the_dated_paths_are_the_same_api(hubspot, old, new):
    """Only the prefix moves."""
    hubspot.add("contacts", {"email": "kim@example.org"})
    with serve(hubspot) as server:
        answers = [
            requests.get(server.url + path, headers={"Authorization": "Bearer pat-sandbox"}, timeout=30)
            for path in (old, new)
        ]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()


def test_the_dated_api_enforces_what_the_admin_requires(hubspot):
    """The same write passes on v3."""
    hubspot.objects.required["contacts"] = ("jobtitle",)
    headers = {"Authorization": "Bearer pat-sandbox"}
    with serve(hubspot) as server:
        old, new = (
            requests.post(
                f"{server.url}{path}/contacts",
                json={"properties": {"email": f"a{number}@example.org"}},
                headers=headers,
                timeout=30,
            )
            for number, path in enumerate(("/crm/v3/objects", "/crm/objects/2026-09"))
        )
    assert (old.status_code, new.status_code) == (201, 400)
    assert new.json()["errors"][0]["code"] == "MISSING_REQUIRED_PROPERTY"


def test_a_refresh_token_buys_half_an_hour(hubspot):
    """The new access token works until its time is over."""
    with serve(hubspot) as server:
        given = {
            "grant_type": "refresh_token",
            "client_id": "c",
            "client_secret": "sandbox-client-secret",
            "refresh_token": "r",
        }
        told = requests.post(f"{server.url}/oauth/v1/token", data=given, timeout=30).json()
        headers = {"Authorization": f"Bearer {told['access_token']}"}
        first = requests.get(f"{server.url}/account-info/v3/details", headers=headers, timeout=30)
        hubspot.clock.advance(told["expires_in"])
        then = requests.get(f"{server.url}/account-info/v3/details", headers=headers, timeout=30)
    assert (told["expires_in"], first.status_code, then.status_code) == (1800, 200, 401)


def test_every_activity_is_readable_and_counted(hubspot, hub):
    """A page view, a form, an e-mail's click, an event: each where HubSpot keeps it, and in the counters."""
    id = hubspot.add("contacts", {"email": "kim@example.org"}).id
    done = hubspot.activities
    done.visit(id, "https://www.sandbox.example/pricing", source="PAID_SEARCH")
    done.submit(id, "Whitepaper", {"jobtitle": "Chief"})
    for kind in ("SENT", "DELIVERED", "OPEN", "CLICK"):
        done.email(id, kind, "Autumn", "https://www.sandbox.example/offer" if kind == "CLICK" else None)
    done.attend(id, "Webinar")
    assert hub.events.events_api.get_page(object_type="contact", object_id=int(id)).results[0].properties["hs_url"]
    page = hub.api_request({"path": "/email/public/v1/events?eventType=CLICK"}).json()
    assert [(one["recipient"], one["url"]) for one in page["events"]] == [
        ("kim@example.org", "https://www.sandbox.example/offer")
    ]
    form = hub.marketing.forms.forms_api.get_page().results[0]
    sent = hub.api_request({"path": f"/form-integrations/v1/submissions/forms/{form.id}"}).json()["results"]
    assert {"name": "email", "value": "kim@example.org", "objectTypeId": "0-1"} in sent[0]["values"]
    states = hub.marketing.events.retrieve_participant_state_api
    went = states.get_participations_breakdown_by_contact_id(id).results[0]
    assert (went.properties.attendance_state, went.associations.marketing_event.name) == ("ATTENDED", "Webinar")
    now = hubspot.records["contacts"][id]
    counters = ("hs_analytics_num_page_views", "num_conversion_events", "hs_email_open", "hs_email_click")
    assert [now[name] for name in counters] == ["1", "1", "1", "1"]
    assert (now["jobtitle"], now["hs_latest_source"]) == ("Chief", "PAID_SEARCH")


def test_the_events_api_is_for_enterprise_accounts(hubspot, hub):
    """Others get 403."""
    hubspot.enterprise = False
    answer = hub.api_request({"path": "/events/v3/events?eventType=e_visited_page"})
    assert answer.status_code == 403


def test_an_opt_out_is_per_subscription_type(hubspot, hub):
    """Unsubscribed from one type, subscribed to the others; nobody else may subscribe them again."""
    hubspot.add("contacts", {"email": "kim@example.org"})
    api = hub.communication_preferences.status_api
    given = {"emailAddress": "kim@example.org", "subscriptionId": "11003"}
    api.unsubscribe(given)
    statuses = {one.id: one.status for one in api.get_email_status("kim@example.org").subscription_statuses}
    assert statuses == {"11001": "SUBSCRIBED", "11002": "SUBSCRIBED", "11003": "NOT_SUBSCRIBED"}
    answer = hub.api_request({"path": "/communication-preferences/v3/subscribe", "method": "POST", "body": given})
    assert answer.status_code == 400


def test_history_is_youngest_first(hubspot, hub):
    """``propertiesWithHistory`` gives every value with its time."""
    id = hubspot.add("contacts", {"email": "kim@example.org", "jobtitle": "Clerk"}).id
    hubspot.clock.advance(3600)
    hubspot.edit("contacts", id, {"jobtitle": "Chief"})
    read = hub.crm.contacts.basic_api.get_by_id(id, properties_with_history=["jobtitle"])
    versions = read.properties_with_history["jobtitle"]
    assert [one.value for one in versions] == ["Chief", "Clerk"]
    assert versions[0].timestamp - versions[1].timestamp == timedelta(hours=1)
