"""The end of follow-up: a handoff left without a word goes into the default bucket, once its system was asked.

What counts is when sales acted, not when we heard of it. So the records are fetched again first, and what came is read;
while the system cannot be read, the clock waits. Each step is kept on the handoff: a restart goes on where it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.contracts import Source
from gateway.store import followups
from gateway.store.database import read, write
from gateway.store.times import new_id
from gateway.times import to_micros

if TYPE_CHECKING:
    from gateway.runtime import Gateway

HANDOFFS = 500
"""Handoffs worked in one step."""


def tick(gateway: Gateway) -> int:
    """Take each overdue handoff one step further. Returns how many moved."""
    now = to_micros(gateway.now())
    with read(gateway.store.main) as connection:
        over = followups.over(connection, now, HANDOFFS)
        fetched = followups.fetched(connection, HANDOFFS)
        arrived = followups.read_up_to(connection, gateway.inbox.oldest_waiting(), HANDOFFS)
        leads = followups.known(connection, HANDOFFS)
    if over or fetched or arrived:
        asked = [handoff for handoff in over if _can_be_asked(gateway, handoff.system)]
        with write(gateway.store.main) as connection:
            followups.ask(connection, asked, now)
            followups.mark(connection, {one.id for one in over} - {one.id for one in asked}, followups.KNOWN)
            followups.mark(connection, arrived, followups.KNOWN)
            followups.mark(connection, fetched, new_id())
    if leads:
        gateway.observe(gateway.pipeline.run((), leads, cause="time"))
    return len(over) + len(fetched) + len(arrived) + len(leads)


def _can_be_asked(gateway: Gateway, system: str) -> bool:
    """Whether records of this system are fetched by themselves. A folder of files says all it knows at once."""
    pulling = gateway.pullings.get(system)
    return (
        pulling is not None
        and type(pulling.source).fetch is not Source.fetch
        and gateway.instance.systems[system].pull is not None
    )
