"""A quota shared by three delivery workers: how much of it they use while work waits, and how often it is refused.

    python bench/quota.py [--leads 10000] [--per-10s 100] [--per-day 100000] [--workers 3] [--json]

Each lead is handed over to the sandbox's HubSpot, with a task; the sandbox enforces both limits, as HubSpot does. The
workers are processes of their own over one store. Leads are given to them two at a time, so that the calls are many:
what is measured is the quota, not how many records fit into a call.

The share is that of the calls in the median of all whole windows of ten seconds, against the limit: the first is one of
workers that start, the last one of work that ends. Beside it stands that of all calls in all of the time.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))  # the same gateway that the tests kill

from gateway_sandbox.hubspot.limits import Limits
from running_gateway import HubSpot, Running, document

from gateway import logs

WINDOW = 10.0
AHEAD = 150
"""Writes that may wait at a time: more would go in fewer, larger calls."""
PAIR = 2
TARGET = 0.95


def measure(leads: int, per_10s: int, per_day: int, workers: int) -> dict[str, float]:
    crm = HubSpot(Limits(per_10s, per_day, None))
    with tempfile.TemporaryDirectory() as folder, Running(Path(folder), {"crm": crm}) as running:
        running.take({"first": document(0, "p0")})
        for _ in range(workers):
            running.beside("deliver:crm")
        given = 1
        while given < leads or (running.waiting("crm") and crm.limits.used_today < per_day):
            if given < leads and running.waiting("crm") < AHEAD:
                some = range(given, min(leads, given + PAIR))
                running.take({f"n{number}": document(number, f"p{number}") for number in some})
                given = some.stop
            elif crm.limits.used_today >= per_day:
                break
            else:
                time.sleep(0.1)
        began = crm.calls[0].at
        times = [(call.at - began).total_seconds() for call in crm.calls]
        windows = Counter(int(at // WINDOW) for at in times if at < times[-1] // WINDOW * WINDOW)
        return {
            "calls": len(times),
            "seconds": times[-1],
            "share of 10 s": statistics.median(windows.values()) / per_10s if windows else 0.0,
            "share of all": len(times) / (times[-1] / WINDOW * per_10s) if times[-1] else 0.0,
            "share of the day": crm.limits.used_today / per_day,
            "refused": sum(call.status == 429 for call in crm.calls),
            "people": len(crm.holds()),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--leads", type=int, default=10_000)
    parser.add_argument("--per-10s", type=int, default=100)
    parser.add_argument("--per-day", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    logs.configure(logs.WARNING)
    found = measure(given.leads, given.per_10s, given.per_day, given.workers)
    if given.json:
        print(json.dumps(found))
        return
    print(
        f"{found['calls']} calls in {found['seconds']:.0f} s by {given.workers} workers; {found['people']} people made"
    )
    shares = f"{found['share of 10 s']:.1%} (target {TARGET:.0%}), {found['share of all']:.1%} on the whole"
    print(f"  used of {given.per_10s} calls in 10 s: {shares}")
    print(f"  used of {given.per_day} calls a day: {found['share of the day']:.1%}")
    print(f"  answered 429: {found['refused']} (target 0)")
    sys.exit(found["refused"] > 0 or found["share of 10 s"] < TARGET)


if __name__ == "__main__":
    main()
