"""The way in that we begin ourselves: fetch what was only named, and pull what is new, stream after stream.

In: lookups that ``read`` asked for, and cursors. Out: documents in the inbox. A page is stored before its cursor and
before a lookup is settled: a crash in between brings the same page again, which is a duplicate. A system's past is read
only when somebody asks for it, beside the news and with cursors of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import orjson
from sqlalchemy import Connection, Engine

from gateway.contracts import Lookup, Origin, Page, Source
from gateway.errors import AccessRefused, Stopped, TryLater
from gateway.jobs import Job
from gateway.model import Guard
from gateway.store import bells, due, lookups, switches, work
from gateway.store.database import read, write
from gateway.store.inbox import Inbox
from gateway.store.leases import Lease
from gateway.store.times import new_id
from gateway.times import from_micros, to_micros

LOOKUPS = 500
"""Lookups of one ``fetch``; the source cuts them into calls."""
FIRST_WAIT = timedelta(seconds=10)
LONGEST_WAIT = timedelta(hours=1)
SKEW = timedelta(minutes=5)
"""How much a system's clock may differ from ours."""
HISTORY, FIELDS, BEGAN = "history of ", "fields ", "beginning of "
"""What the cursors of these readings are called, before their stream or fields."""
PULLED = "pulled "
"""What it is called, before the stream, when a machine of several pulled it last, or one that was restored."""
WHOLE = {"whole": True}
"""The cursor of a past that was read to its end."""
TRIES = 30
"""So often is a record looked up in vain, over about a day, before a person is asked."""


class Pulling:
    """One system's source, as far as it is asked. ``now`` is business time: due times and cursors' stamps."""

    def __init__(
        self,
        engine: Engine,
        inbox: Inbox,
        system: str,
        plugin: str,
        source: Source,
        now: Callable[[], datetime],
        guard: Guard,
        log: Any,
    ) -> None:
        self.engine = engine
        self.inbox = inbox
        self.system = system
        self.plugin = plugin
        self.source = source
        self.now = now
        self.guard = guard
        self.log = log
        self._failures: dict[str, int] = {}
        self._again: dict[str, tuple[datetime, datetime]] = {}
        """Stream → when that was decided, and until when it rests."""
        self._lease = Lease(engine, f"pull {system}", new_id())
        self._leased = False

    def look_up(self) -> int:
        """Fetch what is due of the records that were only named. Returns how many were settled."""
        with read(self.engine) as connection:
            if due.silent(connection, self.system):
                return 0
            rows = lookups.due(connection, self.system, to_micros(self.now()), LOOKUPS)
        if not rows:
            return 0
        with self._alone() as alone:
            if not alone:
                return 0
            try:
                wanted = [lookups.lookup_of(row) for row in rows]
                for page in self._guarded("fetch", lambda: self.source.fetch(wanted)):
                    self.inbox.append_page(self.system, "lookup", page, self.now(), origin="lookup")
            except _Failed as failed:
                self._put_off(rows, failed.cause)
                return 0
            with self._writing() as connection:
                lookups.done(connection, rows)
        return len(rows)

    def pull(self, every: timedelta) -> int:
        """Pull each stream whose last pull began ``every`` ago or earlier. Returns how many pages came."""
        pages = 0
        try:
            streams = list(self._guarded("streams", self.source.streams))
        except _Failed as failed:
            self.log.error("no streams", system=self.system, error=type(failed.cause).__name__)
            return 0
        for stream in streams:
            at = self.now()
            since, again = self._again.get(stream, (at, at))
            if since <= at < again:  # a clock that has gone back since keeps nobody waiting
                continue
            with read(self.engine) as connection:
                if due.silent(connection, self.system):
                    return pages
            with self._alone() as alone:
                if not alone:
                    return pages
                if bells.hung(self.engine) and (pulled := self._pulled(stream)) <= at < pulled + every:
                    self._again[stream] = pulled, pulled + every  # another machine did
                    continue
                try:
                    about, records = f"{self.system} {stream}", 0
                    with suppress(Stopped), Job(self.engine, "pull", about, "the gateway") as job:
                        for page in self._pages(stream, self.begin(stream), False, "pull"):
                            pages, records = pages + 1, records + page.records
                            job.tell(records)
                    self._failures.pop(stream, None)
                    self._again[stream] = at, at + every
                    if bells.hung(self.engine):
                        self._save(PULLED + stream, {"at": at.isoformat()})
                except _Failed as failed:
                    self._again[stream] = at, at + self._wait(stream, failed.cause)
        return pages

    def _pulled(self, stream: str) -> datetime:
        """When it was pulled last, where that is kept."""
        with read(self.engine) as connection:
            cursor = due.cursor(connection, self.system, PULLED + stream)
        return datetime.fromisoformat(cursor["at"]) if cursor is not None else _NEVER

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        """Whether this process asks the system for what is due: one of all machines does, and each page is its beat."""
        self._leased = self._lease.take()
        try:
            yield self._leased
        finally:
            if self._leased:
                self._leased = False
                self._lease.release()

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """Refused with ``StaleCommit`` when another process took over the pulling meanwhile."""
        with write(self.engine) as connection:
            if self._leased:
                self._lease.hold(connection)
            yield connection

    def bring_in(
        self, stream: str, since: datetime | None = None, history: bool = False, origin: Origin = "pull"
    ) -> Iterator[Page]:
        """Pull one stream (or file), from ``since`` or where it stands, each page given out once it is stored.

        What the source raises comes through as it is.
        """
        try:
            yield from self._pages(stream, since, history, origin)
        except _Failed as failed:
            raise failed.cause from None

    def begin(self, stream: str) -> datetime | None:
        """Where a first pull begins, until the stream has a cursor: when this system was connected, and for a stream
        that came later, when it came. What was there before is history, not news.
        """
        with read(self.engine) as connection:
            if due.cursor(connection, self.system, stream) is not None:
                return None
            began = due.cursor(connection, self.system, BEGAN + stream)
            streams = due.streams(connection, self.system)
            known = [name for name in streams if not name.startswith((HISTORY, FIELDS, PULLED))]
            connected = due.connected_at(connection, self.system)
        if began is None:
            if connected is None:
                return None
            at = self.now() if known else min(from_micros(connected), self.now())
            began = {"at": at.isoformat()}
            for name in (stream,) if known else {stream, *self._guarded("streams", self.source.streams)}:
                self._save(BEGAN + name, began)
        return datetime.fromisoformat(began["at"]) - SKEW

    def history(self, stream: str, since: datetime | None = None) -> Iterator[Page]:
        """Read one stream's past, from where an earlier reading of it broke off; nothing where that came to its end.

        What the source raises comes through as it is.
        """
        mark = HISTORY + stream
        with read(self.engine) as connection:
            cursor = due.cursor(connection, self.system, mark)
        if cursor == WHOLE:
            return
        pages = self._guarded(f"pull history of {stream}", lambda: self.source.history(stream, cursor, since))
        try:
            for page in pages:
                self.inbox.append_page(self.system, stream, page, self.now(), history=True)
                if page.cursor is not None:
                    self._save(mark, page.cursor)
                    cursor = page.cursor
                yield page
        except _Failed as failed:
            raise failed.cause from None
        with read(self.engine) as connection:
            news = due.cursor(connection, self.system, stream)
        if news is None and cursor is not None:
            self._save(stream, cursor)
        self._save(mark, WHOLE)

    def again(self, fields: Mapping[str, Sequence[str]]) -> Iterator[tuple[int, Page]]:
        """Read known records again: object → the fields to ask for, none = all. Gives each page with how many records
        are done; goes on where an earlier reading of the same fields broke off. It makes nobody's lead news.
        """
        mark = f"{FIELDS}{orjson.dumps(dict(fields), option=orjson.OPT_SORT_KEYS).decode()}"
        with read(self.engine) as connection:
            place = due.cursor(connection, self.system, mark) or {"object": "", "after": "", "done": 0}
        done = place["done"]
        try:
            for object_ in sorted(fields):
                after = place["after"] if object_ == place["object"] else ""
                while object_ >= place["object"]:
                    with read(self.engine) as connection:
                        records = lookups.known(connection, self.system, object_, after, LOOKUPS)
                    if not records:
                        break
                    names = tuple(fields[object_])
                    wanted = [Lookup(system=self.system, object=object_, record=one, fields=names) for one in records]
                    done, after = done + len(records), records[-1]
                    for page in self._guarded(f"fetch {object_} again", partial(self.source.fetch, wanted)):
                        self.inbox.append_page(self.system, "lookup", page, self.now(), origin="lookup", history=True)
                        yield done, page
                    self._save(mark, {"object": object_, "after": after, "done": done})
        except _Failed as failed:
            raise failed.cause from None
        self._forget([mark])

    def under_way(self, stream: str) -> bool:
        """Whether an earlier reading of this stream's past was broken off."""
        with read(self.engine) as connection:
            return due.cursor(connection, self.system, HISTORY + stream) not in (None, WHOLE)

    def read_whole(self, stream: str) -> bool:
        """Whether the reading of the past that is under way has come to the end of this stream."""
        with read(self.engine) as connection:
            return due.cursor(connection, self.system, HISTORY + stream) == WHOLE

    def forget_history(self, streams: Sequence[str]) -> None:
        """All of the past is read: the next reading begins anew."""
        self._forget([HISTORY + stream for stream in streams])

    def _forget(self, marks: Sequence[str]) -> None:
        with write(self.engine) as connection:
            due.forget_cursors(connection, self.system, marks)

    def _save(self, stream: str, cursor: Mapping[str, Any]) -> None:
        with self._writing() as connection:
            due.save_cursor(connection, self.system, stream, cursor, to_micros(self.now()))

    def _pages(self, stream: str, since: datetime | None, history: bool, origin: Origin) -> Iterator[Page]:
        with read(self.engine) as connection:
            cursor = due.cursor(connection, self.system, stream) if since is None else None
            restored = origin == "pull" and due.restored(connection, self.system) is not None
        for page in self._guarded(f"pull {stream}", lambda: self.source.pull(stream, cursor, since)):
            self.inbox.append_page(self.system, stream, page, self.now(), origin=origin, history=history)
            if page.cursor is not None:
                self._save(stream, page.cursor)
            yield page
        if restored:
            self._save(PULLED + stream, {"at": self.now().isoformat()})

    def unheard(self, since: datetime) -> list[str]:
        """The streams that were not pulled to their end since then, while nothing was sent after a restore."""
        try:
            return [stream for stream in self._guarded("streams", self.source.streams) if self._pulled(stream) < since]
        except _Failed as failed:
            raise failed.cause from None

    def _guarded(self, call: str, start: Callable[[], Iterable[Any]]) -> Iterator[Any]:
        """What the source gives, one by one, the clock watched at each."""
        given: Iterator[Any] | None = None
        while True:
            try:
                with self.guard(self.plugin, call):
                    given = iter(start()) if given is None else given
                    item = next(given, _END)
            except (Exception, SystemExit) as exc:
                raise _Failed(exc) from exc
            if item is _END:
                return
            yield item

    # -- what went wrong ----------------------------------------------------------------------------------------------

    def _put_off(self, rows: Sequence[Any], exc: BaseException) -> None:
        wait = self._wait("lookup", exc)
        spends = not isinstance(exc, TryLater | AccessRefused)
        at = self.now()
        given_up = [row for row in rows if spends and row.attempts + 1 >= TRIES]
        with self._writing() as connection:
            lookups.later(connection, rows, to_micros(at + wait), spends)
            if given_up:
                lookups.done(connection, given_up)
            work.found(connection, [self._item(row, exc, to_micros(at)) for row in given_up])

    def _item(self, row: Any, exc: BaseException, now: int) -> Mapping[str, Any]:
        return {
            "id": new_id(),
            "key": f"lookup:{row.system}:{row.object}:{row.record}",
            "kind": "record not fetched",
            "system": row.system,
            "object": row.object,
            "record": row.record,
            "lead": None,
            "detail": {"error": type(exc).__name__, "tries": row.attempts + 1},
            "opened_at": now,
        }

    def _wait(self, what: str, exc: BaseException) -> timedelta:
        """How long ``what`` rests after ``exc``: as long as the system says, else ever longer."""
        if isinstance(exc, TryLater):
            self.log.info("put off", system=self.system, what=what, seconds=round(exc.seconds))
            return timedelta(seconds=max(1.0, exc.seconds))
        if isinstance(exc, AccessRefused):
            self.log.error("access refused", system=self.system, what=what)
            with write(self.engine) as connection:
                switches.pause(connection, self.system, exc.reason, to_micros(self.now()))
            return FIRST_WAIT
        failures = self._failures[what] = self._failures.get(what, 0) + 1
        self.log.error("not fetched", system=self.system, what=what, error=type(exc).__name__, failures=failures)
        return min(LONGEST_WAIT, FIRST_WAIT * float(2 ** min(failures - 1, 12)))


class _Failed(Exception):
    """The source failed, not the store."""

    def __init__(self, cause: BaseException) -> None:
        self.cause = cause
        super().__init__(type(cause).__name__)


_END: Any = object()
_NEVER = datetime.min.replace(tzinfo=UTC)
