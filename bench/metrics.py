"""The funnel over many leads: seconds, memory, and the ratio against a bare scan of the same rows.

    python bench/metrics.py [--leads 1000000] [--keep DIR] [--json]

Each lead reached two to eight stages of a journey, five on average; one in seven was won, most of them with a deal.
Targets for 1,000,000 leads and 5,000,000 transitions on SQLite: under 3 s of a processor, which is what it takes where
nothing else runs, and under 1 GiB of memory.
"""

from __future__ import annotations

import argparse
import json
import random
import re
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

from events import FILES, NOW, instance

from gateway.times import to_micros

SECONDS, MEMORY = 3, 1024
"""Targets: for the funnel, and MiB of the process that counts it."""
STAGES = ("lead", "engaged", "mql", "hot", "sal", "sql", "demo", "won")
SHARED = ("target", "target", "mql", "mql", "sal", "sql", "sql", "won")
SCORES, OUTCOMES = (10, 50, 80), ("accepted", "qualified", "contacted", "won")
ENTRIES = ("", *(f"{{score: {one}}}" for one in SCORES), *(f"{{outcome: [{one}]}}" for one in OUTCOMES))
ORIGINS = ("email", "social", "paid", "organic", "referral", "fair", "partner", "direct")
SINCE = to_micros(datetime(2024, 1, 1, tzinfo=UTC))
DAY = 86_400_000_000
ASKED: dict[str, tuple[str, ...]] = {
    "all": (),
    "a quarter": ("--period", "2025-Q2"),
    "by month": ("--by", "month"),
    "by origin": ("--by", "origin"),
    "by period": ("--count", "period", "--by", "month"),
}


def people(count: int) -> Iterator[tuple[Any, ...]]:
    rng = random.Random(5)
    span = to_micros(NOW) - SINCE
    for n in range(count):
        entered = SINCE + span * n // count
        about = json.dumps({"email": f"p{n}@example.org", "origin": rng.choice(ORIGINS), "title": "Head of Finance"})
        yield f"{n:032x}", 1, entered, entered, about, rng.choice(("executive", "other")), "lead", "{}"


def moves(count: int) -> list[tuple[int, int, int]]:
    """(time, lead, stage) in order of time, as they would have come in."""
    rng = random.Random(6)
    span = to_micros(NOW) - SINCE
    found = []
    for n in range(count):
        at = SINCE + span * n // count
        for stage in range(rng.randrange(2, len(STAGES) + 1)):
            found.append((at, n, stage))
            at += rng.randrange(20 * DAY)
    found.sort()
    return found


def fill(folder: Path, count: int) -> None:
    """Bulk inserts past the gateway: what it would take to bring so many in is another benchmark's."""
    with sqlite3.connect(folder / "var" / "gateway.db") as db:
        db.execute("PRAGMA synchronous = OFF")
        db.executemany(
            "INSERT INTO leads (id, version, known_at, entered_at, attributes, persona, stage, above)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            people(count),
        )
        found = moves(count)
        paths: list[list[str]] = [[] for _ in range(count)]
        for _, n, stage in found:
            paths[n].append(STAGES[stage])
        db.executemany(
            "UPDATE leads SET path = ? WHERE id = ?",
            (("\n".join(sorted(names)), f"{n:032x}") for n, names in enumerate(paths)),
        )
        db.executemany(
            "INSERT INTO reached (lead, stage, at, cause, ref) VALUES (?, ?, ?, 'threshold', '')",
            ((f"{n:032x}", STAGES[stage], at) for at, n, stage in found),
        )
        won = [(at, n) for at, n, stage in found if STAGES[stage] == "won"]
        sold = [(f"{n + (1 << 100):032x}", at, f"{n:032x}") for at, n in won[::10] + won[1::10] + won[2::5]]
        db.executemany(
            "INSERT INTO deals (id, version, known_at, attributes, status, status_at, amount, currency)"
            " VALUES (?, 1, 0, '{}', 'won', ?, '1250.50', 'EUR')",
            ((deal, at) for deal, at, _ in sold),
        )
        db.executemany("INSERT INTO deal_leads (deal, lead) VALUES (?, ?)", ((deal, lead) for deal, _, lead in sold))
    db.close()


def bare(folder: Path) -> float:
    """Seconds of a processor for SQLite itself to go once over the same rows, touching every lead and transition."""
    db = sqlite3.connect(folder / "var" / "gateway.db")
    began = time.process_time()
    db.execute("SELECT count(entered_at) FROM leads").fetchone()
    db.execute("SELECT count(at) FROM reached NOT INDEXED").fetchone()
    seconds = time.process_time() - began
    db.close()
    return seconds


def asked(folder: Path, words: tuple[str, ...]) -> dict[str, float]:
    """Seconds and MiB of the command itself, in a process of its own."""
    run = [sys.executable, str(Path(__file__)), "--ask", str(folder), "--", *words]
    told = subprocess.run(run, check=True, capture_output=True, text=True).stdout
    found: dict[str, float] = json.loads(told.splitlines()[-1])
    return found


def ask(folder: Path, words: list[str]) -> None:
    from click.testing import CliRunner

    from gateway.cli.main import cli

    began, worked = time.perf_counter(), time.process_time()
    told = CliRunner().invoke(cli, ["-C", str(folder), "metrics", "funnel", *words, "--json"], catch_exceptions=False)
    seconds, cpu = time.perf_counter() - began, time.process_time() - worked
    if told.exit_code:
        raise SystemExit(told.output)
    # Not ru_maxrss: that is at least what the process weighed that started this one, which had filled the store.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    memory = int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]
    print(json.dumps({"seconds": seconds, "cpu": cpu, "mib": memory, "entered": json.loads(told.stdout)["entered"]}))


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--leads", type=int, default=1_000_000)
    parser.add_argument("--keep", type=Path, help="make the store here, or use the one that is here")
    parser.add_argument("--ask", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("words", nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.ask:
        ask(options.ask, options.words)
        return 0
    stages = (
        f"  - {{name: {name}, shared: {shared}{f', entry: {entry}' if entry else ''}}}\n"
        for name, shared, entry in zip(STAGES, SHARED, ENTRIES, strict=True)
    )
    FILES["journey.yaml"] = "stages:\n" + "".join(stages)
    folder = options.keep or Path(tempfile.mkdtemp()) / "many"
    try:
        if not folder.exists():
            instance(folder).close()
            fill(folder, options.leads)
        base = min(bare(folder) for _ in range(2))
        found = {name: asked(folder, words) for name, words in ASKED.items()}
    finally:
        if options.keep is None:
            shutil.rmtree(folder.parent, ignore_errors=True)
    seconds, memory = found["all"]["cpu"], max(one["mib"] for one in found.values())
    result = {"bench": "metrics", "leads": options.leads, "bare_seconds": round(base, 2), "funnel": found}
    if options.json:
        print(json.dumps(result))
    else:
        print(f"a bare scan of {options.leads:,} leads and their transitions: {base:.2f} s of a processor")
        for name, one in found.items():
            times = f"{one['cpu']:.2f} s of a processor, {one['cpu'] / base:.1f} times that"
            print(f"funnel, {name}: {times} ({one['seconds']:.2f} s by the clock), {one['mib']:.0f} MiB")
        print(f"targets: {SECONDS} s of a processor for all of them, {MEMORY} MiB")
    return 0 if seconds < SECONDS and memory < MEMORY else 1


if __name__ == "__main__":
    sys.exit(main())
