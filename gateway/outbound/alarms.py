"""Alarms at the outbox: writes that a changed system would refuse wait under one reason, and go when it is right again.

In: the open alarms of one system, and what its receipts say. Out: writes put on hold, alarms that receipts raise (the
first write that is refused for what every write would be is the dead letter that shows it, the others wait) and end.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Engine

from gateway.contracts import Receipt, Write
from gateway.store import alarms, outbox, receipts
from gateway.store.database import read, write
from gateway.sync.drift import WAITS, Drift

WAIT = 3600.0
"""Seconds between two looks at what is on hold; what ends an alarm lets its writes go at once."""
TRIED = ", and one write an hour tries; when it is put right, resolve this as done, and all goes at once"
MOST = 500
"""Writes that are let go in one transaction."""
Todo = Mapping[str, tuple[Any, Write]]


class Alarms:
    """Those of one system, as its delivery worker knows them."""

    def __init__(self, engine: Engine, system: str) -> None:
        self._engine = engine
        self._system = system
        self._open: dict[str, tuple[Drift, Mapping[str, Any]]] = {}
        self._ended = True
        """Whether there may be writes on hold whose alarm has ended: so it may be when we begin."""

    def released(self, now: int) -> list[receipts.People]:
        """Learn which alarms are open; let go of what waited for the others. Returns whose writes these are."""
        with read(self._engine) as connection:
            rows = alarms.open_alarms(connection, alarms.DRIFT, self._system)
        before, self._open = self._open, {row.key: (alarms.drift_of(row.detail), row.detail) for row in rows}
        self._ended = self._ended or not before.keys() <= self._open.keys()
        if not self._ended:
            return []
        with read(self._engine) as connection:
            codes = outbox.on_hold(connection, self._system) - self._open.keys()
            over = alarms.by_key(connection, (codes | before.keys()) - self._open.keys())
        # Row by row, and nobody else waits. What showed the fault first goes first: its alarm's code is on the others.
        for first in dict.fromkeys(row.detail.get("first") for row in over.values() if row.detail.get("first")):
            with write(self._engine, lock=None) as connection:
                outbox.retry(connection, now, [first], self._system)
        with write(self._engine, lock=None) as connection:
            leads = outbox.let_go(connection, self._system, codes, now, MOST) if codes else []
        self._ended = bool(codes)
        return [(lead,) for lead in dict.fromkeys(leads) if lead]

    def hold(self, writes: Mapping[str, Write], now: int) -> dict[str, Receipt]:
        """Of these writes those that wait. Of those that were refused, one goes every hour, to see."""
        held: dict[str, Receipt] = {}
        trying: set[str] = set()
        for key, made in writes.items():
            alarm = next((alarm for alarm, (drift, _) in self._open.items() if drift.stops(made)), None)
            if alarm is None:
                continue
            drift, detail = self._open[alarm]
            if drift.what == "refused" and alarm not in trying and detail.get("until", 0) <= now:
                trying.add(alarm)
                continue
            held[key] = _on_hold(key, alarm, drift)
        return held

    def heard(self, connection: Connection, todo: Todo, answers: Mapping[str, Receipt], now: int) -> dict[str, Receipt]:
        """What the answers say of the alarms, and the answers as they are to be booked.

        What another record was allowed in the same breath is no matter of every record, and one refusal alone tells
        of a field, but not of a whole object.
        """
        booked = dict(answers)
        fresh: dict[str, dict[str, Any]] = {}
        taken = [todo[key][1] for key, answer in answers.items() if answer.result == "done"]
        refused = [key for key, one in answers.items() if one.result == "rejected" and one.scope == "mapping"]
        for key in refused:
            (row, made), answer = todo[key], answers[key]
            for field in sorted(made.fields.keys() & set(answer.fields)) or ("",):
                drift = Drift(made.object, field, "refused", _words(made.object, field, answer))
                alarm = f"{outbox.HELD}{self._system}:{drift.object}:{field}"
                alone = not field and len([one for one in refused if todo[one][1].object == made.object]) < 2
                known = alarm in self._open
                if any(drift.stops(other) for other in taken) or (alone and not known):
                    continue
                if known or alarm in fresh:
                    booked[key] = _on_hold(key, alarm, drift)
                begun = {**alarms.detail_of(drift), "first": row.id}
                detail = self._open[alarm][1] if known else begun
                item = {"key": alarm, "kind": alarms.DRIFT, "system": self._system, "object": drift.object}
                fresh.setdefault(alarm, {**item, "detail": {**detail, "until": now + _HOUR}})
        alarms.raise_alarms(connection, list(fresh.values()), now)
        self._open = self._open | {
            alarm: (alarms.drift_of(row["detail"]), row["detail"]) for alarm, row in fresh.items()
        }
        over = [
            alarm
            for alarm, (drift, _) in self._open.items()
            if drift.what == "refused" and alarm not in fresh and any(drift.stops(made) for made in taken)
        ]
        alarms.end_alarms(connection, over, alarms.RIGHT_AGAIN, now)
        return booked


_HOUR = int(WAIT * 1_000_000)


def _on_hold(key: str, alarm: str, drift: Drift) -> Receipt:
    return Receipt(key=key, result="limit", seconds=WAIT, code=alarm, message=drift.words)


def _words(object_: str, field: str, answer: Receipt) -> str:
    what = f"{object_} {field}".rstrip()
    return f"{what} is refused for every record ({answer.code}){WAITS}{TRIED}"
