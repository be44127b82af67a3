"""Promise 11 at work: who is forgotten while something else of theirs is under way is forgotten by that, too."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from gateway_sandbox import serve
from running_gateway import HubSpot, document, files
from sqlalchemy import select, text

from gateway import pipeline
from gateway.outbound import planner, undo
from gateway.pipeline import Pipeline
from gateway.store import tables as t
from gateway.store.database import read
from gateway.sweeps.rescoring import Rescoring
from gateway.testing.instance import Instance

CANARY = "canary"


class World:
    """An instance, its CRM, and a clock of days; ``forget`` is what a person does on another machine meanwhile."""

    def __init__(self, folder, crm, url):
        self.crm, self.at = crm, crm.clock.now()
        self.it = Instance(folder, files({"crm": (crm, url)}, 1), lambda: self.at)
        self.told = None
        self.it.give("site", document(1, "p1"), document(2, CANARY))

    def forget(self):
        said = self.it.run("leads", "forget", f"{CANARY}@example.org", "--go", "--json").stdout
        self.told = json.loads(said)

    def settle(self):
        for _ in range(3):
            self.it.work()
            self.it.deliver("crm")
            self.it.sweep()
            self.at += timedelta(hours=1)

    def left(self):
        """Every row that names them, of any table."""
        found = []
        for store in (self.it.open().store.main, self.it.open().store.inbox):
            with read(store) as connection:
                tables = text("SELECT name FROM sqlite_master WHERE type = 'table'")
                if connection.dialect.name != "sqlite":
                    tables = text("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
                for name in connection.scalars(tables).all():
                    rows = connection.execute(text(f'SELECT * FROM "{name}"')).all()
                    found += [(name, row) for row in map(repr, rows) if CANARY in row.lower()]
        return found

    def forgotten(self):
        self.settle()
        assert self.told["done"]
        assert self.left() == []
        made = len(self.crm.effects)
        self.it.give("site", document(3, CANARY))
        self.settle()
        assert self.left() == []
        assert len(self.crm.effects) == made
        assert len(self.it.leads()) == 1
        assert json.loads(self.it.run("status", "--json").stdout)["ok"]


@pytest.fixture
def world(tmp_path):
    crm = HubSpot()
    with serve(crm) as server:
        world = World(tmp_path, crm, server.url)
        yield world
        world.it.close()


@pytest.mark.parametrize(
    ("moment", "call"), [("arrived", "contacts"), ("done", "contacts"), ("while", "contacts"), ("done", "tasks")]
)
def test_while_a_write_of_theirs_is_sent(world, moment, call, capfd):
    """Whatever the answer says, or that there is none. That a record is just being made is told."""
    world.it.work()
    struck = world.crm.at(moment, f"POST .*/{call}", world.forget)
    world.it.deliver("crm")
    assert struck.wait(10)
    world.forgotten()
    told = world.told["unsure"] + [one for one in world.told["elsewhere"] if one["system"] == "crm"]
    assert [one["object"] for one in told] == ["contact"]
    assert CANARY not in "".join(capfd.readouterr()).replace(world.it.root.name, "")


@pytest.mark.parametrize("cause", ["news", "points"])
def test_while_a_batch_with_them_is_computed(world, monkeypatch, cause):
    """Their news is read, or a person decides something of them."""
    world.settle()
    compute = Pipeline.compute

    def meanwhile(self, batch, *arguments, **more):
        if any(CANARY in str(one.attributes.get("email")) for one in batch.leads.values()):
            monkeypatch.undo()
            world.forget()
        return compute(self, batch, *arguments, **more)

    monkeypatch.setattr(Pipeline, "compute", meanwhile)
    if cause == "news":
        world.it.give("site", document(4, CANARY))
        world.it.work()
    else:
        world.it.run("leads", "points", f"{CANARY}@example.org", "5", "--reason", "met the canary")
    assert world.told is not None
    world.forgotten()


def test_while_all_are_scored_by_another_model(world, monkeypatch):
    """In one part with others, whose scores move."""
    world.settle()
    score = Rescoring._score

    def meanwhile(*arguments):
        monkeypatch.undo()
        world.forget()
        return score(*arguments)

    world.it.write("scoring.yaml", (world.it.root / "scoring.yaml").read_text().replace("points: 1,", "points: 2,"))
    world.it.close()
    monkeypatch.setattr(Rescoring, "_score", meanwhile)
    world.it.sweep()
    assert world.told is not None
    world.forgotten()
    assert [lead["behaviour"] for lead in world.it.leads()] == [200]


def test_while_all_that_is_wanted_is_planned(world, monkeypatch):
    """`gateway push`: what was wanted for them is not sent, and what was for others is."""
    world.it.work()
    wanted = planner.wanted_writes

    def meanwhile(lead, *arguments):
        if CANARY in str(lead.attributes.get("email")):
            monkeypatch.undo()
            world.forget()
        return wanted(lead, *arguments)

    monkeypatch.setattr(planner, "wanted_writes", meanwhile)
    planner.push(world.it.open(), "crm", "test")
    assert world.told is not None
    assert [one["email"] for one in world.crm.records.alive("contacts")] == ["p1@example.org"]
    world.forgotten()


def test_news_that_came_while_all_that_is_wanted_is_planned(world, monkeypatch):
    """`gateway push` sends what is known by then, not what it had read before."""
    world.settle()
    world.it.give("site", document(4, CANARY))
    wanted = planner.wanted_writes

    def meanwhile(lead, *arguments):
        found = list(wanted(lead, *arguments))
        if CANARY in str(lead.attributes.get("email")):
            monkeypatch.undo()
            world.it.give("site", document(5, CANARY))
            world.it.work()
        return found

    world.it.work()
    monkeypatch.setattr(planner, "wanted_writes", meanwhile)
    planner.push(world.it.open(), "crm", "test")
    scores = {one["email"]: one["gw_score"] for one in world.crm.records.alive("contacts")}
    assert scores[f"{CANARY}@example.org"] == "63"


def test_while_what_was_written_is_taken_back(world, monkeypatch):
    """`gateway undo`: what their record held before is not kept to be put back."""
    world.settle()
    world.it.give("site", document(4, CANARY), document(5, "p1"))
    world.it.work()
    told = planner.push(world.it.open(), "crm", "test")
    planned = undo.planned

    def meanwhile(*arguments):
        found = planned(*arguments)
        monkeypatch.undo()
        world.forget()
        return found

    monkeypatch.setattr(undo, "planned", meanwhile)
    plan, waiting = undo.undo(world.it.open(), told.push)
    assert len(plan.possible) == 2
    assert (world.told is not None, waiting) == (True, 1)
    with read(world.it.open().store.main) as connection:
        held = connection.scalars(text("SELECT holds FROM records WHERE gone = 'forgotten'"))
        assert {str(one) for one in held} == {"{}"}
    world.forgotten()


def two(*people):
    """A document about several of them."""
    return json.dumps([one for number, person in enumerate(people) for one in json.loads(document(number, person))])


def bodies(world):
    with read(world.it.open().store.inbox) as connection:
        return list(connection.execute(text("SELECT state, body FROM documents ORDER BY id")).all())


def test_while_a_document_that_names_others_is_worked_in_lanes(world, monkeypatch):
    """Its worker dies between the lanes: what it says of the others is not lost, and then its body goes."""
    people = [CANARY, *(f"q{number}" for number in range(6))]
    world.it.give("site", two(*people).encode())
    lanes = pipeline.in_lanes
    mine = ("site", "contact", CANARY)
    monkeypatch.setattr(
        pipeline,
        "in_lanes",
        lambda events, count: {0: {mine}, 1: set().union(*lanes(events, 1).values()) - {mine}},
    )
    commit, calls = pipeline.commit, []

    def dies(*given):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        commit(*given)

    monkeypatch.setattr(pipeline, "commit", dies)
    gateway = world.it.open()
    gateway.pipeline._turns = 10
    with pytest.raises(KeyboardInterrupt):
        world.it.work()
    monkeypatch.undo()
    world.it.close()
    world.forget()
    world.it.open().inbox.release("test")
    world.settle()
    assert {row.state for row in bodies(world)} == {"read"}
    with read(world.it.open().store.main) as connection:
        known = set(connection.scalars(select(t.identities.c.value)))
    assert known == {f"{one}@example.org" for one in ("p1", *people[1:])}
    assert world.left() == []


def test_while_a_document_that_names_them_waits_to_be_read_again(world):
    """It is read again first: else it would go to quarantine, for nothing can be read out of it."""
    world.settle()
    world.it.open().inbox.requeue(system="site", states=["read"])
    world.forget()
    assert {row.state for row in bodies(world)} == {"waiting"}
    world.settle()
    assert {row.state for row in bodies(world)} == {"read"}
    world.forgotten()
