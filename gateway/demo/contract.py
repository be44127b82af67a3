"""How the handoffs of the demo went, in a few lines, and whether both systems know how each ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from gateway.journey.recycling import FAST_TRACK
from gateway.journey.words import CLOCK
from gateway.store import tables as t
from gateway.store.database import read
from gateway.times import to_micros

if TYPE_CHECKING:
    from gateway_sandbox.circle import Circle

Fact = tuple[str, object, object]
"""What it is, what was found, what is wanted."""


class Contract:
    """Counted when it is made."""

    def __init__(self, turning: Circle) -> None:
        self._turning = turning
        self._now = to_micros(turning.company.clock.now())
        h, e, leads = t.handoffs.c, t.endings.c, t.leads.c
        with read(turning.gateway.store.main) as connection:
            self._alarms = Counter(connection.scalars(select(t.clock_events.c.kind)))
            self._returns = Counter(connection.scalars(select(e.reason).where(e.what == "return")))
            self._handoffs = connection.execute(select(t.handoffs).order_by(h.opened_at)).all()
            back = connection.execute(select(leads.id, leads.returned)).all()
        self._back = {lead: returned for lead, returned in back if returned is not None}

    def lines(self) -> Iterator[str]:
        alarms, states = self._alarms, Counter(one.state for one in self._handoffs)
        fast = sum(one.cause == FAST_TRACK for one in self._handoffs)
        expired = sum(one.closed_by == CLOCK for one in self._handoffs)
        released = sum(one.cause == "person" for one in self._handoffs)
        returns = ", ".join(f"{count} {why}" for why, count in self._returns.most_common())
        yield f"{fast} came by fast track: they had asked for a demo"
        yield f"no answer yet: {alarms['warned']} warnings; none in time: {alarms['escalated']} escalations, and"
        yield f"  {alarms['reassigned']} times another owner; {alarms['moved']} times for absence or by sales"
        yield f"{expired} had no word from sales by the end of follow-up and were recycled by the clock"
        yield f"{released} were more than sales could take that day, and released later; {states['held']} still wait"
        yield f"leads that sales had qualified, and that came back to marketing: {returns or 'none'}"
        yield f"each is in exactly one bucket, but {states['open']} whose clock still runs"

    def facts(self) -> Iterator[Fact]:
        """What must hold at the end."""
        open_ = [one for one in self._handoffs if one.state == "open"]
        ended = [one for one in self._handoffs if one.state == "closed"]
        yield "handoffs without a bucket whose clock has run out", sum(one.period_ends < self._now for one in open_), 0
        yield "handoffs that ended without a bucket", sum(one.bucket is None for one in ended), 0
        yield "leads with two open handoffs", len(open_) - len({one.lead for one in open_}), 0
        here = self._buckets()
        hubspot = Counter(one["gw_bucket"] for one in self._turning.hubspot.records.alive("contacts"))
        yield "buckets that HubSpot knows of", _named(hubspot), here
        records: Any = self._turning.salesforce.records
        people = [*records.alive("Contact"), *(one for one in records.alive("Lead") if not one["IsConverted"])]
        yield "buckets that Salesforce knows of", _named(Counter(one["Gateway_Bucket__c"] for one in people)), here

    def _buckets(self) -> dict[str, int]:
        """Bucket → leads whose last handoff ended so, or that came back since."""
        last = {one.lead: (one.closed_at, one.bucket) for one in self._handoffs if one.state == "closed"}
        for lead, back in self._back.items():
            if lead in last and back["at"] > last[lead][0]:
                last[lead] = back["at"], back["bucket"]
        return _named(Counter(bucket for _, bucket in last.values()))


def _named(buckets: Counter[Any]) -> dict[str, int]:
    return {bucket: count for bucket, count in sorted(buckets.items(), key=str) if bucket}
