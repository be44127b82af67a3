"""Bulk 2.0 through simple-salesforce, and outbound messages over a real socket."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from xml.etree import ElementTree

import pytest
from simple_salesforce.bulk2 import LineEnding
from simple_salesforce.exceptions import SalesforceMalformedRequest
from werkzeug.wrappers import Request, Response

from gateway_sandbox.serving import Serving

LEAD = {"LastName": "Okafor", "Company": "Norvik AS"}


def job(force: Any, data: str, **given: str) -> dict[str, Any]:
    asked = {"object": "Lead", "operation": "upsert", "externalIdFieldName": "Gateway_Id__c", "lineEnding": "LF"}
    made = force.restful("jobs/ingest", method="POST", json={**asked, **given})["id"]
    force._call_salesforce("PUT", f"{force.base_url}jobs/ingest/{made}/batches", data=data.encode())
    force.restful(f"jobs/ingest/{made}", method="PATCH", json={"state": "UploadComplete"})
    state: dict[str, Any] = {"state": ""}
    states = []
    while state["state"] not in ("JobComplete", "Failed"):
        state = force.restful(f"jobs/ingest/{made}", method="GET")
        states.append(state["state"])
    assert states[0] in ("InProgress", "Failed")
    return state


def results(force: Any, id: str, which: str) -> list[dict[str, str]]:
    text = force._call_salesforce("GET", f"{force.base_url}jobs/ingest/{id}/{which}/").text
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_the_client_librarys_upsert_goes_through(salesforce, force):
    """Its job, its polls, its counts."""
    records = [{"Gateway_Id__c": f"p-{number}", **LEAD} for number in range(5)]
    told = force.bulk2.Lead.upsert(
        records=records, external_id_field="Gateway_Id__c", wait=1, line_ending=LineEnding.CRLF
    )
    assert [(one["numberRecordsProcessed"], one["numberRecordsFailed"]) for one in told] == [(5, 0)]
    assert len(salesforce.records["Lead"]) == 5


def test_a_complete_job_may_have_failed_rows_in_another_order(salesforce, force):
    """Results are found by our key, not by their place; embedded line breaks survive."""
    lines = [f'p-{number},Lee,"Nor\nvik {number}"' for number in range(20)] + ["p-x,Lee,"]
    done = job(force, "Gateway_Id__c,LastName,Company\n" + "\n".join(lines) + "\n")
    assert (done["state"], done["numberRecordsProcessed"], done["numberRecordsFailed"]) == ("JobComplete", 21, 1)
    good = results(force, done["id"], "successfulResults")
    assert [one["Gateway_Id__c"] for one in good] != [f"p-{number}" for number in range(20)]
    assert {one["Gateway_Id__c"]: one["Company"] for one in good} == {
        f"p-{number}": f"Nor\nvik {number}" for number in range(20)
    }
    assert all(salesforce.records["Lead"][one["sf__Id"]]["Gateway_Id__c"] == one["Gateway_Id__c"] for one in good)
    (bad,) = results(force, done["id"], "failedResults")
    assert bad["sf__Error"] == "REQUIRED_FIELD_MISSING:Required fields are missing: [Company]:Company --"


def test_an_empty_cell_leaves_a_value_and_na_clears_it(salesforce, force):
    """As in every Bulk 2.0 file."""
    id = salesforce.add("Lead", {**LEAD, "Gateway_Id__c": "p-1", "Title": "CFO", "City": "Oslo"}).id
    job(force, "Gateway_Id__c,Title,City\np-1,,#N/A\n")
    assert (salesforce.records["Lead"][id]["Title"], salesforce.records["Lead"][id]["City"]) == ("CFO", None)


def test_line_ends_must_be_as_announced(force):
    """A CRLF file in an LF job fails as a whole."""
    assert job(force, "Gateway_Id__c,LastName,Company\r\np-1,Lee,Norvik\r\n")["state"] == "Failed"


def test_a_job_without_an_external_id_is_refused(force):
    """A field that is none."""
    with pytest.raises(SalesforceMalformedRequest):
        force.restful(
            "jobs/ingest",
            method="POST",
            json={"object": "Lead", "operation": "upsert", "externalIdFieldName": "Title", "contentType": "CSV"},
        )


class Receiver:
    """Keeps the notifications and acknowledges as it is told to."""

    def __init__(self) -> None:
        self.ack = "true"
        self.got: list[list[tuple[str, dict[str, str]]]] = []

    def __call__(self, environ: dict[str, Any], start: Any) -> Any:
        tree = ElementTree.fromstring(Request(environ).get_data())
        space = "{http://soap.sforce.com/2005/09/outbound}"
        self.got.append(
            [
                (
                    one.findtext(f"{space}Id") or "",
                    {field.tag.split("}")[1]: field.text or "" for field in one.find(f"{space}sObject") or ()},
                )
                for one in tree.iter(f"{space}Notification")
            ]
        )
        body = (
            '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>'
            '<notificationsResponse xmlns="http://soap.sforce.com/2005/09/outbound">'
            f"<Ack>{self.ack}</Ack></notificationsResponse></soapenv:Body></soapenv:Envelope>"
        )
        return Response(body, content_type="text/xml")(environ, start)


@pytest.fixture
def receiver() -> Iterator[tuple[Receiver, str]]:
    app = Receiver()
    serving = Serving(app)  # type: ignore[arg-type]
    yield app, serving.url
    serving.close()


def test_a_message_carries_what_people_changed(salesforce, receiver):
    """Escaped, without empty fields, and without what the integration user did."""
    app, url = receiver
    lead = salesforce.add("Lead", {**LEAD, "Gateway_Id__c": "p-1"}).id
    salesforce.outbound.subscribe("Lead", ["Gateway_Id__c", "Status", "Reject_Reason__c", "IsConverted"], url)
    salesforce.org.update("Lead", lead, {"Title": "CFO"}, salesforce.org.user)
    salesforce.edit("Lead", lead, {"Reject_Reason__c": "<no> & never"})
    assert [one.acknowledged for one in salesforce.outbound.flush()] == [True]
    ((_, fields),) = app.got[0]
    assert fields == {
        "Id": lead,
        "Gateway_Id__c": "p-1",
        "Status": "Open - Not Contacted",
        "Reject_Reason__c": "<no> & never",
        "IsConverted": "false",
    }


def test_without_an_acknowledgement_it_comes_again_with_the_latest_values(salesforce, receiver):
    """The same notification, the values of now; after a day it is dropped."""
    app, url = receiver
    lead = salesforce.add("Lead", LEAD).id
    salesforce.outbound.subscribe("Lead", ["Title"], url)
    salesforce.edit("Lead", lead, {"Title": "CFO"})
    app.ack = "false"
    salesforce.outbound.flush()
    salesforce.edit("Lead", lead, {"Title": "CEO"})
    salesforce.outbound.flush()
    first, second = app.got
    assert (first[0][0], first[0][1]["Title"]) == (second[0][0], "CFO")
    assert [fields["Title"] for _, fields in second] == ["CEO", "CEO"]
    salesforce.clock.advance(timedelta(hours=25))
    assert salesforce.outbound.flush() == []
    assert salesforce.outbound.dropped == 2


def test_a_message_has_at_most_a_hundred_notifications(salesforce, receiver):
    """250 changes are three messages."""
    app, url = receiver
    salesforce.outbound.subscribe("Lead", ["Title"], url)
    for _ in range(250):
        salesforce.add("Lead", LEAD)
    salesforce.outbound.flush()
    assert [len(one) for one in app.got] == [100, 100, 50]
