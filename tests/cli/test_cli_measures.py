"""``/metrics`` and ``/health`` of an instance, as a monitor asks for them."""

from __future__ import annotations

import json
import os
import re
import time
from collections import namedtuple
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import insert, select, update

from gateway.contracts import TASK
from gateway.engine.process import web_app
from gateway.engine.slots import Slots
from gateway.store import tables as t
from gateway.store.database import open_store, write
from gateway.store.group_writer import GroupWriter


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
    assert (
        told["gateway_documents_waiting", "sales"] == told["gateway_writes_total", "sales", "dead"] == 0
    )  # not untold
    assert told["gateway_system_paused", "leads"] == told["gateway_system_silent", "leads"] == 0


def test_a_task_that_waits_for_its_record_makes_no_system_late(client, filled):
    """Where somebody gave the record up it may wait for ever; once it is there, whoever should send it is late."""
    _change(filled, update(t.writes).values(object=TASK, attempts=1, due_at=1))
    record = {"system": "sales", "object": "person", "record": "1", "kind": "person", "mapping": "", "assumed": []}
    record |= {"entity": select(t.writes.c.lead).limit(1).scalar_subquery(), "snapshot": {}}
    there = insert(t.records).values(record | {"first_at": 1, "last_at": 1, "last_key": ""})
    gone, back = (update(t.records).where(t.records.c.record == "1").values(gone=why) for why in ("deleted", None))
    for statements, late in (((), False), ((there,), True), ((gone,), False), ((back,), True)):
        _change(filled, *statements)
        told = _numbers(client.get("/metrics").text)
        assert told["gateway_writes_waiting", "sales"] >= 1
        assert (told["gateway_writes_oldest_seconds", "sales"] > 0) is late
        assert ("oldest waiting" in filled.run("status").stdout) is late
        assert client.get("/health/work").status_code == (503 if late else 200)


def test_what_is_told_is_what_the_admins_page_lists(client):
    """A number that nobody has heard of alarms nobody; one that is gone would keep an alarm silent."""
    families = text_string_to_metric_families(client.get("/metrics").text)
    told = {family.name + ("_total" if family.type == "counter" else "") for family in families}
    page = (Path(__file__).resolve().parents[2] / "docs" / "admin.md").read_text()
    table = page[page.index("| Name | Labels | Tells |") :].split("\n\n")[0]
    assert set(re.findall(r"`(gateway_[a-z_]+)`", table)) == {one for one in told if not one.endswith("_created")}


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


def test_work_that_stands_still_is_told_while_calls_are_taken(client, filled):
    """Another process answers for it: the door stays open, so that nothing is lost by what is late behind it."""
    assert client.get("/health/work").json == {"ok": True}
    long_ago = {"id": "0" * 32, "system": "leads", "received_at": 1, "key": "k", "body_hash": "h", "body": b"{}"}
    long_ago |= {"content_type": "", "headers": {}, "origin": "webhook", "state": "waiting"}
    store = open_store(filled.root / "var")
    with write(store.inbox) as connection:
        connection.execute(insert(t.documents).values(long_ago))
    with write(store.main) as connection:
        connection.execute(update(t.writes).values(due_at=1))
    store.close()
    told = client.get("/health/work")
    assert told.status_code == 503
    found = [words.partition(" have waited for ")[0] for words in told.json["errors"]]
    assert found == ["documents of leads", "writes to sales"]
    assert client.get("/health/work?late=36500d").status_code == 200
    assert client.get("/health/work?late=soon").status_code == 400
    ready = client.get("/health/ready")
    assert (ready.status_code, ready.json["warnings"]) == (200, told.json["errors"])


def test_a_system_that_nothing_is_sent_to_is_told_with_its_reason(client, filled):
    """Of those in gateway.yaml; until somebody says go on."""
    filled.run("systems", "pause", "sales", "--reason", "restored from a backup")
    ready = client.get("/health/ready")
    assert (ready.status_code, ready.json["warnings"]) == (200, ["nothing is sent to sales: restored from a backup"])
    filled.run("systems", "resume", "sales")
    assert "warnings" not in client.get("/health/ready").json


@pytest.mark.parametrize(
    ("process", "supervisor", "told"),
    [
        (
            {"pid": None, "ready": True, "lives": 3},
            None,
            "the process pipeline is down and will be started again: it fell",
        ),
        ({"pid": 7, "ready": False, "lives": 2}, None, "the process pipeline does not come up: it fell"),
        ({"pid": 7, "ready": True, "lives": 2}, None, ""),
        ({"pid": 7, "ready": True, "lives": 1, "silent": 150}, None, ""),
        (
            {"pid": 7, "ready": True, "lives": 1, "silent": 200},
            None,
            "the process pipeline has done nothing for 3 minutes, not even look for work",
        ),
        (
            {"kind": "web", "pid": 7, "ready": True, "lives": 1, "silent": 200},
            None,
            "",
        ),  # it took files up, then only calls
        ({"pid": None, "ready": True, "lives": 3}, 2**22 + 1, ""),  # the supervisor has gone: nothing is wanted
    ],
)
def test_a_process_that_is_down_is_told(client, filled, process, supervisor, told):
    """As the supervisor knows it, at /health/work and by `gateway status`."""
    entry = {"kind": "pipeline", "reason": "it fell", "slot": 1, **process}
    slots = Slots(filled.root / "var" / f"slots.{os.getpid()}", 2)
    slots.slot(1, lambda: time.monotonic() - process.pop("silent", 0)).beat()
    content = {"supervisor": supervisor or os.getpid(), "processes": [entry], "files": []}
    (filled.root / "var" / "run.json").write_text(json.dumps(content))
    answer = client.get("/health/work")
    assert (answer.status_code, answer.json.get("errors", [])) == ((503, [told]) if told else (200, []))
    assert filled.json("status")["problems"] == ([told] if told else [])


@pytest.mark.sqlite
def test_a_store_that_is_gone_or_takes_nothing_is_not_ready(client, filled, monkeypatch):
    """Calls are sent elsewhere; the reason names the file."""
    assert client.get("/health/ready").status_code == 200
    free = namedtuple("usage", "free")
    with monkeypatch.context() as patch:
        patch.setattr("shutil.disk_usage", lambda folder: free(1000))
        assert "the disk is nearly full" in client.get("/health/ready").json["errors"][0]
    (filled.root / "var" / "gateway.db").rename(filled.root / "var" / "away")
    answer = client.get("/health/ready")
    assert (answer.status_code, "gateway.db" in answer.text) == (503, True)
    assert client.get("/health/live").status_code == 200


def test_a_process_that_cannot_take_calls_any_more_is_not_alive(filled, monkeypatch):
    """Only a new one helps."""
    client = web_app(filled.root).test_client()
    monkeypatch.setattr(GroupWriter, "alive", False)
    assert client.get("/health/live").status_code == 503
