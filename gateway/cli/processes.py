"""``gateway run``, ``web`` and ``worker``: the processes that serve and work. None of them loads a plugin itself."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import click

from gateway.cli.main import App, log_to_stderr, pass_app
from gateway.errors import ConfigError, NotFound, Refused

INFO = 20
CHECK_SECONDS = 90
"""A plugin that hangs while the files are checked must not keep everything else from starting."""

PORT_SECONDS = 10
"""As long as the web server of a gateway that was killed may take to notice."""

LOCK = "run.lock"
"""Held by whoever supervises processes whose store, or whose notes of what they do, are in this folder."""


@click.command()
@pass_app
def run(app: App) -> None:
    """Serve webhooks and work what comes in, until Ctrl-C.

    Starts the web server, a pipeline worker and a delivery worker per system with outbound on; restarts what dies.
    """
    _check(app)
    _free_port(app)
    _supervise(app, web=True)


@click.command()
@pass_app
def web(app: App) -> None:
    """Serve webhooks and pages only.

    What they bring waits in the inbox for `gateway worker`.
    """
    from gateway.engine.process import run as be

    _check(app)
    log_to_stderr(INFO)
    _free_port(app)
    click.get_current_context().exit(be("web", app.root))


@click.command()
@click.argument("only", metavar="[pipeline|deliver:SYSTEM|pull:SYSTEM]", required=False)
@pass_app
def worker(app: App, only: str | None) -> None:
    """Work what waits, without the web server.

    With an argument, be just that one worker, without a supervisor: for systems that start processes themselves.
    """
    from gateway.engine.process import run as be

    if only is not None:
        app.require()
        _known_worker(app.root, only)
    _check(app)
    if only is None:
        _supervise(app, web=False)
    else:
        log_to_stderr(INFO)
        click.get_current_context().exit(be(only, app.root))


def _known_worker(root: Path, kind: str) -> None:
    """Raises ``UsageError`` or, for one that would have nothing to do for ever, ``Refused``."""
    from gateway.engine.supervisor import wanted_processes

    what, _, system = kind.partition(":")
    if what not in ("pipeline", "deliver", "pull") or (what != "pipeline") is not bool(system):
        raise click.UsageError(f"no such kind of worker: {kind!r}; there are pipeline, deliver:SYSTEM and pull:SYSTEM")
    systems = _settings(root).get("systems")
    known = list(systems) if isinstance(systems, dict) else []
    if system and system not in known:
        raise NotFound(f"no system {system!r} in gateway.yaml; there are: {', '.join(known)}")
    if what == "deliver" and kind not in wanted_processes(root):
        raise Refused(f"{system}: outbound is off, so nothing is delivered; `gateway activate {system}` switches it on")


def _check(app: App) -> None:
    """All problems once, before anything starts. In a process of its own: it loads plugins, and they may hang."""
    from gateway.engine.edits import LONGEST, command_of
    from gateway.engine.supervisor import REFUSED
    from gateway.plugins.probe import look
    from gateway.settings.folder import store_place
    from gateway.store import bundle
    from gateway.store.database import open_store, require_current

    app.require()
    command = [sys.executable, "-m", "gateway", "-C", str(app.root), "check"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        late = threading.Timer(CHECK_SECONDS, process.kill)
        late.daemon = True
        late.start()
        told = []
        for line in process.stderr or ():
            if line.startswith("waiting for "):
                click.echo(line, nl=False, err=True)
            else:
                told.append(line.rstrip())
        code = process.wait()
        late.cancel()
    if code == REFUSED:
        raise ConfigError(told)
    if code not in (0, 1):  # whoever ended it is remembered, so that no process waits for it again
        told += [f"plugin {one.name} is broken: {one.reason}" for one in look(app.root) if one.state == "broken"]
    for line in told:  # the systems that can be used go on without the others
        click.echo(line, err=True)
    place = store_place(app.root)
    store = open_store(place)
    try:
        if bundle.has_tables(store):
            require_current(store)
    finally:
        store.close()
    if place.url is not None:  # what each process does with its own files on one machine would be in turns on several
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run(command_of(app.root, str(place)), stdout=subprocess.DEVNULL, timeout=LONGEST, check=False)


def _free_port(app: App) -> None:
    """The server shares its port with whoever asks for it: of two gateways each would get some of the calls."""
    address = str(_settings(app.root).get("listen") or "127.0.0.1:8080")
    host, _, port = address.rpartition(":")
    last = time.monotonic() + PORT_SECONDS
    while (reason := _refused(host.strip("[]"), int(port))) is not None:
        if reason != errno.EADDRINUSE or time.monotonic() > last:
            who = " by another gateway or program" if reason == errno.EADDRINUSE else ""
            raise Refused(
                f"cannot listen on {address}: {os.strerror(reason).lower()}{who}; `listen:` in gateway.yaml says where"
            )
        time.sleep(0.2)


def _refused(host: str, port: int) -> int | None:
    """The number of the error that a server of our own would meet there."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((host, port))
        except OSError as exc:
            return exc.errno or errno.EADDRNOTAVAIL
    return None


def _supervise(app: App, web: bool) -> None:
    from gateway.engine import edits
    from gateway.engine.supervisor import Supervisor, command_of, wanted_processes
    from gateway.settings.folder import store_place

    log_to_stderr(INFO)

    def wanted() -> list[str]:
        return [kind for kind in wanted_processes(app.root) if web or kind != "web"]

    place = store_place(app.root)
    place.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    files = edits.Edits(app.root, edits.command_of(app.root, str(place)))
    with _alone(place.folder):
        click.get_current_context().exit(Supervisor(wanted, command_of(app.root), place.folder, edits=files).run())


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Of two in one folder each would take what the other notes of its processes for its own. One that was told to end
    may finish what it holds first. Raises ``Refused``."""
    with (folder / LOCK).open("a") as file:
        last = time.monotonic() + PORT_SECONDS
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > last:
                    raise Refused(
                        f"{folder}: another `gateway run` or `gateway worker` is at work in this folder; stop it first."
                        " Several work together on PostgreSQL, each with a copy of the instance's files"
                    ) from None
            time.sleep(0.2)
        yield


def _settings(root: Path) -> dict[str, object]:
    from gateway.settings.files import ConfigFile

    return ConfigFile.read(root / "gateway.yaml", root).data
