"""Clocks over many open handoffs: how long one sweep takes that finds those due this minute, and what memory it needs.

    python bench/sweeps.py [--handoffs 1000000] [--due 200] [--json]

Each has a response time and an end of follow-up ahead; a few are due: warned, escalated, given to the next, ended.
Targets: under 10 s for a sweep with all that comes of it, and memory that does not grow with the number of handoffs.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from events import FILES, NOW, instance

from gateway.runtime import Gateway
from gateway.store import tables as t
from gateway.store.database import write
from gateway.store.put import Put
from gateway.sweeps import clocks
from gateway.times import to_micros

SECONDS, GROWTH = 10, 64
"""Targets: for a sweep, and MiB by which the memory of one grows with 1,000,000 handoffs."""
MINUTE = 60_000_000
JOURNEY = """
stages:
  - {name: target, shared: target}
  - {name: mql, shared: mql, entry: {score: 70}, steps: [{handoff: site}]}
  - {name: won, shared: won, entry: {outcome: [won]}}
calendars: {office: {zone: Europe/Berlin, hours: {mon-fri: "09:00-17:00"}}}
follow_up: {response: 4h, period: 5d, calendar: office, warn: 80, escalate: 100, reassign: 200}
owners:
OWNERS
  - {queue: desk}
fallback: desk
"""
PEOPLE = [f"seller{n}@bench.example" for n in range(20)]


def rows(count: int, due: int) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """(lead, handoff): the last ``due`` of them are due this minute, half of those at an alarm, half at their end."""
    rng, now = random.Random(7), to_micros(NOW)
    for n in range(count):
        lead, left = f"{n:032x}", count - n
        opened = now - rng.randrange(3 * 1440) * MINUTE
        ahead = now + MINUTE * rng.randrange(1, 5 * 1440)
        alarm = ("warned", "escalated", "reassigned")[n % 3]
        person = {
            "id": lead, "version": 1, "known_at": opened, "entered_at": opened, "attributes": {}, "above": {},
            "stage": "mql", "persona": "",
        }  # fmt: skip
        handoff = {
            "id": f"{n + (1 << 100):032x}", "lead": lead, "stage": "mql", "system": "site", "persona": "",
            "generation": 1, "opened_at": opened, "decided_at": opened, "score": 7500, "contributions": [],
            "scoring": "", "journey": "", "state": "open", "owner": PEOPLE[n % len(PEOPLE)], "owner_at": opened,
            "response_time": 240 * MINUTE, "response_due": ahead, "alarm": alarm,
            "alarm_at": now if left <= due // 2 else ahead,
            "period_ends": now if due // 2 < left <= due else ahead + 5 * 1440 * MINUTE,
        }  # fmt: skip
        yield person, handoff


def fill(gateway: Gateway, count: int, due: int) -> None:
    for chunk in chunks(count, due):
        with write(gateway.store.main) as connection:
            put = Put(connection)
            put.insert(t.leads, [person for person, _ in chunk])
            put.insert(t.handoffs, [handoff for _, handoff in chunk])


def chunks(count: int, due: int) -> Iterator[list[tuple[dict[str, Any], dict[str, Any]]]]:
    chunk: list[tuple[dict[str, Any], dict[str, Any]]] = []
    for row in rows(count, due):
        chunk.append(row)
        if len(chunk) == 2_000:  # so that filling takes less memory than a sweep
            yield chunk
            chunk = []
    yield chunk


def sweep(gateway: Gateway) -> float:
    began = time.perf_counter()
    while clocks.tick(gateway):
        pass
    return time.perf_counter() - began


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--handoffs", type=int, default=1_000_000)
    parser.add_argument("--due", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    listed = "\n".join(f"  - {{user: {who}}}" for who in PEOPLE)
    FILES["journey.yaml"] = JOURNEY.replace("OWNERS", listed)
    folder = Path(tempfile.mkdtemp())
    try:
        few = instance(folder / "few")
        fill(few, 4 * options.due, options.due)
        sweep(few)
        few.close()
        gateway = instance(folder / "many")
        fill(gateway, options.handoffs, options.due)
        before = peak()
        seconds = sweep(gateway)
        growth = peak() - before
        idle = sweep(gateway)
        with gateway.store.main.connect() as connection:
            done = dict(connection.exec_driver_sql("SELECT kind, count(*) FROM clock_events GROUP BY kind").all())
            done["ended"] = connection.exec_driver_sql("SELECT count(*) FROM endings").scalar()
        gateway.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    result = {
        "bench": "sweeps",
        "handoffs": options.handoffs,
        "due": options.due,
        "seconds": round(seconds, 2),
        "idle_ms": round(idle * 1000, 1),
        "growth_mib": round(growth, 1),
        "did": done,
    }
    if options.json:
        print(json.dumps(result))
    else:
        did = ", ".join(f"{count} {kind}" for kind, count in sorted(done.items()))
        many = f"{options.handoffs:,} open handoffs, {options.due} of them due"
        print(f"sweep over {many}: {seconds:.2f} s   (target under {SECONDS})")
        print(f"  {did}; a sweep with nothing due {idle * 1000:.1f} ms")
        print(f"  memory grew by {growth:.1f} MiB   (target under {GROWTH})")
    return 0 if seconds < SECONDS and growth < GROWTH else 1


if __name__ == "__main__":
    sys.exit(main())
