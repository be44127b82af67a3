"""The ``settings:`` block of a webhook system: a preset or the axes of a signature, secrets, answer, body."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from marshmallow import Schema, ValidationError, fields, post_load, validate, validates_schema

from gateway.contracts import Answer, Timestamp, Verification
from gateway.durations import format_duration, parse_duration
from gateway.payloads import MAX_DEPTH, MAX_KEYS
from gateway.settings.files import suggest
from gateway.settings.secrets import SecretField
from gateway.web.signatures import flaws
from gateway_webhook.presets import PRESETS


class _Duration(fields.Field[timedelta]):
    """``5m``, or a plain number of seconds."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> timedelta:
        try:
            wait = timedelta(seconds=value) if type(value) in (int, float) else parse_duration(str(value))
        except (ValueError, OverflowError):
            raise ValidationError("not a duration such as 5m or 90s") from None
        if not timedelta(0) < wait <= timedelta(days=1):
            raise ValidationError("must be above 0 and at most a day")
        return wait


class _Signed(fields.Field[tuple[str, ...]]):
    """``"v0:{timestamp}:{body}"``, or the same cut into a list."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> tuple[str, ...]:
        parts = [value] if isinstance(value, str) else value
        if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
            raise ValidationError("a text, or a list of texts, such as [{timestamp}, '.', {body}] in quotes")
        return tuple(parts)


def _one_of(*choices: str, metadata: Mapping[str, Any]) -> fields.String:
    known = validate.OneOf(choices, error=f"must be one of {', '.join(choices)}")
    return fields.String(validate=known, metadata=metadata)


class TimestampSchema(Schema):
    header = fields.String(metadata={"help": "header with the time of the call"})
    unit = _one_of("s", "ms", "http-date", "iso8601", metadata={"help": "how the time is written"})
    tolerance = _Duration(metadata={"help": "how old a call may be, such as 5m"})


class VerifySchema(Schema):
    """The axes of ``contracts.Verification``, less the secrets."""

    scheme = _one_of(
        "hmac",
        "token",
        "ed25519",
        "ecdsa-p256",
        "none",
        metadata={"help": "how a call proves itself; none needs allow_insecure"},
    )
    header = fields.String(metadata={"help": "header with the signature or token"})
    query = fields.String(metadata={"help": "query parameter with the token, instead of a header"})
    format = _one_of(
        "plain",
        "kv",
        "versioned-list",
        "id-colon-raw",
        "id-colon-hex",
        "body-field",
        metadata={"help": "how the header is laid out"},
    )
    prefix = fields.String(metadata={"help": "what stands before the signature, such as sha256="})
    algorithm = _one_of("sha1", "sha256", "sha512", metadata={"help": "hash of the HMAC"})
    encoding = _one_of("hex", "base64", metadata={"help": "how the signature is written"})
    signed = _Signed(
        metadata={"help": "what is signed: text with {body}, {timestamp}, {id}, {url}, or a list of parts"}
    )
    timestamp = fields.Nested(
        TimestampSchema, metadata={"help": "where the time of the call stands, and how old it may be"}
    )
    id_header = fields.String(
        metadata={"help": "header with the sender's own id of the delivery: a repeat is known by it"}
    )
    secret_encoding = _one_of("utf8", "base64", "whsec", metadata={"help": "how the secret is written"})
    batches = _one_of(
        "refuse", "accept", metadata={"help": "accept: a call whose signature covers one of several events is taken"}
    )


class AnswerSchema(Schema):
    status = fields.Integer(strict=True, validate=validate.Range(200, 299), metadata={"help": "status of the answer"})
    body = fields.String(metadata={"help": "body of the answer"})
    content_type = fields.String(metadata={"help": "type of the body"})
    get = fields.Integer(
        strict=True,
        validate=validate.Range(200, 599),
        metadata={"help": "status of the answer to a GET, for senders that ask first"},
    )
    echo_origin = fields.Boolean(metadata={"help": "true: an OPTIONS call is answered with its own origin"})
    busy = fields.Integer(
        strict=True,
        validate=[
            validate.Range(400, 599),
            validate.NoneOf([410], error="410 makes senders delete the webhook for good"),
        ],
        metadata={"help": "status while nothing can be stored; never 410"},
    )


class LimitsSchema(Schema):
    depth = fields.Integer(
        strict=True,
        validate=validate.Range(1, 1000),
        metadata={"help": "levels that a body may be nested", "default": MAX_DEPTH},
    )
    keys = fields.Integer(
        strict=True,
        validate=validate.Range(1, 1_000_000),
        metadata={"help": "keys that a body may have", "default": MAX_KEYS},
    )


def _tell_defaults(schema: type[Schema], of: type[Any]) -> None:
    """What is not said is as in ``of``, which the schema's values become part of."""
    for one in dataclasses.fields(of):
        field, default = schema._declared_fields.get(one.name), one.default
        if field is None or default in ("", None, dataclasses.MISSING):
            continue
        if isinstance(default, tuple):
            [default] = default
        elif isinstance(default, timedelta):
            default = format_duration(default)
        told = default.decode() if isinstance(default, bytes) else default
        field.metadata = {**field.metadata, "default": told}


for _schema, _of in ((TimestampSchema, Timestamp), (VerifySchema, Verification), (AnswerSchema, Answer)):
    _tell_defaults(_schema, _of)


def _known_preset(name: str) -> None:
    if name not in PRESETS:
        raise ValidationError(f"no preset of this name{suggest(name, PRESETS) or '; known are ' + ', '.join(PRESETS)}")


class SettingsSchema(Schema):
    """Loads to ``{"verification": Verification, "answer": Answer, "body": str, "depth": int, "keys": int}``."""

    preset = fields.String(
        validate=_known_preset,
        metadata={
            "help": "a sender known here, whose ways go before the defaults; without it verify says how it signs",
            "choices": tuple(PRESETS),
        },
    )
    secrets = fields.List(
        SecretField(),
        metadata={
            "help": "what the sender signs with; two while one replaces the other",
            "example": ["${WEBHOOK_SECRET}"],
        },
    )
    secret_by_id = fields.Dict(
        keys=fields.String(),
        values=SecretField(),
        metadata={"help": "secrets by the id that the sender names, instead of a list"},
    )
    verify = fields.Nested(
        VerifySchema,
        metadata={
            "help": "how calls prove that they are the sender's; over what the preset says",
            "example": {"scheme": "hmac", "header": "X-Signature-256", "prefix": "sha256=", "encoding": "hex"},
        },
    )
    answer = fields.Nested(AnswerSchema, metadata={"help": "what the sender wants to hear"})
    body = _one_of(
        "auto",
        "json",
        "form",
        "xml",
        "cloudevents",
        metadata={"help": "what bodies are; auto goes by their type", "default": "auto"},
    )
    limits = fields.Nested(LimitsSchema, metadata={"help": "what a body may hold at most"})
    allow_insecure = fields.Boolean(
        metadata={"help": "true: calls are taken without proof; anybody can send leads", "default": False}
    )

    @validates_schema
    def _verifiable(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        insecure = data.get("allow_insecure", False)
        if "preset" not in data and "scheme" not in data.get("verify", {}) and not insecure:
            raise ValidationError("name a known sender here, or say under verify how the sender signs", "preset")
        rule = verification(data)
        if rule.scheme == "none" and not insecure:
            raise ValidationError(
                "without verification anybody can send leads; allow_insecure: true accepts that", "allow_insecure"
            )
        errors: dict[str | int, Any] = {}
        for path, message in flaws(rule):
            node: dict[str | int, Any] = errors
            whole = path if path[0] in ("secrets", "secret_by_id") else ("verify", *path)
            for part in whole[:-1]:
                node = node.setdefault(part, {})
            node.setdefault(whole[-1], []).append(message)
        if errors:
            raise ValidationError(errors)

    @post_load
    def _built(self, data: Mapping[str, Any], **kwargs: Any) -> dict[str, Any]:
        preset = PRESETS.get(data.get("preset", ""), {})
        answer = {**preset.get("answer", {}), **data.get("answer", {})}
        if "body" in answer:
            answer["body"] = answer["body"].encode()
        limits = {"depth": MAX_DEPTH, "keys": MAX_KEYS, **preset.get("limits", {}), **data.get("limits", {})}
        return {
            "verification": verification(data),
            "answer": Answer(**answer),
            "body": data.get("body", preset.get("body", "auto")),
            **limits,
        }


def verification(data: Mapping[str, Any]) -> Verification:
    """The preset's axes, the admin's over them, and the secrets, as one value."""
    axes = {"scheme": "none", **PRESETS.get(data.get("preset", ""), {}).get("verify", {})}
    given = dict(data.get("verify", {}))
    moment = {**axes.pop("timestamp", {}), **given.pop("timestamp", {})}
    axes |= given
    return Verification(
        **axes | {"signed": tuple(axes.get("signed", ("{body}",)))},
        timestamp=Timestamp(**moment) if moment or "timestamp" in data.get("verify", {}) else None,
        secrets=tuple(data.get("secrets", ())),
        secret_by_id=dict(data.get("secret_by_id", {})),
    )
