"""HubSpot in a whole gateway: pulled, scored, written back, and our own echo is silence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

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
def instance(gateway_instance, hubspot):
    files = {"gateway.yaml": GATEWAY.format(url=hubspot.url), "mappings/hubspot.yaml": MAPPING, "scoring.yaml": SCORING}
    return gateway_instance({**files, "token": "pat-eu1-very-secret\n"}, now=lambda: hubspot.now)


def pull(instance, since=None):
    instance.pull("hubspot", since)
    instance.work()


def test_what_hubspot_knows_is_scored_and_written_back_once(hubspot, instance):
    """A contact with its company becomes a lead with a score; page views count by their growth; the echo is silence."""
    hubspot.add("companies", 70, industry="software")
    hubspot.add("contacts", 5, email="kim@example.org", jobtitle="Chief Executive", hs_analytics_num_page_views="3")
    hubspot.associations["contacts", "companies"] = {"5": [{"toObjectId": 70, "associationTypes": []}]}
    pull(instance, datetime(2026, 1, 1, tzinfo=UTC))  # else what was there before us would be no news
    assert instance.deliver("hubspot") == 1
    held = hubspot.records["contacts"]["5"]
    assert (held["gw_score"], held["gw_band"]) == ("60", "good")

    hubspot.now += timedelta(minutes=5)
    seen = (hubspot.now - timedelta(minutes=2)).isoformat().replace("+00:00", "Z")
    held |= {"hs_analytics_num_page_views": "5", "hs_analytics_last_timestamp": seen, "lastmodifieddate": seen}
    pull(instance)
    assert instance.deliver("hubspot") == 1
    assert (held["gw_score"], held["gw_band"]) == ("70", "great")  # two more views, five points each

    hubspot.now += timedelta(minutes=5)
    held["lastmodifieddate"] = (hubspot.now - timedelta(minutes=2)).isoformat().replace("+00:00", "Z")
    calls = len([path for path in hubspot.paths() if path.endswith("update")])
    pull(instance)
    assert instance.deliver("hubspot") == 0
    assert len([path for path in hubspot.paths() if path.endswith("update")]) == calls == 2


def test_check_finds_nothing_wrong(instance):
    """The settings and the mapping of this page are as an admin would write them."""
    assert "ok: Example" in instance.run("check").stdout
