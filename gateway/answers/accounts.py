"""People with accounts, their tokens, and the audit, as JSON: the same for commands and the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from marshmallow import Schema, fields

from gateway.answers.fields import Moment

if TYPE_CHECKING:
    from gateway.accounts.keys import Key
    from gateway.settings.instance import Instance


class UserSchema(Schema):
    id = fields.String()
    email = fields.String()
    name = fields.String()
    role = fields.String()
    created_at = Moment()
    disabled_at = Moment()


class TokenSchema(Schema):
    email = fields.String(metadata={"description": "whose it is"})
    name = fields.String()
    scopes = fields.List(
        fields.String(), allow_none=True, metadata={"description": "the rights it is cut down to; null: to none"}
    )
    created_at = Moment()
    expires_at = Moment()
    seen_at = Moment(metadata={"format": "date-time", "description": "when it was used last"})


class AuditSchema(Schema):
    id = fields.String()
    at = Moment()
    by = fields.String(metadata={"description": "an address, or a name on the gateway's machine"})
    token = fields.String(metadata={"description": "the name of the token that a program showed; empty: none"})
    what = fields.String()
    subject = fields.String(metadata={"description": "the id or name of what was changed"})
    before = fields.Raw(metadata={"type": "object", "nullable": True})
    after = fields.Raw(metadata={"type": "object", "nullable": True})


def token_of(key: Key, email: str) -> dict[str, Any]:
    """A token for ``TokenSchema``."""
    scopes = sorted(key.scopes) if key.scopes is not None else None
    return {"email": email, "scopes": scopes, **{name: getattr(key, name) for name in ("name", *_TIMES)}}


_TIMES = ("created_at", "expires_at", "seen_at")


def desk_address(instance: Instance) -> str:
    """Where people find the desk: as gateway.yaml says others see us, else where we listen."""
    if instance.public_url:
        return instance.public_url.rstrip("/")
    host, port = instance.listen
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
