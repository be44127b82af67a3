"""What observers are told: every hook of theirs is called with what was committed."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from types import ModuleType

import pytest

from gateway.contracts import Receipt
from gateway.hookspecs import hookimpl
from gateway.host import installed
from gateway.testing.memory import MemorySink

MAPPING = """
system: {0}
timezone: UTC
objects:
  contact:
    {{kind: person, id: id, time: at, create: always, fields: {{email: {{to: email, sync: newest}}}}}}
"""
FILES = {
    "gateway.yaml": {
        "systems": {
            "site": {"plugin": "memory", "role": "ma"},
            "crm": {"plugin": "memory", "role": "crm", "outbound": "on"},
        }
    },
    "mappings/site.yaml": MAPPING.format("site"),
    "mappings/crm.yaml": MAPPING.format("crm"),
}


class Installed:
    metadata = {"Name": "gateway-watcher"}  # noqa: RUF012 - as importlib.metadata has it
    version = "1.0"
    requires = ["lead-gateway>=1,<2"]  # noqa: RUF012
    files = ()


@pytest.fixture
def told(monkeypatch):
    """What an observer heard, in order."""
    heard = []
    module = ModuleType("gateway_watcher_of_tests")

    @hookimpl
    def delivery_failed(deliveries):
        heard.extend(deliveries)
        raise RuntimeError("an observer fails nobody")

    module.delivery_failed = delivery_failed
    monkeypatch.setitem(sys.modules, module.__name__, module)
    watcher = (EntryPoint("watcher", module.__name__, "lead_gateway"), Installed())
    monkeypatch.setattr("gateway.testing.instance.installed", lambda: [*installed(), watcher])
    return heard


def test_what_will_never_be_delivered_is_told_once(gateway_instance, told, monkeypatch):
    """With its code and no value; what is only put off is not told, and a write that is done is not."""
    results = iter(["retry", "rejected", "done"])
    instance = gateway_instance(FILES)
    instance.give("site", {"id": "1", "at": "2026-05-01T09:00:00", "email": "ann@one.example"})
    instance.work()

    def deliver(sink, call):
        return [
            Receipt(key=one.key, result=result, code="too odd") for one in call.writes for result in [next(results)]
        ]

    monkeypatch.setattr(MemorySink, "deliver", deliver)
    for hours in range(3):
        instance.now.move(hours=hours)
        instance.deliver("crm")
        assert len(told) == min(hours, 1)
    [write] = instance.writes("crm")
    assert told == [{"system": "crm", "write": write["id"], "code": "too odd", "message": ""}]
