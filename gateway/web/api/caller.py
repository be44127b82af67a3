"""Who calls the API, by the token they show, and what they may."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import g, request

from gateway.accounts import audit, keys
from gateway.accounts.rights import allowed
from gateway.store.database import write
from gateway.web.desk.page import desk, real_now

F = TypeVar("F", bound=Callable[..., Any])
MINUTE = 60_000_000


@dataclass(frozen=True, slots=True)
class Caller:
    """``email``: as whom they decide, as at the desk; ``token``: the name of the token, for the audit."""

    user: str
    email: str
    token: str
    rights: frozenset[str]


class NotAllowed(Exception):
    """``status``: 401 = nobody we know, 403 = somebody who may not."""

    def __init__(self, status: int, words: str) -> None:
        self.status = status
        super().__init__(words)


def caller() -> Caller:
    """Who calls. Raises ``NotAllowed``."""
    found: Caller | None = g.get("caller")
    if found is None:
        found = g.caller = _known()
    return found


def _known() -> Caller:
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not text:
        raise NotAllowed(401, "say Authorization: Bearer TOKEN; `gateway users token` makes one")
    now = real_now()
    with desk().looking() as connection:
        found = keys.owner(connection, "token", text.strip(), now)
    if found is None:
        raise NotAllowed(401, "the token is unknown, over or ended")
    key, user = found
    if key.seen_at is None or now - key.seen_at > MINUTE:
        with write(desk().gateway.store.main) as connection:
            keys.seen(connection, key, now)
    return Caller(user.id, user.email, key.name, allowed(user.role, key.scopes))


def needs(right: str) -> Callable[[F], F]:
    """Declare the right that an operation asks for."""

    def declare(operation: F) -> F:
        @functools.wraps(operation)
        def checked(*args: Any, **kwargs: Any) -> Any:
            if right not in caller().rights:
                raise NotAllowed(403, f"this token may not {right}")
            return operation(*args, **kwargs)

        return checked  # type: ignore[return-value]

    return declare


def noting(
    what: str, subject: str = "", before: Any = None, after: Any = None, first: bool = False
) -> AbstractContextManager[audit.Entry]:
    """Around what the caller changes or looks into: see ``audit.noting``; with the token that they showed."""
    one = caller()
    entry = audit.Entry(real_now(), one.email, what, subject, before, after, one.token)
    return audit.noting(desk().gateway.store.main, entry, first)
