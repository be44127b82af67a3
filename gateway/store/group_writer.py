"""Many callers, few commits: what is accepted at the same time is stored together, and answered when it is on disk."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import shutil
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from gateway.errors import StorageBusy
from gateway.store import hanging
from gateway.store.arrivals import Appended, Arrival, Entry, entry_of
from gateway.store.database import PlainWriter, copy_log_back, roomy_log
from gateway.store.inbox import Inbox

MOMENT = 0.004
"""Seconds that a commit waits at most for those who were answered by the one before."""
ENOUGH = 32
"""So many arrivals are worth a commit without waiting for more."""
MOST = 512
"""Arrivals of one commit."""
HANDS = 2
"""So many commits may be under way at a time on PostgreSQL: while one waits for the disk, the next is made."""
IDLE = 1.0
"""Seconds after which the writer's connection may have been cut by then."""
LOG = 4 * 1024 * 1024
"""Bytes that SQLite's log may grow by before they are copied back, as far as they can be told."""
PAGES = 4096, 16 * 1024
"""Bytes of the log that an arrival takes beside its body, and a commit beside its arrivals."""
RESERVE = 64 * 1024 * 1024
"""Bytes of free space that are left for working what is in: nothing is taken in below."""


class _Ticket:
    """One caller's arrival, and what became of it once it is told: to a thread that waits, or in a loop."""

    __slots__ = ("answer", "done", "entry", "error", "future")

    def __init__(self, entry: Entry, future: asyncio.Future[Appended] | None = None) -> None:
        self.entry: Entry | None = entry  # None: nobody waits for it any more
        self.answer: Appended | None = None
        self.error: Exception | None = None
        self.future = future
        if future is None:
            self.done = threading.Lock()
            self.done.acquire()


class GroupWriter:
    """Commits what many callers append, together: a commit costs one disk flush, and on PostgreSQL its round
    trips, however many share it.

    ``folder`` is watched for free space: below ``reserve`` bytes nothing more is taken in, so that what is in can
    still be worked.
    """

    def __init__(
        self,
        inbox: Inbox,
        folder: Path | None = None,
        reserve: int = RESERVE,
        waiting: int = 1024,
        patience: float = 2.5,
        hands: int | None = None,
    ) -> None:
        """``hands``: commits that may be under way at a time; by default as many as the database is good for."""
        self._inbox = inbox
        self._folder = folder
        self._reserve = reserve
        self._most = waiting
        self._patience = patience
        self._queue: queue.SimpleQueue[_Ticket | None] = queue.SimpleQueue()
        self._soon: dict[asyncio.AbstractEventLoop, list[_Ticket]] = {}  # of a loop's round, put together at its end
        self._wanted = MOST  # so many in the queue wake the writer before its moment is over
        self._bell = threading.Lock()
        self._bell.acquire()
        self._room = True
        self._room_at = float("-inf")
        self._failed_at = float("-inf")
        self._closed = False
        self._gathering = threading.Lock()  # one at a time
        if hands is None:
            hands = HANDS if inbox.engine.dialect.name == "postgresql" else 1
        self._threads = [
            threading.Thread(target=self._run, name=f"inbox-writer-{number}", daemon=True) for number in range(hands)
        ]
        self._grown = threading.Event()
        self._unseen = 0  # bytes of the log since it was copied back
        if inbox.engine.dialect.name == "sqlite":
            self._threads.append(threading.Thread(target=self._copy_back, name="inbox-log", daemon=True))
        for thread in self._threads:
            thread.start()

    def append(self, arrival: Arrival) -> Appended:
        """Blocks until the arrival is on disk. Raises ``StorageBusy`` when it is not; then it may be sent again."""
        self._admit()
        ticket = _Ticket(entry_of(arrival))
        self._put(ticket)
        if not ticket.done.acquire(timeout=self._patience):
            ticket.entry = None  # whoever waits in vain must not fill our memory
            raise StorageBusy("the disk is too slow")
        if ticket.error is not None:
            raise ticket.error
        assert ticket.answer is not None
        return ticket.answer

    async def soon(self, arrival: Arrival) -> Appended:
        """The same, while the loop goes on."""
        self._admit()
        loop = asyncio.get_running_loop()
        ticket = _Ticket(entry_of(arrival), loop.create_future())
        if (round_ := self._soon.get(loop)) is None:
            round_ = self._soon[loop] = []
            loop.call_soon(self._put_round, loop)
        round_.append(ticket)
        assert ticket.future is not None
        try:
            return await ticket.future
        finally:
            ticket.entry = None

    def _put_round(self, loop: asyncio.AbstractEventLoop) -> None:
        """All that a loop's round brought: to wake the writer for each would cost more than to write it."""
        tickets = self._soon.pop(loop)
        loop.call_later(self._patience, _give_up, tickets)
        self._put(*tickets)

    def _admit(self) -> None:
        if self._closed:
            raise StorageBusy("shutting down")
        if self._queue.qsize() >= self._most:
            raise StorageBusy("too much is waiting to be written")

    @property
    def alive(self) -> bool:
        """Without its thread nothing is taken in any more."""
        return all(thread.is_alive() for thread in self._threads)

    def close(self) -> None:
        """Commit what was taken in, then stop."""
        self._closed = True
        self._wanted = 0
        self._put(None)
        self._grown.set()
        for thread in self._threads:
            thread.join()

    def _put(self, *tickets: _Ticket | None) -> None:
        for ticket in tickets:
            self._queue.put(ticket)
        if self._queue.qsize() >= self._wanted:
            with contextlib.suppress(RuntimeError):  # rung already
                self._bell.release()

    def _run(self) -> None:
        with contextlib.suppress(Exception):  # it is only faster with it; what is wrong, each call is told
            roomy_log(self._inbox.engine)
        expected, hand = 1, _Hand(self._inbox, self._patience)
        while True:
            with self._gathering:
                batch = self._gather(expected)
            self._write([ticket for ticket in batch if ticket is not None], hand)
            if None in batch:
                self._queue.put(None)  # for the other hand
                break
            expected = len(batch) + self._queue.qsize()
        hand.let_go()

    def _gather(self, expected: int) -> list[_Ticket | None]:
        """Everything that waits. Who was just answered soon comes again: for them, a commit waits a moment."""
        batch = [self._queue.get()]
        until = time.monotonic() + MOMENT
        while True:
            with contextlib.suppress(queue.Empty):
                while len(batch) < MOST:
                    batch.append(self._queue.get_nowait())
            missing = min(expected, ENOUGH) - len(batch)
            if None in batch or missing <= 0 or (left := until - time.monotonic()) <= 0:
                self._wanted = MOST
                return batch
            self._wanted = missing
            if self._queue.qsize() < missing:
                self._bell.acquire(timeout=left)

    def _write(self, batch: list[_Ticket], hand: _Hand) -> None:
        taken = [(ticket, entry) for ticket in batch if (entry := ticket.entry) is not None]
        if not taken:
            return
        try:
            if not self._has_room():
                raise StorageBusy("the disk is nearly full", retry_after=60)
            answers = hand.append([entry for _, entry in taken], self._failed_at)
        except Exception as exc:  # noqa: BLE001 - every caller gets an answer, whatever is wrong
            hand.let_go()  # the next batch tries with a new connection
            self._failed_at = time.monotonic()
            if len(taken) > 1 and not isinstance(exc, StorageBusy):
                for ticket, _ in taken:  # one of them cannot be stored: the others can
                    self._write([ticket], hand)
                return
            for ticket, _ in taken:
                ticket.error = exc
        else:
            for (ticket, _), answer in zip(taken, answers, strict=True):
                ticket.answer = answer
        _tell([ticket for ticket, _ in taken])
        self._unseen += PAGES[1] + sum(PAGES[0] + entry.size for _, entry in taken)
        if self._unseen >= LOG:
            self._unseen = 0
            self._grown.set()

    def _copy_back(self) -> None:
        """SQLite itself does it in the commit that finds the log long: all callers of that one would wait."""
        while self._grown.wait() and not self._closed:
            self._grown.clear()
            with contextlib.suppress(Exception):  # the next time, or whoever else writes
                copy_log_back(self._inbox.engine)

    def _has_room(self) -> bool:
        now = time.monotonic()
        if self._folder is not None and now - self._room_at > 1.0:
            self._room_at = now
            self._room = shutil.disk_usage(self._folder).free >= self._reserve
        return self._room


def _tell(tickets: Sequence[_Ticket]) -> None:
    """All of one loop at once: to wake it costs more than what it then does."""
    loops: dict[asyncio.AbstractEventLoop, list[_Ticket]] = {}
    for ticket in tickets:
        if ticket.future is None:
            ticket.done.release()
        else:
            loops.setdefault(ticket.future.get_loop(), []).append(ticket)
    for loop, some in loops.items():
        with contextlib.suppress(RuntimeError):  # closed: nobody waits there any more
            loop.call_soon_threadsafe(_tell_here, some)


def _give_up(tickets: Sequence[_Ticket]) -> None:
    for ticket in tickets:
        if ticket.future is not None and not ticket.future.done():
            ticket.entry = None
            ticket.future.set_exception(StorageBusy("the disk is too slow"))


def _tell_here(tickets: Sequence[_Ticket]) -> None:
    for ticket in tickets:
        assert ticket.future is not None
        if ticket.future.done():  # given up
            continue
        if ticket.error is not None:
            ticket.future.set_exception(ticket.error)
        elif ticket.answer is not None:
            ticket.future.set_result(ticket.answer)


class _Hand:
    """One thread's connection for commit after commit."""

    def __init__(self, inbox: Inbox, patience: float) -> None:
        self._inbox = inbox
        self._patience = patience
        self._writer: PlainWriter | None = None
        self._written_at = time.monotonic()

    def append(self, entries: Sequence[Entry], failed_at: float) -> list[Appended]:
        """:param failed_at: when any hand failed last: what cut its connection may have cut this one, too."""
        if time.monotonic() - self._written_at > IDLE or self._written_at < failed_at:
            self.let_go()  # the pool asks whether a connection is alive still
        with hanging.within(self._patience), self._inbox.storage():
            if self._writer is None:
                self._writer = PlainWriter(self._inbox.engine, log=False)
            answers = self._inbox.append_entries(entries, self._writer)
        self._written_at = time.monotonic()
        return answers

    def let_go(self) -> None:
        if self._writer is not None:
            with contextlib.suppress(Exception):  # it may be what is broken
                self._writer.close()
            self._writer = None
