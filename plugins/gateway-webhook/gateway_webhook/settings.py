"""The ``settings:`` block of a webhook system: a preset or the axes of a signature, secrets, answer, body."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from marshmallow import Schema, ValidationError, fields, post_load, validate, validates_schema

from gateway.contracts import Answer, Timestamp, Verification
from gateway.durations import parse_duration
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


def _one_of(*choices: str) -> fields.String:
    return fields.String(validate=validate.OneOf(choices, error=f"must be one of {', '.join(choices)}"))


class TimestampSchema(Schema):
    header = fields.String()
    unit = _one_of("s", "ms", "http-date", "iso8601")
    tolerance = _Duration()


class VerifySchema(Schema):
    """The axes of ``contracts.Verification``, less the secrets."""

    scheme = _one_of("hmac", "token", "ed25519", "ecdsa-p256", "none")
    header = fields.String()
    query = fields.String()
    format = _one_of("plain", "kv", "versioned-list", "id-colon-raw", "id-colon-hex", "body-field")
    prefix = fields.String()
    algorithm = _one_of("sha1", "sha256", "sha512")
    encoding = _one_of("hex", "base64")
    signed = _Signed()
    timestamp = fields.Nested(TimestampSchema)
    id_header = fields.String()
    secret_encoding = _one_of("utf8", "base64", "whsec")
    batches = _one_of("refuse", "accept")


class AnswerSchema(Schema):
    status = fields.Integer(strict=True, validate=validate.Range(200, 299))
    body = fields.String()
    content_type = fields.String()
    get = fields.Integer(strict=True, validate=validate.Range(200, 599))
    echo_origin = fields.Boolean()
    busy = fields.Integer(
        strict=True,
        validate=[
            validate.Range(400, 599),
            validate.NoneOf([410], error="410 makes senders delete the webhook for good"),
        ],
    )


class LimitsSchema(Schema):
    depth = fields.Integer(strict=True, validate=validate.Range(1, 1000))
    keys = fields.Integer(strict=True, validate=validate.Range(1, 1_000_000))


def _known_preset(name: str) -> None:
    if name not in PRESETS:
        raise ValidationError(f"no preset of this name{suggest(name, PRESETS) or '; known are ' + ', '.join(PRESETS)}")


class SettingsSchema(Schema):
    """Loads to ``{"verification": Verification, "answer": Answer, "body": str, "depth": int, "keys": int}``."""

    preset = fields.String(validate=_known_preset)
    secrets = fields.List(SecretField())
    secret_by_id = fields.Dict(keys=fields.String(), values=SecretField())
    verify = fields.Nested(VerifySchema)
    answer = fields.Nested(AnswerSchema)
    body = _one_of("auto", "json", "form", "xml", "cloudevents")
    limits = fields.Nested(LimitsSchema)
    allow_insecure = fields.Boolean()

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
