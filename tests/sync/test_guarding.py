"""Guarded fields are looked at again just before they are written: what somebody did meanwhile is news first."""

from __future__ import annotations

import contextlib
from datetime import timedelta

import pytest
import structlog
from small_instance import CRM, Small, days

from gateway.contracts import Call, Held, Receipt, Sink
from gateway.errors import TryLater
from gateway.inbound.readings import Reading
from gateway.outbound import guarding
from gateway.outbound.delivery import Delivery
from gateway.outbound.guarding import Guarding, guarded
from gateway.store import tables as t
from gateway.store.inbox import Inbox

GUARDED = CRM.replace("{to: title, sync: newest}", "{to: title, sync: newest, guard: true}")


class Crm(Sink):
    """A CRM with one record, which it can be asked for."""

    def __init__(self):
        self.record, self.at, self.sent, self.asked, self.trouble = {"position": "Buyer"}, None, [], [], None

    def calls(self, writes):
        return [Call(title="row", writes=tuple(writes))]

    def deliver(self, call):
        for one in call.writes:
            self.sent.append(dict(one.fields))
            self.record |= one.fields
            yield Receipt(key=one.key, result="done", record=one.record or "r1")

    def held(self, object, records, fields):
        self.asked.append((object, list(records), list(fields)))
        if self.trouble:
            raise self.trouble
        return {record: Held(values={name: self.record.get(name) for name in fields}, at=self.at) for record in records}


@pytest.fixture
def small(tmp_path):
    small = Small(tmp_path, crm=GUARDED)
    small.sink, small.inbox = Crm(), Inbox(small.store.inbox)
    t.inbox.create_all(small.store.inbox)
    quiet = lambda *_: contextlib.nullcontext()  # noqa: E731
    log = structlog.get_logger()
    fields = guarded(small.model.objects["crm"])
    common = ("crm", small.sink, "crm", lambda: small.at, quiet, log)
    look = Guarding("crm", small.sink, "crm", fields, small.inbox, lambda: small.at, quiet, log)
    small.delivery = Delivery(small.store.main, *common, look)
    small.take("site", {"kind": "contact", "id": "1", "at": days(9), "email": "kim@example.org", "title": "Buyer"})
    small.take("crm", {"id": "r1", "at": days(8), "mail": "kim@example.org", "position": "Buyer"})
    yield small
    small.store.close()


def turn(small):
    """A delivery, then its news, then what is planned because of it."""
    small.at += timedelta(minutes=1)
    small.delivery.run("w")
    for document in small.inbox.claim("w"):
        assert guarding.is_ours(document)
        small.pipeline.run([Reading(document, list(guarding.read(document)))])
        small.inbox.finish([document.id])


def told(small):
    return [fields["position"] for fields in small.sink.sent if "position" in fields]


def edit(small, day, title):
    small.take("site", {"kind": "contact", "id": "1", "at": days(day), "title": title})


def test_what_stands_as_we_know_it_is_written_over(small):
    """One look, then the write."""
    edit(small, 2, "Head of Sales")
    turn(small)
    assert told(small) == ["Head of Sales"]
    assert small.sink.asked == [("lead", ["r1"], ["position"])]


def test_a_later_edit_over_there_is_kept(small):
    """It comes in as news with its own time, and nothing is left to write."""
    edit(small, 2, "Head of Sales")
    small.sink.record["position"], small.sink.at = "Chief", small.at - timedelta(days=1)
    for _ in range(3):
        turn(small)
    assert (told(small), small.leads()[0]["title"]) == ([], "Chief")


def test_an_earlier_edit_over_there_is_written_over_after_all(small):
    """It is news, too, but ours is newer."""
    edit(small, 1, "Head of Sales")
    small.sink.record["position"], small.sink.at = "Chief", small.at - timedelta(days=2)
    for _ in range(3):
        turn(small)
    assert (told(small), small.leads()[0]["title"]) == (["Head of Sales"], "Head of Sales")


def test_an_edit_over_there_without_a_time_is_a_question(small):
    """Somewhere since we last looked: before or after the other edit, only a person knows."""
    edit(small, 2, "Head of Sales")
    small.sink.record["position"] = "Chief"
    for _ in range(3):
        turn(small)
    assert told(small) == []
    assert [row[0] for row in small.rows(t.work_items, "kind")] == ["conflict"]


def test_fields_that_are_not_guarded_need_no_look(small):
    """They go in the same number of calls as ever."""
    turn(small)
    assert "ours" in small.sink.sent[0]
    assert small.sink.asked == []


@pytest.mark.parametrize("trouble", [TryLater(30, "nothing left"), RuntimeError()])
def test_what_could_not_be_looked_at_waits(small, trouble):
    """Nothing is sent unseen."""
    edit(small, 2, "Head of Sales")
    small.sink.trouble = trouble
    turn(small)
    assert small.sink.sent == []
    small.sink.trouble = None
    turn(small)
    turn(small)
    assert told(small) == ["Head of Sales"]
