"""Work that takes long goes on beside the pages: what it gave last is shown meanwhile, with the time of it."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from gateway.errors import GatewayError, Refused, TryLater
from gateway.logs import where

FRESH = 60.0
"""Seconds for which an answer is not worked out again."""
WAIT = 0.05
"""Seconds that a page waits for what may be quick: it is there within a tenth of a second, whatever it shows."""
LASTS = 20
"""So many times what a count took it is not counted again."""
SOON, LATER = 0.3, 2.0
"""Seconds after which a page looks again for what is worked out, while that has just begun, and after it has not."""
MOST = 50
"""So many answers are kept, those that were last looked at."""
PATIENCE = 10.0
"""Seconds that a program waits for what was never worked out yet."""
AT_ONCE = 2
BROKEN = "Something went wrong; it is noted in the log."
log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Kept:
    """``value``: what came of it last; None: nothing yet. ``problem``: why nothing came of the last attempt.

    ``begun``, ``ended`` and ``took``: seconds, of the monotonic clock.
    """

    value: Any = None
    problem: str = ""
    begun: float = 0.0
    ended: float = float("-inf")
    took: float = 0.0
    running: threading.Event | None = None

    def answer(self) -> Any:
        """What came of it last, for who cannot look again. Raises ``Refused``, and ``TryLater`` where nothing did."""
        if self.value is None:
            raise Refused(self.problem) if self.problem else TryLater(LATER, "it is still being counted")
        return self.value

    @property
    def again(self) -> float:
        """Seconds after which it may be there."""
        return SOON if time.monotonic() - self.begun < LATER else LATER


@dataclass(slots=True)
class Beside:
    """Each thing is worked out once at a time, a few things at once."""

    _kept: OrderedDict[Hashable, Kept] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _places: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(AT_ONCE))

    def ask(self, key: Hashable, work: Callable[[], Any], patience: float = 0.0, fresh: float | None = None) -> Kept:
        """What ``work`` gives: at once where it is quick or known, else as it was last, and it is begun anew.

        :param patience: seconds that who asks waits for a first answer. :param fresh: other than ``FRESH``.
        """
        with self._lock:
            one = self._kept.setdefault(key, Kept())
            self._kept.move_to_end(key)
            if one.running is None and time.monotonic() - one.ended > (FRESH if fresh is None else fresh):
                self._begin(one, work)
            running = one.running
            self._make_room()
        if running is not None and one.took < WAIT:
            running.wait(WAIT)
        if running is not None and one.value is None:
            running.wait(patience)
        return self._as_it_is(one)

    def _as_it_is(self, one: Kept) -> Kept:
        """A page looks at it more than once: it does not change meanwhile."""
        with self._lock:
            return replace(one)

    def count(self, key: Hashable, work: Callable[[], Any], patience: float = 0.0) -> Kept:
        """As ``ask``, of what changes all the time: as it is now where that is quick, else of a moment ago."""
        known = self.look(key)
        took = known.took if known is not None else 0.0
        return self.ask(key, work, patience, fresh=0.0 if took < WAIT else min(LASTS * took, FRESH))

    def look(self, key: Hashable) -> Kept | None:
        """What came of it, where it was ever begun; nothing is begun."""
        with self._lock:
            one = self._kept.get(key)
            return replace(one) if one is not None else None

    def again(self, key: Hashable, work: Callable[[], Any]) -> Kept:
        """Begin anew, however fresh the answer is that there is."""
        with self._lock:
            if (one := self._kept.get(key)) is not None:
                one.ended = float("-inf")
        return self.ask(key, work)

    def _begin(self, one: Kept, work: Callable[[], Any]) -> None:
        one.running, one.begun = threading.Event(), time.monotonic()
        threading.Thread(target=self._work, args=(one, work, one.running), name="beside", daemon=True).start()

    def _work(self, one: Kept, work: Callable[[], Any], done: threading.Event) -> None:
        with self._places:
            begun, value, problem = time.monotonic(), one.value, ""
            try:
                value = work()
            except GatewayError as exc:
                problem = str(exc)
            except Exception as exc:  # noqa: BLE001 - a thread's error would be seen by nobody
                log.error("work beside the pages failed", error=type(exc).__name__, where=where(exc))
                problem = BROKEN
            with self._lock:
                one.value, one.problem, one.ended, one.running = value, problem, time.monotonic(), None
                one.took = one.ended - begun
            done.set()

    def _make_room(self) -> None:
        for key in [key for key, one in self._kept.items() if one.running is None][: max(len(self._kept) - MOST, 0)]:
            del self._kept[key]
