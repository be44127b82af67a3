"""A process that dies at any of its commits leaves no change without the entry of who made it, and, where both are in
one database, no entry of a change that was not made."""

from __future__ import annotations

import os
import shutil
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from disk_instance import Instance
from sqlalchemy import Connection, Engine, event, select, update

from gateway.accounts import audit
from gateway.people.forgetting import forget
from gateway.store import listing
from gateway.store import tables as t
from gateway.store.database import read, write
from gateway.web.desk.page import NAME

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
KILLED = 9
ODD = {"id": "7", "at": "2026-01-09T09:00:00", "email": "e7@four.example", "country": "Odd"}


@dataclass
class Change:
    """``act`` makes it, in whatever process; ``made`` tells whether it is; ``what`` its entry says; ``before``: so many
    say so already."""

    what: str
    act: Callable[[], Any]
    made: Callable[[Any], bool]
    together: bool = True
    before: int = 0


def dies_at(gateway: Any, place: int, late: bool, act: Callable[[], Any]) -> bool:
    """Do it in a process that dies at its write transaction number ``place``, before its commit or right after.

    False: it had not so many, and came to its end.
    """
    child = os.fork()
    if child == 0:
        left = place

        def die(connection: Connection) -> None:
            nonlocal left
            left -= bool(connection.get_execution_options().get("gateway_write"))
            if left == 0:
                if late:
                    connection.connection.commit()
                os._exit(KILLED)

        try:
            for engine in {gateway.store.main, gateway.store.inbox}:
                engine.dispose(close=False)  # they are the parent's
            event.listen(Engine, "commit", die)
            act()
            os._exit(0)
        except BaseException:  # noqa: BLE001 - the parent is told by the exit
            traceback.print_exc()
            os._exit(1)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert ended in (0, KILLED), ended
    return ended == KILLED


@pytest.fixture
def gateway(app: Any) -> Any:
    return app.extensions[NAME].gateway


@pytest.fixture
def dying(gateway: Any, company: Instance, tmp_path: Path) -> Callable[[Change], int]:
    """Have a change die at each of its commits, from the same beginning each time. Returns how many there were."""

    def every_way(change: Change) -> int:
        kept, place = tmp_path / "kept", 0
        shutil.copytree(company.root, kept)
        while True:
            place += 1
            for late in (False, True):
                if not dies_at(gateway, place, late, change.act):
                    return place - 1
                gateway.store.close()  # opened again by whoever looks next
                with read(gateway.store.main) as connection:
                    made = change.made(connection)
                    noted = [one["what"] for one in audit.entries(connection, 1000)].count(change.what) - change.before
                assert noted <= 1
                assert noted >= made, f"done, and nobody knows by whom: killed at commit {place}, late: {late}"
                assert noted == made or not change.together
                gateway.store.close()
                shutil.rmtree(company.root)
                shutil.copytree(kept, company.root)

    return every_way


def column(table: Any, name: str, /, **of: Any) -> Callable[[Connection], Any]:
    which = [table.c[key] == value for key, value in of.items()]
    return lambda connection: connection.scalar(select(table.c[name]).where(*which))


def test_a_handoff_that_ends(dying: Any, program: Any, handoff: Any) -> None:
    caller, state = program("sales"), column(t.handoffs, "state", id=handoff["handoff"])
    act = lambda: caller.post(f"/handoffs/{handoff['handoff']}/qualify")  # noqa: E731
    assert dying(Change("handoff: qualify", act, lambda connection: state(connection) == "closed"))


def test_a_handoff_at_the_desk(dying: Any, desk: Any, handoff: Any) -> None:
    browser, state = desk("sales"), column(t.handoffs, "state", id=handoff["handoff"])
    browser.get("/handoffs")
    act = lambda: browser.post(f"/handoffs/{handoff['handoff']}/reject", reason="no budget")  # noqa: E731
    assert dying(Change("handoff: reject", act, lambda connection: state(connection) == "closed"))


def test_a_lead_that_is_held(dying: Any, program: Any, handoff: Any) -> None:
    caller = program("sales")
    act = lambda: caller.post(f"/leads/{handoff['lead']}/hold", reason="they asked")  # noqa: E731
    assert dying(Change("lead: hold", act, lambda connection: bool(column(t.marks, "id", kind="hold")(connection))))


def test_a_person_who_is_forgotten(dying: Any, gateway: Any, handoff: Any) -> None:
    erased = column(t.leads, "erased_at", id=handoff["lead"])
    act = lambda: forget(gateway, handoff["lead"], "kim", go=True)  # noqa: E731
    assert dying(Change("lead: forgotten", act, lambda connection: erased(connection) is not None))


def test_a_write_that_is_given_up(dying: Any, gateway: Any, program: Any) -> None:
    caller = program("admin")
    with write(gateway.store.main) as connection:
        write_ = connection.scalar(select(t.writes.c.id))
        connection.execute(update(t.writes).where(t.writes.c.id == write_).values(state="dead", finished_at=1))
    state = column(t.writes, "state", id=write_)
    act = lambda: caller.post("/deliveries/discard", ids=[write_], reason="not wanted")  # noqa: E731
    assert dying(Change("writes: discard", act, lambda connection: state(connection) != "dead"))


def test_a_system_that_is_paused(dying: Any, program: Any) -> None:
    caller, paused = program("admin"), column(t.systems, "paused", name="sales")
    act = lambda: caller.post("/systems/sales/pause", reason="their migration")  # noqa: E731
    assert dying(Change("system: pause", act, lambda connection: bool(paused(connection))))


def test_a_model_that_gets_its_last_key(company: Instance, request: pytest.FixtureRequest) -> None:
    company.edit("gateway.yaml", "instance:", "approval: two-key\ninstance:")
    dying, program = (request.getfixturevalue(name) for name in ("dying", "program"))
    files = {"scoring.yaml": (company.root / "scoring.yaml").read_text().replace("points: 40", "points: 35")}
    draft = program("marketing").post("/model/proposals", name="less", files=files, reason="titles say less")["id"]
    program("marketing").post(f"/model/proposals/{draft}/approve", reason="the first key")
    caller, state = program("sales"), column(t.drafts, "state", id=draft)
    act = lambda: caller.post(f"/model/proposals/{draft}/approve", reason="so do we")  # noqa: E731
    made = lambda connection: state(connection) == "live"  # noqa: E731
    assert dying(Change("model approve", act, made, before=1))


def test_documents_that_are_read_again(dying: Any, gateway: Any, program: Any) -> None:
    """The inbox is another database: a crash may leave an entry of what was only meant to be done."""
    caller, document = program("admin"), gateway.inbox.listing(None, "read", 1)[0]["id"]
    act = lambda: caller.post("/inbox/replay", ids=[document])  # noqa: E731
    made = lambda connection: gateway.inbox.one(document)["state"] == "waiting"  # noqa: E731
    assert dying(Change("documents: read again", act, made, together=False)) > 1


def test_a_word_that_is_written_into_a_file(company: Instance, request: pytest.FixtureRequest) -> None:
    mapped = "country: {to: country, values: {DE: Germany}, values_default: drop}"
    company.edit("mappings/leads.yaml", "country: country", mapped)
    company.bring([ODD], "odd.csv")
    dying, program, gateway = (request.getfixturevalue(name) for name in ("dying", "program", "gateway"))
    with read(gateway.store.main) as connection:
        caller, work = program("admin"), listing.work_items(connection, 1)[0]["id"]
    act = lambda: caller.post(f"/work/{work}/resolve", way="map", value="Oddland")  # noqa: E731
    made = lambda connection: "Oddland" in (company.root / "mappings/leads.yaml").read_text()  # noqa: E731
    assert dying(Change("work: map", act, made, together=False)) > 1
