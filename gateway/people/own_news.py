"""What a person says here of a lead: an event of the gateway's own, worked like every other system's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.contracts import Document, OutcomeReported, PersonErased, RecordChanged
from gateway.inbound.readings import Reading
from gateway.leads.lead import Lead
from gateway.leads.stamps import OWN
from gateway.store.times import new_id
from gateway.times import from_micros, to_micros

if TYPE_CHECKING:
    from gateway.runtime import Gateway


def tell(gateway: Gateway, lead: Lead, kind: type[RecordChanged | OutcomeReported | PersonErased], **said: Any) -> None:
    """Take it in, dated now or later than what was last said of this lead. ``said``: the event's own values."""
    own = lead.records.get((*OWN, lead.id))
    at = from_micros(max(to_micros(gateway.now()), own.last[0] + 1 if own is not None else 0))
    where: dict[str, Any] = {"system": OWN[0], "object": OWN[1], "kind": "person", "record": lead.id}
    event = kind(**where, at=at, key=f"person:{new_id()}", **said)
    document = Document(id=new_id(), system=OWN[0], received_at=at, body=b"")
    gateway.observe(gateway.pipeline.run([Reading(document, [event])], [lead.id], "person"))
