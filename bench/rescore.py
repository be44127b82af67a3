"""Every lead scored again by a changed model, reading and writing the rows included, against a bare loop.

    python bench/rescore.py [--leads 1000000] [--workers 2] [--json]

Five stored activities a lead, 12 rules; the store is SQLite's, with ``synchronous=FULL``. The bare loop reads the same
rows with ``sqlite3``, decodes them with ``orjson``, does the same arithmetic by hand and updates the same rows, each
thousand leads durably: no marks, no companies, no crossings, no scores of before. Targets: under 60 s for 1,000,000
leads, and 1 GiB.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import resource
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
from bare_pipeline import score
from events import FILES, KINDS, NOW, instance

from gateway import logs
from gateway.opening import open_gateway
from gateway.store.database import read
from gateway.store.rescoring import under_way
from gateway.times import to_micros

SECONDS, LEADS, PEAK_MIB = 60, 1_000_000, 1024
ACTIVITIES = 5
CHUNK = 1000
LATER = NOW + timedelta(seconds=1)
"""When the model changes."""


def people(leads: int) -> Iterator[tuple[str, str]]:
    """(id, attributes) of made-up leads."""
    rng = random.Random(5)
    for n in range(leads):
        attributes = {
            "email": f"person{n}@company{n % 9973}.example",
            "title": rng.choice(["chief buyer", "intern", "engineer", "sales manager"]),
            "country": rng.choice(["Germany", "France", "Spain"]),
            "city": f"city {n % 90}",
            "industry": rng.choice(["software", "finance", "retail"]),
            "source": rng.choice(["referral", "paid", "organic"]),
            "employees": rng.randrange(500),
            "visits": rng.randrange(20),
        }
        yield f"01{n:030x}", orjson.dumps(attributes).decode()


def fill(file: Path, leads: int, scoring: str = "before") -> None:
    """As an import would have left them: leads with the score of a model, and what they did."""
    rng, now = random.Random(6), to_micros(NOW)
    then = now - 30 * 86_400_000_000
    with sqlite3.connect(file) as database:
        batch: list[tuple[str, str]] = []
        for n, lead in enumerate(people(leads)):
            batch.append(lead)
            if len(batch) == 20_000 or n == leads - 1:
                database.executemany(
                    f"INSERT INTO leads (id, version, known_at, entered_at, attributes, stage, above) "
                    f"VALUES (?, 1, {now}, {now}, ?, 'target', '{{}}')",
                    batch,
                )
                held = "(SELECT json_group_object(key, json_array(value, 0)) FROM json_each(?))"
                database.executemany(
                    "INSERT INTO records (system, object, record, kind, entity, snapshot, first_at, last_at, last_key, "
                    "mapping, assumed) "
                    f"VALUES ('site', 'contact', ?, 'person', ?, {held}, {then}, {then}, '', '', '[]')",
                    ((id_, id_, attributes) for id_, attributes in batch),
                )
                database.executemany(
                    "INSERT INTO identities (namespace, value, lead) VALUES ('email', json_extract(?, '$.email'), ?)",
                    ((attributes, id_) for id_, attributes in batch),
                )
                database.executemany(
                    "INSERT INTO activities (lead, at, id, kind, asset, channel, campaign, system, object, record, "
                    f"known_at) VALUES (?, ?, ?, ?, '', '', '', 'site', 'contact', '', {now})",
                    (
                        (id_, now - rng.randrange(90 * 86_400) * 1_000_000, f"{place}", rng.choice(KINDS))
                        for id_, _ in batch
                        for place in range(ACTIVITIES)
                    ),
                )
                database.executemany(
                    "INSERT INTO scores (lead, name, total, fit, behaviour, band, at, changes_at, scoring) "
                    f"VALUES (?, 'lead', 1, 1, 0, 'bad', {now}, ?, ?)",
                    ((id_, now + rng.randrange(1, 30 * 86_400) * 1_000_000, scoring) for id_, _ in batch),
                )
                database.commit()
                batch.clear()
    database.close()


def share(folder: Path, begin: Any, told: Any) -> None:
    """One worker, a process: tells when people saw the new scores, when nothing was left, and its MiB."""
    logs.configure(logs.WARNING)
    gateway = open_gateway(folder, now=lambda: LATER)
    begin.wait()
    seen = None
    while gateway.rescoring.step():
        with read(gateway.store.main) as connection:
            seen = seen or (time.monotonic() if under_way(connection) is None else None)
    gateway.close()
    told.put((seen, time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def rescore(folder: Path, workers: int) -> tuple[float, float, float]:
    """(seconds until people see the new scores, seconds until the journey has answered and what was kept is gone, MiB)
    of so many workers."""
    (folder / "scoring.yaml").write_text(FILES["scoring.yaml"].replace("points: 15", "points: 10"))
    open_gateway(folder, now=lambda: LATER).close()
    begin, told = multiprocessing.Barrier(workers + 1), multiprocessing.Queue()
    crew = [multiprocessing.Process(target=share, args=(folder, begin, told), daemon=True) for _ in range(workers)]
    for worker in crew:
        worker.start()
    begin.wait()
    began = time.monotonic()
    seen, done, peaks = zip(*(told.get() for _ in crew), strict=True)
    for worker in crew:
        worker.join()
    return min(at for at in seen if at) - began, max(done) - began, sum(peaks)


def bare(file: Path) -> float:
    """The same by hand; seconds."""
    database, now, low = sqlite3.connect(file, isolation_level=None), to_micros(NOW), ""
    database.execute("PRAGMA synchronous = FULL")
    began = time.perf_counter()
    while True:
        chosen = "SELECT id, attributes FROM leads WHERE id > ? AND merged_into IS NULL ORDER BY id LIMIT ?"
        leads = database.execute(chosen, (low, CHUNK)).fetchall()
        if not leads:
            break
        high, done = leads[-1][0], dict[str, list[tuple[int, str]]]()
        for lead, at, kind in database.execute(
            "SELECT lead, at, kind FROM activities WHERE lead > ? AND lead <= ?", (low, high)
        ):
            done.setdefault(lead, []).append((at, kind))
        rows = [(score(orjson.loads(held), done.get(id_, ()), now), now, id_) for id_, held in leads]
        database.execute("BEGIN IMMEDIATE")
        database.executemany("UPDATE scores SET total = ?, changes_at = ? WHERE lead = ? AND name = 'lead'", rows)
        database.execute("COMMIT")
        low = high
    taken = time.perf_counter() - began
    database.close()
    return taken


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--leads", type=int, default=LEADS)
    parser.add_argument("--workers", type=int, default=2, help="processes that share the leads")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    folder = Path(tempfile.mkdtemp())
    try:
        gateway = instance(folder)
        file = Path(str(gateway.store.main.url.database))
        gateway.close()
        fill(file, options.leads)
        seen, total, peak = rescore(folder, options.workers)
        by_hand = bare(file)
        size = file.stat().st_size / options.leads
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    result: dict[str, Any] = {
        "bench": "rescore",
        "leads": options.leads,
        "activities": options.leads * ACTIVITIES,
        "workers": options.workers,
        "seconds": round(seen, 1),
        "seconds_with_the_rest": round(total, 1),
        "leads_per_s": round(options.leads / seen),
        "bare_seconds": round(by_hand, 1),
        "ratio": round(by_hand / seen, 2),
        "peak_mib": round(peak),
        "bytes_per_lead": round(size),
        "target": f"<= {SECONDS * options.leads / LEADS:g} s, {PEAK_MIB} MiB",
    }
    if options.json:
        print(json.dumps(result))
    else:
        print(f"{options.leads:,} leads with {result['activities']:,} activities scored again")
        by = f"{result['leads_per_s']:,} leads/s by {options.workers} worker(s)"
        print(f"  gateway     {seen:8.1f} s   ({by}; {total:.1f} s with what follows)")
        print(f"  bare loop   {by_hand:8.1f} s")
        print(f"  ratio       {result['ratio']:8.2f}")
        print(f"  peak memory {peak:8,.0f} MiB   (targets {result['target']})")
    return 0 if seen <= SECONDS * options.leads / LEADS and peak < PEAK_MIB else 1


if __name__ == "__main__":
    sys.exit(main())
