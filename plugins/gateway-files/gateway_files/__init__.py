"""Source and sink for files: CSV and JSON Lines in, page by page; one keyed file per object out."""

from __future__ import annotations

from gateway.hookspecs import RegisterSink, RegisterSource, hookimpl
from gateway_files.settings import SettingsSchema
from gateway_files.sink import FilesSink
from gateway_files.source import FilesSource

__all__ = ["FilesSink", "FilesSource", "SettingsSchema", "register_sinks", "register_sources"]


@hookimpl
def register_sources(register: RegisterSource) -> None:
    register("files", FilesSource, SettingsSchema)


@hookimpl
def register_sinks(register: RegisterSink) -> None:
    register("files", FilesSink, SettingsSchema)
