"""Promise 9 over time: who fails three times in a row waits alone, loses nothing, and is tried again."""

import sys
from datetime import UTC, datetime, timedelta
from importlib.metadata import EntryPoint

import pytest
from sqlalchemy import select

from gateway.errors import Refused
from gateway.host import Host, installed
from gateway.journey.notify import PLUGIN as BROKEN_PLUGIN
from gateway.notices.troubles import troubles
from gateway.opening import open_gateway
from gateway.outbound.planner import push
from gateway.plugins.watch import parts
from gateway.store import breakers, outbox
from gateway.store import tables as t
from gateway.store.arrivals import Arrival
from gateway.store.database import read, write
from gateway.times import to_micros

NOW = datetime(2026, 6, 1, tzinfo=UTC)
PLUGIN = """
from gateway.contracts import *
from gateway.hookspecs import hookimpl

bad = set()  # what fails now
heard = []

class Weak(Source):
    def __init__(self, settings, context):
        self.context = context

    def read(self, document):
        word = document.body.decode()
        if "read" in bad or word.startswith("poison"):
            raise KeyError(word)
        item = {"id": word, "at": "2026-05-01T00:00:00Z", "email": f"{word}@example.org"}
        return list(self.context.mapping.read([item], document))

class Out(Sink):
    def calls(self, writes):
        if "tampers" in bad:
            writes[0].fields.clear()
        return [Call(title="", writes=(one,)) for one in writes]

    def deliver(self, call):
        if "deliver" in bad:
            raise LookupError
        if "away" in bad:
            raise ConnectionError
        return [Receipt(key=one.key, result="done", record=one.key) for one in call.writes]

class Points(Scorer):
    def score(self, subject, at, explain=False):
        if "score" in bad:
            raise ZeroDivisionError
        if "gives nothing" in bad:
            return None
        if "tampers" in bad:
            subject.attributes.clear()
            subject.activities.clear()
        return Score(6000, 6000, 0, "good")

@hookimpl
def register_sources(register):
    register("weak", Weak)

@hookimpl
def register_sinks(register):
    register("out", lambda settings, context: Out())

@hookimpl
def register_scorers(register):
    register("points", lambda model: None if "build" in bad else Points())

@hookimpl
def lead_scored(scores):
    heard.append(len(scores))
    if "hear" in bad:
        raise OSError
"""
MAPPING = """
system: {}
timezone: UTC
objects: {{contact: {{kind: person, id: id, time: at, fields: {{email: email}}}}}}
"""
FILES = {
    "gateway.yaml": """
instance: {name: Weak, zone: UTC, currency: EUR}
systems:
  weak: {plugin: weak, role: ma}
  site: {plugin: webhook, role: ma, settings: {preset: github, secrets: ["${SITE}"]}}
  crm: {plugin: out, role: crm, outbound: on}
""",
    "mappings/weak.yaml": MAPPING.format("weak"),
    "mappings/site.yaml": MAPPING.format("site"),
    "mappings/crm.yaml": """
system: crm
timezone: UTC
objects:
  lead: {kind: person, id: id, create: handoff, fields: {mail: {to: email, sync: out}, score: {to: score, sync: out}}}
""",
    "scoring.yaml": "strategy: points\n",
    "journey.yaml": """
stages:
  - {name: target, shared: target}
  - {name: mql, shared: mql, entry: {score: 50}, steps: [{handoff: crm}]}
  - {name: won, shared: won, entry: {outcome: [won]}}
""",
}


def at(text):
    """Where the plugin says so."""
    return f"gateway_weak_of_tests.py:{PLUGIN[: PLUGIN.index(text)].count(chr(10)) + 1}"


class Installed:
    metadata = {"Name": "gateway-weak"}  # noqa: RUF012 - as importlib.metadata has it
    version = "1.0"
    requires = ["lead-gateway>=1,<2"]  # noqa: RUF012


class Weak:
    """The instance, its plugin's switches, and a clock of the breakers that a test can move."""

    def __init__(self, gateway, module):
        self.gateway, self.module, self.at = gateway, module, NOW
        gateway.breakers.clock = lambda: self.at

    def take(self, *words, system="weak"):
        bodies = [word.encode() for word in words]
        self.gateway.inbox.append([Arrival(system=system, body=body, received_at=NOW) for body in bodies])

    def work(self, times=3):
        for _ in range(times):
            self.gateway.run_pipeline_once("w")
            self.gateway.sweep_once()

    def later(self, **much):
        self.at += timedelta(**much)
        self.gateway.breakers._looked = float("-inf")

    def documents(self, system="weak"):
        counts = self.gateway.inbox.counts()[system]
        return counts["read"], counts["waiting"], counts["quarantined"]

    def quarantined(self):
        with read(self.gateway.store.main) as connection:
            return {name: one.reason for name, one in breakers.by_plugin(breakers.opened(connection)).items()}

    def rows(self, *columns):
        with read(self.gateway.store.main) as connection:
            return [tuple(row) for row in connection.execute(select(*columns))]

    def scores(self):
        return sorted(total for (total,) in self.rows(t.scores.c.total))


@pytest.fixture
def weak(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("SITE", "s")
    (tmp_path / "gateway_weak_of_tests.py").write_text(PLUGIN)
    monkeypatch.delitem(sys.modules, "gateway_weak_of_tests", raising=False)
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    weak = opened(tmp_path)
    yield weak
    weak.gateway.close()


def opened(folder):
    """The instance in ``folder``, as another process would open it."""
    entry = EntryPoint("weak", "gateway_weak_of_tests", "lead_gateway"), Installed()
    gateway = open_gateway(folder, now=lambda: NOW, host=Host([*installed(), entry]))
    return Weak(gateway, sys.modules["gateway_weak_of_tests"])


def test_a_source_that_fails_with_everything_waits_and_nothing_of_it_is_lost(weak):
    """Three documents in a row open its breaker; they and all others wait, and are read when it works again."""
    weak.module.bad.add("read")
    weak.take("a", "b", "c", "d", "e")
    weak.take('[{"id": "1", "at": "2026-05-01T00:00:00Z", "email": "s@example.org"}]', system="site")
    weak.work()
    assert weak.documents() == (0, 5, 0)
    assert weak.documents("site") == (1, 0, 0)
    assert weak.quarantined() == {"weak": f"read raised KeyError at {at('raise KeyError')}"}

    with read(weak.gateway.store.main) as connection:
        [told] = troubles(weak.gateway, connection, {}, (), {BROKEN_PLUGIN})
    assert (told.subject, "read raised KeyError" in told.words) == ("weak", True)

    weak.later(seconds=61)  # tried, and it still fails: twice as long
    weak.work()
    assert weak.documents() == (0, 5, 0)
    weak.later(seconds=61)
    weak.module.bad.clear()
    weak.work()
    assert weak.documents() == (0, 5, 0)
    place = weak.gateway.instance.store
    assert not breakers.try_now(place, "webhook", to_micros(weak.at))
    assert breakers.try_now(place, "weak", to_micros(weak.at))  # somebody mended it, and does not want to wait
    weak.later(seconds=1)
    weak.work()
    assert weak.documents() == (5, 0, 0)
    assert weak.quarantined() == {}


def test_poison_among_good_documents_opens_nothing(weak):
    """Each costs itself only: what works in between is why."""
    weak.take("poison 1", "a", "poison 2", "b", "poison 3")
    weak.work()
    assert weak.documents() == (2, 0, 3)
    assert weak.quarantined() == {}


def test_writes_wait_without_spending_tries_while_their_sink_is_quarantined(weak):
    """Only those that were sent have spent one; all arrive when it works again."""
    weak.module.bad.add("deliver")
    weak.take(*"abcdef")
    weak.work()
    weak.gateway.deliver_once("crm", "w")
    assert sorted(weak.rows(t.writes.c.attempts)) == [(0,)] * 3 + [(1,)] * 3
    assert weak.quarantined() == {"weak": f"deliver raised LookupError at {at('raise Lookup')}"}
    assert weak.gateway.deliver_once("crm", "w") == 0
    with pytest.raises(Refused, match="crm: plugin weak is quarantined: deliver raised"):
        push(weak.gateway, "crm", "w")
    weak.module.bad.clear()
    weak.later(seconds=61)
    weak.gateway.now = weak.gateway._deliveries["crm"].now = lambda: NOW + timedelta(minutes=5)
    while weak.gateway.deliver_once("crm", "w"):  # one alone, to see whether there is an answer, then the others
        pass
    assert {state for (state,) in weak.rows(t.writes.c.state)} == {"confirmed"}
    assert weak.quarantined() == {}


def test_that_a_system_is_away_is_no_fault_of_its_plugin(weak):
    """Others may be of the same plugin: it is left alone as a system that does not answer, and its plugin is not."""
    weak.module.bad.add("away")
    weak.take(*"abcdef")
    weak.work()
    weak.gateway.deliver_once("crm", "w")
    assert weak.quarantined() == {}
    assert [code for (code,) in weak.rows(t.writes.c.code)].count(
        outbox.SILENT
    ) == 4  # the third, and who came after it
    weak.module.bad.clear()
    weak.gateway.now = weak.gateway._deliveries["crm"].now = lambda: NOW + timedelta(minutes=5)
    while weak.gateway.deliver_once("crm", "w"):
        pass
    assert {state for (state,) in weak.rows(t.writes.c.state)} == {"confirmed"}


@pytest.mark.parametrize(
    ("how", "told"),
    [("score", f"score raised ZeroDivisionError at {at('raise Zero')}"), ("gives nothing", "score gave a NoneType")],
)
def test_leads_keep_their_score_while_the_scorer_is_quarantined_and_are_scored_after(weak, how, told):
    """They are known, in their stage, and go on; nobody needs to send anything again."""
    weak.module.bad.add(how)
    weak.take("a", "b", "c", "d")
    weak.work()
    assert weak.documents() == (4, 0, 0)
    assert weak.scores() == []
    assert weak.quarantined() == {"weak": told}
    weak.module.bad.clear()
    weak.later(seconds=61)
    weak.take("e")
    weak.work(times=4)
    assert weak.scores() == [6000] * 5
    assert weak.quarantined() == {}


def test_a_scorer_that_cannot_be_built_keeps_leads_from_scores_alone(weak, tmp_path):
    """Documents are read, leads known; the next process that has a scorer scores them."""
    weak.module.bad.add("build")
    without = opened(tmp_path)
    without.module.bad.add("build")
    try:
        assert without.gateway.unscored == "plugin weak: its factory gave no Scorer but a NoneType"
        without.take("a", "b")
        without.work()
        assert (without.documents(), without.scores()) == ((2, 0, 0), [])
        assert without.quarantined() == {}
    finally:
        without.gateway.close()
    weak.module.bad.clear()
    weak.gateway.loaded()
    weak.work()
    assert weak.scores() == [6000] * 2


def test_what_a_plugin_changes_is_its_own_copy(weak):
    """The scorer's and the sink's alike: its answers count, nobody else sees it, and it is told of."""
    weak.module.bad.add("tampers")
    weak.take("a", "b")
    weak.work(times=1)
    assert weak.scores() == [6000] * 2
    weak.take("c")
    weak.work(times=1)
    assert weak.quarantined() == {"weak": "score changed the lead it was given"}
    with read(weak.gateway.store.main) as connection:
        assert {row.attributes["email"] for row in connection.execute(select(t.leads.c.attributes))} == {
            "a@example.org",
            "b@example.org",
            "c@example.org",
        }
    for _ in range(3):
        weak.gateway.deliver_once("crm", "w")
        with write(weak.gateway.store.main) as connection:
            connection.execute(t.writes.update().values(state="waiting"))
            connection.execute(t.records.delete().where(t.records.c.system == "crm"))
    assert "calls changed the writes it was given" in weak.quarantined()["weak"]
    assert all(fields["mail"] for (fields,) in weak.rows(t.writes.c.fields))


def test_an_observer_that_fails_is_left_alone_for_a_while(weak):
    """Its plugin's other parts work on."""
    weak.module.bad.add("hear")
    for word in "abcde":
        weak.take(word)
        weak.work(times=1)
    assert len(weak.module.heard) == 3
    assert weak.quarantined() == {"weak": f"lead_scored raised OSError at {at('raise OSError')}"}
    assert weak.documents() == (5, 0, 0)
    weak.module.bad.clear()
    weak.later(seconds=61)
    weak.take("f")
    weak.work(times=1)
    assert len(weak.module.heard) == 4
    assert weak.quarantined() == {}


def test_one_item_never_makes_three_strikes(weak):
    """A poison document that kills its worker again and again is the document's fault; three documents are not."""
    at = to_micros(NOW)
    with write(weak.gateway.store.main) as connection:
        assert not any(breakers.strike(connection, "weak", "read", "d1", "read hung", at) for _ in range(9))
        assert not breakers.strike(connection, "weak", "read", "d2", "read hung", at)
        assert not breakers.strike(
            connection, "weak", "read", "d3", "read hung", at + breakers.WITHIN + 1
        )  # long after
        assert not breakers.strike(connection, "weak", "read", "d4", "read hung", at + breakers.WITHIN + 2)
        assert breakers.strike(connection, "weak", "read", "d5", "read hung", at + breakers.WITHIN + 3)
        assert breakers.strike(connection, "weak", "read", "d5", "read hung", at + 2 * breakers.WITHIN)
        [row] = breakers.opened(connection)
    assert row.opened_at == at + breakers.WITHIN + 3
    assert row.retry_at == at + 2 * breakers.WITHIN + 2 * breakers.WAIT  # it had been open: twice the wait


@pytest.mark.parametrize(
    ("call", "word", "part", "item"),
    [
        ("read 01", "read", "read", "01"),
        ("deliver k:1", "deliver", "deliver", "k:1"),
        ("find contact", "find", "deliver", ""),
        ("held 3 of contact", "held", "deliver", ""),
        ("pull contacts", "pull", "pull", ""),
        ("build crm", "build", "load", ""),
        ("register_sinks", "register_sinks", "load", ""),
        ("lead_scored", "lead_scored", "lead_scored", ""),
    ],
)
def test_a_call_says_which_part_of_the_plugin_it_is_and_what_it_is_about(call, word, part, item):
    """By its first word."""
    assert parts(call) == (word, part, item)


def test_a_death_before_the_store_was_made_is_noted(tmp_path):
    """Of the first start of an instance: two deaths of whoever loads a plugin are enough to leave it out."""
    folder = tmp_path / "var"
    assert not breakers.died(folder, "weak", breakers.LOAD, "", "import hung", to_micros(NOW))
    assert breakers.kept_out(breakers.remembered(folder)) == {}
    assert breakers.died(folder, "weak", breakers.LOAD, "", "import hung", to_micros(NOW))
    assert breakers.kept_out(breakers.remembered(folder))["weak"].reason == "import hung"
    assert breakers.kept_out(breakers.remembered(folder), to_micros(NOW) + breakers.WAIT) == {}  # who tries it again


def test_a_lead_that_ends_whoever_scores_it_keeps_no_other_from_being_scored(weak):
    """No document is to blame that could be put aside: after three deaths the lead waits for an hour."""
    weak.take("a", "b")
    weak.work()
    [(lead,), _] = weak.rows(t.scores.c.lead)
    for deaths in range(breakers.STRIKES):
        assert not weak.gateway.breakers.stopped("weak", "score", lead), deaths
        with write(weak.gateway.store.main) as connection:
            assert not breakers.strike(connection, "weak", "score", lead, "score hung", to_micros(NOW))
            connection.execute(t.scores.update().values(total=1, changes_at=to_micros(NOW)))
        weak.gateway.breakers._looked = float("-inf")
    weak.work()
    assert weak.quarantined() == {}
    assert sorted(weak.rows(t.scores.c.lead, t.scores.c.total)) == sorted(
        [(lead, 1), *((one, 6000) for (one,) in weak.rows(t.scores.c.lead) if one != lead)]
    )
    weak.later(hours=2)
    assert not weak.gateway.breakers.stopped("weak", "score", lead)
