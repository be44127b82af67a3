"""For looking at the desk with a real browser: Chromium and axe-core, found or installed; the demo's company."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

from gateway.accounts import keys, users
from gateway.store import desk as queries
from gateway.store.database import read, write
from gateway.store.times import utc_now
from gateway.times import to_micros

AXE = "axe-core@4.14.1"
"""The rules of accessibility that pages are held against."""
NAMES = ("chromium", "chromium-browser", "google-chrome")


def chromium() -> str:
    """Its path. Raises RuntimeError with the reason why there is none."""
    if found := _found(*NAMES):
        return found
    return _installed("chromium", *NAMES)


def axe(folder: Path) -> str:
    """Its source. ``folder``: common to all workers of a run. Raises RuntimeError."""
    with (folder / "axe.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        file = folder / "axe" / "node_modules" / "axe-core" / "axe.min.js"
        if not file.exists():
            npm = _found("npm") or _installed("npm", "npm")
            to = ["--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder / "axe")]
            done = subprocess.run([npm, "install", *to, AXE], capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(f"axe-core cannot be installed: {done.stderr[-300:]}")
    return file.read_text(encoding="utf-8")


def _found(*names: str) -> str | None:
    return next(filter(None, map(shutil.which, names)), None)


def _installed(package: str, *names: str) -> str:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise RuntimeError(f"{package} is not installed: apt-get install {package}")
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True, "check": False}
    quiet["env"] = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with Path("/tmp/gateway-apt.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if found := _found(*names):  # another worker has
            return found
        for command in (["update"], ["install", "-y", "--no-install-recommends", package]):
            done = subprocess.run(["apt-get", "-q", *command], **quiet)
    if found := _found(*names):
        return found
    raise RuntimeError(f"{package} is not installed, and apt-get cannot: {done.stderr[-300:]}")


TURNS = 40
"""Half days after which sales surely have something to do."""
OPEN = 6
PASSWORD = "correct horse battery"
ROLES = {"admin@sandbox.example": "admin", "anna.berg@sandbox.example": "sales", "vera@sandbox.example": "viewer"}


@dataclass
class Company:
    """``turning``: the circle of HubSpot, gateway and Salesforce; ``url``: where the desk is."""

    turning: Any
    url: str
    app: Any
    taken: list[str] = field(default_factory=list)

    @property
    def store(self) -> Any:
        return self.turning.gateway.store.main

    def link(self, email: str) -> str:
        """A one-time link that lets them in."""
        now = to_micros(utc_now())
        with write(self.store) as connection:
            text = keys.make(connection, "link", users.named(connection, email), now, keys.LINK)
        return f"{self.url}/login/{text}"

    def handoffs(self) -> list[dict[str, Any]]:
        with read(self.store) as connection:
            return queries.due(connection, 100)

    def fresh(self) -> dict[str, Any]:
        """An open handoff that nobody has answered and no test has taken yet."""
        for one in self.handoffs():
            if one["id"] not in self.taken and not one["accepted_at"] and not one["contacted_at"]:
                self.taken.append(one["id"])
                return one
        raise AssertionError("no handoff is left")

    def held(self, lead: str) -> Any:
        """The lead's record in Salesforce, as it is there."""
        [record] = [one for one in self.turning.salesforce.records.alive("Lead") if one["Gateway_Id__c"] == lead]
        return record


@contextlib.contextmanager
def played(folder: Path, sales: bool = False) -> Iterator[Company]:
    """Some weeks of buyers, in which sales answered nobody: everything that was handed over is open."""
    from argon2 import PasswordHasher
    from gateway_sandbox import circle
    from werkzeug.serving import make_server

    from gateway.accounts import passwords
    from gateway.engine.process import web_app
    from gateway.opening import open_gateway

    with contextlib.ExitStack() as ends:
        ends.enter_context(mock.patch.object(passwords, "_hasher", PasswordHasher(1, 8, 1)))  # they log in often
        turning = ends.enter_context(circle.circle(folder, buyers_per_day=5))
        if not sales:
            ends.enter_context(mock.patch.object(turning.company.sellers, "look", return_value=None))
        opened: list[Any] = []
        ends.callback(lambda: [one.close() for one in opened])

        def opener(root: Path) -> Any:
            opened.append(open_gateway(root, now=turning.company.clock.now))
            return opened[-1]

        app = web_app(turning.folder, opener)
        server = make_server("127.0.0.1", 0, app, threaded=True)
        ends.callback(server.shutdown)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        made = Company(turning, f"http://127.0.0.1:{server.port}", app)
        with write(made.store) as connection:
            for email, role in ROLES.items():
                users.add(
                    connection, email, email.partition("@")[0].title(), role, PASSWORD, to_micros(utc_now()), "root"
                )
        for _ in range(TURNS):
            turning.turn(timedelta(hours=12))
            if len(made.handoffs()) >= OPEN and not sales:
                break
        yield made
