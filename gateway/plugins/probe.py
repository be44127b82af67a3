"""Plugins loaded in a process of their own: one that hangs, leaves or eats memory is told of, and stops nobody.

In: an instance's folder, or one that is none. Out: every plugin of this environment, with its state, what it offers
and its settings. ``python -m gateway.plugins.probe`` is the process; its stdout is ours, what plugins print is lost.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.errors import GatewayError
from gateway.plugins import trace
from gateway.plugins.rules import ALLOWED

if TYPE_CHECKING:
    from gateway.host import Host, Plugin

DEADLINE = 20.0
"""Seconds that loading one plugin, or asking it one thing, may take here."""
WAITS = 5.0
"""Seconds after which people are told whom they wait for."""
START = 60.0
"""Seconds until the process may have begun."""

Tell = Callable[..., None]


@dataclass(frozen=True, slots=True)
class Seen:
    """One plugin. ``settings``: name that gateway.yaml writes behind ``plugin:`` → its settings, see ``describing``;
    ``sections``: the same name → a section to begin with; ``wrong``: what asking for its settings raised."""

    name: str
    module: str
    distribution: str
    version: str
    requires: str
    state: str
    reason: str
    since: str = ""
    offers: Sequence[str] = ()
    would_offer: Sequence[str] = ()
    deprecations: Sequence[str] = ()
    settings: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    sections: Mapping[str, str] = field(default_factory=dict)
    wrong: str = ""

    @property
    def names(self) -> list[str]:
        """What files call that which it offers, or offered when it was last known to."""
        return sorted({offer.partition(" ")[2] for offer in (self.offers or self.would_offer)})


def look(
    root: Path, deadline: float = DEADLINE, probing: bool = False, only: Collection[str] | None = None
) -> list[Seen]:
    """Every plugin; one that ended or outstayed the process is ``broken``, and the others are looked at again.

    Of an instance, the next one to load plugins remembers it. ``probing``: try those, too, that are kept out for it,
    once their wait is over. ``only``: load nobody else, as GATEWAY_PLUGINS does, which goes before. Raises
    ``GatewayError`` when the process does not come up at all.
    """
    bad: dict[str, str] = {}
    rows = ask("try" if probing else "load", root, bad, [], deadline, only)
    if bad and (root / "gateway.yaml").is_file():
        from gateway.plugins.memory import Memory

        memory = Memory(root)
        for plugin, why in bad.items():
            memory.hung(plugin, f"it {why}")
    return [Seen(**row) for row in rows]


def ask(
    what: str,
    root: Path,
    bad: dict[str, str],
    arguments: Sequence[str],
    deadline: float,
    only: Collection[str] | None = None,
) -> list[dict[str, Any]]:
    """What the process tells. ``bad``: plugins not to be loaded → why; it is added to, each time one ends a process."""
    environment = dict(os.environ)
    if only is not None:
        environment.setdefault(ALLOWED, ",".join(only))
    while True:
        rows, culprit, why = _ask(what, root, bad, arguments, deadline, environment)
        if not why:
            return rows
        if not culprit or culprit in bad:
            raise GatewayError(f"plugins cannot be looked at: the process that loads them {why}")
        bad[culprit] = why


def _ask(
    what: str,
    root: Path,
    bad: Mapping[str, str],
    arguments: Sequence[str],
    deadline: float,
    environment: Mapping[str, str],
) -> tuple[list[dict[str, Any]], str, str]:
    """(what was told, who was at work when it ended too early, how it ended); the last two empty when all went well."""
    command = [sys.executable, "-m", "gateway.plugins.probe", what, str(root), json.dumps(bad), *arguments]
    stderr = None if trace.traced() else subprocess.DEVNULL
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        start_new_session=True,
        env=environment,
    )
    assert process.stdout is not None
    rows: list[dict[str, Any]] = []
    plugin, doing, until, text = "", "it began", time.monotonic() + START, b""
    said = ""
    try:
        while True:
            wait = max(0.0, until - time.monotonic())
            if plugin != said and wait > WAITS and not select.select([process.stdout], [], [], WAITS)[0]:
                said = plugin
                if threading.current_thread() is threading.main_thread():  # of a worker, nobody waits
                    print(f"waiting for plugin {plugin}, at most {deadline:g} s", file=sys.stderr, flush=True)
                continue
            if not select.select([process.stdout], [], [], wait)[0]:
                return rows, plugin, f"did not come to an end within {deadline:g} s while {doing}"
            if not (chunk := os.read(process.stdout.fileno(), 65536)):
                return rows, plugin, f"ended ({_words(process.wait())}) while {doing}"
            *lines, text = (text + chunk).split(b"\n")
            for line in lines:
                told = json.loads(line)
                if "done" in told:
                    return rows, "", ""
                if "doing" in told:
                    plugin, doing, until = told["plugin"], told["doing"], time.monotonic() + deadline
                else:
                    rows.append(told)
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


def _words(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"signal {-code}"


def main(arguments: Sequence[str]) -> None:
    from gateway.plugins.loading import host_of
    from gateway.plugins.rules import Rules

    tell = _alone()
    what, root, bad, *rest = arguments
    memory = _bounded(Path(root))
    rules = Rules.of(Path(root))
    rules.bad = json.loads(bad)
    told = partial(tell, doing="it was loaded")
    host = host_of(Path(root), rules, what == "try", loading=lambda plugin: told(plugin=plugin.name))
    if what in ("load", "try"):
        for plugin in host.plugins:
            tell(doing="its settings were described", plugin=plugin.name)
            row = _seen(host, plugin)
            if "MemoryError" in plugin.reason:
                row["reason"] += f": it wants more than the {memory} MiB of worker_memory in gateway.yaml"
            tell(**row)
    else:
        from gateway.plugins.doctor import systems

        systems(Path(root), host, rest, tell)
    tell(done=True)


def _alone() -> Tell:
    """Keep stdout for ourselves and stderr for the trace, and close the mouths of plugins."""
    channel, trace.stream = (os.fdopen(os.dup(file), "w", encoding="utf-8") for file in (1, 2))
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)

    def tell(**message: Any) -> None:
        print(json.dumps(message, default=str), file=channel, flush=True)

    return tell


def _bounded(root: Path) -> int:
    """Let this process have the memory of a worker, where the system can bound it. Returns MiB, 0 = no limit."""
    from marshmallow import EXCLUDE, ValidationError

    from gateway.errors import ConfigError
    from gateway.settings.files import ConfigFile
    from gateway.settings.form import GatewayForm

    form = GatewayForm(only=["worker_memory"], unknown=EXCLUDE)
    try:
        most: int = form.load(ConfigFile.read(root / "gateway.yaml", root).data)["worker_memory"]
    except (ConfigError, ValidationError):
        most = form.load({})["worker_memory"]
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        if most:
            resource.setrlimit(resource.RLIMIT_DATA, (most << 20, most << 20))
    return most


def sections_of(host: Host, name: str) -> str:
    """The section of gateway.yaml that a system of the source or sink ``name`` begins with."""
    from gateway.contracts import NOTICE
    from gateway.plugins.describing import section

    connection = host.connections[name].factory if name in host.connections else None
    carries = getattr(host.sinks[name].factory, "carries", {}) if name in host.sinks else {}
    role = "notify" if NOTICE in carries else getattr(connection, "role", "other")
    return section(name, name, _schema(host, name), {"role": role, "pull": getattr(connection, "pull", "")})


def _schema(host: Host, name: str) -> Any:
    offers = [shelf[name] for shelf in (host.sources, host.sinks) if name in shelf]
    return next((offer.settings for offer in offers if offer.settings is not None), None)


def _seen(host: Host, plugin: Plugin) -> dict[str, Any]:
    from gateway.plugins.describing import settings_of

    settings: dict[str, Any] = {}
    sections: dict[str, str] = {}
    wrong = ""
    try:
        for offer in plugin.offers:
            kind, _, name = offer.partition(" ")
            if kind in ("source", "sink") and name not in sections:
                settings[name] = [asdict(setting) for setting in settings_of(_schema(host, name))]
                sections[name] = sections_of(host, name)
    except Exception as exc:  # noqa: BLE001 - a schema may raise anything, with a secret in its text
        wrong = f"{type(exc).__name__}"
    names = ("name", "module", "distribution", "version", "requires", "state", "reason", "since", "offers")
    told = {name: getattr(plugin, name) for name in names}
    also = {"would_offer": list(plugin.would_offer), "deprecations": list(getattr(plugin, "deprecations", ()))}
    return {**told, **also, "settings": settings, "sections": sections, "wrong": wrong}


if __name__ == "__main__":
    main(sys.argv[1:])
