"""From the outbox to a system: one effect per decision, whatever the system answers and wherever a worker dies."""

from __future__ import annotations

import contextlib
from datetime import timedelta

import pytest
import structlog
from small_instance import CRM, Small, days
from sqlalchemy import select, update

from gateway.contracts import Call, Receipt, Sink
from gateway.errors import StaleCommit
from gateway.outbound.delivery import SILENCE, Delivery
from gateway.store import outbox
from gateway.store import tables as t
from gateway.store.database import write
from gateway.sync.receipts import WAITS, verdict
from gateway.times import to_micros


class Crm(Sink):
    """A CRM in memory, keyed by our key; ``answers`` are given instead of its own, one per call."""

    def __init__(self):
        self.records, self.answers, self.sent = {}, [], []

    def calls(self, writes):
        return [Call(title="rows", writes=tuple(writes[n : n + 2])) for n in range(0, len(writes), 2)]

    def deliver(self, call):
        answer = self.answers.pop(0) if self.answers else None
        if callable(answer):
            answer()
        for one in call.writes:
            if isinstance(answer, dict):
                yield Receipt(key=one.key, **answer)
                continue
            self.sent.append((one.key, one.record, dict(one.fields)))
            record = one.record or f"r{len(self.records) + 1}"
            self.records.setdefault(record, {"key": one.key}).update(one.fields)
            if answer == "lost":
                raise TimeoutError
            yield Receipt(key=one.key, result="done", record=record, held=dict(one.fields))

    def find(self, object, keys):
        return {key: [r for r, held in self.records.items() if held["key"] == key] for key in keys}


@pytest.fixture
def small(tmp_path):
    small = Small(tmp_path)
    small.crm = Crm()
    small.delivery = Delivery(
        small.store.main,
        "crm",
        small.crm,
        "crm",
        lambda: small.at,
        lambda *_: contextlib.nullcontext(),
        structlog.get_logger(),
    )
    yield small
    small.store.close()


def ready(small, number="1", day=3, **fields):
    """A lead over the threshold: one write waits."""
    small.take("site", {"kind": "contact", "id": number, "at": days(day), "title": "CEO", "page": "/a"} | fields)


def states(small):
    return [row[0] for row in small.rows(t.writes, "state")]


def test_a_created_record_is_linked_and_its_echo_is_empty(small):
    """The receipt is the link: what was written is known, so nothing is planned again."""
    ready(small)
    assert small.delivery.run("w") == (1, [])
    assert states(small) == ["confirmed"]
    assert small.rows(t.records, "system", "record", "enrolled", "gone") == [
        ("crm", "r1", True, None),
        ("site", "1", True, None),
    ]
    small.take("crm", {"id": "r1", "at": days(0), "position": "CEO", "score": 50})
    assert states(small) == ["confirmed"]
    assert len(small.leads()) == 1


def test_many_changes_before_a_delivery_are_one_write(small):
    """The waiting write is superseded by the newer one, which says everything."""
    ready(small)
    small.take("site", {"kind": "contact", "id": "1", "at": days(2), "country": "Chile"})
    small.take("site", {"kind": "contact", "id": "1", "at": days(1), "country": "Peru"})
    assert sorted(states(small)) == ["superseded", "superseded", "waiting"]
    small.delivery.run("w")
    assert [fields["land"] for _, _, fields in small.crm.sent] == ["Peru"]


def test_a_write_planned_before_the_link_was_known_becomes_an_update(small):
    """A create on its way and a second one planned meanwhile make one record."""
    ready(small)
    small.crm.answers = [lambda: small.take("site", {"kind": "contact", "id": "1", "at": days(1), "country": "Peru"})]
    small.delivery.run("w")
    small.delivery.run("w")
    assert [(record, fields) for _, record, fields in small.crm.sent][1] == ("r1", {"land": "Peru"})
    assert len(small.crm.records) == 1


def test_a_lost_answer_is_looked_up_and_not_sent_again(small):
    """The record is over there although nobody told us: one effect."""
    ready(small)
    small.crm.answers = ["lost"]
    small.delivery.run("w")
    assert states(small) == ["unknown"]
    small.at += timedelta(minutes=5)
    small.delivery.run("w")
    assert states(small) == ["confirmed"]
    assert len(small.crm.sent) == 1


def test_what_was_edited_in_a_record_before_it_was_found_stays(small):
    """It was made by a call that nobody answered, and told of itself before we looked: that came after what we sent."""
    ready(small)
    small.crm.answers = ["lost"]
    small.delivery.run("w")
    small.take("crm", {"id": "r1", "at": small.at.isoformat(), "position": "Boss"})
    small.at += timedelta(minutes=5)
    _, again = small.delivery.run("w")
    small.pipeline.again(again)
    assert "confirmed" in states(small)
    held = dict(small.rows(t.records, "record", "snapshot"))
    assert held["r1"]["position"][0] == "Boss"
    assert "position" not in {name for _, _, fields in small.crm.sent[1:] for name in fields}


def test_a_dead_workers_write_is_looked_up_by_the_next(small):
    """Its lease is taken over when its beat has not moved for the silence; before, nobody touches the write."""
    ready(small)
    with write(small.store.main) as connection:
        assert len(outbox.claim(connection, "crm", "dead", to_micros(small.at))) == 1
    small.crm.records["r9"] = {"key": small.rows(t.writes, "key")[0][0]}  # it had arrived before the worker died
    clock = [0.0]
    assert small.delivery.take_over("w", clock=lambda: clock[0]) == 0
    clock[0] = SILENCE
    assert small.delivery.take_over("w", clock=lambda: clock[0]) == 1
    small.delivery.run("w")
    assert states(small) == ["confirmed"]
    assert small.crm.sent == []


def test_a_stale_workers_receipts_are_refused(small):
    """It was taken for dead: the one who took over has the say."""
    ready(small)

    def stolen():
        with write(small.store.main) as connection:
            connection.execute(update(t.writes).values(lease="another"))

    small.crm.answers = [stolen]
    with pytest.raises(StaleCommit):
        small.delivery.run("w")
    assert states(small) == ["leased"]
    assert [row for row in small.rows(t.records, "system") if row == ("crm",)] == []


@pytest.mark.parametrize(
    ("answer", "state", "attempts"),
    [
        ({"result": "retry", "seconds": 5}, "waiting", 1),
        ({"result": "limit", "seconds": 5}, "waiting", 0),  # a quota used up by others costs no try
        ({"result": "auth"}, "waiting", 0),
        ({"result": "rejected", "code": "BAD", "fields": ("land",)}, "dead", 0),
        ({"result": "duplicate", "candidates": ("a", "b")}, "dead", 0),
        ({"result": "duplicate", "candidates": ("a",)}, "superseded", 0),
    ],
)
def test_each_answer_has_its_consequence(small, answer, state, attempts):
    """Permanent errors die at once, passing ones wait, and nobody else's limit costs a try."""
    ready(small)
    small.crm.answers = [answer]
    small.delivery.run("w")
    assert small.rows(t.writes, "state", "attempts") == [(state, attempts)]


def test_news_faster_than_the_receipt_makes_no_second_lead(small):
    """The CRM tells of the record we just made, without our id or an address: the receipt says whose it is."""
    ready(small)
    small.crm.answers = [lambda: small.take("crm", {"id": "r1", "at": days(1), "state": "Working"})]
    _, again = small.delivery.run("w")
    assert len(small.leads()) == 2
    small.pipeline.again(again)
    assert [lead["title"] for lead in small.leads()] == ["CEO"]
    assert small.rows(t.records, "system", "record", "entity") == [
        ("crm", "r1", lead := small.rows(t.handoffs, "lead")[0][0]),
        ("site", "1", lead),
    ]
    assert small.rows(t.outcomes, "lead", "outcome") == [(lead, "accepted")]
    small.delivery.run("w")
    assert list(small.crm.records) == ["r1"]


def test_a_single_candidate_is_linked_and_told_the_rest(small):
    """The system says it has the person already: that record is linked and updated."""
    ready(small)
    small.crm.records["a"] = {"key": "other"}
    small.crm.answers = [{"result": "duplicate", "candidates": ("a",)}]
    _, again = small.delivery.run("w")
    small.pipeline.again(again)
    small.delivery.run("w")
    assert [(record, create) for record, create in small.rows(t.writes, "record", "create")] == [
        ("a", False),
        (None, True),
    ]
    assert list(small.crm.records) == ["a"]


def test_what_was_planned_by_a_clock_that_has_gone_back_is_due(small):
    """It does not wait for that time to come again; what the system asked to wait for does."""
    ready(small)
    small.at -= timedelta(hours=1)
    small.crm.answers = [{"result": "limit", "seconds": 60}]
    assert [small.delivery.run("w")[0] for _ in range(2)] == [1, 0]
    small.at += timedelta(seconds=60)
    assert small.delivery.run("w")[0] == 1
    assert states(small) == ["confirmed"]


def test_refused_credentials_pause_the_system(small):
    """Nothing more is sent until somebody resumes it, and no try is spent."""
    ready(small)
    small.crm.answers = [{"result": "auth", "message": "${CRM_TOKEN} was refused"}]
    small.delivery.run("w")
    assert small.rows(t.systems, "name", "paused") == [("crm", "${CRM_TOKEN} was refused")]


def test_a_dead_letter_is_a_work_item_and_can_be_retried(small):
    """It names code and fields; a retry puts it back unless something newer waits."""
    ready(small)
    small.crm.answers = [{"result": "rejected", "code": "BAD", "fields": ("land",), "message": "no such value"}]
    small.delivery.run("w")
    ((kind, detail),) = small.rows(t.work_items, "kind", "detail")
    assert (kind, detail["code"], detail["message"]) == ("dead letter", "BAD", "no such value (fields: land)")
    with write(small.store.main) as connection:
        assert outbox.retry(connection, to_micros(small.at), None, "crm") == 1
    small.delivery.run("w")
    assert states(small) == ["confirmed"]


def test_writes_add_up(small):
    """Writes planned = confirmed + superseded + waiting + dead."""
    for number in "12345":
        ready(small, number)
    small.crm.answers = [None, {"result": "rejected", "code": "BAD"}, {"result": "retry"}]
    small.delivery.run("w")
    small.take("site", {"kind": "contact", "id": "5", "at": days(1), "country": "Peru"})
    with small.store.main.connect() as connection:
        planned = connection.scalar(select(t.tallies.c.count).where(t.tallies.c.what == "planned"))
        counts = outbox.counts(connection)["crm"]
    assert planned == sum(counts.values()) == 6
    assert counts == {"confirmed": 2, "dead": 2, "superseded": 1, "waiting": 1}


def test_retries_last_three_days():
    """A system that is away for a weekend loses nothing."""
    shortest = [verdict(Receipt(key="k", result="retry"), n, 0.0).wait for n in range(len(WAITS))]
    assert sum(shortest) >= 3 * 86400
    assert verdict(Receipt(key="k", result="retry"), len(WAITS), 0.5).state == "dead"
    last = verdict(Receipt(key="k", result="unknown", message="HTTP 502"), len(WAITS), 0.5)
    assert (last.state, last.message) == ("dead", "HTTP 502; no success in three days of trying")
    nobody = verdict(Receipt(key="k", result="duplicate"), 0, 0.5)
    assert nobody.message == "a record there could be this one, and nobody says which"


def test_who_is_there_as_another_object_is_not_made_again(tmp_path):
    """A CRM's lead that was converted lives on as its contact: handing the person over makes no second record."""
    contact = """
  contact:
    kind: person
    only: {type: contact}
    id: id
    time: at
    create: never
    fields: {mail: email, score: {to: score, type: integer, sync: out}}
"""
    small = Small(tmp_path, crm=CRM.replace("  lead:\n", "  lead:\n    only: {type: lead}\n") + contact.lstrip("\n"))
    small.take("crm", {"type": "contact", "id": "c1", "at": days(9), "mail": "ann@one.example"})
    ready(small, email="ann@one.example")
    assert len(small.leads()) == 1
    assert set(small.rows(t.writes, "object", "record", "create")) == {("contact", "c1", False)}
    small.store.close()
