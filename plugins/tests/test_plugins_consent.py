"""Consent between HubSpot and Salesforce: an opt-out reaches the other system, channel by channel and type by type."""

from __future__ import annotations

from typing import ClassVar

import pytest
from sqlalchemy import select
from two_systems import TwoSystems, between

from gateway.store import tables as t

GATEWAY = """
instance: {name: Consent, zone: UTC, currency: EUR}
systems:
  hubspot:
    plugin: hubspot
    role: ma
    pull: 1m
    outbound: on
    settings: {token: "${HS_TOKEN}", base_url: "HUBSPOT_URL", subscriptions: [11001, 11003], lists: [News]}
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
    fields:
      email: email
      jobtitle: title
      hs_email_optout: {to: opted_out_email, type: boolean}
      opted_out_email: {to: opted_out_email, type: boolean, sync: out}
      opted_in_email: {to: opted_in_email, type: datetime, sync: out}
      hs_email_optout_11003: {to: opted_out_newsletter, type: boolean, sync: newest}
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
    create: never
    fields:
      Email: email
      HasOptedOutOfEmail: {to: opted_out_email, type: boolean, sync: newest}
      No_Newsletter__c: {to: opted_out_newsletter, type: boolean, sync: newest}
      Opted_In__c: {to: opted_in_email, type: datetime}
      Opted_In_News__c: {to: opted_in_newsletter, type: datetime}
"""
SCORING = """
weights: {fit: 60, behaviour: 40}
maximum: {fit: 20, behaviour: 10}
fit: [{name: Chief, when: {title: {starts_with: chief}}, points: 20}]
"""
JOURNEY = """
stages:
  - {name: target, shared: target}
  - {name: warm, shared: target, entry: {score: 50}, steps: [{join: News}]}
"""


class Both(TwoSystems):
    FILES: ClassVar = {
        "gateway.yaml": GATEWAY,
        "scoring.yaml": SCORING,
        "journey.yaml": JOURNEY,
        "mappings/hubspot.yaml": HUBSPOT,
        "mappings/salesforce.yaml": SALESFORCE,
    }
    number = 0

    def prepare(self):
        for field in ("No_Newsletter__c boolean", "Opted_In__c datetime", "Opted_In_News__c datetime"):
            self.salesforce.define("Lead", field)
        self.hubspot.define_gateway()
        self.news = self.hubspot.lists.make("News")

    def turn(self, times=2, minutes=5):
        super().turn(times, minutes)

    def person(self, **values):
        """(address, id of the lead in Salesforce) of somebody new who is in both."""
        self.number += 1
        address = f"p{self.number}@firm.example"
        self.contact = self.hubspot.add("contacts", {"email": address, "jobtitle": "Buyer", **values}).id
        self.turn()
        lead = self.salesforce.add("Lead", {"LastName": "P", "Company": "Firm", "Email": address})
        self.turn()
        return address, lead

    def wants(self, address):
        """Subscription type → whether they want it, as far as HubSpot was told."""
        return {type_: wanted for (whose, type_), wanted in self.hubspot.preferences.opted.items() if whose == address}

    def dead(self):
        with self.gateway.store.main.connect() as connection:
            return connection.execute(select(t.writes.c.code).where(t.writes.c.state == "dead")).scalars().all()


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    with between(Both, tmp_path_factory.mktemp("consent")) as both:
        yield both


def test_who_unsubscribes_in_hubspot_is_not_mailed_by_sales(both):
    """And HubSpot is not told what it said itself."""
    address, lead = both.person()
    both.hubspot.preferences.opt_out(address)
    both.turn()
    assert lead["HasOptedOutOfEmail"] is True
    assert set(both.wants(address).values()) <= {False}


def test_who_tells_sales_is_not_mailed_by_marketing(both):
    """Taken off each of the types that the settings name."""
    address, lead = both.person()
    both.salesforce.edit("Lead", lead.id, {"HasOptedOutOfEmail": True})
    both.turn()
    assert both.wants(address) == {"11001": False, "11003": False}


def test_one_type_goes_both_ways_and_touches_no_other(both):
    """A newsletter that is not wanted is not the end of all e-mail."""
    address, lead = both.person()
    both.hubspot.preferences.opt_out(address, "11003")
    both.turn()
    assert (lead["No_Newsletter__c"], lead["HasOptedOutOfEmail"] or False) == (True, False)
    other, theirs = both.person()
    both.salesforce.edit("Lead", theirs.id, {"No_Newsletter__c": True})
    both.turn()
    assert both.wants(other) == {"11003": False}


def test_an_explicit_opt_in_is_passed_on(both):
    """With its time; nobody else is subscribed."""
    address, lead = both.person()
    both.salesforce.edit("Lead", lead.id, {"Opted_In__c": "2026-05-30T09:00:00Z"})
    both.turn()
    assert both.wants(address) == {"11001": True, "11003": True}


def test_an_opt_in_in_general_leaves_a_single_type_alone(both):
    """Who left the newsletter did not ask for it again."""
    address, lead = both.person()
    both.hubspot.preferences.opt_out(address, "11003")
    both.turn()
    both.salesforce.edit("Lead", lead.id, {"Opted_In__c": both.at.isoformat()})
    both.turn()
    assert both.wants(address) == {"11001": True, "11003": False}
    assert lead["No_Newsletter__c"] is True
    assert both.dead() == []


def test_who_had_unsubscribed_before_sales_knew_them_is_not_mailed(both):
    """The record of sales is younger than the opt-out, and its empty box says nothing."""
    both.number += 1
    address = f"p{both.number}@firm.example"
    both.hubspot.add("contacts", {"email": address, "jobtitle": "Buyer"})
    both.turn()
    both.hubspot.preferences.opt_out(address)
    both.turn()
    lead = both.salesforce.add("Lead", {"LastName": "P", "Company": "Firm", "Email": address})
    both.turn()
    assert lead["HasOptedOutOfEmail"] is True


def test_an_empty_box_is_no_opt_in(both):
    """Who unticks it in Salesforce finds it ticked again: somebody else said so."""
    address, lead = both.person()
    both.hubspot.preferences.opt_out(address)
    both.turn()
    both.salesforce.edit("Lead", lead.id, {"HasOptedOutOfEmail": False})
    both.turn()
    assert lead["HasOptedOutOfEmail"] is True


def test_who_unsubscribed_themselves_is_not_put_back(both):
    """HubSpot lets only them come back: what sales heard is a dead letter that says so."""
    address, lead = both.person()
    both.hubspot.preferences.opt_out(address)
    both.turn()
    both.salesforce.edit("Lead", lead.id, {"Opted_In__c": both.at.isoformat()})
    both.turn()
    assert True not in both.wants(address).values()
    assert both.dead() == ["CANNOT_RESUBSCRIBE"]


def test_who_opted_out_leaves_the_lists_and_joins_none(both):
    """Wherever they said it."""
    _, lead = both.person(jobtitle="Chief Buyer")
    contact = both.contact
    assert contact in both.news.members
    both.salesforce.edit("Lead", lead.id, {"HasOptedOutOfEmail": True})
    both.turn()
    assert contact not in both.news.members
    before = set(both.news.members)
    out = both.hubspot.add("contacts", {"email": "out@firm.example", "jobtitle": "Buyer"})
    both.hubspot.preferences.opt_out("out@firm.example")
    both.turn()
    both.hubspot.edit("contacts", out.id, {"jobtitle": "Chief"})
    both.turn()
    assert set(both.news.members) == before


def test_a_later_opt_in_lifts_its_own_type_alone(both):
    """Sales hears that they want the newsletter again, and nothing else; HubSpot says that only they can come back."""
    address, lead = both.person()
    both.hubspot.preferences.opt_out(address, "11003")
    both.turn()
    both.salesforce.edit("Lead", lead.id, {"HasOptedOutOfEmail": True})
    both.turn()
    before = len(both.dead())
    both.salesforce.edit("Lead", lead.id, {"Opted_In_News__c": both.at.isoformat()})
    both.turn()
    assert (lead["No_Newsletter__c"], lead["HasOptedOutOfEmail"]) == (False, True)
    assert both.wants(address) == {"11001": False, "11003": False}
    assert both.dead()[before:] == ["CANNOT_RESUBSCRIBE"]
