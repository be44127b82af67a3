"""The ``settings:`` block of a system with ``plugin: acme``."""

from __future__ import annotations

from gateway.settings.secrets import SecretField
from marshmallow import Schema, fields, validate


class SettingsSchema(Schema):
    """What `gateway check` holds the block against; ``description`` is what people are told of a setting."""

    token = SecretField(required=True, metadata={"description": "the key of Acme's API"})
    base_url = fields.Url(
        schemes={"https", "http"},
        require_tld=False,
        load_default="https://api.acme.example/v1",
        metadata={"description": "address of Acme's API"},
    )
    calls_per_minute = fields.Integer(
        strict=True,
        load_default=100,
        validate=validate.Range(min=1),
        metadata={"description": "calls that Acme allows us within a minute"},
    )
    signing_secrets = fields.List(
        SecretField(),
        required=True,
        validate=validate.Length(1, 2),
        metadata={"description": "what webhooks are signed with; two while one replaces the other"},
    )
