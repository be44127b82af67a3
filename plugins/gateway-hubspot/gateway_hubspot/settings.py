"""The ``settings:`` block of a HubSpot system, and how HubSpot's webhooks prove that they are HubSpot's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, ValidationError, fields, post_load, validate, validates_schema

from gateway.contracts import Secret, Timestamp, Verification
from gateway.settings.secrets import SecretField

OBJECTS = ("contacts", "companies", "deals")
VERSIONS = ("v3", "2026-09")
ACTIVITIES = ("form_submissions", "email_events", "page_views", "meetings")
"""Streams of activities beside the objects; each needs a scope of its own."""


class LimitsSchema(Schema):
    """What part of the account's limits is ours."""

    per_10s = fields.Integer(
        load_default=100,
        strict=True,
        validate=validate.Range(1, 1000),
        metadata={"help": "calls within 10 seconds that are ours"},
    )
    per_day = fields.Integer(
        load_default=250_000,
        strict=True,
        validate=validate.Range(1, 10_000_000),
        metadata={"help": "calls a day that are ours"},
    )
    searches_per_s = fields.Integer(
        load_default=4,
        strict=True,
        validate=validate.Range(1, 1000),
        metadata={"help": "searches a second that are ours, of the account's five"},
    )


class TaskSchema(Schema):
    """The follow-up task of a handoff to HubSpot. ``task: {}`` makes them as they are."""

    subject = fields.String(
        validate=validate.Length(1, 255), metadata={"help": "instead of the gateway's own, which names the person"}
    )
    due_days = fields.Integer(
        strict=True,
        load_default=1,
        validate=validate.Range(0, 365),
        metadata={"help": "where journey.yaml has no response: days from the day it is made"},
    )


def _origin(url: str) -> None:
    if not re.fullmatch(r"https?://[^/\s?#@]+", url.rstrip("/")):
        raise ValidationError("scheme and host only, such as https://api.hubapi.com")


def _one_of(*choices: str) -> validate.OneOf:
    return validate.OneOf(choices, error=f"must be one of {', '.join(choices)}")


class SettingsSchema(Schema):
    """Loads to its own fields, and ``verification``: None without ``client_secret``, so that no webhook is taken."""

    flow = fields.String(
        load_default="token",
        validate=_one_of("token", "oauth"),
        metadata={"help": "token: a service key or an app's own token; oauth: an app that was installed"},
    )
    """``oauth``: access tokens are fetched with ``client_id``, ``client_secret`` and ``refresh_token``."""
    token = SecretField(
        metadata={
            "help": "a service key (pat-…), or the token of an app, with the guide's scopes",
            "ask": {"flow": "token"},
        }
    )
    next_token = SecretField(metadata={"help": "the token that replaces it: taken when HubSpot refuses the other"})
    client_id = fields.String(metadata={"help": "the OAuth app's client id", "ask": {"flow": "oauth"}})
    refresh_token = SecretField(
        metadata={"help": "what HubSpot gave when the app was installed", "ask": {"flow": "oauth"}}
    )
    client_secret = SecretField(
        metadata={
            "help": "the app's; without it there are no webhooks, and polling brings everything",
            "ask": {"flow": "oauth"},
        }
    )
    next_client_secret = SecretField(
        metadata={"help": "the secret that replaces it: both are good until one is taken out"}
    )
    webhook_signature = fields.String(
        load_default="v3",
        validate=_one_of("v3", "v2", "v1"),
        metadata={"help": "how webhooks are signed; v1 and v2 sign no time: who has seen a call can send it again"},
    )
    public_url = fields.String(
        metadata={"help": "the app's target URL, where it is not the instance's public_url and /hooks/NAME"}
    )
    api = fields.String(load_default="v3", validate=_one_of(*VERSIONS), metadata={"help": "version of HubSpot's API"})
    base_url = fields.String(
        load_default="https://api.hubapi.com", validate=_origin, metadata={"help": "address of HubSpot's API"}
    )
    objects = fields.List(
        fields.String(validate=_one_of(*OBJECTS)),
        load_default=lambda: list(OBJECTS),
        metadata={"help": "what is pulled"},
    )
    activities = fields.List(
        fields.String(validate=_one_of(*ACTIVITIES)),
        load_default=list,
        metadata={"help": "streams of activities to pull, each with a scope of its own"},
    )
    history = fields.List(
        fields.String(),
        load_default=list,
        metadata={
            "help": "properties whose former values a history pull reads; those of all mapped ones when none is named"
        },
    )
    lists = fields.List(
        fields.String(validate=validate.Length(1, 200)),
        load_default=list,
        metadata={"help": "names of lists (segments) that the gateway fills: those of journey.yaml's steps and lists"},
    )
    task = fields.Nested(
        TaskSchema,
        metadata={"help": "follow-up tasks of handoffs; task: {} makes them as they are, without it there are none"},
    )
    subscriptions = fields.List(
        fields.Integer(strict=True),
        load_default=list,
        metadata={"help": "ids of the subscription types that a contact who opted out of e-mail is taken off"},
    )
    external_id = fields.String(
        load_default="gw_external_id",
        validate=validate.Regexp(r"[a-z][a-z0-9_]{0,99}\Z", error="a property's internal name: a-z, 0-9 and _"),
        metadata={"help": "the unique property that holds our key"},
    )
    limits = fields.Nested(
        LimitsSchema,
        load_default=lambda: LimitsSchema().load({}),
        metadata={"help": "what part of the account's limits is ours"},
    )
    app_url = fields.String(
        load_default="https://app.hubspot.com",
        validate=_origin,
        metadata={"help": "where people see records, for links in tasks; in the EU https://app-eu1.hubspot.com"},
    )
    portal_id = fields.Integer(
        strict=True,
        validate=validate.Range(1),
        metadata={"help": "the account this must be; a token of another one is refused"},
    )

    @validates_schema
    def _signed(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        if "client_secret" not in data and "public_url" in data:
            raise ValidationError("only needed for webhooks, and those need client_secret", "public_url")
        needed = ("client_id", "client_secret", "refresh_token") if data["flow"] == "oauth" else ("token",)
        if missing := {name: [f"flow {data['flow']} needs it"] for name in needed if not data.get(name)}:
            raise ValidationError(dict(missing))

    @post_load
    def _built(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        secrets = tuple(data[name] for name in ("client_secret", "next_client_secret") if name in data)
        data["base_url"], data["app_url"] = data["base_url"].rstrip("/"), data["app_url"].rstrip("/")
        data["verification"] = (
            verification(data["webhook_signature"], secrets, data.get("public_url")) if secrets else None
        )
        return data


def verification(version: str, secrets: tuple[Secret, ...], public_url: str | None = None) -> Verification:
    """How HubSpot signs: v3 is an HMAC over method, URL, body and time; v1 and v2 are bare digests, secret first."""
    url = public_url.replace("{", "").replace("}", "") if public_url else "{decoded_url}"
    if version == "v3":
        return Verification(
            scheme="hmac",
            header="X-HubSpot-Signature-v3",
            encoding="base64",
            signed=("{method}", url, "{body}", "{timestamp}"),
            timestamp=Timestamp(header="X-HubSpot-Request-Timestamp", unit="ms"),
            secrets=secrets,
        )
    signed = ("{method}", url, "{body}") if version == "v2" else ("{body}",)
    return Verification(scheme="digest", header="X-HubSpot-Signature", signed=signed, secrets=secrets)
