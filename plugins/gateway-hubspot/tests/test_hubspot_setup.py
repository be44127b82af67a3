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
        result = CliRunner().invoke(cli, ["-C", str(tmp_path), "hubspot", *arguments], catch_exceptions=False)
        assert result.exit_code == code, result.output
        return result.output

    return run


def states(output):
    return {one["property"]: one["state"] for one in json.loads(output)["properties"]}


def test_setup_makes_what_is_missing_once(hubspot, run):
    """Our key is unique from the beginning, for HubSpot never makes it so later."""
    made = states(run("setup", "hubspot", "--json"))
    assert made == {
        "gw_external_id": "made", "gw_score": "made", "gw_bucket": "made", "gw_opened": "made",
        "lead_grade": "missing; it is not ours: make it in HubSpot, or correct the mapping",
    }  # fmt: skip
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
    assert set(list(states(run("setup", "hubspot", "--json")).values())[:4]) == {"there"}
    assert len(hubspot.properties) == 5


def test_a_dry_run_makes_nothing(hubspot, run):
    """It only says what is missing."""
    assert states(run("setup", "hubspot", "--dry-run", "--json"))["gw_score"] == "missing"
    assert {one.method for one in hubspot.requests} == {"GET"}


def test_a_key_that_is_not_unique_is_told(hubspot, run):
    """Only a person can do something about it."""
    hubspot.properties.append({"name": "gw_external_id", "type": "string", "hasUniqueValue": False})
    assert "not unique" in states(run("setup", "hubspot", "--json"))["gw_external_id"]


def test_show_names_the_account_and_what_it_lacks(hubspot, run):
    """A line of the mapping that names a property HubSpot does not have can never bring anything."""
    found = json.loads(run("show", "hubspot", "--json"))
    assert found["account"] == 9900123
    assert {one["property"] for one in found["properties"]} == {
        "favourite_colour", "gw_bucket", "gw_external_id", "gw_opened", "gw_score", "lead_grade",
    }  # fmt: skip


def test_show_names_the_missing_scope(hubspot, run):
    """By object, with the token's reference."""
    body = {
        "category": "MISSING_SCOPES",
        "errors": [{"context": {"requiredGranularScopes": ["crm.schemas.contacts.read"]}}],
    }
    hubspot.rules.append(lambda request: (403, body, {}) if "properties" in request.path else None)
    assert "file:token lacks the scopes crm.schemas.contacts.read" in run("show", "hubspot")


def test_another_plugins_system_is_refused(run):
    """With its name."""
    assert "crm: is of plugin files, not hubspot" in run("setup", "crm", code=1)
