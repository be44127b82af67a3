"""Accounts: who comes in, what they may, what is kept of it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.profiles import RFC_9106_LOW_MEMORY
from sqlalchemy import Engine, select

from gateway.accounts import audit, keys, logins, passwords, users
from gateway.accounts.rights import RIGHTS, ROLES, allowed
from gateway.errors import NotFound, Refused, TryLater
from gateway.store import tables as t
from gateway.store.database import open_store, read, write

NOW = 1_800_000_000_000_000
MINUTE = 60_000_000
GOOD = "correct horse battery"


@pytest.fixture
def store(gateway_tables: Path, tmp_path: Path) -> Iterator[Engine]:
    import shutil

    place = tmp_path / "var"
    shutil.copytree(gateway_tables, place)
    opened = open_store(place)
    yield opened.main
    opened.close()


def added(store: Engine, email: str = "Kim@One.example", role: str = "sales", password: str = GOOD) -> users.User:
    with write(store) as connection:
        return users.add(connection, email, "", role, password, NOW, "root")


def test_a_password_lets_in_and_stands_nowhere(
    store: Engine, dear_passwords: PasswordHasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "_hasher", dear_passwords)
    added(store)
    assert logins.log_in(store, " kim@one.EXAMPLE ", GOOD, "10.0.0.1", NOW).role == "sales"
    with read(store) as connection:
        [row] = connection.execute(select(t.users)).all()
        noted = audit.entries(connection, 10)
    assert row.email == "kim@one.example"
    assert extract_parameters(row.password) == RFC_9106_LOW_MEMORY
    assert [one["what"] for one in noted] == ["logged in", "account added"]
    assert GOOD not in repr((row, noted, users.User(**row._mapping)))


@pytest.mark.parametrize(
    ("email", "password"),
    [("kim@one.example", "wrong"), ("nobody@one.example", GOOD), ("kim@one.example", ""), ("", "")],
)
def test_who_is_wrong_hears_the_same(store: Engine, email: str, password: str) -> None:
    added(store)
    with pytest.raises(Refused, match="the e-mail address or the password is wrong"):
        logins.log_in(store, email, password, "10.0.0.1", NOW)


def test_an_account_without_a_password_takes_none(store: Engine) -> None:
    added(store, password="")
    with pytest.raises(Refused):
        logins.log_in(store, "kim@one.example", "", "10.0.0.1", NOW)


def test_guessing_waits_even_with_the_right_password(store: Engine) -> None:
    """After a while it may go on, and one right login forgives."""
    added(store)
    for place in range(logins.TRIES):
        with pytest.raises(Refused):
            logins.log_in(store, "kim@one.example", "wrong", "10.0.0.9", NOW + place * MINUTE)
    with pytest.raises(TryLater) as later:
        logins.log_in(store, "kim@one.example", GOOD, "10.0.0.9", NOW + 10 * MINUTE)
    assert later.value.seconds == pytest.approx(5 * 60)
    assert logins.log_in(store, "kim@one.example", GOOD, "10.0.0.9", NOW + 16 * MINUTE)
    with read(store) as connection:
        assert connection.execute(select(t.login_failures)).all() == []


def guess(store: Engine, place: str, times: int = logins.TRIES) -> None:
    for _ in range(times):
        with pytest.raises(Refused):
            logins.log_in(store, "kim@one.example", "wrong", place, NOW)
    with pytest.raises(TryLater):
        logins.log_in(store, "kim@one.example", GOOD, place, NOW)


def test_who_guesses_wrong_keeps_nobody_else_out(store: Engine) -> None:
    """Neither from one address nor, in a browser that they were logged in in, from many."""
    kim = added(store)
    guess(store, "10.0.0.1")
    assert logins.log_in(store, "kim@one.example", GOOD, "10.0.0.9", NOW)
    for number in range(2, 2 + logins.FROM_ANYWHERE // logins.TRIES - 1):
        guess(store, f"10.0.0.{number}")
    with pytest.raises(TryLater):  # so many networks that they are not people's
        logins.log_in(store, "kim@one.example", GOOD, "10.0.0.9", NOW)
    with pytest.raises(TryLater):  # a browser of another account is known for nothing here
        logins.log_in(store, "kim@one.example", GOOD, "10.0.0.9", NOW, ("another", "browser 2"))
    assert logins.log_in(store, "kim@one.example", GOOD, "10.0.0.9", NOW, (kim.id, "browser 1"))


def test_a_known_browser_has_no_more_tries_than_others(store: Engine) -> None:
    kim = added(store)
    for _ in range(logins.TRIES):
        with pytest.raises(Refused):
            logins.log_in(store, "kim@one.example", "wrong", "10.0.0.1", NOW, (kim.id, "browser 1"))
    with pytest.raises(TryLater):
        logins.log_in(store, "kim@one.example", GOOD, "10.0.0.2", NOW, (kim.id, "browser 1"))


def test_a_customer_of_a_provider_is_one_place(store: Engine) -> None:
    """Who has 2 to the power of 64 addresses has five tries all the same."""
    added(store)
    for number in range(logins.TRIES):
        with pytest.raises(Refused):
            logins.log_in(store, "kim@one.example", "wrong", f"2001:db8::{number}", NOW)
    with pytest.raises(TryLater):
        logins.log_in(store, "kim@one.example", GOOD, "2001:db8::ffff:9", NOW)
    assert logins.log_in(store, "kim@one.example", GOOD, "2001:db8:0:1::9", NOW)


def test_many_guesses_at_once_are_no_more_guesses(store: Engine) -> None:
    added(store)

    def one(_: int) -> type[Exception]:
        with pytest.raises((Refused, TryLater)) as told:
            logins.log_in(store, "kim@one.example", "wrong", "10.0.0.1", NOW)
        return told.type

    with ThreadPoolExecutor(12) as crowd:
        told = list(crowd.map(one, range(24)))
    assert told.count(Refused) == logins.TRIES


def test_one_place_that_tries_many_accounts_waits(store: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logins, "FROM_ONE_PLACE", 3)
    for number in range(3):
        with pytest.raises(Refused):
            logins.log_in(store, f"guess{number}@one.example", "wrong", "10.0.0.1", NOW)
    with pytest.raises(TryLater):
        logins.log_in(store, "another@one.example", "wrong", "10.0.0.1", NOW)
    with pytest.raises(Refused):
        logins.log_in(store, "another@one.example", "wrong", "10.0.0.2", NOW)


@pytest.mark.parametrize(
    ("email", "role", "password", "words"),
    [
        ("kim", "sales", GOOD, "not an e-mail address"),
        ("kim@one.example", "saels", GOOD, "no role 'saels'; did you mean"),
        ("kim@one.example", "sales", "short", "12 characters"),
        ("kim@one.example", "sales", "aaaaaaaaaaaaaaaa", "too easy"),
        ("kimberly@one.example", "sales", "Kimberly-is-me-1", "too easy"),
        ("kim@one.example", "sales", "long" * 100, "256"),
    ],
)
def test_what_an_account_cannot_be(store: Engine, email: str, role: str, password: str, words: str) -> None:
    with pytest.raises(Refused, match=words):
        added(store, email, role, password)


def test_an_address_has_one_account(store: Engine) -> None:
    added(store)
    with pytest.raises(Refused, match="has an account already"):
        added(store, "KIM@one.example")


def test_a_key_works_in_its_time_and_for_what_it_is(store: Engine) -> None:
    user = added(store)
    with write(store) as connection:
        made = keys.make(connection, "session", user, NOW, keys.SESSION)
        token = keys.make(connection, "token", user, NOW, None, "report", ["read"])
        hashes = set(connection.scalars(select(t.keys.c.hash)))
    assert not hashes & {made, token}
    assert token.startswith(keys.PREFIX)
    end = NOW + keys.SESSION // keys.MICROSECOND
    with read(store) as connection:
        assert keys.owner(connection, "session", made, end - 1) is not None
        assert keys.owner(connection, "session", made, end) is None
        assert keys.owner(connection, "token", made, NOW) is None
        assert keys.owner(connection, "session", "guess\udc80", NOW) is None
        found = keys.owner(connection, "token", token, NOW)
    assert found is not None
    assert found[0].scopes == frozenset({"read"})


@pytest.mark.parametrize(
    ("changed", "session", "token"),
    [
        ({"name": "Kim"}, True, True),
        ({"role": "viewer"}, False, True),
        ({"password": "another horse battery"}, False, True),
        ({"disabled": True}, False, False),
    ],
)
def test_a_change_ends_what_it_must(store: Engine, changed: dict[str, Any], session: bool, token: bool) -> None:
    user = added(store)
    with write(store) as connection:
        made = {kind: keys.make(connection, kind, user, NOW, keys.SESSION) for kind in ("session", "token", "link")}
        users.change(connection, user, NOW, "root", **changed)
    with read(store) as connection:
        alive = {kind: keys.owner(connection, kind, text, NOW) is not None for kind, text in made.items()}
    assert alive == {"session": session, "token": token, "link": session}


def test_an_admin_is_always_left(store: Engine) -> None:
    boss = added(store, "boss@one.example", "admin")
    for change in ({"role": "sales"}, {"disabled": True}):
        with pytest.raises(Refused, match="no admin"), write(store) as connection:
            users.change(connection, boss, NOW, "root", **change)
    other = added(store, "second@one.example", "admin")
    with write(store) as connection:
        users.change(connection, boss, NOW, "root", role="sales")
    with pytest.raises(Refused, match="no admin"), write(store) as connection:
        users.change(connection, other, NOW, "root", disabled=True)


def test_the_audit_tells_before_and_after_and_no_password(store: Engine) -> None:
    user = added(store)
    with write(store) as connection:
        users.change(connection, user, NOW + 1, "root", role="marketing", password="another horse battery")
        [entry, _] = audit.entries(connection, 10)
    assert (entry["what"], entry["by"], entry["before"]) == ("account changed", "root", {"role": "sales"})
    assert entry["after"] == {"role": "marketing", "password": "changed"}


def test_rights() -> None:
    assert allowed("sales") == {"read", "judge", "decide"}
    assert allowed("sales", frozenset({"judge", "operate"})) == {"judge"}
    assert allowed("nobody") == frozenset()
    assert set().union(*ROLES.values()) == set(RIGHTS)


def test_who_is_not_there_is_named(store: Engine) -> None:
    added(store)
    with read(store) as connection, pytest.raises(NotFound, match=r"did you mean .*kim@one.example"):
        users.named(connection, "kin@one.example")
