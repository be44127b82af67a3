"""One process of the gateway: ``python -m gateway.engine.process KIND -C DIR --slot N --slots FILE``.

KIND is ``web``, ``pipeline`` or ``deliver:SYSTEM``. Started by the supervisor; ``gateway web`` and ``gateway worker``
call ``run`` themselves, without a slot. SIGTERM and SIGINT let it finish what it holds.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from marshmallow import EXCLUDE, ValidationError
from sqlalchemy.exc import DBAPIError

from gateway import logs
from gateway.engine import slots
from gateway.engine.supervisor import RENEWED
from gateway.engine.workers import bell_of, delivery_loop, pipeline_loop
from gateway.errors import ConfigError
from gateway.settings.files import ConfigFile
from gateway.settings.form import GatewayForm
from gateway.store.database import require_current
from gateway.store.inbox import GroupWriter
from gateway.store.times import new_id

if TYPE_CHECKING:
    from flask import Flask

    from gateway.runtime import Gateway


Opener = Callable[[Path], "Gateway"]


def open_gateway(root: Path) -> Gateway:
    """Plugins are loaded here, in the process that uses them, and nowhere before; our slot shows their calls."""
    from gateway import runtime

    return runtime.open_gateway(root, guard=_guard)


def _guard(plugin: str, call: str) -> contextlib.AbstractContextManager[None]:
    return slots.calling(plugin, call, slots.DELIVER_CALL if call.startswith("deliver") else slots.PLUGIN_CALL)


def run(kind: str, root: Path, slot: slots.Slot | None = None, before: str = "", opener: Opener = open_gateway) -> int:
    """Be the process ``kind`` until a signal. ``before`` is the worker that died in this slot, if one did.

    Raises ``ConfigError`` when the instance cannot be opened.
    """
    slots.enter(slot)
    if kind == "web":
        return _web(root, slot, opener)
    what, _, system = kind.partition(":")
    if what not in ("pipeline", "deliver") or (what == "deliver") is not bool(system):
        raise ConfigError([f"{kind}: no such kind of process; there are web, pipeline and deliver:SYSTEM"])
    worker = f"{kind}:{os.getpid()}:{new_id()}"
    gateway = opener(root)
    try:
        with _stopped_by_signal() as stop:
            if before:  # the supervisor saw it die: nobody needs to wait for its silence
                gateway.inbox.bury(before) if what == "pipeline" else gateway.bury_deliveries(system, before)
            if slot is not None:
                slot.ready(worker)

            def current(work: Callable[..., int]) -> Callable[..., int]:
                """The work, as long as the files it was begun with are the active ones; then the process ends."""

                def unless_outdated(*arguments: Any) -> int:
                    if gateway.outdated():
                        stop.set()
                        return 0
                    return work(*arguments)

                return unless_outdated

            if what == "pipeline":
                work, sweep = current(gateway.run_pipeline_once), current(gateway.sweep_once)
                pipeline_loop(work, sweep, gateway.inbox, worker, stop, bell_of(gateway.store.inbox))
            else:
                delivery_loop(current(partial(gateway.deliver_once, system, worker)), stop, bell_of(gateway.store.main))
        return RENEWED if gateway.outdated() else 0
    finally:
        gateway.close()


def web_app(root: Path, opener: Opener = open_gateway) -> Flask:
    """The application over an opened instance: intake, health, pages."""
    from gateway.web.app import create_app
    from gateway.web.intake import Intake

    gateway = opener(root)
    if gateway.store.inbox.dialect.name == "sqlite":
        writer = GroupWriter(gateway.inbox, Path(gateway.store.inbox.url.database or "").parent)
        append = writer.append
    else:
        append = lambda arrival: gateway.inbox.append([arrival])[0]  # noqa: E731 - group commit gains nothing there
    intake = Intake(gateway.intake_sources(), append, gateway.now, gateway.instance.public_url)

    def problems() -> list[str]:
        try:
            require_current(gateway.store)
        except (ConfigError, DBAPIError) as exc:
            return [str(exc) if isinstance(exc, ConfigError) else type(exc).__name__]
        return []

    return create_app(intake, gateway.instance.name, problems, gateway.inbox.counts)


def _web(root: Path, slot: slots.Slot | None, opener: Opener) -> int:
    from gateway.web.server import serve

    data = ConfigFile.read(root / "gateway.yaml", root).data
    try:
        host, port = GatewayForm(only=["listen"], unknown=EXCLUDE).load(data)["listen"]
    except ValidationError as exc:
        raise ConfigError([f"gateway.yaml: {exc.messages}"]) from None
    serve(partial(_loaded, root, slot, opener), host, port)
    return 0


def _loaded(root: Path, slot: slots.Slot | None, opener: Opener) -> Flask:
    """In the server's worker process: build, then say that we are ready."""
    try:
        app = web_app(root, opener)
    except ConfigError as exc:
        print(exc, file=sys.stderr)
        sys.exit(2)
    if slot is not None:
        slot.ready(f"web:{os.getpid()}")
    return app


@contextlib.contextmanager
def _stopped_by_signal() -> Iterator[threading.Event]:
    stop = threading.Event()

    def asked(number: int, frame: Any) -> None:
        stop.set()

    before = {number: signal.signal(number, asked) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="gateway.engine.process")
    parser.add_argument("kind")
    parser.add_argument("-C", dest="root", type=Path, required=True)
    parser.add_argument("--slot", type=int, required=True)
    parser.add_argument("--slots", type=Path, required=True)
    parser.add_argument("--before", default="")
    given = parser.parse_args(arguments)
    with contextlib.suppress(OSError, AttributeError):  # Linux: an orphan would hold the port and the leases
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # 1: PR_SET_PDEATHSIG
    logs.configure(logs.INFO)
    try:
        return run(given.kind, given.root, slots.Slots(given.slots).slot(given.slot), given.before)
    except ConfigError as exc:
        print(exc, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
