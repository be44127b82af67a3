"""From the outbox to a system: claim → look up what is unsure → call → book the receipts, call by call.

One system at a time and one worker per system, so that a failing system hurts only itself. What a sink answers is
looked at before it is booked: a sink that raises, leaves or answers with garbage leaves its writes unsure, no more.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Engine

from gateway.checked import Garbage, Tampered, refuse_receipts
from gateway.contracts import NOTICE, TASK, Call, Receipt, Sink, Write
from gateway.errors import StaleCommit
from gateway.model import Guard
from gateway.outbound.alarms import Alarms
from gateway.outbound.answering import Answering
from gateway.outbound.guarding import Guarding
from gateway.outbound.receipts import ids_of, settled_by, sound, unknown
from gateway.outbound.writes import NOBODY, copied, id_there, needless, write_of
from gateway.store import booking, outbox, receipts, restored, switches
from gateway.store.commit import first_wins
from gateway.store.database import read, write
from gateway.times import to_micros

SILENCE = 35.0
"""Seconds of the taker's monotonic clock without a beat after which a worker counts as dead: a call may take 30."""
TRIES = 4
"""How often answers are booked, because somebody else was faster; the last time nobody else commits meanwhile."""
QUARANTINED = "plugin quarantined"
"""Code of a write that waits because its plugin has failed with others."""
MAYBE_SENT = "restored"
"""Code of a message to people that was planned before a restored store went on; who tries it again wants it sent."""

_ANYTHING = (Exception, SystemExit)  # what plugin code may raise: it may even leave

Todo = Mapping[str, tuple[Any, Write]]
"""key → (row of the outbox, the write as it is to be sent now)"""


class Delivery:
    """Delivers the writes of one system. ``guard`` is entered around every call of the sink."""

    def __init__(
        self,
        engine: Engine,
        system: str,
        sink: Sink,
        plugin: str,
        now: Callable[[], datetime],
        guard: Guard,
        log: Any,
        guarding: Guarding | None = None,
        stopped: Callable[[str, str], bool] = lambda plugin, part: False,
    ) -> None:
        self.engine = engine
        self.system = system
        self.sink = sink
        self.plugin = plugin
        self.now = now
        self.guard = guard
        self.log = log
        self._seen: dict[str, tuple[int, float]] = {}
        self.alarms = Alarms(engine, system)
        self.answering = Answering(engine, system)
        self.guarding = guarding
        self.stopped = stopped
        self.failed: list[dict[str, Any]] = []
        """What will never be done, as it was committed; whoever tells of it empties the list."""

    def take_over(self, worker: str, dead: str = "", clock: Callable[[], float] = time.monotonic) -> int:
        """Free what dead workers had on its way: of ``dead``, and of whoever has not beaten for ``SILENCE`` seconds.

        Nobody knows whether those writes arrived, so they are looked up before anything is sent again. What was being
        sent at that moment has spent a try: were it what kills the workers, it must not stop the others for ever.
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
        return sum(self._bury(holder) for holder in silent)

    def run(self, worker: str, limit: int = 2000, push: str = "") -> tuple[int, list[receipts.People]]:
        """Deliver what is due now. Returns (writes worked, who is to be planned again).

        :param push: the name under which it can be undone; the minute's by default.

        Raises ``StaleCommit`` when another worker took the writes over meanwhile.
        """
        self.take_over(worker, dead=worker)  # an earlier run of ours may have broken off
        if released := self.alarms.released(to_micros(self.now())):  # planned again before they go: it was long ago
            return len(released), released
        try:
            return self._run(worker, limit, push)
        finally:
            self.answering.asked()

    def _claim(self, worker: str, limit: int, push: str) -> list[Any]:
        """What is due and may go now; of a system that does not answer one write, and none while another is asking."""
        answering, now = self.answering, self.now()
        with read(self.engine) as connection:
            answering.look(connection)
            if answering.rests(now) or not outbox.any_due(connection, self.system, to_micros(now)):
                return []
        with write(self.engine, lock=outbox.turn(self.system)) as connection:
            answering.look(connection)
            if answering.rests(now):
                return []
            limit = 1 if answering.silent else limit
            rows = outbox.claim(connection, self.system, worker, to_micros(now), limit, push)
            if rows and answering.silent:
                answering.ask(connection, now)
        return rows

    def _run(self, worker: str, limit: int, push: str) -> tuple[int, list[receipts.People]]:
        rows = self._claim(worker, limit, push)
        if not rows:
            return 0, []
        with read(self.engine) as connection:
            links = outbox.links(connection, rows)
        todo = {row.key: (row, write_of(row, links)) for row in rows}
        answers = {key: answer for key, (row, made) in todo.items() if (answer := needless(row, made, links))}
        unsure = [row for key, (row, _) in todo.items() if row.state == "unknown" and key not in answers]
        answers |= self._look_up(worker, unsure)
        nobodys = [row.key for row in rows if not row.fields and row.key not in answers]  # forgotten, and never made
        answers |= {key: Receipt(key=key, result="gone", code=outbox.KNOWN) for key in nobodys}
        answers |= self._told_before({key: row for key, (row, _) in todo.items() if key not in answers})
        made_before, silent = self._made_before({key: both for key, both in todo.items() if key not in answers}, links)
        todo |= made_before
        answers |= silent
        free = {key: made for key, (_, made) in todo.items() if key not in answers}
        answers |= self.alarms.hold(free, to_micros(self.now()))
        if self.guarding is not None:
            answers |= self.guarding.changed({
                key: (made, record)
                for key, (row, made) in todo.items()
                if key not in answers and (record := links.records.get((row.lead, row.system, row.object))) is not None
            })  # fmt: skip
        again = self._book(worker, todo, answers)
        again += self._send(worker, {key: both for key, both in todo.items() if key not in answers})
        return len(rows), again

    def _send(self, worker: str, todo: Todo) -> list[receipts.People]:
        """Call after call, each booked before the next. What no call named is tried again later."""
        again: list[receipts.People] = []
        calls, code = self._calls([made for _, made in todo.values()])
        rest = dict(todo)
        stop: Receipt | None = None
        for call in calls:
            if stop is not None:
                break
            if self.stopped(self.plugin, "deliver"):
                stop = Receipt(key="", result="limit", code=QUARANTINED, seconds=60)
                break
            mine = {item.key: rest.pop(item.key) for item in call.writes}
            with write(self.engine, lock=None) as connection:
                outbox.sending(connection, worker, [row.id for row, _ in mine.values()])
            began = self.now()
            answers, silent = self._heard(self._deliver(call, mine))
            again += self._book(worker, mine, answers, began)
            stop = next((answer for answer in answers.values() if answer.result in ("auth", "limit")), None)
            if silent and stop is None:
                seconds = self.answering.rests(self.now())
                stop = Receipt(key="", result="limit", code=outbox.SILENT, seconds=seconds)
        if stop is not None:  # the others would only be refused, too
            left = Receipt(key="", result="limit", code=stop.code or stop.result, seconds=stop.seconds)
        else:
            left = Receipt(key="", result="retry", code=code or "in none of the calls")
        return again + self._book(worker, rest, {key: replace(left, key=key) for key in rest})

    def _book(
        self, worker: str, todo: Todo, answers: Mapping[str, Receipt], began: datetime | None = None
    ) -> list[receipts.People]:
        """``began``: when the call did; None: there was none."""
        if not answers:
            return []
        attempt = 1
        while True:
            try:
                again, settled, failed = self._booked(worker, todo, answers, began, alone=attempt == TRIES)
                break
            except StaleCommit:  # a batch was faster, or a worker that took the writes over
                if attempt == TRIES:
                    raise
                attempt += 1
                time.sleep(random.uniform(0, 0.01))  # so that they do not meet again
        self.failed += failed
        self._tell(settled)
        return again

    def _booked(
        self, worker: str, todo: Todo, answers: Mapping[str, Receipt], began: datetime | None, alone: bool
    ) -> tuple[list[receipts.People], list[receipts.Settled], list[dict[str, Any]]]:
        """One try: (who is to be planned again, what was booked, what will never be done)."""
        now, heard = to_micros(self.now()), copy(self.alarms)
        with write(self.engine, shared=not alone) as connection, first_wins():
            answers = heard.heard(connection, todo, answers, now)
            settled = [settled_by(*todo[key], answer) for key, answer in answers.items()]
            again, failed = booking.settle(connection, worker, now, settled, to_micros(began) if began else now)
            for reason in {item.verdict.pause for item in settled if item.verdict.pause}:
                switches.pause(connection, self.system, reason, now)
        self.alarms = heard  # what a try that failed heard is nowhere
        return again, settled, failed

    def _tell(self, settled: Sequence[receipts.Settled]) -> None:
        """A line for each kind of answer, with the writes that got it and the documents that they go back to."""
        kinds: dict[tuple[str, str], list[Any]] = {}
        for one in settled:
            kinds.setdefault((one.receipt.result, one.verdict.code), []).append(one.row)
        for (result, code), rows in kinds.items():
            documents = " ".join(sorted({row.document for row in rows} - {""}))
            writes = " ".join(row.id for row in rows)
            self.log.info("answered", system=self.system, result=result, code=code, writes=writes, documents=documents)

    def _bury(self, holder: str) -> int:
        with write(self.engine) as connection:
            rows = outbox.being_sent(connection, self.system, holder)
            unsure = [Receipt(key=row.key, result="unknown", code=outbox.DIED) for row in rows]
            died = [settled_by(row, write_of(row, NOBODY), receipt) for row, receipt in zip(rows, unsure, strict=True)]
            # The first time, the heir looks it up at once.
            died = [one if one.row.attempts else replace(one, verdict=replace(one.verdict, wait=0.0)) for one in died]
            booking.settle(connection, holder, to_micros(self.now()), died)
            return len(died) + outbox.give_back(connection, self.system, holder)

    def _heard(self, answers: dict[str, Receipt]) -> tuple[dict[str, Receipt], bool]:
        """The answers to one call, and whether the system is silent by now: then they say so, and what it was."""
        if self.answering.heard(answers.values(), self.now()):
            if self.answering.silent:
                self.log.warning("system does not answer", system=self.system)
            else:
                self.log.info("system answers again", system=self.system)
        if not self.answering.silent:
            return answers, False
        told = {
            key: ": ".join(dict.fromkeys(filter(None, (one.code.removeprefix(outbox.SILENT), one.message))))
            for key, one in answers.items()
        }
        return {key: replace(one, code=outbox.SILENT, message=told[key]) for key, one in answers.items()}, True

    # -- the sink's part ----------------------------------------------------------------------------------------------

    def _look_up(self, worker: str, rows: Sequence[Any]) -> dict[str, Receipt]:
        """After an answer that never came: what does the system say our keys lead to? Nothing found = send again."""
        found: dict[str, Receipt] = {}
        for object_ in sorted({row.object for row in rows}):
            mine = {row.key: row for row in rows if row.object == object_}
            with write(self.engine, lock=None) as connection:
                outbox.sending(connection, worker, [row.id for row in mine.values()])
            try:
                with self.guard(self.plugin, f"find {object_}"):
                    hits = {key: ids_of(ids) for key, ids in self.sink.find(object_, list(mine)).items()}
            except _ANYTHING as exc:  # these writes stay unsure
                self.log.warning("look-up failed", system=self.system, error=type(exc).__name__)
                found |= self._heard({key: unknown(key, exc) for key in mine})[0]
                continue
            if self.answering.silent:
                self._heard({key: Receipt(key=key, result="done") for key in mine})
            for key, row in mine.items():
                ids = hits.get(key, ())
                if row.create and len(ids) == 1:
                    found[key] = Receipt(key=key, result="done", record=ids[0])
                elif row.create and ids:
                    found[key] = Receipt(key=key, result="duplicate", candidates=ids)
        return found

    def _told_before(self, rows: Mapping[str, Any]) -> dict[str, Receipt]:
        """Messages to people that were planned before the system went on after a restore: the store before may have
        sent them. They go when a person says so."""
        planned = {key: row.planned_at for key, row in rows.items() if row.object == NOTICE and row.code != MAYBE_SENT}
        if not planned:
            return {}
        with read(self.engine) as connection:
            until = restored.resumed(connection, self.system)
        maybe = Receipt(key="", result="rejected", code=MAYBE_SENT, message="the store before may have sent it")
        return {key: replace(maybe, key=key) for key, at in planned.items() if at <= until}

    def _made_before(self, todo: Todo, links: outbox.Links) -> tuple[dict[str, tuple[Any, Write]], dict[str, Receipt]]:
        """After a restore, of the tasks that are to be made: those the store before made, as changes of what is
        there. Each stands for one. And of whom the system did not tell it: until it does, they are not made.
        """
        making = {key: both for key, both in todo.items() if both[1].object == TASK and both[1].create and both[1].refs}
        if not making or type(self.sink).tasks is Sink.tasks:
            return {}, {}
        with read(self.engine) as connection:
            if not restored.recently(connection, to_micros(self.now())):
                return {}, {}
        found: dict[str, tuple[Any, Write]] = {}
        silent: dict[str, Receipt] = {}
        for object_ in sorted({object_ for _, made in making.values() for object_ in made.refs}):
            mine = {key: both for key, both in making.items() if object_ in both[1].refs}
            records = sorted({made.refs[object_] for _, made in mine.values()})
            try:
                with self.guard(self.plugin, f"find tasks of {len(records)} records"):
                    there = {record: dict(ids) for record, ids in self.sink.tasks(object_, records).items()}
            except _ANYTHING as exc:
                self.log.warning("look-up failed", system=self.system, error=type(exc).__name__)
                silent |= self._heard({key: unknown(key, exc) for key in mine})[0]
                continue
            found |= self._taken(mine, object_, there, links)
        return found, silent

    def _taken(
        self, mine: Todo, object_: str, there: Mapping[str, Mapping[str, str]], links: outbox.Links
    ) -> dict[str, tuple[Any, Write]]:
        with read(self.engine) as connection:
            strange = restored.strange(connection, {key for found in there.values() for key in found.values()})
        used = {(whose[0], id_there(record)) for whose, record in links.records.items() if record.object == TASK}
        taken: dict[str, tuple[Any, Write]] = {}
        for key, (row, made) in mine.items():
            ids = there.get(made.refs[object_], {})
            free = (id_ for id_, its in ids.items() if its in strange and (row.lead, id_) not in used)
            if (id_ := next(free, None)) is not None:
                used.add((row.lead, id_))
                taken[key] = row, replace(made, record=id_, create=False)
        return taken

    def _calls(self, writes: Sequence[Write]) -> tuple[list[Call], str]:
        """The sink's batches, and why there are none."""
        if not writes:
            return [], ""
        try:
            with suppress(Tampered), self.guard(self.plugin, "calls"):
                own = [copied(made) for made in writes]  # a sink that changes them changes its own
                calls = list(self.sink.calls(own))
                if own != list(writes):
                    raise Tampered("changed the writes it was given")
            named = [item.key for call in calls for item in call.writes]
            if len(set(named)) < len(named) or not {made.key for made in writes}.issuperset(named):
                raise ValueError("a write that is not ours, or one that is sent twice")
        except _ANYTHING as exc:  # nothing was sent yet, so nothing is unsure
            self.log.warning("sink could not batch", system=self.system, error=type(exc).__name__)
            return [], type(exc).__name__
        return calls, ""

    def _deliver(self, call: Call, mine: Todo) -> dict[str, Receipt]:
        """One receipt for each write of the call, whatever the sink gives."""
        given: list[Any] = []
        try:
            with suppress(Garbage), self.guard(self.plugin, f"deliver {next(iter(mine), '')}"):
                given = list(self.sink.deliver(call))
                refuse_receipts(given, mine.keys())
        except _ANYTHING as exc:  # it may have happened or not: looked up before it is sent again
            self.log.warning("delivery failed", system=self.system, error=type(exc).__name__)
            return {key: unknown(key, exc) for key in mine}
        answers: dict[str, Receipt] = {}
        for answer in given:
            key = getattr(answer, "key", None)
            if not isinstance(answer, Receipt) or not isinstance(key, str) or key not in mine:
                self.log.warning("delivery answered", system=self.system, error="with no receipt for any write of it")
            elif key in answers and answers[key] != answer:
                answers[key] = Receipt(key=key, result="unknown", code="two receipts")
            else:
                answers[key] = answer
        silent = {key: Receipt(key=key, result="unknown", code="no receipt") for key in mine.keys() - answers.keys()}
        return silent | {key: sound(answer, mine[key][1]) for key, answer in answers.items()}
