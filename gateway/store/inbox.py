"""The one way in. In: arrivals (a webhook's body, a page of a pull, a slice of a file). Out: documents to read.

A document is on disk before ``append`` returns. Workers ``claim`` waiting documents under a lease, show with ``beat``
that they live, and ``finish`` or ``quarantine`` them; what a dead worker held goes to the next one by itself. A person
may have those in quarantine read again (``requeue``) or give them up (``discard``).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Engine, and_, func, literal, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from gateway.contracts import Document, Origin, Page
from gateway.errors import StorageBusy
from gateway.store import arrivals, bells
from gateway.store.among import among
from gateway.store.arrivals import Appended, Arrival, Entry, entry_of
from gateway.store.database import PlainWriter, read, write
from gateway.store.tables import documents, duplicates
from gateway.store.times import from_micros, to_micros

STATES = ("read", "waiting", "quarantined", "discarded")
"""All that a document can be in."""
SILENCE = 30.0
"""Seconds of the taker's monotonic clock without a beat after which a worker counts as dead."""
DEATHS = 3
"""So often may a worker die over one document alone before the document is quarantined."""
PAGE_BYTES = 1024 * 1024
FORGOTTEN, KEPT = "forgotten", "kept for its time"
"""Why a document has no body any more: it named somebody who is forgotten, or is older than bodies are kept."""
EMPTIED = {
    FORGOTTEN: "its body is emptied: it named somebody who is forgotten",
    KEPT: "its body is emptied: keep_bodies is over",
}
"""The same as people are told it."""
POISON = f"poison: the worker died {DEATHS} times over this document alone"

SHORT = 5
"""Characters of a text that is looked for in bodies: a shorter one stands in many."""
NEWEST = 1000
"""Documents that are looked at for who was heard of last."""

_DEATHS = "deaths"  # a worker that two see die dies once
_LOOK = 1.0  # seconds between two looks for dead workers
_d = documents.c
_T = TypeVar("_T")


class Inbox:
    """Documents of one database. ``clock`` is monotonic seconds; every process has its own ``Inbox``."""

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.monotonic) -> None:
        self.engine = engine
        self._rings = bells.hung(engine)
        self._clock = clock
        self._beats: dict[str, int] = {}  # by worker of this process
        self._seen: dict[str, tuple[int, float]] = {}  # lease → its last beat, and since when we see that one
        self._looked = float("-inf")

    # -- in -----------------------------------------------------------------------------------------------------------

    def append(self, arrivals: Sequence[Arrival], writer: PlainWriter | None = None) -> list[Appended]:
        """Store all arrivals in one transaction; they are on disk when this returns. Answers in the order given.

        ``writer``: the connection to use, for who appends again and again.

        The same key with the same body, within its memory, is a duplicate: counted, not stored. The same key with
        another body is stored and flagged. Raises ``StorageBusy`` when nothing was stored.
        """
        return self.append_entries([entry_of(arrival) for arrival in arrivals], writer)

    def append_entries(self, entries: Sequence[Entry], writer: PlainWriter | None) -> list[Appended]:
        """The same, of what ``GroupWriter``'s callers have made of their arrivals."""
        with self.storage(), self._turn(writer) as cursor:
            answers, new = arrivals.put(cursor, self.engine.dialect.name == "sqlite", entries)
            if new and self._rings:
                cursor.execute(bells.RING, ([bells.PIPELINE],))
        return answers

    def append_page(
        self,
        system: str,
        stream: str,
        page: Page,
        received_at: datetime,
        origin: Origin = "pull",
        history: bool = False,
    ) -> Appended | None:
        """Store one page of a pull, a file or a lookup; None for an empty page.

        Commit the page's cursor after this: a crash in between brings the same page again, which is a duplicate.
        Raises ``ValueError`` for a page over 1 MiB.
        """
        if not page.document:
            return None
        if len(page.document) > PAGE_BYTES:
            raise ValueError(f"a page of {len(page.document)} bytes; at most {PAGE_BYTES} are allowed")
        arrival = Arrival(
            system=system,
            body=page.document,
            received_at=received_at,
            content_type=page.content_type,
            headers=page.headers,
            key=page.key,
            origin=origin,
            stream=stream,
            history=history,
        )
        return self.append([arrival])[0]

    # -- out ----------------------------------------------------------------------------------------------------------

    def claim(
        self,
        worker: str,
        documents: int = 100,
        bytes: int = 1024 * 1024,
        without: Collection[str] = (),
        workers: int = 1,
    ) -> list[Document]:
        """Lease the oldest waiting documents to ``worker``: at most ``documents`` and ``bytes``, but one if any waits.

        Those of the systems ``without`` wait on. Of so many ``workers`` each leaves the others their share where that
        is worth a batch.

        ``worker`` must be unique to one life of one process. A document that a worker died over comes alone.
        Empty when nothing waits; asking costs no write then.
        """
        self._bury_the_silent(worker)
        free = select(_d.id, func.length(_d.body), _d.attempts).where(_d.state == "waiting", _d.lease == "")
        if without:
            free = free.where(_d.system.not_in(without))
        with read(self.engine) as connection:
            # One that a worker died over alone waits for the others: a plugin that dies over all is known by three.
            for which in (free.where(_d.deaths == 0), free):
                oldest = which.order_by(_d.id).limit(documents)
                if connection.execute(oldest.limit(1)).first() is not None:
                    break
            else:
                return []
        with write(self.engine, lock=None) as connection:
            chosen: list[str] = []
            size = 0
            # All of them, though the rest may not be wanted: an unfinished read would keep its view, and the next
            # writer on this connection would be told that the database is locked. Who claims at the same time waits
            # and takes the next ones: rows that it passed over would be most of what there is, or all.
            waiting = connection.execute(oldest.with_for_update()).all()
            enough = min(bytes, max(sum(one[1] for one in waiting) // workers, bytes // workers // 2))
            for document, length, suspect in waiting:
                if chosen and (suspect or size + length > enough):
                    break
                chosen.append(document)
                size += length
                if suspect:
                    break
            beat = self._beats.setdefault(worker, 1)
            connection.execute(update(_documents).where(_d.id.in_(chosen)).values(lease=worker, beat=beat))
            return _load(connection, chosen)

    def beat(self, worker: str) -> bool:
        """Say that ``worker`` lives; at least every 10 s while it holds documents. False: it holds none (any more)."""
        beat = self._beats[worker] = self._beats.get(worker, 1) + 1
        with write(self.engine, lock=None) as connection:
            result = connection.execute(update(_documents).where(_leased(worker)).values(beat=beat))
            return result.rowcount > 0

    def finish(self, ids: Iterable[str]) -> None:
        """These are read: what came of them is committed in the main database already.

        Also right for a document whose lease was lost meanwhile: the main database refuses a second reading.
        """
        self._settle(ids, state="read", reason="")

    def blank(self, ids: Iterable[str], why: str = FORGOTTEN) -> set[str]:
        """Empty the bodies of documents; that they came stays counted. ``why``: ``FORGOTTEN`` or ``KEPT``.

        Those that wait are left, and returned: what they say of others is not read yet, or is to be read again.
        """
        left = set[str]()
        for chunk in _chunks(ids):
            with write(self.engine, lock=None) as connection:
                rows = connection.execute(select(_d.id, _d.state).where(_d.id.in_(chunk)).with_for_update()).all()
                left |= {row.id for row in rows if row.state == "waiting"}
                settled = _d.id.in_([row.id for row in rows if row.state != "waiting"])
                connection.execute(update(_documents).where(settled).values(body=b"", headers={}, reason=why))
        return left

    def unread(self, texts: Iterable[str]) -> list[str]:
        """Quarantined documents that hold one of these texts, in capitals or not; the oldest first."""
        wanted = [one.casefold().encode() for one in texts if len(one) >= SHORT]
        chosen = select(_d.id, _d.body).where(_d.state == "quarantined").order_by(_d.id)
        with read(self.engine) as connection:
            rows = connection.execution_options(yield_per=10).execute(chosen) if wanted else ()
            return [id_ for id_, body in rows if any(one in body.lower() for one in wanted)]

    def kept_long_enough(self, before: datetime, limit: int) -> list[str]:
        """Documents that were read, came before that time, and still have their bodies; the oldest first."""
        old = and_(text("state = 'read' AND reason = ''"), _d.received_at < to_micros(before))  # as the index says it
        with read(self.engine) as connection:
            return list(connection.scalars(select(_d.id).where(old).order_by(_d.received_at).limit(limit)))

    def quarantine(self, id: str, reason: str) -> None:
        """Keep the document for a person to look at. ``reason`` names the place, never a value."""
        self._settle([id], state="quarantined", reason=reason)

    def release(self, worker: str, ids: Sequence[str] | None = None) -> None:
        """Give back ``ids``, or all that ``worker`` holds, as they were: nothing counts against them."""
        with write(self.engine, lock=None) as connection:
            free = update(_documents).where(_leased(worker)).values(lease="")
            for chunk in [None] if ids is None else _chunks(ids):
                connection.execute(free if chunk is None else free.where(_d.id.in_(chunk)))

    def bury(self, worker: str, reason: str = POISON) -> int:
        """``worker`` died, or failed, over what it holds: free it now. Returns how many documents that were.

        Held alone, a document answers for the death, and is quarantined with ``reason`` at the third; of several
        nobody knows which it was, so each is tried alone next.
        """
        with write(self.engine, lock=_DEATHS) as connection:
            held = connection.execute(select(_d.id, _d.deaths).where(_leased(worker))).all()
            values: dict[str, Any] = {"lease": "", "attempts": _d.attempts + 1}
            if len(held) == 1:
                values["deaths"] = held[0].deaths + 1
                if values["deaths"] >= DEATHS:
                    values |= {"state": "quarantined", "reason": reason}
            if held:
                connection.execute(update(_documents).where(_leased(worker)).values(values))
        self._seen.pop(worker, None)
        return len(held)

    def unheld(self) -> bool:
        """Whether a document waits that no worker holds."""
        with read(self.engine) as connection:
            free = select(_d.id).where(_d.state == "waiting", _d.lease == "")
            return connection.execute(free.limit(1)).first() is not None

    # -- to look at, and to replay ------------------------------------------------------------------------------------

    def oldest_waiting(self) -> str | None:
        """The id of the oldest document that is not read yet."""
        with read(self.engine) as connection:
            found: str | None = connection.scalar(select(func.min(_d.id)).where(_d.state == "waiting"))
        return found

    def oldest(self) -> tuple[str, int] | None:
        """(system, received) of the oldest document that is not read yet."""
        with read(self.engine) as connection:
            waiting = select(_d.system, _d.received_at).where(_d.state == "waiting")
            row = connection.execute(waiting.order_by(_d.id).limit(1)).first()
            return (row.system, row.received_at) if row is not None else None

    def heard_since(self, id_: str) -> list[Any]:
        """(system, first, last, newest) of the documents after ``id_`` that came by themselves or were pulled."""
        with read(self.engine) as connection:
            first, last = func.min(_d.received_at).label("first"), func.max(_d.received_at).label("last")
            came = select(_d.system, first, last, func.max(_d.id).label("newest")).where(_d.id > id_)
            by_itself = and_(_d.origin.in_(("webhook", "pull")), ~_d.history)
            return list(connection.execute(came.where(by_itself).group_by(_d.system)))

    def counts(self) -> dict[str, dict[str, int]]:
        """Per system: ``stored``, which is the sum of ``STATES``; and ``duplicates``, not stored."""
        empty = dict.fromkeys(("stored", *STATES, "duplicates"), 0)
        found: dict[str, dict[str, int]] = {}
        with read(self.engine) as connection:
            for system, state, count in connection.execute(
                select(_d.system, _d.state, func.count()).group_by(_d.system, _d.state)
            ):
                found.setdefault(system, dict(empty))[state] = count
            for system, stored in connection.execute(select(_d.system, func.count()).group_by(_d.system)):
                found[system]["stored"] = stored
            for system, count in connection.execute(select(duplicates.c.system, duplicates.c.count)):
                found.setdefault(system, dict(empty))["duplicates"] = count
        return found

    def documents(self, ids: Sequence[str]) -> list[Document]:
        """The documents with these ids, in this order; unknown ids are left out."""
        with read(self.engine) as connection:
            return [document for chunk in _chunks(ids) for document in _load(connection, chunk)]

    def heard(self, systems: Collection[str]) -> dict[str, int]:
        """System → when its newest document came, in microseconds; those that nothing came from are left out."""
        newest = select(_d.system, _d.received_at).order_by(_d.id.desc()).limit(NEWEST).subquery("newest")
        with read(self.engine) as connection:
            rows = connection.execute(select(newest.c.system, func.max(newest.c.received_at)).group_by(newest.c.system))
            found = {system: at for system, at in rows if system in systems}
            for name in systems - found.keys():  # by an index, of those that were silent while others spoke
                if (at := connection.scalar(select(func.max(_d.received_at)).where(_d.system == name))) is not None:
                    found[name] = at
        return found

    def listing(
        self,
        system: str | None = None,
        state: str | None = None,
        limit: int = 50,
        before: str | None = None,
        key: str | None = None,
    ) -> list[dict[str, Any]]:
        """Newest first, without bodies: id, system, received_at, origin, stream, state, reason, flags, size, deaths.

        :param key: what the sender calls the delivery, of ``system``.
        """
        columns = (_d.id, _d.system, _d.received_at, _d.origin, _d.stream, _d.state, _d.reason, _d.flags, _d.deaths)
        wanted = select(*columns, func.length(_d.body).label("size")).order_by(_d.id.desc()).limit(limit)
        if system is not None:
            wanted = wanted.where(_d.system == system)
        if state is not None:
            wanted = wanted.where(_d.state == state)
        if key is not None:
            wanted = wanted.where(_d.key == key)
        if before is not None:
            wanted = wanted.where(_d.id < before)
        with read(self.engine) as connection:
            rows = [dict(row) for row in connection.execute(wanted).mappings()]
        return [{**row, "received_at": from_micros(row["received_at"])} for row in rows]

    def one(self, id_: str) -> dict[str, Any] | None:
        """A document with its body and headers; None = there is no such."""
        with read(self.engine) as connection:
            row = connection.execute(select(documents).where(_d.id == id_)).mappings().first()
        return {**row, "received_at": from_micros(row["received_at"])} if row is not None else None

    def of_stream(self, system: str, stream: str, ids: Collection[str]) -> set[str]:
        """Which of these documents came by this stream: of a file, its path."""
        d = _documents.c
        with read(self.engine) as connection:
            theirs = select(d.id).where(among(d.id, ids), d.system == system, d.stream == stream)
            return set(connection.scalars(theirs))

    def how_many(
        self,
        system: str | None = None,
        states: Sequence[str] = ("quarantined",),
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> int:
        """How many documents ``requeue`` would let be read again."""
        with read(self.engine) as connection:
            chosen = select(func.count()).select_from(_documents).where(*_readable(system, states, since, until))
            return connection.scalar(chosen) or 0

    def requeue(
        self,
        ids: Sequence[str] | None = None,
        system: str | None = None,
        states: Sequence[str] = ("quarantined",),
        since: datetime | None = None,
        until: datetime | None = None,
        dry_run: bool = False,
    ) -> list[str]:
        """Let documents be read again, as new as when they came; returns their ids. What waits stays as it is.

        Those without a body cannot be read again.

        Give ``ids`` or a filter. With ``dry_run`` nothing changes.
        """
        wanted = _readable(system, states, since, until)
        chosen: list[str] = []
        with write(self.engine) as connection:
            for part in [True] if ids is None else [_d.id.in_(chunk) for chunk in _chunks(ids)]:
                narrowed = [*wanted, part] if part is not True else wanted
                chosen += connection.execute(select(_d.id).where(*narrowed).order_by(_d.id)).scalars()
            for chunk in [] if dry_run else _chunks(chosen):
                bells.ring(connection, bells.PIPELINE)
                again = update(_documents).where(_d.id.in_(chunk))
                connection.execute(again.values(state="waiting", reason="", lease="", attempts=0, deaths=0))
        return chosen

    def quarantined(
        self,
        ids: Sequence[str] | None = None,
        system: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> list[str]:
        """Documents in quarantine, the oldest first: those with these ids, or all that fit."""
        wanted = [_d.state == "quarantined", *_came(system, since, until)]
        with read(self.engine) as connection:
            parts = [wanted] if ids is None else [[*wanted, _d.id.in_(chunk)] for chunk in _chunks(ids)]
            return sorted(one for part in parts for one in connection.scalars(select(_d.id).where(*part)))

    def discard(self, ids: Iterable[str], by: str, why: str) -> int:
        """Give up documents in quarantine, for good: their bodies go, and that they came, and why nobody wants them, is
        kept. Returns how many."""
        words = literal(f"given up by {by}: {why}; it was in quarantine: ") + _d.reason
        gone: dict[str, Any] = {"state": "discarded", "reason": words, "body": b"", "headers": {}}
        count = 0
        for chunk in _chunks(ids):
            with write(self.engine, lock=None) as connection:
                theirs = update(_documents).where(_d.id.in_(chunk), _d.state == "quarantined")
                count += connection.execute(theirs.values(gone)).rowcount
        return count

    # -- inside -------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _turn(self, writer: PlainWriter | None) -> Iterator[Any]:
        mine = writer or PlainWriter(self.engine)
        try:
            with mine.turn() as cursor:
                yield cursor
        finally:
            if writer is None:
                mine.close()

    @contextlib.contextmanager
    def storage(self) -> Iterator[None]:
        """Whatever the driver complains about while storing: the sender may come again."""
        try:
            yield
        except (self.engine.dialect.loaded_dbapi.Error, DBAPIError, PoolTimeout) as exc:
            what = str(exc).lower()
            full = "full" in what or "no space" in what
            reason = "disk full" if full else "locked" if "locked" in what else "storage away"
            raise StorageBusy(reason) from exc

    def _settle(self, ids: Iterable[str], state: str, reason: str) -> None:
        with write(self.engine, lock=None) as connection:
            for chunk in _chunks(ids):
                settled = update(_documents).where(_d.id.in_(chunk), _d.state == "waiting")
                connection.execute(settled.values(state=state, reason=reason, lease=""))

    def _bury_the_silent(self, worker: str) -> None:
        """Free what workers held whose beat has not moved for ``SILENCE`` seconds of our own clock."""
        now = self._clock()
        if now - self._looked < _LOOK:
            return
        self._looked = now
        held = select(_d.lease, func.max(_d.beat)).where(_d.state == "waiting", _d.lease != "").group_by(_d.lease)
        with read(self.engine) as connection:
            beats = {lease: beat for lease, beat in connection.execute(held) if lease != worker}
        before, self._seen = self._seen, {}
        for lease, beat in beats.items():
            last, since = before.get(lease, (beat, now))
            self._seen[lease] = (beat, since if beat == last else now)
        for lease, (_, since) in list(self._seen.items()):
            if now - since >= SILENCE:
                self.bury(lease)


_documents = documents  # the methods' own parameters of that name must not hide the table


def _readable(
    system: str | None, states: Sequence[str], since: datetime | None, until: datetime | None
) -> list[ColumnElement[bool]]:
    """What can be read again of these."""
    wanted: list[ColumnElement[bool]] = [_d.state.in_(states), _d.state != "waiting"]
    wanted.append(_d.reason.not_in((FORGOTTEN, KEPT)))
    return [*wanted, *_came(system, since, until)]


def _came(system: str | None, since: datetime | None, until: datetime | None) -> list[ColumnElement[bool]]:
    wanted: list[ColumnElement[bool]] = []
    if system is not None:
        wanted.append(_d.system == system)
    if since is not None:
        wanted.append(_d.received_at >= to_micros(since))
    if until is not None:
        wanted.append(_d.received_at < to_micros(until))
    return wanted


def _leased(worker: str) -> ColumnElement[bool]:
    return and_(_d.state == "waiting", _d.lease == worker)


def _load(connection: Connection, ids: Sequence[str]) -> list[Document]:
    columns = (
        _d.id,
        _d.system,
        _d.received_at,
        _d.body,
        _d.content_type,
        _d.headers,
        _d.origin,
        _d.stream,
        _d.history,
    )
    rows = {row.id: row for row in connection.execute(select(*columns).where(_d.id.in_(ids)))}
    return [
        Document(
            id=row.id,
            system=row.system,
            received_at=from_micros(row.received_at),
            body=bytes(row.body),
            content_type=row.content_type,
            headers=MappingProxyType(row.headers),  # whoever changes them is told at their own line
            origin=row.origin,
            stream=row.stream,
            history=row.history,
        )
        for each in ids
        if (row := rows.get(each)) is not None
    ]


def _chunks(items: Iterable[_T], size: int = 500) -> Iterable[list[_T]]:
    everything = list(items)
    return (everything[start : start + size] for start in range(0, len(everything), size))
