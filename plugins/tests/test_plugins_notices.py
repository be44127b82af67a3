"""Somebody is told: from a lead or a trouble to the mail that arrives, once, whatever happens in between."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import hypothesis
import pytest
import responses
from click.testing import CliRunner
from gateway_notify.testing import LOST, MailServer, started
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from gateway.answers.review import overdue
from gateway.cli.main import cli
from gateway.notices import messages
from gateway.notices import sweep as notices
from gateway.opening import open_gateway
from gateway.people import judging
from gateway.people.forgetting import forget
from gateway.runtime import Gateway
from gateway.store import alarms, switches
from gateway.store import tables as t
from gateway.store.arrivals import Arrival
from gateway.store.database import read, write
from gateway.store.overview import overview
from gateway.sweeps import clocks
from gateway.sync.drift import Drift
from gateway.times import to_micros

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
MAIN = """
instance: {name: Example, zone: Europe/Berlin, currency: EUR}
systems:
  site: {plugin: webhook, role: ma, settings: {verify: {scheme: none}, allow_insecure: true}}
  crm: {plugin: files, role: crm, outbound: on, settings: {beside: [follow_up_task]}}
  mail:
    plugin: smtp
    role: notify
    outbound: on
    settings: {host: 127.0.0.1, port: %d, security: none, from: leads@example.com}
"""
SITE = """
system: site
timezone: UTC
objects:
  contact:
    kind: person
    id: id
    time: received
    fields: {email: email, first: first_name, last: last_name, firm: company_name, owner: owner}
    activities: [{activity: demo_request, when: {demo: true}, on: each}]
"""
CRM = """
system: crm
timezone: UTC
objects:
  lead: {kind: person, id: id, time: received, create: handoff, fields: {email: email}}
"""
JOURNEY = """
stages:
  - {name: target}
  - name: mql
    entry: {activity: [demo_request]}
    steps: [{handoff: crm}, {notify: partners}]
  - {name: won, entry: {outcome: [won]}}
follow_up: {response: 4h, period: 5d}
owners: [{user: rep@example.com}]
fallback: rep@example.com
notify:
  rep: {to: owner, through: mail}
  manager: {to: [boss@example.com], through: mail}
  admin: {to: [ops@example.com], through: mail, digest: "08:00"}
  committee: {to: [board@example.com], through: mail}
  partners: {to: [partner@example.com], through: mail}
"""


class World:
    """An instance with a mail server. ``work``: everything that runs by itself, until nothing is left to do."""

    def __init__(self, root: Path, server: MailServer, **files: str) -> None:
        self.root, self.server, self.at, self.came = root, server, NOW, 0
        written = {"gateway.yaml": MAIN % server.port, "journey.yaml": JOURNEY}
        written |= {"mappings/site.yaml": SITE, "mappings/crm.yaml": CRM} | files
        for name, text in written.items():
            (root / name).parent.mkdir(exist_ok=True)
            (root / name).write_text(text)
        self.gateway = self.opened()
        self.work()  # from now on it is known what is new

    def opened(self) -> Gateway:
        return open_gateway(self.root, now=lambda: self.at)

    def restart(self) -> None:
        self.gateway.close()
        self.gateway = self.opened()

    def comes(self, **item: Any) -> None:
        self.came += 1
        body = json.dumps({"id": f"c{self.came}", "email": f"c{self.came}@one.example", **item}).encode()
        self.gateway.inbox.append([Arrival(system="site", received_at=self.at, body=body)])

    def work(self) -> list[tuple[str, str]]:
        """(addressee, subject) of the mails that this brought."""
        before = len(self.server.mails)
        while (
            self.gateway.run_pipeline_once("w")
            + notices.tell(self.gateway)
            + sum(self.gateway.deliver_once(system, "w") for system in self.gateway.outbound_systems())
        ):
            pass
        mails = [(to, mail["Subject"]) for (_, to), mail in zip(self.server.envelopes, self.server.mails, strict=True)]
        return sorted(mails[before:])


@pytest.fixture
def server() -> Iterator[MailServer]:
    with started(MailServer()) as one:
        yield one


@pytest.fixture
def world(tmp_path: Path, server: MailServer) -> Iterator[World]:
    world = World(tmp_path, server)
    yield world
    world.gateway.close()


ANN = {"first": "Ann", "last": "Lee", "firm": "One", "demo": True}


def test_a_handoff_is_told_to_its_owner_and_its_step_to_whom_it_names(world: World) -> None:
    """Name, deadline in the zone of whom it is for, what to do; nothing else of the person."""
    world.comes(**ANN)
    assert world.work() == [
        ("partner@example.com", "mql: Ann Lee (One)"), ("rep@example.com", "New lead: Ann Lee (One)"),
    ]  # fmt: skip
    text = next(mail for mail in world.server.mails if mail["To"] == "rep@example.com").get_content()
    assert "Answer by Mon 23 Nov 2026, 14:00 (Europe/Berlin)." in text
    assert "c1@one.example" not in text
    assert world.work() == []


def test_nobody_is_told_twice_after_a_restart(world: World) -> None:
    world.comes(**ANN)
    world.work()
    world.restart()
    assert world.work() == []


def pause(world: World, reason: str = "the credentials were refused") -> None:
    with write(world.gateway.store.main) as connection:
        switches.pause(connection, "crm", reason, to_micros(world.at))


def resume(world: World) -> None:
    with write(world.gateway.store.main) as connection:
        switches.resume(connection, "crm")


def test_a_paused_connection_is_told_when_it_begins_and_when_it_ends(world: World) -> None:
    """Two messages, the second an answer to the first, however often it is looked at and whoever does."""
    world.work()
    pause(world)
    assert world.work() == [("ops@example.com", "paused: nothing is sent to crm")]
    assert world.work() == []
    world.restart()
    assert world.work() == []
    world.at += timedelta(hours=2)
    resume(world)
    assert world.work() == [("ops@example.com", "Over: paused: nothing is sent to crm")]
    begin, end = world.server.mails
    assert end["In-Reply-To"] == begin["Message-ID"]
    assert "From Mon 23 Nov 2026, 10:00 (Europe/Berlin) to Mon 23 Nov 2026, 12:00" in end.get_content()
    assert world.work() == []


def test_what_was_planned_before_a_restored_store_went_on_is_not_told_twice(world: World) -> None:
    """Nobody can be asked whether they have it: it waits for a person's word. What comes later is told as ever."""

    def said(*words: str) -> str:
        result = CliRunner().invoke(cli, ["-C", str(world.root), *words])
        assert result.exit_code == 0, result.output
        return result.output

    with write(world.gateway.store.main) as connection:
        switches.pause(connection, "mail", "a test", to_micros(world.at))
    world.comes(**ANN)
    assert world.work() == []
    said("db", "backup", str(world.root / "kept"))
    said("systems", "resume", "mail")
    ann = {("rep@example.com", "New lead: Ann Lee (One)"), ("partner@example.com", "mql: Ann Lee (One)")}
    assert ann <= set(world.work())
    world.gateway.close()
    main = (world.root / "gateway.yaml").read_text()
    (world.root / "gateway.yaml").write_text(f"{main}\nstore: again\n")
    said("db", "restore", str(world.root / "kept"))
    world.at = datetime.now(UTC)
    world.gateway = world.opened()
    world.comes(first="Bob", demo=True)
    assert world.work() == []
    assert "planned until now will not be sent" in said("systems", "resume", "mail")
    world.at += timedelta(minutes=1)
    world.comes(first="Eve", demo=True)
    told = world.work()
    assert {("rep@example.com", "New lead: Eve"), ("partner@example.com", "mql: Eve")} <= set(told)
    assert not any("Ann" in subject or "Bob" in subject for _, subject in told)
    assert "may have sent it" in said("deliveries", "list", "--system", "mail", "--state", "dead")
    said("deliveries", "retry", "--system", "mail", "--code", "restored")
    world.at += timedelta(minutes=5)
    assert {*ann, ("rep@example.com", "New lead: Bob"), ("partner@example.com", "mql: Bob")} <= set(world.work())


def test_a_state_that_begins_anew_is_told_anew(world: World) -> None:
    world.work()
    for _ in range(2):
        pause(world)
        assert len(world.work()) == 1
        resume(world)
        assert len(world.work()) == 1


def test_a_state_that_is_over_before_anybody_was_told_is_not_told(world: World) -> None:
    with write(world.gateway.store.main) as connection:
        connection.execute(t.notices.insert().values(
            id="1" * 32, key="paused:crm", kind="paused", subject="crm", words="it was", began_at=to_micros(NOW),
        ))  # fmt: skip
    assert world.work() == []


def test_the_digest_comes_once_a_day_and_only_when_something_is_open(world: World) -> None:
    """At its hour in the instance's zone, also across a restart; what began and ended in between is not in it."""
    world.at = datetime(2026, 11, 24, 6, 30, tzinfo=UTC)  # 07:30 in Berlin
    pause(world)
    assert [subject for _, subject in world.work()] == ["paused: nothing is sent to crm"]
    world.at += timedelta(hours=1)
    assert world.work() == [("ops@example.com", "Still open: troubles 1")]
    assert "paused: nothing is sent to crm" in world.server.mails[-1].get_content()
    world.restart()
    assert world.work() == []
    resume(world)
    world.work()
    world.at += timedelta(days=1)
    assert world.work() == []


def test_dead_letters_are_one_message_however_many_there_are(world: World) -> None:
    world.work()
    row = {
        "system": "crm", "object": "lead", "fields": {}, "refs": {}, "create": True, "stamps": {}, "priority": 5,
        "cause": "create", "planned_at": 0, "state": "dead", "due_at": 0,
    }  # fmt: skip
    for number in range(3):
        with write(world.gateway.store.main) as connection:
            connection.execute(t.writes.insert().values(id=f"{number:032d}", key=f"k{number}", **row))
        assert len(world.work()) == (number == 0)
    with write(world.gateway.store.main) as connection:
        connection.execute(update(t.writes).where(t.writes.c.state == "dead").values(state="superseded"))
    assert world.work() == [("ops@example.com", "Over: dead letters: crm refused writes for good")]


def test_a_system_that_takes_nothing_again_and_again_is_told(world: World) -> None:
    world.work()
    row = {
        "system": "crm", "object": "lead", "fields": {}, "refs": {}, "create": True, "stamps": {}, "priority": 5,
        "cause": "create", "planned_at": 0, "state": "waiting", "due_at": to_micros(NOW + timedelta(days=9)),
    }  # fmt: skip
    with write(world.gateway.store.main) as connection:
        connection.execute(t.writes.insert().values(id="1" * 32, key="k", attempts=2, **row))
    assert world.work() == []
    with write(world.gateway.store.main) as connection:
        connection.execute(update(t.writes).values(attempts=3))
    assert [subject for _, subject in world.work()] == ["failing: crm takes no writes, or not all"]


def test_what_waits_too_long_is_told_in_both_directions(world: World) -> None:
    world.work()
    world.comes(**ANN)
    world.at += timedelta(hours=1, minutes=1)
    assert notices.tell(world.gateway) == 1
    world.gateway.deliver_once("mail", "w")
    assert world.server.mails[-1]["Subject"] == "backlog: a document of site has waited for more than 1 hour to be read"


def test_a_source_that_is_silent_for_twice_its_usual_gap_is_told(world: World) -> None:
    """Usual is the longest gap of two weeks; it is over with the next word."""
    for _ in range(24):
        world.comes()
        assert world.work() == []
        world.at += timedelta(hours=8)
    world.at += timedelta(hours=7)
    assert world.work() == []
    world.at += timedelta(hours=2)
    assert [subject for _, subject in world.work()] == [
        "silent source: site has been silent for 17 hours, more than twice as long as is usual for it"
    ]
    world.comes()
    assert [subject[:19] for _, subject in world.work()] == ["Over: silent source"]


def test_the_committee_hears_when_a_quarter_is_over(world: World) -> None:
    world.work()
    world.at = datetime(2027, 1, 1, 0, 1, tzinfo=UTC)
    assert world.work() == [("board@example.com", "Time to review the model")]
    assert world.work() == []


def test_the_committee_hears_of_its_meeting_on_its_day(tmp_path: Path, server: MailServer) -> None:
    """Not of a quarter's end; a day that nobody decided anything on is told of once, and stays due."""
    members = "[{name: A, email: a@example.com, team: marketing}, {name: B, email: b@example.com, team: sales}]"
    meets = f"members: {members}\nmeets: monthly\nfirst: 2027-01-15\n"
    world = World(tmp_path, server, **{"committee.yaml": meets})
    world.work()
    told = []
    for day in (1, 14, 15, 16, 31):
        world.at = datetime(2027, 1, day, 12, tzinfo=UTC)
        told += [(day, subject) for _, subject in world.work()]
    assert told == [(15, "Time to review the model")]
    with read(world.gateway.store.main) as connection:
        late = "the committee's review was due on 2027-01-15, 16 days ago (`gateway review`)"
        assert overdue(world.gateway, connection) == [late]
    world.gateway.close()


def test_nothing_is_told_through_a_system_that_is_off(tmp_path: Path, server: MailServer) -> None:
    off = (MAIN % server.port).replace("notify\n    outbound: on", "notify\n    outbound: off")
    world = World(tmp_path, server, **{"gateway.yaml": off})
    pause(world)
    world.comes(**ANN)
    assert world.work() == []
    with read(world.gateway.store.main) as connection:
        assert connection.execute(select(t.steps.c.reason).where(t.steps.c.state == "withheld")).scalars().all() == [
            "outbound off"
        ]
    world.gateway.close()


def test_a_mail_that_was_put_off_comes_later_and_once(world: World) -> None:
    """Greylisting is no failure; what the server never took is told when it does."""
    world.work()
    world.server.answers["RCPT"] = ["450 greylisted"]
    pause(world)
    assert world.work() == []
    world.at += timedelta(minutes=5)
    assert world.work() == [("ops@example.com", "paused: nothing is sent to crm")]


def test_a_lost_answer_sends_the_same_message_again(world: World) -> None:
    """Nobody can know whether it was taken; the Message-ID says that it is the same."""
    world.work()
    world.server.answers["taken"] = [LOST]
    pause(world)
    world.work()
    world.at += timedelta(minutes=5)
    world.work()
    first, second = world.server.mails
    assert first["Message-ID"] == second["Message-ID"]
    world.at += timedelta(minutes=5)
    assert world.work() == []


def test_an_address_that_is_refused_is_a_dead_letter_and_no_loop(world: World) -> None:
    """Its own dead letter is told, too, and refused likewise; that is all."""
    world.work()
    world.server.answers["RCPT"] = ["550 no such user"] * 5
    pause(world)
    for _ in range(3):
        world.work()
        world.at += timedelta(minutes=10)
    with read(world.gateway.store.main) as connection:
        found = connection.execute(select(t.writes.c.state, t.writes.c.code).where(t.writes.c.system == "mail"))
        assert [tuple(row) for row in found] == [("dead", "550"), ("dead", "550")]


def text_of(world: World, subject: str) -> str:
    """Of the only mail whose subject begins so."""
    [mail] = [mail for mail in world.server.mails if mail["Subject"].startswith(subject)]
    return str(mail.get_content())


def tick(world: World) -> list[tuple[str, str]]:
    """What the clocks do, and who hears of it."""
    while clocks.tick(world.gateway) + world.gateway.run_pipeline_once("w"):
        pass
    return world.work()


def test_the_first_response_clock_warns_the_owner_and_escalates_to_the_manager(world: World) -> None:
    world.comes(**ANN)
    world.work()
    world.at += timedelta(hours=3, minutes=13)
    assert tick(world) == [("rep@example.com", "Answer soon: Ann Lee (One)")]
    assert "until Mon 23 Nov 2026, 14:00 (Europe/Berlin)" in text_of(world, "Answer soon")
    world.at += timedelta(hours=1)
    assert tick(world) == [("boss@example.com", "Not answered: Ann Lee (One)")]
    assert "rep@example.com has not answered Ann Lee (One) in time." in text_of(world, "Not answered")
    assert " --auto --reason late` gives it to the next." in text_of(world, "Not answered")
    assert tick(world) == []


def test_the_end_of_follow_up_is_told_to_the_manager(world: World) -> None:
    world.comes(**ANN)
    world.work()
    world.at += timedelta(days=6)
    told = tick(world)
    assert ("boss@example.com", "Ended without a word: Ann Lee (One)") in told
    assert "it ended as recycled" in text_of(world, "Ended")
    assert tick(world) == []


def test_who_is_given_a_handoff_is_told_in_their_own_time(tmp_path: Path, server: MailServer) -> None:
    """Whoever has their turn, and after them whoever gets it because no answer came in time."""
    people = "[{user: rep@example.com}, {user: two@example.com, zone: America/New_York}]"
    journey = JOURNEY.replace("[{user: rep@example.com}]", people)
    journey = journey.replace("period: 5d}", "period: 5d, calendar: office, reassign: 100}")
    journey += "calendars: {office: {zone: Europe/Berlin, hours: {mon-fri: '00:00-24:00'}}}\n"
    world = World(tmp_path, server, **{"journey.yaml": journey})
    world.comes(**ANN)
    assert ("two@example.com", "New lead: Ann Lee (One)") in world.work()
    assert "Answer by Mon 23 Nov 2026, 08:00 (America/New_York)." in text_of(world, "New lead")
    world.at += timedelta(hours=5)
    assert tick(world) == [  # no warning any more: the clock has gone on
        ("boss@example.com", "Not answered: Ann Lee (One)"), ("rep@example.com", "Yours now: Ann Lee (One)"),
    ]  # fmt: skip
    assert "two@example.com has not answered" in text_of(world, "Not answered")
    assert "It is with rep@example.com now" in text_of(world, "Not answered")
    assert "is sales-ready (stage mql) and with rep@example.com" in text_of(world, "Yours now")
    world.gateway.close()


def test_many_at_once_are_one_message(world: World) -> None:
    """And that one names nobody."""
    for number in range(8):
        world.comes(**ANN | {"last": f"Lee {number}"})
    assert world.work() == [("partner@example.com", "8 × step"), ("rep@example.com", "8 × new handoff")]
    with read(world.gateway.store.main) as connection:
        assert len(connection.execute(select(t.notices.c.id).where(t.notices.c.kind == "new handoff")).all()) == 8
    assert world.work() == []


def test_who_is_forgotten_is_blanked_in_what_was_told(world: World) -> None:
    world.comes(**ANN)
    world.work()
    forget(world.gateway, world.gateway.find_lead("c1@one.example"), "kim", go=True)
    with read(world.gateway.store.main) as connection:
        rows = connection.execute(select(t.writes.c.fields).where(t.writes.c.object == "notice")).all()
    assert [row.fields for row in rows] == [{}, {}]
    with read(world.gateway.store.main) as connection:
        assert "Ann" not in repr(connection.execute(select(t.notices)).all())


def test_who_is_forgotten_before_they_were_told_of_is_told_of_to_nobody(world: World) -> None:
    world.comes(**ANN)
    world.gateway.run_pipeline_once("w")
    forget(world.gateway, world.gateway.find_lead("c1@one.example"), "kim", go=True)
    assert world.work() == []


def test_no_record_of_the_mail_system_is_made_of_a_person(world: World) -> None:
    """A message is no contact: the lead has no record there, and nothing more is written."""
    world.comes(**ANN)
    world.work()
    with read(world.gateway.store.main) as connection:
        assert connection.execute(select(t.records).where(t.records.c.system == "mail")).all() == []


def test_what_was_planned_adds_up(world: World) -> None:
    """Messages are writes like others in ``gateway status``."""
    world.comes(**ANN)
    world.server.answers["RCPT"] = ["550 no", "450 later"]
    world.work()
    with read(world.gateway.store.main) as connection:
        found = overview(connection, world.gateway.inbox, ["lead"], to_micros(world.at)).systems["mail"].writes
    assert found.holds
    assert found.total == 3


def test_a_name_smuggles_nothing_in(world: World) -> None:
    world.comes(**ANN | {"first": "Ann\r\nBcc: all@example.com\r\n\r\n" + "x" * 500, "last": "\u202eevil"})
    world.work()
    for mail in world.server.mails:
        assert "Bcc" not in mail
        assert len(mail["Subject"]) < 100


def test_two_workers_tell_once(world: World) -> None:
    other = world.opened()
    pause(world)
    with ThreadPoolExecutor(2) as both:
        counts = list(both.map(notices.tell, (world.gateway, other)))
    other.close()
    assert sum(counts) == 1


def test_a_plugin_that_was_cut_off_is_told(world: World) -> None:
    """The supervisor writes it down; it is over when it has not happened for an hour."""
    at = datetime.now(UTC)
    cut = {"process": "pipeline", "plugin": "webhook", "call": "read 1", "seconds": 10.0, "at": at.isoformat()}
    (world.gateway.instance.store.folder / "run.json").write_text(json.dumps({"cut_off": [cut]}))
    assert world.work() == [("ops@example.com", "broken plugin: the plugin webhook was cut off")]
    (world.gateway.instance.store.folder / "run.json").write_text("{")
    assert world.work() == [("ops@example.com", "Over: broken plugin: the plugin webhook was cut off")]


HUBSPOT = """
system: hubspot
timezone: UTC
objects:
  contact:
    kind: person
    only: {object: contact}
    id: id
    time: updatedAt
    fields: {email: email, jobtitle: title, city: city, lifecyclestage: {to: stage_there, sync: out}}
"""


def test_a_mapped_field_that_changes_and_is_never_notified_is_told(
    tmp_path: Path, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen by what webhooks have named and by what changed in the records; looked at daily."""
    monkeypatch.setenv("HS_TOKEN", "pat-eu1-0123456789abcdef")
    monkeypatch.setenv("HS_SECRET", "0123456789abcdef0123456789abcdef")
    journey = JOURNEY.replace(', digest: "08:00"', "")
    settings = '{token: "${HS_TOKEN}", client_secret: "${HS_SECRET}"}'
    main = (MAIN % server.port) + f"  hubspot: {{plugin: hubspot, role: ma, settings: {settings}}}\n"
    world = World(tmp_path, server, **{"gateway.yaml": main, "mappings/hubspot.yaml": HUBSPOT, "journey.yaml": journey})
    told = [
        {"subscriptionType": "contact.propertyChange", "propertyName": name, "objectId": 1, "occurredAt": 1}
        for name in ("email", "jobtitle")
    ]
    body = json.dumps(told).encode()
    world.gateway.inbox.append([Arrival(system="hubspot", received_at=world.at, body=body)])
    began, later = to_micros(NOW), to_micros(NOW + timedelta(days=1))
    snapshot = {"email": ["a@one.example", began], "jobtitle": ["CEO", began], "city": ["Ulm", later]}
    row = {
        "system": "hubspot", "object": "contact", "kind": "person", "entity": "", "first_at": began, "last_at": later,
        "last_key": "", "mapping": "", "assumed": [], "snapshot": snapshot | {"lifecyclestage": ["lead", later]},
    }  # fmt: skip
    with write(world.gateway.store.main) as connection:
        connection.execute(t.records.insert(), [{**row, "record": str(number)} for number in range(3)])
    assert world.work() == []
    world.at += timedelta(days=1, minutes=1)
    assert world.work() == [
        ("ops@example.com", "unsubscribed: hubspot does not notify us of contact.city, which changes there")
    ]
    with write(world.gateway.store.main) as connection:
        put = {"system": "hubspot", "what": "notified", "reason": "contact.city", "count": 1}
        connection.execute(t.tallies.insert().values(put))
    assert world.work() == []
    world.at += timedelta(days=1, minutes=1)
    assert [subject[:18] for _, subject in world.work()] == ["Over: unsubscribed"]
    world.gateway.close()


def test_no_source_was_silent_while_the_gateway_was_away(world: World) -> None:
    """Nobody could reach us: its time begins when we are back."""
    for _ in range(24):
        world.comes()
        world.work()
        world.at += timedelta(hours=8)
    world.at += timedelta(days=3)
    assert notices.tell(world.gateway, resumed=True) == 0
    world.at += timedelta(hours=15)
    assert world.work() == []
    world.at += timedelta(hours=2)
    assert [subject[:13] for _, subject in world.work()] == ["silent source"]


def test_the_digest_of_owners_counts_what_is_theirs(tmp_path: Path, server: MailServer) -> None:
    journey = JOURNEY.replace(
        "rep: {to: owner, through: mail}", 'rep: {to: [owner, all@example.com], through: mail, digest: "10:00"}'
    )
    world = World(tmp_path, server, **{"journey.yaml": journey})
    assert world.work() == []  # nothing is open
    for number in range(2):
        world.comes(**ANN | {"last": f"Lee {number}"})
    world.at += timedelta(hours=5)
    world.work()
    world.at += timedelta(days=1)
    digests = [(to, subject) for to, subject in world.work() if subject.startswith("Still open: handoffs")]
    assert digests == [("all@example.com", "Still open: handoffs 2"), ("rep@example.com", "Still open: handoffs 2")]
    assert "2 of them late for an answer" in world.server.mails[-1].get_content()
    world.gateway.close()


def test_a_message_links_to_the_leads_record(world: World) -> None:
    """Where the system it is with shows records to people, that is where the link leads."""
    world.gateway.model = replace(world.gateway.model, links={"site": {"*": "https://site.example/{object}/{record}"}})
    world.comes(**ANN)
    world.work()
    assert text_of(world, "New lead").endswith("https://site.example/contact/c1\n")


def test_a_chat_is_told_as_well(tmp_path: Path, server: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAT_URL", "https://chat.example/hooks/secret")
    main = (MAIN % server.port) + '  chat: {plugin: chat, role: notify, outbound: on, settings: {url: "${CHAT_URL}"}}\n'
    journey = JOURNEY.replace(
        "partners: {to: [partner@example.com], through: mail}", "partners: {through: chat, about: [paused]}"
    )
    world = World(tmp_path, server, **{"gateway.yaml": main, "journey.yaml": journey})
    with responses.RequestsMock() as chat:
        chat.post("https://chat.example/hooks/secret")
        world.comes(**ANN)
        pause(world)
        assert [to for to, _ in world.work()] == ["ops@example.com", "rep@example.com"]
        said = [json.loads(call.request.body)["text"] for call in chat.calls]
    world.gateway.close()
    assert len(said) == 2
    assert any(text.startswith("*mql: Ann Lee (One)*") for text in said)
    assert any(text.startswith("*paused: nothing is sent to crm*") for text in said)


def test_a_worker_that_dies_after_the_server_took_it_sends_the_same_message(world: World) -> None:
    """The one moment in which something can arrive twice; the Message-ID tells it."""
    pause(world)
    notices.tell(world.gateway)
    delivered = world.gateway.sinks["mail"].deliver

    def dies(call: Any) -> Any:
        delivered(call)
        raise SystemExit

    world.gateway.sinks["mail"].deliver = dies  # type: ignore[method-assign]
    world.gateway.deliver_once("mail", "w")
    world.restart()
    world.at += timedelta(minutes=5)
    world.work()
    first, second = world.server.mails
    assert first["Message-ID"] == second["Message-ID"]


def gateway_cli(root: Path, *words: str) -> Any:
    return CliRunner().invoke(cli, ["-C", str(root), *words])


def test_a_mail_server_is_connected_without_a_mapping_file(world: World) -> None:
    """Asked whether it takes us, written, checked; a mapping of it is refused."""
    settings = f"host=127.0.0.1 port={world.server.port} security=none from=two@example.com".split()
    given = [word for one in settings for word in ("--set", one)]
    added = gateway_cli(world.root, "systems", "add", "smtp", "--name", "second", *given)
    assert added.exit_code == 0, added.output
    assert "wrote gateway.yaml; nothing is sent there" in added.output
    assert not (world.root / "mappings" / "second.yaml").exists()
    checked = gateway_cli(world.root, "check", "--online", "--json")
    assert checked.exit_code == 0, checked.output
    report = json.loads(checked.output)
    [system] = [one for one in report["systems"] if one["system"] == "second"]
    assert (system["role"], system["sink"], system["in"], system["out"]) == ("notify", True, [], [])
    drafted = gateway_cli(world.root, "mapping", "draft", "second")
    assert (drafted.exit_code, "need no mapping file" in drafted.output) == (1, True)


def test_a_mail_server_that_refuses_us_is_not_written(world: World) -> None:
    (world.root / "wrong.secret").write_text("wrong")
    world.server.answers["AUTH"] = ["535 wrong"]
    words = ["host=127.0.0.1", f"port={world.server.port}", "security=none", "from=a@example.com"]
    words += ["user=u", "password=file:wrong.secret"]
    given = [word for one in words for word in ("--set", one)]
    added = gateway_cli(world.root, "systems", "add", "smtp", "--name", "second", *given)
    assert added.exit_code == 1
    assert "second: the mail server refused the login with file:wrong.secret (535)" in added.output
    assert "second" not in (world.root / "gateway.yaml").read_text()


def test_check_says_who_is_told_nothing_because_a_system_is_off(world: World) -> None:
    main = (MAIN % world.server.port).replace("notify\n    outbound: on", "notify\n    outbound: off")
    (world.root / "gateway.yaml").write_text(main)
    told = gateway_cli(world.root, "check").output
    assert (
        "warning: journey.yaml:12: notify.rep.through: mail is off, so nobody is told; `gateway activate mail`" in told
    )


def test_who_has_two_roles_hears_it_once(tmp_path: Path, server: MailServer) -> None:
    world = World(tmp_path, server, **{"journey.yaml": JOURNEY.replace("board@example.com", "ops@example.com")})
    detail = alarms.detail_of(Drift("lead", "x", "gone", "lead x is gone"))
    alarm = {"key": "drift:crm:lead:x", "kind": "drift", "system": "crm", "object": "lead", "detail": detail}
    with write(world.gateway.store.main) as connection:
        alarms.raise_alarms(connection, [alarm], to_micros(world.at))
    assert world.work() == [("ops@example.com", "drift: crm has changed")]
    with write(world.gateway.store.main) as connection:
        alarms.end_alarms(connection, ["drift:crm:lead:x"], alarms.RIGHT_AGAIN, to_micros(world.at))
    assert world.work() == [("ops@example.com", "Over: drift: crm has changed")]
    world.gateway.close()


def test_an_owners_address_and_zone_are_those_of_the_crm(tmp_path: Path, server: MailServer) -> None:
    """Where journey.yaml names a user by id, the CRM's users say where they read and by which clock."""
    crm = CRM + "  user: {kind: user, id: id, time: received, fields: {email: email, zone: time_zone, name: name}}\n"
    journey = JOURNEY.replace("rep@example.com", "u5").replace("period: 5d}", "period: 5d, calendar: office}")
    journey += "calendars: {office: {zone: Europe/Berlin, hours: {mon-sun: '00:00-24:00'}}}\n"
    world = World(tmp_path, server, **{"journey.yaml": journey, "mappings/crm.yaml": crm})
    began = to_micros(NOW)
    snapshot = {"email": ["kim@example.com", began], "zone": ["Asia/Tokyo", began], "name": ["Kim", began]}
    user = {
        "system": "crm", "object": "user", "record": "u5", "kind": "user", "entity": "", "first_at": began,
        "last_at": began, "last_key": "", "mapping": "", "assumed": [], "snapshot": snapshot,
    }  # fmt: skip
    with write(world.gateway.store.main) as connection:
        connection.execute(t.records.insert().values(user))
    world.comes(**ANN)
    assert ("kim@example.com", "New lead: Ann Lee (One)") in world.work()
    assert "Answer by Mon 23 Nov 2026, 22:00 (Asia/Tokyo)." in text_of(world, "New lead")
    world.gateway.close()


def test_what_is_held_back_is_told_and_a_released_handoff_like_a_new_one(tmp_path: Path, server: MailServer) -> None:
    """However long it was held: its owner hears when it is theirs."""
    world = World(tmp_path, server, **{"journey.yaml": JOURNEY + "capacity: {hour: 5, day: 5}\n"})
    for number in range(6):
        world.comes(**ANN | {"last": f"Lee {number}"})
        told = world.work()
    assert ("boss@example.com", "held handoffs: more leads are ready than sales can take") in told
    assert ("rep@example.com", "New lead: Ann Lee 5 (One)") not in told
    world.at += timedelta(days=2)
    [(held, name)] = waiting(world)
    judging.release(world.gateway, [held], None, "")
    assert ("rep@example.com", f"New lead: {name}") in (told := world.work())
    assert ("boss@example.com", "Over: held handoffs: more leads are ready than sales can take") in told
    world.gateway.close()


def waiting(world: World) -> list[tuple[str, str]]:
    """(handoff, name) of what is held back."""
    h, p = t.handoffs.c, t.leads.c
    with read(world.gateway.store.main) as connection:
        rows = connection.execute(select(h.id, p.attributes).join(t.leads, p.id == h.lead).where(h.state == "held"))
        return [(row.id, messages.name_of(row.attributes)) for row in rows]


@given(st.lists(st.sampled_from(["pause", "resume", "look", "restart", "again"]), max_size=12))
@hypothesis.settings(max_examples=15, deadline=None)
def test_begin_and_end_alternate_whatever_happens(happens: list[str]) -> None:
    """The last message says how it is now; what came and went between two looks is not told."""
    with TemporaryDirectory() as folder:
        world = World(Path(folder), MailServer(port=9))
        paused = False
        for what in [*happens, "look"]:
            world.at += timedelta(minutes=3)
            if what == "pause":
                pause(world, f"for the {what}")
            elif what == "resume":
                resume(world)
            elif what == "restart":
                world.restart()
            else:
                notices.tell(world.gateway)
            paused = what == "pause" or (paused and what != "resume")
        with read(world.gateway.store.main) as connection:
            w = t.writes.c
            keys = list(connection.scalars(select(w.key).where(w.object == "notice").order_by(w.id)))
        world.gateway.close()
    ends = [key.endswith(":end") for key in keys]
    assert ends == [number % 2 == 1 for number in range(len(ends))]
    assert paused == (len(ends) % 2 == 1)
