"""Promises 1, 2, 4 and 5 under kill -9: what was answered 200 is on disk, is worked once, and has one effect.

Real processes over real sockets: `gateway run` takes signed webhooks from several threads while its processes are
killed at random moments. Afterwards the three equations hold and the CRM's file holds exactly what the model says.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import hmac
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

SECRET = "not-a-secret-only-a-test"
FILES = {
    "gateway.yaml": """
instance: {{name: Kill, zone: UTC, currency: EUR}}
listen: 127.0.0.1:{port}
systems:
  site:
    plugin: webhook
    role: ma
    settings: {{preset: github, secrets: ["${{SITE_SECRET}}"]}}
  crm: {{plugin: files, role: crm, outbound: on, settings: {{path: out}}}}
""",
    "mappings/site.yaml": """
system: site
timezone: UTC
objects:
  contact:
    kind: person
    id: id
    time: at
    fields: {{email: email, title: title}}
    activities: [{{activity: page_view, when: {{page: {{known: true}}}}, on: each}}]
""",
    "mappings/crm.yaml": """
system: crm
timezone: UTC
objects:
  lead:
    kind: person
    id: key
    create: handoff
    fields: {{email: {{to: email, sync: out}}, band: {{to: band, sync: out}}}}
""",
    "scoring.yaml": """
weights: {{fit: 60, behaviour: 40}}
maximum: {{fit: 60, behaviour: 40}}
fit: [{{name: Chief, when: {{title: Chief}}, points: 60}}]
behaviour: [{{name: Page, activity: page_view, points: 10, cap: 40}}]
""",
    "journey.yaml": """
stages:
  - {{name: target, shared: target}}
  - {{name: mql, shared: mql, entry: {{score: 60}}, steps: [{{handoff: crm}}]}}
  - {{name: won, shared: won, entry: {{outcome: [won]}}}}
""",
}
KILLS, SENDERS, SECONDS = 8, 3, 25


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def post(port: int, number: int) -> int:
    """One signed call; its status, or 0 when there was no answer."""
    items = [
        {"id": f"p{number % 60}", "at": f"2026-05-{number % 28 + 1:02}T00:00:{number % 60:02}Z", "n": number}
        | ({"title": "Chief"} if number % 3 == 0 else {})
        | {"email": f"p{number % 60}@example.org", "page": f"/{number}"}
    ]
    body = json.dumps(items).encode()
    signature = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/json",
        "X-Hub-Signature-256": signature,
        "X-GitHub-Delivery": f"delivery-{number}",
    }
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        with contextlib.closing(connection):
            connection.request("POST", "/hooks/site", body, headers)
            return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0


def gateway(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gateway", "-C", str(folder), *words]
    return subprocess.run(
        command, env=os.environ | {"SITE_SECRET": SECRET}, capture_output=True, text=True, timeout=300, check=False
    )


def offspring(pid: int) -> list[int]:
    """Every process below ``pid``, as /proc tells it."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, queue = [], [pid]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found


def all_ready(folder: Path) -> bool:
    """Whether each process was up once: one that is killed so often before is believed to be unable to start."""
    told = json.loads((folder / "var" / "run.json").read_text())
    return all(process["ready"] for process in told["processes"])


@pytest.mark.processes
@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds the processes to kill in /proc")
def test_nothing_answered_is_lost_or_doubled_when_processes_are_killed(tmp_path, store_line):
    """Kills at random moments, repeats of what was not answered, one honest retry of everything."""
    port = free_port()
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text.format(port=port))
    with (tmp_path / "gateway.yaml").open("a") as file:
        file.write(store_line)
    with (tmp_path / "log").open("w") as log:
        running = subprocess.Popen(
            [sys.executable, "-m", "gateway", "-C", str(tmp_path), "run"],
            env=os.environ | {"SITE_SECRET": SECRET},
            stdout=subprocess.DEVNULL,
            stderr=log,
        )
    tried: set[int] = set()
    answered: set[int] = set()
    try:
        until = time.monotonic() + 180
        while post(port, 0) != 200 or not all_ready(tmp_path):
            assert time.monotonic() < until, (tmp_path / "log").read_text()[-3000:]
            time.sleep(0.2)
        tried.add(0)
        answered.add(0)
        stop = threading.Event()

        def send(first: int) -> None:
            number = first
            while not stop.is_set():
                tried.add(number)
                if post(port, number) == 200:
                    answered.add(number)
                    number += SENDERS
                else:
                    time.sleep(0.05)  # as a sender does: the same again

        senders = [threading.Thread(target=send, args=(n + 1,)) for n in range(SENDERS)]
        for sender in senders:
            sender.start()
        rng = random.Random(17)
        for _ in range(KILLS):
            time.sleep(rng.uniform(0.5, 2 * SECONDS / KILLS - 0.5))
            if victims := offspring(running.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(rng.choice(victims), signal.SIGKILL)
        stop.set()
        for sender in senders:
            sender.join()
        until = time.monotonic() + 300
        while True:
            told = json.loads(gateway(tmp_path, "status", "--json").stdout)
            waiting = sum(s["documents"]["waiting"] + s["writes"]["waiting"] for s in told["systems"])
            if not waiting or time.monotonic() > until:
                break
            time.sleep(1)
        assert waiting == 0, (told, (tmp_path / "log").read_text()[-3000:])
        for number in [*sorted(tried - answered), *sorted(tried)[-200:]]:  # the last calls again, as an honest sender
            until = time.monotonic() + 180
            while post(port, number) != 200:
                assert time.monotonic() < until
                time.sleep(0.2)
        until = time.monotonic() + 180
        while json.loads(gateway(tmp_path, "status", "--json").stdout)["systems"][0]["documents"]["waiting"]:
            assert time.monotonic() < until
    finally:
        running.send_signal(signal.SIGTERM)
        try:
            running.wait(120)
        except subprocess.TimeoutExpired:
            running.kill()
            raise
    status = gateway(tmp_path, "status", "--json")
    assert status.returncode == 0, status.stdout + status.stderr
    site = next(s for s in json.loads(status.stdout)["systems"] if s["system"] == "site")
    assert site["documents"]["stored"] == len(tried)
    assert site["documents"]["quarantined"] == 0
    assert site["events"]["applied"] == len(tried)
    leads = json.loads(gateway(tmp_path, "leads", "list", "--limit", "1000", "--json").stdout)["leads"]
    assert len(leads) == len({number % 60 for number in tried})
    with (tmp_path / "out" / "lead.csv").open() as file:
        written = [row["email"] for row in csv.DictReader(file)]
    chiefs = {f"p{number % 60}@example.org" for number in tried if number % 3 == 0}
    assert sorted(written) == sorted(chiefs)
