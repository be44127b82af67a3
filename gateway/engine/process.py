"""One process of the gateway: ``python -m gateway.engine.process KIND -C DIR --slot N --slots FILE``.

KIND is ``web``, ``pipeline``, ``pipeline:2`` and so on, ``deliver:SYSTEM`` or ``pull:SYSTEM``. Started by the
supervisor; ``gateway web`` and ``gateway worker`` call ``run`` themselves, without a slot. SIGTERM and SIGINT let it
finish what it holds.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from marshmallow import EXCLUDE, ValidationError

from gateway import logs
from gateway.engine import slots
from gateway.engine.supervisor import RENEWED
from gateway.engine.sweeping import alone, shared
from gateway.engine.workers import bell_of, delivery_loop, loop, pipeline_loop
from gateway.errors import ConfigError
from gateway.model import GATEWAY
from gateway.outbound import catalogues
from gateway.plugins.watch import parts
from gateway.settings.files import ConfigFile
from gateway.settings.folder import store_place
from gateway.settings.form import GatewayForm
from gateway.store import bells, breakers, bundle
from gateway.store.database import store_trouble
from gateway.store.group_writer import GroupWriter
from gateway.store.times import new_id, utc_now
from gateway.times import to_micros

if TYPE_CHECKING:
    from flask import Flask

    from gateway.runtime import Gateway
    from gateway.web.desk.page import Desk
    from gateway.web.intake import Intake

try:
    import resource
except ImportError:  # not on Windows
    resource = None  # type: ignore[assignment]

log = structlog.get_logger(__name__)

ANSWERED = 2.5
"""Seconds until a call is answered, whatever the store does: senders give up after 3."""

Opener = Callable[[Path], "Gateway"]


def open_gateway(root: Path, probing: bool = False) -> Gateway:
    """Plugins are loaded here, in the process that uses them, and nowhere before; our slot shows their calls."""
    from gateway import opening

    # One that is born during an edit works as the others do.
    gateway = opening.open_gateway(root, guard=_guard, fallback=True, probing=probing, following="always")
    if gateway.broken:
        log.error("files are broken: working with the active ones", problem=str(gateway.broken[0]))
    return gateway


def _guard(plugin: str, call: str) -> contextlib.AbstractContextManager[None]:
    if plugin == GATEWAY:
        return slots.calling(plugin, call, slots.OWN_CALL)
    return slots.calling(plugin, call, slots.allowed(call))


def run(kind: str, root: Path, slot: slots.Slot | None = None, before: str = "", opener: Opener = open_gateway) -> int:
    """Be the process ``kind`` until a signal. ``before`` is the worker that died in this slot, if one did.

    Raises ``ConfigError`` when the instance cannot be opened.
    """
    slots.enter(slot)
    if kind == "web":
        _note_death(root, slot)
        return _web(root, slot, opener)
    what, _, system = kind.partition(":")
    known = what in ("deliver", "pull") and bool(system)
    if not known and not re.fullmatch(r"pipeline(:[2-9])?", kind):
        raise ConfigError([f"{kind}: no such kind of process; there are web, pipeline, deliver:SYSTEM and pull:SYSTEM"])
    worker = f"{kind}:{os.getpid()}:{new_id()}"
    _note_death(root, slot)
    if what == "pipeline" and opener is open_gateway:
        opener = partial(open_gateway, probing=True)
    gateway = opener(root)
    try:
        with _stopped_by_signal() as stop, contextlib.ExitStack() as stack:
            if before and what == "pipeline":  # the supervisor saw it die: nobody needs to wait for its silence
                gateway.inbox.bury(before)
            elif before and what == "deliver":
                gateway.bury_deliveries(system, before)
            gateway.loaded()
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

            mine = (gateway.store.inbox, what) if what == "pipeline" else (gateway.store.main, kind)
            bell = bell_of(*mine)
            stack.callback(bell.close)
            if what == "pipeline":
                batch: Callable[[str], int] = gateway.run_pipeline_once
                sweep: Callable[[], int] = gateway.sweep_once
                if bells.hung(gateway.store.main):
                    batch, sweep = shared(gateway), alone(gateway, worker, sweep)
                elif system:  # the first of them does it
                    sweep = lambda: 0  # noqa: E731
                pipeline_loop(current(batch), current(sweep), gateway.inbox, worker, stop, bell)
            elif system not in gateway.instance.systems:  # the files in use are another machine's
                loop(current(lambda: 0), stop, bell)
            elif what == "pull":
                ask = partial(gateway.pull_once, system)
                loop(current(_watching(gateway, system, ask)), stop, bell)
            else:
                send: Callable[[], int] = partial(gateway.deliver_once, system, worker)
                if gateway.instance.systems[system].pull is None:  # nobody else asks this system anything
                    send = _watching(gateway, system, send)
                delivery_loop(current(send), stop, bell)
        return RENEWED if gateway.outdated() else 0
    finally:
        gateway.close()


def _note_death(root: Path, slot: slots.Slot | None) -> None:
    """Whose call ended the process before, and how, before that plugin is loaded again."""
    died = slot.epitaph() if slot is not None else None
    if died is None or died.plugin == GATEWAY:
        return
    word, part, item = parts(died.call)
    reason = f"{word} {died.reason}"
    if breakers.died(store_place(root), died.plugin, part, item, reason, to_micros(utc_now())):
        log.error("plugin quarantined", plugin=died.plugin, part=part, reason=reason)


def _watching(gateway: Gateway, system: str, work: Callable[[], int]) -> Callable[[], int]:
    """The work, and before it the daily look at what the system's objects are made of."""

    def watched() -> int:
        if not gateway.breakers.stopped(gateway.plugin_of(system), "describe"):
            catalogues.watch(gateway, system)
        return work()

    return watched


def web_app(root: Path, opener: Opener = open_gateway, follow: bool = False) -> Flask:
    """The application over an opened instance: intake, health, pages. ``follow``: a thread takes up changed files."""
    from gateway.web.accepted import Accepted
    from gateway.web.api.mounting import mount as mount_api
    from gateway.web.app import create_app
    from gateway.web.desk.mounting import mount, warm
    from gateway.web.health import Health
    from gateway.web.intake import Intake
    from gateway.web.measures import Measures

    gateway = opener(root)
    file = gateway.store.inbox.url.database if gateway.store.inbox.dialect.name == "sqlite" else None
    writer = GroupWriter(gateway.inbox, Path(file).parent if file else None, patience=ANSWERED)
    accepted = Accepted(log)
    if follow:
        accepted.start()
    health = Health(gateway, root, writer)
    measures = Measures(gateway.store, gateway.now, lambda: not health.problems(), lambda: gateway.instance.systems)
    intake = Intake(
        gateway.intake_sources(),
        writer.append,
        gateway.now,
        gateway.instance.public_url,
        utc_now,
        soon=writer.soon,
        tell=accepted,
        count=measures.count,
    )
    watcher = gateway.instance.metrics_token
    app = create_app(intake, health.problems, health.warnings, measures, watcher, health.dead)
    health.mount(app)
    desk = mount(app, gateway)
    mount_api(app)
    if follow:
        following = partial(_follow, desk, intake, partial(opener, root))
        threading.Thread(target=following, name="files", daemon=True).start()
        threading.Thread(target=warm, args=[app], name="warm", daemon=True).start()
    return app


def _follow(desk: Desk, intake: Intake, opened: Callable[[], Gateway]) -> None:
    """Give intake and desk the active files: no call is lost by an edit. A look every second."""
    first = desk.gateway  # the intake writes with its store
    while True:
        time.sleep(1.0)
        try:
            if desk.gateway.outdated():
                before, desk.gateway = desk.gateway, opened()
                intake.use(desk.gateway.intake_sources(), desk.gateway.instance.public_url)
                if before is not first:
                    before.close()
        except Exception as exc:  # noqa: BLE001 - the calls go on as before
            if not store_trouble(exc):  # when it is back, an edit of meanwhile is taken up as soon as any other
                log.error("files not taken up", process="web", error=type(exc).__name__)
                time.sleep(30.0)


def _web(root: Path, slot: slots.Slot | None, opener: Opener) -> int:
    from gateway.web.server import serve

    host, port = _settings(root, "listen")
    serve(partial(_loaded, root, slot, opener), host, port)
    return 0


def _settings(root: Path, name: str) -> Any:
    """One setting of gateway.yaml, or of the active one where that is broken. Raises ``ConfigError``."""
    try:
        return _loaded_setting(ConfigFile.read(root / "gateway.yaml", root), name)
    except ConfigError:
        if (active := bundle.stored(store_place(root))) is None:
            raise
        return _loaded_setting(ConfigFile("gateway.yaml", active.files["gateway.yaml"]), name)


def _loaded_setting(file: ConfigFile, name: str) -> Any:
    try:
        return GatewayForm(only=[name], unknown=EXCLUDE).load(file.data)[name]
    except ValidationError as exc:
        raise ConfigError([f"gateway.yaml: {exc.messages}"]) from None


def _limit_memory(mebibytes: int) -> None:
    """Let what a plugin asks for beyond this fail, as ``MemoryError``, instead of taking the machine's memory.

    Of data only, not of addresses: mapped files and libraries cost nothing and may be large.
    """
    if mebibytes and resource is not None:
        with contextlib.suppress(OSError, ValueError):  # a stricter limit is there already
            resource.setrlimit(resource.RLIMIT_DATA, (mebibytes << 20, mebibytes << 20))


def _loaded(root: Path, slot: slots.Slot | None, opener: Opener) -> Flask:
    """In the server's worker process: build, then say that we are ready."""
    try:
        app = web_app(root, opener, follow=True)
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
    parser.add_argument("--parent", type=int, default=os.getppid())
    given = parser.parse_args(arguments)
    with contextlib.suppress(OSError, AttributeError):  # Linux: an orphan would hold the port and the leases
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # 1: PR_SET_PDEATHSIG
    if os.getppid() != given.parent:  # it was killed before we could ask to end with it
        return 1
    logs.configure(logs.INFO)
    try:
        if given.kind != "web":  # the web server shares its memory among threads, and calls no plugin with data
            _limit_memory(_settings(given.root, "worker_memory"))
        return run(given.kind, given.root, slots.Slots(given.slots).slot(given.slot), given.before)
    except ConfigError as exc:
        print(exc, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
