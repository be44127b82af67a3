"""Source and sink for HubSpot: webhooks and polling in, batched writes by record id or by our own property out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.hookspecs import RegisterSink, RegisterSource, hookimpl
from gateway_hubspot.settings import SettingsSchema
from gateway_hubspot.sink import HubSpotSink
from gateway_hubspot.source import HubSpotSource

if TYPE_CHECKING:
    import click

__all__ = ["HubSpotSink", "HubSpotSource", "SettingsSchema", "register_commands", "register_sinks", "register_sources"]


@hookimpl
def register_sources(register: RegisterSource) -> None:
    register("hubspot", HubSpotSource, SettingsSchema)


@hookimpl
def register_sinks(register: RegisterSink) -> None:
    register("hubspot", HubSpotSink, SettingsSchema)


@hookimpl
def register_commands(cli: click.Group) -> None:
    from gateway_hubspot.setup import hubspot

    cli.add_command(hubspot)
