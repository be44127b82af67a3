"""From a webhook to the CRM's task: seconds until sales see a lead that has just become theirs, ten of them a second.

    python bench/reaction.py [--rate 10] [--seconds 60] [--json]

The real processes of `gateway run` over SQLite: each call brings somebody new who crosses the threshold at once, and
is handed over to the sandbox's HubSpot as a contact with a task. Measured from the moment the call was due until the
task is there. Target: 95 of 100 within 10 seconds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))  # the same gateway that the tests kill

from running_gateway import HubSpot, Running, document

TARGET = 10.0
PATIENCE = 60.0
"""Seconds after the last call within which every task has to be there."""


def follow(crm: HubSpot, seen: dict[str, float], stop: threading.Event) -> None:
    """Note when each person's task is there."""
    while not stop.wait(0.05):
        now = time.monotonic()
        for email, *_, tasks in crm.holds():
            if tasks:
                seen.setdefault(email, now)


def measure(rate: float, seconds: float) -> tuple[list[float], int]:
    """(seconds from each call to its task, calls without one)."""
    crm, seen, stop, due = HubSpot(), dict[str, float](), threading.Event(), dict[str, float]()
    with tempfile.TemporaryDirectory() as folder, Running(Path(folder), {"crm": crm}) as running:
        running.start()
        watcher = threading.Thread(target=follow, args=(crm, seen, stop))
        watcher.start()
        began = time.monotonic() + 1
        with ThreadPoolExecutor(16) as senders:
            for number in range(int(rate * seconds)):
                at = began + number / rate
                time.sleep(max(0.0, at - time.monotonic()))
                due[f"p{number}@example.org"] = at
                senders.submit(running.post, f"d{number}", document(number, f"p{number}"))
        until = time.monotonic() + PATIENCE
        while len(seen) < len(due) and time.monotonic() < until:
            time.sleep(0.1)
        stop.set()
        watcher.join()
    return sorted(seen[email] - at for email, at in due.items() if email in seen), len(due) - len(seen)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rate", type=float, default=10.0, help="calls a second")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(argv)
    took, missing = measure(given.rate, given.seconds)
    if missing:
        print(f"{missing} of {missing + len(took)} calls have no task after {PATIENCE:.0f} s", file=sys.stderr)
    p95 = took[int(len(took) * 0.95)] if took else float("inf")
    if given.json:
        print(json.dumps({"bench": "reaction", "tasks": len(took), "missing": missing, "p95_s": round(p95, 2)}))
    elif took:
        print(f"from a webhook to the CRM's task, {given.rate:g} calls a second for {given.seconds:g} s")
        print(f"  median {statistics.median(took):6.2f} s")
        print(f"  p95    {p95:6.2f} s   (target < {TARGET:.0f} s)")
        print(f"  worst  {took[-1]:6.2f} s of {len(took)}")
    return int(missing > 0 or p95 >= TARGET)


if __name__ == "__main__":
    sys.exit(main())
