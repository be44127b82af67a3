"""The ``settings:`` blocks of a mail server and of a chat."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parseaddr
from typing import Any
from urllib.parse import urlsplit

from email_validator import EmailNotValidError, validate_email
from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from gateway.settings.secrets import SecretField

SECURITY = ("starttls", "tls", "none")
OWN = ("127.0.0.1", "::1", "localhost")
"""This machine: what goes there is heard by nobody on the way."""


def _sender(text: str) -> None:
    address = parseaddr(text)[1]
    if not text.isprintable() or not address:
        raise ValidationError('expected an address, such as leads@example.com or "Leads <leads@example.com>"')
    try:
        validate_email(address, check_deliverability=False)
    except EmailNotValidError:
        raise ValidationError("no e-mail address") from None


class MailSettings(Schema):
    host = fields.String(
        required=True,
        validate=validate.Length(1, 253),
        metadata={"help": "the mail server that takes our messages", "example": "mail.example.com"},
    )
    port = fields.Integer(strict=True, validate=validate.Range(1, 65535), metadata={"help": "587, with tls 465"})
    security = fields.String(
        load_default="starttls",
        validate=validate.OneOf(SECURITY, error="must be starttls, tls or none"),
        metadata={"help": "starttls, tls from the first byte, or none"},
    )
    sender = fields.String(
        required=True,
        data_key="from",
        validate=_sender,
        metadata={"help": "who the messages are from", "example": "Leads <leads@example.com>"},
    )
    user = fields.String(metadata={"help": "who we log in as, where the server asks", "ask": True})
    password = SecretField(metadata={"help": "its password", "ask": True})
    ca = fields.String(metadata={"help": "file with the certificate of the server's own authority"})
    per_hour = fields.Integer(
        strict=True, validate=validate.Range(1, 1_000_000), metadata={"help": "messages that the server allows"}
    )
    allow_insecure = fields.Boolean(load_default=False, metadata={"help": "true: messages may go in the clear"})

    @validates_schema
    def _whole(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        if ("user" in data) != ("password" in data):
            raise ValidationError("user and password belong together", "password" if "user" in data else "user")
        if data["security"] == "none" and data["host"] not in OWN and not data["allow_insecure"]:
            raise ValidationError("whoever is on the way could read; it needs allow_insecure: true", "security")


class ChatSettings(Schema):
    url = SecretField(
        required=True, metadata={"help": "the address the chat gave for incoming webhooks; who has it can write there"}
    )
    body = fields.Dict(
        keys=fields.String(),
        load_default={"text": "*{subject}*\n{text}"},
        metadata={"help": "the JSON to send, with {subject} and {text}"},
    )
    markup = fields.String(
        load_default="slack",
        validate=validate.OneOf(("slack", "plain"), error="must be slack or plain"),
        metadata={"help": "slack: &, < and > are written as the chat wants them; plain: as they are"},
    )
    per_minute = fields.Integer(
        strict=True,
        load_default=30,
        validate=validate.Range(1, 100_000),
        metadata={"help": "messages that the chat allows"},
    )

    @validates_schema
    def _whole(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        try:
            parts = urlsplit(data["url"].reveal())
            sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            sound, parts = False, urlsplit("")
        if not sound:
            raise ValidationError("holds no web address", "url")
        if parts.scheme == "http" and parts.hostname not in OWN:
            raise ValidationError("holds an address without https: whoever is on the way could read", "url")
        if not any("{text}" in text for text in texts(data["body"])):
            raise ValidationError("nowhere holds {text}, so nobody would read it", "body")


def texts(node: Any) -> list[str]:
    """Every text of a JSON value."""
    if isinstance(node, Mapping):
        return [text for value in node.values() for text in texts(value)]
    if isinstance(node, list):
        return [text for value in node for text in texts(value)]
    return [node] if isinstance(node, str) else []
