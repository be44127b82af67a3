"""Whether a system answers at all: one that does not is left alone for a while, then asked with one write.

In: what became of each call. Out: when the next may go. Writes that are held back so spend no try, so that a system
which is away for days costs each of them few. What one worker has learned, all of that system's know; one of them asks.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, Engine

from gateway.contracts import Receipt
from gateway.store import silence
from gateway.store.database import write
from gateway.times import to_micros

STRIKES = 3
"""So many calls in a row must have got no answer, about different writes: one alone may be the fault of its own."""
FIRST, LONGEST = 10.0, 300.0
"""Seconds until the system is asked again, doubled each time, and the most of them."""
SPREAD = 0.2
"""Share by which such a wait may be shorter or longer."""
ASKING = 90.0
"""Seconds that whoever asks has for it: a look-up, and a call. Then it may be dead, and another asks."""
_NONE = frozenset({"retry", "unknown"})


class Answering:
    """One worker's view of what all workers know of one system. Times are those that writes are due by."""

    def __init__(self, engine: Engine, system: str) -> None:
        self._engine = engine
        self._system = system
        self._struck: set[str] = set()
        self._vain, self._again = 0, 0
        self._asking = False

    @property
    def silent(self) -> bool:
        """It did not answer when it was asked last."""
        return self._vain > 0

    def look(self, connection: Connection) -> None:
        """Learn what the others have found."""
        self._vain, self._again = silence.known(connection, self._system)

    def rests(self, now: datetime) -> float:
        """Seconds for which it is left alone; 0 when it may be asked. A clock that went back ends the rest."""
        seconds = (self._again - to_micros(now)) / 1e6
        return seconds if self.silent and 0 < seconds <= LONGEST * (1 + SPREAD) else 0.0

    def ask(self, connection: Connection, now: datetime) -> None:
        """The one write of a silent system is ours, in the transaction that claims it: the others leave it alone."""
        self._asking = True
        silence.note(connection, self._system, self._vain, to_micros(now) + int(ASKING * 1e6))

    def asked(self) -> None:
        """The run is over. Where it came to no call, the next may ask at once."""
        if self._asking:
            self._asking = False
            with write(self._engine, lock=None) as connection:
                if silence.known(connection, self._system)[0]:  # nobody has resumed it meanwhile
                    silence.note(connection, self._system, self._vain, self._again)

    def heard(self, receipts: Collection[Receipt], now: datetime) -> bool:
        """What came of one call. Whether that changed anything: it is silent now, or answers again."""
        before = self.silent
        if any(one.result not in _NONE for one in receipts):
            self._struck.clear()
            if before:
                with write(self._engine, lock=None) as connection:
                    self._note(connection, 0, 0)
            return before
        self._struck.add(min(one.key for one in receipts))
        if not before and len(self._struck) < STRIKES:
            return False
        with write(self._engine, lock=None) as connection:
            self.look(connection)
            if self.silent and not self._asking:
                return False  # another has found it out while we waited; one failure more says nothing new
            seconds = min(LONGEST, FIRST * 2 ** min(self._vain, 16))
            wait = seconds * (1 - SPREAD + 2 * SPREAD * random.random())
            self._note(connection, self._vain + 1, to_micros(now) + int(wait * 1e6))
        return not before

    def _note(self, connection: Connection, vain: int, again: int) -> None:
        silence.note(connection, self._system, vain, again)
        self._vain, self._again, self._asking = vain, again, False
