"""``gateway db``, and an instance whose store is PostgreSQL."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.cli import db as cli_db
from gateway.engine.process import open_gateway, web_app

pytestmark = pytest.mark.sqlite  # each test says itself where its stores are
FORMS = (
    "systems:\n  forms:\n    plugin: webhook\n    settings:\n      secrets: ['file:secret']\n"
    "      verify: {scheme: token, header: X-Token, id_header: X-Id}\n"
)


@pytest.fixture
def address(postgresql: Any) -> str:
    """Of an empty database; what a file would say of it."""
    url: str = postgresql.make(tables=False)
    return url


def stored_in(instance: Any, address: str) -> None:
    instance.edit("gateway.yaml", "systems:\n", f"store: {address}\nsystems:\n")


def told(instance: Any) -> Any:
    """What does not depend on where the store is, nor on the moment."""
    status = instance.json("status")
    return status["systems"], status["leads"], instance.json("leads", "list")["leads"]


def test_a_store_moves_to_postgresql_and_back(filled: Any, address: str) -> None:
    """The same answers from there; what is done there is there after the way back."""
    before = told(filled)
    moved = filled.run("db", "copy", address).stdout
    assert re.search(r"\d+ rows in \d+ tables copied and compared: \S+/var → postgresql://", moved)
    assert f"now write `store: {address}` in gateway.yaml" in moved
    assert filled.run("db", "copy", address, code=1).stderr.strip().endswith("move this aside, or name another")
    stored_in(filled, address)
    assert told(filled) == before
    filled.run("leads", "hold", "ann@one.example", "--reason", "on leave", code=0)
    held = told(filled)
    back = filled.json("db", "copy", str(filled.root / "back"))
    assert back["source"].startswith("postgresql://")
    assert {one["table"]: one["rows"] for one in back["tables"]}["leads"] == 4
    filled.edit("gateway.yaml", f"store: {address}", "store: back")
    assert told(filled) == held


def test_an_upgrade_asks_only_where_the_store_is(filled: Any) -> None:
    """A slip in another file, or in a plugin's settings, keeps nobody from this version's tables."""
    filled.write("committee.yaml", "no: such key\n")
    filled.write("goals.yaml", "goals: often\n")
    filled.edit("gateway.yaml", "plugin: files", "plugin: fils")
    filled.run("check", code=2)
    assert "the tables are those of this version" in filled.run("db", "upgrade").stdout
    filled.edit("gateway.yaml", "systems:\n", "store: 5\nsystems:\n")
    assert "gateway.yaml:3: store" in filled.run("db", "upgrade", code=2).stderr


@pytest.mark.parametrize("place", ["folder", "postgresql"])
def test_a_backup_is_restored_into_either_database(filled: Any, request: Any, place: str) -> None:
    """A folder like any store's; a place that is not empty is left alone."""
    before = told(filled)
    kept = filled.root / "kept"
    assert "rows in" in filled.run("db", "backup", str(kept)).stdout
    assert filled.run("db", "backup", str(kept), code=1).stderr.startswith(f"{kept}: is there already")
    refusal = filled.run("db", "restore", str(kept), code=1).stderr
    assert "gateway.db: is not empty" in refusal or "inbox.db: is not empty" in refusal
    stored_in(filled, "elsewhere" if place == "folder" else request.getfixturevalue("address"))
    assert "compared" in filled.run("db", "restore", str(kept)).stdout
    assert told(filled) == before


@pytest.mark.parametrize("place", ["folder", "postgresql"])
def test_who_was_forgotten_since_a_backup_is_forgotten_after_its_restore(filled: Any, request: Any, place: str) -> None:
    """The store before says who; the next import of the same people brings nobody back."""
    filled.run("db", "backup", str(filled.root / "kept"))
    filled.run("leads", "forget", "ann@one.example", "--go")
    before = {lead["lead"] for lead in filled.json("leads", "list")["leads"]}
    stored_in(filled, "elsewhere" if place == "folder" else request.getfixturevalue("address"))
    said = filled.run("db", "restore", str(filled.root / "kept"), "--after", str(filled.root / "var")).stdout
    assert "forgotten again: 1 person" in said
    assert {lead["lead"] for lead in filled.json("leads", "list")["leads"]} == before
    filled.run("leads", "show", "ann@one.example", code=1)
    people = [{"id": "1", "at": "2026-02-01T09:00:00", "email": "ann@one.example", "first": "Ann"}]
    assert filled.bring(people, "later.csv")["events"]["skipped"] == 1
    assert {lead["lead"] for lead in filled.json("leads", "list")["leads"]} == before


def test_a_store_is_backed_up_whatever_else_is_wrong(filled: Any) -> None:
    """Broken mappings or plugins are no reason to have no backup; a broken place is told at its line."""
    filled.write("mappings/leads.yaml", "objects: [")
    assert filled.json("db", "backup", str(filled.root / "kept"))["tables"]
    stored_in(filled, "postgresql://me:hunter2@db.example/leads")
    error = filled.run("db", "backup", str(filled.root / "again"), code=2).stderr
    assert error.startswith("gateway.yaml:3: store: write ${NAME} for the password")
    assert "hunter2" not in error


def test_a_copy_names_what_is_wrong_with_its_target(filled: Any) -> None:
    """Literal passwords are refused on the command line, too: others see it."""
    error = filled.run("db", "copy", "postgresql://me:hunter2@db.example/leads", code=2).stderr
    assert "write ${NAME} for the password" in error
    assert "hunter2" not in error
    assert filled.run("db", "copy", str(filled.root / "var"), code=1).stderr.strip().endswith("is the store itself")
    error = filled.run("db", "copy", "postgresql://me@127.0.0.1:1/leads", code=2).stderr
    assert error == "postgresql://127.0.0.1:1/leads: does not answer: nobody listens there\n"


def test_check_tells_a_database_that_does_not_answer(instance: Any) -> None:
    """At its line, with host and database, in words and for programs."""
    stored_in(instance, "postgresql://me@127.0.0.1:1/leads")
    where = "store: postgresql://127.0.0.1:1/leads does not answer: nobody listens there"
    assert f"gateway.yaml:3: {where}\n" in instance.run("check", code=2).stderr
    report = json.loads(instance.run("check", "--json", code=2).stdout)
    assert (report["ok"], report["problems"][0]["line"]) == (False, 3)


def test_senders_come_again_while_the_database_is_away(
    instance: Any, address: str, postgresql: Any, request: pytest.FixtureRequest
) -> None:
    """503 with Retry-After, within the time that senders wait; then they are taken in as if nothing had been."""
    pytest.importorskip("gateway_webhook")
    instance.write("secret", "s3cret")
    instance.write("mappings/forms.yaml", "system: forms\nobjects: {c: {kind: person, id: id, time: received}}\n")
    instance.edit("gateway.yaml", "systems:\n", FORMS)
    stored_in(instance, address)
    opened = open_gateway(instance.root)
    request.addfinalizer(opened.close)
    client = web_app(instance.root, lambda root: opened).test_client()

    def call(id_: str) -> Any:
        return client.post("/hooks/forms", data=b"{}", headers={"X-Token": "s3cret", "X-Id": id_})

    assert call("1").status_code == 200
    name = address.partition("?")[0].rpartition("/")[2]
    postgresql.server.run(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
    postgresql.server.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    away = call("2")
    assert (away.status_code, int(away.headers["Retry-After"]) > 0) == (503, True)
    assert client.get("/health/ready").status_code == 503
    postgresql.server.run(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    assert call("2").status_code == 200
    assert client.get("/health/ready").status_code == 200
    assert instance.json("status")["systems"][0]["documents"]["stored"] == 2


@pytest.mark.parametrize("moment", [1, 30])  # in the middle of the first table; while what was copied is compared
def test_ctrl_c_says_what_was_done_and_leaves_nothing_half(
    filled: Any, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    """The same again does it."""
    before, left = told(filled), 0

    @contextlib.contextmanager
    def pressed(title: str, total: int | None = None, bytes: bool = False) -> Iterator[Any]:
        def tell(done: int) -> None:
            nonlocal left
            left -= 1
            if left <= 0:
                raise KeyboardInterrupt

        yield tell

    kept, there = filled.root / "kept", filled.root / "there"
    for words, said in (
        (("copy", str(there)), f"stopped: nothing of it is in {there}, and {filled.root / 'var'} is as it was"),
        (("backup", str(kept)), f"stopped: there is no backup in {kept}"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(cli_db, "progress", pressed)
            left = moment if words[0] == "copy" else 1
            assert filled.run("db", *words, code=1).stderr.startswith(said)
        filled.run("db", *words)
        assert told(filled) == before
    stored_in(filled, "elsewhere")
    with monkeypatch.context() as patch:
        patch.setattr(cli_db, "progress", pressed)
        left = moment
        assert "nothing of the backup is in" in filled.run("db", "restore", str(kept), code=1).stderr
    filled.run("db", "restore", str(kept))
    assert told(filled) == before
