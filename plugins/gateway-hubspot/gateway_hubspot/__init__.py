"""Source and sink for HubSpot: webhooks and polling in, batched writes by record id or by our own property out."""

from __future__ import annotations

from gateway.hookspecs import RegisterConnection, RegisterSink, RegisterSource, hookimpl
from gateway_hubspot.connection import HubSpotConnection
from gateway_hubspot.settings import SettingsSchema
from gateway_hubspot.sink import HubSpotSink
from gateway_hubspot.source import HubSpotSource

__all__ = [
    "HubSpotConnection",
    "HubSpotSink",
    "HubSpotSource",
    "SettingsSchema",
    "register_connections",
    "register_sinks",
    "register_sources",
]


@hookimpl
def register_sources(register: RegisterSource) -> None:
    register("hubspot", HubSpotSource, SettingsSchema)


@hookimpl
def register_sinks(register: RegisterSink) -> None:
    register("hubspot", HubSpotSink, SettingsSchema)


@hookimpl
def register_connections(register: RegisterConnection) -> None:
    register("hubspot", HubSpotConnection)
