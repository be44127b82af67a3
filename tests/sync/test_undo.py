"""What a push wrote is put back where nobody changed it since, and left alone until a newer value comes."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest
import structlog
from small_instance import Small, days
from sqlalchemy import select

from gateway.contracts import Call, Receipt, Sink
from gateway.errors import NotFound, Refused
from gateway.outbound import undo
from gateway.outbound.delivery import Delivery
from gateway.store import tables as t


class Crm(Sink):
    """A CRM in memory; every call has one write."""

    def __init__(self):
        self.records = {}

    def calls(self, writes):
        return [Call(title="row", writes=(one,)) for one in writes]

    def deliver(self, call):
        for one in call.writes:
            record = one.record or f"r{len(self.records) + 1}"
            self.records.setdefault(record, {}).update(one.fields)
            yield Receipt(key=one.key, result="done", record=record)


@pytest.fixture
def small(tmp_path):
    """One lead whose record in the CRM was made by an earlier push, so that everything in it is known."""
    small = Small(tmp_path)
    small.crm = Crm()
    made = (small.store.main, "crm", small.crm, "crm", lambda: small.at, lambda *_: contextlib.nullcontext())
    small.delivery = Delivery(*made, structlog.get_logger())
    small.gateway = SimpleNamespace(
        store=small.store, pipeline=small.pipeline, model=small.model, now=lambda: small.at, observe=lambda done: None
    )
    news(small, 9, title="CEO", page="/a", country="Chile")
    push(small, "first")
    yield small
    small.store.close()


def news(small, day, **fields):
    small.take("site", {"kind": "contact", "id": "1", "at": days(day), **fields})


def push(small, name):
    small.at += timedelta(minutes=1)
    while small.delivery.run("worker", push=name)[0]:
        pass


def second(small):
    """A push that replaced two values, one of them by mistake."""
    news(small, 5, title="Chief Clerk", country="Peru")
    push(small, "second")
    assert (small.crm.records["r1"]["position"], small.crm.records["r1"]["land"]) == ("Chief Clerk", "Peru")


def changes(small, name="second"):
    plan = undo.planned(small.gateway, name)
    return {one.field: one.left for one in plan.changes if one.field in ("position", "land")}


def test_what_nobody_changed_is_put_back(small):
    """Planned first, then done by an ordinary write; the lead itself still knows what it knew."""
    second(small)
    assert changes(small) == {"position": "", "land": ""}
    _, waiting = undo.undo(small.gateway, "second")
    assert waiting == 1
    push(small, "third")
    assert (small.crm.records["r1"]["position"], small.crm.records["r1"]["land"]) == ("CEO", "Chile")
    assert [lead["title"] for lead in small.leads()] == ["Chief Clerk"]
    assert changes(small) == {"position": "put back already", "land": "put back already"}


def test_planning_an_undo_changes_nothing(small):
    """Neither a hold nor a write."""
    second(small)
    before = (small.rows(t.writes), small.rows(t.records))
    undo.planned(small.gateway, "second")
    assert (small.rows(t.writes), small.rows(t.records)) == before


def test_what_was_put_back_is_not_written_again(small):
    """Other news of the lead leaves it alone; a newer value of its own is written."""
    second(small)
    undo.undo(small.gateway, "second")
    push(small, "third")
    news(small, 4, page="/b", country="Peru")
    push(small, "fourth")
    assert small.crm.records["r1"]["land"] == "Chile"
    news(small, -0.1, country="Bolivia")
    push(small, "fifth")
    assert small.crm.records["r1"]["land"] == "Bolivia"
    assert small.crm.records["r1"]["position"] == "CEO"
    held = {name for _, holds in small.rows(t.records, "record", "holds") for name in holds}
    assert "position" in held
    assert "land" not in held


def test_news_before_the_write_went_out_does_not_lose_the_undo(small):
    """What waits for a lead is planned anew with each of its news; the undo is part of that plan."""
    second(small)
    undo.undo(small.gateway, "second")
    news(small, 4, page="/b")
    push(small, "third")
    assert small.crm.records["r1"]["land"] == "Chile"


def test_a_released_undo_is_written_again(small):
    """What is still wanted goes out once more."""
    second(small)
    undo.undo(small.gateway, "second")
    push(small, "third")
    assert undo.release(small.gateway, "second") > 0
    push(small, "fourth")
    assert small.crm.records["r1"]["land"] == "Peru"
    with pytest.raises(NotFound):
        undo.release(small.gateway, "second")


def test_what_somebody_changed_since_is_left(small):
    """In the CRM, or by a later push; the rest is put back."""
    second(small)
    small.at += timedelta(hours=1)
    small.take("crm", {"id": "r1", "at": days(-0.02), "position": "Owner", "land": "Peru"})
    assert changes(small) == {"position": "changed in crm since", "land": ""}
    news(small, -0.2, country="Bolivia")
    push(small, "third")
    assert changes(small)["land"] == "written again since, by push third"
    undo.undo(small.gateway, "second")
    push(small, "fourth")
    assert small.crm.records["r1"]["land"] == "Bolivia"


def test_a_newer_value_that_waits_is_not_undone(small):
    """It is about to be written anyway."""
    second(small)
    news(small, -0.1, country="Bolivia")
    assert changes(small)["land"] == "a newer value is about to be written"


def test_created_records_are_listed_and_stay(small):
    """Nothing is deleted by an undo."""
    plan = undo.planned(small.gateway, "first")
    assert [(ref, plan.changes) for ref, _ in plan.created] == [(("crm", "lead", "r1"), [])]
    undo.undo(small.gateway, "first")
    push(small, "second")
    assert "r1" in small.crm.records


def test_what_was_not_known_before_cannot_be_put_back(tmp_path, small):
    """A record we met with an unknown field: nobody knows what our value replaced."""
    small.take("site", {"kind": "contact", "id": "2", "at": days(8), "title": "CEO", "page": "/a", "number": "7"})
    small.take("crm", {"id": "r9", "at": days(7), "number": "7"})
    push(small, "met")
    left = {one.field: one.left for one in undo.planned(small.gateway, "met").changes}
    assert left["score"] == "nobody knows what it held before"


def test_a_blank_field_is_blanked_again(small):
    """Put back means cleared where nothing had been."""
    small.take("site", {"kind": "contact", "id": "2", "at": days(8), "title": "CEO", "page": "/a", "number": "7"})
    small.take("crm", {"id": "r9", "at": days(9), "number": "7", "land": "", "position": "Owner"})
    push(small, "met")
    assert small.crm.records["r9"]["position"] == "CEO"
    small.take("site", {"kind": "contact", "id": "2", "at": days(6), "country": "Peru"})
    push(small, "second")
    undo.undo(small.gateway, "second")
    push(small, "third")
    assert small.crm.records["r9"]["land"] is None


def test_nothing_is_put_back_into_a_system_that_is_off(small):
    """And a push that nobody knows is named."""
    second(small)
    small.gateway.model = replace(small.model, active=frozenset())
    with pytest.raises(Refused, match="outbound is off"):
        undo.undo(small.gateway, "second")
    with pytest.raises(NotFound, match="no push 'none'"):
        undo.planned(small.gateway, "none")


def test_a_computed_value_is_held_until_it_is_another(small):
    """A score has no time of its own: the hold ends when there is another one to tell."""
    second(small)
    news(small, 1, title="Clerk")
    push(small, "third")
    sent = small.crm.records["r1"]["score"]
    undo.undo(small.gateway, "third")
    push(small, "fourth")
    assert small.crm.records["r1"]["score"] > sent
    news(small, 0.5, page="/b")
    push(small, "fifth")
    assert small.crm.records["r1"]["score"] not in (sent, 0)


def test_a_minute_of_a_running_gateway_has_a_name(small):
    """Whoever sends without naming it can still take it back."""
    news(small, 5, country="Peru")
    push(small, "")
    with small.store.main.connect() as connection:
        assert set(connection.scalars(select(t.writes.c.push))) == {"first", f"crm-{small.at:%Y%m%d-%H%M}"}


def test_a_forgotten_person_leaves_no_value_behind(small):
    """What a push replaced and what is held are values of the person like any other."""
    second(small)
    undo.undo(small.gateway, "second")
    push(small, "third")
    news(small, 0.5, forget=True)
    assert not [
        word for word in ("Chile", "Peru", "Chief Clerk") if word in repr((small.rows(t.writes), small.rows(t.records)))
    ]
    assert set(changes(small).values()) <= {"the person is forgotten"}
