"""One PostgreSQL for a run of the tests: found or installed, started by itself, shared by all of pytest's workers.

Its data are thrown away with it, so nothing waits for a disk. Every test gets a database of its own, copied from one
that has the tables already.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SERVER_OPTIONS = (
    "fsync=off synchronous_commit=off full_page_writes=off shared_buffers=64MB max_connections=200 "
    "autovacuum=off listen_addresses=127.0.0.1 timezone=Asia/Kathmandu"  # a zone that nothing may depend on
)
ACCESS = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"


@dataclass(frozen=True)
class Server:
    folder: Path
    bin: Path
    port: int

    def url(self, database: str, user: str = "postgres") -> str:
        """By its socket, where nobody needs a password."""
        return f"postgresql://{user}@:{self.port}/{database}?host={self.folder}"

    def host_url(self, database: str, user: str, password: str) -> str:
        """By its port, where everybody does."""
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def run(self, sql: str, database: str = "postgres") -> list[Any]:
        import psycopg

        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []


def as_owner(command: list[Any]) -> None:
    subprocess.run([*_owner(), *map(str, command)], check=True, stdout=subprocess.DEVNULL, cwd="/")


def _owner() -> list[str]:
    """PostgreSQL refuses to be run by root."""
    return ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []


def programs() -> Path | str:
    """Where PostgreSQL's programs are, or why they are nowhere."""
    if found := _found():
        return found
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return "PostgreSQL is not installed: no /usr/lib/postgresql/*/bin; apt-get install postgresql"
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    quiet["env"] = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "-y", "--no-install-recommends", "postgresql"]):
        done = subprocess.run(["apt-get", "-q", *command], check=False, **quiet)
    return _found() or f"PostgreSQL is not installed, and apt-get cannot: {done.stderr[-200:]}"


def _found() -> Path | None:
    homes = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(re.sub(r"\D", "", path.parts[-3]) or 0)
    )
    return homes[-1].parent if homes else None


def shared(folder: Path, run: int) -> Server | str:
    """The run's server, started by whoever asks first; or why there is none.

    :param folder: common to all workers. :param run: the process that ends last; the server ends with it, however.
    """
    note = folder / "postgresql.json"
    with _locked(folder / "postgresql.lock"):
        if not note.exists():
            started = _start()
            if isinstance(started, Server):
                _end_with(run, started)
            told = started if isinstance(started, str) else [str(started.folder), str(started.bin), started.port]
            note.write_text(json.dumps(told))
    told = json.loads(note.read_text())
    return told if isinstance(told, str) else Server(Path(told[0]), Path(told[1]), told[2])


def _start() -> Server | str:
    found = programs()
    if isinstance(found, str):
        return found
    # Not below pytest's folder: that is its user's alone, and a socket's path is short.
    folder = Path(tempfile.mkdtemp(prefix="gateway-postgresql-"))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    folder.chmod(0o755)
    data = folder / "data"
    as_owner([found / "initdb", "-D", data, "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "-N", "-A", "trust"])
    (data / "pg_hba.conf").write_text(ACCESS)
    port = _free_port()
    options = " ".join(f"-c {one}" for one in SERVER_OPTIONS.split())
    options += f" -k {folder} -p {port}"
    as_owner([found / "pg_ctl", "-D", data, "-l", folder / "log", "-w", "-t", "120", "-o", options, "start"])
    return Server(folder, found, port)


def _end_with(run: int, server: Server) -> None:
    stop = shlex.join([*_owner(), *map(str, [server.bin / "pg_ctl", "-D", server.folder / "data"])])
    clear = f"rm -rf {shlex.quote(str(server.folder))}"
    watch = f"while kill -0 {run}; do sleep 2; done; {stop} -m immediate stop; {clear}"
    nothing: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    subprocess.run(["sh", "-c", f"({watch}) &"], check=True, cwd="/", start_new_session=True, **nothing)


def _free_port() -> int:
    import socket

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class Databases:
    """Databases of one pytest worker, each a copy of one with empty tables."""

    def __init__(self, server: Server, worker: str) -> None:
        self.server = server
        self._worker = worker
        self._made: list[str] = []
        self._templates: dict[bool, str] = {}

    def make(self, tables: bool = True, bells: bool = False) -> str:
        """The URL of a new database, with the gateway's empty tables or with none, with bells or without."""
        if not tables:
            return self.server.url(self._new("template1"))
        if bells not in self._templates:
            self._templates[bells] = self._new("template1")
            self._fill(self.server.url(self._templates[bells]), bells)
        return self.server.url(self._new(self._templates[bells]))

    def drop(self) -> None:
        """All but those with the empty tables."""
        kept = [name for name in self._made if name in self._templates.values()]
        for name in self._made:
            if name not in kept:
                self.server.run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        self._made = kept

    def _new(self, template: str) -> str:
        self._count = getattr(self, "_count", 0) + 1
        name = f"gateway_{self._worker}_{self._count}"
        with _locked(self.server.folder / "copying"):  # a template that is being copied takes nobody else in
            self.server.run(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        self._made.append(name)
        return name

    def _fill(self, url: str, bells: bool) -> None:
        from gateway.contracts import Secret
        from gateway.store.database import open_store, upgrade
        from gateway.store.place import Place

        store = open_store(Place(Path(), Secret(url, "test"), bells=bells))
        upgrade(store)
        store.close()
