"""Starts the gateway's processes, watches them, ends them. Runs no plugin code, so no plugin can stop it.

In: which processes are wanted. A process that dies is started again, ever slower while it keeps dying; one whose
plugin call is past its deadline is killed; one that never comes up ends the whole with an error. On SIGTERM or SIGINT
all are asked to finish what they hold, and killed after 30 s. Time in which the machine stood still counts for nobody.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

import structlog
from marshmallow import fields

from gateway.awake import Awake
from gateway.engine.edits import Edits
from gateway.engine.slots import Epitaph, Slots
from gateway.settings.files import ConfigFile

DRAIN = 30.0
"""Seconds the processes have to finish after the signal; a second signal ends the wait."""
TICK = 0.1
LOOK = 5.0
"""Seconds between two looks at which processes are wanted."""
LONGEST_WAIT = 30.0
LONGEST_LIVED = 5.0
"""Seconds between two lives of a process that can start: what kills it is quarantined the sooner."""
STEADY = 60.0
"""A process that lived so many seconds was healthy: its next restart is immediate again."""
ATTEMPTS = 3
"""A process that dies so often before it was ever ready cannot start."""
RENEWED = 3
"""The exit code of a worker that made room for one with the files as they are now."""
REFUSED = 2
"""The exit code of a process that found its configuration wrong: trying again is useless."""
SILENT = 180.0
"""Seconds after which a process that shows no sign of life is told of: each call of a plugin is one."""
MOST = 64
STATUS = "run.json"

log = structlog.get_logger(__name__)


def wanted_processes(root: Path) -> list[str]:
    """What ``gateway run`` starts for the instance at ``root``: the kinds that ``gateway.engine.process`` knows.

    Reads gateway.yaml as plain data: web, the pipeline workers, one delivery worker per system with outbound on, and
    one that asks for news per system with ``pull``. Raises ``ConfigError`` when the file is unreadable.
    """
    data = ConfigFile.read(root / "gateway.yaml", root).data
    systems, workers = data.get("systems"), data.get("pipeline_workers")
    more = range(2, min(workers, 8) + 1) if isinstance(workers, int) else ()
    entries = systems.items() if isinstance(systems, Mapping) else ()
    sound = [(name, entry) for name, entry in entries if isinstance(entry, Mapping)]
    on = [f"deliver:{name}" for name, entry in sound if _truth(entry.get("outbound"))]
    pulls = [f"pull:{name}" for name, entry in sound if entry.get("pull")]
    return ["web", "pipeline", *(f"pipeline:{number}" for number in more), *on, *pulls]


def _truth(value: object) -> bool:
    """As the check of the file reads it: ``yes`` is ``on``, too."""
    return isinstance(value, Hashable) and value in fields.Boolean.truthy


Command = Callable[[str, int, Path, str], Sequence[str]]
"""(kind, slot, file of the slots, the worker that died in this slot before or "") → the command line of a process."""


def command_of(root: Path) -> Command:
    """The command line of each process of the instance at ``root``."""
    return lambda kind, slot, slots, before: [
        *(sys.executable, "-m", "gateway.engine.process", kind, "-C", str(root)),
        *("--slot", str(slot), "--slots", str(slots), f"--before={before}", "--parent", str(os.getpid())),
    ]


@dataclass(slots=True)
class _Child:
    """One wanted process and its present life, if it has one."""

    kind: str
    slot: int
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    again_at: float = 0.0
    failures: int = 0  # deaths in a row; none while it lives long enough
    was_ready: bool = False
    lives: int = 0
    leaving: bool = False
    before: str = ""  # the worker of its last life
    cut: str = ""  # why we killed this life
    reason: str = ""  # of its last death


class Supervisor:
    """Owns the tree of processes. ``wanted`` is asked every few seconds; what it no longer names is ended.

    ``folder`` gets the slots and ``run.json``: the processes, their restarts, the plugin calls that were cut off, and
    what is wrong with the files. With ``edits``, it is asked after each edit that was right instead.
    """

    def __init__(
        self,
        wanted: Callable[[], Sequence[str]],
        command: Command,
        folder: Path,
        drain: float = DRAIN,
        edits: Edits | None = None,
    ) -> None:
        self._wanted = wanted
        self._edits = edits
        self._command = command
        self._folder = folder
        self._drain = drain
        self._children: dict[str, _Child] = {}
        self._stopping = 0
        self._failed = ""
        self._kills: list[dict[str, Any]] = []
        self._slots = Slots(folder / f"slots.{os.getpid()}", MOST)
        self._awake = Awake()

    def run(self) -> int:
        """Blocks until everything has ended. 0 after a signal; 1 when a process cannot start."""
        before = {number: signal.signal(number, self._asked) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            self._watch()
            self._end()
        finally:
            for child in self._children.values():
                self._kill(child)
            if self._edits is not None:
                self._edits.close()
            for number, handler in before.items():
                signal.signal(number, handler)
            self._slots.close()
            self._slots.path.unlink(missing_ok=True)
            self._tell()
        if self._failed:
            log.error("stopped", reason=self._failed)
            return 1
        log.info("stopped")
        return 0

    def _asked(self, number: int, frame: FrameType | None) -> None:
        self._stopping += 1

    def _watch(self) -> None:
        look_at = float("-inf")
        while not self._stopping and not self._failed:
            now = self._awake.look()
            if now >= look_at:
                look_at = now + LOOK if self._edits is None else float("inf")
                self._reconcile()
            changed = self._edits is not None and self._judge(self._edits, now)
            for child in list(self._children.values()):
                changed |= self._tend(child, now)
            if changed:
                self._tell()
            time.sleep(TICK)

    def _judge(self, edits: Edits, now: float) -> bool:
        """Say what became of an edit of the files; True when there was one. Broken files change nothing that runs."""
        before = edits.problems
        if not edits.look(now):
            return False
        if edits.problems:
            more = {"more": len(edits.problems) - 1} if len(edits.problems) > 1 else {}
            log.error("files are broken: the old ones stay active", problem=edits.problems[0], **more)
            return True
        if before:
            log.info("files are right again and taken up" if edits.news else "files are right again: those in use")
        elif edits.news:
            log.info("files taken up")
        for line in edits.held:
            log.warning("not live", file=line)
        self._reconcile()
        return True

    def _reconcile(self) -> None:
        """Make the children those that are wanted; a file that cannot be read changes nothing."""
        try:
            wanted = list(self._wanted())
        except Exception as exc:  # noqa: BLE001 - an edit in progress must not end what runs
            if not self._children:
                self._failed = str(exc)
            return
        for kind in wanted:
            if kind not in self._children:
                used = {child.slot for child in self._children.values()}
                slot = next((number for number in range(MOST) if number not in used), None)
                if slot is None:
                    log.error("too many processes", kind=kind, most=MOST)
                    continue
                self._children[kind] = _Child(kind, slot)
        for child in self._children.values():
            if child.kind not in wanted and not child.leaving:
                child.leaving = True
                if child.process is not None:
                    child.process.terminate()

    def _tend(self, child: _Child, now: float) -> bool:
        """One look at one child; True when something happened that is worth telling."""
        if child.process is None:
            if child.leaving:
                del self._children[child.kind]
                return True
            if now < child.again_at:
                return False
            self._start(child, now)
            return True
        code = child.process.poll()
        if code is not None:
            self._bury(child, code, now)
            return True
        self._cut_off(child)
        if not child.was_ready and self._slots.seen(child.slot).worker:
            child.was_ready = True
            return True
        return False

    def _start(self, child: _Child, now: float) -> None:
        child.lives += 1
        child.started = now
        try:
            child.process = subprocess.Popen(
                self._command(child.kind, child.slot, self._slots.path, child.before),
                start_new_session=True,  # its own group: killed whole, and Ctrl-C reaches only us
                stdin=subprocess.DEVNULL,
            )
        except OSError as exc:
            self._failed = f"{child.kind} cannot be started: {exc.strerror}"
            return
        log.info("started", process=child.kind, pid=child.process.pid, life=child.lives)

    def _bury(self, child: _Child, code: int, now: float) -> None:
        """It is dead: decide when, and whether, it comes again. Its heir is told whose documents to free."""
        self._kill(child)
        seen = self._slots.seen(child.slot)
        child.before = seen.worker
        child.was_ready |= bool(child.before)  # it may have died before we looked
        how = f"exit code {code}" if code >= 0 else f"signal {-code}"
        late = f"did not end within {seen.until - seen.since:g} s"
        reason = late if child.cut else f"ended the process ({how})"
        self._slots.clear(child.slot, Epitaph(seen.plugin, seen.call, reason) if seen.plugin else None)
        if child.leaving:
            return
        if code == RENEWED:
            child.failures, child.again_at = 0, now
            log.info("renewed", process=child.kind, reason="the files or plugins have changed")
            return
        child.reason = child.cut or (f"{how}, in {seen.plugin}: {seen.call}" if seen.plugin else how)
        child.cut = ""
        child.failures = 1 if now - child.started >= STEADY else child.failures + 1
        longest = LONGEST_LIVED if child.was_ready else LONGEST_WAIT
        child.again_at = now if child.failures == 1 else now + min(longest, 0.5 * 2 ** (child.failures - 2))
        log.warning("died", process=child.kind, reason=child.reason, failures=child.failures)
        if not child.was_ready and (code == REFUSED or child.failures >= ATTEMPTS):
            self._failed = f"{child.kind} cannot start ({child.reason})"

    def _cut_off(self, child: _Child) -> None:
        """Kill the child when its plugin call is past its deadline."""
        seen = self._slots.seen(child.slot)
        if child.process is None or not seen.until:
            return
        if (seconds := self._awake.since(seen.since)) < seen.until - seen.since:
            return
        child.cut = f"{seen.plugin}: {seen.call} did not end within {seen.until - seen.since:g} s"
        self._kills.append(
            {
                "process": child.kind,
                "plugin": seen.plugin,
                "call": seen.call,
                "seconds": round(seconds, 1),
                "at": _now(),
            }
        )
        del self._kills[:-100]
        log.error("plugin call cut off", process=child.kind, plugin=seen.plugin, call=seen.call, seconds=seconds)
        _signal_group(child.process, signal.SIGKILL)
        child.process.wait()

    def _end(self) -> None:
        """Ask all to finish, wait, and kill what is left."""
        running = [child for child in self._children.values() if child.process is not None]
        log.info("stopping", processes=len(running), seconds=self._drain)
        for child in running:
            if child.process is not None:
                child.process.terminate()
        asked = self._awake.look()
        while self._awake.since(asked) < self._drain and self._stopping < 2:
            alive = [child for child in running if child.process is not None and child.process.poll() is None]
            if not alive:
                break
            for child in alive:
                self._cut_off(child)
            time.sleep(TICK / 2)

    def _kill(self, child: _Child) -> None:
        """End what is left of this life, grandchildren included."""
        if child.process is not None:
            _signal_group(child.process, signal.SIGKILL)
            child.process.wait()
            child.process = None

    def _tell(self) -> None:
        processes = [
            {
                "kind": child.kind,
                "pid": child.process.pid if child.process else None,
                "ready": child.was_ready,
                "lives": child.lives,
                "reason": child.reason,
                "slot": child.slot,
            }
            for child in self._children.values()
        ]
        told = {"supervisor": os.getpid(), "at": _now(), "processes": processes, "cut_off": self._kills}
        told["files"] = self._edits.problems if self._edits is not None else []
        with contextlib.suppress(OSError):  # a full disk must not end the supervisor
            new = self._folder / f"{STATUS}.new"
            new.write_text(json.dumps(told, indent=1), encoding="utf-8")
            new.replace(self._folder / STATUS)


def down(status: Path) -> Iterator[str]:
    """The processes that ought to run and do not, as ``run.json`` of a supervisor that lives tells it."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        told = json.loads(status.read_text(encoding="utf-8"))
        os.kill(told["supervisor"], 0)  # of one that has gone nothing is wanted any more
        for one in told["processes"]:
            why = f": {one['reason']}" if one["reason"] else ""
            if one["pid"] is None:
                yield f"the process {one['kind']} is down and will be started again{why}"
            elif not one["ready"] and one["lives"] > 1:
                yield f"the process {one['kind']} does not come up{why}"
            elif one["kind"] == "web":
                continue  # it goes no rounds, calls plugins only when files are taken up, and answers for itself
            elif silent := _silent_for(status.parent / f"slots.{told['supervisor']}", one["slot"]):
                minutes = int(silent // 60)
                yield f"the process {one['kind']} has done nothing for {minutes} minutes, not even look for work"


def _silent_for(slots: Path, number: int) -> float:
    """Seconds since a process last went round, where that is too long; else 0."""
    with contextlib.closing(Slots(slots)) as opened:
        beat = opened.beat(number)
    silent = time.monotonic() - beat
    return silent if beat and silent > SILENT else 0.0


def _signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
