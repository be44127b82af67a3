"""Import of made-up leads through the whole gateway: is memory flat, and is the last tenth as quick as the first?

    python bench/import_million.py [--rows 1000000] [--json]

Targets: peak memory under 400 MiB; the processor time of a row of the last tenth within 20 % of the first's. By the
clock it is told, too, but other programs of the machine and its disk have a part in that.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path

from events import FILES, instance

PEAK_MIB = 400
DRIFT = 0.2
COLUMNS = ("id", "at", "email", "title", "country", "city", "industry", "source", "department", "employees", "visits")


def make(path: Path, rows: int) -> None:
    rng = random.Random(11)
    titles, countries = ["chief buyer", "intern", "engineer", "sales manager"], ["Germany", "France", "Spain"]
    industries, sources = ["software", "finance", "retail"], ["referral", "paid", "organic"]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for n in range(rows):
            writer.writerow(
                (
                    f"p{n}",
                    f"2026-05-{n % 28 + 1:02}T{n % 24:02}:00:00Z",
                    f"person{n}@company{n % 9973}.example",
                    rng.choice(titles),
                    rng.choice(countries),
                    f"city {n % 90}",
                    rng.choice(industries),
                    rng.choice(sources),
                    "it",
                    rng.randrange(500),
                    rng.randrange(20),
                )
            )


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    folder = Path(tempfile.mkdtemp())
    try:
        FILES["gateway.yaml"] = (
            FILES["gateway.yaml"]
            .replace("settings: {allow_insecure: true, verify: {scheme: none}}", "settings: {format: csv}")
            .replace("plugin: webhook", "plugin: files")
        )
        make(folder / "people.csv", options.rows)
        gateway = instance(folder / "gateway")
        tenths: list[tuple[float, float]] = []  # rows a second by the clock, microseconds of the processor a row
        done, start = 0, time.perf_counter()
        began, busy = start, time.process_time()
        for page in gateway.pullings["site"].bring_in(str(folder / "people.csv"), history=True, origin="file"):
            done += page.records
            while gateway.run_pipeline_once("bench"):
                pass
            if done >= (len(tenths) + 1) * options.rows / 10:
                now, used = time.perf_counter(), time.process_time()
                tenth = options.rows / 10
                tenths.append((tenth / (now - began), (used - busy) / tenth * 1e6))
                began, busy = now, used
        total = time.perf_counter() - start
        gateway.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    (first, cost), (last, cost_at_last) = tenths[0], tenths[-1]
    drift = cost_at_last / cost - 1
    result = {
        "bench": "import",
        "rows": options.rows,
        "rows_per_s": round(options.rows / total),
        "first_tenth_per_s": round(first),
        "last_tenth_per_s": round(last),
        "first_tenth_us": round(cost),
        "last_tenth_us": round(cost_at_last),
        "drift": round(drift, 3),
        "peak_mib": round(peak),
    }
    if options.json:
        print(json.dumps(result))
    else:
        print(f"import of {options.rows:,} leads in {total:,.0f} s: {result['rows_per_s']:,} rows/s")
        print("  rows/s by tenth: " + " ".join(f"{rate:,.0f}" for rate, _ in tenths))
        print("  processor time of a row by tenth, µs: " + " ".join(f"{cost:,.0f}" for _, cost in tenths))
        print(f"  last against first tenth {drift:+.1%}   (target within ±{DRIFT:.0%})")
        print(f"  peak memory {peak:,.0f} MiB   (target under {PEAK_MIB})")
    return 0 if abs(drift) <= DRIFT and peak < PEAK_MIB else 1


if __name__ == "__main__":
    sys.exit(main())
