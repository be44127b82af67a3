"""The real tree of processes over a real instance: webhooks in, documents read, a hang cut off, a clean end."""

import hashlib
import hmac
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing

import pytest

from gateway.engine.process import run
from gateway.engine.supervisor import STATUS, wanted_processes
from gateway.errors import ConfigError
from gateway.store.database import open_store
from gateway.store.inbox import DEATHS, POISON, Inbox

PLUGIN = """
import time
from gateway.contracts import Secret, Source, Verification
from gateway.hookspecs import hookimpl

class Sloth(Source):
    verification = Verification(scheme="token", header="X-Token", id_header="X-Delivery", secrets=(Secret("t", "t"),))
    def read(self, document):
        if b"hang" in document.body:
            time.sleep(600)
        return []

@hookimpl
def register_sources(register):
    register("sloth", lambda settings, context: Sloth())
"""
GATEWAY = """
instance: {{name: Example, zone: Europe/Berlin, currency: EUR, fiscal_year_start: 1}}
listen: 127.0.0.1:{port}
systems:
  website:
    plugin: webhook
    role: ma
    settings:
      secrets: ["${{WEBSITE_SECRET}}"]
      verify: {{scheme: hmac, header: X-Signature, signed: ["{{body}}"]}}
  slow: {{plugin: sloth, role: ma}}
"""
MAPPING = """
system: {system}
objects:
  contact: {{kind: person, id: id, time: received, fields: {{email: email}}}}
"""
# The gateway as it is, but with a deadline that a test can wait for.
LAUNCHER = """
import sys
from gateway.engine import process, slots
slots.PLUGIN_CALL = 1.0
sys.exit(process.main(sys.argv[1:]))
"""
SUPERVISOR = """
import pathlib, sys
from gateway.engine import supervisor
from gateway.engine.supervisor import Supervisor, command_of, wanted_processes
supervisor.LONGEST_LIVED = 0.1
root = pathlib.Path(sys.argv[1])
def command(kind, slot, slots, before):
    python, _, _, *rest = command_of(root)(kind, slot, slots, before)
    return [python, str(root / "launcher.py"), *rest]
(root / "var").mkdir(exist_ok=True)
sys.exit(Supervisor(lambda: wanted_processes(root), command, root / "var").run())
"""


class Instance:
    """A folder with everything in it, and the gateway running over it."""

    def __init__(self, root):
        self.root = root
        with closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        files = {
            "gateway.yaml": GATEWAY.format(port=self.port),
            "mappings/website.yaml": MAPPING.format(system="website"),
            "mappings/slow.yaml": MAPPING.format(system="slow"),
            "launcher.py": LAUNCHER,
            "site/sloth.py": PLUGIN,
            "site/sloth-1.0.dist-info/METADATA": (
                "Metadata-Version: 2.1\nName: sloth\nVersion: 1.0\nRequires-Dist: lead-gateway>=1,<2\n"
            ),
            "site/sloth-1.0.dist-info/entry_points.txt": "[lead_gateway]\nsloth = sloth\n",
        }
        for name, text in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        self.environment = {**os.environ, "WEBSITE_SECRET": "s", "PYTHONPATH": str(root / "site")}
        self.process = None

    def launch(self):
        self.process = subprocess.Popen([sys.executable, "-c", SUPERVISOR, self.root], env=self.environment)

    def start(self):
        self.launch()
        until(lambda: self.status("/health/ready") == 200)

    def pids(self):
        """The processes that the supervisor told of last."""
        told = json.loads((self.root / "var" / STATUS).read_text())
        return [process["pid"] for process in told["processes"]]

    def status(self, path):
        try:
            with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)) as connection:
                connection.request("GET", path)
                return connection.getresponse().status
        except OSError:
            return None

    def post(self, system, body, headers):
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            connection.request("POST", f"/hooks/{system}", body, headers)
            return connection.getresponse().status

    def counts(self, system):
        store = open_store(self.root / "var")
        try:
            return Inbox(store.inbox).counts().get(system, {})
        finally:
            store.close()

    def listing(self, **what):
        store = open_store(self.root / "var")
        try:
            return Inbox(store.inbox).listing(**what)
        finally:
            store.close()


def until(condition):
    deadline = time.monotonic() + 180
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.1)


def runs(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture
def instance(tmp_path):
    instance = Instance(tmp_path)
    yield instance
    if instance.process is not None and instance.process.poll() is None:
        instance.process.terminate()
        instance.process.wait(120)


@pytest.mark.processes
def test_a_hanging_document_is_quarantined_and_everything_else_is_read(instance):
    """Cut off at the deadline, tried alone three times, then put aside; the web process never notices."""
    instance.start()
    body = b'{"id": "1", "email": "someone@example.com"}'
    signature = hmac.new(b"s", body, hashlib.sha256).hexdigest()
    for system, sent, headers in (
        ("slow", b"hang", {"X-Token": "t", "X-Delivery": "1"}),
        ("slow", b"fine", {"X-Token": "t", "X-Delivery": "2"}),
        ("website", body, {"X-Signature": signature}),
    ):
        until(lambda system=system, sent=sent, headers=headers: instance.post(system, sent, headers) == 200)
    assert instance.post("website", body, {"X-Signature": "00"}) == 401
    until(lambda: instance.counts("slow").get("quarantined") == 1)
    until(lambda: instance.counts("slow")["read"] == 1 and instance.counts("website")["read"] == 1)
    [poison] = instance.listing(state="quarantined")
    assert (poison["reason"], poison["deaths"]) == (POISON, DEATHS)
    told = json.loads((instance.root / "var" / "run.json").read_text())
    assert {(cut["process"], cut["plugin"]) for cut in told["cut_off"]} == {("pipeline", "sloth")}
    assert [process["lives"] for process in told["processes"] if process["kind"] == "web"] == [1]
    assert instance.status("/health/live") == 200

    instance.process.send_signal(signal.SIGTERM)
    assert instance.process.wait(120) == 0
    assert instance.status("/health/live") is None


@pytest.mark.processes
def test_a_killed_supervisor_leaves_no_process_behind(instance):
    """Whatever ends it, the port and the leases are free for the next start."""
    if not sys.platform.startswith("linux"):
        pytest.skip("elsewhere the service manager ends the group")
    instance.start()
    instance.process.kill()
    instance.process.wait()
    until(lambda: not any(map(runs, instance.pids())))
    assert instance.status("/health/live") is None
    instance.start()
    assert instance.status("/health/live") == 200


@pytest.mark.processes
def test_a_supervisor_killed_at_once_leaves_no_process_behind(instance):
    """Its processes are not yet so far that they could ask to end with it."""
    if not sys.platform.startswith("linux"):
        pytest.skip("elsewhere the service manager ends the group")
    instance.launch()
    until((instance.root / "var" / STATUS).exists)
    instance.process.kill()
    instance.process.wait()
    assert len(instance.pids()) == len(wanted_processes(instance.root))
    until(lambda: not any(map(runs, instance.pids())))


@pytest.mark.processes
def test_a_wrong_configuration_ends_the_start_with_every_problem(instance, capfd):
    """Not a loop of restarts; the file and the line are said."""
    (instance.root / "mappings/slow.yaml").unlink()
    code = subprocess.run(
        [sys.executable, "-c", SUPERVISOR, instance.root], env=instance.environment, timeout=180, check=False
    ).returncode
    assert code == 1
    assert "mappings/slow.yaml" in capfd.readouterr().err


@pytest.mark.processes
@pytest.mark.parametrize("command", ["run", "web"])
def test_that_it_listens_is_said_when_the_first_call_is_answered(instance, command):
    """Whoever waits for the line, a script as well as a person, may call at once."""
    words = [sys.executable, "-m", "gateway", "-C", str(instance.root), command]
    pipes = {"stderr": subprocess.PIPE, "text": True}
    instance.process = subprocess.Popen(words, env=instance.environment, **pipes)
    late = threading.Timer(180, instance.process.kill)
    late.start()
    line = next((one for one in instance.process.stderr if one.startswith("listening on ")), "")
    late.cancel()
    assert f"http://127.0.0.1:{instance.port}/" in line
    assert instance.status("/health/live") == 200
    with instance.process.stderr:
        instance.process.terminate()
        instance.process.wait(120)


@pytest.mark.parametrize("kind", ["webb", "deliver", "deliver:", "pipeline:x", ""])
def test_an_unknown_kind_of_process_is_refused(tmp_path, kind):
    """Before anything is opened."""
    with pytest.raises(ConfigError, match="no such kind of process"):
        run(kind, tmp_path)
