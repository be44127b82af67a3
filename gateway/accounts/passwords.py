"""Passwords: argon2id, as the library sets it up."""

from __future__ import annotations

import threading
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from gateway.errors import Refused

SHORTEST = 12
LONGEST = 256
_hasher = PasswordHasher()
# Each check takes 64 MiB: a crowd of guesses must not take the machine's memory.
_turn = threading.BoundedSemaphore(2)


def check(password: str, email: str) -> None:
    """Raises ``Refused`` for a weak one; length counts more than strange characters."""
    if len(password) < SHORTEST:
        raise Refused(f"a password has {SHORTEST} characters or more")
    if len(password) > LONGEST:
        raise Refused(f"a password has {LONGEST} characters at most")
    name = email.partition("@")[0]
    if len(set(password)) < 5 or (len(name) > 3 and name in password.lower()):
        raise Refused("too easy to guess: use several words, without your own name")


def hashed(password: str) -> str:
    with _turn:
        return _hasher.hash(password)


def fits(password: str, hash_: str) -> bool:
    """Whether it is the one of ``hash_``. An empty hash takes as long, and fits nothing."""
    try:
        with _turn:
            return _hasher.verify(hash_ or _nobodys(), password[:LONGEST]) and bool(hash_)
    except (VerificationError, InvalidHashError):
        return False


@cache  # made when first needed: every command imports this, and few ask for a password
def _nobodys() -> str:
    return _hasher.hash("nobody has this password, yet the check takes as long")
