"""What was not taken in whole is found without looking at everything that was."""

import pytest
from sqlalchemy import event, insert

from gateway.store import listing
from gateway.store import tables as t
from gateway.store.database import open_store, read, upgrade, write


@pytest.fixture
def main(tmp_path):
    store = open_store(tmp_path)
    upgrade(store)
    yield store.main
    store.close()


def happened(number, reason="", system="crm"):
    return {
        "key": f"k{number}",
        "document": f"d{number}",
        "system": system,
        "object": "lead",
        "record": str(number),
        "type": "RecordChanged",
        "at": number,
        "known_at": number,
        "precision": "instant",
        "body": {},
        "mapping": "m",
        "state": "dead" if reason else "applied",
        "reason": reason,
    }


@pytest.mark.parametrize("system", [None, "crm"])
def test_troubles_are_found_newest_first_through_their_own_index(main, system):
    """Two of a thousand events; the database reads no others."""
    rows = [happened(number) for number in range(1000)]
    rows[7], rows[500], rows[900] = happened(7, "bad"), happened(500, "worse"), happened(900, "theirs", "ma")
    with write(main) as connection:
        connection.execute(insert(t.events), rows)
        connection.exec_driver_sql("ANALYZE")
    sent = []
    event.listen(main, "before_cursor_execute", lambda _c, _u, text, parameters, *_: sent.append((text, parameters)))
    with read(main) as connection:
        found = [row["record"] for row in listing.troubles(connection, 10, system)]
        [(text, parameters)] = [one for one in sent if "events" in one[0]]
        explain = "EXPLAIN QUERY PLAN" if main.dialect.name == "sqlite" else "EXPLAIN"
        plan = str(connection.exec_driver_sql(f"{explain} {text}", parameters).all())
    assert found == (["500", "7"] if system else ["900", "500", "7"])
    assert "events_troubles" in plan, plan
    assert "events_record" not in plan, plan
