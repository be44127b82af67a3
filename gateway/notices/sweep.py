"""Somebody is told: what happened and what is wrong becomes messages in the outbox of the systems that carry them.

Found → noted, each once → told to whoever hears of its kind (``telling``). A state is told when it begins and when it
ends. A notice holds no value of a person; names are put in when it is told.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from gateway.journey.notify import REVIEW, Hearer
from gateway.metrics.period import begins, label
from gateway.notices import silence
from gateway.notices.subscriptions import unsubscribed
from gateway.notices.telling import DIGEST, Telling
from gateway.notices.troubles import troubles
from gateway.store import bundle, due, reviews
from gateway.store import notices as store
from gateway.store.commit import commit_writes
from gateway.store.database import read, write
from gateway.store.notices import Happened
from gateway.times import from_micros, to_micros

if TYPE_CHECKING:
    from gateway.runtime import Gateway

EVERY, LOOK = 5.0, 30.0
"""Seconds between two looks for what happened, and for what is wrong."""
OVERLAP, OLDEST = timedelta(minutes=10), timedelta(days=1)
"""What is committed late is still found for so long; nobody is told of what happened longer ago."""
AWAY = timedelta(hours=1)
"""A gateway that did not look for so long was not there."""
_MARKS = ("", "notices")
"""The cursor that keeps how far has been looked."""
_MILLISECOND, _MICROSECOND = timedelta(milliseconds=1), timedelta(microseconds=1)


class Notices:
    """One gateway's. Any number of processes may sweep: each notice is told once."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self._swept = self._looked = float("-inf")

    def sweep(self) -> int:
        """Tell what is to be told, if it is time to look. Returns how many messages went into the outbox."""
        passed = time.monotonic()
        if passed - self._swept < EVERY:
            return 0
        self._swept, looks, resumed = passed, passed - self._looked >= LOOK, self._looked < 0
        if looks:
            self._looked = passed
        return tell(self.gateway, looks, resumed)


def tell(gateway: Gateway, looks: bool = True, resumed: bool = False) -> int:
    """One sweep. ``looks``: also at what is wrong, and at digests. Nobody hears through a system that is off.

    :param resumed: the first look of a process: the gateway may have been away before.
    """
    active = gateway.model.active
    hearers = [one for one in gateway.model.journey.notify.values() if one.through in active]
    if not hearers:
        return 0
    now = gateway.now()
    at, kinds = to_micros(now), {kind for one in hearers for kind in one.about}
    with read(gateway.store.main) as connection:
        marks = _Marks.of(gateway, connection)
        before = replace(marks)
        steps = store.asked_steps(connection)
        news = [
            store.opened(connection, marks.since),
            store.expired(connection, marks.since),
            store.clock_events(connection, marks.since),
        ]
        found = [one for few in news for one in few if one.kind in kinds]
        lasting = store.lasting(connection)
        wrong: list[Happened] = []
        if looks:
            if resumed:
                marks.come_back(at)
            marks.hear(gateway)
            marks.listen(gateway, connection, at)
            wrong = troubles(gateway, connection, marks.heard, marks.deaf, kinds)
            found += [one for one in marks.reviews(gateway, connection, now) if REVIEW in kinds]
            found += _digests(gateway, connection, hearers, now)
    if all(len(few) < store.MOST for few in news):
        marks.move_on(at)
    states = {row.key: row for row in lasting if row.ended_at is None}
    fresh = [one for one in wrong if one.key not in states]
    keys = {one.key for one in wrong}
    gone = [row.id for key, row in states.items() if looks and key not in keys]
    untold = [row for row in lasting if row.ended_at is not None]
    if not (found or steps or fresh or gone or untold or marks.outran(before)):
        return 0
    with write(gateway.store.main) as connection:
        store.happened(connection, [*found, *steps], lasts=False)
        store.happened(connection, fresh, lasts=True)
        store.ended(connection, gone, at)
        store.steps_told(connection, [one.subject for one in steps])
        rows = Telling(gateway, connection, hearers).rows(*store.take(connection, at))
        commit_writes(connection, rows, at)
        due.save_cursor(connection, *_MARKS, marks.kept(), at)
    return len(rows)


@dataclass(slots=True)
class _Marks:
    """How far has been looked: documents after ``inbox``, and what happened after ``since``, in business time.

    It stays ``overlap`` behind, so what is found twice is told once. ``heard``: see ``silence``; ``deaf``, of
    ``deaf_at``: see ``subscriptions``.
    """

    inbox: str
    since: int
    quarter: str = ""
    heard: dict[str, Any] = field(default_factory=dict)
    deaf: list[list[str]] = field(default_factory=list)
    deaf_at: int = 0
    overlap: int = 0

    @classmethod
    def of(cls, gateway: Gateway, connection: Connection) -> _Marks:
        """From the last time on; the first time, from when the files that say who hears what became active."""
        now, speed = gateway.now(), gateway.instance.clock.speed
        kept = due.cursor(connection, *_MARKS)
        if kept is None:
            active = bundle.active(connection)
            age = now - from_micros(active.active_at) if active is not None else timedelta(0)
            real = time.time_ns() // 1_000_000 - int(age / speed / _MILLISECOND)
            kept = {"inbox": f"{real:012x}", "since": to_micros(now - age)}  # ids begin with their milliseconds
        known = {one.name for one in fields(cls)}
        marks = cls(**{name: value for name, value in kept.items() if name in known})
        marks.overlap = OVERLAP * speed // _MICROSECOND
        marks.since = max(marks.since, to_micros(now) - max(OLDEST // _MICROSECOND, marks.overlap))
        return marks

    def hear(self, gateway: Gateway) -> None:
        """Which sources have spoken since."""
        self.heard = dict(self.heard)
        for row in gateway.inbox.heard_since(self.inbox):
            self.heard[row.system] = silence.heard(self.heard.get(row.system, {}), row.first, row.last)
            self.inbox = max(self.inbox, row.newest)

    def come_back(self, now: int) -> None:
        """After a time in which nobody could have reached us, no source has been silent yet."""
        if now - self.since > (OVERLAP + AWAY) // _MICROSECOND:
            self.heard = {system: {**kept, "last": now} for system, kept in self.heard.items()}

    def listen(self, gateway: Gateway, connection: Connection, now: int) -> None:
        """Once a day: what nobody ever tells us of."""
        if now - self.deaf_at >= timedelta(days=1) // _MICROSECOND:
            self.deaf, self.deaf_at = [list(one) for one in unsubscribed(gateway, connection)], now

    def reviews(self, gateway: Gateway, connection: Connection, now: datetime) -> Iterator[Happened]:
        """The meeting of the committee that is due, once; without one, the quarter of the fiscal year that is over."""
        today, committee = now.astimezone(gateway.instance.zone).date(), gateway.instance.committee
        if committee is not None:
            last = reviews.held(connection)
            due = committee.due(from_micros(last).astimezone(gateway.instance.zone).date() if last else None)
            if due <= today and self.quarter != due.isoformat():
                self.quarter = due.isoformat()
                words = f"the committee meets on {due}. `gateway review --html FILE` makes the pack of the last quarter"
                yield Happened(REVIEW, due.isoformat(), None, to_micros(now), words)
            return
        first = gateway.instance.fiscal_year_start
        quarter, before = label("quarter", begins("quarter", today, first), first), self.quarter
        self.quarter = quarter
        if before and before != quarter:
            words = f"{before} of your fiscal year is over. `gateway review` makes the pack of its numbers"
            yield Happened(REVIEW, before, None, to_micros(now), words)

    def move_on(self, now: int) -> None:
        self.since = max(self.since, now - self.overlap)

    def outran(self, before: _Marks) -> bool:
        """Worth a commit of its own: else the next look would look at more, and see no gaps in it."""
        aged = self.since - before.since > self.overlap
        spoke = any(
            one["last"] - before.heard.get(system, {"last": 0})["last"] > OVERLAP // _MICROSECOND
            for system, one in self.heard.items()
        )
        return aged or spoke or before.quarter != self.quarter or before.deaf_at != self.deaf_at

    def kept(self) -> dict[str, Any]:
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name != "overlap"}


def _digests(gateway: Gateway, connection: Connection, hearers: Sequence[Hearer], now: datetime) -> list[Happened]:
    """Those of today whose hour has come."""
    local = now.astimezone(gateway.instance.zone)
    roles = [one.role for one in hearers if one.digest is not None and local.time() >= one.digest]
    found = [Happened(DIGEST, f"{role}:{local:%Y-%m-%d}", None, to_micros(now)) for role in roles]
    told = store.known(connection, [one.key for one in found]) if found else ()
    return [one for one in found if one.key not in told]
