"""Logging in with a password: whose it is, and when somebody has guessed too often.

Guesses wait by where they come from, so nobody keeps others out by guessing wrong. A browser in which somebody was
logged in before is a place of its own: theirs, whoever else guesses from wherever.
"""

from __future__ import annotations

import ipaddress
from datetime import timedelta

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select
from sqlalchemy.engine import Engine

from gateway.accounts import audit, passwords
from gateway.accounts.keys import MICROSECOND
from gateway.accounts.users import User, by_email
from gateway.errors import Refused, TryLater
from gateway.store import tables as t
from gateway.store.database import read, write

WINDOW = timedelta(minutes=15)
TRIES = 5
"""Wrong passwords for one account from one place within ``WINDOW``; then that place waits."""
FROM_ANYWHERE = 30
"""Wrong passwords for one account from all addresses; then only browsers that it is known in may try."""
FROM_ONE_PLACE = 50
"""Wrong logins from one address; many people may sit behind it."""
_f = t.login_failures.c


def log_in(
    store: Engine, email: str, password: str, address: str, at: int, known: tuple[str, str] | None = None
) -> User:
    """Whose account it is. ``at``: microseconds of the real clock; ``address``: where the call comes from.

    :param known: id of an account that was logged in in this browser before, and the browser's own name.
    Raises ``Refused`` (never saying which of the two is wrong) and ``TryLater``.
    """
    account = email.strip().lower()[:320]
    with read(store) as connection:
        user = by_email(connection, account)
        theirs = known is not None and user is not None and known[0] == user.id
        place = known[1] if known is not None and theirs else _network(address)
        _too_often(connection, account, place, theirs, at)
    with write(
        store, lock=f"login {account}"
    ) as connection:  # counted before it is looked at: many at once are no more guesses
        _too_often(connection, account, place, theirs, at)
        connection.execute(delete(t.login_failures).where(_f.at <= at - WINDOW // MICROSECOND))
        connection.execute(insert(t.login_failures).values(account=account, address=place, at=at))
    hash_ = user.password if user is not None and user.disabled_at is None else ""
    if not passwords.fits(password, hash_) or user is None:
        raise Refused("the e-mail address or the password is wrong")
    with write(store) as connection:
        forgive(connection, user, place)
        audit.note(connection, at, user.email, "logged in", user.id)
    return user


def forgive(connection: Connection, user: User, place: str | None = None) -> None:
    """Forget the wrong tries, of all places or of one."""
    theirs = [_f.account == user.email, *([_f.address == place] if place is not None else [])]
    connection.execute(delete(t.login_failures).where(*theirs))


def _too_often(connection: Connection, account: str, place: str, theirs: bool, at: int) -> None:
    since = at - WINDOW // MICROSECOND
    limits: list[tuple[int, tuple[ColumnElement[bool], ...]]] = [(TRIES, (_f.account == account, _f.address == place))]
    if not theirs:
        limits += [(FROM_ANYWHERE, (_f.account == account,)), (FROM_ONE_PLACE, (_f.address == place,))]
    for most, which in limits:
        count, first = connection.execute(select(func.count(), func.min(_f.at)).where(*which, _f.at > since)).one()
        if count >= most:
            raise TryLater((first - since) / 1_000_000, "too many wrong logins")


def _network(address: str) -> str:
    """Of an IPv6 address what one customer of a provider has: each of them has more addresses than there are tries."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:100]
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    return str(found.ipv4_mapped or ipaddress.ip_network((found, 64), strict=False))
