"""What a metric is asked and what it answers: it is a function of ``Asked`` and its options, and gives ``Answer``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from gateway.answers.texts import iso_time
from gateway.metrics.period import Period
from gateway.metrics.report import Table
from gateway.times import to_micros

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from gateway.journey.journey import Journey
    from gateway.runtime import Gateway
    from gateway.settings.instance import Instance
    from gateway.store.touches import Won

COUNTS = {
    "funnel": "leads that entered",
    "velocity": "leads that reached a step's first stage",
    "campaigns": "leads that entered",
    "content": "engagements",
    "attribution": "deals won",
    "recycled": "deals won",
    "ideal": "leads that entered",
    "rules": "handoffs opened",
    "surprises": "handoffs opened",
    "reconcile": "records counted",
    "baseline": "leads that reached a step's first stage",
    "goals": "",
}
"""Metric → what a period means there; a metric without such words takes no period."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a metric is worked from. ``connection`` reads one moment of the store, until the answer is told."""

    gateway: Gateway
    connection: Connection
    period: Period
    now: datetime

    @property
    def instance(self) -> Instance:
        return self.gateway.instance

    @property
    def journey(self) -> Journey:
        return self.gateway.model.journey

    @property
    def zone(self) -> ZoneInfo:
        return self.gateway.instance.zone

    @property
    def currency(self) -> str:
        return self.gateway.instance.currency

    def won(self, ever: bool = False, priced: bool = False) -> Won:
        """What was won in the period, or ever; ``priced`` as ``store.touches.won`` has it."""
        from gateway.store.touches import won

        within = (None, None) if ever else (self.since, self.until)
        return won(self.connection, self.journey, self.instance.rates, self.zone, *within, priced)

    @property
    def since(self) -> int | None:
        """Microseconds, as ``until``."""
        return to_micros(self.period.since) if self.period.since else None

    @property
    def until(self) -> int | None:
        return to_micros(self.period.until) if self.period.until else None


@dataclass(frozen=True, slots=True)
class Answer:
    """``data``: the JSON. ``parts``: lines and tables for people. ``rows``: the CSV, its head first.

    ``leads``: number → the ids of the leads it counts, read when they are asked for; a name is a path such as
    ``mql``, ``excluded/customer`` or ``won/email``. A page's figures are made of ``data`` (``pictures.metrics``).
    ``definitions``: which of ``metrics.definitions`` its numbers need. ``counts``: what the period means, where the
    command's own word for it does not hold. ``period``: the one its numbers are of, where none was asked for.
    """

    data: Mapping[str, Any]
    parts: Iterable[str | Table]
    rows: Iterable[Sequence[object]]
    leads: Mapping[str, Callable[[], Iterable[str]]] = field(default_factory=dict)
    definitions: Sequence[str] = ()
    counts: str = ""
    period: Period | None = None


def settled(asked: Asked, answer: Answer) -> Asked:
    """What was asked, with the period that the answer chose where none was."""
    return asked if answer.period is None else replace(asked, period=answer.period)


def stated(asked: Asked, counts: str) -> dict[str, Any]:
    """What the numbers are of, as every metric's JSON begins: nothing where there is no period."""
    chosen = asked.period
    since, until = (iso_time(at) if at else None for at in (chosen.since, chosen.until))
    whole = {"counts": counts, "name": chosen.name, "since": since, "until": until, "zone": asked.zone.key}
    return {"period": whole} if counts else {}
