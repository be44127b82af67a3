"""Made-up past leads whose chance to be won is known: what learning has to find out again."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.contracts import Activity
from gateway.learning.case import Past, Told, Value
from gateway.times import to_micros

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
TITLES = ["Chief Executive Officer", "VP Sales", "Director Marketing", "Marketing Manager", "Working Student"]
WORTH = {"Chief Executive Officer": 1.5, "VP Sales": 1.5, "Director Marketing": 0.5, "Working Student": -1.5}


def odds(known: dict[str, Any], demos: list[float]) -> float:
    """Log odds: by title, industry, size, and demos, of which each is worth half after every 30 days; twice at most."""
    size = -1.0 if known["employees"] < 100 else 0.8
    behaviour = min(sum(0.5 ** (age // 30) for age in demos), 2.0)
    return -3.0 + WORTH.get(known["title"], 0) + 1.2 * (known["industry"] == "software") + size + 1.5 * behaviour


def past_leads(count: int = 1500, seed: int = 1, dated: bool = True) -> Iterator[Past]:
    """Each is known for 90 days, handed over, and over a week later. What leaks: ``verdict`` is set after that,
    ``hunch`` before and nearly always right. What says nothing: ``colour``, ``plan`` (constant), ``first_name``."""
    chance = random.Random(seed)
    for number in range(count):
        known: dict[str, Any] = {
            "title": chance.choice(TITLES),
            "industry": chance.choice(["software", "retail", "mining"]),
            "employees": chance.randrange(1, 1000),
            "colour": chance.choice(["red", "blue"]),
            "plan": "basic",
            "first_name": chance.choice(["Ann", "Bob", "Cem"]),
            "email": f"lead{number}@example.org",
        }
        demos = [chance.uniform(0, 90) for _ in range(chance.choice([0, 0, 0, 1, 2, 4]))]
        handed = BEGIN + number * HOUR
        won = chance.random() < 1 / (1 + math.exp(-odds(known, demos)))
        values = {name: Value(value, to_micros(handed - 90 * DAY), dated) for name, value in known.items()}
        end = to_micros(handed + 7 * DAY)
        values["verdict"] = Value("good" if won else "bad", end, True)
        values["hunch"] = Value("hot" if won == (chance.random() < 0.97) else "cold", to_micros(handed - DAY), dated)
        done = [(Activity(handed - age * DAY, "demo", id=f"{number}-{place}"), True) for place, age in enumerate(demos)]
        told = [Told(end, "won" if won else "lost", True)]
        yield Past(f"lead-{number}", "", to_micros(handed - 90 * DAY), values, done, told, [to_micros(handed)])
