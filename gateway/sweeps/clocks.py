"""The two clocks of a handoff. *First response* goes off while nobody answers; the *end of follow-up* closes it.

What counts is when sales acted, not when we heard of it. So the records are fetched again first, and what came is read;
while the system cannot be read, the clock waits. Each step is kept on the handoff: a restart goes on where it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.contracts import Source
from gateway.store import followups, roster
from gateway.store.database import read, write
from gateway.store.times import new_id
from gateway.times import to_micros

if TYPE_CHECKING:
    from gateway.runtime import Gateway

HANDOFFS = 500
"""Handoffs worked in one step."""


def tick(gateway: Gateway) -> int:
    """Take each handoff whose time is over, or whose owner is away, one step further. Returns how many moved."""
    moved = sum(_sweep(gateway, clock) for clock in followups.CLOCKS)
    if leads := _left_alone(gateway):
        gateway.observe(gateway.pipeline.run((), leads, cause="time"))
    return moved + len(leads)


def _sweep(gateway: Gateway, clock: followups.Clock) -> int:
    now = to_micros(gateway.now())
    with read(gateway.store.main) as connection:
        over = followups.over(connection, clock, now, HANDOFFS)
        fetched = followups.fetched(connection, clock, HANDOFFS)
        arrived = followups.read_up_to(connection, clock, gateway.inbox.oldest_waiting(), HANDOFFS)
        leads = followups.known(connection, clock, HANDOFFS)
    if over or fetched or arrived:
        asked = [handoff for handoff in over if _can_be_asked(gateway, handoff.system)]
        with write(gateway.store.main) as connection:
            followups.ask(connection, clock, asked, now)
            followups.mark(connection, clock, {one.id for one in over} - {one.id for one in asked}, followups.KNOWN)
            followups.mark(connection, clock, arrived, followups.KNOWN)
            followups.mark(connection, clock, fetched, new_id())
    if leads:
        gateway.observe(gateway.pipeline.run((), leads, cause="time"))
    return len(over) + len(fetched) + len(arrived) + len(leads)


def _left_alone(gateway: Gateway) -> list[str]:
    """Leads with sales whose owner is absent, or not active in the CRM any more."""
    journey, leads = gateway.pipeline.model.journey, list[str]()
    if journey.owners.listed:
        with read(gateway.store.main) as connection:
            known = gateway.pipeline.roster(connection, gateway.now())
            for system in journey.systems:
                leads += roster.held_by(connection, system, set(known.out(system)), HANDOFFS)
    return leads


def _can_be_asked(gateway: Gateway, system: str) -> bool:
    """Whether records of this system are fetched by themselves. A folder of files says all it knows at once."""
    pulling = gateway.pullings.get(system)
    return (
        pulling is not None
        and type(pulling.source).fetch is not Source.fetch
        and gateway.instance.systems[system].pull is not None
    )
