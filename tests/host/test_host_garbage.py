"""Promise 9 at work: a source that gives garbage costs its own documents, a factory that does costs its own system."""

import sys
from datetime import UTC, datetime
from importlib.metadata import EntryPoint

import pytest

from gateway.host import Host, installed
from gateway.opening import open_gateway
from gateway.store.arrivals import Arrival

NOW = datetime(2026, 6, 1, tzinfo=UTC)
PLUGIN = """
import sys
from dataclasses import replace
from datetime import datetime
from gateway.contracts import *
from gateway.hookspecs import hookimpl

class Panic(BaseException):
    pass

def panic(document):
    raise Panic("of another language")

class Odd(Source):
    verification = Verification(scheme="token", header="x-token", secrets=(Secret("s", "${S}"),))

    def __init__(self, settings, context):
        self.context = context

    def read(self, document):
        events = list(self.context.mapping.read([{"id": "1", "at": "2026-05-01T00:00:00Z", "title": "CEO"}], document))
        word = document.body.decode()
        return [eval(word, globals(), {"event": each, "document": document}) for each in events] if word else events

class Unsure(Odd):
    verification = {"scheme": "none"}

class Sulky(Odd):
    @property
    def answer(self):
        raise RuntimeError("no")

class Leaving(Odd):
    def __init__(self, settings, context):
        sys.exit(1)

@hookimpl
def register_sources(register):
    register("odd", Odd)
    register("none", lambda settings, context: None)
    register("unsure", Unsure)
    register("sulky", Sulky)
    register("leaving", Leaving)
"""
BAD = ("none", "unsure", "sulky", "leaving")
MAPPING = """
system: {0}
timezone: UTC
objects:
  contact: {{kind: person, id: id, time: at, fields: {{title: title}}}}
"""


class Installed:
    metadata = {"Name": "gateway-odd"}  # noqa: RUF012 - as importlib.metadata has it
    version = "1.0"
    requires = ["lead-gateway>=1,<2"]  # noqa: RUF012


@pytest.fixture
def gateway(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "gateway_odd_of_tests.py").write_text(PLUGIN)
    monkeypatch.delitem(sys.modules, "gateway_odd_of_tests", raising=False)
    (tmp_path / "mappings").mkdir()
    lines = ["instance: {name: Odd, zone: UTC, currency: EUR}", "systems:"]
    for name in ("odd", *BAD):
        lines.append(f"  {name}: {{plugin: {name}, role: ma}}")
        (tmp_path / "mappings" / f"{name}.yaml").write_text(MAPPING.format(name))
    (tmp_path / "gateway.yaml").write_text("\n".join(lines))
    odd = (EntryPoint("odd", "gateway_odd_of_tests", "lead_gateway"), Installed())
    gateway = open_gateway(tmp_path, now=lambda: NOW, host=Host([*installed(), odd]))
    yield gateway
    gateway.close()


def take(gateway, *bodies):
    """Let documents of the odd system be read and worked as one batch; (state, reason) of each."""
    answers = gateway.inbox.append([Arrival(system="odd", body=body.encode(), received_at=NOW) for body in bodies])
    for _ in range(3):
        gateway.run_pipeline_once("w")
    found = {row["id"]: (row["state"], row["reason"]) for row in gateway.inbox.listing()}
    return [found[answer.id] for answer in answers]


def test_a_factory_that_gives_garbage_costs_its_own_system(gateway):
    """The admin reads which and why; intake serves the others."""
    assert set(gateway.problems) == set(BAD)
    assert "no Source but a NoneType" in gateway.problems["none"]
    sources = gateway.intake_sources()
    assert {name for name, offer in sources.items() if offer is None} == set(BAD)  # answered 503: come again
    assert sources["odd"] is not None


@pytest.mark.parametrize(
    "garbage",
    [
        "None",
        "'text'",
        "replace(event, record=None)",
        "replace(event, record='')",
        "replace(event, record=['1'])",
        "replace(event, record='\\ud800')",
        "replace(event, key=None)",
        "replace(event, key='')",
        "replace(event, object=5)",
        "replace(event, at=None)",
        "replace(event, at=datetime(2026, 1, 1))",
        "replace(event, system='none')",
        "replace(event, kind='ghost')",
        "replace(event, values=None)",
        "replace(event, values={'title': object()})",
        "replace(event, values={5: {6}})",
        "replace(event, values={'title': 10**30})",
        "replace(event, speaks_of=None)",
        "Skipped(object=None, record=None, reason=None)",
        "Quarantined(object='contact', record=[], reason=None)",
        "Lookup(system='none', object='contact', record='1')",
        "Lookup(system='odd', object='contact', record=None)",
        "sys.exit(3)",
        "panic(document)",
        "globals()['Odd'].no_such_thing",
    ],
)
def test_a_document_read_as_garbage_is_quarantined_and_its_neighbours_are_worked(gateway, garbage):
    """The store is not blamed for it, nothing is tried for ever, and nothing of another system moves."""
    first, odd, last = take(gateway, "", garbage, "event")
    assert (first[0], last[0]) == ("read", "read")
    assert odd[0] == "quarantined"
    assert odd[1]
    assert gateway.inbox.counts()["odd"]["waiting"] == 0
    assert gateway.find_lead("odd:contact:1")
    assert "gave a" in odd[1] or "raised" in odd[1]
