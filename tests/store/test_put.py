"""Many rows of one table in one statement."""

import pytest
from sqlalchemy import event, select

from gateway.errors import StaleCommit
from gateway.leads.lead import Lead
from gateway.store import tables as t
from gateway.store.database import open_store, read, upgrade, write
from gateway.store.put import Put
from gateway.store.rows import FILED, lead_row


@pytest.fixture
def store(tmp_path):
    store = open_store(tmp_path / "var")
    upgrade(store)
    yield store
    store.close()


def put(store, rows, stored=None):
    with write(store.main) as connection:
        Put(connection).versioned(t.leads, rows, FILED, stored or {})


def filed(row):
    return tuple(row[name] for name in FILED)


def test_what_leads_are_found_by_is_written_where_it_moved(store):
    """SQLite writes an index anew for each row whose update names its columns: those that stay are not named."""
    before = [lead_row(Lead(f"{n}", attributes={"last_name": "Nowak"}, stage="target")) for n in range(3)]
    put(store, before)
    after = [row | {"version": 2, "known_at": 7, "attributes": {"last_name": "Nowak", "visits": 1}} for row in before]
    after[1] |= {"stage": "mql"}
    sent = []
    event.listen(store.main, "before_cursor_execute", lambda c, cursor, text, parameters, *_: sent.append(text))
    put(store, after, {row["id"]: filed(row) for row in before})
    updates = [text for text in sent if text.startswith("UPDATE leads")]
    if store.main.dialect.name == "sqlite":
        assert [all(f"{name}=?" in text for name in FILED) for text in updates] == [True, False]
        assert not any(f"{name}=?" in updates[1] for name in FILED)
    with read(store.main) as connection:
        rows = {row["id"]: row for row in connection.execute(select(t.leads)).mappings()}
    assert [{name: rows[row["id"]][name] for name in row} for row in after] == after


@pytest.mark.parametrize("moved", [False, True])
def test_a_row_that_changed_since_it_was_loaded_is_told_either_way(store, moved):
    """Whoever loaded it before computes again."""
    before = lead_row(Lead("1", stage="target"))
    put(store, [before])
    put(store, [before | {"version": 2}])
    late = before | {"version": 2, "stage": "mql" if moved else "target"}
    with pytest.raises(StaleCommit):
        put(store, [late], {"1": filed(before)})
