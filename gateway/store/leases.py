"""Leases on what one process of all machines does at a time: to pull a system, to sweep the clocks.

A lease has a token, which grows whenever it changes hands: who was taken over is refused at its next commit. Leases on
documents and writes are on their own rows: see ``inbox`` and ``outbox``.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlalchemy import Connection, Engine, and_, select, update

from gateway.errors import StaleCommit
from gateway.store import tables as t
from gateway.store.database import read, write
from gateway.store.put import Put

SILENCE = 35.0
"""Seconds of the taker's monotonic clock without a beat after which a holder counts as dead: a call may take 30."""
_c = t.leases.c


class Lease:
    """The lease ``name``, for ``holder``: a word that no other life of any process uses. ``clock`` is monotonic."""

    def __init__(self, engine: Engine, name: str, holder: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine, self._name, self._holder, self._clock = engine, name, holder, clock
        self._token = 0
        self._seen = (-1, -1, 0.0)  # token and beat of another holder, and since when we see that beat

    def take(self) -> bool:
        """Make it ours: when it is free, ours already, or its holder is silent. False: somebody else has it."""
        with read(self._engine) as connection:
            row = connection.execute(select(t.leases).where(_c.name == self._name)).first()
        if row is not None and row.holder not in ("", self._holder) and not self._silent(row.token, row.beat):
            return False
        with write(self._engine, lock=None) as connection:
            Put(connection).insert(t.leases, [{"name": self._name}], ignore=True)
            same = (0, 0) if row is None else (row.token, row.beat)
            mine = and_(_c.name == self._name, _c.token == same[0], _c.beat == same[1])
            won = update(t.leases).where(mine).values(holder=self._holder, token=_c.token + 1, beat=_c.beat + 1)
            if connection.execute(won).rowcount != 1:
                return False
        self._token = same[0] + 1
        return True

    def hold(self, connection: Connection) -> None:
        """Beat, and fence this transaction. Raises ``StaleCommit`` when the lease has changed hands."""
        beat = update(t.leases).where(_c.name == self._name, _c.token == self._token, _c.holder == self._holder)
        if connection.execute(beat.values(beat=_c.beat + 1)).rowcount != 1:
            raise StaleCommit(f"another process took over: {self._name}")

    def release(self) -> None:
        """Free it, if it is still ours."""
        with write(self._engine, lock=None) as connection:
            mine = and_(_c.name == self._name, _c.token == self._token, _c.holder == self._holder)
            connection.execute(update(t.leases).where(mine).values(holder=""))

    def _silent(self, token: int, beat: int) -> bool:
        now = self._clock()
        if self._seen[:2] != (token, beat):
            self._seen = (token, beat, now)
        return now - self._seen[2] >= SILENCE
