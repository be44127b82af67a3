"""``gateway users``: accounts and tokens on the command line."""

from __future__ import annotations

from typing import Any

import pytest

GOOD = "correct horse battery"


def add(instance: Any, email: str, role: str, code: int = 0) -> Any:
    return instance.run("users", "add", email, "--role", role, "--link", code=code)


def test_accounts_are_added_listed_and_changed(filled: Any) -> None:
    assert "/login/" in add(filled, "boss@one.example", "admin").output
    add(filled, "kim@one.example", "sales")
    filled.run("users", "change", "kim@one.example", "--role", "viewer", "--name", "Kim K.")
    rows = {one["email"]: one for one in filled.json("users", "list")["users"]}
    assert rows["kim@one.example"]["role"] == "viewer"
    assert rows["kim@one.example"]["name"] == "Kim K."
    assert "boss@one.example" in filled.run("users", "list").output
    assert "leave no admin" in filled.run("users", "change", "boss@one.example", "--disable", code=1).stderr


def test_a_password_is_asked_for_and_checked(filled: Any) -> None:
    from click.testing import CliRunner

    from gateway.cli.main import cli

    words = ["-C", str(filled.root), "users", "add", "kim@one.example", "--role", "sales"]
    weak = CliRunner().invoke(cli, words, input="short\nshort\n")
    assert weak.exit_code == 1
    assert "12 characters" in weak.stderr
    good = CliRunner().invoke(cli, words, input=f"{GOOD}\n{GOOD}\n")
    assert good.exit_code == 0, good.output
    assert GOOD not in good.output


def test_a_token_is_shown_once_and_can_be_ended(filled: Any) -> None:
    add(filled, "kim@one.example", "sales")
    refused = filled.run("users", "token", "kim@one.example", "--name", "bi", "--scope", "operate", code=1)
    assert "may not operate" in refused.stderr
    made = filled.run("users", "token", "kim@one.example", "--name", "bi", "--scope", "read").stdout.strip()
    again = filled.run("users", "token", "kim@one.example", "--name", "bi", code=1)
    assert "has a token 'bi' already" in again.stderr
    [row] = filled.json("users", "tokens")["tokens"]
    assert (row["email"], row["scopes"]) == ("kim@one.example", ["read"])
    assert made not in filled.run("users", "tokens").output
    filled.run("users", "tokens", "--revoke", "kim@one.example", "bi")
    assert filled.json("users", "tokens")["tokens"] == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["change", "nobody@one.example", "--disable"], "no account"),
        (["link", "nobody@one.example"], "no account"),
        (["tokens", "--revoke", "kim@one.example", "x"], "no token 'x'"),
    ],
)
def test_who_is_not_there_is_said(filled: Any, words: list[str], told: str) -> None:
    add(filled, "kim@one.example", "sales")
    assert told in filled.run("users", *words, code=1).stderr
