"""What a browser or a program shows to come in: a session, a login link, an API token, and
what it is known by where somebody was logged in before. The store keeps hashes only.

A key is 256 random bits, so its hash needs no salt and no slow function: nobody can try them all.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from gateway.accounts import audit
from gateway.accounts.rights import allowed
from gateway.accounts.users import User, by_id
from gateway.errors import NotFound, Refused
from gateway.store import tables as t
from gateway.store.times import new_id

SESSION = timedelta(hours=12)
"""A day at the desk; a page within the last half of it begins it anew."""
LINK = timedelta(hours=24)
MICROSECOND = timedelta(microseconds=1)
PREFIX = "lgw_"
"""Of API tokens, so that whoever finds one in a file knows what it is."""
_k = t.keys.c


@dataclass(frozen=True, slots=True)
class Key:
    """One row. ``scopes``: the rights a token is cut down to; None = all of its user's."""

    id: str
    kind: str
    user: str
    name: str
    scopes: frozenset[str] | None
    created_at: int
    seen_at: int | None
    expires_at: int | None


def make(
    connection: Connection,
    kind: str,
    user: User,
    at: int,
    lasts: timedelta | None,
    name: str = "",
    scopes: Sequence[str] | None = None,
) -> str:
    """The key itself, to be shown once. ``at``: microseconds of the real clock.

    :param kind: session, browser, link or token.
    """
    text = (PREFIX if kind == "token" else "") + secrets.token_urlsafe(32)
    connection.execute(
        insert(t.keys).values(
            hash=_hash(text),
            id=new_id(),
            kind=kind,
            user=user.id,
            name=name,
            scopes=sorted(scopes) if scopes is not None else None,
            created_at=at,
            seen_at=None,
            expires_at=at + lasts // MICROSECOND if lasts is not None else None,
        )
    )
    return text


def make_token(
    connection: Connection, user: User, name: str, scopes: Sequence[str], days: int, at: int, by: str, token: str = ""
) -> str:
    """An API token, noted in the audit. ``scopes``: the rights it is cut down to, none = all of its user's.

    Raises ``Refused`` for a right that the user's role lacks, or a name that another token of theirs has.
    """
    if user.disabled_at is not None:
        raise Refused(f"{user.email} is disabled")
    if beyond := set(scopes) - allowed(user.role):
        raise Refused(f"{user.email} is {user.role} and may not {', '.join(sorted(beyond))}")
    if any(key.name == name for key, _ in tokens(connection, user)):
        raise Refused(f"{user.email} has a token {name!r} already")
    made = make(connection, "token", user, at, timedelta(days=days), name, scopes or None)
    said = {"name": name, "scopes": sorted(scopes), "days": days}
    audit.note(connection, at, by, "token made", user.id, None, said, token)
    return made


def revoke(connection: Connection, user: User, name: str, at: int, by: str, token: str = "") -> None:
    """End an API token at once. Raises ``NotFound``."""
    drop(connection, token_named(connection, user, name))
    audit.note(connection, at, by, "token revoked", user.id, {"name": name}, None, token)


def make_link(connection: Connection, user: User, at: int, by: str, token: str = "") -> str:
    """What the address of a login link ends with; it works once, within a day. Raises ``Refused``."""
    if user.disabled_at is not None:
        raise Refused(f"{user.email} is disabled; `gateway users change {user.email} --enable`")
    audit.note(connection, at, by, "login link made", user.id, None, None, token)
    return make(connection, "link", user, at, LINK)


def owner(connection: Connection, kind: str, text: str, at: int) -> tuple[Key, User] | None:
    """Whose key it is, if it is one of this kind, in time, of an account that is not disabled."""
    row = connection.execute(select(t.keys).where(_k.hash == _hash(text), _k.kind == kind)).mappings().first()
    if row is None or (row["expires_at"] is not None and row["expires_at"] <= at):
        return None
    user = by_id(connection, row["user"])
    if user is None or user.disabled_at is not None:
        return None
    return _key(row), user


def seen(connection: Connection, key: Key, at: int) -> None:
    """Note that it was used; a session begins anew."""
    until = at + SESSION // MICROSECOND if key.kind == "session" else key.expires_at
    connection.execute(update(t.keys).where(_k.id == key.id).values(seen_at=at, expires_at=until))


def drop(connection: Connection, key: Key) -> None:
    connection.execute(delete(t.keys).where(_k.id == key.id))


def sweep(connection: Connection, at: int) -> None:
    """Forget what is over."""
    connection.execute(delete(t.keys).where(_k.expires_at <= at))


def tokens(connection: Connection, user: User | None = None) -> list[tuple[Key, str]]:
    """API tokens with their users' addresses, the oldest first."""
    chosen = select(t.keys, t.users.c.email).join(t.users, t.users.c.id == _k.user).where(_k.kind == "token")
    if user is not None:
        chosen = chosen.where(_k.user == user.id)
    return [(_key(row), row["email"]) for row in connection.execute(chosen.order_by(_k.id)).mappings()]


def token_named(connection: Connection, user: User, name: str) -> Key:
    """Raises ``NotFound``."""
    for key, _ in tokens(connection, user):
        if key.name == name:
            return key
    raise NotFound(f"no token {name!r}; `gateway users tokens` lists them")


def _key(row: Any) -> Key:
    scopes = frozenset(row["scopes"]) if row["scopes"] is not None else None
    names = ("id", "kind", "user", "name", "created_at", "seen_at", "expires_at")
    return Key(scopes=scopes, **{name: row[name] for name in names})


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
