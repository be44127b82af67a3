"""What the host adds to a hook call, and to the start of a command by 50 installed plugins.

    python bench/hooks.py [--rounds 41] [--plugins 50] [--starts 7] [--json]

One hook of one plugin is called three ways: the bare function, bare pluggy, and the host as a worker has it, where the
supervisor's slot says which call is under way and breakers see what becomes of it. Rounds are interleaved; a ratio is
that of the medians. The installed plugins are real distributions with a source, a sink and a transform each, made in a
temporary folder; the same process starts with and without them in turn. Targets: 10 times pluggy; under 1 s more.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pluggy
import structlog

from gateway import hookspecs
from gateway.engine import slots
from gateway.engine.process import _guard
from gateway.host import Host
from gateway.plugins.breakers import Breakers
from gateway.plugins.watch import Watch
from gateway.store.database import open_store, upgrade

TIMES, SECONDS = 10.0, 1.0
"""Targets: one call against bare pluggy, and what 50 plugins may add to a start."""
CALLS = 2_000
PLUGIN = """
from marshmallow import Schema, fields

from gateway.contracts import Receipt, Sink, Source
from gateway.hookspecs import hookimpl


class Settings(Schema):
    page = fields.Integer(load_default=100)


class In(Source):
    def read(self, document):
        return []


class Out(Sink):
    def calls(self, writes):
        return []

    def deliver(self, call):
        return []


@hookimpl
def register_sources(register):
    register("{name}", lambda settings, context: In(), Settings)


@hookimpl
def register_sinks(register):
    register("{name}", lambda settings, context: Out(), Settings)


@hookimpl
def register_transforms(register):
    register("{name}", str.upper)


@hookimpl
def lead_scored(scores):
    return None
"""
START = """
from gateway.cli.patience import alone, impatient
from gateway.host import Host
alone()
print(sum(plugin.state == "active" for plugin in Host(guard=impatient).plugins))
"""


def install(site: Path, count: int) -> None:
    """So many distributions as pip would leave them."""
    for number in range(count):
        name = f"bench{number}"
        about = site / f"gateway_{name}-1.0.dist-info"
        about.mkdir(parents=True)
        (site / f"gateway_{name}.py").write_text(PLUGIN.replace("{name}", name))
        (about / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: gateway-{name}\nVersion: 1.0\nRequires-Dist: lead-gateway>=1,<2\n"
        )
        (about / "entry_points.txt").write_text(f"[lead_gateway]\n{name} = gateway_{name}\n")


def start(site: str) -> tuple[float, float, int]:
    """(seconds on the clock, seconds of processor, plugins that were loaded) of one process that loads all plugins."""
    used, began = _processor(), time.perf_counter()
    told = subprocess.run(
        [sys.executable, "-c", START],
        env={**os.environ, "PYTHONPATH": site},
        capture_output=True,
        text=True,
        check=True,
    )
    return time.perf_counter() - began, _processor() - used, int(told.stdout)


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def starts(site: str, rounds: int, plugins: int) -> tuple[float, float]:
    """What the plugins add to a start: (seconds on the clock, seconds of processor), medians of interleaved pairs."""
    start(site)  # writes byte code, as pip does
    alone, among = [], []
    for _ in range(rounds):
        alone.append(start(""))
        among.append(start(site))
    assert among[0][2] - alone[0][2] == plugins, "not all were loaded"
    more = [statistics.median(one[n] for one in among) - statistics.median(one[n] for one in alone) for n in (0, 1)]
    return more[0], more[1]


class _Installed:
    metadata = {"Name": "gateway-one"}  # noqa: RUF012 - as importlib.metadata has it
    version = "1.0"
    requires = ("lead-gateway>=1,<2",)


def calls(folder: Path, rounds: int) -> dict[str, float]:
    """Microseconds of one call: ``function``, ``pluggy``, ``host``; and ``observe``, with its copies of one row."""
    site = folder / "one"
    install(site, 1)
    sys.path.insert(0, str(site))
    store = open_store(folder / "var")
    upgrade(store)
    slots.enter(slots.Slots(folder / "slots", 1).slot(0))
    host = Host([(EntryPoint("one", "gateway_bench0", hookspecs.PROJECT), _Installed())])  # type: ignore[list-item]
    breakers = Breakers(store.main, structlog.get_logger())
    host.guard, host.stopped = Watch(_guard, breakers), breakers.stopped
    module = sys.modules["gateway_bench0"]
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(module)
    rows = [{"lead": "1", "total": 5000, "band": "good"}]
    [plugin] = host.plugins
    ways: dict[str, Callable[[], Any]] = {
        "function": lambda: module.lead_scored(scores=rows),
        "pluggy": lambda: manager.hook.lead_scored(scores=rows),
        "host": lambda: host._call(plugin, "lead_scored", scores=rows),
        "observe": lambda: host.observe("lead_scored", scores=rows),
    }
    took: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            began = time.perf_counter()
            for _ in range(CALLS):
                way()
            took[name].append((time.perf_counter() - began) / CALLS * 1e6)
    slots.enter(None)
    store.close()
    return {name: statistics.median(each) for name, each in took.items()}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=41)
    parser.add_argument("--plugins", type=int, default=50)
    parser.add_argument("--starts", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        each = calls(folder, options.rounds)
        install(folder / "site", options.plugins)
        seconds, processor = starts(str(folder / "site"), options.starts, options.plugins)
    result = {
        "bench": "hooks",
        "us": {name: round(one, 2) for name, one in each.items()},
        "times_function": round(each["host"] / each["function"], 1),
        "times_pluggy": round(each["host"] / each["pluggy"], 2),
        "plugins": options.plugins,
        "start_seconds": round(seconds, 2),
        "start_processor": round(processor, 2),
    }
    if options.json:
        print(json.dumps(result))
    else:
        told = ", ".join(f"{name} {one:.2f} us" for name, one in each.items())
        print(f"one hook call: {told}")
        print(f"  {result['times_pluggy']} times pluggy (target {TIMES:g}), {result['times_function']} a bare function")
        print(
            f"{options.plugins} plugins: a start takes {seconds:.2f} s more (target {SECONDS:g}), {processor:.2f} busy"
        )
    return 0 if result["times_pluggy"] <= TIMES and seconds < SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
