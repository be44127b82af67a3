"""Secrets: references only, and never shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from marshmallow import Schema, ValidationError, fields

from gateway.contracts import Secret
from gateway.errors import ConfigError
from gateway.settings.secrets import SecretField, secrets_of


class Keys(Schema):
    token = SecretField()
    tokens = fields.List(SecretField())


def test_a_reference_becomes_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the environment, and from a file of the instance; lists as well."""
    monkeypatch.setenv("TOKEN_A", "hunter2")
    (tmp_path / "b.secret").write_text("hunter3\n")
    with secrets_of(tmp_path):
        keys = Keys().load({"token": "${TOKEN_A}", "tokens": ["file:b.secret", "${TOKEN_A}"]})
    assert [secret.reveal() for secret in (keys["token"], *keys["tokens"])] == ["hunter2", "hunter3", "hunter2"]
    assert "hunter" not in f"{keys!r} {keys['token']}"
    assert Keys().dump(keys) == {"token": "${TOKEN_A}", "tokens": ["file:b.secret", "${TOKEN_A}"]}


@pytest.mark.parametrize(
    "literal", ["hunter2", "", "$TOKEN", "${TOKEN}x", "${1}", "file:", 5, True, ["hunter2"], {"a": "hunter2"}]
)
def test_a_literal_secret_is_refused_without_being_repeated(literal: Any) -> None:
    """Whoever wrote it there must not find it in a log as well."""
    with pytest.raises(ValidationError) as refused:
        Keys().load({"token": literal})
    assert refused.value.messages == {"token": ["write ${NAME} or file:PATH, never the secret itself"]}


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("${NO_SUCH_TOKEN}", "the environment variable NO_SUCH_TOKEN is not set"),
        ("${EMPTY_TOKEN}", "the environment variable EMPTY_TOKEN is empty"),
        ("file:none.secret", "file:none.secret: no such file"),
        ("file:empty.secret", "file:empty.secret: the file is empty"),
        ("file:binary.secret", "file:binary.secret: cannot be read: UnicodeDecodeError"),
        ("file:huge.secret", "file:huge.secret: longer than a secret can be"),
        ("file:.", "file:.: cannot be read: IsADirectoryError"),
        ("file:\x00", "file:\x00: cannot be read: ValueError"),
    ],
)
def test_a_reference_to_nothing_is_told_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: str, message: str
) -> None:
    """The place, not the value."""
    monkeypatch.delenv("NO_SUCH_TOKEN", raising=False)
    monkeypatch.setenv("EMPTY_TOKEN", "")
    (tmp_path / "empty.secret").write_text("\n")
    (tmp_path / "binary.secret").write_bytes(b"\xff\xfe")
    (tmp_path / "huge.secret").write_text("x" * 70_000)
    with secrets_of(tmp_path), pytest.raises(ValidationError) as refused:
        Keys().load({"token": reference})
    assert refused.value.messages == {"token": [message]}


def test_no_secret_is_in_any_problem_or_repr_of_an_instance(room: Any) -> None:
    """A literal in the wrong place, and the loaded instance."""
    instance = room()
    assert instance.systems["website"].settings["token"] == Secret("hunter2", "")
    assert "hunter2" not in repr(instance) + repr(instance.systems["website"].settings) + str(instance.files)
    with pytest.raises(ConfigError) as refused:
        room({"gateway.yaml": room_text("hunter2")})
    assert "hunter2" not in str(refused.value)
    assert "gateway.yaml:3: systems.website.settings.token: write ${NAME}" in str(refused.value)


def room_text(token: str) -> str:
    return (
        "instance: {name: Example, zone: Europe/Berlin, currency: EUR}\nsystems:\n"
        f"  website: {{plugin: hook, settings: {{token: {token}, more: [{token}], path: [{token}], tokn: {token}}}}}\n"
        "  crm: {plugin: table}\n"
    )
