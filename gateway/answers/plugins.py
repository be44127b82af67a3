"""A plugin, as JSON: the same for commands and the API."""

from __future__ import annotations

from marshmallow import Schema, fields


class PluginSchema(Schema):
    name = fields.String()
    distribution = fields.String()
    version = fields.String()
    requires = fields.String(metadata={"description": "which versions of the hooks; empty: any"})
    state = fields.String(metadata={"description": "active, broken, incompatible, disabled or quarantined"})
    reason = fields.String()
    since = fields.String()
    offers = fields.List(fields.String())
    deprecations = fields.List(fields.String(), metadata={"description": "what it uses that will go, and where"})
