"""Against the sandbox, over real sockets: whatever goes wrong on the way, HubSpot and the gateway agree in the end."""

from __future__ import annotations

import csv
import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from werkzeug.serving import make_server

from gateway.opening import open_gateway
from gateway.store import tables as t
from gateway.store.database import read
from gateway.store.times import utc_now
from gateway.web.intake import Intake

sandbox = pytest.importorskip("gateway_sandbox", reason="the plugin gateway-sandbox is not installed")

START = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
GATEWAY = """
instance: {{name: Example, zone: Europe/Berlin, currency: EUR}}
systems:
  fair: {{plugin: files, role: ma, outbound: off, settings: {{path: fair}}}}
  hubspot:
    plugin: hubspot
    role: crm
    outbound: on
    settings:
      token: file:token
      client_secret: file:secret
      base_url: {url}
      api: "{api}"
      limits: {{per_10s: 1000, searches_per_s: 1000}}
      lists: [Nurture, No sales]
      subscriptions: [11001, 11003]
      activities: [page_views, meetings, email_events, form_submissions]
"""
FAIR = """
system: fair
timezone: UTC
objects:
  visitor: {kind: person, id: id, time: received, fields: {email: email, name: last_name, title: title}}
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
    create: always
    links: [{to: company, id: company_ids, role: works_at}]
    fields:
      email: {to: email, sync: newest}
      lastname: {to: last_name, sync: newest}
      jobtitle: {to: title, sync: newest}
      gw_score: {to: score, type: integer, sync: out}
  company: {kind: company, only: {object: company}, id: id, time: updatedAt, fields: {name: name}}
  form_submission:
    kind: person
    only: {object: form_submission}
    id: email
    time: time
    fields: {email: email}
    activities: [{activity: form_submitted, on: each, id: id, asset: form, channel: "=web"}]
  email_event:
    kind: person
    only: {object: email_event}
    id: email
    time: time
    fields: {email: email}
    activities:
      - activity: email_click
        when: {type: click}
        on: each
        id: id
        asset: url
        campaign: campaign
        channel: "=email"
  deal:
    kind: deal
    only: {object: deal}
    id: id
    time: updatedAt
    links: [{to: contact, id: contact_ids, role: buyer}]
    fields:
      amount: {to: amount, type: money, currency: EUR}
      deal_status: status
      closedate: {to: closed_at, type: datetime}
"""
SCORING = """
strategy: weighted
name: lead
weights: {fit: 100, behaviour: 0}
maximum: {fit: 100, behaviour: 100}
bands: {great: 70, good: 40}
fit:
  - {name: Chief, when: {title: {starts_with: chief}}, points: 80}
"""
VISITORS = 30


@pytest.fixture
def portal():
    from gateway_sandbox.hubspot.limits import Limits

    box = sandbox.HubSpotSandbox(clock=sandbox.Clock(START), limits=Limits(None, None, None))
    box.define_gateway()
    with sandbox.serve(box) as server:
        box.url = server.url
        yield box


@pytest.fixture(params=["v3", "2026-09"])
def api(request):
    return request.param


class Instance:
    """A gateway on the sandbox's clock."""

    def __init__(self, root, portal, api):
        self.root, self.portal = root, portal
        (root / "gateway.yaml").write_text(GATEWAY.format(url=portal.url, api=api))
        (root / "token").write_text("pat-sandbox\n")
        (root / "secret").write_text("sandbox-client-secret\n")
        (root / "scoring.yaml").write_text(SCORING)
        (root / "mappings").mkdir()
        (root / "mappings/fair.yaml").write_text(FAIR)
        (root / "mappings/hubspot.yaml").write_text(HUBSPOT)
        self.gateway = open_gateway(root, portal.clock.now)

    def visitors(self, title="Chief Executive"):
        path = self.root / "visitors.csv"
        with path.open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["id", "email", "name", "title"])
            rows.writerows([n, f"p{n}@example.org", f"P{n}", title] for n in range(VISITORS))
        for _ in self.gateway.pullings["fair"].bring_in(str(path), origin="file"):
            pass
        self.work()

    def pull(self):
        for stream in self.gateway.sources["hubspot"].streams():
            for _ in self.gateway.pullings["hubspot"].bring_in(stream):
                pass
        self.work()

    def work(self):
        while self.gateway.run_pipeline_once("test") or self.gateway.pullings["hubspot"].look_up():
            pass

    def deliver(self):
        """Until nothing waits, each time an hour later: the waits of tries and limits are over."""
        for _ in range(30):
            while self.gateway.deliver_once("hubspot", "test"):
                pass
            self.work()
            if not {"waiting", "unknown", "leased"} & self.writes().keys():
                return
            self.portal.clock.advance(timedelta(hours=1))
        pytest.fail(f"writes are left: {self.writes()}")

    def writes(self):
        with read(self.gateway.store.main) as connection:
            states = connection.execute(select(t.writes.c.state)).scalars().all()
        return {state: states.count(state) for state in set(states)}

    def contacts(self):
        with self.portal.lock:
            return [one for one in self.portal.records["contacts"].values() if not one.gone]


@pytest.fixture
def instance(tmp_path, portal, api):
    made = Instance(tmp_path, portal, api)
    yield made
    made.gateway.close()


UPSERT, UPDATE, READ = "POST .*/batch/upsert", "POST .*/batch/update", "POST .*/batch/read"


@pytest.mark.parametrize(
    "faults",
    [
        [],
        [(UPSERT, 1, {"drop": "before"})],
        [(UPSERT, 1, {"drop": "after"})],
        [(UPSERT, 2, {"status": 502, "after": True}), (UPDATE, 1, {"drop": "after"})],
        [(UPSERT, 1, {"garbage": True}), (READ, 2, {"status": 503})],
        [("POST", 3, {"limit": "burst"}), (UPSERT, 1, {"limit": "daily", "retry_after": 60})],
        [(UPSERT, 1, {"row": {"code": "RATE_LIMITS", "message": "slow down"}, "rows": [3, 4]})],
        [(UPSERT, 1, {"status": 423, "body": {}}), (UPDATE, 2, {"status": 504})],
    ],
    ids=["nothing", "cut before", "cut after", "502 after", "garbage", "limits", "row", "locked"],
)
@pytest.mark.parametrize("api", ["v3"], indirect=True)
def test_every_lead_is_one_contact_whatever_happens_on_the_way(instance, portal, faults):
    """Ten are there already, one under a second address; none is doubled, none is lost, each has its score."""
    for n in range(10):
        portal.add("contacts", {"email": f"P{n}@Example.org", "lastname": f"P{n}"})
    portal.add("contacts", {"email": "elsewhere@example.org", "hs_additional_emails": "p10@example.org"})
    for match, times, action in faults:
        portal.faults.add(match, times, action)
    instance.visitors()
    instance.deliver()
    contacts = instance.contacts()
    addresses = sorted(str(one["email"]).lower() for one in contacts)
    assert len(set(addresses)) == len(addresses) == VISITORS
    assert {one["gw_score"] for one in contacts} == {"80"}
    assert set(instance.writes()) <= {"confirmed", "superseded"}


@pytest.mark.parametrize("api", ["v3"], indirect=True)
def test_a_second_delivery_of_the_same_file_says_nothing(instance, portal):
    """What HubSpot holds is known, so nothing is sent; our own writes come back as silence."""
    instance.visitors()
    instance.deliver()
    portal.clock.advance(timedelta(minutes=10))
    instance.pull()
    calls = len(portal.calls)
    instance.visitors()
    instance.deliver()
    assert len(portal.calls) == calls


def test_both_versions_of_the_api_do_the_same(instance, portal, api):
    """Created, found again, changed over there, changed here."""
    instance.visitors()
    instance.deliver()
    kim = next(one for one in instance.contacts() if one["email"] == "p7@example.org")
    portal.clock.advance(timedelta(hours=1))
    portal.edit("contacts", kim.id, {"jobtitle": "Assistant"})
    portal.clock.advance(timedelta(minutes=5))
    instance.pull()
    instance.deliver()
    assert kim["gw_score"] == "0"
    assert {"/2026-" in call.path for call in portal.calls if "/crm/" in call.path} == {api == "2026-09"}


def test_a_won_deal_reaches_its_lead(instance, portal):
    """Through its association, with its amount."""
    contact = portal.add("contacts", {"email": "kim@example.org"})
    deal = portal.add("deals", {"dealname": "Big", "amount": "1500", "dealstage": "contractsent"})
    portal.associate("deals", deal.id, "contacts", contact.id)
    instance.pull()
    portal.clock.advance(timedelta(hours=1))
    portal.edit("deals", deal.id, {"dealstage": "closedwon"})
    portal.clock.advance(timedelta(minutes=5))
    instance.pull()
    with read(instance.gateway.store.main) as connection:
        won = connection.execute(select(t.deals)).one()
        whose = connection.execute(select(t.deal_leads.c.lead)).scalars().all()
        leads = connection.execute(select(t.leads.c.id)).scalars().all()
    assert (won.status, won.amount, won.currency) == ("won", "1500.00", "EUR")
    assert whose == leads
    assert len(leads) == 1


@pytest.fixture
def hook(instance):
    """The gateway's own intake behind a socket, where the sandbox sends what it signs."""
    server = make_server("127.0.0.1", 0, lambda *call: intake(*call))
    url = f"http://127.0.0.1:{server.server_port}"
    inbox = instance.gateway.inbox
    intake = Intake(instance.gateway.intake_sources(), lambda arrival: inbox.append([arrival])[0], utc_now, url)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"{url}/hooks/hubspot"
    server.shutdown()
    thread.join()
    server.server_close()


def records(instance):
    with read(instance.gateway.store.main) as connection:
        rows = connection.execute(select(t.records)).all()
    return {row.record: row for row in rows if row.object == "contact"}


@pytest.mark.parametrize("generic", [False, True])
@pytest.mark.parametrize("api", ["v3"], indirect=True)
def test_signed_webhooks_in_any_order_bring_what_happened(instance, portal, hook, generic):
    """Shuffled and repeated: a creation, a change, a merge, a deletion and a privacy deletion."""
    portal.webhooks.subscribe(hook, "sandbox-client-secret", generic=generic, shuffle=True, repeats=3)
    kept, loser, gone, erased = (
        portal.add("contacts", {"email": f"{name}@example.org", "lastname": name}) for name in "abcd"
    )
    portal.edit("contacts", kept.id, {"jobtitle": "Chief Executive"})
    assert {one.status for one in portal.webhooks.flush()} == {200}
    instance.work()
    assert set(records(instance)) == {kept.id, loser.id, gone.id, erased.id}
    winner = portal.merge("contacts", kept.id, loser.id)
    portal.remove("contacts", gone.id)
    portal.erase(erased.id)
    assert {one.status for one in portal.webhooks.flush()} == {200}
    instance.work()
    held = records(instance)
    alive = {id_ for id_, row in held.items() if not row.gone}
    assert winner.id in alive
    assert not {gone.id, erased.id} & alive
    leads = {held[id_].entity for id_ in (winner.id, kept.id, loser.id) if id_ in held and held[id_].entity}
    assert len(leads) == 1
    with read(instance.gateway.store.main) as connection:
        assert connection.execute(select(t.leads.c.id).where(t.leads.c.erased_at.is_not(None))).all()


@pytest.mark.parametrize("api", ["v3"], indirect=True)
def test_a_forged_webhook_is_refused(instance, portal, hook):
    """Nothing of it is stored."""
    portal.webhooks.subscribe(hook, "another secret")
    portal.add("contacts", {"email": "kim@example.org"})
    assert {one.status for one in portal.webhooks.flush()} == {401}
    assert not instance.gateway.inbox.counts().get("hubspot", {}).get("stored")


@pytest.mark.parametrize("api", ["v3"], indirect=True)
def test_what_a_person_did_is_told_once_by_every_reader(instance, portal):
    """Page views, a meeting, a click and a form, with time, asset, campaign and channel; a second pull adds nothing."""
    kim = portal.add("contacts", {"email": "kim@example.org"})
    at = START - timedelta(hours=2)
    portal.activities.visit(kim.id, "https://example.org/pricing?utm_campaign=fair&email=kim@example.org", at=at)
    portal.activities.meeting(kim.id, "Demo for Kim", at=at)
    portal.activities.email(kim.id, "CLICK", "Newsletter", "https://example.org/paper", at=at)
    portal.activities.submit(kim.id, "Demo", page="https://example.org/demo", at=at)
    for _ in range(2):
        instance.pull()
        portal.clock.advance(timedelta(minutes=5))
    with read(instance.gateway.store.main) as connection:
        rows = connection.execute(select(t.activities)).all()
        people = connection.execute(select(t.leads.c.id)).scalars().all()
    campaign = str(next(iter(portal.activities.campaigns)))
    assert sorted((row.kind, row.asset, row.channel, row.campaign) for row in rows) == [
        ("email_click", "https://example.org/paper", "email", campaign),
        ("form_submitted", "Demo", "web", ""),
        ("meeting_booked", "", "sales", ""),
        ("meeting_held", "", "sales", ""),
        ("page_view", "example.org/pricing", "web", "fair"),
    ]
    assert {row.lead for row in rows} == set(people)
    assert len(people) == 1


@pytest.mark.parametrize("api", ["v3"], indirect=True)
def test_polling_alone_learns_of_deletions(instance, portal):
    """Once a day the recycle bin is looked into; what lay there before is no news."""
    old, kept, gone = (portal.add("contacts", {"email": f"{name}@example.org"}) for name in "abc")
    portal.remove("contacts", old.id)
    portal.clock.advance(timedelta(hours=2))
    instance.pull()
    portal.clock.advance(timedelta(hours=20))
    portal.remove("contacts", gone.id)
    instance.pull()
    assert not records(instance)[gone.id].gone  # not a day yet
    portal.clock.advance(timedelta(hours=5))
    instance.pull()
    assert {id_: bool(row.gone) for id_, row in records(instance).items()} == {kept.id: False, gone.id: True}


@pytest.mark.parametrize("api", ["v3"], indirect=True)
def test_signals_are_told_with_what_keeps_them_away(instance, portal):
    """A scope that the token lacks, and a product that the account has not."""
    portal.enterprise = False
    portal.scopes = {"content", "crm.objects.contacts.read"}
    told = {one.name: (one.state, one.message) for one in instance.gateway.connection("hubspot").signals()}
    assert told == {
        "form_submissions": ("refused", "file:token lacks the scopes forms, says HubSpot"),
        "email_events": ("delivered", ""),
        "page_views": ("refused", "file:token lacks the scopes business-intelligence, says HubSpot"),
        "meetings": ("delivered", ""),
    }


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("api", ["v3"], indirect=True)
def test_former_values_come_with_their_times(instance, portal, wide):
    """Where the settings name the property: what the record was, and when, oldest first; also by batch read."""
    from dataclasses import replace

    from gateway.contracts import Document, RecordChanged

    kim = portal.add("contacts", {"email": "kim@example.org", "jobtitle": "Assistant"}, at=START - timedelta(days=9))
    for days, title in ((5, "Manager"), (2, "Chief")):
        portal.edit("contacts", kim.id, {"jobtitle": title}, at=START - timedelta(days=days))
    source = instance.gateway.sources["hubspot"]
    source._settings = {**source._settings, "history": ["jobtitle", "phone"]}
    if wide:
        names = (*source._shapes["contact"].properties, *(f"a_rather_long_property_name_{n:03}" for n in range(300)))
        source._shapes["contact"] = replace(source._shapes["contact"], properties=names)
    [page] = source.history("contacts", None, None)
    document = Document(id="d", system="hubspot", received_at=START, body=page.document, history=True)
    read = [one for one in source.read(document) if isinstance(one, RecordChanged)]
    assert [(one.values.get("jobtitle"), (START - one.at).days, one.precision) for one in read] == [
        ("Assistant", 9, "instant"), ("Manager", 5, "instant"), ("Chief", 2, "instant"), ("Chief", 2, "unknown"),
    ]  # fmt: skip
    assert [("email" in one.speaks_of) for one in read] == [False, False, False, True]  # the past says no more


def test_who_opted_out_is_taken_off_each_subscription_and_never_put_back(instance, portal, api):
    """By address; a second time says nothing new, and false subscribes nobody."""
    from gateway.contracts import Write

    kim, lou, max_ = (portal.add("contacts", {"email": f"{name}@example.org"}) for name in ("kim", "lou", "max"))
    nobody = portal.add("contacts", {"firstname": "Nobody"})
    portal.preferences.opt_out("max@example.org", "11003")
    sink = instance.gateway.sinks["hubspot"]
    wants = {kim.id: True, lou.id: False, max_.id: False, nobody.id: True}
    writes = [
        Write(key=f"k{id_}", object="contact", record=id_, fields={"opted_out_email": value, "gw_score": 3})
        for id_, value in wants.items()
    ]
    for _ in range(2):
        receipts = [receipt for call in sink.calls(writes) for receipt in sink.deliver(call)]
        assert {one.result for one in receipts} == {"done"}
        assert all(one.held["opted_out_email"] is wants[one.record] for one in receipts)
    assert portal.preferences.opted == {
        ("kim@example.org", "11001"): False, ("kim@example.org", "11003"): False, ("max@example.org", "11003"): False,
    }  # fmt: skip
    assert {one["gw_score"] for one in (kim, lou, max_, nobody)} == {"3"}


@pytest.mark.parametrize("api", ["v3"], indirect=True)
def test_one_type_of_e_mail_is_left_and_an_opt_in_is_passed_on(instance, portal):
    """By the property that shows it; who unsubscribed themselves can only come back themselves."""
    from gateway.contracts import Write

    names = ("kim", "lou", "max", "sam")
    kim, lou, max_, sam = (portal.add("contacts", {"email": f"{name}@example.org"}) for name in names)
    portal.preferences.opt_out("max@example.org", "11003")
    portal.preferences.opt_out("sam@example.org", "11003")
    sink = instance.gateway.sinks["hubspot"]
    said = {
        kim.id: {"hs_email_optout_11003": True},
        lou.id: {"opted_in_email": "2026-11-01T09:00:00Z", "hs_email_optout_11001": False},
        max_.id: {"opted_in_email": True},
        sam.id: {"hs_email_optout_11003": False},
    }
    writes = [Write(key=f"k{id_}", object="contact", record=id_, fields=fields) for id_, fields in said.items()]
    receipts = {one.key: one for call in sink.calls(writes) for one in sink.deliver(call)}
    assert {key: (one.result, one.code) for key, one in receipts.items()} == {
        f"k{kim.id}": ("done", ""), f"k{lou.id}": ("done", ""), f"k{max_.id}": ("done", ""),
        f"k{sam.id}": ("rejected", "CANNOT_RESUBSCRIBE"),
    }  # fmt: skip
    assert receipts[f"k{sam.id}"].fields == ("hs_email_optout_11003",)
    assert portal.preferences.opted == {
        ("kim@example.org", "11003"): False, ("lou@example.org", "11001"): True, ("lou@example.org", "11003"): True,
        ("max@example.org", "11001"): True, ("max@example.org", "11003"): False,
        ("sam@example.org", "11003"): False,
    }  # fmt: skip
    assert kim["hs_email_optout_11003"] == "true"


@pytest.mark.parametrize(
    ("fault", "result"),
    [
        ({"limit": "daily", "retry_after": 60}, "limit"),
        ({"status": 502}, "retry"),
        ({"drop": "after"}, "retry"),
        ({"status": 400, "body": {"category": "VALIDATION_ERROR", "message": "is already unsubscribed"}}, "done"),
        ({"status": 400, "body": {"category": "VALIDATION_ERROR", "message": "kim@example.org is wrong"}}, "rejected"),
    ],
)
@pytest.mark.parametrize("api", ["v3"], indirect=True)
def test_an_opt_out_that_did_not_arrive_is_not_done(instance, portal, fault, result):
    """It is told again, or named as what it is, without the address."""
    from gateway.contracts import Write

    kim = portal.add("contacts", {"email": "kim@example.org"})
    portal.faults.add("POST .*/unsubscribe", 1, fault)
    sink = instance.gateway.sinks["hubspot"]
    write = Write(key="k", object="contact", record=kim.id, fields={"opted_out_email": True})
    [receipt] = [receipt for call in sink.calls([write]) for receipt in sink.deliver(call)]
    assert receipt.result == result
    assert "kim@" not in receipt.message
