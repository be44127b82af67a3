"""The ``settings:`` block of a Salesforce system."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from gateway.contracts import Secret
from gateway.durations import Duration
from gateway.settings.secrets import SecretField

MOST = 200
"""Records that Salesforce takes in one call."""
_FIELD = validate.Regexp(r"[A-Za-z]\w*\Z", error="an API name, such as Gateway_Id__c")
SHARED_HOSTS = ("login.salesforce.com", "test.salesforce.com")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class _Key(SecretField):
    """The consumer key: no secret, but often kept with one, so that a reference is as good as the key itself."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Secret:
        if isinstance(value, str) and value and not value.startswith(("${", "file:")):
            return Secret(value, "consumer_key")
        return super()._deserialize(value, attr, data, **kwargs)


class _Assign(fields.Field[str]):
    """``false``, ``true``, or the id of an assignment rule, as the header wants it."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        if isinstance(value, bool):
            return "TRUE" if value else "FALSE"
        if isinstance(value, str) and value.startswith("01Q") and len(value) in (15, 18) and value.isalnum():
            return value
        raise ValidationError("false, true, or the id of an assignment rule (01Q…)")


def _host(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise ValidationError("the address of your My Domain, such as https://acme.my.salesforce.com")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise ValidationError("must be https: secrets go there")
    if parts.hostname.endswith(".lightning.force.com"):
        raise ValidationError("is the address of the user interface; the API's ends with .my.salesforce.com")


class LimitsSchema(Schema):
    per_day = fields.Integer(
        strict=True,
        load_default=100_000,
        validate=validate.Range(min=100),
        metadata={"help": "the share of the org's daily API calls that the gateway may use"},
    )
    per_20s = fields.Integer(
        strict=True,
        validate=validate.Range(min=1),
        metadata={"help": "calls within 20 seconds; without it they are not paced"},
    )


class TaskSchema(Schema):
    """The follow-up task of a handoff. ``task: {}`` makes them as they are."""

    external_id = fields.String(
        load_default="Gateway_Id__c",
        validate=_FIELD,
        metadata={"help": "unique external id field on Activity: it keeps the task from being made twice"},
    )
    subject = fields.String(
        validate=validate.Length(1, 255), metadata={"help": "instead of the gateway's own, which names the person"}
    )
    due_days = fields.Integer(
        strict=True,
        load_default=1,
        validate=validate.Range(0, 365),
        metadata={"help": "where journey.yaml has no response: days from the day it is made"},
    )
    priority = fields.String(load_default="High", metadata={"help": "of the task"})
    status = fields.String(metadata={"help": "of a new task; the org's default when not given"})
    closed = fields.String(
        load_default="Completed",
        metadata={"help": "status of a task that nobody has to do any more: two leads turned out to be one person"},
    )


class SettingsSchema(Schema):
    login_url = fields.String(
        required=True,
        validate=_host,
        metadata={
            "help": "Setup > My Domain: https://acme.my.salesforce.com, of a sandbox https://acme--dev.sandbox.my…",
            "example": "https://acme.my.salesforce.com",
        },
    )
    flow = fields.String(
        load_default="client_credentials",
        validate=validate.OneOf(["client_credentials", "jwt"], error="must be client_credentials or jwt"),
        metadata={"ask": True, "help": "how to log in: client_credentials (simplest) or jwt"},
    )
    consumer_key = _Key(required=True, metadata={"open": True, "help": "of the external client app (or connected app)"})
    consumer_secret = SecretField(metadata={"ask": {"flow": "client_credentials"}, "help": "of the same app"})
    next_consumer_secret = SecretField(
        metadata={"help": "the secret that replaces it: taken when the other is refused"}
    )
    private_key = SecretField(metadata={"ask": {"flow": "jwt"}, "help": "in PEM form; its certificate is in the app"})
    username = fields.String(metadata={"ask": {"flow": "jwt"}, "help": "of the gateway's own user"})
    audience = fields.String(
        validate=validate.URL(schemes={"https"}),
        metadata={
            "help": "aud of the JWT; https://test.salesforce.com for a sandbox, https://login.salesforce.com else"
        },
    )
    api_version = fields.String(
        load_default="67.0",
        validate=validate.Regexp(r"\d{2,3}\.0\Z", error="a version such as '67.0', in quotes"),
        metadata={"help": "version of Salesforce's API, in quotes"},
    )
    external_id = fields.String(
        load_default="Gateway_Id__c",
        validate=_FIELD,
        metadata={"help": "the unique external id field that holds our key"},
    )
    org_id = fields.String(
        validate=validate.Regexp(r"00D\w{12}(\w{3})?\Z", error="an organization id, 00D…"),
        metadata={"help": "the organization this must be, 00D…; credentials of another one are refused"},
    )
    assign = _Assign(
        load_default="FALSE",
        metadata={
            "default": False,
            "help": "true or a rule's id: assignment rules run when a lead is created; never when one is changed",
        },
    )
    save_duplicates = fields.Boolean(
        load_default=False,
        metadata={"help": "true: save past duplicate rules that only alert; those that block are obeyed either way"},
    )
    batch = fields.Integer(
        strict=True,
        load_default=MOST,
        validate=validate.Range(1, MOST),
        metadata={"help": "records of one call; fewer where the org's own automation takes its time for each"},
    )
    objects = fields.List(
        fields.String(validate=_FIELD),
        metadata={"help": "what is pulled; the objects of the mapping file when not given"},
    )
    overlap = Duration(
        load_default=timedelta(minutes=10),
        metadata={"help": "how far each pull goes back before the last record seen: rows may be committed late"},
    )
    deletions = Duration(
        load_default=timedelta(hours=1), metadata={"help": "how often deletions and merges are asked for"}
    )
    limits = fields.Nested(
        LimitsSchema,
        load_default=lambda: dict(LimitsSchema().load({})),
        metadata={"help": "what part of the org's limits is ours"},
    )
    task = fields.Nested(
        TaskSchema,
        metadata={"help": "follow-up tasks of handoffs; task: {} makes them as they are, without it there are none"},
    )
    campaigns = fields.List(
        fields.String(validate=validate.Length(1, 80)),
        load_default=list,
        metadata={"help": "names of the campaigns that journey.yaml's steps may put people into"},
    )
    outbound_messages = SecretField(
        metadata={"help": "the token in the address that outbound messages are sent to; without it they are not taken"}
    )
    next_outbound_messages = SecretField(
        metadata={"help": "the token that replaces it: both are good until one is taken out"}
    )

    @validates_schema
    def _complete(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        wrong: dict[str, list[str]] = {}
        if data["flow"] == "jwt":
            for key in ("private_key", "username"):
                if not data.get(key):
                    wrong[key] = ["flow jwt needs it"]
        else:
            if not data.get("consumer_secret"):
                wrong["consumer_secret"] = ["flow client_credentials needs it"]
            if urlsplit(data["login_url"]).hostname in SHARED_HOSTS:
                wrong["login_url"] = ["flow client_credentials works only with your My Domain's own address"]
        if "next_outbound_messages" in data and "outbound_messages" not in data:
            wrong["next_outbound_messages"] = ["it replaces outbound_messages, which is not there"]
        if wrong:
            raise ValidationError(dict(wrong))
