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
        h, e, r, leads = t.handoffs.c, t.endings.c, t.records.c, t.leads.c
        with read(turning.gateway.store.main) as connection:
            self._alarms = Counter(connection.scalars(select(t.clock_events.c.kind)))
            self._returns = Counter(connection.scalars(select(e.reason).where(e.what == "return")))
            self._handoffs = connection.execute(select(t.handoffs).order_by(h.opened_at)).all()
            back = connection.execute(select(leads.id, leads.returned)).all()
            records = connection.execute(select(r.system, r.object, r.record, r.entity)).all()
        self._back = {lead: returned for lead, returned in back if returned is not None}
        self._whose = {(row.system, row.object, row.record): row.entity for row in records}

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
        here = set(self._buckets().items())
        for system, field, people in self._people():
            whose = {self._whose.get((system, object_, one.id)): one[field] for object_, one in people if one[field]}
            there = set(whose.items())
            yield f"buckets that {system} alone says", sorted(map(str, there - here)), []
            yield f"buckets that {system} does not know of", sorted(map(str, here - there)), []

    def _people(self) -> Iterator[tuple[str, str, list[tuple[str, Any]]]]:
        """System, its field of the bucket, and (object, record) of whoever is there."""
        hubspot, salesforce = self._turning.hubspot.records, self._turning.salesforce.records
        yield "hubspot", "gw_bucket", [("contact", one) for one in hubspot.alive("contacts")]
        contacts = [("Contact", one) for one in salesforce.alive("Contact")]
        leads = [("Lead", one) for one in salesforce.alive("Lead") if not one["IsConverted"]]
        yield "salesforce", "Gateway_Bucket__c", contacts + leads

    def _buckets(self) -> dict[str, str]:
        """Lead → the bucket in which its last handoff ended, or that it came back in since."""
        last = {one.lead: (one.closed_at, one.bucket) for one in self._handoffs if one.state == "closed"}
        for lead, back in self._back.items():
            if lead in last and back["at"] > last[lead][0]:
                last[lead] = back["at"], back["bucket"]
        return {lead: bucket for lead, (_, bucket) in last.items() if bucket}
