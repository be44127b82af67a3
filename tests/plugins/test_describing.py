"""One schema checks a plugin's settings, tells them, and writes a first section that passes its own check."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from marshmallow import Schema, fields, validate

from gateway.durations import Duration
from gateway.host import Host
from gateway.plugins.describing import section, settings_of
from gateway.plugins.probe import sections_of
from gateway.settings.loading import load_instance
from gateway.settings.secrets import SecretField

MAPPING = "system: mine\nobjects: {c: {kind: person, id: id, fields: {e: email}}}\n"
OURS = ("chat", "files", "hubspot", "salesforce", "smtp", "webhook")


class Inner(Schema):
    deep = fields.Integer(required=True, metadata={"description": "how deep"})


class Settings(Schema):
    token = SecretField(required=True, metadata={"help": "the key"})
    keys = fields.List(SecretField())
    public = SecretField(metadata={"open": True})
    word = fields.String(data_key="from", load_default="a", validate=validate.OneOf(["a", "b"]))
    every = Duration(load_default=timedelta(minutes=90))
    names = fields.List(fields.String(), load_default=list)
    raw = fields.Raw(load_default=object(), metadata={"default": False})
    inner = fields.Nested(Inner)
    wanted = fields.Nested(Inner, metadata={"example": {"deep": 3}})
    asked = fields.Float(metadata={"ask": {"word": "a"}})
    unasked = fields.Float(metadata={"ask": {"word": "b"}})


def told(path: str) -> Any:
    return next(one for one in settings_of(Settings) if one.path == path)


def test_each_setting_tells_type_default_and_what_it_is_for() -> None:
    """By the names that the file uses; a nested one with a dot."""
    assert [one.path for one in settings_of(Settings)] == [
        *("token", "keys", "public", "from", "every", "names", "raw", "inner", "inner.deep", "wanted", "wanted.deep"),
        *("asked", "unasked"),
    ]
    assert (told("token").type, told("token").required, told("token").secret) == ("secret", True, True)
    assert (told("keys").type, told("keys").secret) == ("list of secrets", True)
    assert (told("public").type, told("public").secret) == ("text", False)
    assert (told("from").default, told("from").choices) == ("a", ("a", "b"))
    assert (told("every").type, told("every").default) == ("duration", "90m")
    assert (told("names").type, told("names").default) == ("list of texts", [])
    assert told("raw").default is False
    assert (told("inner.deep").help, told("inner.deep").required) == ("how deep", True)
    assert (told("asked").needed, told("unasked").needed) == (True, False)
    assert settings_of(None) == []


def test_a_section_writes_what_is_needed_and_comments_out_the_rest() -> None:
    """With a placeholder where only the admin knows; a comment that is taken away leaves a sound line."""
    text = section("crm", "acme", Settings, {"role": "crm", "pull": "5m"})
    live = [line.partition("  #")[0].rstrip() for line in text.splitlines() if not line.lstrip().startswith("#")]
    assert live == [
        *("  crm:", "    plugin: acme", "    role: crm", "    outbound: off", "    pull: 5m", "    settings:"),
        *('      token: "${CRM_TOKEN}"', "      wanted:", "        deep: 3", "      asked: 1"),
    ]
    assert "\n      # inner:\n      #   deep: …  " in text
    assert "      # every: 90m" in text


@pytest.fixture(scope="module")
def host() -> Host:
    return Host()


@pytest.mark.parametrize("name", OURS)
def test_each_of_our_sections_is_right_once_its_placeholders_are_set(
    host: Host, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `gateway plugins show NAME --section` prints it, put under ``systems:`` as it is."""
    if name not in {*host.sources, *host.sinks}:
        pytest.skip(f"no plugin offers {name} here")
    text = sections_of(host, name)
    for variable in re.findall(r"\$\{(\w+)\}", text):
        monkeypatch.setenv(variable, "https://chat.example/0123456789abcdef0123456789abcdef")
    (tmp_path / "gateway.yaml").write_text(
        f"instance: {{name: Example, zone: UTC, currency: EUR}}\nsystems:\n{text.replace('CHANGE-ME', 'changed')}"
    )
    if "role: notify" not in text:
        (tmp_path / "mappings").mkdir()
        (tmp_path / "mappings" / f"{name}.yaml").write_text(MAPPING.replace("mine", name))
    system = load_instance(tmp_path, host).systems[name]
    assert (system.absent, system.outbound) == ("", False)
    assert system.settings or name == "files"


@pytest.mark.parametrize("name", OURS)
def test_each_of_our_settings_says_what_it_is_for(host: Host, name: str) -> None:
    """Else an admin reads a bare word."""
    offers = [shelf[name] for shelf in (host.sources, host.sinks) if name in shelf]
    if not offers:
        pytest.skip(f"no plugin offers {name} here")
    assert [one.path for one in settings_of(offers[0].settings) if not one.help] == []
