"""Trying, taking back, merging and splitting with HubSpot and Salesforce on either side, over real sockets."""

from __future__ import annotations

from typing import ClassVar

import pytest
from sqlalchemy import select
from two_systems import TwoSystems, between

from gateway import trial
from gateway.outbound import undo
from gateway.people import regrouping
from gateway.store import pushes
from gateway.store import tables as t

GATEWAY = """
instance: {name: Both, zone: UTC, currency: EUR}
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
      lastname: last_name
      jobtitle: {to: title, sync: newest}
      hs_email_optout: {to: opted_out_email, type: boolean}
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
      LastName: last_name
      Title: {to: title, sync: newest}
      Gateway_Id__c: {to: lead_id, sync: out}
"""


class Both(TwoSystems):
    FILES: ClassVar = {
        "gateway.yaml": GATEWAY,
        "mappings/hubspot.yaml": HUBSPOT,
        "mappings/salesforce.yaml": SALESFORCE,
    }

    def person(self, name, title):
        contact = self.hubspot.add("contacts", {"email": f"{name}@x.example", "lastname": name, "jobtitle": title})
        self.turn(2)
        lead = self.salesforce.add(
            "Lead", {"Email": f"{name}@x.example", "LastName": name, "Company": "X", "Title": title}
        )
        self.turn(3)
        return contact.id, lead.id

    def title(self, lead):
        return self.salesforce.records["Lead"][lead].values["Title"]

    def content(self):
        with self.gateway.store.main.connect() as main, self.gateway.store.inbox.connect() as inbox:
            pairs = [(main, table) for table in t.main.sorted_tables if table.name != "budgets"]
            pairs += [(inbox, table) for table in t.inbox.sorted_tables]
            return {table.name: sorted(map(repr, connection.execute(select(table)))) for connection, table in pairs}

    def pushes(self):
        with self.gateway.store.main.connect() as connection:
            return {row[0] for row in pushes.newest(connection, 99)}

    def last_push(self):
        return max(name for name in self.pushes() if name.startswith("salesforce"))


@pytest.fixture
def both(tmp_path):
    with between(Both, tmp_path / "instance") as both:
        yield both


def test_an_undo_puts_back_what_salesforce_held_and_holds_it(both):
    """The mistake came from HubSpot and stays there; only its next edit is sent."""
    contact, lead = both.person("ann", "Buyer")
    both.hubspot.edit("contacts", contact, {"jobtitle": "Mistake"})
    both.turn(2)
    assert both.title(lead) == "Mistake"
    undo.undo(both.gateway, both.last_push())
    both.turn(3)
    assert both.title(lead) == "Buyer"
    assert both.hubspot.records["contacts"][contact].values["jobtitle"] == "Mistake"
    both.hubspot.edit("contacts", contact, {"lastname": "Ames"})
    both.turn(3)
    assert both.title(lead) == "Buyer"
    both.hubspot.edit("contacts", contact, {"jobtitle": "Chief Buyer"})
    both.turn(2)
    assert both.title(lead) == "Chief Buyer"


def test_a_live_record_is_tried_without_a_trace(both):
    """Fetched, shown with the lead it is or would be; afterwards both databases are what they were."""
    contact, lead = both.person("ann", "Buyer")
    both.hubspot.edit("contacts", contact, {"jobtitle": "Chief Buyer"})
    new = both.hubspot.add("contacts", {"email": "bob@x.example", "lastname": "Bob", "jobtitle": "Clerk"})
    before = both.content()
    known = trial.of_record(both.gateway, ("hubspot", "contact", contact))
    [outcome] = known.outcomes
    assert {planned.wanted.record: planned.wanted.fields for planned in outcome.writes} == {
        lead: {"Title": "Chief Buyer"}
    }
    [outcome] = trial.of_record(both.gateway, ("hubspot", "contact", new.id)).outcomes
    assert (outcome.new, outcome.lead.attributes["title"]) == (True, "Clerk")
    [outcome] = trial.of_record(both.gateway, ("salesforce", "Lead", lead)).outcomes
    assert outcome.lead.attributes["email"] == "ann@x.example"
    assert both.content() == before


def test_a_split_pair_stays_apart_while_both_systems_are_asked(both):
    """Merged by mistake, split again: each record is its own lead's, and carries its own lead's id."""
    (one, first), (two, second) = both.person("ann", "Buyer"), both.person("bob", "Clerk")
    both.hubspot.edit("contacts", two, {"hs_email_optout": "true"})
    both.turn(2)
    ids = [both.gateway.find_lead(f"hubspot:contact:{contact}") for contact in (one, two)]
    sent = both.pushes()
    told = regrouping.merge(both.gateway, *ids, "kim", go=True)
    assert [side.consent for side in told.after] == [["opted_out_email"]]
    both.turn(2)
    records = [("hubspot", "contact", two), ("salesforce", "Lead", second)]
    regrouping.split(both.gateway, ids[0], records, "kim", go=True)
    for push in both.pushes() - sent:  # what the systems were told of the one person
        undo.undo(both.gateway, push)
    both.turn(3)
    for lead in (first, second):
        both.salesforce.edit("Lead", lead, {"LastName": "Doe"})
    both.turn(3)
    leads = both.salesforce.records["Lead"]
    assert [leads[lead].values["Gateway_Id__c"] for lead in (first, second)] == ids
    assert [both.gateway.find_lead(f"salesforce:Lead:{lead}") for lead in (first, second)] == ids
    assert [both.title(lead) for lead in (first, second)] == ["Buyer", "Clerk"]
    with both.gateway.store.main.connect() as connection:
        opted = dict(connection.execute(select(t.leads.c.id, t.leads.c.attributes)).all())
    assert [opted[id_].get("opted_out_email") for id_ in ids] == [None, True]


def test_an_undo_looks_before_it_writes(both):
    """Somebody has edited the field over there, and the gateway has not heard of it yet: their word stays."""
    contact, lead = both.person("ann", "Buyer")
    both.hubspot.edit("contacts", contact, {"jobtitle": "Mistake"})
    both.turn(2)
    undo.undo(both.gateway, both.last_push())
    both.salesforce.edit("Lead", lead, {"Title": "Owner"})
    both.deliver("salesforce")
    assert both.title(lead) == "Owner"
    both.turn(3)
    assert both.title(lead) == "Owner"
