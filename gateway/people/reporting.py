"""What sales say of a handoff here instead of in the CRM: accepted, or how it ends. A fact like those of the CRM."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from gateway.contracts import OutcomeReported
from gateway.errors import NotFound, Refused
from gateway.journey.journey import Journey
from gateway.journey.words import FORGOTTEN
from gateway.people.own_news import tell
from gateway.people.staffing import by_and_when
from gateway.settings.files import suggest
from gateway.store import tables as t
from gateway.store.database import read
from gateway.store.loading import load

if TYPE_CHECKING:
    from gateway.runtime import Gateway

OUTCOMES = {"accept": "accepted", "qualify": "qualified", "reject": "rejected", "recycle": "recycled"}
"""What is said → the outcome it reports."""


def report(gateway: Gateway, key: str, word: str, reason: str, by: str, wake: datetime | None = None) -> dict[str, Any]:
    """Take in what ``by`` says of the open handoff of a lead, or of the handoff with this id. Returns it as it is then.

    :param word: one of ``OUTCOMES``. :param wake: when sales want it again, of ``recycle``. Raises ``NotFound`` and
        ``Refused``; then nothing is changed.
    """
    h, o = t.handoffs.c, t.outcomes.c
    with read(gateway.store.main) as connection:
        named = connection.execute(select(h.id, h.lead).where(h.id == key)).first()
        lead_id = named.lead if named is not None else gateway.find_lead(key)
        lead = load(connection, [], {}, [lead_id], 0, gateway.pipeline.need(gateway.now())).leads[lead_id]
        theirs = (
            select(t.handoffs).where(h.lead == lead.id, h.state.in_(("open", "closed"))).order_by(h.opened_at.desc())
        )
        last = connection.execute(theirs).mappings().first()
    if lead.erased_at is not None:
        raise NotFound(FORGOTTEN)
    if last is None:
        raise Refused(f"lead {lead.id} was never handed over, so there is nothing to {word}")
    if last["state"] != "open" or (named is not None and named.id != last["id"]):
        raise Refused(
            f"it ended as {last['bucket']} {by_and_when(gateway, last['system'], last['closed_by'], last['closed_at'])}"
        )
    if word == "accept" and last["accepted_at"] is not None:
        with read(gateway.store.main) as connection:
            theirs = select(o.by).where(o.lead == lead.id, o.outcome == "accepted", o.at == last["accepted_at"])
            by = connection.scalar(theirs) or ""
        when = by_and_when(gateway, last["system"], by, last["accepted_at"])
        raise Refused(f"accepted already {when}; legal are {_others(word)}")
    if wake is not None and wake <= gateway.now():
        raise Refused("the time to wake it is over already; name one to come")
    journey = gateway.model.journey
    check_reason(journey, journey.buckets.get(OUTCOMES[word], ""), reason)
    tell(gateway, lead, OutcomeReported, outcome=OUTCOMES[word], reason=reason, by=by, wake=wake)
    with read(gateway.store.main) as connection:
        return dict(connection.execute(select(t.handoffs).where(h.id == last["id"])).mappings().one())


def check_reason(journey: Journey, bucket: str, reason: str) -> None:
    """``reason`` is one of those that journey.yaml lists for ``bucket``, where it lists any. Raises ``Refused``."""
    known = journey.reasons.get(bucket, ())
    if known and not reason:
        raise Refused(f"say why, with --reason: {', '.join(known)}")
    if reason and reason not in known:
        which = f"; there are {', '.join(known)}" if known else f": journey.yaml lists none for {bucket}"
        raise Refused(f"no such reason{suggest(reason, known) or which}")


def _others(word: str) -> str:
    return ", ".join(other for other in OUTCOMES if other != word)
