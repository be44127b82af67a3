"""Preparing an account: what is missing is made once, what is there is left alone, and a person is told the rest."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from gateway.cli.main import cli

GATEWAY = """
instance: {{name: Example, zone: Europe/Berlin, currency: EUR}}
systems:
  hubspot: {{plugin: hubspot, role: ma, outbound: off, settings: {{token: file:token, base_url: {url}}}}}
  crm: {{plugin: files, role: crm, outbound: off, settings: {{path: crm}}}}
"""
MAPPING = """
system: hubspot
timezone: UTC
objects:
  contact:
    kind: person
    only: {object: contact}
    id: id
    time: updatedAt
    fields:
      email: email
      favourite_colour: colour
      gw_score: {to: score, type: integer, sync: out}
      gw_bucket: {to: bucket, sync: out}
      gw_opened: {to: handoff_opened_at, type: datetime, sync: out}
      lead_grade: {to: band, sync: out}
"""
CRM = """
system: crm
timezone: UTC
objects: {lead: {kind: person, id: id, time: received, fields: {email: email}}}
"""


@pytest.fixture
def run(tmp_path, hubspot):
    (tmp_path / "gateway.yaml").write_text(GATEWAY.format(url=hubspot.url))
    (tmp_path / "token").write_text("pat-eu1-very-secret\n")
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mappings/hubspot.yaml").write_text(MAPPING)
    (tmp_path / "mappings/crm.yaml").write_text(CRM)
    hubspot.properties = [{"name": "email", "type": "string"}]

    def run(*arguments, code=0):
        result = CliRunner().invoke(cli, ["-C", str(tmp_path), "plugins", "setup", *arguments], catch_exceptions=False)
        assert result.exit_code == code, result.output
        return result.output

    return run


def steps(output):
    return {one["name"]: one for one in json.loads(output)["steps"]}


def states(output):
    return {name: one["state"] for name, one in steps(output).items()}


def test_setup_makes_what_is_missing_once(hubspot, run):
    """Our key is unique from the beginning, for HubSpot never makes it so later."""
    made = steps(run("hubspot", "--json"))
    assert {name: one["state"] for name, one in made.items()} == {
        "gw_external_id": "made", "gw_score": "made", "gw_bucket": "made", "gw_opened": "made", "lead_grade": "by hand",
    }  # fmt: skip
    assert "not ours" in made["lead_grade"]["message"]
    by_name = {one["name"]: one for one in hubspot.properties}
    assert by_name["gw_external_id"]["hasUniqueValue"] is True
    assert (by_name["gw_score"]["type"], by_name["gw_score"]["fieldType"]) == ("number", "number")
    assert (by_name["gw_opened"]["type"], by_name["gw_opened"]["fieldType"]) == ("datetime", "date")
    assert [one["value"] for one in by_name["gw_bucket"]["options"]] == [
        "sales_qualified",
        "sales_rejected",
        "recycled",
    ]
    assert hubspot.groups == ["gateway"]
    assert set(list(states(run("hubspot", "--json")).values())[:4]) == {"there"}
    assert len(hubspot.properties) == 5


def test_a_dry_run_makes_nothing(hubspot, run):
    """It only says what is missing."""
    assert states(run("hubspot", "--dry-run", "--json"))["gw_score"] == "missing"
    assert {one.method for one in hubspot.requests} == {"GET"}


def test_a_key_that_is_not_unique_is_told(hubspot, run):
    """Only a person can do something about it."""
    hubspot.properties.append({"name": "gw_external_id", "type": "string", "hasUniqueValue": False})
    assert "gw_external_id is there, but not unique" in run("hubspot")


def test_a_missing_scope_is_named(hubspot, run):
    """With the token's reference."""
    body = {
        "category": "MISSING_SCOPES",
        "errors": [{"context": {"requiredGranularScopes": ["crm.schemas.contacts.write"]}}],
    }
    hubspot.rules.append(lambda request: (403, body, {}) if request.method == "POST" else None)
    assert "file:token lacks the scopes crm.schemas.contacts.write" in run("hubspot", code=1)


def test_a_folder_is_refused(run, tmp_path):
    """HubSpot deploys none."""
    assert "takes no folder" in run("hubspot", "--metadata", str(tmp_path / "out"), code=1)


def test_a_plugin_that_connects_no_accounts_is_told(run):
    """With its name."""
    assert "crm: plugin files connects no accounts" in run("crm", code=1)
