"""An org changes under the mapping: one alarm per field, and what would be refused waits until it is right again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import gateway_sandbox as sandbox
import orjson
import pytest
from click.testing import CliRunner
from sqlalchemy import select

from gateway.cli.main import cli
from gateway.engine import process
from gateway.opening import open_gateway
from gateway.outbound import catalogues
from gateway.store import alarms
from gateway.store import tables as t
from gateway.store.database import read, write

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
PEOPLE = 30
GATEWAY = """
instance: {{name: Example, zone: UTC, currency: EUR}}
systems:
  fair: {{plugin: files, role: ma, settings: {{}}}}
  crm:
    plugin: salesforce
    role: crm
    outbound: on
    settings: {{login_url: "{url}", consumer_key: sandbox-consumer-key, consumer_secret: file:secret}}
"""
FAIR = """
system: fair
timezone: UTC
objects:
  visitor:
    kind: person
    id: id
    time: at
    fields: {email: email, last: last_name, firm: company_name, title: title, city: city}
"""
CRM = """
system: crm
timezone: UTC
objects:
  Lead:
    kind: person
    only: {object: Lead}
    id: Id
    time: SystemModstamp
    create: always
    fields:
      Gateway_Id__c: {to: lead_id, sync: out}
      LastName: {to: last_name, sync: out}
      Company: {to: company_name, sync: out}
      Email: {to: email, sync: out}
      Title: {to: title, sync: out}
      City__c: {to: city, sync: out}
"""


@pytest.fixture
def org():
    made = sandbox.SalesforceSandbox(clock=sandbox.Clock(START))
    made.define("Lead", "City__c string(80)")
    with sandbox.serve(made) as server:
        made.url = server.url
        yield made


class Instance:
    def __init__(self, root, org):
        self.root, self.org, self.batch = root, org, 0
        (root / "gateway.yaml").write_text(GATEWAY.format(url=org.url))
        (root / "secret").write_text("sandbox-consumer-secret\n")
        (root / "mappings").mkdir()
        (root / "mappings/fair.yaml").write_text(FAIR)
        (root / "mappings/crm.yaml").write_text(CRM)
        self.open()

    def open(self):
        self.gateway = open_gateway(self.root, self.org.clock.now)
        assert not self.gateway.problems

    def people(self, city="Oslo", count=PEOPLE, **more):
        """Visitors come again, with something new."""
        self.batch += 1
        self.org.clock.advance(timedelta(seconds=1))
        path = self.root / f"visitors-{self.batch}.jsonl"
        rows = [
            {"id": n, "at": self.org.clock.now().isoformat(), "email": f"p{n}@example.org", "last": f"P{n}",
             "firm": "Norvik", "city": city, **more}
            for n in range(count)
        ]  # fmt: skip
        path.write_bytes(b"\n".join(orjson.dumps(row) for row in rows))
        for _ in self.gateway.pullings["fair"].bring_in(str(path), origin="file"):
            pass
        while self.gateway.run_pipeline_once("test"):
            pass

    def send(self):
        for _ in range(20):
            if not self.gateway.deliver_once("crm", "test"):
                return self.states()
        raise AssertionError("it never ends")

    def watch(self, after=timedelta(days=1)):
        self.org.clock.advance(after)
        return catalogues.watch(self.gateway, "crm")

    def states(self):
        with read(self.gateway.store.main) as connection:
            states = list(connection.scalars(select(t.writes.c.state)))
        return {state: states.count(state) for state in states if state != "superseded"}

    def alarms(self):
        with read(self.gateway.store.main) as connection:
            return [row.detail["what"] for row in alarms.open_alarms(connection, alarms.DRIFT)]


@pytest.fixture
def instance(tmp_path, org):
    made = Instance(tmp_path, org)
    made.people()
    made.watch(timedelta(0))
    assert made.send() == {"confirmed": PEOPLE}
    org.calls.clear()
    yield made
    made.gateway.close()


def test_a_deleted_field_raises_one_alarm_and_its_writes_wait(instance, org):
    """No dead letter, no call; writes that do not touch the field go on."""
    org.hide("Lead", "City__c")
    instance.watch()
    assert instance.alarms() == ["Lead City__c is not there any more, or not shown to us; what would be refused waits"]
    org.calls.clear()
    instance.people(city="Bergen")
    assert instance.send() == {"confirmed": PEOPLE, "waiting": PEOPLE}
    assert not org.calls
    instance.watch()
    assert len(instance.alarms()) == 1


def test_when_the_field_is_back_what_waited_goes(instance, org):
    """Within the hour, by itself."""
    org.hide("Lead", "City__c")
    instance.watch()
    instance.people(city="Bergen")
    instance.send()
    org.define("Lead", "City__c string(80)")
    instance.watch(timedelta(hours=1))
    assert instance.alarms() == []
    assert instance.send() == {"confirmed": 2 * PEOPLE}
    assert {lead["City__c"] for lead in org.records.alive("Lead")} == {"Bergen"}


def test_an_edit_of_the_mapping_frees_what_waited(instance, org):
    """The field is not sent any more: what else the writes said goes, at the next look."""
    org.hide("Lead", "City__c")
    instance.watch()
    instance.people(city="Bergen", title="Chief")
    instance.send()
    instance.gateway.close()
    (instance.root / "mappings/crm.yaml").write_text(CRM.replace("      City__c: {to: city, sync: out}\n", ""))
    instance.open()
    instance.watch(timedelta(minutes=2))
    assert instance.alarms() == []
    assert instance.send() == {"confirmed": 2 * PEOPLE}
    assert {lead["Title"] for lead in org.records.alive("Lead")} == {"Chief"}


def test_a_person_may_take_the_catalogue_as_it_is(instance, org):
    """A resolved alarm does not come back for the same change, and holds nothing."""
    org.define("Lead", "City__c string(5)")
    instance.watch()
    [row] = _open(instance)
    with write(instance.gateway.store.main) as connection:
        alarms.end_alarms(connection, [row.key], "resolved by sam", 1)
    instance.watch()
    instance.watch()
    assert instance.alarms() == []
    org.define("Lead", "City__c string(3)")
    instance.watch()
    assert instance.alarms() == ["Lead City__c takes 3 characters, not 5 any more; what would be refused waits"]


def _open(instance):
    with read(instance.gateway.store.main) as connection:
        return alarms.open_alarms(connection, alarms.DRIFT)


def test_only_values_that_do_not_fit_wait_for_a_shortened_field(instance, org):
    """The others go on."""
    org.define("Lead", "City__c string(5)")
    instance.watch()
    instance.people(city="Oslo!", count=PEOPLE // 2)
    instance.people(city="Kristiansand", count=3)
    assert instance.send() == {"confirmed": PEOPLE + PEOPLE // 2 - 3, "waiting": 3}


def test_a_newly_required_field_holds_new_records_alone(instance, org):
    """Known ones are changed as before."""
    org.define("Lead", "Region__c string(40) !")
    instance.watch()
    assert ["is required now" in words for words in instance.alarms()] == [True]
    instance.people(city="Bergen", count=PEOPLE + 2)
    assert instance.send() == {"confirmed": 2 * PEOPLE, "waiting": 2}


def test_a_picklist_that_lost_a_value_holds_the_writes_of_this_value(instance, org):
    """Of a restricted picklist; the alarm names the value."""
    org.define("Lead", "City__c picklist*(Oslo|Bergen|Narvik)")
    instance.watch()
    for row in _open(instance):  # that it is a picklist now is all right
        with write(instance.gateway.store.main) as connection:
            alarms.end_alarms(connection, [row.key], "resolved by sam", 1)
    instance.watch()
    org.define("Lead", "City__c picklist*(Oslo|Narvik)")
    instance.watch()
    assert instance.alarms() == ["Lead City__c does not know 'Bergen' any more; what would be refused waits"]
    instance.people(city="Narvik", count=10)
    instance.people(city="Bergen", count=4)
    assert instance.send() == {"confirmed": PEOPLE + 6, "waiting": 4}


def test_the_first_refusal_is_a_dead_letter_and_the_others_wait(instance, org):
    """The field went between two looks: one call and one dead letter show it; one alarm, nothing more is sent."""
    org.hide("Lead", "City__c")
    instance.people(city="Bergen")
    assert instance.send() == {"confirmed": PEOPLE, "dead": 1, "waiting": PEOPLE - 1}
    [alarm] = instance.alarms()
    assert alarm.startswith(
        "Lead City__c is refused for every record (INVALID_FIELD); what would be refused waits, and"
    )
    assert "one write an hour tries; when it is put right, resolve this as done" in alarm
    org.calls.clear()
    assert instance.send() == {"confirmed": PEOPLE, "dead": 1, "waiting": PEOPLE - 1}
    assert not org.calls


def test_every_hour_one_write_tries_whether_it_is_taken_again(instance, org):
    """While it is not, one call an hour; once it is, all go, the dead letter too."""
    org.hide("Lead", "City__c")
    instance.people(city="Bergen")
    instance.send()
    org.calls.clear()
    org.clock.advance(timedelta(hours=1, minutes=1))
    assert instance.send() == {"confirmed": PEOPLE, "dead": 1, "waiting": PEOPLE - 1}
    assert len([call for call in org.calls if call.method == "PATCH"]) == 1
    org.define("Lead", "City__c string(80)")
    org.clock.advance(timedelta(hours=1, minutes=1))
    assert instance.send() == {"confirmed": 2 * PEOPLE}
    assert instance.alarms() == []
    assert {lead["City__c"] for lead in org.records.alive("Lead")} == {"Bergen"}


def test_a_catalogue_is_asked_for_once_a_day(instance, org):
    """One call per object; every hour while something is wrong."""
    org.calls.clear()
    assert [instance.watch(timedelta(hours=h)) for h in (1, 12, 12)] == [0, 0, 1]
    described = [call for call in org.calls if call.path.endswith("/describe") and call.status == 200]
    assert len(described) == 1  # whatever the session, which had ended, cost
    org.hide("Lead", "City__c")
    assert [instance.watch(timedelta(hours=h)) for h in (24, 1, 1)] == [1, 1, 1]


def test_what_one_record_is_refused_for_does_not_stop_the_others(instance, org):
    """An owner who has left, say: the code means every record, but others with that field are taken."""
    org.faults.script(
        [{"match": "PATCH .*composite/sobjects", "times": 1,
          "action": {"row": {"code": "INACTIVE_OWNER_OR_USER", "fields": ["City__c"]}, "rows": [3]}}]
    )  # fmt: skip
    instance.people(city="Bergen")
    assert instance.send() == {"confirmed": 2 * PEOPLE - 1, "dead": 1}
    assert instance.alarms() == []


def test_a_drift_shows_wherever_an_admin_looks(instance, org):
    """In status, in the work list, and as a warning of a gateway that is ready all the same."""
    org.hide("Lead", "City__c")
    instance.org.clock.advance(timedelta(days=1))
    assert process._watching(instance.gateway, "crm", lambda: 7)() == 7  # as the process that pulls does it
    words = "Lead City__c is not there any more, or not shown to us; what would be refused waits"
    for command in (["status"], ["work", "list", "--kind", "drift"]):
        result = CliRunner().invoke(cli, ["-C", str(instance.root), *command], catch_exceptions=False)
        assert words in result.output, result.output
    ready = process.web_app(instance.root).test_client().get("/health/ready")
    assert (ready.status_code, ready.json["warnings"]) == (200, [words])
