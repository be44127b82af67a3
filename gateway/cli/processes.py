"""``gateway run``, ``web`` and ``worker``: the processes that serve and work. None of them loads a plugin itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click

from gateway.cli.main import App, log_to_stderr, pass_app
from gateway.cli.output import say
from gateway.errors import ConfigError, GatewayError

INFO = 20
CHECK_SECONDS = 120
"""A plugin that hangs while the files are checked must not hang the start."""


@click.command()
@pass_app
def run(app: App) -> None:
    """Serve webhooks and work what comes in, until Ctrl-C.

    Starts the web server, a pipeline worker and a delivery worker per system with outbound on; restarts what dies.
    """
    _check(app)
    say(f"listening on http://{_listen(app)}/ (senders call /hooks/SYSTEM); Ctrl-C ends it", err=True)
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
    say(f"listening on http://{_listen(app)}/ (senders call /hooks/SYSTEM); Ctrl-C ends it", err=True)
    click.get_current_context().exit(be("web", app.root))


@click.command()
@click.argument("only", metavar="[pipeline|deliver:SYSTEM]", required=False)
@pass_app
def worker(app: App, only: str | None) -> None:
    """Work what waits, without the web server.

    With an argument, be just that one worker, without a supervisor: for systems that start processes themselves.
    """
    from gateway.engine.process import run as be

    _check(app)
    if only is None:
        _supervise(app, web=False)
    else:
        log_to_stderr(INFO)
        click.get_current_context().exit(be(only, app.root))


def _check(app: App) -> None:
    """All problems once, before anything starts. In a process of its own: it loads plugins, and they may hang."""
    app.require()
    command = [sys.executable, "-m", "gateway", "-C", str(app.root), "check"]
    try:
        found = subprocess.run(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=CHECK_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise GatewayError(f"`gateway check` did not end within {CHECK_SECONDS} s: a plugin hangs") from None
    if found.returncode == 2:
        raise ConfigError(found.stderr.splitlines())
    if found.stderr:  # the systems that can be used go on without the others
        click.echo(found.stderr.rstrip(), err=True)


def _supervise(app: App, web: bool) -> None:
    from gateway.engine.supervisor import Supervisor, command_of, wanted_processes

    log_to_stderr(INFO)

    def wanted() -> list[str]:
        return [kind for kind in wanted_processes(app.root) if web or kind != "web"]

    folder = _store(app.root)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    click.get_current_context().exit(Supervisor(wanted, command_of(app.root), folder).run())


def _settings(root: Path) -> dict[str, object]:
    from gateway.settings.files import ConfigFile

    return ConfigFile.read(root / "gateway.yaml", root).data


def _store(root: Path) -> Path:
    return (root / str(_settings(root).get("store") or "var")).resolve()


def _listen(app: App) -> str:
    return str(_settings(app.root).get("listen") or "127.0.0.1:8080")
