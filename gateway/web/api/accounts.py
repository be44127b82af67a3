"""People with accounts, their tokens, and the audit: for admins."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, validate
from sqlalchemy import Connection

from gateway.accounts import audit, keys, logins, users
from gateway.accounts.rights import RIGHTS, ROLES, allowed
from gateway.answers.accounts import AuditSchema, TokenSchema, UserSchema, desk_address, token_of
from gateway.errors import Refused
from gateway.store.database import write
from gateway.times import to_micros
from gateway.web.api.caller import Caller, NotAllowed, caller
from gateway.web.api.forms import Page, Paged, Text, after, cut
from gateway.web.api.resource import Resource
from gateway.web.desk.page import desk, real_now

blueprint = Resource("accounts", "People with accounts, their tokens, and what they changed")
ROLE = validate.OneOf(list(ROLES))


class UsersPage(Schema):
    users = fields.List(fields.Nested(UserSchema))


class NewUser(Schema):
    email = Text(320, 3, required=True)
    name = Text(load_default="", metadata={"description": "how others see them; default: the address up to its @"})
    role = fields.String(required=True, validate=ROLE)


class ChangedUser(Schema):
    name = Text(least=1, load_default=None)
    role = fields.String(load_default=None, validate=ROLE)
    disabled = fields.Boolean(load_default=None, metadata={"description": "true: out at once, and their tokens gone"})


class Link(Schema):
    link = fields.String(metadata={"description": "works once, within a day; told only now"})


class TokensPage(Schema):
    tokens = fields.List(fields.Nested(TokenSchema))


class NewToken(Schema):
    name = Text(100, 1, required=True, metadata={"description": "what it is for"})
    scopes = fields.List(
        fields.String(validate=validate.OneOf(list(RIGHTS))),
        load_default=list,
        metadata={"description": "the rights it is cut down to; none: all that the role may"},
    )
    days = fields.Integer(load_default=365, validate=validate.Range(1, 3650))


class MadeToken(Schema):
    token = fields.String(metadata={"description": "told only now: the gateway keeps its hash alone"})


class Ended(Schema):
    ended = fields.String()


class Asked(Paged):
    by = Text(320, load_default="")
    what = Text(load_default="", metadata={"description": "beginning of it, such as `handoff`"})
    subject = Text(load_default="")
    since = fields.AwareDateTime(load_default=None)
    until = fields.AwareDateTime(load_default=None, metadata={"description": "before then"})


class AuditPage(Page):
    entries = fields.List(fields.Nested(AuditSchema))


def _caller(role: str | None, scopes: frozenset[str] | None = None) -> Caller:
    """Who calls, if they may themselves all that they give away. Raises ``NotAllowed``."""
    one = caller()
    if role is not None and (more := allowed(role, scopes) - one.rights):
        raise NotAllowed(403, f"this token may not {', '.join(sorted(more))}, and gives nobody more than it has")
    return one


@blueprint.looks("/users", UsersPage, "accounts")
def everybody() -> Any:
    """List accounts."""
    with desk().looking() as connection:
        return {"users": users.everybody(connection)}


@blueprint.changes("/users", "accounts", NewUser, UserSchema)
def add(said: dict[str, Any]) -> Any:
    """Add an account; they choose a password by a login link."""
    one = _caller(said["role"])
    with write(desk().gateway.store.main) as connection:
        made = users.add(connection, said["email"], said["name"], said["role"], "", real_now(), one.email, one.token)
    return UserSchema().dump(made)


@blueprint.changes("/users/<email>", "accounts", ChangedUser, UserSchema, method="PATCH")
def change(said: dict[str, Any], email: str) -> Any:
    """Change a name or a role; keep somebody out, or let them in again."""
    if set(said.values()) == {None}:
        raise Refused("say what changes: name, role or disabled")
    one = _caller(said["role"])
    with write(desk().gateway.store.main) as connection:
        user = users.named(connection, email)
        users.change(connection, user, real_now(), one.email, token=one.token, **said)
        logins.forgive(connection, user)
        return UserSchema().dump(users.named(connection, email))


@blueprint.changes("/users/<email>/link", "accounts", None, Link, kept=False)
def link(email: str) -> Any:
    """Make a link by which somebody comes in, once, and may choose a password."""
    one, gateway = caller(), desk().gateway
    with write(gateway.store.main) as connection:
        user = users.named(connection, email)
        _caller(user.role)
        made = keys.make_link(connection, user, real_now(), one.email, one.token)
    return {"link": f"{desk_address(gateway.instance)}/login/{made}"}


@blueprint.looks("/tokens", TokensPage, "accounts")
def tokens() -> Any:
    """List API tokens."""
    with desk().looking() as connection:
        return {"tokens": [token_of(*one) for one in keys.tokens(connection)]}


@blueprint.changes("/users/<email>/tokens", "accounts", NewToken, MadeToken, kept=False)
def make_token(said: dict[str, Any], email: str) -> Any:
    """Make an API token."""
    one, now = caller(), real_now()
    with write(desk().gateway.store.main) as connection:
        user = users.named(connection, email)
        scopes, days = said["scopes"], said["days"]
        _caller(user.role, frozenset(scopes) if scopes else None)
        return {"token": keys.make_token(connection, user, said["name"], scopes, days, now, one.email, one.token)}


@blueprint.changes("/users/<email>/tokens/<name>", "accounts", None, Ended, method="DELETE")
def revoke(email: str, name: str) -> Any:
    """End an API token, at once."""
    one = caller()
    with write(desk().gateway.store.main) as connection:
        keys.revoke(connection, users.named(connection, email), name, real_now(), one.email, one.token)
    return {"ended": name}


@blueprint.looks("/audit", AuditPage, "accounts", Asked)
def entries(asked: dict[str, Any]) -> Any:
    """Who changed what, the newest first."""
    with desk().looking() as connection:
        rows = _entries(connection, asked)
    shown, following = cut(rows, asked["limit"], lambda row: int(row["at"]))
    return {"entries": shown, "next": following}


def _entries(connection: Connection, asked: dict[str, Any]) -> list[dict[str, Any]]:
    since, until = (at and to_micros(at) for at in (asked["since"], asked["until"]))
    words = {name: asked[name] for name in ("by", "what", "subject")}
    return audit.entries(connection, asked["limit"] + 1, since=since, until=until, after=after(asked), **words)
