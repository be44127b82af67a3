"""Faults on demand, the record of what happened, and the control interface."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from gateway_sandbox import Clock, HubSpotSandbox, SalesforceSandbox, serve
from gateway_sandbox.faults import Faults
from gateway_sandbox.hubspot import OFF

START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
HEADERS = {"Authorization": "Bearer pat-sandbox"}
CONTACTS = "/crm/v3/objects/contacts"


def create(url: str, email: str = "kim@example.org") -> requests.Response:
    return requests.post(url + CONTACTS, json={"properties": {"email": email}}, headers=HEADERS, timeout=30)


@pytest.mark.parametrize(
    ("action", "status", "retry_after"),
    [
        ({"status": 503, "body": "<html>", "headers": {"Content-Type": "text/html"}}, 503, None),
        ({"limit": "burst", "retry_after": 2}, 429, "2"),
        ({"limit": "daily"}, 429, None),
        ({"auth": True}, 401, None),
        ({"expire": True}, 401, None),
    ],
)
def test_a_fault_strikes_as_often_as_it_says(hubspot, action, status, retry_after):
    """Once, before any effect; the next call is served, unless the tokens have died."""
    hubspot.faults.add("POST .*/contacts$", times=1, action=action)
    with serve(hubspot) as server:
        struck = create(server.url)
        assert (struck.status_code, struck.headers.get("Retry-After")) == (status, retry_after)
        assert not hubspot.records["contacts"]
        if "expire" in action:
            hubspot.issue("pat-sandbox")
        assert create(server.url).status_code == 201


@pytest.mark.parametrize(
    ("when", "there"),
    [("before", 0), ("after", 1)],
)
def test_a_cut_line_may_have_had_its_effect(hubspot, when, there):
    """The client sees the same; the record tells the difference."""
    hubspot.faults.add("POST", drop=when)
    with serve(hubspot) as server, pytest.raises(requests.ConnectionError):
        create(server.url)
    assert len(hubspot.records["contacts"]) == there
    assert (hubspot.calls[-1].status, hubspot.calls[-1].fault) == (0, "drop")


def test_an_answer_may_lie_about_its_effect(hubspot):
    """503 after the record was made; half a document with status 200."""
    hubspot.faults.add("POST", status=503, after=True)
    hubspot.faults.add("POST", garbage=True)
    with serve(hubspot) as server:
        assert create(server.url, "a@example.org").status_code == 503
        answer = create(server.url, "b@example.org")
    assert answer.status_code == 200
    with pytest.raises(requests.JSONDecodeError):
        answer.json()
    assert len(hubspot.records["contacts"]) == 2


def test_an_answer_may_drip_or_swell(hubspot):
    """Byte by byte no single read runs out of time; a long answer is right all the same."""
    hubspot.faults.add("POST", drip=0.0001)
    hubspot.faults.add("POST", swell=100_000)
    with serve(hubspot) as server:
        dripped, swollen = create(server.url, "a@example.org"), create(server.url, "b@example.org")
    assert dripped.json()["properties"]["email"] == "a@example.org"
    assert len(swollen.content) > 100_000
    assert swollen.json()["properties"]["email"] == "b@example.org"


def test_a_slow_call_holds_up_nobody_else(hubspot):
    """It waits outside the lock."""
    hubspot.faults.add("POST", slow=20)
    with serve(hubspot) as server:
        with pytest.raises(requests.ReadTimeout):
            requests.post(
                server.url + CONTACTS, json={"properties": {"email": "a@b.example"}}, headers=HEADERS, timeout=0.1
            )
        assert requests.get(server.url + CONTACTS, headers=HEADERS, timeout=10).status_code == 200


def test_an_answer_may_be_slow_behind_its_effect(hubspot):
    """Whoever does not wait for it has written all the same."""
    hubspot.faults.add("POST", slow=20, after=True)
    with serve(hubspot) as server:
        with pytest.raises(requests.ReadTimeout):
            requests.post(
                server.url + CONTACTS, json={"properties": {"email": "a@b.example"}}, headers=HEADERS, timeout=0.5
            )
        assert len(hubspot.records["contacts"]) == 1


@pytest.mark.parametrize(
    ("more", "failed"),
    [({}, [0, 1, 2]), ({"rows": [1]}, [1]), ({"where": "p-2"}, [2])],
)
def test_rows_of_a_batch_fail_by_themselves(salesforce, force, more, failed):
    """All of them, by place, or by what they hold."""
    salesforce.faults.add("PATCH .*composite/sobjects", action={"row": {"code": "UNABLE_TO_LOCK_ROW"}, **more})
    body = {
        "records": [
            {"attributes": {"type": "Lead"}, "Gateway_Id__c": f"p-{number}", "LastName": "L", "Company": "C"}
            for number in range(3)
        ]
    }
    first, then = (force.restful("composite/sobjects/Lead/Gateway_Id__c", method="PATCH", json=body) for _ in range(2))
    assert [place for place, one in enumerate(first) if not one["success"]] == failed
    assert all(one["success"] for one in then)


def test_the_first_fault_that_matches_strikes_alone():
    """Skipped calls are counted down; a fault that is used up lets the next one have its turn."""
    faults = Faults()
    faults.script(
        [
            {"match": "POST", "times": 1, "skip": 1, "action": {"status": 500}},
            {"match": {"call": "POST", "body": "kim"}, "times": None, "action": {"status": 502}},
        ]
    )
    sandbox = HubSpotSandbox(limits=OFF)
    sandbox.faults = faults
    with serve(sandbox) as server:
        emails = ("kim@example.org", "lou@example.org", "kim@example.org", "lou@example.org")
        statuses = [create(server.url, email).status_code for email in emails]
    # the first passes the skip and meets the second fault
    assert statuses == [502, 500, 502, 201]


@pytest.mark.parametrize(
    "fault",
    [
        {"action": {}},
        {"action": {"drop": "before", "slow": 1}},
        {"action": {"explode": True}},
        {"match": {"header": "x"}, "action": {"slow": 1}},
        {"match": "POST"},
        {"matches": "POST", "action": {"slow": 1}},
    ],
)
def test_a_wrong_script_is_refused_as_a_whole(fault):
    """Nothing of it strikes."""
    faults = Faults()
    with pytest.raises(ValueError):
        faults.script([{"action": {"slow": 1}}, fault])
    assert not faults


def test_every_call_and_effect_can_be_asked_for_over_http(hubspot):
    """The call with its answer and effects; credentials are not in it; control calls are not among them."""
    with serve(hubspot) as server:
        id = create(server.url).json()["id"]
        calls = requests.get(f"{server.url}/_sandbox/calls", params={"match": "POST"}, timeout=30).json()
        effects = requests.get(f"{server.url}/_sandbox/effects", params={"kind": "create"}, timeout=30).json()
        record = requests.get(f"{server.url}/_sandbox/records/contacts/{id}", timeout=30).json()
    assert [(one["path"], one["status"], one["effects"][0]["id"]) for one in calls] == [(CONTACTS, 201, id)]
    assert [(one["call"], one["object"], one["id"]) for one in effects] == [(1, "contacts", id)]
    assert record["values"]["email"] == "kim@example.org"
    assert "pat-sandbox" not in str(calls)
    assert len(hubspot.calls) == 1


def test_the_script_can_be_sent_over_http(hubspot):
    """POST adds, DELETE forgets, a wrong one is told."""
    with serve(hubspot) as server:
        control = f"{server.url}/_sandbox/faults"
        assert requests.post(control, json={"match": "POST", "action": {"status": 500}}, timeout=30).status_code == 201
        assert create(server.url).status_code == 500
        assert requests.post(control, json={"action": {"explode": 1}}, timeout=30).status_code == 400
        assert requests.delete(control, timeout=30).status_code == 204
        assert requests.get(control, timeout=30).json() == []


def test_people_work_over_http_too(hubspot, salesforce):
    """Records are added, changed and removed, leads converted, time moved on."""
    with serve(hubspot) as hub, serve(salesforce) as force:
        id = requests.post(
            f"{hub.url}/_sandbox/records/contacts", json={"email": "kim@example.org"}, timeout=30
        ).json()["id"]
        requests.patch(f"{hub.url}/_sandbox/records/contacts/{id}", json={"jobtitle": "Chief"}, timeout=30)
        requests.post(
            f"{hub.url}/_sandbox/activities/visit", json={"contact": id, "url": "https://x.example/a"}, timeout=5
        )
        requests.delete(f"{hub.url}/_sandbox/records/contacts/{id}", timeout=30)
        lead = requests.post(
            f"{force.url}/_sandbox/records/Lead", json={"LastName": "L", "Company": "C"}, timeout=5
        ).json()["id"]
        made = requests.post(f"{force.url}/_sandbox/convert/{lead}", json={"opportunity": "D"}, timeout=30).json()
        moved = requests.post(f"{force.url}/_sandbox/clock", json={"advance": 60}, timeout=30).json()
    contact = hubspot.records["contacts"][id]
    assert (contact["jobtitle"], contact["hs_analytics_num_page_views"], contact.gone) == ("Chief", "1", True)
    assert made["opportunity"] in salesforce.records["Opportunity"]
    assert moved["now"].startswith("2026-11-20T09:01:00")


def _answers(sandbox: Any, calls: list[tuple[str, str, Any]], headers: dict[str, str]) -> list[bytes]:
    with serve(sandbox) as server:
        return [
            requests.request(method, server.url + path, json=body, headers=headers, timeout=30).content
            for method, path, body in calls
        ]


def test_two_runs_with_one_seed_answer_the_same_bytes():
    """Ids, times and error texts, as long as the clock stands still."""
    calls = [
        ("POST", CONTACTS, {"properties": {"email": "kim@example.org"}}),
        ("POST", CONTACTS, {"properties": {"email": "kim@example.org"}}),
        ("GET", CONTACTS + "?limit=5", None),
    ]
    runs = [_answers(HubSpotSandbox(seed=7, clock=Clock(START), limits=OFF), calls, HEADERS) for _ in range(2)]
    assert runs[0] == runs[1]


def test_time_can_run_faster():
    """A thousand seconds in one, and on from there."""
    clock = Clock(START, speed=1000)
    time.sleep(0.05)
    first = clock.now()
    assert (first - START).total_seconds() >= 50
    assert clock.advance(3600) - first >= (clock.now() - clock.now())


def test_ids_of_15_and_18_letters_are_one_record():
    """The suffix follows from the case of the rest."""
    sandbox = SalesforceSandbox(clock=Clock(START))
    id = sandbox.add("Lead", {"LastName": "L", "Company": "C"}).id
    assert len(id) == 18
    found = sandbox.org.get(id[:15])
    assert found is not None
    assert found.id == id
