"""From the outbox to a system: claim → look up what is unsure → call → book the receipts.

One system at a time and one worker per system, so that a failing system hurts only itself.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Engine

from gateway.contracts import Call, Receipt, Sink, Write
from gateway.leads.record import Record
from gateway.pipeline import Guard
from gateway.store import outbox
from gateway.store.database import read, write
from gateway.sync.receipts import Verdict, verdict
from gateway.times import to_micros

SILENCE = 30.0
"""Seconds of the taker's monotonic clock without a beat after which a worker counts as dead."""


class Delivery:
    """Delivers the writes of one system. ``guard`` is entered around every call of the sink."""

    def __init__(
        self, engine: Engine, system: str, sink: Sink, plugin: str, now: Callable[[], datetime], guard: Guard, log: Any
    ) -> None:
        self.engine = engine
        self.system = system
        self.sink = sink
        self.plugin = plugin
        self.now = now
        self.guard = guard
        self.log = log
        self._seen: dict[str, tuple[int, float]] = {}

    def take_over(self, worker: str, dead: str = "", clock: Callable[[], float] = time.monotonic) -> int:
        """Free what dead workers had on its way: of ``dead``, and of whoever has not beaten for ``SILENCE`` seconds.

        Nobody knows whether those writes arrived, so they are looked up before anything is sent again.
        """
        with read(self.engine) as connection:
            beats = outbox.leases(connection, self.system)
        now, silent = clock(), {dead} & beats.keys()
        for holder, beat in beats.items():
            known = self._seen.get(holder)
            if known is None or known[0] != beat:
                self._seen[holder] = (beat, now)
            elif holder != worker and now - known[1] >= SILENCE:
                silent.add(holder)
        self._seen = {holder: seen for holder, seen in self._seen.items() if holder in beats}
        if not silent:
            return 0
        with write(self.engine) as connection:
            return sum(outbox.give_back(connection, self.system, holder) for holder in silent)

    def run(self, worker: str, limit: int = 1000) -> tuple[int, list[str]]:
        """Deliver what is due now. Returns (writes worked, leads to plan again).

        Raises ``StaleCommit`` when another worker took the writes over meanwhile.
        """
        self.take_over(worker)
        with write(self.engine) as connection:
            rows = outbox.claim(connection, self.system, worker, to_micros(self.now()), limit)
        if not rows:
            return 0, []
        with read(self.engine) as connection:
            links = outbox.links(connection, rows)
        writes = {row.id: _write(row, links.get((row.lead, row.system, row.object))) for row in rows}
        receipts = {row.id: _needless(row, writes[row.id], links) for row in rows}
        found = self._look_up([row for row in rows if row.state == "unknown" and receipts[row.id] is None])
        sending = [row for row in rows if receipts[row.id] is None and row.id not in found]
        receipts |= found
        receipts |= self._send(
            worker, {writes[row.id].key: row for row in sending}, [writes[row.id] for row in sending]
        )
        settled = []
        for row in rows:
            receipt = receipts[row.id] or Receipt(key=row.key, result="unknown", message="the sink gave no receipt")
            decided = verdict(receipt, row.attempts, random.random())
            if receipt.code == outbox.KNOWN:
                decided = Verdict("superseded", code=receipt.code)
            settled.append(outbox.Settled(row, writes[row.id], receipt, decided))
        now = to_micros(self.now())
        with write(self.engine) as connection:
            again = outbox.settle(connection, worker, now, settled)
            for reason in {item.verdict.pause for item in settled if item.verdict.pause}:
                outbox.pause(connection, self.system, reason, now)
        return len(rows), again

    def _look_up(self, rows: Sequence[Any]) -> dict[str, Receipt | None]:
        """After an answer that never came: what does the system say our keys lead to? Nothing found = send again."""
        found: dict[str, Receipt | None] = {}
        objects = {row.object for row in rows}
        for object_ in objects:
            mine = {row.key: row for row in rows if row.object == object_}
            try:
                with self.guard(self.plugin, f"find {object_}"):
                    hits = self.sink.find(object_, list(mine))
            except Exception as exc:  # noqa: BLE001 - a sink may raise anything; these writes stay unsure
                self.log.warning("look-up failed", system=self.system, error=type(exc).__name__)
                found |= {row.id: _unknown(row.key, exc) for row in mine.values()}
                continue
            for key, row in mine.items():
                ids = list(hits.get(key, ()))
                if row.create and len(ids) == 1:
                    found[row.id] = Receipt(key=key, result="done", record=ids[0])
                elif row.create and len(ids) > 1:
                    found[row.id] = Receipt(key=key, result="duplicate", candidates=tuple(ids))
        return found

    def _send(self, worker: str, rows: Mapping[str, Any], writes: Sequence[Write]) -> dict[str, Receipt | None]:
        receipts: dict[str, Receipt | None] = {}
        if not writes:
            return receipts
        try:
            with self.guard(self.plugin, "calls"):
                calls = self.sink.calls(writes)
        except Exception as exc:  # noqa: BLE001 - nothing was sent yet, so nothing is unsure
            self.log.warning("sink could not batch", system=self.system, error=type(exc).__name__)
            return {row.id: Receipt(key=key, result="retry", code=type(exc).__name__) for key, row in rows.items()}
        for number, call in enumerate(calls):
            if number:
                with write(self.engine) as connection:
                    outbox.beat(connection, worker)
            for receipt in self._deliver(call):
                row = rows.get(receipt.key)
                if row is not None:
                    receipts[row.id] = receipt
        return receipts

    def _deliver(self, call: Call) -> Iterable[Receipt]:
        try:
            with self.guard(self.plugin, f"deliver {call.title}"):
                return list(self.sink.deliver(call))
        except Exception as exc:  # noqa: BLE001 - it may have happened or not: looked up before it is sent again
            self.log.warning("delivery failed", system=self.system, error=type(exc).__name__)
            return [_unknown(item.key, exc) for item in call.writes]


def _unknown(key: str, exc: Exception) -> Receipt:
    return Receipt(key=key, result="unknown", code=type(exc).__name__, message="no answer")


def _write(row: Any, link: Record | None) -> Write:
    """The write as it is to be sent now: a create becomes an update once the lead has a record over there."""
    made = Write(
        key=row.key,
        object=row.object,
        record=row.record,
        fields=row.fields,
        refs=row.refs,
        create=row.create,
        priority=row.priority,
    )
    if link is None:
        return made
    news = {
        name: raw for name, raw in made.fields.items() if name not in link.snapshot or link.snapshot[name][0] != raw
    }
    return replace(made, record=link.record, create=False, fields=news)


def _needless(row: Any, made: Write, links: Mapping[tuple[str, str, str], Record]) -> Receipt | None:
    """Nothing is left to say: an earlier write or the system itself was faster."""
    if made.fields or (row.lead, row.system, row.object) not in links:
        return None
    return Receipt(key=row.key, result="gone", code=outbox.KNOWN)
