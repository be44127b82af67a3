"""Attribution over many journeys: seconds, memory, and the ratio against a bare pass over the same rows.

    python bench/attribution.py [--journeys 1000000] [--keep DIR] [--json]

Each lead has one to six touches, three on average, in eight channels; one in ten was won. All nine models are worked.
Targets for 1,000,000 journeys on SQLite: under 10 s of a processor, which is what it takes where nothing else runs, and
under 1 GiB of memory.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from events import FILES, instance

from gateway.times import to_micros

SECONDS, MEMORY = 10, 1024
"""Targets: for all models, and MiB of the process that works them."""
JOURNEY = """
stages:
  - {name: target, shared: target}
  - {name: mql, shared: mql, entry: {score: 50}}
  - {name: won, shared: won, entry: {outcome: [won]}}
"""
CHANNELS = ("email", "social", "paid", "organic", "referral", "fair", "partner", "direct")
LENGTHS = (1, 2, 2, 3, 3, 4, 6)
SINCE = to_micros(datetime(2025, 1, 1, tzinfo=UTC))
DAY = 86_400_000_000


def touches(count: int) -> Iterator[tuple[Any, ...]]:
    rng = random.Random(8)
    for n in range(count):
        at = SINCE + rng.randrange(300 * DAY)
        for place in range(rng.choice(LENGTHS)):
            at += rng.randrange(1, 10 * DAY)
            yield f"{n:032x}", at, f"{place}", "page_view", "", rng.choice(CHANNELS), "", "site", "contact", f"{n}", at


def fill(folder: Path, count: int) -> None:
    """Bulk inserts past the gateway: what it would take to bring so many in is another benchmark's."""
    with sqlite3.connect(folder / "var" / "gateway.db") as db:
        db.execute("PRAGMA synchronous = OFF")
        db.executemany(f"INSERT INTO activities VALUES ({', '.join('?' * 11)})", touches(count))
        leads = [f"{n:032x}" for n in range(count)]
        db.executemany(
            "INSERT INTO leads (id, version, known_at, entered_at, attributes, above) VALUES (?, 1, ?, ?, '{}', '{}')",
            ((lead, SINCE, SINCE) for lead in leads),
        )
        won = [(lead, SINCE + 320 * DAY + n) for n, lead in enumerate(leads[::10])]
        db.executemany(
            "INSERT INTO reached (lead, stage, at, cause, ref) VALUES (?, ?, ?, 'outcome', '')",
            [*((lead, "mql", at - 40 * DAY) for lead, at in won), *((lead, "won", at) for lead, at in won)],
        )
        db.executemany(
            "INSERT INTO deals (id, version, known_at, attributes, status, status_at, amount, currency)"
            " VALUES (?, 1, 0, '{}', 'won', ?, '1250.50', 'EUR')",
            ((f"d{lead[1:]}", at) for lead, at in won),
        )
        db.executemany("INSERT INTO deal_leads VALUES (?, ?)", ((f"d{lead[1:]}", lead) for lead, _ in won))
    db.close()


def bare(folder: Path) -> float:
    """Seconds of a processor for Python and SQLite to read the same rows once, doing nothing with them."""
    db = sqlite3.connect(folder / "var" / "gateway.db")
    began = time.process_time()
    for _ in db.execute("SELECT lead, at, channel FROM activities WHERE channel <> '' ORDER BY lead, at, id"):
        pass
    db.close()
    return time.process_time() - began


def work(folder: Path, options: list[str]) -> dict[str, float]:
    """The command itself, in this process: seconds by the clock and of a processor, MiB, journeys."""
    from click.testing import CliRunner

    from gateway.cli.main import cli

    began, busy = time.perf_counter(), time.process_time()
    told = CliRunner().invoke(cli, ["-C", str(folder), "metrics", "attribution", "--json", *options])
    seconds, busy = time.perf_counter() - began, time.process_time() - busy
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "cpu": busy, "mib": memory, "journeys": json.loads(told.stdout)["journeys"]}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--journeys", type=int, default=1_000_000)
    parser.add_argument("--keep", type=Path, help="a folder for the store; one that is there is used again")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--work", nargs="+", help=argparse.SUPPRESS)
    options, more = parser.parse_known_args(argv)
    if options.work:
        print(json.dumps(work(Path(options.work[0]), more)))
        return 0
    FILES["journey.yaml"] = JOURNEY
    folder = options.keep or Path(tempfile.mkdtemp()) / "instance"
    try:
        if not folder.exists():
            instance(folder).close()
            fill(folder, options.journeys)
        base = min(bare(folder) for _ in range(2))
        found = {}
        for name, asked in (("no window", ()), ("90 days", ("--window", "90d"))):
            run = [sys.executable, __file__, "--work", str(folder), *asked]
            found[name] = json.loads(subprocess.run(run, check=True, capture_output=True, text=True).stdout)
    finally:
        if options.keep is None:
            shutil.rmtree(folder.parent)
    result = {
        "bench": "attribution",
        "bare_cpu_s": round(base, 2),
        "target_s": SECONDS,
        "target_mib": MEMORY,
        "runs": found,
    }
    if options.json:
        print(json.dumps(result))
    else:
        for name, one in found.items():
            times = f"{one['cpu']:.1f} s of a processor, {one['cpu'] / base:.1f} times a bare pass"
            clock = f"({one['seconds']:.1f} s by the clock)"
            print(f"{one['journeys']:,} journeys, {name}: {times} {clock}, {one['mib']:.0f} MiB")
        print(f"targets: {SECONDS} s of a processor for all models, {MEMORY} MiB")
    return int(any(one["cpu"] > SECONDS or one["mib"] > MEMORY for one in found.values()))


if __name__ == "__main__":
    sys.exit(main())
