"""The people who have an account. Rows in, rows out; each change is noted in the audit in the same transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from email_validator import EmailNotValidError, validate_email
from sqlalchemy import Connection, delete, func, insert, select, update

from gateway.accounts import audit, passwords
from gateway.accounts.rights import ROLES
from gateway.errors import NotFound, Refused
from gateway.settings.files import suggest
from gateway.store import tables as t
from gateway.store.times import new_id

_u = t.users.c


@dataclass(frozen=True, slots=True)
class User:
    """``password``: its hash; empty = they come in by a login link first. ``disabled_at``: microseconds, or None."""

    id: str
    email: str
    name: str
    role: str
    password: str
    created_at: int
    disabled_at: int | None

    def __repr__(self) -> str:
        return f"User({self.id}, {self.role})"


def add(
    connection: Connection, email: str, name: str, role: str, password: str, at: int, by: str, token: str = ""
) -> User:
    """A new account. ``password`` may be empty: then they choose one by a login link.

    Raises ``Refused`` for an address that has one, an unknown role or a weak password.
    """
    address = _address(email)
    check_role(role)
    if password:
        passwords.check(password, address)
    if connection.scalar(select(_u.id).where(_u.email == address)) is not None:
        raise Refused(f"{address} has an account already; `gateway users change` changes it")
    kept = passwords.hashed(password) if password else ""
    user = User(new_id(), address, name or address.partition("@")[0], role, kept, at, None)
    connection.execute(insert(t.users).values(**asdict(user)))
    audit.note(connection, at, by, "account added", user.id, None, {"role": role}, token)
    return user


def change(
    connection: Connection,
    user: User,
    at: int,
    by: str,
    *,
    token: str = "",
    name: str | None = None,
    role: str | None = None,
    password: str | None = None,
    disabled: bool | None = None,
) -> None:
    """Change what is not None. A new password, role or state ends every session of theirs; disabled ends their tokens.

    Raises ``Refused`` for an unknown role, a weak password, or when no admin would be left.
    """
    new: dict[str, Any] = {}
    if name is not None:
        new["name"] = name
    if role is not None:
        check_role(role)
        new["role"] = role
    if password is not None:
        passwords.check(password, user.email)
        new["password"] = passwords.hashed(password)
    if disabled is not None:
        new["disabled_at"] = at if disabled else None
    if user.role == "admin" and user.disabled_at is None and (new.get("role", "admin") != "admin" or disabled):
        others = select(func.count()).where(_u.role == "admin", _u.disabled_at.is_(None), _u.id != user.id)
        if not connection.scalar(others):
            raise Refused("that would leave no admin")
    if not new:
        return
    connection.execute(update(t.users).where(_u.id == user.id).values(**new))
    shown = {key: value for key, value in new.items() if key != "password"}
    before = {key: getattr(user, key) for key in shown}
    if password is not None:
        shown["password"] = "changed"
    audit.note(connection, at, by, "account changed", user.id, before, shown, token)
    k = t.keys.c
    if disabled:
        connection.execute(delete(t.keys).where(k.user == user.id))
    elif new.keys() - {"name"}:
        connection.execute(delete(t.keys).where(k.user == user.id, k.kind != "token"))


def by_email(connection: Connection, email: str) -> User | None:
    row = connection.execute(select(t.users).where(_u.email == email.strip().lower())).mappings().first()
    return User(**row) if row is not None else None


def by_id(connection: Connection, id_: str) -> User | None:
    row = connection.execute(select(t.users).where(_u.id == id_)).mappings().first()
    return User(**row) if row is not None else None


def named(connection: Connection, email: str) -> User:
    """Raises ``NotFound``."""
    found = by_email(connection, email)
    if found is None:
        known = [one.email for one in everybody(connection)]
        raise NotFound(f"no account {email!r}{suggest(email, known) or '; `gateway users list` shows them'}")
    return found


def everybody(connection: Connection) -> Sequence[User]:
    return [User(**row) for row in connection.execute(select(t.users).order_by(_u.email)).mappings()]


def any_there(connection: Connection) -> bool:
    return connection.scalar(select(_u.id).limit(1)) is not None


def check_role(role: str) -> None:
    """Raises ``Refused``."""
    if role not in ROLES:
        raise Refused(f"no role {role!r}{suggest(role, ROLES) or '; there are: ' + ', '.join(ROLES)}")


def _address(email: str) -> str:
    try:
        return validate_email(email, check_deliverability=False, test_environment=True).normalized.lower()
    except EmailNotValidError as exc:
        raise Refused(f"not an e-mail address: {exc}") from None
