"""Source and sink for Salesforce: what sales did comes in by polling, leads, contacts and tasks go out in batches."""

from __future__ import annotations

from gateway.hookspecs import RegisterConnection, RegisterSink, RegisterSource, hookimpl
from gateway_salesforce.connection import SalesforceConnection
from gateway_salesforce.settings import SettingsSchema
from gateway_salesforce.sink import SalesforceSink
from gateway_salesforce.source import SalesforceSource

__all__ = [
    "SalesforceConnection",
    "SalesforceSink",
    "SalesforceSource",
    "SettingsSchema",
    "register_connections",
    "register_sinks",
    "register_sources",
]


@hookimpl
def register_sources(register: RegisterSource) -> None:
    register("salesforce", SalesforceSource, SettingsSchema)


@hookimpl
def register_sinks(register: RegisterSink) -> None:
    register("salesforce", SalesforceSink, SettingsSchema)


@hookimpl
def register_connections(register: RegisterConnection) -> None:
    register("salesforce", SalesforceConnection)
