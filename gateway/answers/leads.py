"""A row of the list of leads, as JSON."""

from __future__ import annotations

from marshmallow import Schema, fields

from gateway.answers.fields import Moment, Points


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
