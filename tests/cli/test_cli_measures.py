"""``/metrics`` and ``/health`` of an instance, as a monitor asks for them."""

from __future__ import annotations

import re

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import insert, update

from gateway.engine.process import web_app
from gateway.store import tables as t
from gateway.store.database import open_store, write


def _numbers(text):
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def client(filled):
    filled.edit("gateway.yaml", "outbound: off", "outbound: on")
    filled.run("activate", "sales", "--existing", "handover")
    return web_app(filled.root).test_client()


def _change(instance, *statements):
    store = open_store(instance.root / "var")
    with write(store.main) as connection:
        for statement in statements:
            connection.execute(statement)
    store.close()


def test_what_was_read_and_waits_is_told_by_system(client, filled):
    """Prometheus's own parser reads it; the numbers are those of `gateway status`."""
    told = _numbers(client.get("/metrics").text)
    assert told["gateway_ready",] == 1
    assert told["gateway_events_total", "leads", "read"] == 6
    assert told["gateway_events_total", "leads", "applied"] == 6
    assert told["gateway_handoffs_open",] == 1
    assert told["gateway_writes_waiting", "sales"] >= 1
    assert told["gateway_writes_oldest_seconds", "sales"] > 0
    assert told["gateway_writes_total", "sales", "planned"] == told["gateway_writes_waiting", "sales"]


def test_every_answer_to_a_sender_is_counted(client):
    """By system and status; who calls a system that is none is not named, whatever they write there."""
    for path in ("/hooks/leads", "/hooks/nobody", "/hooks/x'y", "/hooks"):
        client.post(path, data=b"{}")
    told = _numbers(client.get("/metrics").text)
    assert told["gateway_webhook_answers_total", "404", ""] == 4
    assert told["gateway_webhook_seconds_count",] == 4


def test_a_plugin_in_quarantine_and_work_are_told(client, filled):
    """What an admin has to see without looking at a page."""
    opened = {
        "plugin": "files",
        "part": "read",
        "strikes": [],
        "opened_at": 1,
        "retry_at": 2,
        "trips": 1,
        "reason": "x",
    }
    item = {"id": "1" * 32, "key": "k", "kind": "conflict", "system": "leads", "detail": {}, "opened_at": 1}
    _change(filled, insert(t.breakers).values(opened), insert(t.work_items).values(item))
    told = _numbers(client.get("/metrics").text)
    assert told["gateway_plugin_quarantined", "read", "files"] == 1
    assert told["gateway_work_open", "conflict"] == 1


def test_handoffs_that_nobody_answered_in_time_are_told(client, filled):
    """Until they are accepted or contacted."""
    assert _numbers(client.get("/metrics").text)["gateway_handoffs_overdue",] == 0
    _change(filled, update(t.handoffs).values(response_due=1))
    assert _numbers(client.get("/metrics").text)["gateway_handoffs_overdue",] == 1
    _change(filled, update(t.handoffs).values(accepted_at=1))
    assert _numbers(client.get("/metrics").text)["gateway_handoffs_overdue",] == 0


def test_no_value_of_a_person_is_told(client, filled):
    """Counts and ages only."""
    text = client.get("/metrics").text
    assert re.search(r"ann@|ames|example|chief", text, re.IGNORECASE) is None


def test_others_are_not_told_without_the_token(filled, monkeypatch):
    """From this machine anybody may ask; from elsewhere, or through a proxy, only who knows the token."""
    client = web_app(filled.root).test_client()
    assert client.get("/metrics", environ_base={"REMOTE_ADDR": "192.0.2.1"}).status_code == 401
    assert client.get("/metrics", headers={"X-Forwarded-For": "192.0.2.1"}).status_code == 401
    monkeypatch.setenv("WATCHER", "not-a-secret-only-a-test")
    filled.edit("gateway.yaml", "systems:", 'metrics_token: "${WATCHER}"\nsystems:')
    client = web_app(filled.root).test_client()
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", headers={"Authorization": "Bearer wrong"}).status_code == 401
    asked = client.get("/metrics", headers={"Authorization": "Bearer not-a-secret-only-a-test"})
    assert asked.status_code == 200
    assert "only-a-test" not in asked.text
