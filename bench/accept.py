"""Accepting webhooks: durable 200s per second against a bare Flask hello on the same server, in the same run.

``python bench/accept.py [--runs 5] [--seconds 3] [--connections 16 64] [--postgresql]``

Every accepted call is verified (HMAC-SHA256 over the body), de-duplicated by its delivery id and committed with
synchronous=FULL before its 200; ``--postgresql``: in a server of its own, as it comes. Runs are interleaved; the ratio
is that of the medians. Then the time of a call at its 99th percentile is measured while the gateway's own pipeline
works what was accepted. On PostgreSQL the rate of the bare commits is told as well: the same rows, inserted and
committed one by one by as many threads of one process, with psycopg and nothing else.

The load comes from ``wrk`` (Debian: ``apt-get install -y wrk``; tried once when missing and allowed), else from a small
client of our own.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from events import postgresql
from flask import Flask
from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels

from gateway import logs
from gateway.contracts import Secret, Verification
from gateway.store.database import Store, open_store, upgrade
from gateway.store.group_writer import GroupWriter
from gateway.store.inbox import Inbox
from gateway.store.place import Place
from gateway.web.accepted import Accepted
from gateway.web.app import create_app
from gateway.web.intake import Intake
from gateway.web.measures import Measures
from gateway.web.offer import SourceOffer
from gateway.web.server import serve

TARGETS = {"sqlite": {16: 1.0, 64: 0.7}, "postgresql": {16: 0.5, 64: 0.5}}
SECRET = "bench"
RULE = Verification(
    scheme="hmac", header="X-Signature", id_header="X-Delivery", secrets=(Secret(SECRET, "the benchmark's"),)
)
PEOPLE = 2000
BODIES = [
    json.dumps(
        {"event": "contact.updated", "id": n, "email": f"person{n}@example.com", "company": f"Example {n % 90} GmbH"}
        | {f"field_{m}": f"value {m}" for m in range(12)}
    ).encode()
    for n in range(PEOPLE)
]
SIGNATURES = [hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest() for body in BODIES]
FILES = {
    "gateway.yaml": """
instance: {name: Bench, zone: UTC, currency: EUR}
systems:
  bench: {plugin: webhook, role: ma, settings: {allow_insecure: true, verify: {scheme: none}}}
""",
    "mappings/bench.yaml": """
system: bench
objects:
  contact:
    kind: person
    id: id
    time: received
    activities: [{activity: form_submitted, when: {event: contact.updated}, on: each}]
    fields:
      email: email
      company: company_name
"""
    + "".join(f"      field_{m}: text_{m}\n" for m in range(12)),
    "scoring.yaml": """
weights: {fit: 60, behaviour: 40}
maximum: {fit: 60, behaviour: 40}
fit: [{name: Example, when: {company_name: {contains: Example}}, points: 20}]
behaviour: [{name: Form, activity: form_submitted, points: 2, half_life: 30d}]
""",
    "journey.yaml": """
stages:
  - {name: target, shared: target}
  - {name: mql, shared: mql, entry: {score: 70}}
""",
}
"""The instance whose pipeline is busy with what was accepted."""

WRK = """
local bodies = {%(bodies)s}
local signatures = {%(signatures)s}
local counter = 0
local thread_id = 0
function setup(thread) thread:set("id", thread_id); thread_id = thread_id + 1 end
function request()
  counter = counter + 1
  local who = counter %% #bodies + 1
  local headers = {["Content-Type"] = "application/json", ["X-Signature"] = signatures[who]}
  headers["X-Delivery"] = "%(run)s-" .. id .. "-" .. counter
  return wrk.format("POST", nil, headers, bodies[who])
end
"""


# -- the two servers --------------------------------------------------------------------------------------------------


def hello() -> Flask:
    app = Flask("hello")

    @app.post("/hello")
    def say() -> dict[str, bool]:
        return {"ok": True}

    return app


def plainly(port: int) -> None:
    """Flask as the server serves it by itself."""
    settings = {"workers": 1, "blocking_threads": 64, "backpressure": 1024, "http": HTTPModes.http1}
    server = Granian("hello", port=port, interface=Interfaces.WSGI, log_level=LogLevels.error, **settings)
    server.serve(target_loader=hello, wrap_loader=False)


def opened(folder: Path, url: str) -> Store:
    return open_store(Place(folder, Secret(url, "the benchmark's") if url else None))


def accepting(folder: Path, url: str) -> Flask:
    """As ``gateway.engine.process`` puts it together."""
    store, now = opened(folder, url), partial(datetime.now, UTC)
    writer, accepted = GroupWriter(Inbox(store.inbox), None if url else folder), Accepted(structlog.get_logger())
    logs.configure(logs.WARNING)
    accepted.start()
    count = Measures(store, now, lambda: True).count
    offers = {"bench": SourceOffer(RULE)}
    return create_app(Intake(offers, writer.append, now, soon=writer.soon, tell=accepted, count=count))


@contextmanager
def running(role: str, folder: Path, port: int = 0, url: str = "") -> Iterator[None]:
    words = ["--role", role, "--folder", folder, "--port", str(port), "--url", url]
    process = subprocess.Popen([sys.executable, __file__, *words])
    try:
        while port:
            with closing(socket.socket()) as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if process.poll() is not None:
                raise SystemExit(f"{role} did not start")
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(60)


@contextmanager
def pipeline(folder: Path, url: str) -> Iterator[None]:
    """The gateway's own workers, as many as it starts by itself, busy: thousands of documents wait already."""
    command = [sys.executable, "-m", "gateway", "-C", str(folder.parent), "worker"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    store = opened(folder, url)
    try:
        before = _read(store)
        while _read(store) == before:
            if process.poll() is not None:
                raise SystemExit("the worker did not start")
            time.sleep(0.1)
        yield
        if process.poll() is not None or not _waits(store):
            print("  the worker had nothing left to do: its part of the load is too small", file=sys.stderr)
    finally:
        store.close()
        process.terminate()
        process.wait(60)


def _read(store: Store) -> int:
    return Inbox(store.inbox).counts().get("bench", {}).get("read", 0)


def _waits(store: Store) -> bool:
    return Inbox(store.inbox).counts()["bench"]["waiting"] > 0


# -- the load ---------------------------------------------------------------------------------------------------------


def with_wrk(port: int, path: str, connections: int, seconds: float, run: str) -> tuple[float, float]:
    """(200s per second, 99th percentile in ms). Raises when anything but 2xx was answered."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        lists = {"bodies": BODIES, "signatures": [each.encode() for each in SIGNATURES]}
        script.write(WRK % {"run": run, **{what: _lua(texts) for what, texts in lists.items()}})
        script.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--latency", "-s", script.name]
        said = subprocess.run(
            [*command, f"http://127.0.0.1:{port}{path}"], capture_output=True, text=True, check=True
        ).stdout
    if "Non-2xx" in said or "Socket errors" in said:
        raise SystemExit(f"not every call was answered 200:\n{said}")
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1])  # type: ignore[index]
    number, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", said).groups()  # type: ignore[union-attr]
    return rate, float(number) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[unit]


def _lua(texts: list[bytes]) -> str:
    return ", ".join(f"'{text.decode()}'" for text in texts)


def by_hand(port: int, path: str, connections: int, seconds: float, run: str) -> tuple[float, float]:
    """The same with two processes of blocking sockets; slower than wrk, so it takes more from the server."""
    halves = [
        subprocess.Popen(
            [
                *(sys.executable, __file__, "--role", "client", "--port", str(port), "--folder", path),
                *("--connections", str(connections // 2), "--seconds", str(seconds), "--name", f"{run}-{half}"),
            ],
            stdout=subprocess.PIPE,
        )
        for half in range(2)
    ]
    times: list[float] = []
    for half in halves:
        times += json.loads(half.communicate()[0])
    return len(times) / seconds, sorted(times)[int(len(times) * 0.99)] * 1000


def client(port: int, path: str, connections: int, seconds: float, name: str) -> None:
    times: list[float] = []
    end = time.perf_counter() + seconds

    def send(number: int) -> None:
        with closing(socket.create_connection(("127.0.0.1", port))) as connection:
            counter = 0
            while (start := time.perf_counter()) < end:
                counter += 1
                body, signature = BODIES[counter % PEOPLE], SIGNATURES[counter % PEOPLE]
                head = (
                    f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Signature: {signature}\r\n"
                    f"X-Delivery: {name}-{number}-{counter}\r\nContent-Length: {len(body)}\r\n\r\n"
                )
                connection.sendall(head.encode() + body)
                if not connection.recv(65536).startswith(b"HTTP/1.1 200"):
                    raise SystemExit("not every call was answered 200")
                times.append(time.perf_counter() - start)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps(times))


def bare_commits(url: str, connections: int, seconds: float, run: str) -> float:
    """Rows a second by threads that insert and commit, each in a connection of its own."""
    import psycopg

    counts, end = [0] * connections, time.perf_counter() + seconds

    def insert(number: int) -> None:
        with psycopg.connect(url) as connection:
            while time.perf_counter() < end:
                counts[number] += 1
                body, id_ = BODIES[counts[number] % PEOPLE], f"{run}-{number}-{counts[number]}"
                connection.execute(
                    "INSERT INTO documents (id, system, received_at, key, body_hash, body, content_type, headers,"
                    " origin, state) VALUES (%s, 'bare', 0, %s, %s, %s, 'application/json', '{}', 'webhook', 'read')",
                    (id_, id_, hashlib.sha256(body).hexdigest(), body),
                )
                connection.commit()

    threads = [threading.Thread(target=insert, args=(number,)) for number in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / seconds


def load() -> Callable[[int, str, int, float, str], tuple[float, float]]:
    if not shutil.which("wrk") and shutil.which("apt-get") and os.geteuid() == 0:
        subprocess.run(["apt-get", "install", "-y", "-qq", "wrk"], capture_output=True, check=False)
    return with_wrk if shutil.which("wrk") else by_hand


# -- the benchmark ----------------------------------------------------------------------------------------------------


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main(runs: int, seconds: float, connections: list[int], as_json: bool, on_postgresql: bool) -> int:
    send = load()
    targets = TARGETS["postgresql" if on_postgresql else "sqlite"]
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="bench-accept-") as name, ExitStack() as open_:
        folder, url = Path(name) / "var", ""
        if on_postgresql:
            Path(name).chmod(0o755)
            url = open_.enter_context(postgresql(Path(name) / "pg"))
            FILES["gateway.yaml"] += f"store: {url}\n"
        for file, text in FILES.items():
            path = folder.parent / file
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        store = opened(folder, url)
        upgrade(store)
        store.close()
        ports = {"hello": free_port(), "accepting": free_port()}
        paths = {"hello": "/hello", "accepting": "/hooks/bench"}
        with running("hello", folder, ports["hello"]), running("accepting", folder, ports["accepting"], url):
            for role, port in ports.items():  # everything imported, every thread and page warm
                send(port, paths[role], 16, 1, "warm")
            for count in connections:
                rates: dict[str, list[float]] = {"hello": [], "accepting": [], "commits": []}
                for run in range(runs):
                    for role, port in ports.items():
                        rates[role].append(send(port, paths[role], count, seconds, f"{count}-{run}")[0])
                    if url:
                        rates["commits"].append(bare_commits(url, count, seconds, f"{count}-{run}"))
                with pipeline(folder, url):
                    _, p99 = send(ports["accepting"], paths["accepting"], count, seconds, f"{count}-busy")
                bare, ours = (statistics.median(rates[role]) for role in ("hello", "accepting"))
                commits = statistics.median(rates["commits"]) if url else None
                results.append(
                    {
                        "connections": count,
                        "hello_per_s": round(bare),
                        "bare_commits_per_s": commits and round(commits),
                        "accepted_per_s": round(ours),
                        "ratio": round(ours / bare, 3),
                        "target": targets.get(count),
                        "p99_busy_ms": round(p99, 1),
                    }
                )
                if not as_json:
                    print(
                        f"{count:3} connections: {ours:6.0f} durable 200s/s, hello {bare:6.0f}/s,"
                        f" ratio {ours / bare:.2f} (at least {targets.get(count, '-')}),"
                        f" p99 {p99:.1f} ms beside a busy pipeline",
                        flush=True,
                    )
                    if commits:
                        print(f"                 bare inserts and commits {commits:6.0f}/s, ratio {ours / commits:.2f}")
    if as_json:
        print(json.dumps({"load": send.__name__, "results": results}, indent=1))
    return int(any(each["target"] and each["ratio"] < each["target"] for each in results))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--connections", type=int, nargs="+", default=[16, 64])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--postgresql", action="store_true")
    for hidden in ("--role", "--folder", "--port", "--name", "--url"):
        parser.add_argument(hidden, default="", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.role == "hello":
        plainly(int(given.port))
    elif given.role == "accepting":
        serve(partial(accepting, Path(given.folder), given.url), "127.0.0.1", int(given.port))
    elif given.role == "client":
        client(int(given.port), given.folder, given.connections[0], given.seconds, given.name)
    else:
        sys.exit(main(given.runs, given.seconds, given.connections, given.json, given.postgresql))
