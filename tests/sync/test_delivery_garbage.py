"""Whatever a sink answers, and wherever it stops: every write is booked, none is stuck, none is told in words."""

from __future__ import annotations

import contextlib
from datetime import timedelta

import pytest
import structlog
from small_instance import Small, days
from sqlalchemy import select, update

from gateway.contracts import Call, Receipt, Sink, Write
from gateway.errors import StaleCommit
from gateway.outbound.delivery import SILENCE, Delivery
from gateway.outbound.receipts import sound
from gateway.store import booking
from gateway.store import tables as t
from gateway.store.database import write


class Odd(Sink):
    """A CRM with one record per key; each of its methods can be replaced by a test."""

    def __init__(self):
        self.records = {}
        self.sent = []

    def calls(self, writes):
        return [Call(title=f"POST {one.fields}", writes=(one,)) for one in writes]

    def deliver(self, call):
        for one in call.writes:
            self.sent.append(one.key)
            self.records.setdefault(one.key, {}).update(one.fields)
            yield Receipt(key=one.key, result="done", record=one.record or f"r-{one.key}")

    def find(self, object, keys):
        return {key: [f"r-{key}"] for key in keys if key in self.records}


@pytest.fixture
def small(tmp_path):
    small = Small(tmp_path)
    small.crm = Odd()
    small.guarded = []

    def guard(plugin, call):
        small.guarded.append(call)
        return contextlib.nullcontext()

    small.delivery = Delivery(
        small.store.main, "crm", small.crm, "crm", lambda: small.at, guard, structlog.get_logger()
    )
    yield small
    small.store.close()


def ready(small, *numbers):
    for number in numbers or ("1",):
        small.take(
            "site",
            {
                "kind": "contact",
                "id": number,
                "at": days(3),
                "title": "CEO",
                "page": "/a",
                "email": f"kim{number}@example.org",
                "country": "Wonderland",
            },
        )


def states(small):
    return sorted(row[0] for row in small.rows(t.writes, "state"))


def done(key, **more):
    return Receipt(**{"key": key, "result": "done", "record": "r1"} | more)


GARBAGE = {
    "nothing": lambda call: None,
    "no list": lambda call: 7,
    "no receipts": lambda call: [None, "done", {"key": call.writes[0].key}],
    "somebody else's": lambda call: [done("another")],
    "contradictory": lambda call: [done(call.writes[0].key), done(call.writes[0].key, result="rejected")],
    "no such result": lambda call: [done(call.writes[0].key, result="perhaps")],
    "no text": lambda call: [done(call.writes[0].key, record=17)],
    "no message": lambda call: [done(call.writes[0].key, message=None)],
    "not kept by any database": lambda call: [done(call.writes[0].key, held={"land": object()})],
    "half a character": lambda call: [done(call.writes[0].key, record="\ud800")],
    "held as a list": lambda call: [done(call.writes[0].key, held=["land"])],
    "no seconds": lambda call: [done(call.writes[0].key, result="retry", seconds="soon")],
    "no number of seconds": lambda call: [done(call.writes[0].key, result="limit", seconds=float("nan"))],
    "for ever": lambda call: [done(call.writes[0].key, result="retry", seconds=1e18)],
    "moved nowhere": lambda call: [done(call.writes[0].key, result="moved", record="")],
    "a text of candidates": lambda call: [done(call.writes[0].key, result="duplicate", candidates="ab")],
    "leaves": lambda call: (_ for _ in ()).throw(SystemExit(3)),
}


@pytest.mark.parametrize("answer", GARBAGE.values(), ids=GARBAGE)
def test_a_garbage_answer_leaves_the_write_unsure(small, answer):
    """It may have arrived: it is looked up, and found it is confirmed."""
    ready(small)
    well = small.crm.deliver

    def deliver(call):
        list(well(call))
        return answer(call)

    small.crm.deliver = deliver
    small.delivery.run("w")
    assert states(small) == ["unknown"]
    small.at += timedelta(minutes=5)
    small.delivery.run("w")
    assert states(small) == ["confirmed"]
    assert len(small.crm.sent) == 1


@pytest.mark.parametrize(
    "answer",
    [
        None,
        "r1",
        {"k": "r1"},
        ["r1"],
        {1: ["x"]},
        lambda keys: dict.fromkeys(keys, "r1"),
        lambda keys: {keys[0]: [7]},
    ],
)
def test_a_garbage_look_up_leaves_the_write_unsure(small, answer):
    """A text is no list of ids, and nobody's id is not ours."""
    ready(small)
    small.crm.deliver = lambda call: []
    small.delivery.run("w")
    small.crm.find = lambda _, keys: answer(keys) if callable(answer) else answer
    small.at += timedelta(minutes=5)
    small.delivery.run("w")
    assert states(small) == ["unknown"]
    assert [row for row in small.rows(t.records, "system") if row == ("crm",)] == []


@pytest.mark.parametrize(
    "calls",
    [
        lambda writes: None,
        lambda writes: [None],
        lambda writes: [],
        lambda writes: [Call(title="x", writes=None)],
        lambda writes: [Call(title="x", writes=tuple(writes) * 2)],
        lambda writes: [Call(title="x", writes=(type(writes[0])(key="foreign", object="o", record=None, fields={}),))],
        lambda writes: (_ for _ in ()).throw(SystemExit(3)),
    ],
    ids=["none", "no calls", "nothing", "no writes", "twice", "foreign", "leaves"],
)
def test_garbage_instead_of_calls_sends_nothing_and_tries_again(small, calls):
    """Nothing was sent, so nothing is unsure."""
    ready(small)
    well, small.crm.calls = small.crm.calls, calls
    small.delivery.run("w")
    assert small.rows(t.writes, "state", "attempts") == [("waiting", 1)]
    small.crm.calls = well
    small.at += timedelta(minutes=5)
    small.delivery.run("w")
    assert states(small) == ["confirmed"]


def test_what_a_sink_does_to_its_writes_changes_nothing_of_ours(small):
    """The snapshot learns what was to be sent."""
    ready(small)
    well = small.crm.deliver

    def greedy(call):
        given = list(well(call))
        for one in call.writes:
            one.fields.clear()
            one.fields["land"] = "Nowhere"
        return given

    small.crm.deliver = greedy
    small.delivery.run("w")
    ((snapshot,),) = [row[1:] for row in small.rows(t.records, "system", "snapshot") if row[0] == "crm"]
    assert snapshot["land"][0] == "Wonderland"


def test_a_done_without_an_id_is_known_by_our_key(small):
    """Such a system has no ids of its own: the link is there, and no other lead's."""
    ready(small, "1", "2")
    small.crm.deliver = lambda call: [Receipt(key=one.key, result="done") for one in call.writes]
    small.delivery.run("w")
    keys = {row[0] for row in small.rows(t.writes, "key")}
    assert {row[1] for row in small.rows(t.records, "system", "record") if row[0] == "crm"} == keys
    assert len(keys) == 2


def test_messages_and_watched_calls_hold_no_values(small):
    """Systems quote what they were sent, in whatever case; the admin reads the fields' names."""
    ready(small)
    small.crm.deliver = lambda call: [
        Receipt(
            key=call.writes[0].key,
            result="rejected",
            code="INVALID",
            fields=("land",),
            message="land: 'WONDERLAND' is none of ours (kim1@example.org, like Kim2@example.org)",
        )
    ]
    small.delivery.run("w")
    told = str(small.rows(t.work_items)) + str(small.rows(t.writes, "code", "message")) + str(small.guarded)
    assert "land: '…' is none of ours (…, like …) (fields: land)" in told
    for value in ("wonderland", "kim1", "kim2"):
        assert value not in told.lower()


@pytest.mark.parametrize(
    ("quoted", "told"),
    [
        ("Wonderland of the Queen of Hearts", "…"),  # whole
        ("Wonderland of the Queen", "…"),  # cut off by them, as too long
        ("Wonderland of the Queen, Wonderland of the Q", "…, …"),
        ("Wonderland", "Wonderland"),  # that many begin so
    ],
)
def test_of_a_long_value_the_beginning_is_not_told_either(quoted, told):
    """Systems cut off what they quote."""
    made = Write(key="k", object="contact", record="1", fields={"land": "Wonderland of the Queen of Hearts"})
    said = Receipt(key="k", result="rejected", code="TOO_LONG", message=f"land: {quoted} (max length=20)")
    assert sound(said, made).message == f"land: {told} (max length=20)"


@pytest.mark.parametrize("result", ["limit", "auth"])
def test_a_refusal_that_concerns_all_is_not_asked_for_again_with_each_write(small, result):
    """The rest waits and has spent no try."""
    ready(small, "1", "2", "3")
    small.crm.deliver = lambda call: [
        small.crm.sent.append(one.key) or Receipt(key=one.key, result=result, seconds=60) for one in call.writes
    ]
    small.delivery.run("w")
    assert len(small.crm.sent) == 1
    assert small.rows(t.writes, "state", "attempts") == [("waiting", 0)] * 3


def test_each_call_is_booked_before_the_next_is_made(small):
    """A crash leaves one call unsure, not the whole run."""
    ready(small, "1", "2", "3")
    seen = []
    well = small.crm.deliver

    def deliver(call):
        seen.append(states(small))
        return well(call)

    small.crm.deliver = deliver
    small.delivery.run("w")
    assert seen == [["leased"] * 3, ["confirmed", "leased", "leased"], ["confirmed", "confirmed", "leased"]]


def test_a_worker_that_lost_its_lease_sends_nothing_more(small):
    """It slept past its lease, and somebody else looks after the rest by now."""
    ready(small, "1", "2", "3")
    well = small.crm.deliver

    def deliver(call):
        answers = list(well(call))
        with write(small.store.main) as connection:
            connection.execute(update(t.writes).where(t.writes.c.state == "leased").values(lease="another"))
        return answers

    small.crm.deliver = deliver
    with pytest.raises(StaleCommit):
        small.delivery.run("w")
    assert len(small.crm.sent) == 1
    assert {row[0] for row in small.rows(t.writes, "lease")} == {"another"}


def test_a_run_that_broke_off_leaves_nothing_stuck(small, monkeypatch):
    """The disk was full when the receipts were to be booked: the same worker looks them up when it is not."""
    ready(small)
    with monkeypatch.context() as broken:
        broken.setattr(booking, "settle", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
        with pytest.raises(OSError, match="disk full"):
            small.delivery.run("w")
    assert states(small) == ["leased"]
    small.delivery.run("w")
    assert states(small) == ["confirmed"]
    assert len(small.crm.sent) == 1


class Killed(BaseException):
    """The worker is gone: nothing after this line is run."""


def test_what_a_killed_worker_was_sending_is_looked_up_by_its_heir_at_once(small):
    """One effect, and no waiting: most deaths have nothing to do with what was being sent."""
    ready(small, "1", "2")
    well = small.crm.deliver

    def deliver(call):
        list(well(call))
        small.crm.deliver = well
        raise Killed

    small.crm.deliver = deliver
    with pytest.raises(Killed):
        small.delivery.run("first")
    small.delivery.take_over("", "first")
    assert states(small) == ["unknown", "unknown"]
    small.delivery.run("heir")
    assert states(small) == ["confirmed", "confirmed"]
    assert len(small.crm.sent) == 2


def test_a_write_that_kills_its_workers_does_not_stop_the_others(small):
    """First together, then alone: the others arrive, the poisonous one ends as a dead letter after days of trying."""
    ready(small, "1", "2", "3")
    poison = small.rows(t.writes, "key")[1][0]
    small.crm.calls = lambda writes: [Call(title="all", writes=tuple(writes))]
    well, deaths = small.crm.deliver, []

    def deliver(call):
        if poison in [one.key for one in call.writes]:
            deaths.append(len(call.writes))
            raise Killed
        return well(call)

    small.crm.deliver = deliver
    for life in range(60):
        with contextlib.suppress(Killed):
            while small.delivery.run(f"life {life}")[0]:
                pass
        small.delivery.take_over("", f"life {life}")
        if life == 6:
            assert states(small) == ["confirmed", "confirmed", "unknown"]
        small.at += timedelta(hours=6)
    assert states(small) == ["confirmed", "confirmed", "dead"]
    assert deaths[:3] == [3, 3, 1]
    assert set(deaths[2:]) == {1}
    with small.store.main.connect() as connection:
        assert connection.scalar(select(t.tallies.c.count).where(t.tallies.c.what == "write dead")) == 1


def test_a_slow_call_is_not_taken_for_a_dead_worker():
    """A call may take 30 s before its worker is killed; only then may others take over, and before 45 s."""
    assert 30 < SILENCE < 44
