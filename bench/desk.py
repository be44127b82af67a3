"""Every page of the desk and every list of the API over many leads: milliseconds of the server until it has answered.

    python bench/desk.py [--leads 1000000] [--keep DIR] [--processes 3] [--json]

A company in full work: each lead has a score, a name, a record and a way through the stages; one in eight was handed to
sales, a sixth of those still is; 1,200,000 writes, 300,000 documents, 60,000 pieces of work, 200,000 entries of the
audit. Asked through Flask's own client. First: the page's first view in a process that has just begun; later:
the median of later views; both of a processor, the least of a few processes, which is what they take where nothing else
runs. What takes longer is worked out beside the page, which waits 50 ms for it at most: the clock's time has that, and
all else that the machine does. Beside it a bare Flask page of 50 rows. Target: no first view over 100 ms.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import events
from events import NOW
from flask import Flask, render_template_string

from gateway import logs
from gateway.accounts import keys, users
from gateway.engine.process import web_app
from gateway.opening import open_gateway
from gateway.runtime import Gateway
from gateway.store.database import write
from gateway.store.times import utc_now
from gateway.times import to_micros
from gateway.web.desk.mounting import warm

TARGET = 100.0
"""Milliseconds."""
VIEWS = 4
"""Of each page, in each process."""
Found = dict[str, list[tuple[float, float]]]
EMAIL, PASSWORD = "admin@bench.example", "correct horse battery"
STAGES = ("target", "mql", "sal", "sql", "won")
BANDS = ((7000, "great"), (4000, "good"), (0, "bad"))
BUCKETS = ("sales_qualified", "sales_rejected", "recycled")
FIRST = ("Ann", "Ben", "Cleo", "Dan", "Eve", "Finn", "Gita", "Hugo", "Ines", "Jan")
LAST = ("Adler", "Brandt", "Costa", "Dupont", "Egger", "Fischer", "Garcia", "Haas", "Ivanov", "Jensen")
OWNERS = [f"seller{n}@bench.example" for n in range(20)]
CAMPAIGNS = [f"campaign {n}" for n in range(200)]
SECOND, DAY = 1_000_000, 86_400_000_000
SPAN = 400 * DAY
JOURNEY = """
personas:
  - {name: executive, when: {title: {contains: chief}}}
  - {name: other}
stages:
  - {name: target, shared: target}
  - {name: mql, shared: mql, entry: {score: 70}, steps: [{handoff: crm}]}
  - {name: sal, shared: sal, entry: {outcome: [accepted]}}
  - {name: sql, shared: sql, entry: {outcome: [qualified]}}
  - {name: won, shared: won, entry: {outcome: [won]}}
calendars: {office: {zone: Europe/Berlin, hours: {mon-fri: "09:00-17:00"}}}
follow_up: {response: 4h, period: 5d, calendar: office, warn: 80, escalate: 100, reassign: 200}
reasons: {sales_rejected: [no budget, wrong person], recycled: [not now]}
owners:
OWNERS
  - {queue: desk}
fallback: desk
"""
CRM = """
system: crm
timezone: UTC
objects:
  lead:
    kind: person
    id: id
    time: at
    create: at handoff
    fields:
      email: {to: email, sync: newest}
      title: {to: title, sync: newest}
      score: {to: score, type: integer, sync: out}
"""
GOALS = """
baseline: {from: 2025-06-01, until: 2026-01-01}
goals:
  - {name: Sales accept more, from: mql, to: sal, increase: 10 %, team: Sales, by: 2026-12-31}
"""


def lead_id(n: int) -> str:
    return f"01{n:030x}"


def lead_rows(count: int) -> Iterator[dict[str, list[tuple[Any, ...]]]]:
    """Table → rows, by the ten thousand leads."""
    rng, now = random.Random(8), to_micros(NOW)
    found: dict[str, list[tuple[Any, ...]]] = {}

    def put(table: str, *row: Any) -> None:
        found.setdefault(table, []).append(row)

    for n in range(count):
        id_, at = lead_id(n), now - SPAN + SPAN * n // count
        first, last, far = rng.choice(FIRST), f"{rng.choice(LAST)} {n % 50_000}", rng.choice((1, 1, 1, 2, 2, 3, 4, 5))
        executive = rng.random() < 0.1
        email, title = f"person{n}@company{n % 9973}.example", "chief buyer" if executive else "engineer"
        held = {"email": email, "first_name": first, "last_name": last, "title": title}
        persona, stage = "executive" if executive else "other", STAGES[far - 1]
        name = f"{last} {first}".lower()
        put("leads", id_, at, at, json.dumps(held), persona, stage, "\n".join(sorted(STAGES[:far])), name)
        if rng.random() < 0.95:
            total = rng.randrange(10_001)
            band = next(word for least, word in BANDS if total >= least)
            due = None if rng.random() < 0.3 else now + rng.randrange(1, 30 * 86_400) * SECOND
            put("scores", id_, total, total * 6 // 10, total * 4 // 10, band, now, due)
        put("identities", "email", email, id_)
        raw = json.dumps({field: [value, at] for field, value in held.items()})
        put("records", "site", "contact", id_, id_, raw, at, at)
        for place, reached in enumerate(STAGES[:far]):
            put("reached", id_, reached, at + place * DAY)
        for place in range(3):
            then = now - rng.randrange(1, 300 * 86_400) * SECOND
            put("activities", id_, then, str(place), rng.choice(events.KINDS), rng.choice(CAMPAIGNS))
        put("events", f"e{n:015x}", f"03{n // 100:030x}", id_, at, at)
        if far > 1 and n % 4 == 0:
            put("records", "crm", "lead", f"c{n}", id_, raw, at, at)
            still, owner = n % 24 == 0, rng.choice(OWNERS)
            opened = now - rng.randrange(1, 5 * 1440) * 60 * SECOND if still else at + DAY
            state, bucket = ("open", None) if still else ("closed", rng.choice(BUCKETS))
            ahead = now + rng.randrange(-600, 5 * 1440) * 60 * SECOND
            ended = None if still else opened + 3 * DAY
            accepted = opened + 3600 * SECOND if rng.random() < 0.6 else None
            put(
                "handoffs",
                f"02{n:030x}",
                id_,
                opened,
                opened,
                owner,
                state,
                bucket,
                ahead,
                ahead + DAY,
                accepted,
                ended,
            )
        if len(found["leads"]) == 10_000 or n == count - 1:
            yield found
            found.clear()


INSERTS = {
    "leads": "id, version, known_at, entered_at, attributes, persona, stage, above, path, sought"
    " = ?, 1, ?, ?, ?, ?, ?, '{}', ?, ?",
    "scores": "lead, name, total, fit, behaviour, band, at, changes_at, scoring = ?, 'lead', ?, ?, ?, ?, ?, ?, ''",
    "identities": "namespace, value, lead = ?, ?, ?",
    "records": "system, object, record, kind, entity, snapshot, first_at, last_at, last_key, mapping, assumed"
    " = ?, ?, ?, 'person', ?, ?, ?, ?, '', '', '[]'",
    "reached": "lead, stage, at, cause, ref = ?, ?, ?, 'threshold', ''",
    "activities": "lead, at, id, kind, asset, channel, campaign, system, object, record, known_at"
    " = ?, ?, ?, ?, '', 'email', ?, 'site', 'contact', '', 0",
    "events": "key, document, system, object, record, type, at, known_at, precision, body, mapping, state"
    " = ?, ?, 'site', 'contact', ?, 'RecordChanged', ?, ?, 'instant', '{\"v\": 1, \"values\": {}}', '', 'applied'",
    "handoffs": "id, lead, stage, system, persona, generation, opened_at, decided_at, score, contributions, scoring,"
    " journey, owner, state, bucket, response_due, period_ends, accepted_at, closed_at"
    " = ?, ?, 'mql', 'crm', 'other', 1, ?, ?, 7500, '[]', '', '', ?, ?, ?, ?, ?, ?, ?",
    "writes": "id, system, object, key, lead, fields, refs, \"create\", stamps, priority, cause, planned_at, state,"
    " due_at, code, message, finished_at"
    " = ?, 'crm', 'lead', ?, ?, '{\"score\": 70}', '{}', 0, '{}', 1, 'score', ?, ?, ?, ?, ?, ?",
    "work_items": "id, key, kind, system, object, record, lead, detail, opened_at, resolved_at"
    " = ?, ?, ?, 'crm', 'lead', ?, ?, ?, ?, ?",
    "tallies": "system, what, reason, count = ?, ?, ?, ?",
    "jobs": "id, what, subject, by, begun_at, beat_at, done, total, ended_at, ended"
    " = ?, 'pull', 'site', 'worker', ?, ?, 10, 10, ?, 'done'",
    "audit": "id, at, by, what, subject = ?, ?, ?, 'handoff: accept', ?",
    "documents": "id, system, received_at, key, body_hash, body, content_type, headers, origin, state"
    " = ?, 'site', ?, ?, '', ?, 'application/json', '{}', 'webhook', ?",
}  # fmt: skip


def insert(db: sqlite3.Connection, table: str, rows: Any) -> None:
    columns, _, values = INSERTS[table].partition(" = ")
    db.executemany(f"INSERT INTO {table} ({columns}) VALUES ({values})", rows)


def others(leads: int) -> dict[str, Callable[[], Iterator[tuple[Any, ...]]]]:
    """Table → rows of what is not each lead's."""
    now = to_micros(NOW)

    def writes() -> Iterator[tuple[Any, ...]]:
        count = leads * 6 // 5
        for n in range(count):
            left, at = count - n, now - SPAN + SPAN * n // count
            state = "waiting" if left <= count // 60 else "dead" if n % 100 == 0 else "confirmed"
            code, words = ("INVALID", "it took no such value") if state == "dead" else ("", "")
            ended = None if state == "waiting" else at
            yield f"04{n:030x}", f"k{n}", lead_id(n % leads), at, state, at, code, words, ended

    def work() -> Iterator[tuple[Any, ...]]:
        count = leads * 6 // 100
        for n in range(count):
            of, at = n * 16 % leads, now - SPAN + SPAN * n // count
            if n % 6 == 0:
                key, kind = f"dead:04{n // 6 * 100:030x}", "dead letter"
                detail: dict[str, Any] = {"code": "INVALID", "message": "it took no such value", "fields": ["title"]}
            else:
                key, kind = f"conflict:{n}", "conflict"
                detail = {"field": "title", "sides": [["site", "contact", lead_id(of)], ["crm", "lead", f"c{of}"]]}
            ended = None if n % 3 == 0 else at + DAY
            yield f"05{n:030x}", key, kind, f"c{of}", lead_id(of), json.dumps(detail), at, ended

    def documents() -> Iterator[tuple[Any, ...]]:
        count = leads * 3 // 10
        for n in range(count):
            state = "quarantined" if n % 100 == 0 else "read" if n < count - 500 else "waiting"
            yield f"03{n:030x}", now - SPAN + SPAN * n // count, f"d{n}", b'{"id": "p1"}' * 20, state

    def entries() -> Iterator[tuple[Any, ...]]:
        for n in range(leads // 5):
            yield f"06{n:030x}", now - SPAN + SPAN * n * 5 // leads, OWNERS[n % 20], f"02{n:030x}"

    jobs = ((f"07{n:030x}", now - n * DAY, now - n * DAY, now - n * DAY) for n in range(500))
    tallies = [("site", what, "", leads) for what in ("read", "applied")] + [("crm", "planned", "", leads * 6 // 5)]
    return {
        "writes": writes, "work_items": work, "documents": documents, "audit": entries, "jobs": lambda: jobs,
        "tallies": lambda: iter(tallies),
    }  # fmt: skip


def fill(folder: Path, leads: int) -> None:
    """Bulk inserts past the gateway: what it would take to bring so many in is another benchmark's."""
    for file, tables in (("gateway.db", others(leads).keys() - {"documents"}), ("inbox.db", {"documents"})):
        db = sqlite3.connect(folder / "var" / file)
        db.execute("PRAGMA synchronous = OFF")
        with db:
            if file == "gateway.db":
                for chunk in lead_rows(leads):
                    for table, rows in chunk.items():
                        insert(db, table, rows)
            for table in sorted(tables):
                insert(db, table, others(leads)[table]())
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.close()


def company(folder: Path, leads: int) -> None:
    """An instance with two systems, a journey, goals, an account and everything that a few years leave behind."""
    site = events.FILES["gateway.yaml"]
    crm = "  crm: {plugin: webhook, role: crm, settings: {allow_insecure: true, verify: {scheme: none}}}\n"
    listed = "\n".join(f"  - {{user: {who}}}" for who in OWNERS)
    events.FILES |= {
        "gateway.yaml": site.rstrip() + "\n" + crm,
        "mappings/crm.yaml": CRM,
        "journey.yaml": JOURNEY.replace("OWNERS", listed),
        "goals.yaml": GOALS,
    }
    gateway = events.instance(folder)
    with write(gateway.store.main) as connection:
        users.add(connection, EMAIL, "Admin", "admin", PASSWORD, to_micros(NOW), "root")
    gateway.close()
    fill(folder, leads)


def asked(leads: int) -> dict[str, str]:
    """What it is called → its address."""
    lead = lead_id(leads // 24 // 2 * 24)
    pages = {
        "Today": "/", "Leads": "/leads", **{
            f"Leads: {words}": f"/leads?{words.replace(' ', '+').replace('@', '%40')}" for words in (
                "stage=target", "stage=won", "persona=executive", "band=great", "band=bad", "bucket=open",
                "bucket=recycled", f"owner={OWNERS[3]}", "campaign=campaign 7", "text=person1", "text=fischer",
                "text=ann fischer", f"text=person{leads // 2}@", "stage=won&band=bad&persona=executive",
                "bucket=recycled&band=great", f"after=5000:{lead_id(leads // 2)}",
            )
        },
        "a lead": f"/leads/{lead}", "Handoffs": "/handoffs", "Owners": "/owners", "Work": "/work",
        "Work: kind": "/work?kind=conflict", "a work item": f"/work/05{3 * (leads // 100):030x}",
        "Numbers": "/numbers/funnel", "Numbers: velocity": "/numbers/velocity", "Reviews": "/reviews",
        "Model": "/model", "Versions": "/model/versions", "Systems": "/systems", "a system": "/systems/crm",
        "Inbox": "/inbox", "Inbox: quarantined": "/inbox?state=quarantined",
        "Inbox: a system without any": "/inbox?system=crm",
        "a document": f"/inbox/03{leads // 10:030x}", "Deliveries": "/deliveries",
        "Deliveries: dead": "/deliveries?state=dead", "Deliveries: waiting": "/deliveries?system=crm&state=waiting",
        "Jobs": "/jobs", "Accounts": "/accounts", "Audit": "/audit", "Audit: by": f"/audit?by={OWNERS[3]}",
        "Audit: what": "/audit?what=lead",
    }  # fmt: skip
    api = (
        *("leads", "leads?stage=won", "leads?band=great&persona=other", "leads?bucket=recycled", "leads?text=fischer"),
        *("leads?campaign=campaign+7", f"leads/{lead}", f"leads/{lead}/score", "handoffs", "owners", "work"),
        *("metrics", "reviews", "model", "model/distribution", "model/versions", "systems", "systems/crm", "inbox"),
        *("deliveries", "deliveries?state=dead", "jobs", "plugins", "users", "tokens", "audit"),
    )
    return pages | {f"API {path}": f"/api/v1/{path}" for path in api}


def bare() -> Callable[[], Any]:
    """A Flask page that knows what it shows: 50 rows of 8 cells, escaped."""
    app, rows = Flask("bare"), [[f"<{n}> {place}" for place in range(8)] for n in range(50)]
    text = (
        "<table>{% for row in rows %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>{% endfor %}</table>"
    )
    app.add_url_rule("/", view_func=lambda: render_template_string(text, rows=rows))
    client = app.test_client()
    return lambda: client.get("/")


def milliseconds(work: Callable[[], Any]) -> tuple[float, float, int]:
    """(of a processor, by the clock, the answer's status)"""
    began, clock = time.thread_time(), time.perf_counter()
    answer = work()
    answer.get_data()
    return (time.thread_time() - began) * 1000, (time.perf_counter() - clock) * 1000, answer.status_code


def application(folder: Path) -> tuple[Flask, Gateway]:
    logs.configure(logs.WARNING)
    opened: list[Gateway] = []

    def opener(root: Path) -> Gateway:
        opened.append(open_gateway(root, now=lambda: NOW))
        return opened[-1]

    return web_app(folder, opener), opened[-1]


def come_in(folder: Path) -> tuple[str, str]:
    """(the cookie of a session, a token) of the admin; what is measured is another process's."""
    app, gateway = application(folder)
    client = app.test_client()
    form = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/login").text)
    client.post("/login", data={"email": EMAIL, "password": PASSWORD, "csrf_token": form[1] if form else ""})
    now = to_micros(utc_now())
    with write(gateway.store.main) as connection:
        admin = users.named(connection, EMAIL)
        token = keys.make_token(connection, admin, f"bench {now}", [], 1, now, "root")
    gateway.close()
    cookie = client.get_cookie("desk")
    return cookie.value if cookie else "", token


def views(folder: Path, leads: int, only: str, cookie: str, token: str) -> Found:
    """Name of a page → (milliseconds of a processor, by the clock) of its first view and of those after."""
    app, gateway = application(folder)
    warm(app)
    client = app.test_client()
    client.set_cookie("desk", cookie)
    found: Found = {}
    for name, path in asked(leads).items():
        if only not in name:
            continue
        look = partial(
            client.get, path, headers={"Authorization": f"Bearer {token}"} if path.startswith("/api") else {}
        )
        times = []
        for _ in range(VIEWS):
            taken, clock, status = milliseconds(look)
            if status != 200:
                raise SystemExit(f"{path}: answered {status}")
            times.append((taken, clock))
        found[name] = times
    gateway.close()
    return found


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--leads", type=int, default=1_000_000)
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="make the store here, or use the one that is here")
    parser.add_argument("--only", default="", help="pages whose name holds this")
    parser.add_argument("--ask", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    if options.ask:
        print(json.dumps(views(options.keep, options.leads, options.only, *options.ask)))
        return 0
    folder = options.keep or Path(tempfile.mkdtemp()) / "many"
    try:
        if not folder.exists():
            company(folder, options.leads)
        again = ["--keep", folder, "--leads", options.leads, "--only", options.only, "--ask", *come_in(folder)]
        command = [sys.executable, __file__, *map(str, again)]
        run_one = partial(subprocess.run, command, check=True, stdout=subprocess.PIPE, text=True)
        runs: list[Found] = [json.loads(run_one().stdout) for _ in range(options.processes)]
    finally:
        if options.keep is None:
            shutil.rmtree(folder.parent, ignore_errors=True)
    found = {
        name: {
            "first": round(min(run[name][0][0] for run in runs), 1),
            "later": round(min(statistics.median(one[0] for one in run[name][1:]) for run in runs), 1),
            "clock": round(min(run[name][0][1] for run in runs), 1),
        }
        for name in runs[0]
    }
    plain = bare()
    plain()
    base = statistics.median(milliseconds(plain)[0] for _ in range(20))
    over = [name for name, one in found.items() if one["first"] > TARGET]
    result = {"bench": "desk", "leads": options.leads, "bare_ms": round(base, 2), "pages": found, "over": over}
    if options.json:
        print(json.dumps(result))
    else:
        print(f"{options.leads:,} leads; a bare page of 50 rows: {base:.2f} ms. Milliseconds of the server:")
        print(f"  {'':44} {'first':>7} {'later':>7} {'ratio':>7} {'clock':>7}")
        for name, one in found.items():
            mark = "  over" if name in over else ""
            ratio = one["later"] / base
            print(f"  {name:44} {one['first']:7.1f} {one['later']:7.1f} {ratio:7.1f} {one['clock']:7.1f}{mark}")
        print(f"target: {TARGET:.0f} ms for each first view; over: {len(over)} of {len(found)}")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
