"""What each worker is doing right now, where the supervisor can see it without asking: one small slot per process.

A worker writes (plugin, call, since, until) into shared memory before each plugin call and clears it after; the
supervisor reads, and kills whom it finds past ``until``. Times are seconds of the machine's monotonic clock.
"""

from __future__ import annotations

import contextlib
import mmap
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PLUGIN_CALL = 10.0
"""Seconds a plugin call may take before its worker is killed."""
DELIVER_CALL = 30.0
"""The same for one that waits for another system (``TALKS``), or for the disk (``LOADS``)."""
TALKS = ("deliver", "find", "held", "pull", "fetch", "describe")
"""What a call's name begins with that goes out to another system."""
LOADS = ("import", "build")
"""The same for one that brings a plugin in: a machine that has just started is slow."""
OWN_CALL = 60.0
"""The same for what the gateway computes itself between loading and committing, calls of plugins in it aside."""

_RECORD = struct.Struct("<Qdd64s64s96s")  # version, since, until, plugin, call, worker
_VERSION, _TIMES, _CALL = (struct.Struct(form).pack_into for form in ("<Q", "<Qdd", "<Qdd64s64s"))
_WORKER = struct.Struct("96s").pack_into
_BEAT = struct.Struct("<d")  # when it last did anything
_EPITAPH = struct.Struct("<64s96s96s")  # plugin, call, reason
_PULSE = _RECORD.size
_GRAVE = 256
SIZE = 512


def allowed(call: str) -> float:
    """Seconds that a plugin has for a call, by the call's name."""
    return DELIVER_CALL if call.startswith((*TALKS, *LOADS)) else PLUGIN_CALL


@dataclass(frozen=True, slots=True)
class Epitaph:
    """In whose call the process before in this slot ended, and how."""

    plugin: str
    call: str
    reason: str


@dataclass(frozen=True, slots=True)
class Seen:
    """One slot as the supervisor reads it. ``worker`` is empty until the process is ready."""

    worker: str
    plugin: str = ""
    call: str = ""
    since: float = 0.0
    until: float = 0.0


class Slot:
    """The writing side, in the worker: ``with slot.calling("hubspot", "read"): …``. One thread writes."""

    def __init__(self, memory: mmap.mmap, number: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._memory = memory
        self._at = number * SIZE
        self._clock = clock
        self._version = 0
        self._now = ("", "", 0.0, 0.0)

    @property
    def busy(self) -> bool:
        """Whether a call is under way."""
        return self._now[3] > 0

    def ready(self, worker: str) -> None:
        """The process is up; ``worker`` is the name its leases carry."""
        _WORKER(self._memory, self._at + _RECORD.size - 96, _cut(worker, 96))

    def beat(self) -> None:
        """It goes round: each of its calls says so, too."""
        _BEAT.pack_into(self._memory, self._at + _PULSE, self._clock())

    def epitaph(self) -> Epitaph | None:
        """That of the process before, once; None when it ended in no plugin's call."""
        at = self._at + _GRAVE
        plugin, call, reason = map(_text, _EPITAPH.unpack_from(self._memory, at))
        self._memory[at : at + _EPITAPH.size] = bytes(_EPITAPH.size)
        return Epitaph(plugin, call, reason) if plugin else None

    def calling(self, plugin: str, call: str, deadline: float = PLUGIN_CALL) -> contextlib.AbstractContextManager[None]:
        """Around one plugin call that may take ``deadline`` seconds. May be nested: the inner one counts meanwhile."""
        return _Calling(self, plugin, call, deadline)

    def _write(self, plugin: str, call: str, since: float, until: float) -> None:
        self._now = (plugin, call, since, until)
        # An odd version says that the rest is being written: the supervisor looks again.
        self._version += 1
        _VERSION(self._memory, self._at, self._version)
        if until:
            _CALL(self._memory, self._at, self._version, since, until, _cut(plugin, 64), _cut(call, 64))
            _BEAT.pack_into(self._memory, self._at + _PULSE, since)
        else:  # texts without a deadline say nothing
            _TIMES(self._memory, self._at, self._version, 0.0, 0.0)
        self._version += 1
        _VERSION(self._memory, self._at, self._version)


class _Calling:
    """Every call of a plugin enters one: written out, since a generator would take as long as all the rest."""

    __slots__ = ("_before", "_call", "_deadline", "_plugin", "_slot")

    def __init__(self, slot: Slot, plugin: str, call: str, deadline: float) -> None:
        self._slot = slot
        self._plugin = plugin
        self._call = call
        self._deadline = deadline

    def __enter__(self) -> None:
        slot = self._slot
        self._before = slot._now
        since = slot._clock()
        slot._write(self._plugin, self._call, since, since + self._deadline)

    def __exit__(self, *exc: object) -> None:
        self._slot._write(*self._before)


class Slots:
    """The file of all slots: made and read by the supervisor, opened by each worker for its own slot."""

    def __init__(self, path: Path | None, count: int | None = None) -> None:
        """``count``: make the file anew with so many slots. None: open it. Without a path only who is forked shares
        them."""
        if path is None:
            self._memory = mmap.mmap(-1, (count or 1) * SIZE)
        else:
            if count is not None:
                path.write_bytes(bytes(count * SIZE))
            with path.open("r+b") as file:
                self._memory = mmap.mmap(file.fileno(), 0)
        self.path = path or Path()
        self.count = len(self._memory) // SIZE

    def slot(self, number: int, clock: Callable[[], float] = time.monotonic) -> Slot:
        self._check(number)
        return Slot(self._memory, number, clock)

    def seen(self, number: int) -> Seen:
        """What the process of this slot is doing; consistent even while it writes."""
        self._check(number)
        for _ in range(1000):
            version, since, until, plugin, call, worker = _RECORD.unpack_from(self._memory, number * SIZE)
            if version % 2 == 0 and struct.unpack_from("<Q", self._memory, number * SIZE)[0] == version:
                break
        # A version that stays odd: it died or hangs inside the write itself, and its last words are what we have.
        if not until:
            return Seen(_text(worker))
        return Seen(_text(worker), _text(plugin), _text(call), since, until)

    def beat(self, number: int) -> float:
        """When the process of this slot last did anything; 0 while it has not."""
        self._check(number)
        return float(_BEAT.unpack_from(self._memory, number * SIZE + _PULSE)[0])

    def clear(self, number: int, epitaph: Epitaph | None = None) -> None:
        """The process of this slot is gone; the next one reads its ``epitaph``."""
        self._check(number)
        self._memory[number * SIZE : (number + 1) * SIZE] = bytes(SIZE)
        if epitaph is not None:
            texts = (_cut(epitaph.plugin, 64), _cut(epitaph.call, 96), _cut(epitaph.reason, 96))
            _EPITAPH.pack_into(self._memory, number * SIZE + _GRAVE, *texts)

    def close(self) -> None:
        self._memory.close()

    def _check(self, number: int) -> None:
        if not 0 <= number < self.count:
            raise ValueError(f"no slot {number}; there are {self.count}")


_here: Slot | None = None


def enter(slot: Slot | None) -> None:
    """This process writes into ``slot`` from now on (None: into none)."""
    global _here
    _here = slot


def beat() -> None:
    """This process goes round once more."""
    if _here is not None:
        _here.beat()


def calling(plugin: str, call: str, deadline: float = PLUGIN_CALL) -> contextlib.AbstractContextManager[None]:
    """Around every plugin call, in whatever process: the process's slot knows, if it has one."""
    return contextlib.nullcontext() if _here is None else _here.calling(plugin, call, deadline)


def _cut(text: str, size: int) -> bytes:
    return text.encode("utf-8", "replace")[:size]


def _text(raw: bytes) -> str:
    return raw.rstrip(b"\0").decode("utf-8", "replace")
