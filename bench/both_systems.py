"""HubSpot and Salesforce kept in step: API calls and seconds, against the sandbox of gateway-sandbox.

    python bench/both_systems.py [--leads 10000] [--idle 3000] [--json]

- calls for 1,000 changed leads that both systems know; the same when all of them are handed over, each with its task;
- seconds from changed facts in the store until all receipts of both systems are booked, against a bare client that
  sends the same bodies to the same sandbox;
- calls of a day on which nothing happens, asked every ten minutes;
- calls of 30 days in which leads do nothing and their scores decay, each at times of its own; for 100,000 of them they
  follow from the writes of each hour.

The sandboxes are processes of their own; every figure but the seconds is the same on any machine.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import multiprocessing
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests

from gateway.contracts import Receipt
from gateway.opening import open_gateway
from gateway.runtime import Gateway
from gateway.store.arrivals import Arrival

SYSTEMS = ("hubspot", "salesforce")
TARGETS = {
    "calls for 1,000 changed leads": {"hubspot": 12, "salesforce": 6},
    "calls for 1,000 handoffs": {"hubspot": 12, "salesforce": 11},
    "seconds": 20.0,
    "calls of an idle day": 500,
}
MANY = 100_000
MOST = {"hubspot": 100, "salesforce": 200}
"""Writes of one call."""
START = datetime(2026, 6, 1, tzinfo=UTC)
FILES = {
    "gateway.yaml": """
instance: {name: Bench, zone: UTC, currency: EUR}
systems:
  site: {plugin: webhook, role: ma, settings: {allow_insecure: true, verify: {scheme: none}}}
  hubspot:
    plugin: hubspot
    role: ma
    pull: 10m
    outbound: on
    settings:
      token: file:hubspot.token
      base_url: HUBSPOT
      limits: {per_10s: 1000, per_day: 10000000, searches_per_s: 1000}
  salesforce:
    plugin: salesforce
    role: crm
    pull: 10m
    outbound: on
    settings:
      login_url: SALESFORCE
      consumer_key: file:salesforce.key
      consumer_secret: file:salesforce.secret
      limits: {per_day: 100000}
      task: {}
""",
    "mappings/site.yaml": """
system: site
timezone: UTC
objects:
  contact:
    kind: person
    id: id
    time: at
    activities: [{activity: page_view, when: {kind: page_view}, on: each}]
    fields:
      email: email
      first: first_name
      last: last_name
      title: title
      company: company_name
      ready: {to: ready, type: boolean}
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
    created: createdAt
    create: always
    fields:
      email: {to: email, sync: newest}
      firstname: {to: first_name, sync: newest}
      lastname: {to: last_name, sync: newest}
      jobtitle: {to: title, sync: newest}
      company: {to: company_name, sync: newest}
      gw_score: {to: score, type: integer, sync: out}
      gw_stage: {to: stage, sync: out}
  company: {kind: company, only: {object: company}, id: id, time: updatedAt, fields: {name: name}}
  deal: {kind: deal, only: {object: deal}, id: id, time: updatedAt, fields: {dealstage: deal_stage}}
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
    created: CreatedDate
    create: always
    once: key
    fields:
      Gateway_Id__c: {to: lead_id, sync: out}
      Email: {to: email, sync: newest}
      FirstName: {to: first_name, sync: newest}
      LastName: {to: last_name, sync: newest}
      Title: {to: title, sync: newest}
      Company: {to: company_name, sync: newest}
      OwnerId: owner
      Gateway_Score__c: {to: score, type: integer, sync: out}
      Gateway_Handoff__c: {to: handoff_id, sync: out}
    outcomes: [{outcome: accepted, when: {Status: Working - Contacted}}]
  Contact:
    kind: person
    only: {object: Contact}
    id: Id
    time: SystemModstamp
    create: never
    fields: {Gateway_Id__c: {to: lead_id, sync: out}, Email: {to: email, sync: newest}}
  Account: {kind: company, only: {object: Account}, id: Id, time: SystemModstamp, fields: {Name: name}}
  Opportunity: {kind: deal, only: {object: Opportunity}, id: Id, time: SystemModstamp, fields: {StageName: deal_stage}}
""",
    "scoring.yaml": """
weights: {fit: 60, behaviour: 40}
maximum: {fit: 60, behaviour: 40}
fit:
  - {name: Ready, when: {ready: true}, points: 60}
behaviour:
  - {name: Page, activity: page_view, points: 10, cap: 40, half_life: 10d}
""",
    "journey.yaml": """
stages:
  - {name: target, shared: target}
  - {name: mql, shared: mql, entry: {score: 55}, steps: [{handoff: salesforce}]}
  - {name: won, shared: won, entry: {outcome: [won]}}
""",
}


class Sandbox:
    """``python -m gateway_sandbox SYSTEM`` as a process, and what it counted."""

    def __init__(self, system: str) -> None:
        command = [sys.executable, "-m", "gateway_sandbox", system, "--fields", "--unlimited"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().split(" on ")[1].split(" ")[0]
        self.session = requests.Session()

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()

    def forget(self) -> None:
        self.session.delete(f"{self.url}/_sandbox/calls", timeout=60)

    def calls(self) -> list[dict[str, Any]]:
        """What was called since ``forget``; how to log in apart."""
        made: list[dict[str, Any]] = self.session.get(f"{self.url}/_sandbox/calls", timeout=600).json()
        return [call for call in made if "oauth" not in call["path"]]


@dataclass
class Bench:
    gateway: Gateway
    sandboxes: dict[str, Sandbox]
    people: list[dict[str, Any]]
    at: datetime = START
    results: dict[str, Any] = field(default_factory=dict)

    def say(self, people: list[dict[str, Any]]) -> None:
        """The site tells of these people, a minute later than the last time."""
        self.at += timedelta(minutes=1)
        items = [{"at": self.at.isoformat()} | person for person in people]
        bodies = [json.dumps(items[start : start + 500]).encode() for start in range(0, len(items), 500)]
        self.gateway.inbox.append([Arrival(system="site", body=body, received_at=self.at) for body in bodies])
        while self.gateway.run_pipeline_once("bench"):
            pass

    def deliver(self) -> None:
        for system in SYSTEMS:
            while self.gateway.deliver_once(system, "bench"):
                pass

    def counted(self) -> dict[str, Counter[str]]:
        return {
            system: Counter(f"{call['method']} {call['path']}" for call in sandbox.calls())
            for system, sandbox in self.sandboxes.items()
        }

    def forget(self) -> None:
        for sandbox in self.sandboxes.values():
            sandbox.forget()

    # -- what is measured ---------------------------------------------------------------------------------------------

    def few(self) -> None:
        """1,000 changed leads, then 1,000 handoffs."""
        some = self.people[:1000]
        for what, change in (("changed leads", {"title": "Head of Purchasing"}), ("handoffs", {"ready": True})):
            for person in some:
                person.update(change)
            self.forget()
            self.say(some)
            self.deliver()
            self.results[f"calls for 1,000 {what}"] = {
                system: sum(calls.values()) for system, calls in self.counted().items()
            }

    def many(self) -> None:
        """All leads changed, against the bare client."""
        for person in self.people:
            person["title"] = "Chief of Purchasing"
        self.forget()
        began = time.perf_counter()
        self.say(self.people)
        facts = time.perf_counter()
        seconds = self._in_two_processes()
        done = facts + seconds
        made = {system: sandbox.calls() for system, sandbox in self.sandboxes.items()}
        left = self.gateway.outbound_systems()
        assert left == list(SYSTEMS), left
        self.results |= {
            "seconds": round(seconds, 1),
            "seconds from documents in the inbox": round(done - began, 1),
            "bare client, seconds": round(bare := sum(self._bare(system, calls) for system, calls in made.items()), 1),
            "ratio": round(bare / (done - facts), 2),
            "calls for all": {system: len(calls) for system, calls in made.items()},
        }

    def _in_two_processes(self) -> float:
        """A delivery worker for each system, as `gateway run` has them; from both being ready until all is booked."""
        spawn = multiprocessing.get_context("spawn")
        ready = spawn.Barrier(len(SYSTEMS) + 1)
        root = self.gateway.instance.root
        workers = [spawn.Process(target=_worker, args=(root, system, self.at, ready)) for system in SYSTEMS]
        for worker in workers:
            worker.start()
        ready.wait()
        began = time.perf_counter()
        for worker in workers:
            worker.join()
        return time.perf_counter() - began

    def _bare(self, system: str, calls: list[dict[str, Any]]) -> float:
        """The same bodies to the same addresses, and their answers decoded."""
        sandbox = self.sandboxes[system]
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {_token(system, sandbox)}"}
        began = time.perf_counter()
        for call in calls:
            url = f"{sandbox.url}{call['path']}" + (f"?{call['query']}" if call["query"] else "")
            answer = sandbox.session.request(call["method"], url, data=call["body"], headers=headers, timeout=60)
            answer.raise_for_status()
            answer.json()
        return time.perf_counter() - began

    def idle_day(self) -> None:
        """Nothing happens, and every ten minutes it is asked what did."""
        for _ in range(3):  # what is left of the changes above
            self._ask()
        self.forget()
        for _ in range(144):
            self._ask()
        self.results["calls of an idle day"] = {system: sum(calls.values()) for system, calls in self.counted().items()}

    def _ask(self) -> None:
        self.at += timedelta(minutes=10)
        for sandbox in self.sandboxes.values():
            sandbox.session.post(f"{sandbox.url}/_sandbox/clock", json={"advance": 600}, timeout=60)
        for system in SYSTEMS:
            self.gateway.pull_once(system)
        while self.gateway.run_pipeline_once("bench"):
            pass
        self.deliver()


def decay(root: Path, leads: int, days: int = 30) -> dict[str, Any]:
    """Scores fall by themselves for ``days``; what is sent is counted as the sinks batch it, and answered at once."""
    at = [START]
    gateway = open_gateway(root, now=lambda: at[0])
    calls: Counter[str] = Counter()
    written: Counter[tuple[str, datetime]] = Counter()
    for system, sink in gateway.sinks.items():

        def deliver(call: Any, system: str = system) -> Iterator[Receipt]:
            calls[system] += call.cost
            written[system, at[0]] += len(call.writes)
            return (Receipt(key=one.key, result="done", record=one.record or one.key[-18:]) for one in call.writes)

        sink.deliver = deliver  # type: ignore[method-assign]
    rng = random.Random(4)
    bench = Bench(gateway, {}, [], START)
    for start in range(0, leads, 10_000):
        people = made(rng, start, min(10_000, leads - start))
        bench.say(people)
        for number in range(3):
            some = rng.sample(people, len(people) // 2)
            ages = (timedelta(minutes=rng.randrange(10 * 1440)) for _ in some)
            bench.say(
                [
                    person | {"kind": "page_view", "view": number, "at": (START - age).isoformat()}
                    for person, age in zip(some, ages, strict=True)
                ]
            )
    at[0] = bench.at + timedelta(hours=1)
    while gateway.sweep_once():
        pass
    bench.deliver()
    at[0] += timedelta(hours=1)
    bench.deliver()
    calls.clear()
    written.clear()
    rescored, end = 0, at[0] + timedelta(days=days)
    while at[0] < end:
        at[0] += timedelta(minutes=30)
        while count := gateway.sweep_once():
            rescored += count
        bench.deliver()
    gateway.close()
    many = Counter[str]()  # the same writes of so many more leads, at the same times
    for (system, _), count in written.items():
        many[system] += math.ceil(count * MANY / leads / MOST[system])
    return {
        "leads": leads,
        "scores that fell": rescored,
        "calls a day": {system: math.ceil(calls[system] / days) for system in SYSTEMS},
        "for 100,000 leads": {system: math.ceil(many[system] / days) for system in SYSTEMS},
    }


def made(rng: random.Random, start: int, count: int) -> list[dict[str, Any]]:
    return [
        {
            "id": f"p{number}",
            "email": f"person{number}@firm{number % 700}.example",
            "first": f"First{rng.randrange(900)}",
            "last": f"Last{rng.randrange(9000)}",
            "title": "Head of Sales",
            "company": f"Firm {number % 700}",
            "ready": False,
        }
        for number in range(start, start + count)
    ]


def _worker(root: Path, system: str, at: datetime, ready: Any) -> None:
    with contextlib.closing(open_gateway(root, now=lambda: at)) as gateway:
        ready.wait()
        while gateway.deliver_once(system, system):
            pass


def write_files(root: Path, urls: dict[str, str]) -> None:
    from gateway_sandbox import hubspot, salesforce

    (root / "mappings").mkdir(parents=True)
    for name, text in FILES.items():
        text = text.replace("HUBSPOT", urls["hubspot"]).replace("SALESFORCE", urls["salesforce"])
        (root / name).write_text(text)
    (root / "hubspot.token").write_text(hubspot.TOKEN)
    (root / "salesforce.key").write_text(salesforce.CONSUMER_KEY)
    (root / "salesforce.secret").write_text(salesforce.CONSUMER_SECRET)


def _token(system: str, sandbox: Sandbox) -> str:
    from gateway_sandbox import hubspot
    from gateway_sandbox.testing import log_in

    return hubspot.TOKEN if system == "hubspot" else str(log_in(sandbox.url)["access_token"])


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--leads", type=int, default=10_000, help="that both systems know")
    parser.add_argument("--idle", type=int, default=3_000, help="whose scores decay; 0: leave that out")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        sandboxes = {system: stack.enter_context(contextlib.closing(Sandbox(system))) for system in SYSTEMS}
        urls = {system: sandbox.url for system, sandbox in sandboxes.items()}
        write_files(Path(folder) / "synced", urls)
        bench = Bench(None, sandboxes, made(random.Random(4), 0, options.leads), datetime.now(UTC))  # type: ignore[arg-type]
        bench.gateway = stack.enter_context(
            contextlib.closing(open_gateway(Path(folder) / "synced", now=lambda: bench.at))
        )
        bench.say(bench.people)
        bench.deliver()
        bench._ask()  # whose leads they are, Salesforce tells: else each task is asked for its owner
        bench.few()
        bench.many()
        bench.idle_day()
        results = bench.results
        if options.idle:
            write_files(Path(folder) / "idle", urls)
            results["30 days of decay"] = decay(Path(folder) / "idle", options.idle)
    missed = list(_missed(results))
    if options.json:
        print(json.dumps({"bench": "both_systems", **results, "missed": missed}))
    else:
        for what, found in results.items():
            print(f"  {what:<36} {found}   {f'(target at most {TARGETS[what]})' if what in TARGETS else ''}")
        print(*(f"  missed: {what}" for what in missed), sep="\n")
    return 1 if missed else 0


def _missed(results: dict[str, Any]) -> Iterator[str]:
    decays = results.get("30 days of decay", {}).get("for 100,000 leads", {})
    for what, most in [*TARGETS.items(), ("30 days of decay", 500)]:
        found = decays if what == "30 days of decay" else results[what]
        for system, count in found.items() if isinstance(found, dict) else [("", found)]:
            if count > (most[system] if isinstance(most, dict) else most):
                yield f"{what} {system}: {count}"


if __name__ == "__main__":
    sys.exit(main())
