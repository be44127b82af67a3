"""A plugin, as JSON: the same for commands and the API."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from marshmallow import Schema, fields

from gateway.answers.texts import iso_time
from gateway.store.breakers import by_plugin

if TYPE_CHECKING:
    from gateway.host import Plugin
    from gateway.runtime import Gateway


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


def plugins_of(gateway: Gateway) -> list[Plugin]:
    """Every plugin by name, working or not, as this process found them and the workers quarantined them since."""
    out = by_plugin(gateway.breakers.open())
    found = [
        dataclasses.replace(one, state="quarantined", reason=out[one.name].reason, since=iso_time(out[one.name].since))
        if one.name in out and one.state == "active"
        else one
        for one in gateway.host.plugins
    ]
    return sorted(found, key=lambda one: one.name)
