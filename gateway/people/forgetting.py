"""A person asks to be forgotten: what would go is told first, then done. What other systems still hold is named.

The way is that of a system's own erasure: an event, worked as one batch. See ``store.forget`` for what goes and stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.accounts import audit
from gateway.contracts import PersonErased
from gateway.errors import Refused
from gateway.leads.record import Ref
from gateway.leads.stamps import OWN
from gateway.people.own_news import tell
from gateway.store import outbox, person
from gateway.store.database import read
from gateway.store.loading import load
from gateway.store.times import utc_now
from gateway.sync.links import link
from gateway.times import from_micros, to_micros

if TYPE_CHECKING:
    from gateway.runtime import Gateway


@dataclass(frozen=True, slots=True)
class Forgetting:
    """``rows``: name of a table → how many of its rows are about them. ``elsewhere``: records that stay where they are,
    each with the address of its page, or "". ``unsure``: (system, object) of records that were being made over there at
    that moment, or may have been: nobody here knows an id of them. ``unread``: documents in quarantine in which an
    address or key of theirs stands."""

    lead: str
    aliases: Sequence[str]
    rows: Mapping[str, int]
    elsewhere: Sequence[tuple[Ref, str]]
    unsure: Sequence[tuple[str, str]]
    unread: Sequence[str]


def forget(gateway: Gateway, lead_id: str, by: str, go: bool = False) -> Forgetting:
    """Erase what names a lead, and every id that was merged into it. Without ``go`` nothing is stored.

    Raises ``Refused`` when they are forgotten already.
    """
    with read(gateway.store.main) as connection:
        need = gateway.pipeline.need(gateway.now())
        lead = load(connection, [], {}, [lead_id], to_micros(gateway.now()), need).leads[lead_id]
        if lead.erased_at is not None:
            raise Refused(f"lead {lead_id} is forgotten already, since {from_micros(lead.erased_at):%Y-%m-%d}")
        leads = person.aliases(connection, lead_id)
        refs = person.refs_of(connection, leads)
        rows = {name: len(found) for name, found in person.rows_of(connection, leads, refs).items()}
        held = [ref for ref in refs if ref[:2] != OWN and lead.records[ref].gone is None]
        unsure = outbox.maybe_made(connection, leads)
        keys = person.keys_of(connection, leads)
    unread = gateway.inbox.unread(keys)
    if go:
        entry = audit.Entry(to_micros(utc_now()), by, "lead: forgotten", lead_id)
        with audit.noting(gateway.store.main, entry):
            tell(gateway, lead, PersonErased, by=by)
    return Forgetting(lead_id, leads[1:], rows, [(ref, link(gateway.model.links, ref)) for ref in held], unsure, unread)
