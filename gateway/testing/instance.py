"""An instance in a folder, worked step by step in the test's own process: no server, no waiting, one clock.

What each step does is what `gateway run` does: a call goes through the intake with its proof, documents through the
pipeline, writes through the outbox.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import datetime
from importlib.metadata import Distribution, EntryPoint, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from gateway.contracts import Write
from gateway.host import DISTRIBUTION, Host, installed
from gateway.opening import open_gateway
from gateway.outbound.planner import planned
from gateway.runtime import Gateway
from gateway.settings.files import ConfigFile
from gateway.store import listing
from gateway.store.arrivals import Arrival
from gateway.store.database import open_store, read, upgrade
from gateway.sweeps import clocks
from gateway.testing import memory
from gateway.web.app import create_app
from gateway.web.intake import Intake

if TYPE_CHECKING:
    from click.testing import Result
    from werkzeug.test import TestResponse

INSTANCE = {"name": "Test", "zone": "UTC", "currency": "EUR"}
MANY = 1_000_000
WORKER = "test"


class Instance:
    """``files``: name → text, or plain data for a YAML file. gateway.yaml need not say ``instance:``.

    The files are checked and the store is opened when first needed, or by ``open``; ``close`` and the next use open
    the instance again, as a restart would.
    """

    def __init__(
        self,
        root: Path,
        files: Mapping[str, Any],
        now: Callable[[], datetime],
        tables: Path | None = None,
    ) -> None:
        """:param tables: a store without rows, to begin with a copy of; making one takes longer than most tests."""
        self.root = root
        self.now = now
        self._open: Gateway | None = None
        self._client: Any = None
        for name, content in {"gateway.yaml": {}, **files}.items():
            self.write(name, content)
        if tables is not None and not (root / "var").exists():
            shutil.copytree(tables, root / "var")

    def write(self, name: str, content: Any) -> Path:
        """(Over)write one file of the folder; the gateway takes it up when it is opened next."""
        if name == "gateway.yaml":
            data = ConfigFile(name, content).data if isinstance(content, str) else dict(content)
            content = {"instance": INSTANCE, **data} if "instance" not in data else content
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # JSON is YAML, and says of every text that it is one
        path.write_text(content if isinstance(content, str) else json.dumps(content, indent=2), encoding="utf-8")
        return path

    def open(self) -> Gateway:
        """The gateway itself. Raises ``ConfigError`` with every problem of every file."""
        if self._open is None:
            self._open = open_gateway(self.root, now=self.now, host=Host(_plugins()))
            assert not self._open.problems, self._open.problems  # in a test nobody reads the log
            intake = Intake(self._open.intake_sources(), self._append, self.now, self._open.instance.public_url)
            self._client = create_app(intake).test_client()
        return self._open

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
        self._open = None

    def system(self, name: str) -> memory.MemorySystem:
        """The other side of a system with ``plugin: memory``."""
        return memory.memory(self.root, name)

    def run(self, *arguments: str, code: int = 0) -> Result:
        """A command: ``run("plugins", "list")``. Its exit code is asserted; ``stdout`` and ``stderr`` are texts."""
        from click.testing import CliRunner

        from gateway.cli.main import cli

        with mock.patch("gateway.host.installed", _plugins):
            done = CliRunner().invoke(cli, ["-C", str(self.root), *arguments], prog_name="gateway")
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == code, done.output
        return done

    # -- in -----------------------------------------------------------------------------------------------------------

    def post(self, system: str, body: Any, headers: Mapping[str, str] | None = None, query: str = "") -> TestResponse:
        """Call ``/hooks/<system>`` as a sender would: nothing is stored that does not prove itself.

        ``body``: bytes as they are; anything else is sent as JSON.
        """
        self.open()
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"Content-Type": "application/json", **(headers or {})}
        answer: TestResponse = self._client.post(f"/hooks/{system}", data=raw, headers=sent, query_string=query)
        return answer

    def give(self, system: str, *payloads: Any, history: bool = False) -> None:
        """Put documents into the inbox, past all proof: one for each payload, bytes or data to be sent as JSON."""
        inbox = self.open().inbox
        for payload in payloads:
            body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
            inbox.append([Arrival(system=system, body=body, received_at=self.now(), history=history)])

    def pull(self, system: str, since: datetime | None = None) -> int:
        """Pull every stream from where it stands. Returns how many pages came; raises what the source raises."""
        gateway = self.open()
        pulling = gateway.pullings[system]
        pages = 0
        for stream in gateway.sources[system].streams():
            pages += sum(1 for _ in pulling.bring_in(stream, since or pulling.begin(stream)))
        return pages

    def work(self) -> int:
        """Work what waits, and fetch what was only named, until nothing is left. Returns how many documents."""
        gateway, done = self.open(), 0
        while True:
            worked = gateway.run_pipeline_once(WORKER)
            done += worked
            if not worked and not sum(pulling.look_up() for pulling in gateway.pullings.values()):
                return done

    def sweep(self) -> None:
        """Do what is due by itself at this time: scores that fade, clocks of handoffs, messages."""
        gateway = self.open()
        while clocks.tick(gateway) or gateway.sweep_once():
            pass

    # -- out ----------------------------------------------------------------------------------------------------------

    def deliver(self, system: str) -> int:
        """Deliver until nothing is due. Returns how many writes were worked: none while it is ``outbound: off``."""
        done = 0
        while worked := self.open().deliver_once(system, WORKER):
            done += worked
        return done

    def planned(self, system: str) -> list[Write]:
        """What `gateway plan` prints: the writes of this system as its sink would be given them."""
        return [one.write for one in planned(self.open(), [system])]

    # -- to look at ---------------------------------------------------------------------------------------------------

    def leads(self) -> list[dict[str, Any]]:
        """Living leads, the highest score first: id, attributes, stage, persona, total, fit, behaviour, band …"""
        gateway = self.open()
        with read(gateway.store.main) as connection:
            return listing.leads(connection, gateway.model.score_name, MANY)[0]

    def writes(self, system: str | None = None) -> list[dict[str, Any]]:
        """The outbox, oldest first: system, key, object, record, fields, state (waiting, confirmed, dead …), code …"""
        with read(self.open().store.main) as connection:
            return listing.deliveries(connection, MANY, system)[::-1]

    def troubles(self) -> list[str]:
        """Why documents, and single items of others, were not taken in."""
        gateway = self.open()
        found = [str(row["reason"]) for row in gateway.inbox.listing(state="quarantined", limit=MANY)]
        with read(gateway.store.main) as connection:
            return [*found, *(str(row["reason"]) for row in listing.troubles(connection, MANY))]

    def _append(self, arrival: Arrival) -> Any:
        return self.open().inbox.append([arrival])[0]


def _plugins() -> list[tuple[EntryPoint, Distribution]]:
    """Those that are installed, and the one that is only for tests."""
    ours = EntryPoint("memory", "gateway.testing.memory", "lead_gateway")
    return [*installed(), (ours, distribution(DISTRIBUTION))]


def make_tables(folder: Path) -> Path:
    """A store without rows, up to date, in ``folder``."""
    with closing(open_store(folder)) as store:
        upgrade(store)
    return folder
