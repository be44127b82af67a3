"""Both sides counted live: HubSpot says whom marketing passed, Salesforce what sales received, and why they differ."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest
from click.testing import CliRunner
from gateway_sandbox.hubspot import Property
from two_systems import START, TwoSystems, between

from gateway.cli.main import cli
from gateway.contracts import Count
from gateway.errors import ConfigError, GatewayError
from gateway.reconciling import reconcile

JUNE = (datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC))
GATEWAY = """
instance: {name: Both, zone: UTC, currency: EUR}
merge_on_email: true
systems:
  hubspot: {plugin: hubspot, role: ma, pull: 1m, settings: {token: "${HS_TOKEN}", base_url: "HUBSPOT_URL"}}
  salesforce:
    plugin: salesforce
    role: crm
    pull: 1m
    outbound: on
    settings: {login_url: "SALESFORCE_URL", consumer_key: "${SF_KEY}", consumer_secret: "${SF_SECRET}"}
"""
HUBSPOT = """
system: hubspot
timezone: UTC
objects:
  contact:
    kind: person
    only: {object: contact}
    id: id
    time: updatedAt
    exclude: [{reason: our own people, when: {email: {ends_with: "@us.example"}}}]
    fields: {email: email, lastname: last_name, jobtitle: title, company: company_name}
counts:
  - {side: passed, object: contact, at: mql_at, where: {lifecyclestage: [marketingqualifiedlead, salesqualifiedlead]}}
"""
SALESFORCE = """
system: salesforce
timezone: UTC
objects:
  Lead:
    kind: person
    only: {object: Lead}
    id: Id
    time: SystemModstamp
    created: CreatedDate
    create: handoff
    fields:
      Gateway_Id__c: {to: lead_id, sync: out}
      Email: {to: email, sync: newest}
      LastName: {to: last_name, sync: newest}
      Company: {to: company_name, sync: newest}
    outcomes: [{outcome: accepted, when: {Status: Working - Contacted}}]
counts:
  - {side: received, object: Lead, at: CreatedDate}
"""
SCORING = "fit: [{name: Decision maker, when: {title: {matches: chief}}, points: 100}]\n"
JOURNEY = """
stages:
  - {name: target, shared: target}
  - {name: mql, shared: mql, entry: {score: 50}, steps: [{handoff: salesforce}]}
  - {name: sal, shared: sal, entry: {outcome: [accepted]}}
never_hand_over: [{reason: student, when: {title: {matches: student}}}]
"""


class Company(TwoSystems):
    """Marketing marks contacts in one sandbox, sales work in the other."""

    FILES: ClassVar = {
        "gateway.yaml": GATEWAY,
        "scoring.yaml": SCORING,
        "journey.yaml": JOURNEY,
        "mappings/hubspot.yaml": HUBSPOT,
        "mappings/salesforce.yaml": SALESFORCE,
    }

    def prepare(self):
        self.hubspot.define("contacts", Property("mql_at", "Became an MQL", "datetime", "date", own=False))

    def begin(self):
        """Who is there at the first look is counted, too."""

    def contact(self, name, title, marked=START, domain="firm.example"):
        values = {"email": f"{name}@{domain}", "lastname": name, "jobtitle": title, "company": "Firm"}
        marks = {"mql_at": marked.isoformat(), "lifecyclestage": "marketingqualifiedlead"} if marked else {}
        return self.hubspot.add("contacts", values | marks)

    def lead_of(self, name):
        return next(one for one in self.salesforce.records.alive("Lead") if one["LastName"] == name)

    def reconciled(self):
        return reconcile(self.gateway, *JUNE, lambda at: f"{at:%Y-%m-%d}")[0]

    def said(self, *more):
        period = ("--since", "2026-06-01", "--until", "2026-07-01")
        told = CliRunner().invoke(cli, ["-C", str(self.folder), "metrics", "reconcile", *period, *more])
        assert told.exit_code == 0, told.output
        return told.output


@pytest.fixture
def company(tmp_path):
    with between(Company, tmp_path / "instance") as company:
        yield company


def test_every_lead_on_one_side_only_is_named_with_why(company):
    """One of each: what is said of it fits what was done to it, and the differences add up."""
    ids = {
        name: company.contact(name, title, **more).id
        for name, title, more in (
            ("ann", "Chief Buyer", {}),  # handed over: both sides count her
            ("bob", "Clerk", {}),  # marked by hand: the gateway does not find him ready
            ("sue", "Chief student", {}),
            ("eve", "Chief of Ours", {"domain": "us.example"}),
            ("dan", "Chief Deleted", {}),
            ("fay", "Chief Early", {"marked": datetime(2026, 5, 20, tzinfo=UTC)}),  # sales got her this month only
            ("gus", "Chief Doubled", {}),
            ("hal", "Chief Refused", {}),
        )
    }
    refused = {"code": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "message": "No", "fields": []}
    company.salesforce.faults.add("composite", times=None, action={"row": refused, "where": "hal@"})
    company.turn(2)
    company.salesforce.remove("Lead", company.lead_of("dan").id)
    own = company.salesforce.add("Lead", {"LastName": "Own", "Company": "X", "Email": "own@x.example"})
    twin = company.salesforce.add("Lead", {"LastName": "gus 2", "Company": "Firm", "Email": "gus@firm.example"})
    company.turn(2)
    unread = company.contact("ivy", "Chief Unread")
    found = company.reconciled()

    told = {(one["side"], one["record"]): (one["kind"], one["why"]) for one in found["only"]}
    refused = told.pop(("passed", ids["hal"]))
    assert refused[0] == "failed", refused
    assert told == {
        ("passed", ids["bob"]): ("filtered", "not handed over: by the gateway's rules it is not ready"),
        ("passed", ids["sue"]): ("filtered", "never handed over: student"),
        ("passed", ids["eve"]): ("filtered", "left out by the mapping of hubspot: our own people"),
        ("passed", ids["dan"]): ("deleted", "its record is deleted in salesforce"),
        ("passed", unread.id): ("late", "not heard of yet: `gateway pull hubspot`"),
        ("received", company.lead_of("fay").id): ("late", "hubspot counts it on 2026-05-20"),
        ("received", own.id): ("filtered", "no record where marketing counts: it came to sales another way"),
        ("received", twin.id): ("duplicate", "another record of this lead is counted here, too"),
    }
    assert found["both"] == 2  # ann and gus
    assert found["passed"]["count"] == 8
    assert found["received"]["count"] == 5
    assert found["difference"] == 3 == sum(one["passed"] - one["received"] for one in found["reasons"])

    said = company.said("--json")
    assert {name: json.loads(said)[name] for name in found} == found
    said = company.said()
    assert re.search(r"never handed over: student +filtered +1\n", said)
    assert re.search(r"all on one side only +6 +3\n", said)
    assert "2 of 2 leads behind" in company.said("--leads", "passed-only/filtered")


def test_both_count_by_pages(company, monkeypatch):
    """More than one answer holds: each once, in the order of ids."""
    monkeypatch.setattr("gateway_hubspot.source.SEARCH", 3)
    monkeypatch.setattr("gateway_salesforce.source.WINDOW", 3)
    contacts = [company.contact(f"c{n}", "Clerk", marked=START + timedelta(hours=n)) for n in range(7)]
    leads = [company.salesforce.add("Lead", {"LastName": f"l{n}", "Company": "X"}) for n in range(7)]
    passed = Count(object="contact", at="mql_at", where={"lifecyclestage": ("marketingqualifiedlead",)})
    found = dict(company.gateway.sources["hubspot"].counted(passed, START, START + timedelta(hours=6)))
    assert found == {one.id: START + timedelta(hours=n) for n, one in enumerate(contacts[:6])}
    received = Count(
        object="Lead", at="CreatedDate", where={"IsConverted": (False,), "LastName": ("l1", "l2", "l3", "l5")}
    )
    given = dict(company.gateway.sources["salesforce"].counted(received, *JUNE))
    assert set(given) == {leads[n].id for n in (1, 2, 3, 5)}


def test_a_side_that_nobody_counts_is_named(company):
    company.gateway.instance.systems["hubspot"].mapping.counts.clear()
    with pytest.raises(ConfigError, match=r"no mapping file says what is counted as passed"):
        company.reconciled()


def test_a_plugin_that_fails_is_named(company, monkeypatch):
    """By what it raised, not by what that says; one that gives anything else than records and times, too."""
    source = type(company.gateway.sources["hubspot"])
    monkeypatch.setattr(source, "counted", lambda *_: [("7", "today")])
    with pytest.raises(GatewayError, match="plugin hubspot: counted gave a record without an id"):
        company.reconciled()
    monkeypatch.setattr(source, "counted", lambda *_: {}["ann@firm.example"])
    with pytest.raises(GatewayError, match="plugin hubspot: counted raised KeyError") as caught:
        company.reconciled()
    assert "ann@" not in str(caught.value)
