"""Source and sink for Salesforce: what sales did comes in by polling, leads, contacts and tasks go out in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.hookspecs import RegisterSink, RegisterSource, hookimpl
from gateway_salesforce.settings import SettingsSchema
from gateway_salesforce.sink import SalesforceSink
from gateway_salesforce.source import SalesforceSource

if TYPE_CHECKING:
    import click

__all__ = [
    "SalesforceSink",
    "SalesforceSource",
    "SettingsSchema",
    "register_commands",
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
def register_commands(cli: click.Group) -> None:
    from gateway_salesforce.setup import salesforce

    cli.add_command(salesforce)
