"""HubSpot → gateway → Salesforce and back, over real sockets: the main job with the two systems most users have."""

from __future__ import annotations

import importlib.resources
import subprocess
import sys
from typing import ClassVar

import pytest
from two_systems import START, TwoSystems, between

GATEWAY = """
instance: {name: Circle, zone: UTC, currency: EUR}
systems:
  hubspot:
    plugin: hubspot
    role: ma
    pull: 1m
    outbound: on
    settings: {token: "${HS_TOKEN}", client_secret: "${HS_SECRET}", base_url: "HUBSPOT_URL"}
  salesforce:
    plugin: salesforce
    role: crm
    pull: 1m
    outbound: on
    settings:
      login_url: SALESFORCE_URL
      consumer_key: ${SF_KEY}
      consumer_secret: ${SF_SECRET}
      task: {}
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
      FirstName: {to: first_name, sync: newest}
      LastName: {to: last_name, sync: newest}
      Company: {to: company_name, sync: newest}
      Email: {to: email, sync: newest}
      Title: {to: title, sync: newest}
      Gateway_Score__c: {to: score, sync: out}
      Gateway_Reason__c: {to: handoff_id, sync: out}
    outcomes:
      - {outcome: accepted, when: {Status: Working - Contacted}}
      - {outcome: rejected, when: {Status: Closed - Not Converted}}
"""
SCORING = """
weights: {fit: 60, behaviour: 40}
maximum: {fit: 30, behaviour: 30}
fit:
  - {name: Decision maker, when: {title: {matches: chief}}, points: 30}
behaviour:
  - {name: Page view, activity: page_view, points: 2, cap: 10}
  - {name: Click, activity: email_click, points: 10, cap: 10}
  - {name: Download, activity: form_submitted, points: 10, cap: 10}
"""
JOURNEY = """
stages:
  - {name: target, shared: target}
  - {name: mql, shared: mql, entry: {score: 80}, steps: [{handoff: salesforce}]}
  - {name: sal, shared: sal, entry: {outcome: [accepted]}}
"""


class Circle(TwoSystems):
    FILES: ClassVar = {
        "gateway.yaml": GATEWAY,
        "scoring.yaml": SCORING,
        "journey.yaml": JOURNEY,
        "mappings/hubspot.yaml": importlib.resources.files("gateway_hubspot").joinpath("mapping.yaml").read_text(),
        "mappings/salesforce.yaml": SALESFORCE,
    }

    def begin(self):
        subprocess.run([sys.executable, "-m", "gateway", "-C", self.folder, "plugins", "setup", "hubspot"], check=True)

    def person(self, name, title, **counters):
        return self.hubspot.add(
            "contacts",
            {
                "email": f"{name}@firm.example",
                "firstname": name,
                "lastname": "Doe",
                "jobtitle": title,
                "company": "Firm",
                "hs_analytics_num_page_views": "1",
                "hs_email_click": "0",
                "num_conversion_events": "0",
                **counters,
            },
        )

    def effects(self, *sandboxes):
        return [effect for sandbox in sandboxes for effect in sandbox.effects]


@pytest.fixture
def circle(tmp_path):
    with between(Circle, tmp_path / "instance") as circle:
        yield circle


def test_a_lead_goes_from_hubspot_to_salesforce_and_its_outcome_comes_back(circle):
    """Scored from a page view, a click and a download; one Lead and one Task; HubSpot learns score and stage."""
    chief, intern = circle.person("ann", "Chief Buyer"), circle.person("bob", "Intern")
    circle.turn(2)
    assert len(circle.salesforce.records["Lead"]) == 0
    later = {
        "hs_analytics_num_page_views": "6",
        "hs_analytics_last_timestamp": START.isoformat(),
        "hs_email_click": "1",
        "hs_email_last_click_date": START.isoformat(),
        "num_conversion_events": "1",
        "recent_conversion_date": START.isoformat(),
        "recent_conversion_event_name": "Guide",
    }
    for one in (chief, intern):
        circle.hubspot.edit("contacts", one.id, later)
    circle.turn(3)
    (lead,) = circle.salesforce.records["Lead"].values()
    assert (lead.values["Email"], lead.values["Gateway_Score__c"]) == ("ann@firm.example", 100)
    (task,) = circle.salesforce.records["Task"].values()
    assert task.values["WhoId"] == lead.id
    scores = {one.id: circle.hubspot.records["contacts"][one.id].values.get("gw_score") for one in (chief, intern)}
    assert scores == {chief.id: "100", intern.id: "40"}

    circle.salesforce.edit("Lead", lead.id, {"Status": "Working - Contacted"})
    circle.turn(3)
    assert circle.hubspot.records["contacts"][chief.id].values["gw_stage"] == "sal"


def test_what_we_wrote_ourselves_is_no_news(circle):
    """Once everything is told, turns without news write nothing anywhere."""
    circle.person("ann", "Chief Buyer", hs_email_click="1", num_conversion_events="1")
    circle.turn(4)
    before = len(circle.effects(circle.hubspot, circle.salesforce))
    circle.turn(4)
    assert len(circle.effects(circle.hubspot, circle.salesforce)) == before


def test_a_change_in_one_system_reaches_the_other_and_not_itself(circle):
    """Sales correct a title; the gateway writes it nowhere but where it is missing."""
    ann = circle.person("ann", "Chief Buyer")
    circle.turn(2)
    later = {"hs_email_click": "1", "num_conversion_events": "1", "hs_analytics_num_page_views": "6"}
    circle.hubspot.edit("contacts", ann.id, later)
    circle.turn(3)
    (lead,) = circle.salesforce.records["Lead"].values()
    writes = len(circle.effects(circle.salesforce))
    circle.hubspot.edit("contacts", ann.id, {"jobtitle": "Chief Executive"})
    circle.turn(3)
    assert circle.salesforce.records["Lead"][lead.id].values["Title"] == "Chief Executive"
    assert len(circle.effects(circle.salesforce)) == writes + 1


@pytest.mark.parametrize("action", ["drop before", "drop after", "error"])
def test_after_a_fault_both_systems_and_the_gateway_agree(circle, action):
    """A call that was cut before or after its effect, or refused: one Lead and one Task all the same."""
    made = {
        "drop before": {"drop": "before"},
        "drop after": {"drop": "after"},
        "error": {"status": 503, "body": "try later"},
    }[action]
    circle.salesforce.faults.add("(POST|PATCH) .*composite.*", times=2, action=made)
    circle.person("ann", "Chief Buyer")
    circle.turn(2)
    ann = next(iter(circle.hubspot.records["contacts"].values()))
    later = {"hs_email_click": "1", "num_conversion_events": "1", "hs_analytics_num_page_views": "6"}
    circle.hubspot.edit("contacts", ann.id, later)
    circle.turn(12)
    assert (len(circle.salesforce.records["Lead"]), len(circle.salesforce.records["Task"])) == (1, 1)
