"""Plugins: what they offer and how they are; switched off and on."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields

from gateway.answers.plugins import PluginSchema, plugins_of
from gateway.errors import NotFound
from gateway.web.api.caller import caller
from gateway.web.api.forms import Text
from gateway.web.api.jobs import Begun, begin
from gateway.web.api.resource import Resource
from gateway.web.desk.page import desk

blueprint = Resource("plugins", "What connects systems and scores leads")


class PluginsPage(Schema):
    plugins = fields.List(fields.Nested(PluginSchema))


class SwitchedOff(Schema):
    reason = Text(load_default="", metadata={"description": "shown wherever the plugin is missed"})


@blueprint.looks("/plugins", PluginsPage)
def listed() -> Any:
    """List every plugin, working or not, as the web server found them and the workers quarantined them."""
    return {"plugins": plugins_of(desk().gateway)}


@blueprint.changes("/plugins/<name>/disable", "operate", SwitchedOff, Begun)
def disable(said: dict[str, Any], name: str) -> Any:
    """Load it no more; what its systems send and are to be sent waits."""
    reason, by = f"--reason={said['reason']}", f"--by={caller().email}"
    return begin("disable plugin", name, ("plugins", "disable", _named(name), reason, by))


@blueprint.changes("/plugins/<name>/enable", "operate", None, Begun)
def enable(name: str) -> Any:
    """Load it again, or try one at once that is quarantined."""
    return begin("enable plugin", name, ("plugins", "enable", _named(name)))


def _named(name: str) -> str:
    """``name`` is a plugin, or DISTRIBUTION:PLUGIN. Raises ``NotFound``."""
    if not any(name in (one.name, f"{one.distribution}:{one.name}") for one in desk().gateway.host.plugins):
        raise NotFound(f"no plugin {name!r} is installed")
    return name
