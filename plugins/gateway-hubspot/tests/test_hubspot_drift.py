"""An account changes under the mapping: what HubSpot would refuse waits under one alarm."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import gateway_sandbox as sandbox
import pytest
from gateway_sandbox.hubspot.limits import Limits
from sqlalchemy import select

from gateway.opening import open_gateway
from gateway.outbound import catalogues
from gateway.store import alarms
from gateway.store import tables as t
from gateway.store.database import read

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
GATEWAY = """
instance: {{name: Example, zone: UTC, currency: EUR}}
systems:
  hubspot:
    plugin: hubspot
    role: ma
    outbound: on
    settings: {{token: file:token, base_url: "{url}", objects: [contacts]}}
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
      jobtitle: title
      gw_band: {to: band, sync: out}
      gw_score: {to: score, type: integer, sync: out}
  form_submission:
    kind: person
    only: {object: form_submission}
    id: email
    time: time
    fields: {email: email}
"""
SCORING = """
weights: {fit: 100, behaviour: 0}
maximum: {fit: 100, behaviour: 100}
bands: {great: 70, good: 40}
fit: [{name: Chief, when: {title: Chief}, points: 100}]
"""


@pytest.fixture
def portal():
    box = sandbox.HubSpotSandbox(clock=sandbox.Clock(START), limits=Limits(None, None, None))
    box.define_gateway()
    with sandbox.serve(box) as server:
        box.url = server.url
        yield box


@pytest.fixture
def gateway(tmp_path, portal):
    (tmp_path / "gateway.yaml").write_text(GATEWAY.format(url=portal.url))
    (tmp_path / "token").write_text("pat-sandbox\n")
    (tmp_path / "scoring.yaml").write_text(SCORING)
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mappings/hubspot.yaml").write_text(MAPPING)
    gateway = open_gateway(tmp_path, portal.clock.now)
    for n in range(5):
        portal.add("contacts", {"email": f"p{n}@example.org", "jobtitle": "Chief"})
    yield gateway
    gateway.close()


def turn(gateway, portal, after):
    portal.clock.advance(after)
    catalogues.watch(gateway, "hubspot")
    for _ in gateway.pullings["hubspot"].bring_in("contacts"):
        pass
    while gateway.run_pipeline_once("test"):
        pass
    while gateway.deliver_once("hubspot", "test"):
        pass
    with read(gateway.store.main) as connection:
        states = list(connection.scalars(select(t.writes.c.state)))
        told = [row.detail["what"] for row in alarms.open_alarms(connection, alarms.DRIFT)]
    return {state: states.count(state) for state in states if state != "superseded"}, told


@pytest.mark.parametrize("seen", [True, False])
def test_a_deleted_property_is_one_alarm_until_it_is_back(gateway, portal, seen):
    """Found by the daily look, or by the first write that is refused, which then is the one dead letter."""
    if seen:
        catalogues.watch(gateway, "hubspot")
    portal.portal.properties["contacts"]["gw_band"].archived = True
    states, told = turn(gateway, portal, timedelta(days=1))
    assert states == ({"waiting": 5} if seen else {"dead": 1, "waiting": 4})
    [words] = told
    assert words.startswith("contact gw_band is " + ("not there any more" if seen else "refused for every record"))
    portal.portal.properties["contacts"]["gw_band"].archived = False
    states, told = turn(gateway, portal, timedelta(hours=1, minutes=1))
    assert (states, told) == ({"confirmed": 5}, [])
    assert {one["gw_band"] for one in portal.records.alive("contacts")} == {"great"}


def test_an_option_that_was_removed_holds_the_writes_of_it(gateway, portal):
    """HubSpot takes the values of its list, and no others."""
    band = portal.portal.properties["contacts"]["gw_band"]
    band.type, band.field_type = "enumeration", "select"
    band.options = [{"label": one, "value": one} for one in ("great", "good", "bad")]
    catalogues.watch(gateway, "hubspot")
    band.options = [option for option in band.options if option["value"] != "great"]
    states, told = turn(gateway, portal, timedelta(days=1))
    assert (states, len(told)) == ({"waiting": 5}, 1)
    assert "does not know 'great' any more" in told[0]
