"""Writes out: nothing made twice, every row's result read, and whoever was converted or merged followed."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest
import requests
from gateway_salesforce import SalesforceSink
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from gateway.contracts import Receipt, Write

EMAIL = "ada@norvik.example"
TASK = {"due_days": 2}
ROW = ["Id", "Email", "Gateway_Id__c", "IsConverted", "ConvertedContactId", "MasterRecordId", "IsDeleted", "OwnerId"]
CODES = st.sampled_from(
    ["INVALID_FIELD", "DUPLICATES_DETECTED", "DUPLICATE_VALUE", "CANNOT_UPDATE_CONVERTED_LEAD", "ENTITY_IS_DELETED",
     "UNABLE_TO_LOCK_ROW", "REQUEST_LIMIT_EXCEEDED", "INVALID_SESSION_ID", "STRING_TOO_LONG", "WHO_KNOWS", ""]
)  # fmt: skip


def lead(number: int) -> str:
    return f"{number:032x}"


def create(number: int, object: str = "Lead", **fields) -> Write:
    values = {"LastName": "Okafor", "Company": "Norvik AS", "Email": f"p{number}@norvik.example", **fields}
    return Write(
        key=f"lead:{lead(number)}:{object}", object=object, record=None, fields=values, create=True, priority=1
    )


def update(number: int, record: str, object: str = "Lead", **fields) -> Write:
    return Write(key=f"lead:{lead(number)}:{object}", object=object, record=record, fields=fields or {"Score__c": 83})


def deliver(sink: SalesforceSink, *writes: Write) -> dict[str, Receipt]:
    found = {receipt.key: receipt for call in sink.calls(writes) for receipt in sink.deliver(call)}
    assert found.keys() == {write.key for write in writes}
    return found


def only(sink: SalesforceSink, write: Write) -> Receipt:
    return deliver(sink, write)[write.key]


@pytest.fixture
def sink(org, settings, context):
    return SalesforceSink(settings(), context)


# -- batches -----------------------------------------------------------------------------------------------------------


def test_a_thousand_known_leads_are_five_calls_and_nobody_is_made(org, sink):
    """By id, 200 to a call; the header that keeps owners is on each of them."""
    writes = [update(n, org.holds("Lead", f"00QKa{n:010d}")) for n in range(1000)]
    receipts = deliver(sink, *writes)
    assert {receipt.result for receipt in receipts.values()} == {"done"}
    assert org.paths() == ["PATCH composite/sobjects"] * 5
    assert {one.headers["Sforce-Auto-Assign"] for one in org.asked} == {"FALSE"}
    assert len(org.records["Lead"]) == 1000


@examples(derandomize=True, deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(["Lead", "Contact", "Account"]), st.booleans()), max_size=700))
def test_every_write_is_in_one_call_of_its_kind(kinds):
    """At most 200 in each, none lost, none twice; a call is of one object."""
    sink = object.__new__(SalesforceSink)
    sink._tasks, sink._batch = None, 200
    writes = [
        update(n, f"id{n}", object=name) if known else create(n, object=name) for n, (name, known) in enumerate(kinds)
    ]
    calls = sink.calls(writes)
    assert sorted(write.key for call in calls for write in call.writes) == sorted(write.key for write in writes)
    for call in calls:
        assert 1 <= len(call.writes) <= 200
        assert {(write.object, bool(write.record)) for write in call.writes} == {
            (call.request.object, call.request.kind == "update")
        }


def test_the_plan_says_what_a_call_will_do(sink):
    """Its title and its cost in calls."""
    known, new = sink.calls([update(1, "00Q1"), create(2)])
    assert (known.title, known.cost) == ("update 1 Lead", 1)
    assert (new.title, new.cost) == ("look up 1 Lead, create those that are not there", 5)


def test_clearing_and_references_and_amounts_go_as_salesforce_takes_them(org, settings, context):
    """null clears; ids of other records are fields; exact amounts are numbers; Id is never a field."""
    mapping = SimpleNamespace(objects={"Lead": SimpleNamespace(outbound={"Revenue__c": SimpleNamespace(type="money")})})
    sink = SalesforceSink(settings(), replace(context, mapping=mapping))
    org.holds("Lead", "00Q1")
    write = update(1, "00Q1", Phone=None, Revenue__c="1500.00", Id="00Q9", Topics__c=["a", "b"])
    assert only(sink, replace(write, refs={"Partner__c": "0011"})).result == "done"
    assert org.asked[0].body["records"] == [
        {
            "attributes": {"type": "Lead"},
            "id": "00Q1",
            "Phone": None,
            "Revenue__c": 1500.0,
            "Topics__c": "a;b",
            "Partner__c": "0011",
        }
    ]


# -- first meeting -----------------------------------------------------------------------------------------------------


def test_who_is_not_there_is_created_under_our_key(org, sink):
    """Five calls: our key among contacts and leads, the address among both, and the upsert."""
    receipt = only(sink, create(1))
    (made,) = org.records["Lead"].values()
    assert receipt == Receipt(key=create(1).key, result="done", record=made["Id"])
    assert made["Gateway_Id__c"] == lead(1)
    assert org.paths() == ["GET query/"] * 4 + ["PATCH composite/sobjects/Lead/Gateway_Id__c"]
    assert org.asked[-1].headers["Sforce-Auto-Assign"] == "FALSE"


def test_the_same_creates_again_make_nobody_twice(org, sink):
    """After a crash between their answer and our commit."""
    writes = [create(n) for n in range(30)]
    deliver(sink, *writes)
    again = deliver(sink, *writes)
    assert len(org.records["Lead"]) == 30
    assert {(one.result, one.candidates) for one in again.values()} == {
        ("duplicate", (record,)) for record in org.records["Lead"]
    }


@pytest.mark.parametrize(
    ("there", "result"),
    [
        # a contact carries our key: sure, and nothing needs to be written
        ({"003A": {"Gateway_Id__c": lead(1)}}, ("moved", "Contact", "003A")),
        # the sign of the address: the contact before the lead
        ({"003A": {"Email": EMAIL}, "00QB": {"Email": EMAIL}}, ("moved", "Contact", "003A")),
        ({"00QB": {"Email": EMAIL.upper()}}, ("duplicate", "", "00QB")),
        # our key on a lead counts more than somebody's address on a contact
        ({"003A": {"Email": EMAIL}, "00QB": {"Gateway_Id__c": lead(1)}}, ("duplicate", "", "00QB")),
        # our lead was converted: its contact it is
        ({"00QB": {"Gateway_Id__c": lead(1), "IsConverted": True, "ConvertedContactId": "003KA00000000C1"},
          "003KA00000000C1": {}}, ("moved", "Contact", "003KA00000000C1")),
    ],
)  # fmt: skip
def test_one_record_is_linked_and_carries_our_key_from_then_on(org, sink, there, result):
    """Of the surest sign; whatever else it holds is left alone until it has been looked at."""
    for record, fields in there.items():
        org.holds("Contact" if record.startswith("003") else "Lead", record, **fields)
    receipt = only(sink, create(1, Email=EMAIL))
    assert (receipt.result, receipt.object, receipt.record or receipt.candidates[0]) == result
    kept = {**org.records.get("Contact", {}), **org.records.get("Lead", {})}
    assert kept.keys() == there.keys()
    assert kept[result[2]]["Gateway_Id__c"] == lead(1)
    stamps = [one.body["records"][0].keys() for one in org.asked if one.method == "PATCH"]
    assert all(keys == {"attributes", "id", "Gateway_Id__c"} for keys in stamps)


def test_a_converted_lead_with_the_address_is_nobody(org, sink):
    """It cannot be written any more; its person is the contact, under whatever address."""
    org.holds("Lead", "00QA", Email=EMAIL, IsConverted=True, ConvertedContactId="003A")
    receipt = only(sink, create(1, Email=EMAIL))
    assert (receipt.result, len(org.records["Lead"])) == ("done", 2)


def test_several_records_are_work_for_a_person(org, sink):
    """None is picked, none is made, none is marked."""
    org.holds("Contact", "003A", Email=EMAIL)
    org.holds("Contact", "003B", Email=EMAIL)
    receipt = only(sink, create(1, Email=EMAIL))
    assert (receipt.result, receipt.candidates) == ("duplicate", ("Contact:003A", "Contact:003B"))
    assert "Lead" not in org.records
    assert all(one.method == "GET" for one in org.asked)


def test_a_record_of_another_lead_is_not_taken_over(org, sink):
    """It carries that lead's key: two people share an address, and a person must look."""
    org.holds("Lead", "00QA", Email=EMAIL, Gateway_Id__c=lead(7))
    receipt = only(sink, create(1, Email=EMAIL))
    assert (receipt.result, receipt.code) == ("rejected", "another lead's record")
    assert org.records["Lead"]["00QA"]["Gateway_Id__c"] == lead(7)
    assert len(org.records["Lead"]) == 1


def test_ids_that_another_connector_left_with_us_are_looked_at(org, sink):
    """They say where to look, are never written, and come before the address."""
    org.holds("Contact", "003KA0000000001", Email="other@norvik.example")
    org.holds("Contact", "003KA0000000002", Email=EMAIL)
    receipt = only(sink, create(1, Email=EMAIL, ConvertedContactId="003KA0000000001AAA"))
    assert (receipt.result, receipt.record) == ("moved", "003KA0000000001")


def test_two_new_people_with_one_address_are_not_made_in_one_go(org, sink):
    """The second waits, and meets the first."""
    receipts = list(deliver(sink, create(1, Email=EMAIL), create(2, Email=EMAIL.title())).values())
    assert sorted(receipt.result for receipt in receipts) == ["done", "retry"]
    assert len(org.records["Lead"]) == 1


def test_questions_fit_into_an_address_however_long_the_values_are(org, sink):
    """Salesforce takes about 16,000 characters."""
    deliver(sink, *[create(n, Email=f"{'long.' * 30}{n}@norvik.example") for n in range(200)])
    assert len(org.records["Lead"]) == 200
    assert max(len(one.path) for one in org.asked) < 13_000


def test_while_the_look_up_fails_nobody_is_made(org, sink):
    """Better late than twice."""
    org.answers = [lambda asked: (503, b"<html>") if "Email+IN" in asked.path else None]
    assert only(sink, create(1)).result == "retry"
    assert "Lead" not in org.records


# -- results of rows ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "message", "fields", "expected"),
    [
        ("REQUIRED_FIELD_MISSING", "Required fields are missing: [Company]", ["Company"], ("rejected", "row")),
        ("STRING_TOO_LONG", "too long", ["LastName"], ("rejected", "row")),
        ("INVALID_FIELD_FOR_INSERT_UPDATE", "check security", ["Score__c"], ("rejected", "mapping")),
        ("INSUFFICIENT_ACCESS_OR_READONLY", "no", [], ("rejected", "mapping")),
        ("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access", [], ("retry", "row")),
        ("STORAGE_LIMIT_EXCEEDED", "full", [], ("limit", "row")),
        ("DUPLICATE_VALUE", "duplicate value found: Gateway_Id__c", [], ("rejected", "row")),  # of an update
    ],
)
def test_each_row_has_its_own_answer(org, sink, code, message, fields, expected):
    """HTTP 200 says nothing about the rows."""
    org.holds("Lead", "00Q1")
    org.holds("Lead", "00Q2")
    org.row = lambda object_, record: org.error(code, message, *fields) if record.get("id") == "00Q2" else None
    good, bad = update(1, "00Q1"), update(2, "00Q2")
    receipts = deliver(sink, good, bad)
    assert receipts[good.key].result == "done"
    assert (receipts[bad.key].result, receipts[bad.key].scope) == expected
    assert receipts[bad.key].fields == tuple(fields if expected[0] == "rejected" else ())


def test_what_nobody_knows_is_tried_three_times(org, sink):
    """A new code may mean for now or for good."""
    org.holds("Lead", "00Q1")
    org.row = lambda object_, record: org.error("A_CODE_OF_NEXT_YEAR")
    assert [only(sink, update(1, "00Q1")).result for _ in range(3)] == ["retry", "retry", "rejected"]


def test_a_field_that_does_not_exist_costs_only_the_writes_that_carry_it(org, sink):
    """The call is refused as a whole; the others go again without them."""
    for n in range(10):
        org.holds("Lead", f"00Q{n}")

    def refuse(asked):
        if any("Foo__c" in record for record in asked.body["records"]):
            return 400, [{"errorCode": "INVALID_FIELD", "message": "No such column 'Foo__c' on sobject of type Lead"}]
        return None

    org.answers = [refuse]
    writes = [update(n, f"00Q{n}", **({"Foo__c": 1} if n in (3, 7) else {"Score__c": n})) for n in range(10)]
    receipts = deliver(sink, *writes)
    assert [n for n, write in enumerate(writes) if receipts[write.key].result == "rejected"] == [3, 7]
    assert receipts[writes[3].key].fields == ("Foo__c",)
    assert len(org.asked) == 2


@pytest.mark.parametrize("bad", [{0}, {199}, {17, 18}, {0, 100, 199}])
def test_a_row_that_spoils_its_call_is_found_and_the_others_arrive(org, sink, bad):
    """Cut in two until it stands alone: a few calls, not one per row."""
    for n in range(200):
        org.holds("Lead", f"00Q{n:03}")

    def refuse(asked):
        if any(record["Score__c"] == "spoilt" for record in asked.body["records"]):
            return 400, [{"errorCode": "JSON_PARSER_ERROR", "message": f"at column {len(asked.body['records'])}"}]
        return None

    org.answers = [refuse]
    writes = [update(n, f"00Q{n:03}", Score__c="spoilt" if n in bad else n) for n in range(200)]
    receipts = deliver(sink, *writes)
    assert {n for n, write in enumerate(writes) if receipts[write.key].result == "rejected"} == bad
    assert {n for n, write in enumerate(writes) if receipts[write.key].result == "done"} == set(range(200)) - bad
    assert len(org.asked) <= 1 + 16 * len(bad)


def test_what_the_org_refuses_to_everybody_is_not_asked_for_each(org, sink):
    """Both halves get the same answer: it is not the rows."""
    org.answers = [lambda asked: (400, [{"errorCode": "INVALID_TYPE", "message": "sObject type 'Lead'"}])]
    receipts = deliver(sink, *[update(n, f"00Q{n}") for n in range(200)])
    assert {(one.result, one.scope) for one in receipts.values()} == {("rejected", "mapping")}
    assert len(org.asked) == 3


# -- records that moved ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "holds", "expected"),
    [
        ("CANNOT_UPDATE_CONVERTED_LEAD", {"IsConverted": True, "ConvertedContactId": "003C"},
         ("moved", "Contact", "003C")),
        ("CANNOT_UPDATE_CONVERTED_LEAD", {"IsConverted": True, "ConvertedContactId": None}, ("gone", "", "")),
        ("ENTITY_IS_DELETED", {"IsDeleted": True, "MasterRecordId": "00QM"}, ("moved", "Lead", "00QM")),  # merged
        ("ENTITY_IS_DELETED", {"IsDeleted": True, "MasterRecordId": None}, ("gone", "", "")),
        ("INVALID_CROSS_REFERENCE_KEY", None, ("gone", "", "")),
        ("INVALID_CROSS_REFERENCE_KEY", {"IsDeleted": False}, ("rejected", "", "")),  # it is there: the owner is not
    ],
)  # fmt: skip
def test_a_record_that_cannot_be_written_any_more_is_followed(org, sink, code, holds, expected):
    """One question tells where it went, with the recycle bin."""
    if holds is not None:
        org.holds("Lead", "00Q1", **holds)
    org.row = lambda object_, record: org.error(code)
    receipt = only(sink, update(1, "00Q1"))
    assert (receipt.result, receipt.object, receipt.record) == expected
    assert org.paths() == ["PATCH composite/sobjects", "GET queryAll/"]


# -- duplicate rules ---------------------------------------------------------------------------------------------------


def rule(*records: tuple[str, str]) -> dict:
    matches = [
        {"entityType": kind, "matchRecords": [{"record": {"attributes": {"type": kind}, "Id": id_}}]}
        for kind, id_ in records
    ]
    return {"allowSave": True, "matchResults": matches}


@pytest.mark.parametrize("spelling", ["duplicateResut", "duplicateResult"])
@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([("Contact", "003A")], ("moved", "Contact", "003A", ())),
        ([("Lead", "00QA")], ("duplicate", "", "", ("00QA",))),
        ([("Lead", "00QA"), ("Contact", "003A")], ("duplicate", "", "", ("00QA", "Contact:003A"))),
        ([], ("rejected", "", "", ())),
    ],
)
def test_a_duplicate_rule_becomes_a_link_or_work_for_a_person(org, sink, spelling, found, expected):
    """The batch does not say which records it means: the row is sent once more by itself, with the same header."""
    org.row = lambda object_, record: org.error("DUPLICATES_DETECTED", "Use one of these records?")

    def alone(asked):
        if asked.path.startswith("sobjects/Lead/Gateway_Id__c/"):
            assert "Gateway_Id__c" not in asked.body
            return 400, [{"errorCode": "DUPLICATES_DETECTED", "message": "Use one?", spelling: rule(*found)}]
        return None

    org.answers = [alone]
    receipt = only(sink, create(1))
    assert (receipt.result, receipt.object, receipt.record, receipt.candidates) == expected
    assert org.asked[-1].path == f"sobjects/Lead/Gateway_Id__c/{lead(1)}"
    assert org.asked[-1].headers["Sforce-Auto-Assign"] == "FALSE"


def test_rules_that_only_alert_are_saved_past_where_the_admin_wants_it(org, settings, context):
    """Those that block stay in force."""
    only(SalesforceSink(settings(save_duplicates=True), context), create(1))
    assert org.asked[-1].headers["Sforce-Duplicate-Rule-Header"] == "allowSave=true"
    org.asked.clear()
    only(SalesforceSink(settings(), context), create(2))
    assert "Sforce-Duplicate-Rule-Header" not in org.asked[-1].headers


def test_assignment_rules_run_for_new_leads_only_and_only_if_wanted(org, settings, context):
    """A changed score must not give a lead to somebody else."""
    sink = SalesforceSink(settings(assign=True), context)
    made = only(sink, create(1))
    only(sink, update(1, made.record))
    patches = [one.headers["Sforce-Auto-Assign"] for one in org.asked if one.method == "PATCH"]
    assert patches == ["TRUE", "FALSE"]


# -- failures of the call ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_create_without_an_answer_is_looked_up_and_not_made_again(org, sink, when):
    """The connection broke; whether the lead is there, ``find`` tells."""
    broken = iter([1])

    def drop(asked):
        if asked.path.startswith("composite") and next(broken, None):
            if when == "after":
                org._default(asked)
            return requests.ConnectionError("broken")
        return None

    org.answers = [drop]
    write = create(1)
    assert only(sink, write).result == "unknown"
    found = sink.find("Lead", [write.key])
    assert found == ({write.key: list(org.records["Lead"])} if when == "after" else {})
    if not found:
        assert only(sink, write).result == "done"
    assert len(org.records["Lead"]) == 1


def test_an_update_without_an_answer_is_simply_sent_again(org, sink):
    """The same values by id do no harm twice."""
    org.answers = [lambda asked: requests.ReadTimeout("late")]
    assert only(sink, update(1, "00Q1")).result == "retry"


@pytest.mark.parametrize(
    ("answer", "result", "seconds"),
    [
        ((403, [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "TotalRequests Limit exceeded."}]), "limit", 1800),
        ((503, [{"errorCode": "SERVER_UNAVAILABLE", "message": "down"}]), "retry", 0),
        ((503, b"<html>down</html>"), "retry", 0),
        ((200, b"<html>login</html>"), "retry", 0),
        ((200, []), "retry", 0),
        ((401, [{"errorCode": "INVALID_SESSION_ID", "message": "no"}]), "auth", 0),
    ],
)
def test_trouble_of_the_whole_call_is_each_writes(org, sink, answer, result, seconds):
    """Limits cost no try, and refused credentials pause the system."""
    org.answers = [lambda asked: answer]
    receipts = deliver(sink, update(1, "00Q1"), update(2, "00Q2"))
    assert {(one.result, one.seconds) for one in receipts.values()} == {(result, seconds)}


ANSWER = st.one_of(
    st.sampled_from(
        [[], {}, None, {"records": [{}]}, [{"success": True}], [{"success": True, "id": "00QX", "errors": []}]]
    ),
    st.builds(lambda code, message: [{"errorCode": code, "message": message}], CODES, st.text(max_size=20)),
    st.builds(
        lambda code, fields: [{"success": False, "errors": [{"statusCode": code, "fields": fields}]}],
        CODES,
        st.lists(st.text(max_size=5), max_size=2),
    ),
    st.builds(
        lambda row: {"done": True, "records": [row]}, st.dictionaries(st.sampled_from(ROW), st.none() | st.text())
    ),
    st.binary(max_size=20),
)


@examples(
    derandomize=True, deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(st.tuples(st.sampled_from([200, 200, 200, 201, 300, 400, 401, 403, 404, 429, 500, 503]), ANSWER)),
    st.sampled_from(["create", "update", "task", "member"]),
)
def test_whatever_is_answered_every_write_gets_one_receipt(org, settings, context, answers, what):
    """A proxy, an outage or a new version may say anything; nothing is raised, and nothing is done that was refused."""
    sink = SalesforceSink(settings(task=TASK, campaigns=["Spring"]), context)
    org.records.clear()
    org.holds("Lead", "00Q1")
    org.holds("Campaign", "701A", Name="Spring")
    script = iter(answers)
    org.answers = [lambda asked: next(script, None)]
    record = {} if what == "create" else {"record": "00Q1"}
    write = {"create": create, "update": update, "task": task, "member": member}[what](1, **record)
    (receipt,) = deliver(sink, write).values()
    assert receipt.key == write.key
    assert not re.search(r"p1@|Okafor", f"{receipt.code}{receipt.fields}")


def test_a_slow_org_is_not_waited_for_beyond_the_gateways_patience(org, settings, context, monkeypatch):
    """A worker that waits longer is given up; what is left of the batch goes later."""
    now = [0.0]
    monkeypatch.setattr("gateway_salesforce.org.time.monotonic", lambda: now[0])
    waits = []

    def slow(asked):
        waits.append(now[0])
        now[0] += 8.5

    org.answers = [slow]
    receipt = only(SalesforceSink(settings(), context), create(1))
    assert (receipt.result, receipt.message) == ("retry", "Salesforce is slow")
    assert waits == [0, 8.5, 17]


def test_batches_are_as_small_as_the_admin_wants_them(org, settings, context):
    """Where triggers and flows take their time."""
    writes = [update(n, org.holds("Lead", f"00Q{n:02}")) for n in range(30)]
    deliver(SalesforceSink(settings(batch=10), context), *writes)
    assert len(org.asked) == 3


def test_an_empty_budget_sends_nothing(org, settings, context, budget):
    """What is not paid is not called."""
    budget.left = 0
    receipt = only(SalesforceSink(settings(), context), update(1, "00Q1"))
    assert (receipt.result, receipt.seconds) == ("limit", 3600)
    assert not org.asked
    assert not org.logins


def test_handoffs_are_paid_as_handoffs(org, settings, context, budget):
    """The last tenth of the day is theirs."""
    only(SalesforceSink(settings(), context), create(1))
    assert set(budget.spent) == {1}


def test_find_tells_by_our_key_in_any_case_of_its_letters(org, sink):
    """External ids are compared without case; an unknown key is not in the answer."""
    record = org.holds("Lead", "00Q1", Gateway_Id__c=lead(0xABC).upper())
    keys = [f"lead:{lead(0xABC)}:Lead", f"lead:{lead(5)}:Lead"]
    assert sink.find("Lead", keys) == {keys[0]: [record]}


# -- the catalogue -----------------------------------------------------------------------------------------------------


def test_describe_tells_types_lengths_and_what_may_be_written(org, sink):
    """Inactive options are none; whether others are refused is told."""
    fields = [
        {"name": "LastName", "type": "string", "length": 80, "nillable": False, "createable": True, "updateable": True},
        {"name": "IsConverted", "type": "boolean", "length": 0, "nillable": False, "createable": False},
        {"name": "Grade__c", "type": "picklist", "length": 255, "nillable": True, "createable": True,
         "restrictedPicklist": True,
         "picklistValues": [{"value": "A", "active": True}, {"value": "Z", "active": False}]},
    ]  # fmt: skip
    org.answers = [lambda asked: (200, {"fields": fields}) if asked.path == "sobjects/Lead/describe" else None]
    found = sink.describe("Lead")
    assert (found["LastName"].length, found["LastName"].required, found["LastName"].writable) == (80, True, True)
    assert (found["IsConverted"].type, found["IsConverted"].required, found["IsConverted"].writable) == (
        "boolean",
        False,
        False,
    )
    assert (found["Grade__c"].type, found["Grade__c"].options, found["Grade__c"].restricted) == ("choice", ("A",), True)
    assert found["Task"].type == "relation"  # what is told of a person comes with it
    assert sink.describe("Nonsense__c") == {}


# -- beside a record ---------------------------------------------------------------------------------------------------


@pytest.fixture
def beside(org, settings, context):
    return SalesforceSink(settings(task=TASK, campaigns=["Spring"]), context)


def task(number: int, record: str, object: str = "Lead", **fields) -> Write:
    told = {"handoff": lead(number), "subject": "Follow up: Ada", "description": "+40 Executive", "priority": "high"}
    return Write(
        key=f"handoff:{lead(number)}:task", object="follow_up_task", record=None, fields=told | fields,
        refs={object: record}, create=True, priority=1,
    )  # fmt: skip


def member(number: int, record: str, campaign: str = "Spring", object: str = "Lead", **fields) -> Write:
    return Write(
        key=f"campaign:{lead(number)}:{campaign}", object="campaign_membership", record=None,
        fields={"campaign": campaign, **fields}, refs={object: record}, create=True,
    )  # fmt: skip


def test_what_stands_beside_a_record_is_what_the_settings_say(org, settings, context, beside):
    """Without them the gateway plans none of it."""
    assert beside.carries == {"follow_up_task": ("*",), "campaign_membership": ("Spring",)}
    assert SalesforceSink(settings(), context).carries == {}


def test_a_thousand_tasks_of_known_owners_are_five_calls(org, beside):
    """One call per 200."""
    writes = [task(n, org.holds("Lead", f"00QKa{n:010d}"), owner="005Ka000000OwnerAAA") for n in range(1000)]
    calls = beside.calls(writes)
    assert [(call.title, call.cost) for call in calls] == [("make 200 follow-up tasks", 1)] * 5
    assert {receipt.result for receipt in deliver(beside, *writes).values()} == {"done"}
    assert org.paths() == ["PATCH composite/sobjects/Task/Gateway_Id__c"] * 5
    assert len(org.records["Task"]) == 1000


def test_a_task_is_for_whoever_owns_the_lead_and_says_why_and_by_when(org, beside):
    """Due at the hour that journey.yaml gives sales to answer."""
    record = org.holds("Lead", "00Q1", OwnerId="005U")
    write = task(1, record, due_at="2026-11-20T16:00:00Z")
    assert beside.calls([write])[0].cost == 2
    receipt = only(beside, write)
    (held,) = org.records["Task"].values()
    assert (receipt.result, receipt.record) == ("done", held["Id"])
    assert held | {"Id": ""} == {
        "Id": "",
        "Gateway_Id__c": lead(1),
        "Subject": "Follow up: Ada",
        "ActivityDate": "2026-11-20",
        "IsReminderSet": True,
        "ReminderDateTime": "2026-11-20T16:00:00Z",
        "WhoId": record,
        "OwnerId": "005U",
        "Priority": "High",
        "Description": "+40 Executive",
    }


def test_without_an_hour_a_task_is_due_as_the_settings_say(org, beside):
    """Days from the day it is made, with the settings' own subject where they have one."""
    only(beside, task(1, org.holds("Lead", "00Q1", OwnerId="00GQueue")))
    (held,) = org.records["Task"].values()
    assert held["ActivityDate"] == str(org.now.date() + timedelta(days=2))
    assert held["OwnerId"] == "005Ka000000OwnerAAA"  # of whom the org chooses: a queue owns no task


def test_an_owner_by_address_is_looked_up_once(org, beside):
    """A roster may name people as they are known everywhere."""
    org.holds("User", "005Sam", Email="Sam@norvik.example", IsActive=True)
    for n in (1, 2):
        only(beside, task(n, org.holds("Lead", f"00Q{n}"), owner="sam@norvik.example"))
    assert {held["OwnerId"] for held in org.records["Task"].values()} == {"005Sam"}
    assert len([soql for soql in org.soql() if "FROM User" in soql]) == 1


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_task_without_an_answer_is_found_by_its_handoff(org, beside, when):
    """Also when sales did something with it meanwhile, or deleted it: it is not touched again."""
    write = task(1, org.holds("Lead", "00Q1"), owner="005U")
    broken = iter([requests.ReadTimeout()])

    def cut(asked):
        if "Task" in asked.path and asked.method == "PATCH" and (trouble := next(broken, None)):
            if when == "after":
                org._default(asked)
            return trouble
        return None

    org.answers = [cut]
    assert only(beside, write).result == "unknown"
    for held in org.records.get("Task", {}).values():
        held |= {"Status": "Completed", "IsDeleted": True}
    found = beside.find("follow_up_task", [write.key])
    assert [len(ids) for ids in found.values()] == ([1] if when == "after" else [])


@pytest.mark.parametrize(
    ("code", "result"),
    [
        ("UNABLE_TO_LOCK_ROW", "retry"),
        ("CANNOT_UPDATE_CONVERTED_LEAD", "retry"),  # news of its contact will come
        ("INVALID_CROSS_REFERENCE_KEY", "retry"),
        ("FIELD_CUSTOM_VALIDATION_EXCEPTION", "rejected"),
        ("INVALID_FIELD", "rejected"),
    ],
)
def test_a_refused_task_is_its_own_trouble(org, beside, code, result):
    """The record it belongs to was written by a write of its own."""
    org.row = lambda object_, body: org.error(code, "no") if object_ == "Task" else None
    assert only(beside, task(1, org.holds("Lead", "00Q1"), owner="005U")).result == result


def test_a_task_that_is_not_needed_any_more_is_completed(org, beside):
    """Two leads turned out to be one person."""
    org.holds("Task", "00T1", Status="Not Started")
    write = replace(task(1, "00Q1"), record="00T1", fields={"done": True}, create=False)
    assert only(beside, write).result == "done"
    assert org.records["Task"]["00T1"]["Status"] == "Completed"
    assert org.records["Task"]["00T1"]["Gateway_Id__c"] == f"closed:{write.key}"


def test_a_task_that_sales_closed_stays_as_they_closed_it(org, beside):
    """Their own status, and no sign of ours; the others of the call are completed."""
    for number, closed in ((1, True), (2, False)):
        org.holds("Task", f"00T{number}", Status="Deferred", IsClosed=closed)
    writes = [replace(task(n, "00Q1"), record=f"00T{n}", fields={"done": True}, create=False) for n in (1, 2)]
    assert {receipt.result for receipt in deliver(beside, *writes).values()} == {"done"}
    assert [held["Status"] for held in org.records["Task"].values()] == ["Deferred", "Completed"]
    assert "Gateway_Id__c" not in org.records["Task"]["00T1"]


def test_a_task_is_due_on_the_day_it_is_where_its_deadline_was_agreed(org, beside):
    """Half past midnight in Berlin is the evening before in UTC; the reminder has the moment itself."""
    record = org.holds("Lead", "00Q1", OwnerId="005U")
    only(beside, task(1, record, due_at="2026-11-20T23:30:00Z", zone="Europe/Berlin"))
    (held,) = org.records["Task"].values()
    assert (held["ActivityDate"], held["ReminderDateTime"]) == ("2026-11-21", "2026-11-20T23:30:00Z")


def test_records_have_pages_where_people_see_them(settings, context):
    """Of the org's own address; the shared one leads nowhere."""
    assert SalesforceSink(settings(), context).links == {
        "*": "https://acme.my.salesforce.com/lightning/r/{object}/{record}/view"
    }
    jwt = {"flow": "jwt", "private_key": "${SF_SECRET}", "username": "gateway@acme.example"}
    shared = settings(login_url="https://login.salesforce.com", **jwt)
    assert SalesforceSink(shared, context).links == {}


def test_a_person_is_in_a_campaign_once_with_the_status_that_was_told_last(org, beside):
    """Said again, or by somebody else before, the membership is found by campaign and person."""
    org.holds("Campaign", "701A", Name="spring")
    org.holds("Lead", "00Q1")
    org.holds("Contact", "0031")
    org.holds("CampaignMember", "00v9", CampaignId="701A", ContactId="0031", Status="Sent")
    new, theirs = member(1, "00Q1", status="Sent"), member(2, "0031", object="Contact", status="Responded")
    for _ in range(2):
        assert {one.result for one in deliver(beside, new, theirs).values()} == {"done"}
    mine, other = sorted(org.records["CampaignMember"].values(), key=lambda one: one["Id"] == "00v9")
    assert (mine["LeadId"], mine["Status"]) == ("00Q1", "Sent")
    assert (other["Id"], other["Status"]) == ("00v9", "Responded")


@pytest.mark.parametrize("twins", [0, 2])
def test_a_campaign_that_is_not_clear_is_the_mappings_trouble(org, beside, twins):
    """None of this name, or several of it."""
    for n in range(twins):
        org.holds("Campaign", f"701{n}", Name="Spring")
    receipt = only(beside, member(1, org.holds("Lead", "00Q1")))
    assert (receipt.result, receipt.scope, receipt.fields) == ("rejected", "mapping", ("campaign",))


# -- looked at before they are written, or made all the same -----------------------------------------------------------


def test_a_thousand_guarded_leads_are_five_calls_more(org, sink):
    """What they hold now, 200 to a question, with the time of their last change."""
    ids = [
        org.holds("Lead", f"00QKa{n:010d}", Title=f"Title {n}", SystemModstamp="2026-11-20T08:00:00.000+0000")
        for n in range(1000)
    ]
    held = sink.held("Lead", ids, ["Title"])
    assert {id_: one.values for id_, one in held.items()} == {id_: {"Title": f"Title {n}"} for n, id_ in enumerate(ids)}
    assert (len(org.asked), {one.at is not None for one in held.values()}) == (5, {True})


def test_a_person_that_somebody_wants_made_anyway_is_made(org, sink):
    """Nobody is looked up, and a duplicate rule that only warns is overruled."""
    org.holds("Contact", "003Ka0000000001", Email="p1@norvik.example")
    org.holds("Contact", "003Ka0000000002", Email="p1@norvik.example")
    assert only(sink, create(1)).result == "duplicate"
    asked = len(org.asked)
    assert only(sink, replace(create(1), anyway=True)).result == "done"
    [made] = org.asked[asked:]
    assert made.headers["Sforce-Duplicate-Rule-Header"] == "allowSave=true"


def test_candidates_of_another_object_are_named_with_it(org, sink):
    """A person who is to link one of them must know which it is."""
    org.holds("Contact", "003Ka0000000001", Email="p1@norvik.example")
    org.holds("Contact", "003Ka0000000002", Email="p1@norvik.example")
    assert only(sink, create(1)).candidates == ("Contact:003Ka0000000001", "Contact:003Ka0000000002")
