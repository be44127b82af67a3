"""A draft of the model tried on everything stored, beside the live one.

    python bench/simulate.py [--leads 1000000] [--colleagues 10] [--json]

Five stored activities a lead within 90 days, all of them replayed; 12 rules on either side; the store is SQLite's.
With --colleagues so many leads are of one company, and a rule of the draft reads a roll-up.
Targets: under 90 s for 1,000,000 leads, and 1 GiB in all processes together.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import sqlite3
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from events import FILES, NOW, instance
from rescore import ACTIVITIES, fill

from gateway.committee.simulating import simulate

SECONDS, LEADS, PEAK_MIB = 90, 1_000_000, 1024

ROLLED = "fit:\n  - {name: Several, when: {company.engaged_leads: {at_least: 5}}, points: 10}\n"


def employ(file: Path, companies: int) -> None:
    """Every lead is of one of so many companies."""
    with sqlite3.connect(file) as database:
        ids = ((f"02{n:030x}",) for n in range(companies))
        shape = "INSERT INTO companies (id, version, known_at, attributes) VALUES (?, 1, 0, '{}')"
        database.executemany(shape, ids)
        database.execute("UPDATE leads SET company = printf('02%030x', rowid % ?)", (companies,))
    database.close()


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--leads", type=int, default=LEADS)
    parser.add_argument("--colleagues", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    folder = Path(tempfile.mkdtemp())
    try:
        gateway = instance(folder)
        fill(Path(str(gateway.store.main.url.database)), options.leads)
        if options.colleagues:
            employ(Path(str(gateway.store.main.url.database)), options.leads // options.colleagues)
        files = dict(gateway.instance.files)
        files["scoring.yaml"] = FILES["scoring.yaml"].replace("points: 15", "points: 10")
        if options.colleagues:
            files["scoring.yaml"] = files["scoring.yaml"].replace("fit:\n", ROLLED, 1)
        began = time.perf_counter()
        found = simulate(gateway, files, NOW - timedelta(days=90))
        taken = time.perf_counter() - began
        gateway.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    own, most = (resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    result = {
        "bench": "simulate",
        "leads": options.leads,
        "colleagues": options.colleagues,
        "activities": options.leads * ACTIVITIES,
        "seconds": round(taken, 1),
        "leads_per_s": round(options.leads / taken),
        "crossed": {side: found.tally.counts[f"crossed {side}"] for side in ("live", "draft")},
        "peak_mib": round(own),
        "peak_mib_of_a_child": round(most),
        "target": f"<= {SECONDS * options.leads / LEADS:g} s, {PEAK_MIB} MiB",
    }
    print(json.dumps(result) if options.json else "\n".join(f"{name}: {value}" for name, value in result.items()))
    return 0 if taken <= SECONDS * options.leads / LEADS and own + most < PEAK_MIB else 1


if __name__ == "__main__":
    sys.exit(main())
