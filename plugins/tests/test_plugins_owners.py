"""Owners against both sandboxes: users and queues come in, lead and task are the owner's, changes go both ways."""

from __future__ import annotations

from typing import ClassVar

import pytest
from sqlalchemy import select
from two_systems import TwoSystems, between

from gateway.people import staffing
from gateway.store import tables as t
from gateway.sweeps import clocks

GATEWAY = """
instance: {name: Both, zone: UTC, currency: EUR}
systems:
  hubspot: {plugin: hubspot, role: ma, pull: 1m, settings: {token: "${HS_TOKEN}", base_url: "HUBSPOT_URL"}}
  salesforce:
    plugin: salesforce
    role: crm
    pull: 1m
    outbound: on
    settings: {login_url: "SALESFORCE_URL", consumer_key: "${SF_KEY}", consumer_secret: "${SF_SECRET}", task: {}}
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
    fields: {email: email, lastname: last_name, jobtitle: title, company: company_name}
  owner:
    kind: user
    only: {object: owner}
    id: id
    time: received
    fields: {email: email, firstName: first_name, lastName: last_name, active: {to: active, type: boolean}}
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
    fields:
      Gateway_Id__c: {to: lead_id, sync: out}
      Email: {to: email, sync: newest}
      LastName: {to: last_name, sync: newest}
      Title: {to: title, sync: newest}
      Company: {to: company_name, sync: newest}
      OwnerId: {to: owner, sync: newest}
    outcomes: [{outcome: accepted, when: {Status: Working - Contacted}}]
  User:
    kind: user
    only: {object: User}
    id: Id
    time: SystemModstamp
    fields: {Email: email, Name: name, IsActive: {to: active, type: boolean}, TimeZoneSidKey: time_zone}
  Group:
    kind: user
    only: {object: Group, Type: Queue}
    id: Id
    time: SystemModstamp
    fields: {Name: name}
"""
SCORING = """
weights: {fit: 100, behaviour: 0}
maximum: {fit: 10, behaviour: 1}
fit: [{name: Chief, when: {title: {contains: chief}}, points: 10}]
"""
JOURNEY = """
stages:
  - {name: target, shared: target}
  - {name: mql, shared: mql, entry: {score: 50}, steps: [{handoff: salesforce}]}
  - {name: sal, shared: sal, entry: {outcome: [accepted]}}
calendars: {office: {zone: Europe/Berlin, hours: {mon-fri: "09:00-17:00"}}}
follow_up: {response: 4h, period: 5d, calendar: office, warn: 50, reassign: 200}
owners:
  - {name: Anna, user: anna.berg@sandbox.example}
  - {name: Tom, user: tom.okoye@sandbox.example}
  - {queue: Inbound leads}
fallback: Inbound leads
"""


class Both(TwoSystems):
    """It begins at 10:00 in London, 11:00 in Berlin and Rome."""

    FILES: ClassVar = {
        "gateway.yaml": GATEWAY,
        "scoring.yaml": SCORING,
        "journey.yaml": JOURNEY,
        "mappings/hubspot.yaml": HUBSPOT,
        "mappings/salesforce.yaml": SALESFORCE,
    }

    def prepare(self):
        self.people = dict(zip(("Anna", "Tom", "Mia"), self.salesforce.org.people, strict=True))

    def turn(self, times=2, minutes=5):
        super().turn(times, minutes)

    def do_what_is_due(self):
        for _ in range(4):
            self.pull()
            self.work()
            clocks.tick(self.gateway)
            self.deliver()

    def handed_over(self, name="ann"):
        self.hubspot.add(
            "contacts", {"email": f"{name}@x.example", "lastname": name, "jobtitle": "Chief", "company": "X"}
        )
        self.turn(3)
        return self.of(name)

    def of(self, name):
        """(the lead, its task) in Salesforce."""
        lead = next(one for one in self.salesforce.records.alive("Lead") if one["LastName"] == name)
        return lead, next(one for one in self.salesforce.records.alive("Task") if one["WhoId"] == lead.id)

    def rows(self, table):
        with self.gateway.store.main.connect() as connection:
            return connection.execute(select(table)).all()

    def change(self, object_, record, **fields):
        self.salesforce.org.update(object_, record, fields, self.people["Mia"])
        self.turn()


@pytest.fixture
def both(tmp_path):
    with between(Both, tmp_path / "instance") as both:
        yield both


def test_users_who_were_there_before_come_in_with_zones_and_queues(both):
    with both.gateway.store.main.connect() as connection:
        roster = both.gateway.pipeline.roster(connection, both.at)
        anna, tom, queue = staffing.standings(both.gateway, connection)
    assert [one.zone.key for one in (anna, tom, queue)] == ["Europe/Berlin", "Europe/London", "Europe/Berlin"]
    assert roster.id_of(queue.owner, "salesforce") == both.salesforce.org.queue
    assert {user.name for user in roster.users["hubspot"]} == {"Anna Berg", "Tom Okoye", "Mia Rossi"}


def test_an_unchanged_list_of_owners_makes_no_news(both):
    before = len(both.rows(t.events))
    both.turn(3)
    assert len(both.rows(t.events)) == before


def test_an_owner_of_hubspot_who_leaves_is_not_active_any_more(both):
    both.hubspot.account.owners[0]["archived"] = True
    both.turn()
    with both.gateway.store.main.connect() as connection:
        users = both.gateway.pipeline.roster(connection, both.at).users["hubspot"]
    assert [user.name for user in users if not user.active] == ["Anna Berg"]


def test_the_lead_and_its_task_are_the_owner_s(both):
    lead, task = both.handed_over()
    assert lead["OwnerId"] == task["OwnerId"] == both.people["Anna"]


def test_another_owner_gets_the_lead_and_its_task(both):
    both.handed_over()
    staffing.reassign(both.gateway, "ann@x.example", "Tom", "knows them", "tester")
    both.turn()
    lead, task = both.of("ann")
    assert lead["OwnerId"] == task["OwnerId"] == both.people["Tom"]


def test_an_owner_changed_in_salesforce_moves_the_handoff_and_its_task(both):
    lead, _ = both.handed_over()
    both.change("Lead", lead.id, OwnerId=both.people["Mia"])
    lead, task = both.of("ann")
    [handoff] = both.rows(t.handoffs)
    assert handoff.owner == lead["OwnerId"] == task["OwnerId"] == both.people["Mia"]


def test_who_is_deactivated_in_salesforce_loses_what_they_have(both):
    both.handed_over()
    both.change("User", both.people["Anna"], IsActive=False)
    both.turn()
    lead, _ = both.of("ann")
    assert lead["OwnerId"] == both.people["Tom"]


def test_nobody_answers_and_the_next_gets_it_by_their_own_hours(both):
    """Warned at half of four working hours; at twice of them it is Tom's, with four hours of London's day."""
    both.handed_over()
    both.turn(times=13, minutes=120)
    events = sorted(both.rows(t.clock_events), key=lambda row: row.id)
    assert [row.kind for row in events][:4] == ["assigned", "warned", "escalated", "reassigned"]
    assert [row.owner for row in events][3] == both.people["Tom"]
