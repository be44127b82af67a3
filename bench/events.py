"""Events end to end: 100-event documents from the inbox to committed leads, against ``bare_pipeline`` in the same run.

    python bench/events.py [--events 30000] [--rounds 5] [--postgresql] [--workers 1] [--json]

10,000 leads with 10 stored activities each; every event carries 12 fields of which 2 changed; 12 rules; one score per
lead and batch. Rounds are interleaved, the ratio is that of the medians; each is five batches long, so that neither a
batch cut short nor, of two workers, the wait for the other's last one is what is measured. Target: at least 0.7, on
SQLite and, with two workers, on PostgreSQL: one of its own with the settings it comes with (Debian: ``apt-get install
postgresql``). There the bare pipeline is one process over the same server; what it does over SQLite, without a server,
is told beside it.

Several workers and a server share the machine's processors with whoever else is busy; the bare pipeline needs one. So
the processor time of an event is told as well, that of all workers and of the server's processes together.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import bare_pipeline

from gateway import logs
from gateway.opening import open_gateway
from gateway.runtime import Gateway
from gateway.store.arrivals import Arrival
from gateway.times import to_micros

TARGET = 0.7
PEOPLE = 10_000
NOW = datetime(2026, 6, 1, tzinfo=UTC)
KINDS = ("page_view", "download", "email_click", "webinar", "demo_request")
FILES = {
    "gateway.yaml": """
instance: {name: Bench, zone: UTC, currency: EUR}
systems:
  site: {plugin: webhook, role: ma, settings: {allow_insecure: true, verify: {scheme: none}}}
""",
    "mappings/site.yaml": """
system: site
timezone: UTC
objects:
  contact:
    kind: person
    id: id
    time: at
    activities:
      - {activity: page_view, when: {kind: page_view}, on: each}
      - {activity: download, when: {kind: download}, on: each}
      - {activity: email_click, when: {kind: email_click}, on: each}
      - {activity: webinar, when: {kind: webinar}, on: each}
      - {activity: demo_request, when: {kind: demo_request}, on: each}
    fields:
      email: email
      title: title
      country: country
      city: city
      industry: industry
      source: source
      department: department
      company_name: company_name
      phone: {to: phone_text, type: string}
      employees: {to: employees, type: integer}
      visits: {to: visits, type: integer}
      revenue: {to: revenue, type: integer}
""",
    "scoring.yaml": """
weights: {fit: 60, behaviour: 40}
maximum: {fit: 60, behaviour: 40}
fit:
  - {name: Chief, when: {title: {contains: chief}}, points: 20}
  - {name: Intern, when: {title: {contains: intern}}, points: -10}
  - {name: Industry, when: {industry: [software, finance]}, points: 15}
  - {name: Germany, when: {country: Germany}, points: 10}
  - {name: Size, when: {employees: {at_least: 50}}, points: 5}
  - {name: Visits, when: {visits: {at_least: 5}}, points: 5}
  - {name: Referral, when: {source: referral}, points: 5}
behaviour:
  - {name: Page, activity: page_view, points: 2, half_life: 30d}
  - {name: Download, activity: download, points: 5, half_life: 30d}
  - {name: Click, activity: email_click, points: 3, half_life: 30d}
  - {name: Webinar, activity: webinar, points: 8, half_life: 30d}
  - {name: Demo, activity: demo_request, points: 20, half_life: 30d}
""",
    "journey.yaml": """
stages:
  - {name: target, shared: target}
  - {name: mql, shared: mql, entry: {score: 70}}
""",
}


def people(rng: random.Random) -> list[dict[str, Any]]:
    return [
        {
            "id": f"p{n}",
            "email": f"person{n}@company{n % 700}.example",
            "title": rng.choice(["chief buyer", "intern", "engineer", "sales manager"]),
            "country": rng.choice(["Germany", "France", "Spain"]),
            "city": f"city {n % 90}",
            "industry": rng.choice(["software", "finance", "retail"]),
            "source": rng.choice(["referral", "paid", "organic"]),
            "department": rng.choice(["it", "sales", "finance"]),
            "company_name": f"company {n % 700}",
            "phone": f"+4930{n:07}",
            "employees": rng.randrange(500),
            "visits": rng.randrange(20),
            "revenue": rng.randrange(100_000),
        }
        for n in range(PEOPLE)
    ]


def documents(rng: random.Random, persons: list[dict[str, Any]], events: int, at: datetime) -> list[bytes]:
    """Each event is the whole contact, two of its fields changed."""
    bodies = []
    for start in range(0, events, 100):
        items = []
        for n in range(100):
            person = rng.choice(persons)
            person["visits"] += 1
            person["city"] = f"city {rng.randrange(90)}"
            items.append(person | {"at": (at + timedelta(milliseconds=start + n)).isoformat()})
        bodies.append(json.dumps(items).encode())
    return bodies


def instance(folder: Path) -> Gateway:
    logs.configure(logs.WARNING)
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return open_gateway(folder, now=lambda: NOW)


def arrive(gateway: Gateway, bodies: list[bytes]) -> None:
    gateway.inbox.append([Arrival(system="site", body=body, received_at=NOW) for body in bodies])


def work(gateway: Gateway) -> None:
    while gateway.run_pipeline_once("bench"):
        pass


def share(folder: Path, turn: Any) -> None:
    """One of several workers, each a process: works until nothing waits, whenever it is its turn."""
    logs.configure(logs.WARNING)
    gateway = open_gateway(folder, now=lambda: NOW)
    while True:
        turn.wait()
        while gateway.run_pipeline_once(f"bench {os.getpid()}"):
            pass
        turn.wait()


@contextmanager
def crew(folder: Path, count: int) -> Iterator[Callable[[], None]]:
    """A function that lets ``count`` processes work everything that waits."""
    turn = multiprocessing.Barrier(count + 1)
    workers = [multiprocessing.Process(target=share, args=(folder, turn), daemon=True) for _ in range(count)]
    for worker in workers:
        worker.start()

    def work_all() -> None:
        turn.wait()
        turn.wait()

    work_all()  # until all are there
    try:
        yield work_all
    finally:
        for worker in workers:
            worker.terminate()


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """The URL of a server of its own, with the settings it comes with."""
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"))
    owner = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    folder.mkdir()
    if owner:
        shutil.chown(folder, "postgres")
    data = folder / "data"
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "cwd": "/"}
    subprocess.run([*owner, programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust"], **quiet)
    options = f"-c listen_addresses='' -c unix_socket_directories={folder}"
    start = [*owner, programs / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start"]
    subprocess.run(start, **quiet)
    try:
        subprocess.run([*owner, programs / "createdb", "-h", folder, "-U", "postgres", "bench"], **quiet)
        yield f"postgresql://postgres@/bench?host={folder}"
    finally:
        subprocess.run([*owner, programs / "pg_ctl", "-D", data, "-m", "fast", "stop"], **quiet)


def processor(*roots: int) -> float:
    """Seconds of a processor that these processes and those they started have used so far."""
    used, parents = dict[int, float](), dict[int, int]()
    for name in os.listdir("/proc"):
        with suppress(OSError):
            if name.isdigit():
                told = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
                used[int(name)] = (int(told[11]) + int(told[12])) / os.sysconf("SC_CLK_TCK")
                parents[int(name)] = int(told[1])
    chosen = set(roots)
    while more := {one for one, parent in parents.items() if parent in chosen} - chosen:
        chosen |= more
    return sum(used.get(one, 0.0) for one in chosen)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--events", type=int, default=30_000, help="per round and side")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--postgresql", action="store_true")
    parser.add_argument("--workers", type=int, default=1, help="processes that share the events")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    rng = random.Random(4)
    persons = people(rng)
    done = {
        person["id"]: [
            (to_micros(NOW - timedelta(days=rng.randrange(1, 90), seconds=k)), rng.choice(KINDS)) for k in range(10)
        ]
        for person in persons
    }
    with tempfile.TemporaryDirectory() as name, ExitStack() as open_:
        Path(name).chmod(0o755)
        if options.postgresql:
            FILES["gateway.yaml"] += f"store: {open_.enter_context(postgresql(Path(name) / 'pg'))}\n"
        gateway = instance(Path(name) / "gateway")
        past = NOW - timedelta(days=100)
        known = [person | {"at": past.isoformat()} for person in persons]
        emails = {person["id"]: person["email"] for person in persons}
        acts = [
            {"id": id_, "email": emails[id_], "kind": kind, "at": _iso(at)}
            for id_, acts in done.items()
            for at, kind in acts
        ]
        for items in (known, acts):
            chunks = [items[start : start + 500] for start in range(0, len(items), 500)]
            arrive(gateway, [json.dumps(chunk).encode() for chunk in chunks])
            work(gateway)
        if options.postgresql:  # as its autovacuum would have by the time that so much is stored
            with gateway.store.main.connect() as connection:
                connection.exec_driver_sql("ANALYZE")
        work_all = lambda: work(gateway)  # noqa: E731
        if options.workers > 1:
            work_all = open_.enter_context(crew(Path(name) / "gateway", options.workers))
        bare = {"bare": bare_pipeline.prepare(gateway.instance.store, persons, done)} if options.postgresql else {}
        bare["bare on SQLite" if bare else "bare"] = bare_pipeline.prepare(Path(name) / "bare", persons, done)
        roots = [os.getpid()]
        if options.postgresql:
            roots.append(int((Path(name) / "pg" / "data" / "postmaster.pid").read_text().split()[0]))
        rates: dict[str, list[float]] = {side: [] for side in ("gateway", *bare)}
        costs: dict[str, list[float]] = {side: [] for side in rates}
        for round_ in range(options.rounds):
            bodies = documents(rng, persons, options.events, NOW - timedelta(hours=options.rounds - round_))
            arrive(gateway, bodies)
            began, used = time.perf_counter(), processor(*roots)
            work_all()
            rates["gateway"].append(options.events / (time.perf_counter() - began))
            costs["gateway"].append((processor(*roots) - used) / options.events * 1e6)
            for side, store in bare.items():
                used = processor(*roots)
                rates[side].append(bare_pipeline.run(store, bodies, to_micros(NOW)))
                costs[side].append((processor(*roots) - used) / options.events * 1e6)
        counts = gateway.inbox.counts()["site"]
        assert counts["read"] == counts["stored"], counts
        gateway.close()
        for store in bare.values():
            store.close()
    ours, theirs, *beside = (statistics.median(rates[side]) for side in rates)
    spent, bare_spent, *_ = (statistics.median(costs[side]) for side in costs)
    result = {
        "bench": "events",
        "store": f"{'PostgreSQL' if options.postgresql else 'SQLite'}, {options.workers} worker(s)",
        "gateway_events_per_s": round(ours),
        "bare_events_per_s": round(theirs),
        "ratio": round(ours / theirs, 2),
        "gateway_processor_us_per_event": round(spent),
        "bare_processor_us_per_event": round(bare_spent),
        "target": f">= {TARGET}",
    }
    if beside:
        result |= {"bare_on_sqlite_events_per_s": round(beside[0]), "ratio_to_sqlite": round(ours / beside[0], 2)}
    if options.json:
        print(json.dumps(result))
    else:
        rounds = f"median of {options.rounds} interleaved rounds of {options.events:,} events"
        print(f"events end to end on {result['store']}, {rounds}")
        print(f"  gateway {ours:10,.0f} events/s")
        print(f"  bare    {theirs:10,.0f} events/s")
        print(f"  ratio   {result['ratio']:10.2f}      (target {result['target']})")
        if beside:
            print(f"  bare, on SQLite {beside[0]:,.0f} events/s, ratio {result['ratio_to_sqlite']:.2f}")
        print(f"  processor time of an event: gateway {spent:.0f} µs, bare {bare_spent:.0f} µs")
    return 0 if ours / theirs >= TARGET else 1


def _iso(micros: int) -> str:
    return datetime.fromtimestamp(micros / 1e6, UTC).isoformat()


if __name__ == "__main__":
    sys.exit(main())
