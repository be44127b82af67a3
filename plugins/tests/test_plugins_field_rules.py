"""What each field rule does between HubSpot and Salesforce: who is told of an edit, what they are told, and who is not.

Every test has a person of its own, who stands in both systems and takes part in sync.
"""

from __future__ import annotations

from typing import ClassVar

import pytest
from two_systems import TwoSystems, between

from gateway.people.resolving import Said, resolve
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
      city: {to: city, sync: prefer, prefer: salesforce}
      country: country
      zip: {to: zip, sync: only if blank}
      industry: {to: industry, sync: newest, values: {COMPUTER_SOFTWARE: software}}
      mobilephone: {to: mobile, sync: newest, blank: clear}
      company: {to: company_name, sync: newest}
      state: {to: state, sync: newest, guard: true}
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
      Company: {to: company_name, sync: newest}
      Title: {to: title, sync: newest}
      City: {to: city, sync: prefer, prefer: salesforce}
      Country: {to: country, sync: out}
      PostalCode: zip
      Industry: {to: industry, sync: newest, values: {Technology: software}}
      MobilePhone: {to: mobile, sync: newest, blank: clear}
      State: {to: state, sync: newest, guard: true}
"""


class Both(TwoSystems):
    FILES: ClassVar = {
        "gateway.yaml": GATEWAY,
        "mappings/hubspot.yaml": HUBSPOT,
        "mappings/salesforce.yaml": SALESFORCE,
    }
    people = 0

    def person(self, **values):
        """In both systems with the same values, given by their names in Salesforce."""
        self.people += 1
        same = {"Email": f"p{self.people}@firm.example", "LastName": f"P{self.people}", "Company": "Firm"} | values
        contact = self.hubspot.add("contacts", {THERE[name]: value for name, value in same.items()})
        self.turn(2)
        lead = self.salesforce.add("Lead", same)
        self.turn(2)
        return Person(self, contact.id, lead.id)

    def open_work(self):
        with self.gateway.store.main.connect() as connection:
            rows = connection.execute(t.work_items.select().where(t.work_items.c.resolved_at.is_(None)))
            return sorted(row.kind for row in rows)


THERE = {
    "Email": "email", "LastName": "lastname", "Company": "company", "Title": "jobtitle", "City": "city",
    "Country": "country", "PostalCode": "zip", "Industry": "industry", "MobilePhone": "mobilephone", "State": "state",
}  # fmt: skip


class Person:
    """Edits and values by Salesforce's names of the fields; ``told`` is how often the gateway wrote to each."""

    def __init__(self, both, contact, lead):
        self.both, self.contact, self.lead = both, contact, lead

    def edit(self, system, **values):
        if system == "hubspot":
            self.both.hubspot.edit("contacts", self.contact, {THERE[name]: value for name, value in values.items()})
        else:
            self.both.salesforce.edit("Lead", self.lead, values)

    def held(self, name):
        """(in HubSpot, in Salesforce); blank is None"""
        ours = self.both.hubspot.records["contacts"][self.contact].values.get(THERE[name])
        return ours or None, self.both.salesforce.records["Lead"][self.lead].values.get(name) or None

    def told(self):
        """(HubSpot, Salesforce): how often the gateway has written to this person's record."""
        pairs = ((self.both.hubspot, self.contact), (self.both.salesforce, self.lead))
        return tuple(
            sum(effect.id == id_ and effect.call is not None for effect in sandbox.effects) for sandbox, id_ in pairs
        )


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    with between(Both, tmp_path_factory.mktemp("both")) as both:
        yield both


@pytest.mark.parametrize(
    ("before", "system", "edit", "after", "told"),
    [
        ({"Title": "Buyer"}, "hubspot", {"Title": "Chief"}, ("Chief", "Chief"), (0, 1)),  # newest: both ways
        ({"Title": "Buyer"}, "salesforce", {"Title": "Chief"}, ("Chief", "Chief"), (1, 0)),
        ({"City": "Bonn"}, "salesforce", {"City": "Kiel"}, ("Kiel", "Kiel"), (1, 0)),  # prefer: one always wins
        ({"City": "Bonn"}, "hubspot", {"City": "Kiel"}, ("Bonn", "Bonn"), (1, 0)),  # and the other is put right
        ({"Country": "Peru"}, "hubspot", {"Country": "Chile"}, ("Chile", "Chile"), (0, 1)),  # in here, out there
        ({"Country": "Peru"}, "salesforce", {"Country": "Chile"}, ("Peru", "Peru"), (0, 1)),  # ours is put back
        ({"PostalCode": "1"}, "salesforce", {"PostalCode": "2"}, ("1", "2"), (0, 0)),  # in alone: nobody is told
        ({"MobilePhone": "+4930123456"}, "hubspot", {"MobilePhone": ""}, (None, None), (0, 1)),  # a blank clears
        ({"Title": "Buyer"}, "hubspot", {"Title": ""}, (None, "Buyer"), (0, 0)),  # or says nothing
    ],
)
def test_an_edit_reaches_who_its_rule_names(both, before, system, edit, after, told):
    """And nobody else; what was written is no news, however often it is read."""
    person = both.person(**before)
    start = person.told()
    person.edit(system, **edit)
    both.turn(4)
    (name,) = edit
    assert person.held(name) == after
    assert tuple(now - then for now, then in zip(person.told(), start, strict=True)) == told


def test_values_are_mapped_both_ways(both):
    """Each system is told in its own words."""
    person = both.person()
    person.edit("hubspot", Industry="COMPUTER_SOFTWARE")
    person.edit("salesforce", Industry="Banking")
    both.turn(3)
    person.edit("salesforce", Industry="Technology")
    both.turn(3)
    assert person.held("Industry") == ("COMPUTER_SOFTWARE", "Technology")


def test_five_edits_before_a_delivery_are_one_write(both):
    """What counts is what should be there, not how it came about."""
    person = both.person(Title="Buyer", State="Oslo")
    start = person.told()
    for number in range(5):
        person.edit("hubspot", Title=f"Chief {number}")
        both.move(minutes=2)
        both.gateway.pull_once("hubspot")
        both.work()
    both.turn(3)
    assert person.held("Title") == ("Chief 4", "Chief 4")
    assert tuple(now - then for now, then in zip(person.told(), start, strict=True)) == (0, 1)


def test_an_edit_that_a_guarded_write_would_have_lost_is_kept(both):
    """Salesforce's user is later than HubSpot's, and nobody has told the gateway yet."""
    person = both.person(State="Oslo")
    person.edit("hubspot", State="Bergen")
    both.move(minutes=5)
    both.gateway.pull_once("hubspot")
    both.work()
    person.edit("salesforce", State="Narvik")
    both.deliver("salesforce")
    assert person.held("State")[1] == "Narvik"
    both.turn(3)
    assert person.held("State") == ("Narvik", "Narvik")


def test_a_flow_that_undoes_what_it_is_sent_is_left_alone(both):
    """Twice is enough: a person is asked, and the field is not written any more."""
    person = both.person(Country="Peru")
    for _ in range(5):
        person.edit("hubspot", Country="Chile")
        both.turn()
        person.edit("salesforce", Country="Peru")
        both.turn()
    assert both.open_work() == ["contested"]
    assert person.told()[1] == 2


@pytest.mark.parametrize(("way", "after"), [("retry", "Chile"), ("leave", "Peru")])
def test_what_is_contested_goes_on_as_a_person_says(both, way, after):
    """Written once more, or left to the system for good."""
    person = both.person(Country="Peru")
    for _ in range(3):
        person.edit("hubspot", Country="Chile")
        both.turn()
        person.edit("salesforce", Country="Peru")
        both.turn()
    with both.gateway.store.main.connect() as connection:
        rows = connection.execute(t.work_items.select().where(t.work_items.c.record == person.lead)).mappings().all()
    resolve(both.gateway, rows[0], Said(way, "Kim"))
    both.turn(2)
    assert person.held("Country")[1] == after
