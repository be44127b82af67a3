"""What sales did comes in: nothing skipped, nothing twice without need, by the mapping file that the README shows."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import orjson
import pytest
from gateway_salesforce import SalesforceSource
from gateway_salesforce.soql import flat
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from marshmallow import ValidationError

from gateway.contracts import (
    ActivityHappened,
    Document,
    Lookup,
    OutcomeReported,
    Quarantined,
    RecordChanged,
    RecordConverted,
    RecordGone,
    RecordsLinked,
    RecordsMerged,
)
from gateway.errors import NotFound, QuarantineDocument, Refused, TryLater
from gateway.mapping import compile_mapping
from gateway.settings.files import ConfigFile
from gateway.web.signatures import verify

README = (Path(__file__).parents[1] / "README.md").read_text()
MAPPING = re.search(r"```yaml mappings/crm.yaml\n(.*?)```", README, re.DOTALL)[1]
T0 = datetime(2026, 11, 20, 8, tzinfo=UTC)
_WHERE = re.compile(r"SystemModstamp (>=|>) ([\d\-T:.]+Z)(?: OR \(SystemModstamp = \S+ AND Id > '(\w+)'\))?")


def stamp(seconds: float) -> str:
    return (T0 + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def document(body: bytes, content_type: str = "application/json") -> Document:
    return Document(id="d", system="crm", received_at=T0, body=body, content_type=content_type, origin="pull")


class Table:
    """Rows that the scripted org answers from: filtered, ordered and limited as the question says."""

    def __init__(self, org, window: int = 2000) -> None:
        self.rows: dict[str, list[dict]] = {}
        self.window = window
        org.rows = self.answer

    def add(self, object_: str, id_: str, seconds: float, **fields) -> None:
        self.rows.setdefault(object_, []).append({"Id": id_, "SystemModstamp": stamp(seconds), **fields})

    def answer(self, soql: str) -> list[dict]:
        rows = self.rows.get(re.search(r"FROM (\w+)", soql)[1], [])
        if listed := re.search(r"WHERE (\w+) IN \((.*?)\)", soql):
            return [row for row in rows if f"'{row[listed[1]]}'" in listed[2]]
        if found := _WHERE.search(soql):
            sign, at, after = found.groups()
            start = datetime.fromisoformat(at)
            rows = [
                row
                for row in rows
                if (when := datetime.fromisoformat(row["SystemModstamp"])) > start
                or (when == start and (sign == ">=" or (after is not None and row["Id"] > after)))
            ]
        else:
            assert "WHERE" not in soql
        descending = "DESC" in soql
        rows = sorted(rows, key=lambda row: (row["SystemModstamp"], row["Id"]), reverse=descending)
        return rows[: 1 if descending else 1_000_000 if "LIMIT 1000000" in soql else self.window]


@pytest.fixture
def table(org):
    return Table(org)


@pytest.fixture
def source(org, settings, context):
    mapping = compile_mapping(ConfigFile("mappings/crm.yaml", MAPPING), "crm", {})
    return SalesforceSource(settings(), replace(context, mapping=mapping))


def pulled(source, stream, cursor=None, since=None):
    """(ids, cursor, pages) of one pull."""
    pages = list(source.pull(stream, cursor, since))
    ids = [row["Id"] for page in pages for row in orjson.loads(page.document)["records"]]
    cursors = [page.cursor for page in pages if page.cursor is not None]
    return ids, cursors[-1] if cursors else cursor, pages


def read(source, page):
    return list(source.read(document(page.document)))


# -- streams and questions ---------------------------------------------------------------------------------------------


def test_what_the_mapping_looks_at_is_pulled(source):
    """Its objects, what is told of people, the roles of opportunities, and deletions."""
    assert source.streams() == [
        "Lead", "Contact", "Account", "Opportunity", "CampaignMember", "Task", "OpportunityContactRole", "deletions",
    ]  # fmt: skip


def test_only_fields_that_somebody_looks_at_are_asked_for(org, source, table):
    """Those of rules and conditions, and related ones; never what is told of people under a name of its own."""
    pulled(source, "Lead")
    fields = set(re.search("SELECT (.*) FROM Lead", org.soql()[0])[1].split(", "))
    assert {"Id", "SystemModstamp", "Owner.Email", "Status", "Reject_Reason__c", "ConvertedContactId"} <= fields
    assert not {"object", "Task.IsClosed", "IsClosed", "Phone"} & fields
    pulled(source, "Task")
    fields = set(re.search("SELECT (.*) FROM Task", org.soql()[1])[1].split(", "))
    assert fields == {"Id", "SystemModstamp", "CreatedDate", "WhoId", "IsClosed", "CompletedDateTime"}


def test_a_field_that_is_not_there_is_left_out_and_the_rest_comes_in(org, source, table):
    """Field-level security hides fields as if they were not there."""
    table.add("Lead", "00Q1", 0)

    def refuse(asked):
        if "Reject_Reason__c" in asked.path:
            message = (
                "\nStatus,Reject_Reason__c\n ^\nERROR at Row:1\nNo such column 'Reject_Reason__c' on entity 'Lead'."
            )
            return 400, [{"errorCode": "INVALID_FIELD", "message": message}]
        if "Owner.Email" in asked.path:
            return 400, [{"errorCode": "INVALID_FIELD", "message": "Didn't understand relationship 'Owner' in field"}]
        return None

    org.answers = [refuse]
    assert pulled(source, "Lead")[0] == ["00Q1"]
    assert pulled(source, "Lead")[0] == ["00Q1"]
    assert len(org.asked) == 4  # it is not asked for again


def test_what_was_read_without_a_field_is_read_again_once_the_field_is_shown(org, table, source):
    """What somebody edited in it meanwhile is in no later change of the record. A restart in between loses nothing."""
    at, no_such = T0, "No such column 'Reject_Reason__c' on entity 'Lead'."
    source._context = replace(source._context, now=lambda: at)
    table.add("Lead", "00Q1", 0)
    ids, cursor, _ = pulled(source, "Lead")
    org.answers = [
        lambda asked: (
            (400, [{"errorCode": "INVALID_FIELD", "message": no_such}]) if "Reject_Reason__c" in asked.path else None
        )
    ]
    for number in (2, 3):
        table.add("Lead", f"00Q{number}", number * 1000)
        ids, cursor, _ = pulled(source, "Lead", cursor)
        assert ids[-1] == f"00Q{number}"
    org.answers = []
    table.add("Lead", "00Q4", 4000)
    assert pulled(source, "Lead", cursor)[0] == ["00Q4"]  # not asked for yet
    for again in (source, SalesforceSource(source._settings, source._context)):
        at = T0 + timedelta(days=2)
        ids, after, _ = pulled(again, "Lead", cursor)
        assert ids == ["00Q2", "00Q3", "00Q4"]
        assert pulled(again, "Lead", after)[0] == []


def test_what_nobody_touched_is_not_read_again(org, source, table):
    """One call asks it of several objects; a row that is committed late is found all the same."""
    table.add("Lead", "00Q1", 0)
    table.add("Contact", "0031", 0)
    cursors = {name: pulled(source, name)[1] for name in ("Lead", "Contact")}
    for _ in range(3):
        org.asked.clear()
        for name, cursor in cursors.items():
            assert pulled(source, name, cursor)[0] == []
    assert org.paths() == ["POST composite"]
    table.add("Contact", "0032", -30)
    assert [pulled(source, name, cursor)[0] for name, cursor in cursors.items()] == [[], ["0032"]]


def test_a_page_that_was_not_kept_comes_again(source, table):
    """Only the gateway says where a stream stands: asked from the same place, the same is told."""
    table.add("Lead", "00Q1", 0)
    cursor = pulled(source, "Lead")[1]
    for _ in range(3):
        assert pulled(source, "Lead", cursor)[0] == []
    table.add("Lead", "00Q2", 60)
    for _ in range(4):
        assert pulled(source, "Lead", cursor)[0] == ["00Q2"]
        assert pulled(source, "Lead")[0] == ["00Q1", "00Q2"]


def test_a_question_that_is_refused_is_told_in_words(org, source):
    """With the code; the message may quote values."""
    org.answers = [lambda asked: (400, [{"errorCode": "INVALID_TYPE", "message": "sObject type 'Lead' is not"}])]
    with pytest.raises(Refused, match="Lead: Salesforce refused the question: INVALID_TYPE"):
        pulled(source, "Lead")
    org.answers = [lambda asked: (502, b"<html>")]
    with pytest.raises(TryLater, match="HTTP 502"):
        pulled(source, "Lead")
    with pytest.raises(NotFound, match="deletions"):
        source.pull("Leads", None, None)


# -- cursors -----------------------------------------------------------------------------------------------------------


def test_a_first_pull_brings_everything_in_order_and_the_next_one_nothing(org, source, table):
    """Idle polling is one call and no page."""
    for n in range(30):
        table.add("Lead", f"00Q{n:02}", n % 7)
    ids, cursor, _ = pulled(source, "Lead")
    assert sorted(ids) == [f"00Q{n:02}" for n in range(30)]
    before = len(org.asked)
    assert pulled(source, "Lead", cursor) == ([], cursor, [])
    assert len(org.asked) - before == 1


def test_a_row_committed_late_still_comes(source, table):
    """Its stamp is older than what was seen: a long transaction."""
    table.add("Lead", "00Q1", 0)
    table.add("Lead", "00Q2", 300)
    _, cursor, _ = pulled(source, "Lead")
    table.add("Lead", "00Q0", 100)
    ids, cursor, _ = pulled(source, "Lead", cursor)
    assert ids == ["00Q0"]
    assert pulled(source, "Lead", cursor)[0] == []


def test_a_changed_row_comes_again(source, table):
    """With its new stamp, and alone."""
    table.add("Lead", "00Q1", 0)
    table.add("Lead", "00Q2", 5)
    _, cursor, _ = pulled(source, "Lead")
    table.rows["Lead"][0]["SystemModstamp"] = stamp(60)
    assert pulled(source, "Lead", cursor)[0] == ["00Q1"]


def test_a_row_that_changes_twice_in_one_second_comes_twice(source, table):
    """Stamps are of whole seconds; the pull may lie between the changes."""
    table.add("Lead", "00Q1", 0, Status="Open")
    _, cursor, _ = pulled(source, "Lead")
    table.rows["Lead"][0]["Status"] = "Working - Contacted"
    assert pulled(source, "Lead", cursor)[0] == ["00Q1"]


def test_five_thousand_rows_of_one_moment_are_each_brought_once(org, source):
    """A bulk update: more rows of one stamp than an answer or a cursor holds."""
    table = Table(org)
    for n in range(5000):
        table.add("Lead", f"00Q{n:05}", 0)
    ids, cursor, pages = pulled(source, "Lead")
    assert ids == [f"00Q{n:05}" for n in range(5000)]
    assert max(page.records for page in pages) == 1000
    assert pulled(source, "Lead", cursor)[0] == []  # although the next pull sees them all again
    assert len(orjson.dumps(cursor)) <= 4096


def test_a_cursor_is_small_and_moves_only_behind_what_was_given(source, table):
    """A pull that is broken off begins its window again."""
    for n in range(2500):
        table.add("Lead", f"00Q{n:05}", n)
    pages = list(source.pull("Lead", None, None))
    assert [page.cursor is not None for page in pages] == [False, True, True]
    assert [page.more for page in pages] == [True, True, False]
    assert all(len(orjson.dumps(page.cursor)) <= 4096 for page in pages)
    ids, *_ = pulled(source, "Lead", pages[1].cursor)
    assert ids == [f"00Q{n:05}" for n in range(2000, 2500)]


def test_pages_stay_under_a_megabyte(source, table):
    """However wide the rows are."""
    for n in range(300):
        table.add("Lead", f"00Q{n:03}", n, Title="x" * 10_000)
    ids, _, pages = pulled(source, "Lead")
    assert len(ids) == 300
    assert all(len(page.document) <= 1024 * 1024 for page in pages)


@examples(derandomize=True, deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 40), st.integers(0, 900)), max_size=12),
        min_size=1,
        max_size=6,
    ),
    st.integers(2, 7),
    st.data(),
)
def test_whatever_changes_when_no_change_is_missed(org, source, monkeypatch, rounds, window, data):
    """Rows change, some are committed up to the overlap late, pulls break off anywhere: all arrive."""
    monkeypatch.setattr("gateway_salesforce.source.WINDOW", window)
    table = Table(org, window)
    cursor, arrived, now = None, {}, 0
    for changes in rounds:
        now += 500
        latest = max((row["SystemModstamp"] for row in table.rows.get("Lead", ())), default="")
        for number, late in changes:
            at = stamp(now - late)
            if latest and datetime.fromisoformat(latest) - datetime.fromisoformat(at) > timedelta(minutes=10):
                continue  # later than the overlap is too late
            rows = table.rows.setdefault("Lead", [])
            old = next((row for row in rows if row["Id"] == f"00Q{number:02}"), None)
            if old is None:
                rows.append({"Id": f"00Q{number:02}", "SystemModstamp": at, "Title": "0"})
            elif at >= old["SystemModstamp"]:  # also twice in one second
                old |= {"SystemModstamp": at, "Title": str(int(old["Title"]) + 1)}
        pages = source.pull("Lead", cursor, None)
        for page in pages:
            for row in orjson.loads(page.document)["records"]:
                arrived[row["Id"]] = row["Title"]
            cursor = page.cursor or cursor
            if data.draw(st.integers(0, 9)) == 0:
                break
    arrived |= {
        row["Id"]: row["Title"]
        for page in source.pull("Lead", cursor, None)
        for row in orjson.loads(page.document)["records"]
    }
    assert arrived == {row["Id"]: row["Title"] for row in table.rows.get("Lead", ())}


def test_since_is_where_a_pull_without_a_cursor_begins(source, table):
    """What lies before is left out."""
    table.add("Lead", "00Q1", 0)
    table.add("Lead", "00Q2", 7200)
    assert pulled(source, "Lead", None, T0 + timedelta(hours=1))[0] == ["00Q2"]


# -- what is read ------------------------------------------------------------------------------------------------------


def test_a_lead_is_read_with_its_related_fields_and_outcome(source, table):
    """Flat, under Salesforce's names; what is blank is told as blank."""
    table.add(
        "Lead", "00Q1", 0, Email="ada@norvik.example", Owner={"attributes": {"type": "User"}, "Email": "s@acme.example"}
    )
    table.add("Lead", "00Q2", 1, Email=None, Owner=None, Status="Working - Contacted")
    _, _, (page,) = pulled(source, "Lead")
    first, second = read(source, page)
    assert isinstance(first, RecordChanged)
    assert (first.record, first.at) == ("00Q1", T0)
    assert first.values == {"Email": "ada@norvik.example", "Owner.Email": "s@acme.example"}
    assert {"Email", "Owner.Email"} <= second.speaks_of
    assert second.values == {"Status": "Working - Contacted"}
    (outcome,) = source._mapped["Lead"].emit({}, second)
    assert isinstance(outcome, OutcomeReported)
    assert outcome.outcome == "accepted"


def test_a_converted_lead_became_its_contact(source, table):
    """Without a rule in the mapping, and once."""
    table.add("Lead", "00Q1", 0, IsConverted=True, ConvertedContactId="003C", Status="Qualified")
    _, _, (page,) = pulled(source, "Lead")
    changed, converted = read(source, page)
    assert isinstance(changed, RecordChanged)
    assert isinstance(converted, RecordConverted)
    assert (converted.record, converted.to_object, converted.to_record) == ("00Q1", "Contact", "003C")
    assert read(source, page)[1] == converted


def test_an_opportunity_names_its_contacts_and_its_amount(org, source, table):
    """The primary one first; the amount in the currency of the mapping; won as its stage is set up."""
    table.add(
        "Opportunity", "006A", 0, AccountId="001A", IsClosed=True, IsWon=True, Amount=12500.5, CloseDate="2026-11-19"
    )
    for n, (who, primary) in enumerate([("003B", False), ("003A", True), ("003B", False)]):
        table.add(
            "OpportunityContactRole", f"00K{n}", 0, OpportunityId="006A", ContactId=who, IsPrimary=primary, Role=None
        )
    _, _, (page,) = pulled(source, "Opportunity")
    changed, *links = read(source, page)
    assert all(isinstance(link, RecordsLinked) for link in links)
    assert [(link.to_object, link.to_record) for link in links] == [
        ("Contact", "003A"),
        ("Contact", "003B"),
        ("Account", "001A"),
    ]
    standing = source._mapped["Opportunity"].schema().load(changed.values)
    assert standing == {"status": "won", "amount": ["12500.50", "EUR"]}


def test_a_role_that_comes_later_brings_its_opportunity_again(source, table):
    """It does not touch the opportunity's own stamp."""
    table.add("Opportunity", "006A", 0)
    table.add("OpportunityContactRole", "00K0", 0, OpportunityId="006A", ContactId="003A", IsPrimary=True)
    _, cursor, _ = pulled(source, "OpportunityContactRole")
    table.add("OpportunityContactRole", "00K1", 60, OpportunityId="006A", ContactId="003B", IsPrimary=False)
    _, cursor, pages = pulled(source, "OpportunityContactRole", cursor)
    (row,) = orjson.loads(pages[-1].document)["records"]
    assert (row["object"], row["Id"], row["contact_ids"]) == ("Opportunity", "006A", ["003A", "003B"])
    assert pulled(source, "OpportunityContactRole", cursor)[0] == []


@pytest.mark.parametrize(
    ("stream", "row", "kind", "told"),
    [
        ("Task", {"WhoId": "003C", "IsClosed": True, "CompletedDateTime": stamp(-60)}, "Contact", "contacted"),
        ("Task", {"WhoId": "00QL", "IsClosed": False, "CompletedDateTime": None}, "Lead", None),
        ("CampaignMember", {"LeadId": "00QL", "ContactId": None, "HasResponded": True,
                            "FirstRespondedDate": "2026-11-18", "Campaign": {"Name": "Fair"}},
         "Lead", "campaign_response"),
    ],
)  # fmt: skip
def test_what_is_told_of_people_is_news_of_their_record(source, table, stream, row, kind, told):
    """A closed task, a response to a campaign: each once, under its own id."""
    table.add(stream, "00T1", 0, **row)
    _, _, (page,) = pulled(source, stream)
    (event,) = read(source, page)
    assert (event.object, event.kind, event.at) == (kind, "person", T0)
    emitted = source._mapped[kind].emit({"Id": event.record}, event)
    assert [getattr(one, "activity", "") or one.outcome for one in emitted] == ([told] if told else [])
    if told == "campaign_response":
        assert isinstance(emitted[0], ActivityHappened)
        assert (emitted[0].campaign, emitted[0].key) == ("Fair", "crm:Lead:00QL:campaign_response:00T1")


def test_a_task_that_the_gateway_closed_is_no_contact(source, settings, table):
    """Nobody spoke to the lead: the clock ended its handoff."""
    source = SalesforceSource(settings(task={}), source._context)
    done = {"WhoId": "00QL", "IsClosed": True, "CompletedDateTime": stamp(0)}
    table.add("Task", "00T1", 0, Gateway_Id__c="closed:handoff:1:task", **done)
    table.add("Task", "00T2", 60, Gateway_Id__c="1", **done)
    _, _, (page,) = pulled(source, "Task")
    assert [row["Task.Id"] for row in orjson.loads(page.document)["records"]] == ["00T2"]


def test_a_task_about_nobody_is_left_out(source, table):
    """And moves the cursor all the same."""
    table.add("Task", "00T1", 0, WhoId=None)
    ids, cursor, _ = pulled(source, "Task")
    assert (ids, cursor["stamp"]) == ([], stamp(0))


# -- deletions and merges ----------------------------------------------------------------------------------------------


def test_deletions_and_merges_are_told_apart(org, source, table):
    """A merged record lives on as its master; the cursor is what Salesforce says it has covered."""
    asked = []

    def answer(request):
        if not request.path.startswith("sobjects/"):
            return None
        asked.append(request.path)
        found = [{"id": "00QA", "deletedDate": stamp(-60)}, {"id": "00QB", "deletedDate": stamp(-50)}]
        covered = {"latestDateCovered": stamp(0), "earliestDateAvailable": stamp(-900)}
        return 200, {"deletedRecords": found if "/Lead/" in request.path else [], **covered}

    org.answers = [answer]
    table.add("Lead", "00QA", -60, MasterRecordId="00QW", IsDeleted=True)
    table.add("Lead", "00QB", -50, MasterRecordId=None, IsDeleted=True)
    _, cursor, pages = pulled(source, "deletions")
    events = [event for page in pages for event in read(source, page)]
    merged, gone = events
    assert isinstance(merged, RecordsMerged)
    assert (merged.record, merged.losers) == ("00QW", ("00QA",))
    assert isinstance(gone, RecordGone)
    assert (gone.record, gone.at) == ("00QB", T0 - timedelta(seconds=50))
    assert cursor == dict.fromkeys(["Lead", "Contact", "Account", "Opportunity"], stamp(0))
    assert len(asked) == 4
    # now is 12:00; the next question begins where the last one ended
    pulled(source, "deletions", cursor)
    assert "start=2026-11-20T08%3A00%3A00%2B00%3A00&end=2026-11-20T12%3A00%3A00%2B00%3A00" in asked[4]


def test_deletions_are_asked_for_once_an_hour(org, source):
    """They cost a call per object; between, a pull costs none."""
    now = org.now.strftime("%Y-%m-%dT%H:%M:%S.000+0000")
    assert pulled(source, "deletions", dict.fromkeys(["Lead", "Contact", "Account", "Opportunity"], now))[2] == []
    assert not org.asked


# -- records that were only named --------------------------------------------------------------------------------------


def test_named_records_are_fetched_by_the_two_hundred(org, source, table):
    """In the mapping's fields; who is in the recycle bin is told as gone; of others nothing is known."""
    for n in range(450):
        table.add("Lead", f"00Q{n:03}", n)
    table.add("Contact", "003A", 0)
    lookups = [Lookup(system="crm", object="Lead", record=f"00Q{n:03}") for n in range(450)]
    lookups.append(Lookup(system="crm", object="Contact", record="003A"))
    lookups.append(Lookup(system="crm", object="Contact", record="003GONE"))
    gone = {"Id": "003GONE", "IsDeleted": True, "SystemModstamp": stamp(5)}
    first = table.answer
    org.rows = lambda soql: [gone] if soql.startswith("SELECT Id, IsDeleted") else first(soql)
    pages = list(source.fetch(lookups))
    events = [event for page in pages for event in read(source, page)]
    assert len([event for event in events if isinstance(event, RecordChanged)]) == 451
    assert [event.record for event in events if isinstance(event, RecordGone)] == ["003GONE"]
    assert len(org.asked) == 9  # the people, what sales did with them, and who was not found


def test_what_sales_did_comes_with_a_person_who_is_read_again(org, source, table):
    """A task that was completed since the last look is told with the lead it is about."""
    table.add("Lead", "00Q1", 0)
    task = {"Id": "00T1", "WhoId": "00Q1", "IsClosed": True, "CompletedDateTime": stamp(3), "SystemModstamp": stamp(3)}
    first = table.answer
    org.rows = lambda soql: [task] if "FROM Task" in soql else first(soql)
    pages = list(source.fetch([Lookup(system="crm", object="Lead", record="00Q1")]))
    told = [event.values for page in pages for event in read(source, page) if isinstance(event, RecordChanged)]
    assert [values.get("Task.IsClosed") for values in told] == [None, True]


def message(org: str, *records: str) -> bytes:
    named = "".join(
        f'<Notification><Id>04l{n}</Id><sObject xsi:type="sf:Lead" xmlns:sf="urn:sobject.enterprise.soap.sforce.com">'
        f"<sf:Id>{record}</sf:Id></sObject></Notification>"
        for n, record in enumerate(records)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>'
        f'<notifications xmlns="http://soap.sforce.com/2005/09/outbound"><OrganizationId>{org}</OrganizationId>'
        f"<SessionId xsi:nil='true'/>{named}</notifications></soapenv:Body></soapenv:Envelope>"
    ).encode()


def test_an_outbound_message_names_records_to_be_fetched(org, settings, context, source, monkeypatch):
    """Each once; the token stands in the address; the answer is the acknowledgement."""
    monkeypatch.setenv("SF_MESSAGES", "t0ken")
    taking = SalesforceSource(
        settings(outbound_messages="${SF_MESSAGES}", org_id=org.id), replace(context, mapping=source._context.mapping)
    )
    assert taking.verification.query == "token"
    assert b"<Ack>true</Ack>" in taking.answer.body
    items = list(taking.read(document(message(org.id[:15], "00QA", "00QB", "00QA"), "text/xml; charset=utf-8")))
    assert items == [Lookup(system="crm", object="Lead", record=record) for record in ("00QA", "00QB")]
    with pytest.raises(QuarantineDocument, match="another org"):
        list(taking.read(document(message("00D000000000009", "00QA"), "text/xml")))
    assert source.verification is None


def test_two_tokens_of_outbound_messages_are_good_while_one_replaces_the_other(settings, context, monkeypatch):
    """The address over there is changed between, and no message meets a closed door."""
    monkeypatch.setenv("SF_MESSAGES", "t0ken")
    monkeypatch.setenv("SF_NEXT", "n3xt")
    both = settings(outbound_messages="${SF_MESSAGES}", next_outbound_messages="${SF_NEXT}")
    rule = SalesforceSource(both, context).verification
    asked = {"method": "POST", "url": "", "headers": {}, "body": b"", "now": datetime.now(UTC)}
    assert [verify(rule, query={"token": [one]}, **asked).ok for one in ("t0ken", "n3xt", "other")] == [
        True,
        True,
        False,
    ]
    with pytest.raises(ValidationError, match="replaces outbound_messages"):
        settings(next_outbound_messages="${SF_NEXT}")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"<a/>", "holds no notifications"),
        (b"<a", "not readable as XML"),
        (b'<!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;</x>', "declarations of its own"),
        (b"\xff\xfe<", "not readable as XML"),
    ],
)
def test_what_is_no_outbound_message_is_quarantined(source, body, says):
    """Without expanding what it declares."""
    with pytest.raises(QuarantineDocument, match=says):
        list(source.read(document(body, "text/xml")))


@pytest.mark.parametrize("body", [b"[]", b'{"records": 5}', b"nonsense"])
def test_pages_that_are_none_are_quarantined(source, body):
    """Somebody may replay anything."""
    with pytest.raises(QuarantineDocument):
        list(source.read(document(body)))


def test_a_deletion_that_cannot_be_read_is_one_quarantined_item(source):
    """The rest of the page comes in."""
    body = orjson.dumps(
        {"records": [], "deleted": [{"object": "Lead"}, 5, {"object": "Lead", "id": "00QA", "at": stamp(0)}]}
    )
    kinds = [type(item) for item in source.read(document(body))]
    assert kinds == [Quarantined, Quarantined, RecordGone]


def test_reading_is_pure(org, source, table):
    """Stored bytes only: no call is made, and the same answer comes every time."""
    table.add("Lead", "00Q1", 0, Email="ada@norvik.example", IsConverted=True, ConvertedContactId="003C")
    _, _, (page,) = pulled(source, "Lead")
    before = len(org.asked)
    answers = [read(source, page) for _ in range(3)]
    assert all(one == two for one, two in pairwise(answers))
    assert len(org.asked) == before


def test_related_records_are_flattened_at_any_depth():
    """Without their attributes."""
    row = {
        "attributes": {"type": "Lead"},
        "Id": "1",
        "Owner": {"attributes": {}, "Manager": {"Email": "m"}},
        "Account": None,
    }
    assert flat(row) == {"Id": "1", "Owner.Manager.Email": "m", "Account": None}


def test_the_settings_of_the_readme_load(settings):
    """What admins copy works."""
    from gateway_salesforce import SettingsSchema
    from ruamel.yaml import YAML

    text = re.search(r"```yaml gateway.yaml\n(.*?)```", README, re.DOTALL)[1]
    block = YAML(typ="safe").load(text)["systems"]["crm"]["settings"]
    loaded = SettingsSchema().load(block | {"consumer_key": "k", "consumer_secret": "${SF_SECRET}"})
    assert loaded["task"]["external_id"] == "Gateway_Id__c"
