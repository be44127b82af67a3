"""Whose an open handoff is, inside a batch: what the CRM's records say of owners, the roster, the plugins' answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from marshmallow import ValidationError

from gateway.journey.answering import Following
from gateway.journey.assigning import Roster
from gateway.leads.batch import Batch
from gateway.leads.lead import Lead
from gateway.leads.record import Record
from gateway.leads.rules import Joining

if TYPE_CHECKING:
    from gateway.model import Model

OWNER = "owner"
"""The lead field that mapping files call the owner of a record."""


def follow(batch: Batch, lead: Lead, model: Model, attributes: Mapping[str, Any], at: datetime, log: Any) -> bool:
    """Bring the lead's open handoff up to date. False: the roster is needed for that, and is not here.

    :param attributes: those that the handoff was decided on.
    """
    if lead.handoff is None:
        return True
    company = batch.companies.get(lead.company or "")
    if company is not None:
        attributes = {**attributes, **{f"company.{name}": value for name, value in company.known.items()}}
    system = lead.handoff["system"]
    following = Following(
        model.journey,
        at,
        attributes,
        _owner(lead.records.values(), system, model.joining),
        _owner(company.records.values(), system, model.joining) if company is not None else "",
        model.joining.mint,
        lambda handoff, roster: _asked(model, attributes, handoff, roster, at, log),
    )
    order = batch.orders.get(lead.id)
    if batch.roster is None:
        if not following.needs_roster(lead, order):
            following.heed(lead)
            return True
        batch.whose = True
        return False
    following.follow(lead, batch.roster, order)
    return True


def _owner(records: Iterable[Record], system: str, joining: Joining) -> str:
    """Who owns the lead (or company) over there; empty: its mapping does not say."""
    there = (record for record in records if record.system == system and record.gone is None)
    for record in sorted(there, key=lambda one: (not one.main, one.ref)):
        for name, rule in joining.inbound(record.system, record.object).items():
            held = record.snapshot.get(name) if rule.to == OWNER else None
            if held is not None and held[0] is not None:
                try:
                    return str(rule.load(held[0]))
                except ValidationError:
                    continue
    return ""


def _asked(
    model: Model, attributes: Mapping[str, Any], handoff: Mapping[str, Any], roster: Roster, at: datetime, log: Any
) -> str:
    """Whom the plugins want to have a new handoff, if that is possible; else the rules decide."""
    system = handoff["system"]
    about = {name: handoff[name] for name in ("id", "stage", "persona", "score", "system")}
    listed = [
        {
            "id": roster.id_of(one, system),
            "name": one.name,
            "weight": one.weight,
            "there": not roster.gone(system, one.name),
            "at_work": roster.at_work(system, one, at),
        }
        for one in roster.owners.listed
        if one.serves(system)
    ]
    wanted = model.assign(attributes, about, listed)
    if wanted is None:
        return ""
    owner = roster.owner(system, wanted)
    if owner is None or roster.gone(system, owner.name):
        why = "is not on the roster" if owner is None else "is not there"
        log.error("assign_owner gave somebody who cannot have it; the rules decide", handoff=handoff["id"], why=why)
        return ""
    return owner.name
