"""``gateway pull hubspot`` on an account that was there before the gateway: news, its past, and fields read again."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import gateway_sandbox as sandbox
import pytest
from click.testing import CliRunner
from gateway_sandbox.hubspot.limits import Limits
from sqlalchemy import select

from gateway.cli.main import cli
from gateway.opening import open_gateway
from gateway.store import tables as t
from gateway.store.database import read
from gateway.times import from_micros

NOW = datetime.now(UTC).replace(microsecond=0)
LONG_AGO = NOW - timedelta(days=400)
GATEWAY = """
instance: {{name: Example, zone: UTC, currency: EUR}}
systems:
  hubspot:
    plugin: hubspot
    role: ma
    settings: {{token: file:token, base_url: "{url}", objects: [contacts, deals]}}
"""
MAPPING = """
system: hubspot
timezone: UTC
objects:
  contact:
    kind: person
    only: {object: contact}
    id: id
    time: updatedAt
    created: createdAt
    include: {email: {known: true}}
    exclude: [{reason: test address, when: {email: {ends_with: "@test.example"}}}]
    fields: {email: email, jobtitle: title, lifecyclestage: hubspot_stage}
    outcomes:
      - {outcome: qualified, when: {lifecyclestage: salesqualifiedlead}}
  deal:
    kind: deal
    only: {object: deal}
    id: id
    time: updatedAt
    fields: {dealname: name, dealstage: deal_stage, deal_status: status}
"""


@pytest.fixture
def portal():
    box = sandbox.HubSpotSandbox(clock=sandbox.Clock(NOW, 1), limits=Limits(None, None, None))
    with sandbox.serve(box) as server:
        box.url = server.url
        yield box


class Instance:
    def __init__(self, root, url):
        self.root = root
        (root / "gateway.yaml").write_text(GATEWAY.format(url=url))
        (root / "token").write_text("pat-sandbox\n")
        (root / "mappings").mkdir()
        self.map(MAPPING)

    def map(self, text):
        (self.root / "mappings/hubspot.yaml").write_text(text)

    def run(self, *command, code=0, **more):
        result = CliRunner().invoke(cli, ["-C", str(self.root), *command], catch_exceptions=False, **more)
        assert result.exit_code == code, result.output
        return result

    def json(self, *command):
        return json.loads(self.run(*command, "--json").stdout)

    def rows(self, table, *columns):
        gateway = open_gateway(self.root)
        try:
            with read(gateway.store.main) as connection:
                return connection.execute(select(*(columns or [table]))).all()
        finally:
            gateway.close()


@pytest.fixture
def instance(tmp_path, portal):
    return Instance(tmp_path, portal.url)


def kim(portal):
    one = portal.add("contacts", {"email": "kim@example.org", "lifecyclestage": "lead"}, at=LONG_AGO)
    portal.edit("contacts", one.id, {"lifecyclestage": "salesqualifiedlead"}, at=LONG_AGO + timedelta(days=30))
    portal.edit("contacts", one.id, {"jobtitle": "Chief"}, at=LONG_AGO + timedelta(days=300))
    return one


def test_a_first_pull_takes_no_old_record_for_news(instance, portal):
    """It says so, and what to do; what comes after it is news."""
    kim(portal)
    first = instance.run("pull", "hubspot")
    assert "`gateway pull hubspot --history`" in first.stderr
    assert not instance.rows(t.leads)
    assert instance.run("pull", "hubspot").stderr == ""  # said once


def test_the_past_has_its_own_times(instance, portal):
    """A lead that was qualified long ago became so then; the deal was won when it was won."""
    kim(portal)
    deal = portal.add("deals", {"dealname": "Big", "dealstage": "appointmentscheduled"}, at=LONG_AGO)
    portal.edit("deals", deal.id, {"dealstage": "closedwon"}, at=LONG_AGO + timedelta(days=60))
    portal.edit("deals", deal.id, {"dealname": "Bigger"}, at=LONG_AGO + timedelta(days=90))
    told = instance.run("pull", "hubspot", "--history")
    assert "contacts         1 record, " in told.stderr
    assert "the past of hubspot: 2 records in about " in told.stderr
    [outcome] = instance.rows(t.outcomes)
    assert (from_micros(outcome.at), outcome.precision) == (LONG_AGO + timedelta(days=30), "instant")
    assert [from_micros(row.status_at) for row in instance.rows(t.deals)] == [LONG_AGO + timedelta(days=60)]


def test_who_is_excluded_now_does_not_come_in_by_the_past(instance, portal):
    """The mapping's conditions look at the record as it was, and where that is not kept, as it is."""
    one = portal.add("contacts", {"email": "sam@test.example", "jobtitle": "Intern"}, at=LONG_AGO)
    portal.edit("contacts", one.id, {"jobtitle": "Chief"}, at=LONG_AGO + timedelta(days=30))
    del one.history["email"][:]
    instance.run("pull", "hubspot", "--history")
    assert not instance.rows(t.leads)


def test_the_past_of_a_complete_object_leaves_nothing_blank(instance, portal):
    """What an item of such an object leaves out is blank: so each moment brings all of it."""
    kim(portal)
    instance.map(MAPPING.replace("    created: createdAt\n", "    created: createdAt\n    complete: true\n"))
    instance.run("pull", "hubspot", "--history")
    events = [row.body for row in instance.rows(t.events) if row.type == "RecordChanged"]
    assert len(events) == 4
    assert [sorted(body.get("blank", ())) for body in events].count([]) == 2  # once it had a job title
    [lead] = instance.rows(t.leads, t.leads.c.attributes)
    assert lead.attributes == {"email": "kim@example.org", "title": "Chief", "hubspot_stage": "salesqualifiedlead"}


def test_a_stage_whose_change_is_not_kept_is_dated_by_its_own_property(instance, portal):
    """HubSpot keeps some twenty versions; the date of each stage it keeps for good."""
    one = kim(portal)
    portal.edit("contacts", one.id, {"lifecyclestage": "customer"}, at=LONG_AGO + timedelta(days=40))
    del one.history["lifecyclestage"][:2]
    instance.run("pull", "hubspot", "--history")
    [outcome] = instance.rows(t.outcomes)
    assert from_micros(outcome.at) == LONG_AGO + timedelta(days=30)


def test_history_calls_about_as_often_as_it_says(instance, portal):
    """As many as it states, and the few that nobody can tell before."""
    for n in range(120):
        portal.add("contacts", {"email": f"p{n}@example.org"}, at=LONG_AGO)
    instance.run("check")
    portal.calls.clear()
    told = instance.json("pull", "hubspot", "--history")["estimate"]
    listed = [call for call in portal.calls if call.path.endswith(("/contacts", "/deals", "/batch/read"))]
    paged = [call for call in listed if "archived=True" not in call.query and "/properties/" not in call.path]
    assert told["records"] == 120
    assert len(paged) <= told["calls"] <= len(paged) + 3


def test_nothing_is_asked_of_the_account_when_nobody_agrees(instance, portal, monkeypatch):
    """At a terminal the command asks; `--yes` goes without."""
    kim(portal)
    monkeypatch.setattr("gateway.cli.pull.asks", lambda: True)
    instance.run("pull", "hubspot", "--history", code=1, input="n\n")
    assert not instance.rows(t.leads)
    instance.run("pull", "hubspot", "--history", "--yes")
    assert len(instance.rows(t.leads)) == 1


def test_when_the_calls_are_used_up_it_waits_and_goes_on(instance, portal, monkeypatch):
    """It says until when; nothing is asked for twice."""
    for n in range(120):
        portal.add("contacts", {"email": f"p{n}@example.org"}, at=LONG_AGO)
    slept = []
    monkeypatch.setattr("gateway.jobs.Job.wait", lambda self, seconds: slept.append(seconds))
    used_up = {"limit": "daily", "retry_after": 700}
    portal.faults.script([{"match": "GET /crm/v3/objects/contacts.*after=", "times": 1, "action": used_up}])
    told = instance.run("pull", "hubspot", "--history")
    assert len(instance.rows(t.leads)) == 120
    assert "goes on at" in told.stderr
    assert "in about 4 calls, two minutes at most" in told.stderr
    assert len(slept) == 1
    listed = [call for call in portal.calls if "objects/contacts" in call.path and "archived=False" in call.query]
    assert len([call for call in listed if "after=" not in call.query]) == 1


def test_a_new_field_is_read_again_for_who_is_known(instance, portal):
    """`check` says so at its line, then the work list, until the pull has done it: with just this field, as no news."""
    one = kim(portal)
    portal.edit("contacts", one.id, {"city": "Oslo"}, at=LONG_AGO + timedelta(days=310))
    instance.run("pull", "hubspot", "--history")
    instance.map(MAPPING.replace("jobtitle: title", "jobtitle: title, city: city"))
    warned = "1 known record was read without city, or otherwise; `gateway pull hubspot --fields city` does it again"
    assert warned in instance.run("check").output
    assert "contact: 1 known record was read without city" in instance.run("work", "list").output
    portal.calls.clear()
    report = instance.json("pull", "hubspot", "--fields", "city")
    assert (report["fields"], report["history"]) == ({"contact": ["city"]}, True)
    [call] = [call for call in portal.calls if "batch/read" in call.path]
    assert sorted(call.json()["properties"]) == ["city", "email"]  # by which it is decided who comes in at all
    [lead] = instance.rows(t.leads, t.leads.c.attributes)
    assert lead.attributes["city"] == "Oslo"
    assert instance.json("work", "list")["work"] == []


def test_a_field_that_no_mapping_reads_is_refused(instance):
    """With the name that was meant."""
    told = instance.run("pull", "hubspot", "--fields", "jobtitel", code=1)
    assert "takes in no field 'jobtitel'; did you mean 'jobtitle'?" in told.stderr
    instance.run("pull", "hubspot", "--fields", "jobtitle", "--history", code=2)
