"""Salesforce's past: what records were, with the times of their changes; what no change dates is marked so."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta

import gateway_sandbox as sandbox
import orjson
import pytest
from sqlalchemy import select

from gateway.contracts import Lookup
from gateway.opening import open_gateway
from gateway.store import tables as t
from gateway.store.database import read
from gateway.times import from_micros

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
DAY = timedelta(days=1)
GATEWAY = """
instance: {{name: Example, zone: UTC, currency: EUR}}
deals: {{system_of_record: crm}}
systems:
  crm:
    plugin: salesforce
    role: crm
    settings: {{login_url: "{url}", consumer_key: sandbox-consumer-key, consumer_secret: file:secret}}
"""
MAPPING = """
system: crm
timezone: UTC
objects:
  Lead:
    kind: person
    only: {object: Lead}
    id: Id
    time: SystemModstamp
    created: CreatedDate
    fields: {Email: email, LastName: last_name, Status: status, Title: title}
    outcomes:
      - {outcome: accepted, when: {Status: Working - Contacted}}
      - {outcome: rejected, when: {Title: Student}}
      - {outcome: qualified, when: {IsConverted: true}}
  Opportunity:
    kind: deal
    only: {object: Opportunity}
    id: Id
    time: SystemModstamp
    created: CreatedDate
    fields: {StageName: deal_stage, deal_status: status, Name: name}
"""


@pytest.fixture
def org():
    made = sandbox.SalesforceSandbox(clock=sandbox.Clock(START))
    with sandbox.serve(made) as server:
        made.url = server.url
        yield made


@pytest.fixture
def gateway(tmp_path, org):
    (tmp_path / "gateway.yaml").write_text(GATEWAY.format(url=org.url))
    (tmp_path / "secret").write_text("sandbox-consumer-secret\n")
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mappings/crm.yaml").write_text(MAPPING)
    gateway = open_gateway(tmp_path, org.clock.now)
    yield gateway
    gateway.close()


def history(gateway):
    for stream in gateway.sources["crm"].streams():
        for _ in gateway.pullings["crm"].history(stream):
            pass
    while gateway.run_pipeline_once("test"):
        pass


def rows(gateway, table):
    with read(gateway.store.main) as connection:
        return connection.execute(select(table)).all()


def test_an_outcome_of_the_past_has_the_time_of_its_change(org, gateway):
    """By the lead's field history; a value that no row of it dates is marked so."""
    lead = org.add("Lead", {"LastName": "Berg", "Company": "Norvik", "Email": "a@example.org", "Title": "Student"})
    org.clock.advance(DAY)
    org.edit("Lead", lead.id, {"Status": "Working - Contacted"})
    org.clock.advance(5 * DAY)
    org.edit("Lead", lead.id, {"Company": "Norvik Ltd"})
    history(gateway)
    found = {row.outcome: (from_micros(row.at), row.precision) for row in rows(gateway, t.outcomes)}
    assert found == {"accepted": (START + DAY, "instant"), "rejected": (START + 6 * DAY, "unknown")}
    assert {row.history for row in _documents(gateway)} == {True}


def _documents(gateway):
    with read(gateway.store.inbox) as connection:
        return connection.execute(select(t.documents)).all()


def test_a_conversion_of_the_past_has_its_time(org, gateway):
    """However often the lead was touched since; what it was before is known with it."""
    lead = org.add("Lead", {"LastName": "Berg", "Company": "Norvik", "Email": "a@example.org"})
    org.clock.advance(DAY)
    org.convert(lead.id)
    org.clock.advance(5 * DAY)
    org.org.write(org.records["Lead"][lead.id], {}, org.org.user)
    history(gateway)
    [outcome] = rows(gateway, t.outcomes)
    assert (outcome.outcome, from_micros(outcome.at), outcome.precision) == ("qualified", START + DAY, "instant")


def test_the_stages_of_a_deal_are_dated(org, gateway):
    """From the table that every org keeps, its first stage and the closing included."""
    deal = org.add("Opportunity", {"Name": "Big", "StageName": "Prospecting", "CloseDate": "2026-06-01"})
    for stage in ("Qualification", "Closed Won"):
        org.clock.advance(DAY)
        org.edit("Opportunity", deal.id, {"StageName": stage})
    org.clock.advance(5 * DAY)
    org.edit("Opportunity", deal.id, {"Name": "Bigger"})
    history(gateway)
    stages = sorted((from_micros(row.at), row.stage, row.status) for row in rows(gateway, t.deal_stages))
    assert stages == [
        (START, "Prospecting", "open"),
        (START + DAY, "Qualification", "open"),
        (START + 2 * DAY, "Closed Won", "won"),
    ]
    assert [from_micros(row.status_at) for row in rows(gateway, t.deals)] == [START + 2 * DAY]


def test_what_history_costs_is_told_before(org, gateway):
    """Records by the org's own count, calls for them and for their former values."""
    for n in range(3):
        org.add("Lead", {"LastName": f"P{n}", "Company": "Norvik", "Email": f"p{n}@example.org"})
    told = gateway.sources["crm"].estimate("Lead", None)
    assert (told.records, told.calls) == (3, 2)
    before = len(org.calls)
    for _ in gateway.pullings["crm"].history("Lead"):
        pass
    assert len(org.calls) - before == told.calls


def test_after_its_past_a_stream_goes_on_with_news(org, gateway):
    """The pull of what is new begins where the history ended, and reads nothing of it again."""
    lead = org.add("Lead", {"LastName": "Berg", "Company": "Norvik", "Email": "a@example.org"})
    history(gateway)
    org.clock.advance(DAY)
    org.edit("Lead", lead.id, {"Title": "Chief"})
    assert gateway.pullings["crm"].begin("Lead") is None
    for _ in gateway.pullings["crm"].bring_in("Lead"):
        pass
    assert [row.history for row in _documents(gateway) if row.stream == "Lead"] == [True, False]


def test_a_field_that_comes_back_is_read_again_the_next_day(org, gateway):
    """What the org does not have is left out for a day, not for as long as the process lives."""
    lead = org.add("Lead", {"LastName": "Berg", "Company": "Norvik", "Email": "a@example.org", "Title": "Chief"})
    title = org.org.objects["Lead"]["Title"]
    org.hide("Lead", "Title")
    history(gateway)
    org.org.objects["Lead"]["Title"] = title
    for hours, known in ((1, False), (24, True)):
        org.clock.advance(timedelta(hours=hours))
        org.edit("Lead", lead.id, {"LastName": f"Berg{hours}"})
        for _ in gateway.pullings["crm"].bring_in("Lead"):
            pass
        while gateway.run_pipeline_once("test"):
            pass
        [row] = rows(gateway, t.leads)
        assert ("title" in row.attributes) == known


def test_what_is_told_of_a_person_is_read_again_too(org, gateway):
    """A task of long ago, for a rule that the mapping has since: by the person, with its own time."""
    lead = org.add("Lead", {"LastName": "Berg", "Company": "Norvik", "Email": "a@example.org"})
    org.add("Task", {"Subject": "Call", "WhoId": lead.id, "Status": "Completed"})
    org.add("Task", {"Subject": "Mail", "WhoId": lead.id})
    asked = ("Id", "SystemModstamp", "Task.CompletedDateTime", "Task.Id", "Task.IsClosed")
    [page] = gateway.sources["crm"].fetch([Lookup(system="crm", object="Lead", record=lead.id, fields=asked)])
    items = orjson.loads(page.document)["records"]
    assert [item.get("Task.IsClosed") for item in items] == [None, True, False]
    assert {item["Id"] for item in items} == {lead.id}


def test_users_have_no_past(tmp_path, org):
    """Salesforce keeps no history of them, so it is not asked, and nobody reads of an error."""
    (tmp_path / "gateway.yaml").write_text(GATEWAY.format(url=org.url))
    (tmp_path / "secret").write_text("sandbox-consumer-secret\n")
    (tmp_path / "mappings").mkdir()
    users = "  User: {kind: user, only: {object: User}, id: Id, time: SystemModstamp, fields: {Email: email}}\n"
    (tmp_path / "mappings/crm.yaml").write_text(MAPPING + users)
    with closing(open_gateway(tmp_path, org.clock.now)) as gateway:
        history(gateway)
    assert org.calls.matching("FROM.User")
    assert not org.calls.matching("User__History")
