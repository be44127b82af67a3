"""A row of the list of leads, as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from marshmallow import Schema, fields

from gateway.answers.fields import Moment, Points

if TYPE_CHECKING:
    from gateway.journey.assigning import Roster
    from gateway.runtime import Gateway
    from gateway.store.desk import Wanted


class LeadRowSchema(Schema):
    """The same for commands and the API."""

    lead = fields.String(attribute="id", metadata={"description": "its id"})
    attributes = fields.Dict(metadata={"description": "what is known of the person"})
    stage = fields.String()
    persona = fields.String()
    score = Points(attribute="total", metadata={"description": "0 to 100; null: not scored"})
    fit = Points()
    behaviour = Points()
    band = fields.String(allow_none=True)
    generation = fields.Integer()
    entered_at = Moment()
    handoff = fields.String(allow_none=True, metadata={"description": "the open one"})
    excluded = fields.String(allow_none=True, metadata={"description": "why it is never handed over"})


def wanted_of(gateway: Gateway, roster: Roster, asked: Mapping[str, str]) -> Wanted:
    """Which leads are asked for, whichever score they are shown with; an owner by the name in journey.yaml."""
    from gateway.store.desk import Wanted

    words = {name: value for name, value in asked.items() if name not in ("owner", "score")}
    if not asked.get("owner"):
        return Wanted(**words)
    owner = roster.owners.named(asked["owner"])
    ids = [roster.id_of(owner, system) for system in gateway.instance.systems] if owner is not None else []
    return Wanted(owner=frozenset(ids), **words)
