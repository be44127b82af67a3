"""Source for any sender of webhooks. Before: intake, which verified and stored the call; after: the mapping file.

Everything that differs between senders is data: how they sign (``verify`` or a ``preset``), what they want to hear
(``answer``), what their bodies are (``body``), and what their fields mean (the mapping file).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote

from gateway.contracts import Context, Document, ReadItem, Source
from gateway.errors import QuarantineDocument
from gateway.hookspecs import RegisterSource, hookimpl
from gateway.payloads import decode_form, decode_json, decode_xml, media_type, not_understood
from gateway_webhook.settings import SettingsSchema

__all__ = ["SettingsSchema", "WebhookSource", "register_sources"]


@hookimpl
def register_sources(register: RegisterSource) -> None:
    register("webhook", WebhookSource, SettingsSchema)


class WebhookSource(Source):
    """Bodies as they came, decoded strictly and read by the mapping file alone."""

    def __init__(self, settings: Mapping[str, Any], context: Context) -> None:
        """``settings`` as ``SettingsSchema`` loads them."""
        self.verification = settings["verification"]
        self.answer = settings["answer"]
        self._body = settings["body"]
        self._depth = settings["depth"]
        self._keys = settings["keys"]
        self._context = context

    def read(self, document: Document) -> Iterable[ReadItem]:
        if self._context.mapping is None:
            raise QuarantineDocument(f"the system {self._context.system!r} has no mapping file")
        return self._context.mapping.read(self._decoded(document), document)

    def _decoded(self, document: Document) -> Any:
        media = media_type(document.content_type)
        if self._body == "cloudevents":
            return self._event(document, media)
        written = document.body.lstrip()[:1] in (b"{", b"[")  # as JSON: a form would write the bracket as %7B or %5B
        called_form = self._body == "auto" and media == "application/x-www-form-urlencoded"
        if self._body == "form" or (called_form and not written):  # `curl -d` and others call whatever they send a form
            return decode_form(document.body)
        if self._body == "xml" or (self._body == "auto" and _is_xml(media)):
            return decode_xml(document.body, depth=self._depth, keys=self._keys)
        if self._body == "json" or _may_be_json(media) or written:
            return self._json(document.body)
        raise not_understood(document.content_type, "JSON, XML and forms")

    def _json(self, body: bytes) -> Any:
        return decode_json(body, depth=self._depth, keys=self._keys)

    def _event(self, document: Document, media: str) -> Any:
        """A CloudEvent as one JSON object, also where its attributes came as ``ce-`` headers (binary mode)."""
        if "ce-specversion" not in document.headers:
            return self._json(document.body)
        event: dict[str, Any] = {
            name[3:]: unquote(value) for name, value in document.headers.items() if name.startswith("ce-")
        }
        event["datacontenttype"] = media
        if document.body:
            event["data"] = self._json(document.body)
        return event


def _may_be_json(media: str) -> bool:
    return media in ("", "application/json", "text/json") or media.endswith("+json")


def _is_xml(media: str) -> bool:
    return media in ("application/xml", "text/xml") or media.endswith("+xml")
