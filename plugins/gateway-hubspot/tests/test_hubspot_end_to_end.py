"""HubSpot in a whole gateway: pulled, scored, written back, and our own echo is silence."""

from __future__ import annotations

from datetime import timedelta

import pytest
from click.testing import CliRunner

from gateway.cli.main import cli
from gateway.runtime import open_gateway

GATEWAY = """
instance: {{name: Example, zone: Europe/Berlin, currency: EUR}}
systems:
  hubspot:
    plugin: hubspot
    role: ma
    outbound: on
    settings:
      token: file:token
      base_url: {url}
      limits: {{searches_per_s: 1000, per_10s: 1000}}
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
    created: createdAt
    links: [{to: company, id: company_ids, role: works_at}]
    fields:
      email: email
      jobtitle: title
      gw_score: {to: score, type: integer, sync: out}
      gw_band: {to: band, sync: out}
    activities:
      - {activity: page_view, counter: hs_analytics_num_page_views, at: hs_analytics_last_timestamp, channel: "=web"}
  company:
    kind: company
    only: {object: company}
    id: id
    time: updatedAt
    fields: {industry: industry}
"""
SCORING = """
strategy: weighted
name: lead
weights: {fit: 60, behaviour: 40}
maximum: {fit: 60, behaviour: 40}
bands: {great: 70, good: 40}
fit:
  - {name: Chief, when: {title: {starts_with: chief}}, points: 30}
  - {name: Target industry, when: {company.industry: software}, points: 30}
behaviour:
  - {name: Page views, activity: page_view, points: 5, cap: 20}
"""


@pytest.fixture
def instance(tmp_path, hubspot):
    (tmp_path / "gateway.yaml").write_text(GATEWAY.format(url=hubspot.url))
    (tmp_path / "token").write_text("pat-eu1-very-secret\n")
    (tmp_path / "scoring.yaml").write_text(SCORING)
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mappings/hubspot.yaml").write_text(MAPPING)
    return tmp_path


def pull(instance, *options):
    result = CliRunner().invoke(cli, ["-C", str(instance), "pull", "hubspot", *options], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def push(instance):
    gateway = open_gateway(instance)
    try:
        return gateway.deliver_once("hubspot", "test")
    finally:
        gateway.close()


def test_what_hubspot_knows_is_scored_and_written_back_once(hubspot, instance):
    """A contact with its company becomes a lead with a score; page views count by their growth; the echo is silence."""
    hubspot.add("companies", 70, industry="software")
    hubspot.add("contacts", 5, email="kim@example.org", jobtitle="Chief Executive", hs_analytics_num_page_views="3")
    hubspot.associations["contacts", "companies"] = {"5": [{"toObjectId": 70, "associationTypes": []}]}
    pull(instance, "--since", "2026-01-01")  # else what was there before us would be no news
    assert push(instance) == 1
    held = hubspot.records["contacts"]["5"]
    assert (held["gw_score"], held["gw_band"]) == ("60", "good")

    hubspot.now += timedelta(minutes=5)
    seen = (hubspot.now - timedelta(minutes=2)).isoformat().replace("+00:00", "Z")
    held |= {"hs_analytics_num_page_views": "5", "hs_analytics_last_timestamp": seen, "lastmodifieddate": seen}
    pull(instance)
    assert push(instance) == 1
    assert (held["gw_score"], held["gw_band"]) == ("70", "great")  # two more views, five points each

    hubspot.now += timedelta(minutes=5)
    held["lastmodifieddate"] = (hubspot.now - timedelta(minutes=2)).isoformat().replace("+00:00", "Z")
    calls = len([path for path in hubspot.paths() if path.endswith("update")])
    pull(instance)
    assert push(instance) == 0
    assert len([path for path in hubspot.paths() if path.endswith("update")]) == calls == 2


def test_check_finds_nothing_wrong(instance):
    """The settings and the mapping of this page are as an admin would write them."""
    result = CliRunner().invoke(cli, ["-C", str(instance), "check"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
