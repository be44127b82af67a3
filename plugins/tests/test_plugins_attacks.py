"""Everything at once, at random: kills, faults, merges, splits, undos, erasures, drift and history during deliveries.

Two gateways on one store between both sandboxes, one of them at work in the midst of the other's calls, each killed
wherever it writes. Afterwards every person is in each system once, no handoff has two tasks, what the gateway believes
is what is there, nothing is left to say, and the three equations hold.
"""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import combinations

import orjson
import pytest
from gateway_sandbox import HubSpotSandbox, SalesforceSandbox, serve
from gateway_sandbox.clock import Clock
from gateway_sandbox.hubspot import OFF
from gateway_sandbox.salesforce import CONSUMER_KEY
from sqlalchemy import select

import gateway.inbound.pulling
import gateway.outbound.delivery
import gateway.pipeline
from gateway.contracts import COMPANIONS
from gateway.errors import GatewayError, NotFound, Refused
from gateway.opening import open_gateway
from gateway.outbound import catalogues, undo
from gateway.outbound.planner import planned
from gateway.people import regrouping
from gateway.store import pushes, switches
from gateway.store import tables as t
from gateway.store.arrivals import Arrival
from gateway.store.overview import overview
from gateway.times import to_micros

START = datetime(2026, 6, 1, 9, tzinfo=UTC)
SYSTEMS = ("hubspot", "salesforce")
SECRETS = {"token": "pat-sandbox", "secret": "sandbox-consumer-secret"}
FILES = {
    "gateway.yaml": """
instance: {name: Attack, zone: UTC, currency: EUR}
systems:
  hubspot:
    plugin: hubspot
    role: ma
    pull: 1s
    outbound: on
    settings: {token: "file:token", base_url: "HUBSPOT", lists: [Hot], limits: {per_10s: 1000, searches_per_s: 1000}}
  salesforce:
    plugin: salesforce
    role: crm
    pull: 1s
    outbound: on
    settings:
      login_url: "SALESFORCE"
      consumer_key: KEY
      consumer_secret: "file:secret"
      task: {}
      campaigns: [Fair]
""",
    "mappings/hubspot.yaml": """
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
      lastname: {to: last_name, sync: newest}
      jobtitle: {to: title, sync: newest}
      company: company_name
      hs_email_optout: {to: opted_out_email, type: boolean}
      gw_score: {to: score, type: integer, sync: out}
      gw_stage: {to: stage, sync: out}
""",
    "mappings/salesforce.yaml": """
system: salesforce
timezone: UTC
objects:
  Lead:
    kind: person
    only: {object: Lead}
    id: Id
    time: SystemModstamp
    create: handoff
    once: key
    fields: &fields
      Gateway_Id__c: {to: lead_id, sync: out}
      Email: {to: email, sync: newest}
      LastName: {to: last_name, sync: newest}
      Company: {to: company_name, sync: newest}
      Title: {to: title, sync: newest}
      HasOptedOutOfEmail: {to: opted_out_email, type: boolean, sync: newest}
      Gateway_Score__c: {to: score, type: integer, sync: out}
    outcomes:
      - {outcome: accepted, when: {Status: Working - Contacted}}
      - {outcome: rejected, when: {Status: Closed - Not Converted}}
    no_outcome: {Status: [Open - Not Contacted, Closed - Converted]}
  Contact:
    kind: person
    only: {object: Contact}
    id: Id
    time: SystemModstamp
    create: never
    fields:
      Gateway_Id__c: {to: lead_id, sync: out}
      Email: {to: email, sync: newest}
      LastName: {to: last_name, sync: newest}
      Title: {to: title, sync: newest}
      HasOptedOutOfEmail: {to: opted_out_email, type: boolean, sync: newest}
      Gateway_Score__c: {to: score, type: integer, sync: out}
""".replace(" &fields", ""),
    "scoring.yaml": """
weights: {fit: 60, behaviour: 40}
maximum: {fit: 20, behaviour: 10}
fit: [{name: Chief, when: {title: {starts_with: chief}}, points: 20}]
""",
    "journey.yaml": """
stages:
  - {name: target, shared: target}
  - name: mql
    shared: mql
    entry: {score: 50}
    steps: [{handoff: salesforce}, {join: Hot}, {campaign: {name: Fair, status: Responded}}]
  - {name: sal, shared: sal, entry: {outcome: [accepted]}}
""",
}
FAULTS = {
    "hubspot": [
        ("POST .*/batch/update", {"drop": "after"}),
        ("POST .*/batch/update", {"drop": "before"}),
        ("POST .*/batch/update", {"garbage": True}),
        ("POST .*/batch/update", {"limit": "burst", "retry_after": 1}),
        ("POST .*/search", {"status": 503, "body": ""}),
        ("PUT .*/memberships", {"drop": "after"}),
        ("POST .*/batch/read", {"limit": "daily", "retry_after": 60}),
        (".", {"auth": True}),
        (".", {"status": 502, "body": "<html>"}),
    ],
    "salesforce": [
        ("PATCH .*/sobjects/Lead/", {"drop": "after"}),
        ("PATCH .*/sobjects/Lead/", {"garbage": True}),
        ("PATCH .*/sobjects/Lead/", {"status": 502, "body": "", "after": True}),
        ("PATCH .*/sobjects/Task/", {"drop": "after"}),
        ("PATCH .*/sobjects$", {"drop": "after"}),
        ("POST .*/sobjects$", {"drop": "after"}),
        ("GET .*/query", {"status": 503, "body": ""}),
        (".", {"expire": True}),
        (".", {"limit": "daily"}),
        (".", {"row": {"code": "UNABLE_TO_LOCK_ROW", "message": "busy"}, "rows": [0]}),
    ],
}


ANOTHERS = "another lead's record"
"""Two leads that were merged and split share an address over there: only a person can say whose the record is."""
ASKED = (ANOTHERS, "duplicate")
"""Nor which of several records over there is the lead's."""
DEAD = [t.writes.c[name] for name in ("system", "object", "code", "message", "fields", "lead")]


class Killed(BaseException):
    """As kill -9: nothing of the process runs any more."""


class Attack:
    """Both sandboxes and two gateways in one time; ``step`` does something at random, ``settle`` lets it rest."""

    def __init__(self, folder, hubspot, salesforce, urls, seed, say=lambda *_: None):
        self.rng, self.say, self.folder, self.at = random.Random(seed), say, folder, START
        self.hubspot, self.salesforce = hubspot, salesforce
        hubspot.define_gateway()
        self.hot = hubspot.lists.make("Hot")
        salesforce.add_campaign("Fair")
        (folder / "mappings").mkdir(parents=True)
        for name, text in {**FILES, **SECRETS}.items():
            text = text.replace("HUBSPOT", urls[0]).replace("SALESFORCE", urls[1]).replace("KEY", CONSUMER_KEY)
            (folder / name).write_text(text)
        self.fuse, self.busy, self.lives, self.kills = None, False, 0, 0
        self.number, self.hidden, self.erased = 0, {}, set[str]()
        self.gateways = [self.born(), self.born()]
        self.both(lambda one: self.work(one))

    # -- the gateways -------------------------------------------------------------------------------------------------

    def born(self):
        self.lives += 1
        made = open_gateway(self.folder, now=lambda: self.at)
        assert not made.problems
        made.worker = f"w{self.lives}"
        for delivery in made._deliveries.values():
            delivery.sink.deliver = partial(self.meanwhile, made, delivery.sink.deliver)
        return made

    def meanwhile(self, mine, deliver, call):
        """Somebody is at work before the call and before its receipts are booked."""
        self.disturb(mine)
        receipts = list(deliver(call))
        self.disturb(mine)
        return receipts

    def disturb(self, mine):
        if self.busy or self.rng.random() > 0.15:
            return
        self.busy, fuse, self.fuse = True, self.fuse, None
        try:
            other = next(one for one in self.gateways if one is not mine)
            self.act(other)
            self.work(other)
        finally:
            self.busy, self.fuse = False, fuse
            self.pass_(seconds=1)  # Salesforce's stamps are whole seconds: of two edits in one nobody knows the later

    def point(self):
        if self.fuse is not None:
            self.fuse -= 1
            if self.fuse < 0:
                self.fuse = None
                raise Killed

    def alive(self, place, what):
        """Do it; if the process is killed by it, another takes its place, as the supervisor sees to."""
        mine = self.gateways[place]
        try:
            what(mine)
        except Killed:
            self.kills += 1
            self.say("killed", mine.worker)
            mine.close()
            self.gateways[place] = heir = self.born()
            heir.inbox.release(mine.worker)
            for system in SYSTEMS:
                heir.bury_deliveries(system, mine.worker)

    def both(self, what):
        for place in range(len(self.gateways)):
            self.alive(place, what)

    def work(self, one):
        while one.run_pipeline_once(one.worker):
            pass

    def pull(self, one):
        for system in SYSTEMS:
            one.pull_once(system)
        self.work(one)

    def deliver(self, one):
        for system in SYSTEMS:
            for _ in range(30):
                if not one.deliver_once(system, one.worker):
                    break
            else:
                pytest.fail(f"{system} is told the same again and again")

    def turn(self, one):
        self.pull(one)
        one.sweep_once()
        self.deliver(one)
        self.work(one)

    # -- what happens -------------------------------------------------------------------------------------------------

    def people(self, sandbox, object_):
        with sandbox.lock:
            return [one for one in sandbox.records[object_].values() if not one.gone]

    def step(self):
        self.pass_(seconds=self.rng.choice((7, 7, 61, 700)))
        what = self.rng.choices(("act", "turn", "fault", "kill"), (6, 5, 2, 1))[0]
        place = self.rng.randrange(2)
        if what == "act":
            self.alive(place, self.act)
        elif what == "fault":
            system = self.rng.choice(SYSTEMS)
            match, action = self.rng.choice(FAULTS[system])
            self.say("fault", system, match, action)
            getattr(self, system).faults.add(match, self.rng.choice((1, 1, 2)), action)
        else:
            if what == "kill":
                self.fuse = self.rng.randrange(25)
            self.alive(place, self.turn)
            self.fuse = None

    def act(self, one):
        name = self.rng.choices(*zip(*ACTS.items(), strict=True))[0]
        self.say("act", name)
        with contextlib.suppress(NotFound, Refused):
            getattr(self, f"act_{name}")(one)

    def act_arrive(self, one):
        self.number += 1
        title = self.rng.choice(("Buyer", "Chief Buyer", "Chief Buyer"))
        values = {"email": f"p{self.number}@firm.example", "lastname": f"P{self.number}", "company": "Firm"}
        self.hubspot.add("contacts", {**values, "jobtitle": title})

    def act_edit(self, one):
        sandbox, object_, field = self.rng.choice((
            (self.hubspot, "contacts", "jobtitle"), (self.hubspot, "contacts", "lastname"),
            (self.salesforce, "Lead", "Title"), (self.salesforce, "Contact", "LastName"),
        ))  # fmt: skip
        known = self.people(sandbox, object_)
        if known:
            value = f"{self.rng.choice(('Chief', 'Buyer'))} {self.rng.randrange(99)}"
            with contextlib.suppress(Exception):
                sandbox.edit(object_, self.rng.choice(known).id, {field: value})

    def act_sales(self, one):
        leads = [lead for lead in self.people(self.salesforce, "Lead") if not lead["IsConverted"]]
        if leads:
            status = self.rng.choice(("Working - Contacted", "Closed - Not Converted"))
            self.salesforce.edit("Lead", self.rng.choice(leads).id, {"Status": status})

    def act_convert(self, one):
        leads = [lead for lead in self.people(self.salesforce, "Lead") if not lead["IsConverted"]]
        if leads and not self.hidden:
            self.salesforce.convert(self.rng.choice(leads).id)

    def act_merge_there(self, one):
        known = self.people(self.hubspot, "contacts")
        if len(known) > 3:
            winner, loser = self.rng.sample(known, 2)
            self.hubspot.merge("contacts", winner.id, loser.id)

    def act_remove(self, one):
        sandbox, object_ = self.rng.choice(((self.salesforce, "Lead"), (self.salesforce, "Task")))
        known = [one for one in self.people(sandbox, object_) if not (object_ == "Lead" and one["IsConverted"])]
        if known:
            sandbox.remove(object_, self.rng.choice(known).id)

    def act_erase(self, one):
        known = self.people(self.hubspot, "contacts")
        if known:
            gone = self.rng.choice(known)
            self.erased.add(gone["email"])
            self.hubspot.erase(gone.id)
            news = [{"subscriptionType": "contact.privacyDeletion", "eventId": self.number, "objectId": int(gone.id),
                     "occurredAt": int(self.at.timestamp() * 1000)}]  # fmt: skip
            one.inbox.append([Arrival(system="hubspot", body=orjson.dumps(news), received_at=self.at)])

    def act_unsubscribe(self, one):
        known = self.people(self.hubspot, "contacts")
        if known:
            self.hubspot.preferences.opt_out(self.rng.choice(known)["email"])

    def leads(self, one):
        with one.store.main.connect() as connection:
            alive = select(t.leads.c.id).where(t.leads.c.merged_into.is_(None), t.leads.c.erased_at.is_(None))
            return list(connection.scalars(alive.order_by(t.leads.c.id)))

    def act_merge(self, one):
        known = self.leads(one)
        if len(known) > 3:
            regrouping.merge(one, *self.rng.sample(known, 2), "kim", go=True)

    def act_split(self, one):
        for lead in self.leads(one):
            for _, refs in regrouping.parts(one, lead):
                if refs and self.rng.random() < 0.5:
                    regrouping.split(one, lead, refs, "kim", go=True)
                    return

    def act_undo(self, one):
        with one.store.main.connect() as connection:
            names = [row[0] for row in pushes.newest(connection, 9)]
        if names:
            push = self.rng.choice(names)
            undo.undo(one, push)

    def act_release(self, one):
        with one.store.main.connect() as connection:
            names = sorted({held[4] for _, _, fields in pushes.holds(connection) for held in fields.values()})
        if names:
            undo.release(one, self.rng.choice(names))

    def act_drift(self, one):
        """A field is hidden, or shown again; somebody may look at the catalogue."""
        if self.hidden:
            self.show()
        else:
            object_, field = self.rng.choice((("Lead", "Title"), ("Lead", "Gateway_Score__c"), ("Contact", "Title")))
            with self.salesforce.lock:
                fields = self.salesforce.org.objects[object_]
                self.hidden = {(object_, field): fields.pop(field)}
        if self.rng.random() < 0.5:
            catalogues.watch(one, "salesforce")

    def show(self):
        with self.salesforce.lock:
            for (object_, field), was in self.hidden.items():
                self.salesforce.org.objects[object_][field] = was
        self.hidden = {}

    def act_history(self, one):
        """The past is read beside the news, some pages of it."""
        pulling = one.pullings[self.rng.choice(SYSTEMS)]
        with contextlib.suppress(GatewayError):
            for stream in pulling.source.streams():
                for _, _ in zip(range(self.rng.randrange(3)), pulling.history(stream), strict=False):
                    pass
        self.work(one)

    # -- rest ---------------------------------------------------------------------------------------------------------

    def pass_(self, **span):
        self.at += timedelta(**span)
        for sandbox in (self.hubspot, self.salesforce):
            sandbox.clock.advance(timedelta(**span))

    def settle(self):
        self.show()
        self.busy = True
        for sandbox in (self.hubspot, self.salesforce):
            sandbox.faults.clear()
        for hours in range(24 * 5):
            self.pass_(hours=1)
            for one in self.gateways:
                with one.store.main.begin() as connection:
                    for system in SYSTEMS:
                        switches.resume(connection, system)
                catalogues.watch(one, "salesforce")
                self.turn(one)
            if hours > 25 and not self.waiting():  # a hidden field is asked for again after a day
                break
        else:
            pytest.fail(f"something waits for ever: {self.waiting()}")

    def waiting(self):
        w = t.writes.c
        with self.gateways[0].store.main.connect() as connection:
            refused = select(w.lead).where(w.state == "dead", w.code.in_(ASKED))
            for_a_person = (w.object.in_(COMPANIONS)) & (w.create) & (w.lead.in_(refused))
            states = Counter(connection.scalars(select(w.state).where(~for_a_person)).all())
            lookups = len(connection.execute(select(t.lookups)).all())
        found = {state: states[state] for state in ("waiting", "unknown", "leased") if states[state]}
        return found | ({"lookups": lookups} if lookups else {})

    def check(self):
        one = self.gateways[0]
        with one.store.main.connect() as connection:
            found = overview(connection, one.inbox, one.model.score_names, to_micros(self.at))
            dead = connection.execute(select(*DEAD).where(t.writes.c.state == "dead")).all()
            records = connection.execute(select(t.records)).mappings().all()
            handoffs = connection.execute(select(t.handoffs)).mappings().all()
            without = set(connection.scalars(select(t.leads.c.id).where(t.leads.c.erased_at.is_not(None))))
            apart = {frozenset(row) for row in connection.execute(select(t.apart))}
            without |= set(connection.scalars(select(t.work_items.c.lead).where(t.work_items.c.kind == "no record")))
            without |= {row.lead for row in dead if row.code in ASKED}
        wrong = []
        for system, counts in found.systems.items():
            parts = (counts.documents, counts.events, counts.writes)
            wrong += [("equation", system, one) for one in parts if not one.holds]
            if counts.documents.parts["quarantined"]:
                wrong.append(("quarantined", system))
        wrong += [("dead without reason", *row) for row in dead if not (row.code and row.message)]
        wrong += [("dead", *row) for row in dead if row.code not in ASKED]
        asked = {row.lead for row in dead if row.code in ASKED}
        wrong += [("left to say", repr(p.wanted)) for p in planned(one, SYSTEMS) if p.wanted.lead not in asked]
        known = {(row["system"], row["record"]) for row in records}
        people = [("hubspot", "contacts"), ("salesforce", "Lead"), ("salesforce", "Contact")]
        wrong += [
            ("never heard of", system, object_, record.id)
            for system, object_ in people
            for record in self.people(getattr(self, system), object_)
            if (system, record.id) not in known
            and record["email" if system == "hubspot" else "Email"] not in self.erased
        ]
        wrong += self.doubled(handoffs, without, apart) + self.believed(one, records)
        return wrong

    def doubled(self, handoffs, without, apart):
        """People made twice, tasks that are not one per handoff; ``without``: leads that can have none; ``apart``:
        pairs of leads that a person said are two people."""
        wrong = []
        made: dict[str, list[str]] = {}
        for effect in self.salesforce.effects:
            if effect.kind == "create" and effect.object == "Lead" and effect.call is not None:
                made.setdefault(effect.values.get("Email", "").lower(), []).append(effect.values["Gateway_Id__c"])
        wrong += [
            ("made twice", email, *pair)
            for email, leads in made.items()
            for pair in combinations(leads, 2)
            if frozenset(pair) not in apart
        ]
        tasks = list(self.salesforce.records["Task"].values())
        keys = Counter((one["Gateway_Id__c"] or "").lower().removeprefix("closed:handoff:") for one in tasks)
        keys = Counter({key.removesuffix(":task"): count for key, count in keys.items()})
        wrong += [("tasks", key, count) for key, count in keys.items() if count > 1]
        known = {row["id"] for row in handoffs}
        wrong += [("task without handoff", key) for key in keys if key not in known]
        wrong += [
            ("handoff without task", row["id"])
            for row in handoffs
            if row["id"] not in keys and row["lead"] not in without and row["state"] == "open"
        ]
        return wrong

    def believed(self, one, records):
        """Where a snapshot is not what is there."""
        wrong = []
        rules = {(s, o.name): o for s in SYSTEMS for o in one.model.objects.get(s, ())}
        for row in records:
            object_ = rules.get((row["system"], row["object"]))
            if object_ is None or row["object"] in COMPANIONS:
                continue
            sandbox = getattr(self, row["system"])
            there = sandbox.records["contacts" if row["system"] == "hubspot" else row["object"]].get(row["record"])
            if (there is None or bool(there.gone)) != (row["gone"] is not None):
                converted = there is not None and row["object"] == "Lead" and there["IsConverted"]
                if not converted and row["snapshot"]:
                    wrong.append(("gone", row["system"], row["object"], row["record"], row["gone"]))
                continue
            if row["gone"] is not None:
                continue
            for name, entry in row["snapshot"].items():
                field = next((f for f in object_.fields if f.field == name), None)
                if field is None:
                    continue
                real = there[name] if name in there.values else None
                real = None if real in ("", None) else field.load(real)
                held = None if entry[0] in ("", None) else field.load(entry[0])
                if real != held and not (real in (None, False) and held in (None, False)):
                    wrong.append(("believed", row["system"], row["object"], row["record"], name, held, real))
        return wrong


ACTS = {
    "arrive": 8, "edit": 6, "sales": 3, "convert": 2, "merge_there": 1, "remove": 1, "erase": 1, "unsubscribe": 1,
    "merge": 2, "split": 2, "undo": 2, "release": 1, "drift": 2, "history": 1,
}  # fmt: skip


@contextlib.contextmanager
def attacking(folder, seed, say=lambda *_: None):
    hubspot = HubSpotSandbox(seed=seed, clock=Clock(START, 0), limits=OFF)
    salesforce = SalesforceSandbox(seed=seed, clock=Clock(START, 0), gateway=True)
    with serve(hubspot) as one, serve(salesforce) as other, pytest.MonkeyPatch.context() as patch:
        attack = Attack(folder, hubspot, salesforce, (one.url, other.url), seed, say)

        def killable(real):
            @contextlib.contextmanager
            def write(engine, **more):
                attack.point()
                with real(engine, **more) as connection:
                    yield connection
                    attack.point()
                attack.point()

            return write

        for module in (gateway.outbound.delivery, gateway.pipeline, gateway.inbound.pulling):
            patch.setattr(module, "write", killable(module.write))
        yield attack
        for gateway_ in attack.gateways:
            gateway_.close()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2, 5])
def test_whatever_happens_at_once_all_agree_in_the_end(tmp_path, seed):
    """A hundred random steps, some of them in the midst of others."""
    told = []
    with attacking(tmp_path / "instance", seed, lambda *words: told.append(words)) as attack:
        for _ in range(100):
            attack.step()
        attack.settle()
        assert attack.check() == [], told
