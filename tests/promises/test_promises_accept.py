"""Promise 1 where the store is in trouble: no 200 for nothing, an answer for everybody, an end by itself.

The web process's own application over real stores: a disk that is full, a file that is locked, a PostgreSQL that
stopped, froze or went away behind its network.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import select
import shutil
import socket
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway import opening
from gateway.engine.process import web_app
from gateway.runtime import Gateway
from gateway.store import database

pytestmark = pytest.mark.sqlite  # each test says itself where its store is
pytest.importorskip("gateway_webhook")
SECRET = "not-a-secret-only-a-test"
ANSWERED = 3.0
"""Seconds after which senders give up."""
RECOVERED = 5.0
SLOW = 10.0
"""How much longer than promised a busy machine may take in a test."""


class Web:
    """The web process's application on an instance in ``folder``; ``store``: the line of gateway.yaml."""

    def __init__(self, folder: Path, store: str = "") -> None:
        self.folder = folder
        self.count = 0
        files = {
            "gateway.yaml": "instance: {name: Door, zone: UTC, currency: EUR}\n"
            + store
            + "systems:\n"
            + '  site: {plugin: webhook, role: ma, settings: {preset: github, secrets: ["${SITE_SECRET}"]}}\n'
            + '  shy: {plugin: webhook, role: ma, settings: {preset: github, secrets: ["${SITE_SECRET}"], '
            + "answer: {busy: 429}}}\n",
        }
        for system in ("site", "shy"):
            rules = "{contact: {kind: person, id: id, time: received, fields: {}}}"
            files[f"mappings/{system}.yaml"] = f"system: {system}\nobjects: {rules}\n"
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self._opened: list[Gateway] = []
        self.client = web_app(folder, self._open).test_client()

    def _open(self, root: Path) -> Gateway:
        self._opened.append(opening.open_gateway(root))
        return self._opened[-1]

    def close(self) -> None:
        for one in self._opened:
            one.close()

    def post(self, system: str = "site", size: int = 0) -> tuple[int, str, float]:
        """(status, Retry-After, seconds) of a call that was not made before."""
        self.count += 1
        body = b'{"n": %d, "x": "%s"}' % (self.count, b"x" * size)
        signature = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        headers = {"X-Hub-Signature-256": signature, "X-GitHub-Delivery": str(self.count)}
        began = time.monotonic()
        answer = self.client.post(f"/hooks/{system}", data=body, headers=headers)
        return answer.status_code, answer.headers.get("Retry-After", ""), time.monotonic() - began

    def recovers(self) -> bool:
        """Whether a call is taken again within the time promised, nobody having done anything."""
        until = time.monotonic() + RECOVERED + SLOW
        while time.monotonic() < until:
            if self.post()[0] == 200:
                return True
            time.sleep(0.1)
        return False

    def ready(self) -> tuple[int, str]:
        answer = self.client.get("/health/ready")
        return answer.status_code, answer.text


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SITE_SECRET", SECRET)


@pytest.fixture
def opened() -> Iterator[Callable[..., Web]]:
    made: list[Web] = []

    def open_(folder: Path, store: str = "") -> Web:
        made.append(Web(folder, store))
        return made[-1]

    yield open_
    for one in made:
        one.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own, of 80 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = os.geteuid() == 0 and shutil.which("mount")
    if (
        not mounted
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=80m", "tmpfs", folder], check=False).returncode
    ):
        pytest.skip("only root, where it may mount, can have a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder: Path, leave: int) -> Path:
    path = folder / "filler"
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(folder).free - leave)
    return path


def test_a_full_disk_takes_nothing_and_is_used_again_when_there_is_room(opened, small_disk):
    """Before the last byte: what is in must still be workable. Each source hears the status that it understands."""
    web = opened(small_disk)
    assert web.post()[0] == 200
    filler = fill(small_disk, 60 << 20)
    time.sleep(1.1)  # the free space is looked at every second
    status, retry, _ = web.post()
    assert (status, bool(retry)) == (503, True)
    assert web.post("shy")[0] == 429
    status, said = web.ready()
    assert status == 503
    assert "full" in said
    filler.unlink()
    assert web.recovers()
    assert web.ready()[0] == 200


def test_not_a_byte_of_room_is_503_too(opened, small_disk, monkeypatch):
    """Somebody else took all of it within the second: the database itself refuses, and nothing half is left."""
    web = opened(small_disk)
    assert web.post()[0] == 200
    monkeypatch.setattr("gateway.store.group_writer.GroupWriter._has_room", lambda writer: True)
    filler = fill(small_disk, 0)
    seen = {web.post(size=900_000)[0] for _ in range(16)}  # the log of changes has some room of its own
    assert seen <= {200, 503}
    assert 503 in seen
    filler.unlink()
    assert web.recovers()
    with contextlib.closing(sqlite3.connect(small_disk / "var" / "inbox.db")) as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_locked_file_is_503_until_it_is_free(opened, tmp_path, monkeypatch):
    """A backup tool, or somebody's own session, that holds the write lock."""
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.2)
    web = opened(tmp_path)
    assert web.post()[0] == 200
    with contextlib.closing(sqlite3.connect(tmp_path / "var" / "inbox.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        status, retry, seconds = web.post()
        assert (status, retry) == (503, "5")
        assert seconds < ANSWERED + SLOW
        assert web.post("shy")[0] == 429
        other.execute("ROLLBACK")
    assert web.recovers()


class Wire:
    """A line to PostgreSQL that can be cut, refused, or held still, as a server stops, restarts or freezes."""

    def __init__(self, port: int) -> None:
        self._to = port
        self.holds = False
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._listening: socket.socket | None = None
        self.port = 0
        self._ends = False
        self.open()
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    def open(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", self.port))
        self._listening.settimeout(0)
        self.port = self._listening.getsockname()[1]

    def cut(self) -> None:
        """As when the server is stopped: who is connected is thrown out, who comes is refused."""
        listening, self._listening = self._listening, None
        assert listening is not None
        listening.close()
        for pair in self._pairs:
            self._drop(pair)

    def close(self) -> None:
        self._ends = True
        self._thread.join()
        if self._listening is not None:
            self.cut()

    def _drop(self, pair: tuple[socket.socket, socket.socket]) -> None:
        self._pairs = [each for each in self._pairs if each is not pair]
        for one in pair:
            one.close()

    def _carry(self) -> None:
        while not self._ends:
            if self.holds:
                time.sleep(0.01)
                continue
            with contextlib.suppress(OSError, ValueError):
                ends = {one: other for pair in self._pairs for one, other in (pair, pair[::-1])}
                listening = [self._listening] if self._listening is not None else []
                for one in select.select([*listening, *ends], [], [], 0.01)[0]:
                    if one is self._listening:
                        self._pairs.append((one.accept()[0], socket.create_connection(("127.0.0.1", self._to))))
                    elif data := one.recv(65536):
                        ends[one].sendall(data)
                    else:
                        self._drop(next(pair for pair in self._pairs if one in pair))


@pytest.fixture
def wire(postgresql):
    made = Wire(postgresql.server.port)
    yield made
    made.close()


@pytest.fixture
def far(opened, tmp_path, postgresql, wire, monkeypatch):
    """The web process before a PostgreSQL at the other end of a wire."""
    server = postgresql.server
    name = postgresql.make().partition("?")[0].rpartition("/")[2]
    server.run("DROP ROLE IF EXISTS door")
    server.run("CREATE ROLE door LOGIN SUPERUSER PASSWORD 'p4ss'")
    monkeypatch.setenv("STORE_URL", f"postgresql://door:p4ss@127.0.0.1:{wire.port}/{name}")
    yield opened(tmp_path, 'store: "${STORE_URL}"\n')
    if wire._listening is None:
        wire.open()
    wire.holds = False


def test_a_postgresql_that_stops_is_503_until_it_is_back(far, wire):
    """Whoever is connected is thrown out, and nobody else is let in."""
    assert far.post()[0] == 200
    wire.cut()
    for _ in range(2):
        status, retry, seconds = far.post()
        assert (status, retry) == (503, "5")
        assert seconds < ANSWERED + SLOW
    assert far.post("shy")[0] == 429
    assert far.ready()[0] == 503
    assert "p4ss" not in far.ready()[1]
    wire.open()
    assert far.recovers()
    assert far.ready()[0] == 200


def test_a_postgresql_that_freezes_keeps_no_sender_waiting(far, wire):
    """Its machine takes the bytes, and nothing ever comes back: a call is answered in time all the same."""
    assert far.post()[0] == 200
    wire.holds = True
    for _ in range(2):
        status, retry, seconds = far.post()
        assert (status, retry) == (503, "5")
        assert seconds < ANSWERED + SLOW
    assert far.ready()[0] == 503
    wire.holds = False
    assert far.recovers()


def test_a_database_file_that_was_taken_away_is_503_until_one_is_back(opened, tmp_path):
    """SQLite itself would go on writing into the file that nobody can find any more, and say that all is well."""
    web = opened(tmp_path)
    assert web.post()[0] == 200
    file, away = tmp_path / "var" / "inbox.db", tmp_path / "away.db"
    with contextlib.closing(sqlite3.connect(file)) as whole:
        whole.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    file.rename(away)
    assert [web.post()[0] for _ in range(3)] == [503] * 3
    assert web.ready()[0] == 503
    assert not file.exists()  # no empty one instead
    shutil.copy(away, file)  # another file with the same in it, as from a backup
    assert web.recovers()
    with contextlib.closing(sqlite3.connect(file)) as found:
        assert found.execute("SELECT count(*) FROM documents").fetchone()[0] >= 2
