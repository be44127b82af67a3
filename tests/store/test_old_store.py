"""A store of the first version with people in it: brought to this one, it holds what one of this version would."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
import structlog
from small_instance import Small, days
from sqlalchemy import insert, inspect, select

from gateway.contracts import Call, Receipt, Secret, Sink
from gateway.outbound.delivery import Delivery
from gateway.store import migrations, tables
from gateway.store.database import open_store, require_current, upgrade, write
from gateway.store.place import Place

pytestmark = pytest.mark.sqlite  # each test says itself where its stores are
UNKNOWN = {
    *(f"handoffs.{name}" for name in ("alarm", "alarm_at", "cause", "owner_at", "package", "response_time")),
    *("records.told", "writes.before", "writes.document", "writes.push"),
}
"""What the first version did not keep, and nobody can make up."""


class Crm(Sink):
    def calls(self, writes):
        return [Call(title="rows", writes=tuple(writes))]

    def deliver(self, call):
        return [Receipt(key=one.key, result="done", record=one.record or f"r{one.key}") for one in call.writes]


@pytest.fixture
def small(tmp_path):
    """People in all stages, a merge, a company, a deal, activities, receipts."""
    small = Small(tmp_path / "new", merge_on_email=True)
    take = small.take
    take("site", {"kind": "firm", "id": "f", "at": days(30), "industry": "software"})
    for n in range(6):
        address = f"p{n % 5}@example.org"  # two records of one
        take(
            "site", {"kind": "contact", "id": str(n), "at": days(20), "email": address, "title": "CEO", "firm_id": "f"}
        )
        take("site", {"kind": "contact", "id": str(n), "at": days(9), "page": f"/{n}", "opens": n})
    quiet = (lambda *_: contextlib.nullcontext(), structlog.get_logger())
    delivery = Delivery(small.store.main, "crm", Crm(), "crm", lambda: small.at, *quiet)
    while delivery.run("w")[0]:
        pass
    take("site", {"kind": "contact", "id": "1", "at": days(4), "status": "Accepted"})
    take("site", {"kind": "contact", "id": "2", "at": days(3), "status": "Won"})
    take("site", {"kind": "deal", "id": "d", "at": days(2), "contact_id": "2", "status": "Won", "amount": "10"})
    take("site", {"kind": "contact", "id": "3", "at": days(1), "title": "Clerk"})
    yield small
    small.store.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def old(request, tmp_path):
    """The first version's tables, without rows."""
    place = Place(tmp_path / "old")
    if request.param == "postgresql":
        place = Place(Path("var"), Secret(request.getfixturevalue("postgresql").make(tables=False), "test"))
    store = open_store(place)
    for line, engine in (("inbox", store.inbox), ("main", store.main)):
        with write(engine) as connection:
            migrations.upgrade(line, connection, f"{line}_0001")
    yield store
    store.close()


def rows(connection, table):
    return [dict(row) for row in connection.execute(select(table)).mappings()]


def test_an_old_store_with_people_holds_what_a_new_one_would(small, old):
    """Every row and column that was there, and what later versions keep beside: paths, names to search by, order."""
    first = set(inspect(old.main).get_table_names())
    columns = {name: {one["name"] for one in inspect(old.main).get_columns(name)} for name in first}
    with write(old.main) as connection, small.store.main.connect() as source:
        for table in tables.main.sorted_tables:
            if table.name in first and (found := rows(source, table)):
                known = [{name: row[name] for name in row.keys() & columns[table.name]} for row in found]
                connection.execute(insert(table), known)
    upgrade(old)
    require_current(old)
    lost = set()
    with old.main.connect() as connection, small.store.main.connect() as source:
        for table in tables.main.sorted_tables:
            if table.name in first:
                keys = [column.name for column in table.primary_key]
                mine, theirs = (
                    {tuple(row[k] for k in keys): row for row in rows(c, table)} for c in (connection, source)
                )
                assert mine.keys() == theirs.keys()
                lost |= {
                    f"{table.name}.{name}"
                    for key, row in mine.items()
                    for name, value in row.items()
                    if value != theirs[key][name]
                }
    assert lost == UNKNOWN, sorted(lost ^ UNKNOWN)
