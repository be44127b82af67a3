"""Against the sandbox, over real sockets: whatever goes wrong on the way, both sides agree in the end."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
from sqlalchemy import select

from gateway.contracts import Context
from gateway.errors import AccessRefused, TryLater
from gateway.opening import open_gateway
from gateway.store import forget, person
from gateway.store import tables as t
from gateway.store.database import read, write

sandbox = pytest.importorskip("gateway_sandbox", reason="the plugin gateway-sandbox is not installed")

README = (Path(__file__).parents[1] / "README.md").read_text()
MAPPING = re.search(r"```yaml mappings/crm.yaml\n(.*?)```", README, re.DOTALL)[1]
START = datetime(2026, 11, 20, 8, tzinfo=UTC)
GATEWAY = """
instance: {{name: Example, zone: Europe/Berlin, currency: EUR}}
systems:
  fair: {{plugin: files, role: ma, outbound: off}}
  crm:
    plugin: salesforce
    role: crm
    outbound: on
    settings:
      login_url: {url}
      consumer_key: sandbox-consumer-key
      consumer_secret: file:secret
      task: {{}}
"""
FAIR = """
system: fair
timezone: UTC
objects:
  visitor:
    kind: person
    id: id
    time: at
    fields: {email: email, last: last_name, firm: company_name, title: title, size: {to: employees, type: integer}}
"""
SCORING = """
strategy: weighted
name: lead
weights: {fit: 60, behaviour: 40}
maximum: {fit: 20, behaviour: 10}
bands: {great: 50, good: 20}
fit:
  - {name: Large company, when: {employees: {at_least: 100}}, points: 20}
"""
JOURNEY = """
personas: [{name: other}]
stages:
  - {name: target, shared: target}
  - {name: mql, shared: mql, entry: {score: {other: 50}}, steps: [{handoff: crm}]}
  - {name: sal, shared: sal, entry: {outcome: [accepted]}}
  - {name: sql, shared: sql, entry: {outcome: [qualified]}}
  - {name: won, shared: won, entry: {outcome: [won]}}
reasons: {sales_rejected: [no budget], recycled: [not now]}
"""
VISITORS = 12


@pytest.fixture
def org():
    """An org of its own, whose time only the test moves, with the fields that the README asks for."""
    from gateway_sandbox.salesforce.fields import field_of

    made = sandbox.SalesforceSandbox(clock=sandbox.Clock(START))
    for line in ("Gateway_Handoff__c string(64)", "Gateway_Reasons__c textarea(32000)"):
        field = field_of(line)
        for name in ("Lead", "Contact"):
            made.org.objects[name][field.name] = field
    with sandbox.serve(made) as server:
        made.url = server.url
        yield made


class Instance:
    """A gateway on the sandbox's clock."""

    def __init__(self, root, org):
        self.root, self.org = root, org
        (root / "gateway.yaml").write_text(GATEWAY.format(url=org.url))
        (root / "secret").write_text("sandbox-consumer-secret\n")
        (root / "scoring.yaml").write_text(SCORING)
        (root / "journey.yaml").write_text(JOURNEY)
        (root / "mappings").mkdir()
        (root / "mappings/fair.yaml").write_text(FAIR)
        (root / "mappings/crm.yaml").write_text(MAPPING)
        self.gateway = open_gateway(root, org.clock.now)
        assert not self.gateway.problems

    def visitors(self, count=VISITORS, size=500, at=START):
        path = self.root / f"visitors-{size}.jsonl"
        rows = (
            {
                "id": n,
                "at": at.isoformat(),
                "email": f"p{n}@example.org",
                "last": f"P{n}",
                "firm": "Norvik",
                "size": size,
            }
            for n in range(count)
        )
        path.write_bytes(b"\n".join(orjson.dumps(row) for row in rows))
        for _ in self.gateway.pullings["fair"].bring_in(str(path), origin="file"):
            pass
        self.work()

    def pull(self):
        for stream in self.gateway.sources["crm"].streams():
            for _ in self.gateway.pullings["crm"].bring_in(stream):
                pass
        self.work()

    def work(self):
        while self.gateway.run_pipeline_once("test"):
            pass

    def deliver(self, pulls=False):
        """Until nothing waits, each time an hour later: the waits of tries and limits are over.

        ``pulls``: between tries the org's own news come in, and may be faster than the receipts.
        """
        for _ in range(30):
            for _ in range(20):
                if not self.gateway.deliver_once("crm", "test"):
                    break
                self.work()
            else:
                pytest.fail("the same is delivered again and again")
            if not {"waiting", "unknown", "leased"} & self.writes().keys():
                return
            self.org.clock.advance(timedelta(hours=1))
            if pulls:
                with contextlib.suppress(TryLater):
                    self.pull()
        pytest.fail(f"writes are left: {self.writes()}")

    def writes(self):
        with read(self.gateway.store.main) as connection:
            return Counter(connection.execute(select(t.writes.c.state)).scalars().all())

    def stages(self):
        with read(self.gateway.store.main) as connection:
            leads = connection.execute(select(t.leads.c.stage).where(t.leads.c.merged_into.is_(None)))
            return Counter(leads.scalars().all())

    def living(self, object_):
        with self.org.lock:
            return [one for one in self.org.records[object_].values() if not one.gone]


@pytest.fixture
def instance(tmp_path, org):
    made = Instance(tmp_path, org)
    yield made
    made.gateway.close()


def value(record, name):
    return record.values.get(name)


@pytest.fixture(params=[False, True], ids=["", "pulled"])
def pulls(request):
    return request.param


UPSERT, UPDATE, TASK, QUERY = "PATCH .*/sobjects/Lead/", "PATCH .*/sobjects$", "PATCH .*/sobjects/Task/", "GET .*/query"


@pytest.mark.parametrize(
    "faults",
    [
        [],
        [(UPSERT, 1, {"drop": "before"})],
        [(UPSERT, 1, {"drop": "after"})],
        [(UPSERT, 2, {"status": 502, "after": True}), (TASK, 1, {"drop": "after"})],
        [(UPDATE, 2, {"drop": "after"}), (TASK, 1, {"garbage": True})],
        [(UPSERT, 1, {"garbage": True}), (QUERY, 3, {"status": 503})],
        [(QUERY, 2, {"limit": "concurrent"}), (UPSERT, 1, {"limit": "daily"})],
        [("/services/data", 1, {"auth": True}), (UPSERT, 1, {"expire": True}), (TASK, 1, {"expire": True})],
        [(UPSERT, 2, {"row": {"code": "UNABLE_TO_LOCK_ROW", "message": "unable to obtain"}, "rows": [0, 3]})],
        [(TASK, 2, {"row": {"code": "UNABLE_TO_LOCK_ROW", "message": "unable to obtain"}, "rows": [1]})],
        [("oauth2/token", 2, {"status": 503, "body": "<html>"})],
        [("oauth2/token", 1, {"drop": "before"}), (UPDATE, 1, {"status": 500, "body": ""})],
    ],
    ids=[
        "nothing", "cut before", "cut after", "502 after", "updates cut", "garbage", "limits", "sessions",
        "locked rows", "locked tasks", "no token", "no connection",
    ],
)  # fmt: skip
def test_every_lead_is_one_record_with_one_task_whatever_happens_on_the_way(instance, org, faults, pulls):
    """Three are there as contacts, three as leads: none is doubled, none is lost, each has its score and its task."""
    for n in range(3):
        org.add("Contact", {"LastName": f"P{n}", "Email": f"P{n}@Example.org"})
        org.add("Lead", {"LastName": f"P{n + 3}", "Company": "Norvik", "Email": f"p{n + 3}@example.org"})
    instance.visitors()
    for match, times, action in faults:
        org.faults.add(match, times=times, action=action)
    instance.deliver(pulls)
    people = instance.living("Lead") + instance.living("Contact")
    assert sorted(value(one, "Email").lower() for one in people) == sorted(f"p{n}@example.org" for n in range(VISITORS))
    assert len(instance.living("Contact")) == 3
    assert {value(one, "Gateway_Score__c") for one in people} == {60}
    assert len({value(one, "Gateway_Id__c") for one in people}) == VISITORS
    tasks = Counter(value(task, "WhoId") for task in instance.living("Task"))
    assert tasks == Counter(one.id for one in people)
    assert instance.writes().keys() <= {"confirmed", "superseded"}
    assert all(fault.struck for fault in org.faults)


def test_tasks_of_handoffs_that_the_clock_ends_are_completed_and_are_no_contact(instance, org):
    """What sales completed says that they spoke to the lead and stays; what we complete says nothing."""
    instance.visitors(3)
    instance.deliver()
    first, second, third = instance.living("Task")
    assert value(first, "Description").startswith(
        "Handed over at stage mql with 60 of 100 points.\nAnswer by Fri 20 Nov"
    )
    org.edit("Task", second.id, {"Status": "Completed"})
    org.edit("Task", third.id, {"Status": "Deferred"})
    org.clock.advance(timedelta(hours=1))
    instance.pull()
    org.clock.advance(timedelta(days=6))
    with instance.gateway.store.main.begin() as connection:
        connection.execute(t.handoffs.update().values(checking="known"))
        leads = list(connection.execute(select(t.handoffs.c.lead)).scalars())
    instance.gateway.pipeline.run((), leads, cause="time")
    instance.deliver()
    assert [value(task, "Status") for task in instance.living("Task")] == ["Completed", "Completed", "Completed"]
    closed = [str(value(task, "Gateway_Id__c")).startswith("closed:") for task in instance.living("Task")]
    assert closed == [True, False, True]  # a deferred task is open to Salesforce
    org.clock.advance(timedelta(hours=1))
    instance.pull()
    with read(instance.gateway.store.main) as connection:
        said = Counter(connection.execute(select(t.outcomes.c.outcome)).scalars())
    assert said == {"contacted": 1}


def test_the_jwt_flow_logs_in_and_another_key_does_not(org, tmp_path):
    """Signed with the key whose certificate the app holds."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from gateway_salesforce import SalesforceSink, SettingsSchema

    keys = [rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2)]
    for number, key in enumerate(keys):
        pem = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        (tmp_path / f"{number}.pem").write_bytes(key.private_bytes(*pem))
    org.tokens.public_key = (
        keys[0].public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    ).decode()
    # The sandbox checks when an assertion ends: its clock is to be ours.
    org.clock.advance(datetime.now(UTC) - org.clock.now())
    block = {
        "login_url": org.url,
        "flow": "jwt",
        "consumer_key": "sandbox-consumer-key",
        "username": org.tokens.username,
    }
    context = Context(system="crm", root=tmp_path, mapping=None, now=org.clock.now)
    good, bad = (
        SalesforceSink(SettingsSchema().load({**block, "private_key": f"file:{tmp_path}/{number}.pem"}), context)
        for number in range(2)
    )
    assert good.describe("Lead")["LastName"].required
    with pytest.raises(AccessRefused, match=r"1\.pem \(invalid_grant\)"):
        bad.describe("Lead")


def test_what_we_wrote_comes_back_without_effect(instance, org):
    """The echo of our own writes is news of nothing: no write follows, and soon an idle pull is two calls."""
    instance.visitors()
    instance.deliver()
    org.clock.advance(5)
    instance.pull()
    before = instance.writes()
    for _ in range(4):
        org.clock.advance(timedelta(minutes=10))
        calls = len(org.calls)
        instance.pull()
    assert len(org.calls) - calls == 2  # of five objects each; deletions: once an hour
    assert not instance.gateway.deliver_once("crm", "test")
    assert instance.writes() == before


def test_what_sales_does_is_heard(instance, org):
    """Accepted, converted with a deal that is won, rejected, deleted, merged: each counts for its lead."""
    instance.visitors(6)
    instance.deliver()
    org.clock.advance(60)
    instance.pull()
    leads = {value(one, "Email"): one for one in instance.living("Lead")}
    org.clock.advance(timedelta(hours=1))
    org.edit("Lead", leads["p0@example.org"].id, {"Status": "Working - Contacted"})
    made = org.convert(leads["p1@example.org"].id, opportunity="Norvik", amount=12500)
    org.edit("Opportunity", made["opportunity"], {"StageName": "Closed Won"})
    org.remove("Lead", leads["p2@example.org"].id)
    org.clock.advance(timedelta(minutes=30))
    instance.pull()
    org.clock.advance(timedelta(hours=2))
    instance.pull()
    assert instance.stages() == {"mql": 4, "sal": 1, "won": 1}
    with read(instance.gateway.store.main) as connection:
        gone = dict(
            connection.execute(select(t.records.c.record, t.records.c.gone).where(t.records.c.gone.is_not(None))).all()
        )
    assert gone == {leads["p1@example.org"].id: "converted", leads["p2@example.org"].id: "deleted"}
    # what is left is written to whom it became, and nothing is made again
    people = len(instance.living("Lead")) + len(instance.living("Contact"))
    instance.visitors(6, size=5, at=START + timedelta(hours=3))
    instance.deliver()
    assert len(instance.living("Lead")) + len(instance.living("Contact")) == people
    contact = org.records["Contact"][made["contact"]]
    assert value(contact, "Gateway_Score__c") == 0


def test_a_lead_converted_behind_our_back_is_followed_to_its_contact(instance, org):
    """The write meets the converted lead before the pull tells of it."""
    instance.visitors(3)
    instance.deliver()
    (first, *_) = instance.living("Lead")
    made = org.convert(first.id)
    org.clock.advance(60)
    instance.visitors(3, size=5, at=START + timedelta(hours=1))
    instance.deliver()
    assert value(org.records["Contact"][made["contact"]], "Gateway_Score__c") == 0
    assert len(instance.living("Task")) == 3


@pytest.mark.parametrize("order", [("Contact", "Lead"), ("Lead", "Contact")])
def test_who_is_forgotten_and_converted_afterwards_stays_forgotten(instance, org, order):
    """Sales convert them into a contact without our key: whichever of the two is pulled and worked first."""
    instance.visitors(2)
    instance.deliver()
    (first,) = [one for one in instance.living("Lead") if value(one, "Email") == "p0@example.org"]
    lead = instance.gateway.find_lead("p0@example.org")
    with write(instance.gateway.store.main) as connection:
        forget.forget(connection, dict.fromkeys(person.refs_of(connection, [lead]), "test"), 1)
    org.clock.advance(timedelta(hours=1))
    org.convert(first.id, keep_key=False)
    org.clock.advance(timedelta(minutes=30))
    for stream in order:
        for _ in instance.gateway.pullings["crm"].bring_in(stream):
            pass
        instance.work()
    instance.pull()
    with read(instance.gateway.store.main) as connection:
        living = connection.scalars(select(t.leads.c.attributes).where(t.leads.c.erased_at.is_(None))).all()
    assert [one["email"] for one in living] == ["p1@example.org"]


def test_refused_credentials_pause_the_system_and_spend_no_tries(instance, org):
    """The reason names the secret; when it is put right and resumed, everything arrives."""
    org.tokens.refused["invalid_client"] = "invalid client credentials"
    instance.visitors(3)
    instance.gateway.deliver_once("crm", "test")
    with read(instance.gateway.store.main) as connection:
        paused = connection.scalar(select(t.systems.c.paused).where(t.systems.c.name == "crm"))
        tries = connection.execute(select(t.writes.c.attempts)).scalars().all()
    assert paused == "Salesforce refused file:secret (invalid_client)"
    assert set(tries) == {0}
    with pytest.raises(AccessRefused):
        list(instance.gateway.sources["crm"].pull("Lead", None, None))


@pytest.mark.parametrize("spelling", ["duplicateResut", "duplicateResult"])
def test_duplicate_rules_leave_nobody_doubled(instance, org, spelling):
    """What our look-up cannot see (a second address), the rule may: one record is linked."""
    from gateway_sandbox.salesforce.org import DuplicateRule

    there = org.add("Contact", {"LastName": "P1", "Email": "p1@example.org"})
    org.org.duplicate_rules.append(DuplicateRule(spelling=spelling))
    org.faults.add("Email\\+IN|Email%20IN", times=2, action={"status": 200, "body": {"done": True, "records": []}})
    instance.visitors(3)
    instance.deliver()
    assert len(instance.living("Lead")) == 2
    assert value(there, "Gateway_Score__c") == 60
    assert sum(bool(re.search("/sobjects/Lead/Gateway_Id__c/.", call.path)) for call in org.calls) == 1


def test_among_many_nobody_is_made_twice(instance, org):
    """Thousands are there; two hundred of them come by. Five questions and writes per 200, and a few for addresses."""
    for n in range(5000):
        object_, more = ("Contact", {}) if n % 2 else ("Lead", {"Company": "Norvik"})
        org.add(object_, {"LastName": f"P{n}", "Email": f"p{n * 2}@example.org", **more})
    calls = len(org.calls)
    instance.visitors(400)
    instance.deliver()
    addresses = Counter(value(one, "Email") for one in instance.living("Lead") + instance.living("Contact"))
    assert len(addresses) == 5200
    assert set(addresses.values()) == {1}
    assert len(org.calls) - calls < 60
