"""A backup that is restored: all of it, with what follows, or nothing."""

import os
import signal
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine, event, insert, select

from gateway.contracts import Secret
from gateway.errors import ConfigError
from gateway.store import copying, forget, restored
from gateway.store import tables as t
from gateway.store.database import open_store, read, require_current, upgrade, write
from gateway.store.place import Place
from gateway.store.times import new_id

pytestmark = pytest.mark.sqlite  # each test says itself where its stores are
NOW = 1_780_000_000_000_000


def row(table, **values):
    """With something of its type in every column that must have it."""
    fills = {column.name: column for column in table.columns if not column.nullable and column.server_default is None}
    types = {name: column.type.python_type for name, column in fills.items()}
    return {name: {} if type_ is object else type_() for name, type_ in types.items()} | values


@pytest.fixture
def before(tmp_path):
    """A store with one lead; there is a backup of it, and since then the lead was forgotten."""
    store = open_store(Place(tmp_path / "before"))
    with closing(store):
        upgrade(store)
        lead = row(t.leads, id=new_id(), attributes={"email": "ann@one.example"})
        record = row(t.records, system="site", object="contact", record="1", kind="person", entity=lead["id"])
        with write(store.inbox) as connection:
            connection.execute(insert(t.documents).values(row(t.documents, id=new_id(), received_at=NOW)))
        with write(store.main) as connection:
            connection.execute(insert(t.leads).values(lead))
            connection.execute(insert(t.records).values(record))
            connection.execute(insert(t.systems).values(name="old", activated_at=1))
        copying.backup(store, tmp_path / "backup")
        with write(store.main) as connection:
            forget.forget(connection, {("site", "contact", "1"): "test"}, NOW)
    return tmp_path / "before"


@pytest.fixture(params=["folder", "postgresql"])
def there(request, tmp_path):
    if request.param == "folder":
        return Place(tmp_path / "there")
    url = request.getfixturevalue("postgresql").make(tables=False)
    return Place(Path("var"), Secret(url, "test"), bells=True)


def restore(tmp_path, there):
    with (
        closing(copying.opened_backup(tmp_path / "backup")) as source,
        closing(open_store(Place(tmp_path / "before"))) as before,
        closing(open_store(there)) as target,
        copying.view(source) as seen,
        read(before.main) as was,
    ):
        return restored.restore(seen, target, ["crm"], NOW + 1, was)


def killed_at(commit, tmp_path, there):
    """Restore in a process that is killed as it is about to commit for the so many-th time. Whether it was."""
    child = os.fork()
    if not child:
        left = commit

        def dies(connection):
            nonlocal left
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            event.listen(Engine, "commit", dies)
            restore(tmp_path, there)
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.waitstatus_to_exitcode(status) == 0
    return os.WIFSIGNALED(status)


def usable(there):
    with closing(open_store(there)) as store:
        try:
            require_current(store)
        except ConfigError:
            return False
        return True


def is_whole(there):
    """Nothing is sent, who was forgotten is, and nobody is missing."""
    with closing(open_store(there)) as store:
        require_current(store)
        with read(store.main) as connection:
            paused = dict(connection.execute(select(t.systems.c.name, t.systems.c.paused)).all())
            assert paused.keys() == {"crm", "old"}
            assert set(paused.values()) == {
                "restored from a backup whose newest document came 2026-05-28 20:26 UTC:"
                " pull its news and look at the plan before you go on"
            }
            assert connection.execute(select(t.leads.c.attributes, t.leads.c.erased_by)).all() == [({}, "test")]
            assert forget.forgotten(connection, [("site", "contact", "1")])
            assert restored.recently(connection, NOW + 29 * 86400 * 10**6)
            assert not restored.recently(connection, NOW + 31 * 86400 * 10**6)
        with read(store.inbox) as connection:
            assert len(connection.execute(select(t.documents)).all()) == 1


def test_a_restore_is_whole_or_can_be_said_again(before, there, tmp_path):
    """Killed before each of its commits: what is there then is no store that could be worked with, or all of it: with
    everybody forgotten again, and with nothing sent."""
    commit = 0
    while killed_at(commit := commit + 1, tmp_path, there):
        if usable(there):
            is_whole(there)
            break
    assert commit > 2
    if not usable(there):
        restore(tmp_path, there)
    is_whole(there)
