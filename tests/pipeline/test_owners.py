"""Whose a handoff is, through the pipeline: given at its opening, moved by the CRM, absence, the clock, or by hand."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from small_instance import CRM, JOURNEY, NOW, Small
from sqlalchemy import select, update

from gateway.contracts import TASK, Page, Source
from gateway.errors import NotFound, Refused, StaleCommit, TryLater
from gateway.inbound.pulling import Pulling
from gateway.journey.journey import compile_journey
from gateway.model import unguarded
from gateway.people import staffing
from gateway.people.forgetting import forget
from gateway.pipeline import Pipeline
from gateway.settings.files import ConfigFile
from gateway.store import tables as t
from gateway.store.commit import commit
from gateway.store.database import read, write
from gateway.store.inbox import Inbox
from gateway.sweeps import clocks

AGREED = (
    JOURNEY.replace("{reason: competitor", "{reason: rival")
    + """
reasons: {recycled: [not now]}
calendars: {always: {zone: Europe/Berlin, hours: {mon-sun: "00:00-24:00"}}}
follow_up: {response: 10h, period: 5d, calendar: always, warn: 50, reassign: 150}
owners:
  - {name: anna, user: anna@x.example}
  - {name: bob, user: bob@x.example, weight: 1}
  - {name: desk, queue: Desk}
fallback: desk
"""
)
PEOPLE = CRM.replace("kind: person\n    id: id", "kind: person\n    only: {kind: lead}\n    id: id")
PEOPLE = (
    PEOPLE.replace("      mail: email", "      owner_id: owner\n      mail: email").replace(
        "{outcome: accepted", "{outcome: contacted, when: {state: Called}}\n      - {outcome: accepted"
    )
    + """
  user:
    kind: user
    only: {kind: user}
    id: id
    time: at
    fields: {mail: email, called: name, active: {to: active, type: boolean}, zone: time_zone}
"""
)
USERS = (
    {"id": "U1", "mail": "anna@x.example", "called": "Anna Berg", "active": True, "zone": "Europe/Berlin"},
    {"id": "U2", "mail": "bob@x.example", "called": "Bob Oh", "active": True, "zone": "America/New_York"},
    {"id": "U3", "mail": "carl@x.example", "called": "Carl Ek", "active": True},
    {"id": "U9", "mail": "api@x.example", "called": "Integration", "active": True},
    {"id": "Q1", "called": "Desk"},
)
ANN = {"kind": "contact", "id": "c1", "at": "2026-05-30T08:00:00", "email": "ann@one.example"}
ANN |= {"title": "CEO", "number": "7"}
PAGES = [{"kind": "contact", "id": "c1", "at": f"2026-05-31T0{hour}:00:00", "page": "pricing"} for hour in (8, 9)]
HOUR = timedelta(hours=1)


class Crm(Source):
    def __init__(self) -> None:
        self.leads: dict[str, Any] = {}
        self.trouble: Exception | None = None

    def read(self, document: Any) -> Iterable[Any]:
        return ()

    def fetch(self, lookups: Any) -> Iterable[Page]:
        if self.trouble:
            raise self.trouble
        yield Page(document=orjson.dumps([self.leads[lookup.record] for lookup in lookups]))


class World:
    def __init__(self, folder: Any, journey: str = AGREED, users: Any = USERS, crm: str = PEOPLE) -> None:
        self.small = Small(folder, journey=journey, crm=crm)
        t.inbox.create_all(self.small.store.inbox)
        self.inbox, self.crm = Inbox(self.small.store.inbox), Crm()
        pulling = Pulling(
            self.small.store.main, self.inbox, "crm", "crm", self.crm, lambda: self.small.at, unguarded,
            self.small.pipeline.log,
        )  # fmt: skip
        self.pulling = pulling
        self.gateway: Any = SimpleNamespace(
            store=self.small.store, inbox=self.inbox, pipeline=self.small.pipeline, now=lambda: self.small.at,
            pullings={"crm": pulling}, observe=lambda done: None, model=self.small.model, find_lead=self.lead_of,
            instance=SimpleNamespace(systems={"crm": SimpleNamespace(pull=HOUR)}),
        )  # fmt: skip
        self.users(*users)

    def lead_of(self, key: str) -> str:
        return str(self.rows(t.leads)[0].id)

    def users(self, *users: Any) -> None:
        self.small.take("crm", *({"kind": "user", "at": "2026-05-01T00:00:00", **user} for user in users))

    def person(self, number: str, **more: Any) -> None:
        """Somebody who is handed over at once."""
        who = ANN | {"id": f"c{number}", "email": f"p{number}@one.example", "number": number, **more}
        self.small.take("site", who, *(page | {"id": f"c{number}"} for page in PAGES))

    def said(self, number: str = "7", **news: Any) -> None:
        """The CRM's record as the CRM shows it, known here."""
        at = (self.small.at).isoformat().removesuffix("+00:00")
        record = {"kind": "lead", "id": f"L{number}", "at": at, "number": number, **news}
        self.crm.leads[f"L{number}"] = record
        self.small.take("crm", record)

    def delivered(self) -> None:
        with self.small.store.main.begin() as connection:
            connection.execute(update(t.writes).values(state="confirmed"))

    def made_task(self) -> None:
        """The follow-up task is there, as we know from its receipt."""
        handoff, [task] = self.handoff(), [row for row in self.rows(t.writes) if row.object == TASK]
        snapshot = {name: [value, 0] for name, value in task.fields.items()} | {"id": ["T1", 0]}
        ref = {"system": "crm", "object": TASK, "record": f"handoff:{handoff.id}:task", "kind": "task"}
        told = {"entity": handoff.lead, "snapshot": snapshot, "first_at": 1, "last_at": 1, "last_key": "k"}
        with self.small.store.main.begin() as connection:
            connection.execute(t.records.insert().values(ref | told | {"mapping": "", "assumed": []}))
            connection.execute(update(t.writes).values(state="confirmed"))

    def rows(self, table: Any) -> list[Any]:
        with self.small.store.main.connect() as connection:
            return list(connection.execute(select(table)))

    def handoff(self) -> Any:
        [handoff] = self.rows(t.handoffs)
        return handoff

    def events(self) -> list[tuple[str, str, str]]:
        rows = sorted(self.rows(t.clock_events), key=lambda row: (row.at, row.id))
        return [(row.kind, row.before, row.owner) for row in rows]

    def work(self, at: Any = None) -> None:
        """Everything that runs by itself, until nothing is left to do."""
        self.small.at = at or self.small.at
        moved = 1
        while moved:
            moved = clocks.tick(self.gateway) + self.pulling.look_up()
            for document in self.inbox.claim("w"):
                self.small.take("crm", *orjson.loads(document.body))
                self.inbox.finish([document.id])
                moved += 1


@pytest.fixture
def world(tmp_path: Any) -> World:
    return World(tmp_path)


@pytest.fixture
def handed(world: World) -> World:
    """Ann is Anna's since ``NOW``, and in the CRM, where the gateway's own user made her."""
    world.person("7")
    world.said(owner_id="U9")
    world.delivered()
    return world


# -- at the opening ----------------------------------------------------------------------------------------------------


def test_a_new_handoff_goes_to_whose_turn_it_is_by_their_id_in_the_crm(world: World) -> None:
    world.person("7")
    handoff = world.handoff()
    assert (handoff.owner, handoff.owner_why, world.events()) == ("U1", "turn", [("assigned", "", "U1")])


def test_turns_go_on_from_batch_to_batch(world: World) -> None:
    for number in "1234":
        world.person(number)
    rows = sorted(world.rows(t.handoffs), key=lambda row: row.opened_at)
    assert sorted(row.owner for row in rows) == ["U1", "U1", "U2", "U2"]


def test_two_leads_of_one_batch_are_two_turns(world: World) -> None:
    people = [ANN | {"id": f"c{n}", "email": f"p{n}@one.example", "number": n} for n in "12"]
    world.small.take("site", *people, *(page | {"id": f"c{n}"} for n in "12" for page in PAGES))
    assert sorted(row.owner for row in world.rows(t.handoffs)) == ["U1", "U2"]


def test_the_owner_of_the_record_in_the_crm_gets_it(world: World) -> None:
    world.said(owner_id="U2")
    world.person("7")
    assert (world.handoff().owner, world.handoff().owner_why) == ("U2", "account owner")


def test_without_owners_the_crm_s_own_choice_is_taken_over(tmp_path: Any) -> None:
    """Nothing is assigned; whom the CRM names as the record's owner has it."""
    world = World(tmp_path, JOURNEY)
    world.person("7")
    before = world.handoff().owner
    world.said(owner_id="U3")
    assert (before, world.handoff().owner) == ("", "U3")


def test_a_plugin_is_asked_first(world: World) -> None:
    object.__setattr__(world.small.model, "assign", lambda lead, handoff, roster: roster[1]["id"])
    world.person("7")
    assert (world.handoff().owner, world.handoff().owner_why) == ("U2", "plugin")


def test_a_plugin_s_answer_that_is_not_on_the_roster_is_not_taken(world: World) -> None:
    object.__setattr__(world.small.model, "assign", lambda *_: "somebody")
    world.person("7")
    assert world.handoff().owner == "U1"


def test_what_a_plugin_is_asked(world: World) -> None:
    """Everybody who could have it, as the CRM knows them, and whether they are there."""
    asked: list[Any] = []
    object.__setattr__(world.small.model, "assign", lambda *args: asked.append(args))
    world.person("7")
    [(lead, handoff, roster)] = asked
    assert lead["title"] == "CEO"
    assert (handoff["stage"], handoff["system"]) == ("mql", "crm")
    assert roster[0] == {"id": "U1", "name": "anna", "weight": 1, "there": True, "at_work": True}


# -- news of the crm ---------------------------------------------------------------------------------------------------


def test_who_made_the_record_over_there_does_not_take_the_handoff(handed: World) -> None:
    assert handed.handoff().owner == "U1"


def test_an_owner_changed_in_the_crm_moves_the_handoff(handed: World) -> None:
    handed.small.at = NOW + HOUR
    handed.said(owner_id="U3")
    handoff, event = handed.handoff(), handed.rows(t.clock_events)[-1]
    assert handoff.owner == "U3"
    assert handed.events()[-1] == ("moved", "U1", "U3")
    assert (event.by, event.reason) == ("crm", "changed in crm")


def test_whom_it_was_moved_to_has_a_response_time_of_their_own(handed: World) -> None:
    handed.small.at = NOW + 4 * HOUR
    handed.said(owner_id="U3")
    handoff = handed.handoff()
    assert handoff.response_due - handoff.owner_at == 10 * 3600 * 1_000_000
    assert handoff.owner_at > handoff.opened_at


# -- absence -----------------------------------------------------------------------------------------------------------


def test_who_becomes_absent_loses_what_they_have_at_the_next_sweep(handed: World) -> None:
    staffing.absent(handed.gateway, "anna", NOW, None, "holidays", "tester")
    handed.work()
    assert handed.events()[-1] == ("moved", "U1", "U2")
    assert handed.handoff().owner_why == "absent; turn"


def test_who_is_not_active_in_the_crm_any_more_loses_what_they_have(handed: World) -> None:
    handed.users({"id": "U1", "mail": "anna@x.example", "active": False, "at": "2026-06-01T00:00:01"})
    handed.work()
    assert handed.handoff().owner == "U2"


def test_with_nobody_there_it_goes_to_the_fallback_and_stays(handed: World) -> None:
    for name in ("anna", "bob", "desk"):
        staffing.absent(handed.gateway, name, NOW, None, "", "tester")
    handed.work()
    handed.work()
    assert handed.events() == [("assigned", "", "U1"), ("moved", "U1", "Q1")]


def test_what_the_fallback_has_stays_there_whoever_is_active(handed: World) -> None:
    """A sweep that finds nothing to do says so: nobody is left."""
    handed.users({"id": "Q1", "called": "Desk", "active": False, "at": "2026-06-01T00:00:01"})
    for name in ("anna", "bob"):
        staffing.absent(handed.gateway, name, NOW, None, "", "tester")
    handed.work()
    assert (handed.handoff().owner, clocks.tick(handed.gateway)) == ("Q1", 0)


def test_an_absence_begins_when_it_says(handed: World) -> None:
    staffing.absent(handed.gateway, "anna", NOW + HOUR, NOW + 2 * HOUR, "", "tester")
    handed.work()
    before = handed.handoff().owner
    handed.work(NOW + HOUR)
    assert (before, handed.handoff().owner) == ("U1", "U2")


def test_who_is_back_takes_part_again(world: World) -> None:
    staffing.absent(world.gateway, "anna", NOW, None, "", "tester")
    world.person("1")
    staffing.back(world.gateway, "anna")
    world.person("2")
    assert sorted(row.owner for row in world.rows(t.handoffs)) == ["U1", "U2"]


WRONG_ABSENCES = {
    "nobody of that name": (("ana", NOW, None), NotFound, "did you mean 'anna'"),
    "it ends before it begins": (("anna", NOW + HOUR, NOW), Refused, "before it begins"),
    "it is over": (("anna", NOW - 2 * HOUR, NOW - HOUR), Refused, "over already"),
}


@pytest.mark.parametrize("case", WRONG_ABSENCES.values(), ids=WRONG_ABSENCES.keys())
def test_wrong_absence(world: World, case: Any) -> None:
    (name, begins, ends), error, words = case
    with pytest.raises(error, match=words):
        staffing.absent(world.gateway, name, begins, ends, "", "tester")
    assert not world.rows(t.absences)


# -- the clock ---------------------------------------------------------------------------------------------------------


def test_it_warns_escalates_and_gives_the_handoff_to_the_next_once_each(handed: World) -> None:
    """At half of the response time, at all of it, at one and a half; then the next owner's time runs."""
    for hour in (4, 5, 6, 10, 11, 15):
        handed.work(NOW + hour * HOUR)
    assert handed.events() == [
        ("assigned", "", "U1"), ("warned", "U1", "U1"), ("escalated", "U1", "U1"), ("reassigned", "U1", "U2"),
    ]  # fmt: skip
    again = handed.handoff()
    assert (again.state, again.alarm) == ("open", "warned")


def test_after_everybody_had_it_the_clock_stops_at_the_fallback(handed: World) -> None:
    for hour in range(4, 100, 1):
        handed.work(NOW + hour * HOUR)
    moves = [(before, owner) for kind, before, owner in handed.events() if kind == "reassigned"]
    assert moves == [("U1", "U2"), ("U2", "Q1")]
    assert handed.handoff().alarm == ""


def test_alarms_that_are_late_go_off_together(handed: World) -> None:
    """A night without power: what was due is done at the first look, in its order."""
    handed.work(NOW + 12 * HOUR)
    assert [kind for kind, _, _ in handed.events()] == ["assigned", "warned", "escalated"]


@pytest.mark.parametrize("state", ["Called", "Working"])
def test_a_contact_or_an_accept_stops_the_clock(handed: World, state: str) -> None:
    handed.small.at = NOW + HOUR
    handed.said(owner_id="U9", state=state)
    handed.work(NOW + 50 * HOUR)
    assert handed.events() == [("assigned", "", "U1")]
    assert (handed.handoff().alarm, handed.handoff().state) == ("", "open")


def test_what_sales_did_but_nobody_told_us_is_heard_of_before_the_alarm(handed: World) -> None:
    handed.crm.leads["L7"] |= {"state": "Called", "at": "2026-06-01T01:00:00"}
    handed.work(NOW + 6 * HOUR)
    assert handed.events() == [("assigned", "", "U1")]


def test_while_the_crm_cannot_be_read_the_clock_waits(handed: World) -> None:
    handed.crm.trouble = TryLater(60, "down")
    handed.work(NOW + 6 * HOUR)
    waiting = handed.handoff()
    handed.crm.trouble = None
    handed.work(NOW + 7 * HOUR)
    assert (waiting.hearing, handed.events()[-1][0]) == ("asked", "warned")


def test_an_alarm_goes_off_in_its_minute(handed: World) -> None:
    """Half of ten hours: not a minute before, and in the sweep at that minute."""
    handed.work(NOW + 5 * HOUR - timedelta(minutes=1))
    before = handed.events()
    handed.work(NOW + 5 * HOUR)
    assert (len(before), handed.events()[-1][0]) == (1, "warned")


def test_owners_that_went_from_the_file_leave_the_clock_without_harm(handed: World) -> None:
    """It was to be given to the next: there is none any more, and it stays."""
    handed.work(NOW + 11 * HOUR)
    plain = compile_journey(ConfigFile("journey.yaml", JOURNEY))
    object.__setattr__(handed.small.model, "journey", plain)
    handed.work(NOW + 16 * HOUR)
    handoff = handed.handoff()
    assert (handoff.owner, handoff.alarm, handoff.hearing) == ("U1", "", "")


def test_a_clock_that_is_set_back_repeats_nothing(handed: World) -> None:
    for hour in (6, 2, 5, 6, 9):
        handed.work(NOW + hour * HOUR)
    assert [kind for kind, _, _ in handed.events()] == ["assigned", "warned"]


def test_the_hour_that_summer_time_takes_is_no_time_to_answer(tmp_path: Any) -> None:
    """Midnight to midnight in Berlin is 23 hours on 29 March: a time of 10 hours is 10 all the same."""
    world = World(tmp_path)
    world.small.at = datetime(2026, 3, 28, 23, 30, tzinfo=UTC)
    early = [
        {**one, "at": one["at"].replace("2026-05", "2026-03").replace("-31T", "-28T").replace("-30T", "-27T")}
        for one in (ANN, *PAGES)
    ]
    world.small.take("site", *early)
    handoff = world.handoff()
    assert (handoff.response_due - handoff.opened_at) / 3_600_000_000 == 10


def test_a_handoff_that_the_crm_was_never_told_of_waits(world: World) -> None:
    """Nobody there can answer it."""
    world.person("7")
    world.work(NOW + 6 * HOUR)
    assert (world.events(), world.handoff().hearing) == ([("assigned", "", "U1")], "")


def test_the_clock_never_ends_a_handoff(handed: World) -> None:
    handed.work(NOW + 60 * HOUR)
    assert handed.handoff().bucket is None


def test_hours_are_those_of_the_owner(tmp_path: Any) -> None:
    """Anna's 10 hours of an office day begin at 9 in Berlin, Bob's at 9 in New York."""
    office = AGREED.replace(
        '{zone: Europe/Berlin, hours: {mon-sun: "00:00-24:00"}}', '{zone: UTC, hours: {mon-fri: "09:00-19:00"}}'
    )
    world = World(tmp_path, office.replace("response: 10h", "response: 1h"))
    world.person("1")
    world.person("2")
    due = {row.owner: (row.response_due - row.opened_at) / 3_600_000_000 for row in world.rows(t.handoffs)}
    assert due == {"U1": 8, "U2": 14}  # opened at midnight UTC: 10:00 in Berlin is 08:00, in New York 14:00


# -- by hand -----------------------------------------------------------------------------------------------------------


def test_a_person_gives_it_to_somebody_else(handed: World) -> None:
    row = staffing.reassign(handed.gateway, handed.handoff().id, "bob", "knows them", "tester")
    event = handed.rows(t.clock_events)[-1]
    assert (row["owner"], row["owner_why"]) == ("U2", "knows them")
    assert (event.kind, event.by) == ("moved", "tester")


def test_the_rules_choose_among_those_who_did_not_have_it(handed: World) -> None:
    for _ in range(3):
        row = staffing.reassign(handed.gateway, "7", "", "", "tester")
    assert [owner for _, _, owner in handed.events()] == ["U1", "U2", "Q1"]
    assert row["owner"] == "Q1"


def test_a_user_who_is_not_on_the_roster_may_be_named_by_address(handed: World) -> None:
    assert staffing.reassign(handed.gateway, "7", "carl@x.example", "", "tester")["owner"] == "U3"


WRONG_OWNERS = {
    "nobody knows them": ("bobb", "did you mean 'bob'"),
    "it is theirs": ("anna", "anna's already; possible are bob, desk"),
    "they are absent": ("bob", "bob is absent; possible are desk"),
}


@pytest.mark.parametrize("case", WRONG_OWNERS.values(), ids=WRONG_OWNERS.keys())
def test_who_cannot_have_it_is_refused_with_who_can(handed: World, case: Any) -> None:
    name, words = case
    if "absent" in words:
        staffing.absent(handed.gateway, "bob", NOW, None, "", "tester")
    with pytest.raises(Refused, match=words):
        staffing.reassign(handed.gateway, "7", name, "", "tester")
    assert handed.handoff().owner == "U1"


def test_how_owners_stand(handed: World) -> None:
    staffing.absent(handed.gateway, "bob", NOW, NOW + HOUR, "dentist", "tester")
    with read(handed.gateway.store.main) as connection:
        anna, bob, desk = staffing.standings(handed.gateway, connection)
    assert (anna.open, anna.gone, anna.turn, anna.known) == (1, "", 1, True)
    assert (bob.gone, bob.until, bob.reason, bob.turn) == ("absent", NOW + HOUR, "dentist", None)
    assert (desk.turn, desk.known, desk.zone.key if desk.zone else "") == (None, True, "Europe/Berlin")


# -- what the crm is told ----------------------------------------------------------------------------------------------


def written(world: World, object_: str) -> list[dict[str, Any]]:
    rows = sorted((row for row in world.rows(t.writes) if row.object == object_), key=lambda row: row.id)
    return [row.fields for row in rows]


def test_the_record_becomes_theirs_where_the_mapping_sends_its_owner(tmp_path: Any) -> None:
    world = World(tmp_path, crm=PEOPLE.replace("owner_id: owner", "owner_id: {to: owner, sync: newest}"))
    world.person("7")
    assert written(world, "lead")[0]["owner_id"] == "U1"


def test_an_address_is_no_owner_of_a_record(tmp_path: Any) -> None:
    """Before the CRM has told of its users nobody knows the owner's id there; the record is made all the same."""
    sent = PEOPLE.replace("owner_id: owner", "owner_id: {to: owner, sync: newest}")
    world = World(tmp_path, users=(), crm=sent)
    world.person("7")
    assert world.handoff().owner == "anna@x.example"
    [fields] = written(world, "lead")
    assert "ours" in fields
    assert "owner_id" not in fields


def test_what_is_written_so_is_no_change_by_sales(tmp_path: Any) -> None:
    world = World(tmp_path, crm=PEOPLE.replace("owner_id: owner", "owner_id: {to: owner, sync: newest}"))
    world.person("7")
    world.said(owner_id="U1")
    assert world.events() == [("assigned", "", "U1")]


def test_the_owner_goes_into_a_field_of_its_own(tmp_path: Any) -> None:
    world = World(
        tmp_path, crm=PEOPLE.replace("      owner_id", "      rep: {to: handoff_owner, sync: out}\n      owner_id")
    )
    world.person("7")
    assert written(world, "lead")[0]["rep"] == "U1"


def test_the_task_is_the_owner_s_and_changes_hands_with_the_handoff(world: World) -> None:
    object.__setattr__(world.small.model, "carries", {"crm": {TASK: ("*",)}})
    world.person("7")
    [task] = written(world, TASK)
    handoff = world.handoff()
    world.made_task()
    world.said(owner_id="U9")
    world.small.at = NOW + 2 * HOUR
    staffing.reassign(world.gateway, "7", "bob", "", "tester")
    assert task["owner"] == "U1"
    [told] = written(world, TASK)[1:]
    assert told == {"handoff": handoff.id, "owner": "U2", "due_at": "2026-06-01T12:00:00Z", "zone": "Europe/Berlin"}


def test_without_owners_tasks_are_the_crm_s_own_business(tmp_path: Any) -> None:
    world = World(tmp_path, JOURNEY)
    object.__setattr__(world.small.model, "carries", {"crm": {TASK: ("*",)}})
    world.said(owner_id="U1")
    world.person("7")
    world.made_task()
    world.small.at = NOW + HOUR
    world.said(owner_id="U3")
    assert (world.handoff().owner, len(written(world, TASK))) == ("U3", 1)


# -- two workers -------------------------------------------------------------------------------------------------------


def test_two_batches_do_not_take_the_same_turn(world: World) -> None:
    """Both saw that it is Anna's; the slower is refused, looks again, and gives its lead to Bob."""
    slow = [ANN | {"id": "c1", "email": "p1@one.example", "number": "1"}, *(page | {"id": "c1"} for page in PAGES)]
    batch = world.small.pipeline.rehearse([world.small.read("site", slow)])
    world.person("2")
    with pytest.raises(StaleCommit), write(world.gateway.store.main) as connection:
        commit(connection, batch)
    world.small.take("site", *slow)
    assert sorted(row.owner for row in world.rows(t.handoffs)) == ["U1", "U2"]


def test_an_alarm_goes_off_once_though_two_workers_look(handed: World) -> None:
    handed.small.at = NOW + 6 * HOUR
    with handed.small.store.main.begin() as connection:
        connection.execute(update(t.handoffs).values(hearing="known"))
    lead = handed.handoff().lead
    batches = [handed.small.pipeline.rehearse((), [lead], "time") for _ in range(2)]
    assert all(batch.leads[lead].clock_events for batch in batches)
    with write(handed.gateway.store.main) as connection:
        commit(connection, batches[0])
    with pytest.raises(StaleCommit), write(handed.gateway.store.main) as connection:
        commit(connection, batches[1])
    assert [kind for kind, _, _ in handed.events()] == ["assigned", "warned"]


def test_a_restart_between_any_two_steps_loses_and_doubles_nothing(handed: World) -> None:
    """Each step is taken by a gateway that knows nothing of the one before."""
    handed.small.at = NOW + 6 * HOUR
    small = handed.small
    for _ in range(12):
        small.pipeline = Pipeline(small.store.main, small.model, lambda: small.at, small.pipeline.log)
        handed.gateway.pipeline = small.pipeline
        clocks.tick(handed.gateway)
        handed.pulling.look_up()
        for document in handed.inbox.claim("w"):
            handed.small.take("crm", *orjson.loads(document.body))
            handed.inbox.finish([document.id])
    assert [kind for kind, _, _ in handed.events()] == ["assigned", "warned"]


def test_an_owner_whom_the_crm_does_not_know_is_warned_of_at_their_line(tmp_path: Any) -> None:
    """Also one who is not active there; systems that tell of no users say nothing."""
    agreed = AGREED.replace("bob@x.example", "bop@x.example")
    world = World(tmp_path, agreed, ({**USERS[0], "active": False}, *USERS[1:]))
    file = ConfigFile("journey.yaml", agreed)
    with read(world.gateway.store.main) as connection:
        told = [str(one).partition(": ")[2] for one in staffing.strangers(world.gateway, connection, file)]
    assert told == [
        "owners[0].user: not active in crm",
        "owners[1].user: not known to crm; did you mean 'bob@x.example'?",
    ]


def test_who_is_forgotten_leaves_only_what_the_clock_did_and_when(handed: World) -> None:
    """What people wrote may name anybody: it goes; whose the handoff was stays."""
    staffing.reassign(handed.gateway, "7", "bob", "a friend of Ann's", "tester")
    forget(handed.gateway, handed.handoff().lead, "tester", go=True)
    assert {(row.reason, row.by) for row in handed.rows(t.clock_events)} == {("", "")}
    assert (handed.handoff().owner_why, handed.events()[-1]) == ("", ("moved", "U1", "U2"))
    assert clocks.tick(handed.gateway) == 0
