"""Edits in two systems that nobody can put in order wait for a person; a field that is changed back is left alone."""

from __future__ import annotations

import contextlib
from datetime import timedelta

import pytest
import structlog
from small_instance import CRM, Small, days

from gateway.contracts import Call, Receipt, Sink
from gateway.outbound.delivery import Delivery
from gateway.store import tables as t


class Crm(Sink):
    """A CRM that answers what it holds; ``flow`` changes what it is sent."""

    def __init__(self):
        self.sent, self.flow = [], {}

    def calls(self, writes):
        return [Call(title="row", writes=(one,)) for one in writes]

    def deliver(self, call):
        (one,) = call.writes
        self.sent.append(dict(one.fields))
        yield Receipt(key=one.key, result="done", record=one.record or "r1", held=self.flow)


def start(folder, **options):
    small = Small(folder, **options)
    small.sink = Crm()
    quiet = lambda *_: contextlib.nullcontext()  # noqa: E731
    small.delivery = Delivery(
        small.store.main, "crm", small.sink, "crm", lambda: small.at, quiet, structlog.get_logger()
    )
    return small


@pytest.fixture
def small(tmp_path):
    small = start(tmp_path)
    yield small
    small.store.close()


def both(small, **at):
    """One person in both systems, who agree on the title, and the CRM's record takes part in sync."""
    small.take("site", {"kind": "contact", "id": "1", "at": days(9), "email": "kim@example.org", "title": "Buyer"})
    small.take("crm", {"id": "r1", "at": days(8), "mail": "kim@example.org", "position": "Buyer"} | at)


def deliver(small, minutes=1.0):
    small.at += timedelta(minutes=minutes)
    _, again = small.delivery.run("w")
    if again:
        small.pipeline.again(again)


def told(small):
    return [fields["position"] for fields in small.sink.sent if "position" in fields]


def open_work(small):
    return [row[0] for row in small.rows(t.work_items, "kind", "resolved_at") if row[1] is None]


def test_edits_at_one_moment_are_a_conflict(small):
    """Neither is later: nothing is sent, and a person is asked."""
    both(small)
    small.take("site", {"kind": "contact", "id": "1", "at": days(2), "title": "Head of Sales"})
    small.take("crm", {"id": "r1", "at": days(2), "position": "Chief Buyer"})
    deliver(small)
    assert (open_work(small), told(small)) == (["conflict"], [])


def test_a_later_edit_is_no_conflict(small):
    """The newest wins, as the rule says."""
    both(small)
    small.take("crm", {"id": "r1", "at": days(3), "position": "Chief Buyer"})
    small.take("site", {"kind": "contact", "id": "1", "at": days(2), "title": "Head of Sales"})
    deliver(small)
    assert (open_work(small), told(small)) == ([], ["Head of Sales"])


def test_a_later_edit_ends_a_conflict(small):
    """Somebody decided in one of the systems: the work item is over, and the other system is told."""
    both(small)
    small.take("crm", {"id": "r1", "at": days(2), "position": "Chief Buyer"})
    small.take("site", {"kind": "contact", "id": "1", "at": days(2), "title": "Head of Sales"})
    small.take("site", {"kind": "contact", "id": "1", "at": days(1), "title": "Vice President"})
    deliver(small)
    assert (open_work(small), told(small)) == ([], ["Vice President"])


def test_what_differed_at_the_first_meeting_is_no_conflict(small):
    """Nobody edited anything: the rule of the newest, then of the rank, settles it."""
    small.take("site", {"kind": "contact", "id": "1", "at": days(8), "email": "kim@example.org", "title": "Buyer"})
    small.take("crm", {"id": "r1", "at": days(8), "mail": "kim@example.org", "position": "Chief"})
    assert open_work(small) == []


@pytest.mark.parametrize(
    ("crm_at", "site_at", "asked"),
    [
        (days(2)[:10], days(1.5), True),  # that day, at some hour; at noon
        (days(2)[:10], days(0.9), False),  # the day after: later for sure
    ],
)
def test_a_day_is_not_before_its_own_hours(tmp_path, crm_at, site_at, asked):
    """Where a system tells only the day of an edit, another's edit on that day may be before or after it."""
    small = start(tmp_path, crm=CRM.replace("time: at", "time: {field: at, format: '%Y-%m-%d'}"))
    both(small, at=days(8)[:10])
    small.take("site", {"kind": "contact", "id": "1", "at": site_at, "title": "Head of Sales"})
    small.take("crm", {"id": "r1", "at": crm_at, "position": "Chief Buyer"})
    assert open_work(small) == (["conflict"] if asked else [])
    small.store.close()


def test_an_edit_of_unknown_time_is_after_what_it_replaced(tmp_path):
    """The CRM was told of the site's edit before it was edited itself: no doubt who was later."""
    small = start(tmp_path, crm=CRM.replace("    time: at\n", "    time: received\n"))
    both(small)
    small.take("site", {"kind": "contact", "id": "1", "at": days(2), "title": "Head of Sales"})
    deliver(small)
    small.take("crm", {"id": "r1", "position": "Chief Buyer"})
    assert (open_work(small), small.leads()[0]["title"]) == ([], "Chief Buyer")
    small.store.close()


def test_an_edit_of_unknown_time_that_knew_nothing_of_the_other_is_a_conflict(tmp_path):
    """Between the last agreement and its receipt, the other system was edited, too."""
    small = start(tmp_path, crm=CRM.replace("    time: at\n", "    time: received\n"))
    both(small)
    small.take("site", {"kind": "contact", "id": "1", "at": days(-0.001), "title": "Head of Sales"})
    small.at += timedelta(minutes=5)
    small.take("crm", {"id": "r1", "position": "Chief Buyer"})
    assert open_work(small) == ["conflict"]
    small.store.close()


def test_what_is_changed_back_twice_is_left_alone(small):
    """A flow undoes whatever it is sent: after the second time one work item, and nothing more is sent."""
    both(small)
    small.sink.flow = {"position": "CHIEF BUYER"}
    for minute in range(1, 8):
        small.take("site", {"kind": "contact", "id": "1", "at": days(2 - minute / 1440), "title": "Chief Buyer"})
        deliver(small)
        small.take("site", {"kind": "contact", "id": "1", "at": days(1 - minute / 1440), "country": f"c{minute}"})
    assert told(small) == ["Chief Buyer", "Chief Buyer"]
    assert open_work(small) == ["contested"]
