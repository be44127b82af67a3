"""What a batch asks SQLite, and what an event costs, while the number of stored leads grows.

    python bench/plans.py [--leads 10000 1000000] [--events 4000] [--show]

The same news, whole contacts of which two fields changed, for as many leads, scattered among more and more: the cost of
an event is to stay the same, which it does as long as no statement walks through a table. What is measured is what
follows when they are known from news already: the first makes good what the rows that the benchmark filled in lack. The
planner of SQLite is asked as well, with the statistics of 10,000,000 leads written into the database in their stead.
Target: the largest store costs at most 1.5 times the smallest; no statement scans.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import rescore
from events import NOW, arrive, instance, work
from sqlalchemy import Engine, event

TIMES = 1.5
FEW = {"tombstones", "breakers", "bundles", "rescores", "systems", "settings"}
"""Tables that are read whole: they grow with what people set up, not with leads. Of ``tombstones`` one row is asked."""
Told = list[tuple[str, Any]]


@contextmanager
def watched(engine: Engine) -> Iterator[Told]:
    """The statements that are sent meanwhile, each with (the first of) its parameters."""
    told: Told = []

    def note(_connection: Any, _cursor: Any, text: str, parameters: Any, _context: Any, many: bool) -> None:
        told.append((text, parameters[0] if many else parameters))

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield told
    finally:
        event.remove(engine, "before_cursor_execute", note)


def plans(database: sqlite3.Connection, told: Told) -> dict[str, list[str]]:
    """Statement → how SQLite would work it."""
    return {
        text: [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {text}", parameters)]
        for text, parameters in told
        if re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)", text)
    }


def scans(found: dict[str, list[str]]) -> list[tuple[str, str]]:
    """(statement, step) that reads a table, or an index, from one end to the other."""
    walks = re.compile(r"SCAN (?!json_each|CONSTANT)(\w+)")
    each = ((text, step, walks.match(step)) for text, steps in found.items() for step in steps)
    return [(text, step) for text, step, walk in each if walk and walk[1] not in FEW]


def pretend(database: sqlite3.Connection, rows: int) -> None:
    """Let the planner believe that every table has so many rows, of which an index finds one."""
    database.execute("ANALYZE sqlite_schema")
    database.execute("DELETE FROM sqlite_stat1")
    indexes = "SELECT m.name, m.tbl_name FROM sqlite_schema m WHERE m.type = 'index'"
    for name, table in database.execute(indexes).fetchall():
        columns = len(database.execute(f"PRAGMA index_info({name})").fetchall())
        stat = " ".join([str(rows), *["10"] * (columns - 1), "1"])
        database.execute("INSERT INTO sqlite_stat1 VALUES (?, ?, ?)", (table, name, stat))
    database.execute("ANALYZE sqlite_schema")


def news(rng: random.Random, leads: list[int], hour: int) -> list[bytes]:
    rng.shuffle(leads)
    bodies = []
    for start in range(0, len(leads), 100):
        chosen = [(n, f"01{n:030x}") for n in leads[start : start + 100]]
        at = NOW - timedelta(hours=12) + timedelta(hours=hour, milliseconds=start)
        items = [
            {"id": id_, "email": f"person{n}@company{n % 9973}.example", "visits": hour, "city": f"town {hour}"}
            | {"title": "engineer", "country": "Spain", "at": at.isoformat()}
            for n, id_ in chosen
        ]
        bodies.append(json.dumps(items).encode())
    return bodies


def measure(leads: int, events: int) -> tuple[float, Told, dict[str, list[str]], float]:
    """(processor time of an event in µs, the statements of a batch, their plans in a large store, bytes per lead)"""
    rng, folder = random.Random(7), Path(tempfile.mkdtemp())
    try:
        gateway = instance(folder)
        file = Path(str(gateway.store.main.url.database))
        rescore.fill(file, leads, "" if gateway.model.scorer is None else gateway.model.hashes["scoring"])
        costs, chosen = [], rng.sample(range(leads), events)
        for hour in range(1, 7):
            arrive(gateway, news(rng, chosen, hour))
            began = time.process_time()
            with watched(gateway.store.main) as told:
                work(gateway)
            costs.append((time.process_time() - began) / events * 1e6)
        gateway.close()
        size = file.stat().st_size / leads
        with sqlite3.connect(file) as database:
            pretend(database, 10_000_000)
        database.close()
        with sqlite3.connect(file) as database:  # statistics are read when a database is opened
            found = plans(database, told)
        database.close()
        return min(costs[1:]), told, found, size
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--leads", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--events", type=int, default=4000)
    parser.add_argument("--show", action="store_true", help="every statement with its plan")
    options = parser.parse_args(argv)
    costs, bad = [], list[tuple[str, str]]()
    for leads in options.leads:
        cost, told, found, size = measure(leads, options.events)
        costs.append(cost)
        bad += scans(found)
        print(
            f"{leads:12,} leads: {cost:7.0f} µs of processor an event, {len(told)} statements, {size:,.0f} bytes a lead"
        )
    for text, steps in found.items() if options.show else ():
        print(" ".join(text.split())[:150], *steps, sep="\n    ")
    ratio = costs[-1] / costs[0]
    print(f"  the largest against the smallest {ratio:.2f}   (target {TIMES})")
    for text, step in bad:
        print(f"  {step}: {' '.join(text.split())[:100]}")
    print(f"  {len(bad)} of {len(found)} statements scan a table with the statistics of 10,000,000 leads (target 0)")
    return 0 if ratio <= TIMES and not bad else 1


if __name__ == "__main__":
    sys.exit(main())
