"""A batch asks the same few things however many events it has and however many leads are stored."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from small_instance import Small, days

from gateway.store.database import MAIN_FILE

BENCH = Path(__file__).resolve().parents[2] / "bench"
ONE = ({"kind": "contact", "at": days(9), "title": "CEO", "email": "{}@one.example"}, 0)
NEWS = [
    ONE,
    ({"kind": "contact", "at": days(8), "title": "Boss", "page": "/a", "firm_id": "f"}, 0),
    ({"kind": "firm", "at": days(7), "industry": "software"}, "f"),
    ({"kind": "contact", "at": days(30), "country": "Chile"}, 0),  # older than what is known
    ({"kind": "contact", "at": days(6), "status": "Accepted"}, 0),
]
"""(item, its id, to which the number of the person is added): each kind is a batch of its own"""


@pytest.fixture
def plans(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCH))
    import plans

    return plans


def asked(plans, folder, people):
    """The statements of each batch, with as many people in it."""
    small = Small(folder)
    batches = []
    for item, first in NEWS:
        items = [item | {"id": f"{first}{n}"} | {k: v.format(n) for k, v in item.items() if k == "email"}
                 for n in range(people)]  # fmt: skip
        for one in items:
            if "firm_id" in one:
                one["firm_id"] = f"f{one['id'][1:]}"
        with plans.watched(small.store.main) as told:
            small.take("site", *items)
        batches.append(told)
    small.store.close()
    return batches


@pytest.mark.sqlite
def test_no_statement_of_a_batch_walks_through_a_table(plans, tmp_path):
    """With the statistics of ten million leads, too: each finds its rows by an index."""
    told = [one for batch in asked(plans, tmp_path, 2) for one in batch]
    with sqlite3.connect(tmp_path / MAIN_FILE) as database:
        assert plans.scans(plans.plans(database, told)) == []
        plans.pretend(database, 10_000_000)
    database.close()
    with sqlite3.connect(tmp_path / MAIN_FILE) as database:
        found = plans.plans(database, told)
        assert plans.scans(found) == []
        assert len(found) > 30
        unindexed = "SELECT id FROM leads WHERE journey = ?"
        assert plans.scans(plans.plans(database, [(unindexed, ("mql",))])) == [(unindexed, "SCAN leads")]
    database.close()


def test_a_batch_sends_as_many_statements_for_many_events_as_for_few(plans, tmp_path):
    """New people, news of known ones, late news, companies, outcomes."""
    few, many = (asked(plans, tmp_path / name, people) for name, people in (("few", 2), ("many", 30)))
    assert [len(batch) for batch in few] == [len(batch) for batch in many]
