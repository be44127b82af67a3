"""Carries writes out: ``plugin: acme`` in gateway.yaml."""

from __future__ import annotations

from gateway.hookspecs import RegisterSink, hookimpl

from gateway_acme.settings import SettingsSchema
from gateway_acme.sink import AcmeSink


@hookimpl
def register_sinks(register: RegisterSink) -> None:
    register("acme", AcmeSink, SettingsSchema)
