"""Promise 9 whole: thirteen bad plugins in one environment; the gateway stays up, all else is worked, each is named."""

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest

from gateway.store import breakers
from gateway.store.arrivals import Arrival
from gateway.store.database import open_store, upgrade
from gateway.store.inbox import Inbox

HEAD = "from gateway.hookspecs import hookimpl\n"
SOURCE = """
import os, signal, time
from gateway.contracts import Source
from gateway.hookspecs import hookimpl

class Bad(Source):
    def read(self, document):
        {read}
        return []

@hookimpl
def register_sources(register):
    register("{name}", lambda settings, context: Bad())
"""
TWIN = HEAD + "@hookimpl\ndef register_transforms(register): register('{0}', str.upper)\n"
UNLOADED = {  # name → (source, state, what `plugins list` says)
    "importless": ("import no_such_module", "broken", "ModuleNotFoundError"),
    "syntaxless": ("def (", "broken", "SyntaxError"),
    "leaver": ("import sys; sys.exit(3)", "broken", "SystemExit: 3"),
    "signer": (HEAD + "@hookimpl\ndef register_sources(register, more): pass", "broken", "more"),
    "speller": (HEAD + "@hookimpl\ndef register_source(register): pass", "broken", "did you mean 'register_sources'"),
    "exploder": ("import os; os._exit(9)", "quarantined", "import ended the process (exit code 9)"),
}
WORKING = {  # name → (what its read does, what `plugins list` says)
    "raiser": ("raise KeyError(document.id)", "read raised KeyError at raiser.py:8"),
    "giver": ("return [None]", "read gave a NoneType"),
    "changer": ("document.headers['x'] = 'y'", "read raised TypeError at changer.py:8"),
    "hungry": ("self.much = bytearray(2 << 30)", "read raised MemoryError at hungry.py:8"),
    "looper": ("while True: pass", "read did not end within 1 s"),
    "killer": ("os.kill(os.getpid(), signal.SIGKILL)", "read ended the process (signal 9)"),
}
GATEWAY = """
instance: {name: Bad, zone: UTC, currency: EUR}
listen: 127.0.0.1:0
systems:
  good: {plugin: webhook, role: ma, settings: {preset: github, secrets: ["${GOOD_SECRET}"]}}
"""
MAPPING = """
system: {}
timezone: UTC
objects: {{contact: {{kind: person, id: id, time: at, fields: {{email: email}}}}}}
"""
# The gateway as it is, with a deadline and waits that a test can wait for, and without the web server.
LAUNCHER = """
import sys
from gateway.engine import process, slots
slots.PLUGIN_CALL = 1.0
sys.exit(process.main(sys.argv[1:]))
"""
SUPERVISOR = """
import pathlib, sys
from gateway.engine import supervisor
supervisor.LONGEST_LIVED = 0.1
root = pathlib.Path(sys.argv[1])
def command(kind, slot, slots, before):
    python, _, _, *rest = supervisor.command_of(root)(kind, slot, slots, before)
    return [python, str(root / "launcher.py"), *rest]
sys.exit(supervisor.Supervisor(lambda: ["pipeline"], command, root / "var").run())
"""


@pytest.fixture
def instance(tmp_path):
    """A folder with a good system, one of each bad plugin that can be one, and the plugins installed beside it."""
    files = {"launcher.py": LAUNCHER, "gateway.yaml": GATEWAY, "mappings/good.yaml": MAPPING.format("good")}
    plugins = {name: source for name, (source, _, _) in UNLOADED.items()}
    for name, (read, _) in WORKING.items():
        plugins[name] = SOURCE.format(read=read, name=name)
        files["gateway.yaml"] += f"  {name}: {{plugin: {name}, role: ma}}\n"
        files[f"mappings/{name}.yaml"] = MAPPING.format(name)
    plugins |= {f"twin_{number}": TWIN.format(number) for number in (1, 2)}
    for name, source in plugins.items():
        entry = f"[lead_gateway]\n{'twin' if name.startswith('twin') else name} = {name}\n"
        about = f"Metadata-Version: 2.1\nName: bad-{name}\nVersion: 1.0\nRequires-Dist: lead-gateway>=1,<2\n"
        files |= {f"site/{name}.py": source, f"site/bad_{name}-1.0.dist-info/METADATA": about}
        files[f"site/bad_{name}-1.0.dist-info/entry_points.txt"] = entry
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.processes
@pytest.mark.slow  # a dozen lives of the worker: plugins that kill it are known by their third victim
@pytest.mark.skipif(sys.platform != "linux", reason="the memory of a process is limited so on Linux only")
def test_thirteen_bad_plugins_stop_nobody_else(instance):
    """The good system's documents are all read, nothing is lost, and the list names each culprit with its reason."""
    store = open_store(instance / "var")
    upgrade(store)
    inbox = Inbox(store.inbox)
    item = '[{"id": "%s", "at": "2026-05-01T00:00:00Z", "email": "%s@example.org"}]'
    for number in range(3):
        now = datetime.now(UTC)
        arrivals = [Arrival(system=name, body=b"%d" % number, received_at=now) for name in WORKING]
        body = (item % (number, number)).encode()
        inbox.append([*arrivals, Arrival(system="good", body=body, received_at=now)])
    environment = {**os.environ, "GOOD_SECRET": "s", "PYTHONPATH": str(instance / "site")}
    environment.pop("GATEWAY_PLUGINS", None)
    log = instance / "log"
    with log.open("w") as told:
        running = subprocess.Popen([sys.executable, "-c", SUPERVISOR, instance], env=environment, stderr=told)
    try:
        until = time.monotonic() + 240
        while not {*WORKING, "exploder"} <= breakers.quarantined(instance / "var").keys():
            assert running.poll() is None, log.read_text()[-5000:]
            assert time.monotonic() < until, log.read_text()[-5000:]
            time.sleep(0.2)
        while inbox.counts()["good"]["read"] < 3:
            assert running.poll() is None, log.read_text()[-5000:]
            assert time.monotonic() < until, log.read_text()[-5000:]
            time.sleep(0.2)
    finally:
        running.terminate()
        assert running.wait(60) == 0
    for name, counts in inbox.counts().items():
        assert counts["read"] + counts["waiting"] + counts["quarantined"] == counts["stored"] == 3, (name, counts)
    for name in ("looper", "killer"):  # who ends workers is stopped before a document is given up for it
        assert inbox.counts()[name]["waiting"] == 3
    store.close()

    command = [sys.executable, "-m", "gateway", "-C", str(instance), "plugins", "list", "--json"]
    listed = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    found = {one["name"]: one for one in json.loads(listed.stdout)["plugins"]}
    for name, (_, state, reason) in UNLOADED.items():
        assert found[name]["state"] == state, found[name]
        assert reason in found[name]["reason"], found[name]
    for name, (_, reason) in WORKING.items():
        assert found[name]["state"] == "quarantined", found[name]
        assert found[name]["since"]
        assert reason in found[name]["reason"], found[name]
    assert found["twin"]["state"] == "broken"
    assert "'bad-twin_1' and 'bad-twin_2' both have a plugin named 'twin'" in found["twin"]["reason"]
    assert found["webhook"]["state"] == "active"
