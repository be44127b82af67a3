"""Accepting webhooks: durable 200s per second against a bare Flask hello on the same server, in the same run.

``python bench/accept.py [--runs 5] [--seconds 3] [--connections 16 64]``

Every accepted call is verified (HMAC-SHA256 over the body), de-duplicated by its delivery id and committed with
synchronous=FULL before its 200. Runs are interleaved; the ratio is that of the medians. Then the time of a call at its
99th percentile is measured while another process reads documents and keeps gateway.db busy. The load comes from
``wrk`` (Debian: ``apt-get install -y wrk``; tried once when missing and allowed), else from a small client of our own.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from flask import Flask

from gateway.contracts import Secret, Verification
from gateway.store.database import open_store, upgrade, write
from gateway.store.inbox import GroupWriter, Inbox
from gateway.store.tables import documents_read, events
from gateway.store.times import new_id, to_micros
from gateway.web.app import create_app
from gateway.web.intake import Intake, SourceOffer
from gateway.web.server import serve

TARGETS = {16: 0.8, 64: 0.6}
SECRET = "bench"
RULE = Verification(
    scheme="hmac", header="X-Signature", id_header="X-Delivery", secrets=(Secret(SECRET, "the benchmark's"),)
)
BODY = json.dumps(
    {"event": "contact.updated", "contact": {"id": 4711, "email": "someone@example.com", "company": "Example GmbH"}}
    | {f"field_{n}": f"value {n}" for n in range(12)}
).encode()
SIGNATURE = hmac.new(SECRET.encode(), BODY, hashlib.sha256).hexdigest()

WRK = """
local counter = 0
local thread_id = 0
function setup(thread) thread:set("id", thread_id); thread_id = thread_id + 1 end
function request()
  counter = counter + 1
  local headers = {["Content-Type"] = "application/json", ["X-Signature"] = "%(signature)s"}
  headers["X-Delivery"] = "%(run)s-" .. id .. "-" .. counter
  return wrk.format("POST", nil, headers, '%(body)s')
end
"""


# -- the two servers --------------------------------------------------------------------------------------------------


def hello() -> Flask:
    app = Flask("hello")

    @app.post("/hello")
    def say() -> dict[str, bool]:
        return {"ok": True}

    return app


def accepting(folder: Path) -> Flask:
    writer = GroupWriter(Inbox(open_store(folder).inbox), folder)
    return create_app(Intake({"bench": SourceOffer(RULE)}, writer.append, lambda: datetime.now(UTC)))


def busy(folder: Path) -> None:
    """What a pipeline worker does to the store: claim, commit a batch of events in gateway.db, flip the inbox rows."""
    store = open_store(folder)
    inbox = Inbox(store.inbox)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    body = {f"field_{n}": f"value {n}" for n in range(12)}
    while not stop.is_set():
        found = inbox.claim("bench", 100)
        if not found:
            time.sleep(0.05)
            continue
        now = to_micros(datetime.now(UTC))
        with write(store.main) as connection:
            rows = [
                {
                    "key": new_id(),
                    "document": document.id,
                    "system": "bench",
                    "object": "contact",
                    "record": str(n),
                    "type": "changed",
                    "at": now,
                    "known_at": now,
                    "precision": "instant",
                    "body": body,
                    "mapping": "",
                    "state": "applied",
                }
                for n, document in enumerate(found)
            ]
            connection.execute(events.insert(), rows)
            connection.execute(documents_read.insert(), [{"document": each.id, "read_at": now} for each in found])
        inbox.finish([document.id for document in found])
    store.close()


@contextmanager
def running(role: str, folder: Path, port: int = 0) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, __file__, "--role", role, "--folder", folder, "--port", str(port)])
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


# -- the load ---------------------------------------------------------------------------------------------------------


def with_wrk(port: int, path: str, connections: int, seconds: float, run: str) -> tuple[float, float]:
    """(200s per second, 99th percentile in ms). Raises when anything but 2xx was answered."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(WRK % {"signature": SIGNATURE, "run": run, "body": BODY.decode()})
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
                head = (
                    f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Signature: {SIGNATURE}\r\n"
                    f"X-Delivery: {name}-{number}-{counter}\r\nContent-Length: {len(BODY)}\r\n\r\n"
                )
                connection.sendall(head.encode() + BODY)
                if not connection.recv(65536).startswith(b"HTTP/1.1 200"):
                    raise SystemExit("not every call was answered 200")
                times.append(time.perf_counter() - start)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps(times))


def load() -> Callable[[int, str, int, float, str], tuple[float, float]]:
    if not shutil.which("wrk") and shutil.which("apt-get") and os.geteuid() == 0:
        subprocess.run(["apt-get", "install", "-y", "-qq", "wrk"], capture_output=True, check=False)
    return with_wrk if shutil.which("wrk") else by_hand


# -- the benchmark ----------------------------------------------------------------------------------------------------


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main(runs: int, seconds: float, connections: list[int], as_json: bool) -> int:
    send = load()
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="bench-accept-") as name:
        folder = Path(name)
        store = open_store(folder)
        upgrade(store)
        store.close()
        ports = {"hello": free_port(), "accepting": free_port()}
        paths = {"hello": "/hello", "accepting": "/hooks/bench"}
        with running("hello", folder, ports["hello"]), running("accepting", folder, ports["accepting"]):
            for role, port in ports.items():  # everything imported, every thread and page warm
                send(port, paths[role], 16, 1, "warm")
            for count in connections:
                rates: dict[str, list[float]] = {"hello": [], "accepting": []}
                for run in range(runs):
                    for role, port in ports.items():
                        rates[role].append(send(port, paths[role], count, seconds, f"{count}-{run}")[0])
                with running("busy", folder):
                    _, p99 = send(ports["accepting"], paths["accepting"], count, seconds, f"{count}-busy")
                bare, ours = (statistics.median(rates[role]) for role in ("hello", "accepting"))
                results.append(
                    {
                        "connections": count,
                        "hello_per_s": round(bare),
                        "accepted_per_s": round(ours),
                        "ratio": round(ours / bare, 3),
                        "target": TARGETS.get(count),
                        "p99_busy_ms": round(p99, 1),
                    }
                )
                if not as_json:
                    print(
                        f"{count:3} connections: {ours:6.0f} durable 200s/s, hello {bare:6.0f}/s,"
                        f" ratio {ours / bare:.2f} (at least {TARGETS.get(count, '-')}),"
                        f" p99 {p99:.1f} ms beside a busy pipeline",
                        flush=True,
                    )
    if as_json:
        print(json.dumps({"load": send.__name__, "results": results}, indent=1))
    return int(any(each["target"] and each["ratio"] < each["target"] for each in results))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--connections", type=int, nargs="+", default=[16, 64])
    parser.add_argument("--json", action="store_true")
    for hidden in ("--role", "--folder", "--port", "--name"):
        parser.add_argument(hidden, default="", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.role == "hello":
        serve(hello, "127.0.0.1", int(given.port))
    elif given.role == "accepting":
        serve(partial(accepting, Path(given.folder)), "127.0.0.1", int(given.port))
    elif given.role == "busy":
        busy(Path(given.folder))
    elif given.role == "client":
        client(int(given.port), given.folder, given.connections[0], given.seconds, given.name)
    else:
        sys.exit(main(given.runs, given.seconds, given.connections, given.json))
