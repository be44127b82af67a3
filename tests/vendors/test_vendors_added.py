"""``gateway systems add webhook --vendor NAME``: the ready files become a system of one's own."""

from __future__ import annotations

import re
from importlib.resources import files
from itertools import count
from pathlib import Path

import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

from gateway.cli.main import cli

VENDORS = Path(str(files("gateway_mappings") / "vendors"))
NAMES = sorted(path.name for path in VENDORS.iterdir() if path.is_dir())
MAIN = "instance: {name: Example, zone: Europe/Berlin, currency: EUR}\nsystems: {}\n"


@pytest.fixture
def gateway(tmp_path, monkeypatch):
    """Run a command in an instance without systems; the exit code and what it printed."""
    (tmp_path / "gateway.yaml").write_text(MAIN)

    def run(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(cli, ["-C", str(tmp_path), *words])
        return done.exit_code, done.output

    return run


def add(gateway, vendor: str, *more: str) -> tuple[int, str]:
    return gateway("systems", "add", "webhook", "--vendor", vendor, "--no-ask", *more)


def test_all_vendors_live_in_one_instance(gateway, tmp_path, monkeypatch):
    """Each is added by its name; together their mapping files agree, and nothing is left to warn of."""
    for vendor in NAMES:
        code, output = add(gateway, vendor, "--offline")
        assert code == 0, output
    text = (tmp_path / "gateway.yaml").read_text()
    for name in re.findall(r"\$\{(\w+)\}", text):
        monkeypatch.setenv(name, "0123456789abcdef0123456789abcdef")
    for name in ("STANDARD_WEBHOOKS_SECRET", "SENDGRID_PUBLIC_KEY"):  # these are no texts of one's own
        text = text.replace(f"${{{name}}}", "${MAUTIC_SECRET}")
    text = text.replace("preset: sendgrid", "preset: mautic").replace("preset: standard-webhooks", "preset: mautic")
    ids = count()
    (tmp_path / "gateway.yaml").write_text(re.sub(r"put-the-[a-z-]+-here", lambda _: f"id{next(ids)}", text))
    code, output = gateway("check")
    assert code == 0, output
    assert f"{len(NAMES)} systems" in output
    assert "warning" not in output


def test_what_is_told_of_a_vendor_stands_in_the_new_mapping(gateway, tmp_path):
    """Under the name that the system has here, with the settings of the ready files."""
    code, output = add(gateway, "mailchimp", "--name", "newsletter", "--offline")
    assert code == 0, output
    text = (tmp_path / "mappings" / "newsletter.yaml").read_text()
    assert "\nsystem: newsletter\n" in text
    assert "/hooks/newsletter?token=" in text
    entry = YAML(typ="safe").load(tmp_path / "gateway.yaml")["systems"]["newsletter"]
    settings = {"preset": "mailchimp", "secrets": ["${MAILCHIMP_TOKEN}"]}
    assert entry == {"plugin": "webhook", "role": "ma", "outbound": "off", "settings": settings}


def test_what_is_given_goes_over_the_ready_files(gateway, tmp_path, monkeypatch):
    """A setting and the role."""
    monkeypatch.setenv("MINE", "0123456789abcdef")
    code, output = add(gateway, "mautic", "--set", 'secrets=["${MINE}"]', "--role", "other")
    assert code == 0, output
    entry = YAML(typ="safe").load(tmp_path / "gateway.yaml")["systems"]["mautic"]
    assert (entry["role"], entry["settings"]) == ("other", {"preset": "mautic", "secrets": ["${MINE}"]})


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["webhook", "--vendor", "mailchmp"], "no ready files for 'mailchmp'; did you mean 'mailchimp'?"),
        (["webhook", "--vendor", "zzz"], "there are: activecampaign, cloudevents,"),
        (["files", "--vendor", "mautic"], "are those of plugin webhook, not files"),
        (["webhook", "--vendor", "mautic"], "secrets[0]: the environment variable MAUTIC_SECRET is not set"),
    ],
)
def test_what_cannot_be_added_of_a_vendor_is_told(gateway, tmp_path, words, says):
    """And nothing is written."""
    code, output = gateway("systems", "add", *words, "--no-ask")
    assert code != 0
    assert says in output
    assert (tmp_path / "gateway.yaml").read_text() == MAIN
    assert not (tmp_path / "mappings").exists()
