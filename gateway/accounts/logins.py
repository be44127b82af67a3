"""Logging in with a password: whose it is, and when somebody has guessed too often."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Connection, delete, func, insert, select
from sqlalchemy.engine import Engine

from gateway.accounts import audit, passwords
from gateway.accounts.keys import MICROSECOND
from gateway.accounts.users import User, by_email
from gateway.errors import Refused, TryLater
from gateway.store import tables as t
from gateway.store.database import read, write

WINDOW = timedelta(minutes=15)
TRIES = 5
"""Wrong passwords for one account within ``WINDOW``; then it waits, whoever asks."""
FROM_ONE_PLACE = 50
"""Wrong logins from one address; many people may sit behind it."""
_f = t.login_failures.c


def log_in(store: Engine, email: str, password: str, address: str, at: int) -> User:
    """Whose account it is. ``at``: microseconds of the real clock; ``address``: where the call comes from.

    Raises ``Refused`` (never saying which of the two is wrong) and ``TryLater``.
    """
    account = email.strip().lower()[:320]
    since = at - WINDOW // MICROSECOND
    with read(store) as connection:
        for name, value, most in (("account", account, TRIES), ("address", address, FROM_ONE_PLACE)):
            tried = select(func.count(), func.min(_f.at)).where(_f[name] == value, _f.at > since)
            count, first = connection.execute(tried).one()
            if count >= most:
                raise TryLater((first - since) / 1_000_000, "too many wrong logins")
        user = by_email(connection, account)
    hash_ = user.password if user is not None and user.disabled_at is None else ""
    if user is None or not passwords.fits(password, hash_):
        with write(store) as connection:
            connection.execute(delete(t.login_failures).where(_f.at <= since))
            connection.execute(insert(t.login_failures).values(account=account, address=address, at=at))
        raise Refused("the e-mail address or the password is wrong")
    with write(store) as connection:
        forgive(connection, user)
        audit.note(connection, at, user.email, "logged in", user.id)
    return user


def forgive(connection: Connection, user: User) -> None:
    """Forget the wrong tries."""
    connection.execute(delete(t.login_failures).where(_f.account == user.email))
