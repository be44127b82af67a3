"""Promises 1, 2 and 5 after the worst: everything is killed, the store is lost, and a backup made at work goes on."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable

import pytest
from running_gateway import HubSpot, Running, Salesforce, document
from sqlalchemy import select

from gateway.store import outbox
from gateway.store import tables as t
from gateway.store.database import read
from gateway.store.emptied import SETTLED


@pytest.fixture
def another_place(request: pytest.FixtureRequest, store_line: str) -> Callable[[Running], None]:
    """The store is lost: from now on the instance has an empty one."""

    def moved(it: Running) -> None:
        it.forget_store()
        if store_line:
            engine = request.config.getoption("--engine")
            line = f"store: {request.getfixturevalue('postgresql').make(tables=False)}\nengine: {engine}\n"
            text = (it.root / "gateway.yaml").read_text()
            (it.root / "gateway.yaml").write_text(text.replace(store_line, line))
        else:
            shutil.rmtree(it.root / "var")

    return moved


def gateway(it: Running, *words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "-C", str(it.root), *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.processes
@pytest.mark.slow
def test_a_backup_made_at_work_goes_on_and_doubles_nothing(tmp_path, store_line, another_place):
    """Senders send again what came since; what the CRMs were told since is found there, and no person is made twice.

    Who came since is another lead now. HubSpot finds them by their address, but of their handoff only the lost store
    knew: sales get a task once more. In Salesforce their record carries the id of a lead that is gone: a dead letter.
    """
    with Running(tmp_path, {"crm": HubSpot(), "second": Salesforce()}, store_line) as it:
        it.start()
        it.send([(f"before-{n}", document(n, f"p{n}")) for n in range(15)])
        it.quiet(hurry=True)
        meanwhile = [(f"meanwhile-{n}", document(n + 50, f"p{n + 8}")) for n in range(20)]
        sender = threading.Thread(target=it.send, args=(meanwhile,))
        sender.start()
        gateway(it, "db", "backup", str(tmp_path / "backup"))
        sender.join()
        it.send([(f"after-{n}", document(n + 90, f"p{n + 20}")) for n in range(15)])
        it.quiet(hurry=True)
        it.kill_all()
        another_place(it)
        gateway(it, "db", "restore", str(tmp_path / "backup"))
        it.start()
        it.send(list(it.sent.items()))
        it.quiet(hurry=True)
        assert it.overview().holds
        undisturbed = it.undisturbed()
        assert it.crms["second"].holds() == undisturbed["second"]
        held, old = it.crms["crm"].holds(), {f"p{n}@example.org" for n in range(15)}
        assert Counter({one: n for one, n in held.items() if one[0] in old}) == Counter(
            {one: n for one, n in undisturbed["crm"].items() if one[0] in old}
        )
        assert Counter(one[:3] for one in held.elements()) == Counter(one[:3] for one in undisturbed["crm"].elements())
        w = t.writes.c
        with read(it.store.main) as connection:
            left = connection.execute(select(w.system, w.state, w.code).where(w.state.not_in(SETTLED)).distinct()).all()
        assert set(left) <= {("second", "dead", outbox.ANOTHERS)}
        assert it.status() == 0
