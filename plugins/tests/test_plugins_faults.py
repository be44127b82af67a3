"""The same fault scripts against both CRMs: after any of them they and the gateway agree.

No lost record, no double one, one task per handoff, one membership per person.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from gateway_sandbox import HubSpotSandbox, SalesforceSandbox, serve
from gateway_sandbox.clock import Clock
from gateway_sandbox.hubspot.limits import Limits
from sqlalchemy import select

from gateway.errors import GatewayError
from gateway.opening import open_gateway
from gateway.outbound.planner import planned
from gateway.store import tables as t
from gateway.store.database import read

START = datetime(2026, 6, 1, 9, tzinfo=UTC)
VISITORS = 8
THERE = 3
"""So many of the visitors are records of the CRM already."""
GATEWAY = """
instance: {name: Faults, zone: UTC, currency: EUR}
systems:
  fair: {plugin: files, role: ma, outbound: off}
  crm:
    plugin: %s
    role: crm
    outbound: on
    settings: {%s, task: {}}
"""
FAIR = """
system: fair
timezone: UTC
objects:
  visitor:
    kind: person
    id: id
    time: at
    fields: {email: email, last: last_name, firm: company_name, title: title}
"""
SCORING = """
weights: {fit: 60, behaviour: 40}
maximum: {fit: 20, behaviour: 10}
fit: [{name: Chief, when: {title: {starts_with: chief}}, points: 20}]
"""
JOURNEY = """
stages:
  - {name: target, shared: target}
  - name: mql
    shared: mql
    entry: {score: 50}
    steps: [{handoff: crm}, {join: Hot}, {campaign: {name: Fair, status: Responded}}]
  - {name: sal, shared: sal, entry: {outcome: [accepted]}}
follow_up: {response: 4h, period: 5d}
"""
PERSON = """
system: crm
timezone: UTC
objects:
  %s:
    kind: person
    only: {object: %s}
    id: %s
    time: %s
    create: handoff
    fields:
"""


class HubSpot:
    create, update = "POST .*/contacts/batch/upsert", "POST .*/contacts/batch/update"
    task, beside, find = "POST .*/tasks/batch/create", "PUT .*/memberships/", "POST .*/batch/read"
    plugin = "hubspot"
    mapping = (
        PERSON % ("contact", "contact", "id", "updatedAt")
        + """\
      email: {to: email, sync: newest}
      lastname: {to: last_name, sync: newest}
      jobtitle: {to: title, sync: newest}
      gw_score: {to: score, type: integer, sync: out}
"""
    )

    def __init__(self):
        self.sandbox = HubSpotSandbox(clock=Clock(START, 0), limits=Limits(None, None, None))
        self.sandbox.define_gateway()
        self.busy = {"code": "RATE_LIMITS", "message": "slow down"}
        self.hot = self.sandbox.lists.make("Hot")
        self.secrets = {"token": "pat-sandbox"}

    def settings(self, url):
        limits = "{per_10s: 1000, searches_per_s: 1000}"
        return f'token: "file:token", base_url: "{url}", lists: [Hot], limits: {limits}'

    def add(self, number):
        self.sandbox.add("contacts", {"email": f"P{number}@Example.org", "lastname": f"P{number}"})

    def living(self, object_):
        with self.sandbox.lock:
            return [one for one in self.sandbox.records[object_].values() if not one.gone]

    def people(self):
        return {one.id: (str(one["email"]).lower(), one["gw_score"]) for one in self.living("contacts")}

    def tasks(self):
        return [to for one in self.living("tasks") for to in self.sandbox.portal.linked("tasks", one.id, "contacts")]

    def members(self):
        return list(self.hot.members)


class Salesforce:
    create = "PATCH .*/sobjects/Lead/"
    task, find = "PATCH .*/sobjects/Task/", "GET .*/query"
    plugin = "salesforce"
    mapping = (
        PERSON % ("Lead", "Lead", "Id", "SystemModstamp")
        + """\
      Gateway_Id__c: {to: lead_id, sync: out}
      Email: {to: email, sync: newest}
      LastName: {to: last_name, sync: newest}
      Company: {to: company_name, sync: newest}
      Title: {to: title, sync: newest}
      Gateway_Score__c: {to: score, sync: out}
"""
    )

    def __init__(self):
        self.sandbox = SalesforceSandbox(clock=Clock(START, 0), gateway=True)
        self.sandbox.add_campaign("Fair")
        self.busy = {"code": "UNABLE_TO_LOCK_ROW", "message": "unable to obtain exclusive access"}
        self.update = {"call": "PATCH .*/sobjects$", "body": '"type":"Lead"'}
        self.beside = {"call": "POST .*/sobjects$", "body": "CampaignMember"}
        self.secrets = {"secret": "sandbox-consumer-secret"}

    def settings(self, url):
        key = 'consumer_key: sandbox-consumer-key, consumer_secret: "file:secret"'
        return f'login_url: "{url}", {key}, campaigns: [Fair]'

    def add(self, number):
        self.sandbox.add("Lead", {"LastName": f"P{number}", "Company": "F", "Email": f"P{number}@Example.org"})

    def living(self, object_):
        with self.sandbox.lock:
            return [one for one in self.sandbox.records[object_].values() if not one.gone]

    def people(self):
        return {one.id: (one["Email"].lower(), str(round(one["Gateway_Score__c"]))) for one in self.living("Lead")}

    def tasks(self):
        return [one["WhoId"] for one in self.living("Task")]

    def members(self):
        return [one["LeadId"] for one in self.living("CampaignMember")]


class Instance:
    """A gateway between a file of visitors and one CRM, on the CRM's clock."""

    def __init__(self, root, crm, url):
        self.root, self.crm = root, crm
        (root / "mappings").mkdir()
        files = {
            "gateway.yaml": GATEWAY % (crm.plugin, crm.settings(url)),
            "scoring.yaml": SCORING,
            "journey.yaml": JOURNEY,
            "mappings/fair.yaml": FAIR,
            "mappings/crm.yaml": crm.mapping,
            **crm.secrets,
        }
        for name, text in files.items():
            (root / name).write_text(text)
        self.gateway = open_gateway(root, crm.sandbox.clock.now)
        assert not self.gateway.problems

    def visit(self, title="Chief Buyer"):
        path = self.root / f"{title}.jsonl"
        at = self.crm.sandbox.clock.now().isoformat()
        rows = [
            {"id": n, "at": at, "email": f"p{n}@example.org", "last": f"P{n}", "firm": "F", "title": title}
            for n in range(VISITORS)
        ]
        path.write_bytes(b"\n".join(map(orjson.dumps, rows)))
        for _ in self.gateway.pullings["fair"].bring_in(str(path), origin="file"):
            pass
        self.work()

    def work(self):
        while self.gateway.run_pipeline_once("test") or self.gateway.pullings["crm"].look_up():
            pass

    def deliver(self, pulls):
        """Until nothing waits, each time an hour later; ``pulls``: the CRM's own news come in between."""
        for _ in range(40):
            for _ in range(30):
                if not self.gateway.deliver_once("crm", "test"):
                    break
                self.work()
            else:
                pytest.fail("the same is delivered again and again")
            if not {"waiting", "unknown", "leased"} & self.states().keys():
                return
            self.crm.sandbox.clock.advance(timedelta(hours=1))
            if pulls:
                self.pull()
        pytest.fail(f"writes are left: {self.states()}")

    def pull(self):
        for stream in self.gateway.sources["crm"].streams():
            with contextlib.suppress(GatewayError):  # the fault struck here: the next pull goes on
                for _ in self.gateway.pullings["crm"].bring_in(stream):
                    pass
        self.work()

    def states(self):
        with read(self.gateway.store.main) as connection:
            return Counter(connection.execute(select(t.writes.c.state)).scalars().all())


@pytest.fixture(params=[HubSpot, Salesforce], ids=["hubspot", "salesforce"])
def instance(request, tmp_path):
    crm = request.param()
    with serve(crm.sandbox) as server:
        made = Instance(tmp_path, crm, server.url)
        yield made
        made.gateway.close()


SCRIPTS = {
    "nothing": [],
    "creates cut before": [("create", 2, {"drop": "before"})],
    "creates cut after": [("create", 2, {"drop": "after"})],
    "creates 502 after": [("create", 2, {"status": 502, "body": "", "after": True})],
    "creates garbage": [("create", 1, {"garbage": True}), ("find", 2, {"status": 503, "body": ""})],
    "updates cut": [("update", 1, {"drop": "before"}), ("update", 2, {"drop": "after"})],
    "tasks cut before": [("task", 2, {"drop": "before"})],
    "tasks cut after": [("task", 2, {"drop": "after"})],
    "tasks 504 after": [("task", 1, {"status": 504, "body": "", "after": True}), ("find", 1, {"drop": "before"})],
    "tasks garbage": [("task", 1, {"garbage": True})],
    "memberships cut": [("beside", 1, {"drop": "before"}), ("beside", 2, {"drop": "after"})],
    "memberships garbage": [("beside", 1, {"status": 503, "body": ""}), ("beside", 1, {"garbage": True})],
    "busy rows": [("create", 1, "busy"), ("task", 1, "busy")],
    "limits": [("create", 1, {"limit": "daily"}), ("task", 1, {"limit": "daily"}), ("beside", 1, {"limit": "daily"})],
    "everything at once": [
        ("create", 1, {"drop": "after"}),
        ("find", 1, {"status": 503, "body": ""}),
        ("update", 1, {"garbage": True}),
        ("task", 1, {"drop": "after"}),
        ("beside", 1, {"drop": "after"}),
    ],
}


PULLED = ("nothing", "creates cut after", "tasks cut after", "everything at once")
"""Also played with the CRM's own news coming in between, which may be faster than the receipts."""


@pytest.mark.parametrize(
    ("script", "pulls"),
    [
        *(pytest.param(script, False, id=name) for name, script in SCRIPTS.items()),
        *(pytest.param(SCRIPTS[name], True, id=f"{name}, pulled") for name in PULLED),
    ],
)
def test_after_any_fault_system_and_gateway_agree(instance, script, pulls):
    """One record, one task and one membership per person; nothing is lost, double, or left to say."""
    crm = instance.crm
    for number in range(THERE):
        crm.add(number)
    for what, times, action in script:
        given = {"row": crm.busy, "rows": [1]} if action == "busy" else dict(action)
        crm.sandbox.faults.add(getattr(crm, what), times, given)
    instance.visit()
    instance.deliver(pulls)
    instance.visit("Chief of all")
    instance.deliver(pulls)
    people = crm.people()
    assert sorted(people.values()) == sorted((f"p{n}@example.org", "60") for n in range(VISITORS))
    assert Counter(crm.tasks()) == Counter(people.keys())
    assert Counter(crm.members()) == Counter(people.keys())
    assert instance.states().keys() <= {"confirmed", "superseded"}
    assert list(planned(instance.gateway, ["crm"])) == []
    assert all(fault.struck for fault in crm.sandbox.faults)


def test_an_answer_that_drips_is_none(instance, monkeypatch):
    """Each byte comes in time and the last one never: the worker looks elsewhere before it is killed for it."""
    monkeypatch.setattr("gateway_hubspot.client.READ", 0.3)
    monkeypatch.setattr("gateway_hubspot.sink.WRITE", 0.3)
    monkeypatch.setattr("gateway_salesforce.org.TIMEOUT", (3.05, 0.3))
    instance.visit()
    instance.crm.sandbox.faults.add(instance.crm.create, None, drip=0.1)
    instance.gateway.deliver_once("crm", "test")
    assert "confirmed" not in instance.states()
    assert instance.states()["unknown"]
