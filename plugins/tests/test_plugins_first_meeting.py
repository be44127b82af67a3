"""A gateway meets an org that is full already, and has no duplicate rule that would help: nobody is created twice."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from gateway_sandbox import SalesforceSandbox, serve
from gateway_sandbox.clock import Clock
from gateway_sandbox.salesforce import CONSUMER_KEY, CONSUMER_SECRET
from sqlalchemy import select

from gateway.opening import open_gateway
from gateway.store import tables as t
from gateway.store.arrivals import Arrival
from gateway.store.database import read

START = datetime(2026, 6, 1, 9, tzinfo=UTC)
LEADS = CONTACTS = 25_000
FILES = {
    "gateway.yaml": """
instance: {name: Full, zone: UTC, currency: EUR}
systems:
  site: {plugin: webhook, role: ma, settings: {allow_insecure: true, verify: {scheme: none}}}
  crm:
    plugin: salesforce
    role: crm
    outbound: on
    settings: {login_url: "%s", consumer_key: file:key, consumer_secret: file:secret}
""",
    "mappings/site.yaml": """
system: site
timezone: UTC
objects:
  contact:
    kind: person
    id: id
    time: at
    fields: {email: email, last: last_name, firm: company_name}
""",
    "mappings/crm.yaml": """
system: crm
timezone: UTC
objects:
  Lead:
    kind: person
    only: {object: Lead}
    id: Id
    time: SystemModstamp
    create: always
    once: key
    fields:
      Gateway_Id__c: {to: lead_id, sync: out}
      LastName: {to: last_name, sync: newest}
      Company: {to: company_name, sync: newest, otherwise: "[not provided]"}
      Email: {to: email, sync: newest}
  Contact:
    kind: person
    only: {object: Contact}
    id: Id
    time: SystemModstamp
    create: never
    fields: {Gateway_Id__c: {to: lead_id, sync: out}, Email: {to: email, sync: newest}}
""",
    "key": CONSUMER_KEY,
    "secret": CONSUMER_SECRET,
}
# who is told of → what the org holds of them
PEOPLE = {
    "a lead": range(600),
    "a contact": range(30_000, 30_600),
    "a lead and a contact": range(24_900, 25_000),
    "two leads": range(700, 740),
    "nobody": range(60_000, 60_400),
}


def person(number):
    return {"Email": f"Person{number}@firm{number % 900}.example", "LastName": f"Last{number}"}


@pytest.fixture(scope="module")
def met(tmp_path_factory):
    """The org before and after everybody above was told of, with some calls that broke off."""
    org = SalesforceSandbox(clock=Clock(START))
    for number in range(LEADS):
        org.add("Lead", {**person(number), "Company": "Firm"})
    for number in range(LEADS - 100, LEADS - 100 + CONTACTS):
        org.add("Contact", person(number))
    for number in PEOPLE["two leads"]:
        org.add("Lead", {**person(number), "Company": "Firm again"})
    before = {name: len(org.records[name]) for name in ("Lead", "Contact")}
    folder = tmp_path_factory.mktemp("full")
    (folder / "mappings").mkdir()
    at = START
    with serve(org) as server:
        for name, text in FILES.items():
            (folder / name).write_text(text % server.url if name == "gateway.yaml" else text)
        gateway = open_gateway(folder, now=lambda: at)
        for who, numbers in PEOPLE.items():
            items = [
                {"id": str(number), "at": START.isoformat(), "email": f"person{number}@firm{number % 900}.example",
                 "last": f"Last{number}", **({} if who == "nobody" else {"firm": "Firm"})}
                for number in numbers
            ]  # fmt: skip
            gateway.inbox.append([Arrival(system="site", body=orjson.dumps(items), received_at=at)])
        org.faults.add("PATCH .*/Lead", times=1, drop="after")
        org.faults.add("PATCH .*/Lead", times=1, status=502, after=True, skip=1)
        for _ in range(8):
            while gateway.run_pipeline_once("test"):
                pass
            while gateway.deliver_once("crm", "test"):
                pass
            at += timedelta(hours=1)
        with read(gateway.store.main) as connection:
            states = Counter(connection.execute(select(t.writes.c.state)).scalars())
            work = Counter(connection.execute(select(t.work_items.c.kind)).scalars())
        gateway.close()
    return org, before, states, work


def test_nobody_who_is_there_is_created_again(met):
    """Only those whom neither leads nor contacts know are new."""
    org, before, _, _ = met
    assert len(org.records["Contact"]) == before["Contact"]
    assert len(org.records["Lead"]) == before["Lead"] + len(PEOPLE["nobody"])
    new = [one["Email"] for one in list(org.records["Lead"].values())[before["Lead"] :]]
    assert sorted(new) == sorted(person(number)["Email"].lower() for number in PEOPLE["nobody"])


def test_a_lead_without_a_company_is_made_with_what_stands_in_for_it(met):
    org, before, states, _ = met
    assert states["dead"] == len(PEOPLE["two leads"])  # who of the two is meant, a person says
    new = list(org.records["Lead"].values())[before["Lead"] :]
    assert {one["Company"] for one in new} == {"[not provided]"}


def test_one_record_of_each_carries_our_key(met):
    """A contact goes before a lead; where two leads are the same person a person decides."""
    org, _, _, work = met
    keyed = Counter(
        (one.object, one["Gateway_Id__c"])
        for name in ("Lead", "Contact")
        for one in org.records[name].values()
        if one["Gateway_Id__c"]
    )
    assert set(keyed.values()) == {1}
    assert Counter(name for name, _ in keyed) == {
        "Lead": len(PEOPLE["a lead"]) + len(PEOPLE["nobody"]),
        "Contact": len(PEOPLE["a contact"]) + len(PEOPLE["a lead and a contact"]),
    }
    assert work["ambiguous match"] == len(PEOPLE["two leads"])


def test_everybody_is_asked_for_in_batches(met):
    """The look-ups of 1,740 people are some dozens of calls."""
    org, _, states, _ = met
    assert not states.keys() & {"waiting", "unknown", "leased"}
    assert len(org.calls.matching("GET .*/query")) < 120
