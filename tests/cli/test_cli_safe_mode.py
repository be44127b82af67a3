"""Safe mode: with ``GATEWAY_PLUGINS=`` no plugin is loaded, whatever is installed, and the gateway starts and tells."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BAD = {
    "exploder": "import os; os._exit(9)",
    "sleeper": "import time; time.sleep(600)",
    "importless": "import no_such_module",
}
GATEWAY = """
instance: {name: Safe, zone: UTC, currency: EUR}
listen: 127.0.0.1:0
systems:
  crm: {plugin: exploder, role: crm}
  site: {plugin: webhook, role: ma, settings: {preset: github, secrets: ["${SITE_SECRET}"]}}
"""
MAPPING = (
    "system: {}\ntimezone: UTC\nobjects: {{contact: {{kind: person, id: id, time: at, fields: {{email: email}}}}}}\n"
)


@pytest.fixture
def instance(tmp_path: Path) -> Path:
    files = {"gateway.yaml": GATEWAY, **{f"mappings/{name}.yaml": MAPPING.format(name) for name in ("crm", "site")}}
    for name, source in BAD.items():
        about = f"Metadata-Version: 2.1\nName: bad-{name}\nVersion: 1.0\nRequires-Dist: lead-gateway>=1,<2\n"
        files |= {f"site/{name}.py": source, f"site/bad_{name}-1.0.dist-info/METADATA": about}
        files[f"site/bad_{name}-1.0.dist-info/entry_points.txt"] = f"[lead_gateway]\n{name} = {name}\n"
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def gateway(instance: Path, *words: str, plugins: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "SITE_SECRET": "s", "PYTHONPATH": str(instance / "site"), "GATEWAY_PLUGINS": plugins}
    command = [sys.executable, "-m", "gateway", "-C", str(instance), *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def listed(instance: Path, plugins: str) -> dict[str, Any]:
    found = json.loads(gateway(instance, "plugins", "list", "--json", plugins=plugins).stdout)["plugins"]
    return {one["name"]: one for one in found}


@pytest.mark.processes
def test_with_no_plugins_everything_starts_and_says_what_is_missing(instance: Path) -> None:
    """What is installed may end or hang whoever imports it: nothing of it is imported."""
    found = listed(instance, "")
    assert {found[name]["state"] for name in BAD} == {"disabled"}
    assert found["webhook"]["reason"] == "not named in GATEWAY_PLUGINS"
    assert found["weighted"]["state"] == "active"

    status = gateway(instance, "status", "--json")
    assert status.returncode == 0, status.stderr
    systems = {one["system"]: one["problem"] for one in json.loads(status.stdout)["systems"]}
    assert "exploder is disabled: not named in GATEWAY_PLUGINS" in systems["crm"]
    assert "not named in GATEWAY_PLUGINS" in systems["site"]

    check = gateway(instance, "check")
    assert check.returncode == 1
    assert "crm" in check.stdout + check.stderr
    assert "not named in GATEWAY_PLUGINS" in check.stdout + check.stderr


@pytest.mark.processes
def test_with_some_plugins_the_others_are_left_out(instance: Path) -> None:
    """So an admin finds out which of them it is."""
    found = listed(instance, "webhook")
    assert found["webhook"]["state"] == "active"
    assert {found[name]["state"] for name in BAD} == {"disabled"}
    status = gateway(instance, "status", "--json", plugins="webhook")
    systems = {one["system"]: one["problem"] for one in json.loads(status.stdout)["systems"]}
    assert systems["site"] == ""


@pytest.mark.processes
def test_a_system_whose_mapping_wants_a_transform_that_is_left_out_waits(instance: Path) -> None:
    """All else goes on, and the reason says where it may be; a word misspelt is told with its line as ever."""
    mapping = MAPPING.format("site").replace("email: email", "email: {to: email, transforms: [lower, banker]}")
    (instance / "mappings/site.yaml").write_text(mapping)
    status = gateway(instance, "status", "--json", plugins="webhook")
    assert status.returncode == 0, status.stderr
    systems = {one["system"]: one["problem"] for one in json.loads(status.stdout)["systems"]}
    assert systems["site"].startswith("transform banker of its mapping is not there: ")
    assert "exploder" in systems["site"]
    (instance / "mappings/site.yaml").write_text(mapping.replace("banker", "lowr"))
    told = gateway(instance, "check", plugins="webhook")
    assert "mappings/site.yaml:3: objects.contact.fields.email.transforms[1]: no such transform" in told.stderr


@pytest.mark.processes
def test_the_gateway_runs_without_the_plugins_that_are_left_out(instance: Path) -> None:
    """Its processes come up; the systems that are left out wait."""
    environment = {**os.environ, "SITE_SECRET": "s", "PYTHONPATH": str(instance / "site"), "GATEWAY_PLUGINS": ""}
    (instance / "var").mkdir()
    with (instance / "log").open("w") as log:
        running = subprocess.Popen(
            [sys.executable, "-m", "gateway", "-C", str(instance), "worker"], env=environment, stderr=log
        )
    try:
        until = 600
        while not (ready := _ready(instance)) and running.poll() is None and until:
            until -= 1
            try:
                running.wait(0.2)
            except subprocess.TimeoutExpired:
                continue
        assert ready, (instance / "log").read_text()[-3000:]
    finally:
        running.terminate()
        assert running.wait(60) == 0


def _ready(instance: Path) -> bool:
    try:
        told = json.loads((instance / "var" / "run.json").read_text())
    except (OSError, ValueError):
        return False
    return any(process["ready"] for process in told["processes"])
