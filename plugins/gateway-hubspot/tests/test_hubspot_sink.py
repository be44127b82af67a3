"""HubSpot out: what is batched, what each answer means, and that nobody is doubled."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from gateway_hubspot import HubSpotSink, answers
from gateway_hubspot.client import Client

from gateway.contracts import Field, Receipt, Write
from gateway.errors import TryLater

KEY = "lead:0192f0c0ffee:contact"


@pytest.fixture
def sink(hubspot, settings, context):
    return HubSpotSink(settings(), context, Client(settings(), context, sleep=lambda seconds: None))


def update(record: str, /, **fields: Any) -> Write:
    return Write(key=f"lead:{record}:contact", object="contact", record=record, fields=fields)


def create(key: str, /, **fields: Any) -> Write:
    return Write(key=key, object="contact", record=None, fields=fields, create=True)


def deliver(to: HubSpotSink, *writes: Write) -> dict[str, Receipt]:
    receipts = [receipt for call in to.calls(writes) for receipt in to.deliver(call)]
    assert sorted(one.key for one in receipts) == sorted(made.key for made in writes)  # one for each
    return {one.key: one for one in receipts}


def only(to: HubSpotSink, made: Write) -> Receipt:
    return deliver(to, made)[made.key]


def sent(hubspot, end: str) -> list[Any]:
    return [one.body for one in hubspot.requests if one.path.endswith(end)]


# -- batches -----------------------------------------------------------------------------------------------------------


def test_writes_go_out_by_the_hundred_per_object_and_kind(sink):
    """One call is one request; creates apart from updates, companies apart from contacts."""
    writes = [update(str(n), gw_score=n) for n in range(250)]
    writes += [create("k1", email="a@example.org"), replace(update("7", name="x"), object="company", key="c7")]
    titles = [call.title for call in sink.calls(writes)]
    assert titles == [
        "update 100 contacts", "update 100 contacts", "update 50 contacts", "create 1 contacts", "update 1 companies",
    ]  # fmt: skip


def test_urgent_writes_go_first(sink):
    """Handoffs before bulk sync."""
    writes = [update("1", gw_score=1), replace(create("k1", email="a@example.org"), priority=1)]
    assert [call.title for call in sink.calls(writes)] == ["create 1 contacts", "update 1 contacts"]


@pytest.mark.parametrize(
    "twins",
    [
        (update("1", gw_score=1), replace(update("1", gw_score=2), key="other")),
        (create("k1", email="a@example.org"), create("k2", email=" A@Example.org ")),
    ],
)
def test_no_record_or_address_is_twice_in_a_batch(sink, twins):
    """HubSpot refuses the whole batch then."""
    assert [len(call.writes) for call in sink.calls(twins)] == [1, 1]


# -- updates -----------------------------------------------------------------------------------------------------------


def test_an_update_by_id_tells_what_hubspot_holds(hubspot, sink):
    """Text goes out, text comes back; a cleared property is blank."""
    hubspot.add("contacts", 501, jobtitle="CFO")
    receipt = only(sink, update("501", gw_score=71, jobtitle=None, topics=["a", "b"], vip=True, share=2.0))
    assert receipt == Receipt(
        key="lead:501:contact", result="done", record="501",
        held={"gw_score": "71", "jobtitle": None, "topics": "a;b", "vip": "true", "share": "2"},
    )  # fmt: skip
    [body] = sent(hubspot, "batch/update")
    assert body["inputs"][0] == {
        "id": "501", "objectWriteTraceId": "0",
        "properties": {"gw_score": "71", "jobtitle": "", "topics": "a;b", "vip": "true", "share": "2"},
    }  # fmt: skip


def test_a_hundred_updates_are_one_call(hubspot, sink):
    """Nothing is asked before or after."""
    for id_ in range(100):
        hubspot.add("contacts", id_)
    receipts = deliver(sink, *[update(str(n), gw_score=n) for n in range(100)])
    assert {one.result for one in receipts.values()} == {"done"}
    assert len(hubspot.requests) == 1


def test_the_same_update_twice_has_one_effect(hubspot, sink):
    """By id there is only one record to write to."""
    hubspot.add("contacts", 501)
    first, again = only(sink, update("501", gw_score=71)), only(sink, update("501", gw_score=71))
    assert first == again
    assert len(hubspot.records["contacts"]) == 1


def test_a_merged_record_moves_the_link(hubspot, sink):
    """HubSpot answers with the id that absorbed the other."""
    hubspot.add("contacts", 9)
    hubspot.merged["501"] = "9"
    receipt = only(sink, update("501", gw_score=71))
    assert (receipt.result, receipt.object, receipt.record) == ("moved", "contact", "9")


def test_a_deleted_record_is_gone_and_the_others_are_done(hubspot, sink):
    """A 207 is read record by record."""
    hubspot.add("contacts", 1)
    hubspot.add("contacts", 3)
    receipts = deliver(sink, *[update(id_, gw_score=1) for id_ in ("1", "2", "3")])
    assert [receipts[f"lead:{n}:contact"].result for n in (1, 2, 3)] == ["done", "gone", "done"]


def validation(*problems: dict[str, Any]) -> dict[str, Any]:
    return {
        "status": "error", "category": "VALIDATION_ERROR",
        "message": f"Property values were not valid: {json.dumps(problems)}",
    }  # fmt: skip


UNKNOWN = {"isValid": False, "message": 'Property "gw_buckett" does not exist', "error": "PROPERTY_DOESNT_EXIST",
           "name": "gw_buckett", "portalId": 9900123}  # fmt: skip
OPTION = {"isValid": False, "message": "kim@example.org was not one of", "error": "INVALID_OPTION", "name": "band"}


def test_an_unknown_property_refuses_its_writes_and_the_rest_goes_on(hubspot, sink):
    """Every write with it is a dead letter naming it; HubSpot is asked once more for the others, not once for each."""

    def strict(request):
        wrong = request.path.endswith("update") and any(
            "gw_buckett" in one["properties"] for one in request.body["inputs"]
        )
        return (400, validation(UNKNOWN), {}) if wrong else None

    hubspot.rules.append(strict)
    for id_ in range(10):
        hubspot.add("contacts", id_)
    wrong = [update(str(n), gw_score=n, gw_buckett="x") for n in range(5)]
    receipts = deliver(sink, *wrong, *[update(str(n), gw_score=n) for n in range(5, 10)])
    refused = receipts["lead:0:contact"]
    assert (refused.result, refused.code, refused.fields, refused.scope) == (
        "rejected", "PROPERTY_DOESNT_EXIST", ("gw_buckett",), "mapping",
    )  # fmt: skip
    assert [one.result for one in receipts.values()].count("done") == 5
    assert len(hubspot.requests) == 2


def test_one_wrong_value_is_found_by_halving(hubspot, sink):
    """HubSpot refuses the whole batch and does not say which one."""

    def strict(request):
        wrong = request.path.endswith("update") and any(one["id"] == "37" for one in request.body["inputs"])
        return (400, validation(OPTION), {}) if wrong else None

    hubspot.rules.append(strict)
    for id_ in range(100):
        hubspot.add("contacts", id_)
    receipts = deliver(sink, *[update(str(n), band="great") for n in range(100)])
    refused = receipts["lead:37:contact"]
    assert (refused.result, refused.code, refused.fields, refused.scope) == (
        "rejected",
        "INVALID_OPTION",
        ("band",),
        "row",
    )
    assert [one.result for one in receipts.values()].count("done") == 99
    assert len(hubspot.requests) <= 2 * 7 + 1
    assert "kim@" not in repr(receipts)


def test_a_batch_of_nothing_but_wrong_values_ends(hubspot, sink):
    """What is not settled after forty calls waits for the next delivery: nothing is lost, nothing goes on for ever."""
    hubspot.rules.append(lambda request: (400, validation(OPTION), {}))
    receipts = deliver(sink, *[update(str(n), band="great") for n in range(100)])
    assert {one.result for one in receipts.values()} == {"rejected", "retry"}
    assert len(hubspot.requests) == 40


def test_errors_without_a_name_are_sent_again_alone(hubspot, sink):
    """A 207 may not say which input it means."""
    hubspot.add("contacts", 1)
    hubspot.add("contacts", 2)
    hubspot.add("contacts", 3)

    def vague(request):
        wrong = [one for one in request.body["inputs"] if one["id"] == "2"]
        if not wrong:
            return None
        done = [
            {"id": one["id"], "properties": one["properties"], "objectWriteTraceId": one["objectWriteTraceId"]}
            for one in request.body["inputs"] if one["id"] == "1"
        ]  # fmt: skip
        error = {"category": "VALIDATION_ERROR", "message": "wrong", "context": {}}
        return 207, {"status": "COMPLETE", "results": done, "numErrors": 1, "errors": [error]}, {}

    hubspot.rules.append(vague)
    receipts = deliver(sink, *[update(id_, gw_score=1) for id_ in ("1", "2", "3")])
    assert [receipts[f"lead:{n}:contact"].result for n in (1, 2, 3)] == ["done", "rejected", "done"]


# -- creates -----------------------------------------------------------------------------------------------------------


def test_a_create_carries_our_key(hubspot, sink):
    """In a unique property: the same write twice is one record."""
    first = only(sink, create(KEY, email="kim@example.org", gw_score=87))
    again = only(sink, create(KEY, email="kim@example.org", gw_score=87))
    assert first.result == again.result == "done"
    assert first.record == again.record
    [(id_, held)] = hubspot.records["contacts"].items()
    assert (id_, held["gw_external_id"], held["gw_score"]) == (first.record, KEY, "87")


def test_who_has_the_address_already_is_linked_and_not_doubled(hubspot, sink):
    """Also in other letters: HubSpot's addresses know no case."""
    hubspot.add("contacts", 501, email="Kim@Example.org")
    receipt = only(sink, create(KEY, email="kim@example.org", gw_score=87))
    assert (receipt.result, receipt.candidates) == ("duplicate", ("501",))
    assert not sent(hubspot, "batch/upsert")
    assert len(hubspot.records["contacts"]) == 1


def test_who_has_it_as_a_second_address_is_linked_too(hubspot, sink):
    """HubSpot's refusal names the record."""
    hubspot.add("contacts", 501, email="other@example.org", second="kim@example.org")
    receipts = deliver(sink, create(KEY, email="kim@example.org"), create("lead:2:contact", email="new@example.org"))
    assert (receipts[KEY].result, receipts[KEY].candidates) == ("duplicate", ("501",))
    assert receipts["lead:2:contact"].result == "done"


def test_a_conflict_of_the_whole_batch_is_taken_apart(hubspot, sink):
    """Where HubSpot gives 409 for all of it."""

    def conflict(request):
        wrong = request.path.endswith("upsert") and any(one["id"] == KEY for one in request.body["inputs"])
        message = "Contact already exists. Existing ID: 501"
        return (409, {"status": "error", "category": "CONFLICT", "message": message}, {}) if wrong else None

    hubspot.rules.append(conflict)
    receipts = deliver(
        sink, create(KEY, email="a@example.org"), *[create(f"k{n}", email=f"{n}@x.org") for n in range(7)]
    )
    assert receipts[KEY].candidates == ("501",)
    assert [one.result for one in receipts.values()].count("done") == 7


def test_a_dropped_line_leaves_a_create_unsure_and_find_knows(hubspot, sink):
    """The record was made, the answer lost: our key finds it, so it is not made again."""

    def drop(request):
        if request.path.endswith("upsert"):
            hubspot.rules.clear()
            hubspot.answer(request)
            return 0, b"", {}
        return None

    hubspot.rules.append(drop)
    assert only(sink, create(KEY, email="kim@example.org")).result == "unknown"
    [id_] = hubspot.records["contacts"]
    assert sink.find("contact", [KEY, "lead:9:contact"]) == {KEY: [id_]}


def test_a_dropped_line_lets_an_update_go_again(hubspot, sink):
    """Written twice by id is written once."""
    hubspot.once("update", 0, b"")
    assert only(sink, update("501", gw_score=1)).result == "retry"


def test_what_may_not_be_created_is_not(hubspot, sink):
    """A write without a record and without leave to make one."""
    receipt = only(sink, replace(create(KEY, email="kim@example.org"), create=False))
    assert receipt.result == "rejected"
    assert not hubspot.records["contacts"]


def test_an_address_that_another_record_has_is_no_link(hubspot, sink):
    """A conflict of an update says nothing about who the lead is."""
    hubspot.once("update", 409, {"category": "CONFLICT", "message": "Contact already exists. Existing ID: 7"})
    receipt = only(sink, update("501", email="kim@example.org"))
    assert (receipt.result, receipt.fields, receipt.candidates) == ("rejected", ("email",), ())


# -- lifecycle stage ---------------------------------------------------------------------------------------------------


def test_a_stage_forward_is_written_and_looked_at(hubspot, sink):
    """HubSpot drops what it does not like without a word, but its answer says where the record stands."""
    hubspot.add("contacts", 501, lifecyclestage="lead")
    receipt = only(sink, update("501", lifecyclestage="salesqualifiedlead", gw_score=5))
    assert (receipt.result, receipt.held) == ("done", {"lifecyclestage": "salesqualifiedlead", "gw_score": "5"})
    assert len(hubspot.requests) == 1


def test_a_stage_back_is_cleared_and_set(hubspot, sink):
    """In two requests, and only for those that stand elsewhere."""
    hubspot.add("contacts", 501, lifecyclestage="opportunity")
    hubspot.add("contacts", 502, lifecyclestage="subscriber")
    receipts = deliver(sink, *[update(id_, lifecyclestage="lead") for id_ in ("501", "502")])
    assert [one.result for one in receipts.values()] == ["done", "done"]
    assert hubspot.records["contacts"]["501"]["lifecyclestage"] == "lead"
    cleared, anew = sent(hubspot, "update")[1:]
    assert cleared["inputs"] == [{"id": "501", "properties": {"lifecyclestage": ""}}]
    assert anew["inputs"] == [{"id": "501", "properties": {"lifecyclestage": "lead"}}]


def test_a_stage_that_does_not_move_is_not_called_done(hubspot, sink):
    """A portal's own rules may hold it."""
    hubspot.add("contacts", 501, lifecyclestage="customer")

    def held(request):
        if request.path.endswith("update") and request.body["inputs"][0]["properties"] == {"lifecyclestage": ""}:
            return 200, {"results": [{"id": "501", "properties": {}}]}, {}
        return None

    hubspot.rules.append(held)
    receipt = only(sink, update("501", lifecyclestage="lead"))
    assert (receipt.result, receipt.code) == ("retry", "stage not moved")


# -- when HubSpot takes nothing ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "headers", "result", "seconds"),
    [
        (429, {"policyName": "TEN_SECONDLY_ROLLING"}, {}, "limit", 10),
        (429, {"policyName": "DAILY"}, {"Retry_After": "1800"}, "limit", 1800),
        (477, {}, {"Retry_After": "600"}, "limit", 600),
        (401, {"category": "INVALID_AUTHENTICATION"}, {}, "auth", 0),
        (403, {"category": "MISSING_SCOPES"}, {}, "auth", 0),
        (423, {}, {}, "retry", 2),
        (502, b"<html>", {}, "retry", 10),
        (200, b"<html>a proxy's page</html>", {}, "retry", 0),
        (200, {}, {}, "retry", 0),
        (200, [], {}, "retry", 0),
    ],
)
def test_what_an_answer_means_for_all_of_a_batch(hubspot, sink, status, body, headers, result, seconds):
    """None of it is lost, and HubSpot is not asked again at once."""
    hubspot.rules.append(lambda request: (status, body, headers))
    receipts = deliver(sink, *[update(str(n), gw_score=n) for n in range(3)])
    assert {(one.result, one.seconds) for one in receipts.values()} == {(result, seconds)}
    assert len(hubspot.requests) == 1


@pytest.mark.parametrize(("status", "result"), [(502, "unknown"), (429, "limit"), (423, "retry"), (401, "auth")])
def test_what_an_answer_means_for_a_create(hubspot, sink, status, result):
    """After an overload nobody knows whether it happened."""
    hubspot.rules.append(lambda request: (status, {}, {}) if request.path.endswith("upsert") else None)
    assert only(sink, create(KEY, email="kim@example.org")).result == result


def test_a_refused_secret_is_named_by_its_reference(hubspot, sink):
    """And nowhere else."""
    hubspot.rules.append(lambda request: (401, {}, {}))
    receipt = only(sink, update("1", gw_score=1))
    assert "${HUBSPOT_TOKEN}" in receipt.message
    assert "very-secret" not in repr(receipt)


def test_a_slow_hubspot_does_not_make_us_late(hubspot, settings, context):
    """After 22 s no other call is begun; what is left is tried again."""
    ticks = iter([0.0, *[30.0] * 100])
    to = HubSpotSink(settings(), context, Client(settings(), context), clock=lambda: next(ticks))
    assert only(to, update("1", gw_score=1)).code == "not sent"
    assert not hubspot.requests


# -- refusals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "error", "result", "code", "fields", "scope"),
    [
        (207, validation(UNKNOWN), "rejected", "PROPERTY_DOESNT_EXIST", ("gw_buckett",), "mapping"),
        (207, validation(OPTION), "rejected", "INVALID_OPTION", ("band",), "row"),
        (207, validation(OPTION, UNKNOWN), "rejected", "INVALID_OPTION", ("band", "gw_buckett"), "mapping"),
        (400, {"category": "VALIDATION_ERROR", "message": "no list [{"}, "rejected", "VALIDATION_ERROR", (), "row"),
        (400, {}, "rejected", "400", (), "row"),
        (400, {"category": 5, "message": None, "errors": "x", "context": []}, "rejected", "400", (), "row"),
        (
            400,
            {"category": "VALIDATION_ERROR",
             "errors": [{"code": "MISSING_REQUIRED_PROPERTY", "context": {"propertyName": ["industry"]}}]},
            "rejected", "MISSING_REQUIRED_PROPERTY", ("industry",), "row",
        ),
        (207, {"category": "OBJECT_NOT_FOUND"}, "gone", "OBJECT_NOT_FOUND", (), "row"),
        (404, {}, "retry", "404", (), "row"),  # nobody said that the record is gone
        (404, {"category": "OBJECT_NOT_FOUND"}, "gone", "OBJECT_NOT_FOUND", (), "row"),
        (423, {}, "retry", "423", (), "row"),
        (503, {}, "retry", "503", (), "row"),
        (207, {"category": "RATE_LIMITS"}, "limit", "RATE_LIMITS", (), "row"),
        (414, {}, "rejected", "414", (), "row"),
        (400, {"category": "kim@example.org"}, "rejected", "400", (), "row"),  # no value passes for a code
    ],
)  # fmt: skip
def test_a_refusal_is_classified(status, error, result, code, fields, scope):
    """Permanent, transient, gone, limit: what to do next, with the properties to look at."""
    receipt = answers.refused(update("1", band="kim@example.org"), status, error)
    assert (receipt.result, receipt.code, receipt.fields, receipt.scope) == (result, code, fields, scope)
    assert "kim@" not in repr(receipt)


# -- catalogue ---------------------------------------------------------------------------------------------------------


def test_the_catalogue_tells_types_options_and_what_may_be_written(hubspot, sink):
    """As HubSpot's properties say."""
    hubspot.properties = [
        {"name": "email", "type": "string", "fieldType": "text", "options": []},
        {"name": "band", "type": "enumeration", "options": [{"label": "Great", "value": "great"}, {"value": "bad"}]},
        {"name": "hs_object_id", "type": "number", "modificationMetadata": {"readOnlyValue": True}},
        {"name": "score_sum", "type": "number", "calculated": True},
        {"name": "hubspot_owner_id", "type": "enumeration", "externalOptions": True, "options": [{"value": "1"}]},
    ]
    found = sink.describe("contact")
    assert {name: found[name] for name in ("email", "band", "hs_object_id", "score_sum", "hubspot_owner_id")} == {
        "email": Field(name="email", type="string", length=65_536),
        "band": Field(name="band", type="choice", options=("great", "bad")),
        "hs_object_id": Field(name="hs_object_id", type="number", writable=False),
        "score_sum": Field(name="score_sum", type="number", writable=False),
        "hubspot_owner_id": Field(name="hubspot_owner_id", type="choice"),
    }
    assert not found["updatedAt"].writable  # what items carry beside their properties
    assert hubspot.paths() == ["/crm/v3/properties/contacts"]


def test_a_thousand_changed_leads_are_ten_calls(hubspot, sink):
    """The day's calls are shared by all apps of the account."""
    for id_ in range(1000):
        hubspot.add("contacts", id_)
    receipts = deliver(sink, *[update(str(n), gw_score=n % 100) for n in range(1000)])
    assert len(hubspot.requests) == 10
    assert {one.result for one in receipts.values()} == {"done"}


def test_nothing_of_a_write_shows(sink):
    """Neither in a call nor in what is printed of it."""
    [call] = sink.calls([create(KEY, email="kim@example.org")])
    assert "kim@" not in repr(call)


class Reserve:
    """A budget with nothing left but its reserve."""

    def allow(self, calls, window):
        pass

    def spend(self, calls=1, priority=5):
        if priority > 2:
            raise TryLater(600, "the calls of the day are used up")

    def told(self, used, window):
        pass


def test_a_handoff_goes_out_of_the_reserve_with_all_its_calls(hubspot, settings, context):
    """Account, address, create, stage: else the reserve would be of no use. The rest waits and costs no try."""
    to = HubSpotSink(settings(portal_id=9900123, lists=["Nurture"]), replace(context, budget=Reserve()))
    hubspot.add("contacts", 501, lifecyclestage="opportunity")
    urgent = [create(KEY, email="kim@example.org"), update("501", lifecyclestage="lead")]
    receipts = deliver(to, *[replace(made, priority=1) for made in urgent])
    assert {one.result for one in receipts.values()} == {"done"}
    assert set(to.find("contact", [KEY])) == {KEY}
    bulk = only(to, update("501", gw_score=1))
    assert (bulk.result, bulk.seconds) == ("limit", 600)


# -- looked at before they are written ---------------------------------------------------------------------------------


def test_a_thousand_guarded_contacts_are_ten_calls_more(hubspot, sink):
    """What they hold now, by the hundred, with the time of their last change."""
    ids = [hubspot.add("contacts", n, jobtitle=f"Title {n}") for n in range(1, 1001)]
    held = sink.held("contact", ids, ["jobtitle", "opted_out_email"])
    assert {id_: one.values for id_, one in held.items()} == {id_: {"jobtitle": f"Title {id_}"} for id_ in ids}
    assert (len(hubspot.requests), {one.at is not None for one in held.values()}) == (10, {True})


def test_who_a_person_wants_made_anyway_is_not_looked_up_by_address(hubspot, sink):
    """HubSpot itself has the last word: it keeps addresses apart."""
    hubspot.add("contacts", 7, email="ann@example.org")
    deliver(sink, replace(create(KEY, email="ann@example.org"), anyway=True))
    assert "/crm/v3/objects/contacts/batch/read" not in hubspot.paths()[:1]
