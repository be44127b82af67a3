"""Promises 1, 2 and 5 after the worst: everything is killed, the store is lost, and a backup made at work goes on."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from gateway_sandbox import serve
from running_gateway import HubSpot, Running, Salesforce, document, files, until

from gateway.testing.instance import Instance


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
    """Nothing is sent until a person says so. Senders send again what came since, and what the CRMs were told since is
    pulled: nobody is made twice, nor handed over twice, who came before the backup or after it."""
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
        gateway(it, "pull", "crm")
        gateway(it, "pull", "second")
        until(lambda: not any(one.documents.parts["waiting"] for one in it.overview().systems.values()), it.log)
        gateway(it, "systems", "resume", "crm", "second")
        it.quiet(hurry=True)
        it.agrees()
        assert it.status() == 0


class WithTasks(Salesforce):
    """Gets who is handed over as a CRM, with a task."""

    role = "crm"

    def settings(self, url: str) -> str:
        return f"{super().settings(url)}, task: {{}}"

    def holds(self) -> Counter[tuple[Any, ...]]:
        """(address, title, tasks) of everybody, as often as they are there."""
        with self.lock:
            tasks = Counter(str(task["WhoId"]) for task in self.records.alive("Task"))
            people = list(self.records.alive("Lead"))
        return Counter((one["Email"], one["Title"], tasks[one.id]) for one in people)


@pytest.fixture(params=[HubSpot, WithTasks])
def crm(request):
    return request.param()


@pytest.fixture
def at():
    return [datetime.now(UTC)]


@pytest.fixture(params=["sqlite", "postgresql"])
def stores(request):
    """Where the store is, and where the restored one will be."""
    if request.param == "sqlite":
        return "var", "again"
    return [request.getfixturevalue("postgresql").make(tables=False) for _ in range(2)]


@pytest.fixture
def it(tmp_path, crm, stores, at):
    with serve(crm) as server:
        told = files({"crm": (crm, server.url)}, 1, f"store: {stores[0]}")
        instance = Instance(tmp_path / "instance", told, lambda: at[0])
        yield instance
        instance.close()


def restored(it, stores, at):
    """The store of now is lost, that of the backup in its place."""
    it.close()
    it.write("gateway.yaml", (it.root / "gateway.yaml").read_text().replace(stores[0], stores[1], 1))
    at[0] += timedelta(minutes=5)
    return it.run("db", "restore", str(it.root / "kept")).stdout


def handed_over(it, crm, stores, at):
    """Ten people are known, and there is a backup; then twenty are handed over, whose store is lost."""
    it.give("site", *(document(n, f"p{n}", chief=False) for n in range(10)))
    it.work()
    it.deliver("crm")
    it.run("db", "backup", str(it.root / "kept"))
    at[0] += timedelta(minutes=5)
    since = [document(30 + n, f"p{n}") for n in range(20)]
    it.give("site", *since)
    it.work()
    it.deliver("crm")
    held = crm.holds()
    assert sorted(one[-1] for one in held.elements()) == [1] * 20
    assert "nothing is sent to crm: " in restored(it, stores, at)
    it.give("site", *since)
    it.work()
    return held


@pytest.mark.sqlite
def test_who_was_handed_over_since_a_backup_has_one_task(it, crm, stores, at):
    """Nothing goes out before a person says so. Their tasks are found at their records, and are theirs; who is handed
    over later gets one of their own."""
    held = handed_over(it, crm, stores, at)
    assert it.deliver("crm") == 0
    assert "PAUSED: restored from a backup" in it.run("status").stdout
    assert "Run `gateway pull crm`" in it.run("systems", "resume", "crm", code=1).stderr
    it.pull("crm")
    assert "of its documents since the restore are not read yet" in it.run("systems", "resume", "crm", code=1).stderr
    it.work()
    it.run("systems", "resume", "crm")
    it.deliver("crm")
    assert crm.holds() == held
    assert {one["state"] for one in it.writes("crm")} <= {"confirmed", "superseded"}
    made = [one for one in it.writes("crm") if one["object"] == "follow_up_task" and one["state"] == "confirmed"]
    assert len(made) == 20
    it.give("site", document(60, "later"))
    it.work()
    it.deliver("crm")
    assert sorted(one[-1] for one in crm.holds().elements()) == [1] * 21


@pytest.mark.sqlite
def test_who_cannot_be_pulled_is_gone_on_with_by_a_word_of_its_own(it, crm, stores, at):
    """The system answers nobody: that is for a person to decide."""
    handed_over(it, crm, stores, at)
    it.run("systems", "resume", "crm", code=1)
    it.run("systems", "resume", "crm", "--unheard")
    assert "PAUSED" not in it.run("status").stdout
    it.run("systems", "pause", "crm")
    it.run("systems", "resume", "crm")  # a pause by hand asks for nothing


@pytest.mark.sqlite
def test_a_task_is_not_made_while_nobody_knows_whether_it_is_there(it, crm, stores, at):
    """The system breaks down when it is asked for its tasks: they wait, and are found when it is back."""
    held = handed_over(it, crm, stores, at)
    it.pull("crm")
    it.work()
    it.run("systems", "resume", "crm")
    asked = r"associations/contacts/tasks" if isinstance(crm, HubSpot) else r"queryAll"
    crm.faults.add(asked, times=None, action={"status": 500})
    it.deliver("crm")
    assert crm.holds() == held
    crm.faults.clear()
    at[0] += timedelta(minutes=5)
    it.deliver("crm")
    assert crm.holds() == held
    assert {one["state"] for one in it.writes("crm")} <= {"confirmed", "superseded"}


@pytest.mark.sqlite
def test_a_task_of_the_store_before_stands_for_nothing_that_came_long_after(it, crm, stores, at):
    """Whoever is handed over a month later is so because of something new: sales are told."""
    it.open()
    it.run("db", "backup", str(it.root / "kept"))
    it.give("site", document(1, "p1"))
    it.work()
    it.deliver("crm")
    restored(it, stores, at)
    at[0] += timedelta(days=31)
    it.pull("crm")
    it.work()
    it.run("systems", "resume", "crm")
    it.give("site", document(2, "p1"))
    it.work()
    it.deliver("crm")
    assert [one[-1] for one in crm.holds().elements()] == [2]
