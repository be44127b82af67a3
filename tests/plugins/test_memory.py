"""What loading a plugin showed is known to whoever loads it next: nobody waits twice, and `since` is its first time."""

from __future__ import annotations

import json
import queue
import sys
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gateway.cli.main import cli
from gateway.cli.patience import impatient
from gateway.host import Plugin, installed
from gateway.opening import open_gateway
from gateway.plugins import memory, probe, retrying
from gateway.plugins.loading import host_of
from gateway.plugins.probe import Seen
from gateway.store import breakers
from gateway.store.database import open_store, upgrade
from gateway.store.times import utc_now
from gateway.times import to_micros

HANGS = "while True: pass"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "gateway.yaml").write_text("instance: {name: Bad, zone: UTC, currency: EUR}\n")
    store = open_store(tmp_path / "var")
    upgrade(store)
    store.close()
    return tmp_path


def load(root: Path, **more: Any) -> Plugin:
    """The plugin ``x``, loaded as a command does, with less patience."""
    sys.modules.pop("made_x", None)
    found = [pair for pair in installed() if pair[0].name == "x"]
    [one] = host_of(root, found=found, guard=partial(impatient, seconds=0.2), **more).plugins
    return one


def test_nobody_waits_again_for_a_plugin_that_had_no_end(root: Path, made: Any) -> None:
    """Until it is tried on purpose, after its wait; then it is waited for the longer, or works."""
    made("x", source=HANGS)
    first = load(root)
    assert (first.state, first.reason) == ("broken", "import of made_x failed: it did not come to an end within 0.2 s")
    made("x")  # mended, but nobody knows yet
    second = load(root)
    assert (second.state, second.reason) == ("quarantined", "import: it did not come to an end within 0.2 s")
    assert second.since
    assert load(root, probing=True).state == "quarantined"  # its wait is not over
    assert breakers.try_now(root / "var", "x", to_micros(utc_now()))
    assert load(root).state == "quarantined"
    assert load(root, probing=True).state == "active"
    assert load(root).state == "active"


def test_who_had_no_end_is_known_before_there_is_a_store(tmp_path: Path, made: Any) -> None:
    """The first start of an instance is the one that nobody wants to wait for twice."""
    (tmp_path / "gateway.yaml").write_text("instance: {name: Bad, zone: UTC, currency: EUR}\n")
    made("x", source=HANGS)
    assert [load(tmp_path).state, load(tmp_path).state] == ["broken", "quarantined"]


def test_who_is_broken_is_so_since_it_was_found_to_be(root: Path, made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when it fails otherwise now, and until it works, or is gone."""
    made("x", source="import no_such")
    hours = iter(range(1, 24))
    monkeypatch.setattr(memory, "utc_now", lambda: utc_now().replace(year=2026, month=5, day=1, hour=next(hours)))
    since = load(root).since
    assert since.startswith("2026-05-01T0")
    assert load(root).since == since
    made("x", source="import no_such_either")
    assert load(root).since == since
    [(reason, _)] = breakers.broken(breakers.remembered(root / "var")).values()
    assert "no_such_either" in reason
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GATEWAY_PLUGINS", "")
        assert load(root).state == "disabled"
    assert load(root).since == since
    made("x")
    assert (load(root).state, load(root).since) == ("active", "")
    assert breakers.broken(breakers.remembered(root / "var")) == {}
    assert breakers.quarantined(root / "var") == {}


def test_a_worker_has_it_tried_beside_its_work(root: Path, made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not import it itself, which would cost it its time; it makes room once somebody found that it loads."""
    monkeypatch.setenv("GATEWAY_PLUGINS", "x")
    made("x", source=HANGS)
    load(root)
    tried: queue.Queue[list[str]] = queue.Queue()
    monkeypatch.setattr(retrying, "look", lambda root, probing, only: tried.put(only))
    gateway = open_gateway(root, probing=True)
    assert not gateway.outdated()
    assert breakers.try_now(root / "var", "x", to_micros(utc_now()))
    assert not gateway.outdated()
    assert tried.get(timeout=10) == ["x"]
    assert not gateway.outdated()  # and once is enough for a while
    assert tried.empty()
    gateway.close()
    gateway = open_gateway(root, probing=True)
    assert [one.state for one in gateway.host.plugins if one.name == "x"] == ["quarantined"]
    made("x")
    load(root, probing=True)
    assert gateway.outdated()
    gateway.close()


def test_who_ends_processes_when_it_is_built_is_tried_by_building_it(root: Path, made: Any) -> None:
    """That its import works says nothing, and closes nothing."""
    made("x")
    breakers.hung(root / "var", "x", "build crm ended the process (signal 9)", to_micros(utc_now()))
    assert breakers.try_now(root / "var", "x", to_micros(utc_now()))
    assert load(root, probing=True).state == "quarantined"
    assert load(root, building=True).state == "active"
    assert breakers.quarantined(root / "var").keys() == {"x"}


def test_status_names_who_is_broken_though_no_system_is_of_it(
    root: Path, made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And since when, as the company's clocks show it."""
    monkeypatch.setenv("GATEWAY_PLUGINS", "x")
    made("x", source="import no_such")
    monkeypatch.setattr(memory, "utc_now", lambda: datetime(2026, 5, 1, 9, tzinfo=UTC))
    told = CliRunner().invoke(cli, ["-C", str(root), "status"]).stdout
    assert "PROBLEM: plugin x is broken since 2026-05-01 09:00:00 UTC: import of made_x failed: Module" in told
    told = json.loads(CliRunner().invoke(cli, ["-C", str(root), "status", "--json"]).stdout)["plugins_broken"]
    assert [(one["plugin"], one["since"]) for one in told] == [("x", "2026-05-01T09:00:00Z")]


def test_who_is_switched_off_beside_its_twin_leaves_nobody_waiting(
    root: Path, made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one serves what both offer, until it is switched off, too."""
    with (root / "gateway.yaml").open("a") as file:
        file.write("systems: {crm: {plugin: x, role: crm}}\n")
    made("x")
    made("twin", more={"made_twin-1.0.dist-info/entry_points.txt": "[lead_gateway]\nx = made_x\n"})
    seen = Seen("x", "made_x", "made-twin", "1.0", "", "active", "", offers=["sink x"])
    found = [seen, replace(seen, distribution="made-x")]
    monkeypatch.setattr(probe, "look", lambda root, **how: found)
    for name, systems in (("made-twin", []), ("made-x:x", ["crm"])):
        done = CliRunner().invoke(cli, ["-C", str(root), "plugins", "disable", name, "--json"])
        assert json.loads(done.stdout)["systems"] == systems
