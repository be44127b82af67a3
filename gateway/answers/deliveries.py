"""Writes on their way out, as JSON: the same for commands and the API."""

from __future__ import annotations

from marshmallow import Schema, fields

from gateway.answers.fields import Moment


class DeliverySchema(Schema):
    id = fields.String()
    system = fields.String()
    object = fields.String()
    record = fields.String(allow_none=True, metadata={"description": "null: one that is to be made"})
    lead = fields.String(allow_none=True)
    key = fields.String(allow_none=True)
    create = fields.Boolean()
    fields_ = fields.Dict(data_key="fields", attribute="fields", metadata={"description": "field there → new value"})
    state = fields.String(metadata={"description": "waiting, leased, unknown, confirmed, superseded or dead"})
    attempts = fields.Integer()
    push = fields.String(allow_none=True)
    code = fields.String(allow_none=True, metadata={"description": "what it was refused with"})
    message = fields.String(allow_none=True)
    planned_at = Moment()
    due_at = Moment()
    finished_at = Moment()


class OneDeliverySchema(DeliverySchema):
    document = fields.String(metadata={"description": "the latest because of which it was planned; may be empty"})
