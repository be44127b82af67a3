"""What a batch asks SQLite, and what an event costs, while the number of stored leads grows.

    python bench/plans.py [--leads 10000 1000000] [--events 4000] [--rounds 12] [--show]

Stores that were made by news alone get the same kind of news in turns, whole contacts of which two fields changed, each
time for leads chosen anew from all: so in a large store hardly two events of a batch share a page, and no page is in a
cache, while all of a small one fit there. The cost of an event is to stay nearly the same, which it does as long as no
statement walks through a table, and each reads and writes few pages a lead. The planner of SQLite is asked as well,
with the statistics of 10,000,000 leads written into the database. Beside it stands the bare pipeline of ``events`` over
as many leads: even that reads and writes pages of its own for each event then. Target: the largest store costs at most
1.5 times the smallest, in the median of the rounds; no statement scans.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import bare_pipeline
from events import NOW, arrive, instance, work
from sqlalchemy import Engine, event

from gateway.runtime import Gateway
from gateway.store.database import Store
from gateway.times import to_micros

TIMES = 1.5
CHUNK = 20_000
"""Leads whose first news arrives at a time."""
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


def news(leads: Sequence[int], hour: int) -> list[bytes]:
    bodies = []
    for start in range(0, len(leads), 100):
        at = NOW - timedelta(days=7) + timedelta(hours=hour, milliseconds=start)
        items = [
            {"id": str(n), "email": f"person{n}@company{n % 9973}.example", "visits": hour % 3, "city": f"town {hour}"}
            | {"title": "engineer", "country": "Spain", "at": at.isoformat()}
            for n in leads[start : start + 100]
        ]
        bodies.append(json.dumps(items).encode())
    return bodies


@dataclass(slots=True)
class Measured:
    """A store of so many leads, and what each round's events cost there (µs of processor time)."""

    leads: int
    gateway: Gateway
    bare: Store
    costs: list[float] = field(default_factory=list)
    bare_costs: list[float] = field(default_factory=list)
    told: Told = field(default_factory=list)

    @property
    def file(self) -> Path:
        return Path(str(self.gateway.store.main.url.database))

    def fill(self) -> None:
        for start in range(0, self.leads, CHUNK):
            bodies = news(range(start, min(start + CHUNK, self.leads)), 0)
            arrive(self.gateway, bodies)
            work(self.gateway)
            bare_pipeline.add(self.bare, [person for body in bodies for person in json.loads(body)], {})

    def round(self, chosen: Sequence[int], hour: int) -> None:
        bodies = news(chosen, hour)
        arrive(self.gateway, bodies)
        began = time.process_time()
        with watched(self.gateway.store.main) as self.told:
            work(self.gateway)
        self.costs.append((time.process_time() - began) / len(chosen) * 1e6)
        began = time.process_time()
        bare_pipeline.run(self.bare, bodies, to_micros(NOW))
        self.bare_costs.append((time.process_time() - began) / len(chosen) * 1e6)

    def plans(self) -> dict[str, list[str]]:
        """How the statements of a batch would be worked among 10,000,000 leads. The store is of no use afterwards."""
        self.gateway.close()
        for ask in (lambda database: pretend(database, 10_000_000), lambda database: plans(database, self.told)):
            with closing(sqlite3.connect(self.file)) as database, database:  # statistics are read when it is opened
                found = ask(database)
        return found or {}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--leads", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--events", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--show", action="store_true", help="every statement with its plan")
    options = parser.parse_args(argv)
    rng, bad, found = random.Random(7), list[tuple[str, str]](), dict[str, list[str]]()
    with tempfile.TemporaryDirectory() as folder:
        stores = [
            Measured(leads, instance(at / "gateway"), bare_pipeline.prepare(at / "bare", (), {}))
            for leads in options.leads
            if (at := Path(folder) / str(leads))
        ]
        for store in stores:
            store.fill()
        for hour in range(1, options.rounds + 1):
            for store in stores:
                store.round(rng.sample(range(store.leads), options.events), hour)
        for store in stores:
            found = store.plans()
            bad += scans(found)
            cost, bare = statistics.median(store.costs), statistics.median(store.bare_costs)
            print(
                f"{store.leads:12,} leads: {cost:5.0f} µs of processor an event (bare {bare:.0f}), "
                f"{len(store.told)} statements, {store.file.stat().st_size / store.leads:,.0f} bytes a lead"
            )
    for text, steps in found.items() if options.show else ():
        print(" ".join(text.split())[:150], *steps, sep="\n    ")
    ratio, bare = (
        statistics.median(large / small for small, large in zip(*both, strict=True))
        for both in zip(*((store.costs, store.bare_costs) for store in (stores[0], stores[-1])), strict=True)
    )
    print(f"  the largest against the smallest {ratio:.2f}   (target {TIMES}; bare {bare:.2f})")
    for text, step in bad:
        print(f"  {step}: {' '.join(text.split())[:100]}")
    print(f"  {len(bad)} of {len(found)} statements scan a table with the statistics of 10,000,000 leads (target 0)")
    return 0 if ratio <= TIMES and not bad else 1


if __name__ == "__main__":
    sys.exit(main())
