"""Brings records in: ``plugin: acme`` in gateway.yaml."""

from __future__ import annotations

from gateway.hookspecs import RegisterSource, hookimpl

from gateway_acme.settings import SettingsSchema
from gateway_acme.source import AcmeSource


@hookimpl
def register_sources(register: RegisterSource) -> None:
    register("acme", AcmeSource, SettingsSchema)
