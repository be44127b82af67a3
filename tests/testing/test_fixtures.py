"""The fixtures that plugin authors are given: an instance from a dict, a clock, a system in memory, hostile data."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
import requests

from gateway.errors import AccessRefused, ConfigError, QuarantineDocument, TryLater
from gateway.payloads import decode_json
from gateway.testing import FakeApi, Reply

MAPPING = """
system: {name}
timezone: UTC
objects:
  contact:
    kind: person
    id: id
    time: at
    create: at handoff
    fields: {{email: {{to: email}}, title: {{to: title}}, score: {{to: score, type: integer, sync: out}}}}
    activities:
      - {{activity: page_view, when: {{page: {{known: true}}}}, on: each, asset: page}}
"""
FILES = {
    "gateway.yaml": {
        "systems": {
            "site": {"plugin": "memory", "role": "ma"},
            "crm": {"plugin": "memory", "role": "crm", "outbound": "on"},
        }
    },
    "mappings/site.yaml": MAPPING.format(name="site"),
    "mappings/crm.yaml": MAPPING.format(name="crm").replace("at handoff", "always"),
    "scoring.yaml": """
        weights: {fit: 60, behaviour: 40}
        maximum: {fit: 60, behaviour: 40}
        bands: {great: 70, good: 40}
        fit:
          - {name: Executive, when: {title: {contains: chief}}, points: 60}
        behaviour:
          - {name: Looked at a page, activity: page_view, points: 20, cap: 40, window: 30d}
        """,
}
ANN = {"id": "1", "at": "2026-05-31T09:00:00", "email": "ann@one.example", "title": "Chief Editor", "page": "/prices"}


def test_a_lead_goes_all_the_way(gateway_instance):
    """From a webhook to the record in the other system, every step by hand."""
    instance = gateway_instance(FILES)
    assert instance.post("site", ANN).status_code == 200
    assert instance.work() == 1
    [lead] = instance.leads()
    assert (lead["attributes"]["email"], lead["total"]) == ("ann@one.example", 8000)
    [write] = instance.planned("crm")
    assert instance.deliver("crm") == 1
    crm = instance.system("crm")
    assert list(crm.records("contact").values()) == [dict(write.fields)]
    assert [one.key for one in crm.effects] == [write.key]
    assert [row["state"] for row in instance.writes("crm")] == ["confirmed"]
    assert instance.planned("crm") == []


def test_the_clock_stands_until_it_is_moved(gateway_instance, gateway_clock):
    """The page view's points are gone after its window, and not before."""
    assert gateway_clock() == datetime(2026, 6, 1, 12, tzinfo=UTC)
    instance = gateway_instance(FILES)
    instance.give("site", ANN)
    instance.work()
    gateway_clock.move(days=28)
    instance.sweep()
    assert instance.leads()[0]["total"] == 8000
    gateway_clock.move(days=3)
    instance.sweep()
    assert instance.leads()[0]["total"] == 6000


def test_what_is_told_is_pulled_once(gateway_instance):
    """Pages become documents; a restart goes on where the last pull ended."""
    instance = gateway_instance(FILES)
    instance.system("site").tell([ANN], [ANN | {"id": "2", "email": "bob@two.example"}])
    assert instance.pull("site") == 2
    instance.close()
    assert instance.pull("site") == 0
    assert instance.work() == 2
    assert len(instance.leads()) == 2


@pytest.mark.parametrize(
    ("fault", "state", "effects"),
    [
        ("limit", "waiting", 0),
        ("busy", "waiting", 0),
        ("cut before", "unknown", 0),
        ("cut after", "unknown", 1),
        ("garbage", "unknown", 1),
        ("hang", "unknown", 1),
    ],
)
def test_a_fault_strikes_once_and_leaves_one_record(gateway_instance, gateway_clock, fault, state, effects):
    """Whatever the call met, the write is made once in the end."""
    instance = gateway_instance(FILES)
    instance.give("site", ANN)
    instance.work()
    crm = instance.system("crm")
    crm.fail(fault, seconds=60)
    instance.deliver("crm")
    assert ([row["state"] for row in instance.writes("crm")], len(crm.effects)) == ([state], effects)
    gateway_clock.move(hours=1)
    instance.deliver("crm")
    assert [row["state"] for row in instance.writes("crm")] == ["confirmed"]
    assert len(crm.records("contact")) == 1


@pytest.mark.parametrize(("fault", "raised"), [("limit", TryLater), ("auth", AccessRefused), ("hang", ConnectionError)])
def test_a_pull_meets_faults_too(gateway_instance, fault, raised):
    instance = gateway_instance(FILES)
    instance.system("site").tell(ANN)
    instance.system("site").fail(fault, seconds=7)
    with pytest.raises(raised):
        instance.pull("site")
    assert instance.pull("site") == 1


def test_files_are_checked(gateway_instance):
    """An instance that is wrong says so, as the command does; what is not plain data is a file's own text."""
    instance = gateway_instance({**FILES, "mappings/crm.yaml": "system: crm\nobjekts: {}\n"})
    with pytest.raises(ConfigError, match=r"mappings/crm\.yaml:2: objekts"):
        instance.open()
    assert "mappings/crm.yaml:2" in instance.run("check", code=2).stderr
    instance.write("mappings/crm.yaml", FILES["mappings/crm.yaml"])
    assert "ok: Test" in instance.run("check").stdout


def test_two_instances_know_nothing_of_each_other(gateway_instance):
    one, other = gateway_instance(FILES), gateway_instance(FILES)
    one.give("site", ANN)
    one.work()
    assert (len(one.leads()), other.leads()) == (1, [])
    assert one.system("crm") is not other.system("crm")


def test_troubles_say_what_was_not_taken_in(gateway_instance):
    instance = gateway_instance(FILES)
    instance.give("site", b"{", {**ANN, "at": "yesterday"})
    instance.work()
    assert len(instance.troubles()) == 2


def test_memory_is_offered_to_tests_only(gateway_instance):
    """No host but that of an instance for tests knows it."""
    from gateway.host import Host

    assert "memory" not in Host().sources
    assert "memory" in gateway_instance(FILES).open().host.sources


def test_hostile_bodies_are_quarantined_or_read(hostile_body):
    """The test runs for each of them."""
    with contextlib.suppress(QuarantineDocument):
        json.dumps(decode_json(hostile_body))


def test_hostile_values_have_a_case_each(hostile_value, request):
    from gateway.testing.hostile import VALUES

    assert request.node.callspec.indices["hostile_value"] < len(VALUES)
    assert hostile_value in VALUES or hostile_value != hostile_value


class FakeCrm(FakeApi):
    def answer(self, request):
        return Reply(200, {"path": request.path, "body": request.json() if request.body else None})


def test_a_fake_stands_behind_any_address(gateway_mount):
    """What is sent there is recorded; limits, troubles and silence come when a test asks for them."""
    crm = gateway_mount(FakeCrm(), "https://api.crm.example/v1")
    url = "https://api.crm.example/v1/people?after=7"
    assert requests.post(url, json={"id": 1}, timeout=5).json() == {"path": "/people", "body": {"id": 1}}
    assert [(one.method, one.query) for one in crm.requests] == [("POST", {"after": "7"})]
    crm.fail("limit", seconds=17)
    limited = requests.get(url, timeout=5)
    assert (limited.status_code, limited.headers["Retry-After"]) == (429, "17")
    crm.fail("busy")
    assert requests.get(url, timeout=5).status_code == 503
    crm.fail("hang")
    with pytest.raises(requests.ReadTimeout):
        requests.get(url, timeout=5)
    with pytest.raises(requests.ConnectionError):
        requests.get("https://elsewhere.example", timeout=5)


def test_who_uses_no_fixture_pays_for_none():
    """pytest loads the module at every start, also where nobody tests a plugin."""
    script = "import sys, gateway.testing.plugin; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert {name for name in loaded if name.split(".")[0] == "gateway"} == {
        *("gateway", "gateway.testing", "gateway.testing.plugin", "gateway.testing.sheet")
    }
    assert loaded & {"sqlalchemy", "flask", "marshmallow", "ruamel", "responses"} == set()


def test_the_clock_may_be_set(gateway_clock):
    gateway_clock.at = datetime(2027, 1, 1, tzinfo=UTC)
    assert gateway_clock.move(hours=-1) == datetime(2026, 12, 31, 23, tzinfo=UTC)
    assert gateway_clock() + timedelta(hours=1) == datetime(2027, 1, 1, tzinfo=UTC)
