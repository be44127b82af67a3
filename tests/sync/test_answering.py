"""A system that is away is asked seldom, with one write; nobody waits longer for it than needed, nothing is lost."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta

import pytest
import structlog
from small_instance import Small, days

from gateway.contracts import Call, Receipt, Sink
from gateway.outbound.answering import ASKING, LONGEST, STRIKES, Answering
from gateway.outbound.delivery import Delivery
from gateway.store import notices
from gateway.store import tables as t
from gateway.store.database import read

NOW = datetime(2026, 6, 1, tzinfo=UTC)
LEADS = 12


class Away(Sink):
    """One write a call; while ``away`` nothing is answered, or all are told to come again in ``after`` seconds."""

    def __init__(self):
        self.away, self.after, self.calls_at, self.made = True, 0, [], {}
        self.meanwhile = lambda: None

    def calls(self, writes):
        return [Call(title="one", writes=(one,)) for one in writes]

    def deliver(self, call):
        self.calls_at.append(self.small.at)
        self.meanwhile()
        (one,) = call.writes
        if self.away and self.after:
            yield Receipt(key=one.key, result="retry", seconds=self.after)
        elif self.away:
            raise TimeoutError
        else:
            record = self.made.setdefault(one.key, f"r{len(self.made)}")
            yield Receipt(key=one.key, result="done", record=record)

    def find(self, object, keys):
        self.calls_at.append(self.small.at)
        self.meanwhile()
        if self.away:
            raise TimeoutError
        return {key: [self.made[key]] for key in keys if key in self.made}


@pytest.fixture
def small(tmp_path):
    small = Small(tmp_path)
    small.crm = Away()
    small.crm.small = small
    small.delivery = another(small)
    for number in range(LEADS):
        small.take("site", {"kind": "contact", "id": str(number), "at": days(3), "title": "CEO", "page": "/a"})
    yield small
    small.store.close()


def work(small, span, step):
    until = small.at + span
    while small.at < until:
        while small.delivery.run("w")[0]:
            pass
        small.at += step


@pytest.mark.parametrize("after", [0, 40], ids=["no answer", "busy, come again in 40 s"])
def test_a_system_that_is_away_for_a_weekend_loses_nothing(small, after):
    """Every write arrives once, by itself; meanwhile the system is probed at most every few minutes, one write at a
    time, and never before the time it gave."""
    small.crm.after = after
    work(small, timedelta(hours=2), timedelta(seconds=100))
    # A probe in 300 s and its jitter: asked sooner only while it was not yet known to be away.
    assert len(small.crm.calls_at) < 2 * 3600 / (LONGEST * 0.8) + 3 * STRIKES
    work(small, timedelta(days=2.5), timedelta(hours=1))
    small.crm.away = False
    work(small, timedelta(days=1.5), timedelta(hours=1))
    assert {row[0] for row in small.rows(t.writes, "state")} == {"confirmed"}
    assert len(small.crm.made) == LEADS


def test_who_comes_back_gets_everything_at_once(small):
    """One write is the probe; after its answer the others go that were only held back."""
    while small.delivery.run("w")[0]:
        pass
    assert len(small.crm.calls_at) == STRIKES
    with read(small.store.main) as connection:  # people are told at once, however few tries that were
        assert notices.failing(connection) == [("crm", LEADS - STRIKES + 1)]
    small.crm.away = False
    small.at += timedelta(seconds=LONGEST)
    assert [small.delivery.run("w")[0] for _ in range(2)] == [1, LEADS - 1]


def test_what_a_system_gave_instead_of_an_answer_is_said_once(small, monkeypatch):
    """A sink may say itself that there was no answer: its words are not put before themselves."""

    def deliver(call):
        for one in call.writes:
            yield Receipt(key=one.key, result="retry", code="no answer", message="HTTP 503")

    monkeypatch.setattr(small.crm, "deliver", deliver)
    while small.delivery.run("w")[0]:
        pass
    assert {message for (message,) in small.rows(t.writes, "message")} == {"HTTP 503", ""}  # "": only held back


def test_one_write_that_always_fails_keeps_nobody_waiting(small):
    """It strikes as often as it likes: only different writes make the system one that does not answer."""
    answering = Answering(small.store.main, "crm")
    for _ in range(10):
        answering.heard([Receipt(key="bad", result="retry")], NOW)
    assert not answering.silent


def test_a_clock_that_goes_back_ends_the_rest(small):
    """Nobody waits an hour for a time that was wrong."""
    answering = Answering(small.store.main, "crm")
    for key in "abc":
        answering.heard([Receipt(key=key, result="unknown")], NOW)
    assert answering.rests(NOW) > 0
    assert answering.rests(NOW - timedelta(hours=1)) == 0


def test_what_one_worker_has_learned_all_know(small):
    """A second one, or one that was started since, does not find out by itself that a system is away."""
    while small.delivery.run("w")[0]:
        pass
    other = another(small)
    assert other.run("other") == (0, [])
    assert len(small.crm.calls_at) == STRIKES


def test_of_all_workers_one_asks_a_system_that_is_away(small):
    """While it asks the others leave the system alone; if it dies over it, one of them asks later."""
    while small.delivery.run("w")[0]:
        pass
    small.at += timedelta(seconds=LONGEST)
    others = [another(small) for _ in range(3)]
    heard = []

    def dies():
        heard.extend(other.run(f"other {n}") for n, other in enumerate(others))
        raise KeyboardInterrupt  # as a process that is killed: nothing of it is caught

    small.crm.meanwhile = dies
    with pytest.raises(KeyboardInterrupt), pytest.MonkeyPatch.context() as patch:
        patch.setattr(small.delivery.answering, "asked", lambda: None)  # the dead clear up nothing
        small.delivery.run("w")
    assert heard == [(0, [])] * 3
    small.crm.meanwhile, small.crm.away = lambda: None, False
    assert others[1].run("other 1") == (0, [])
    small.at += timedelta(seconds=ASKING + 1)
    assert others[1].run("other 1")[0] == 1
    small.delivery.take_over("other 1", dead="w")
    small.at += timedelta(hours=1)
    while others[2].run("other 2")[0]:
        pass
    assert len(small.crm.made) == LEADS


def test_who_came_to_no_call_lets_the_next_ask(small):
    """The one write turned out to be needless: nobody waits for an answer that will not come."""
    small.crm.after = 40
    while small.delivery.run("w")[0]:
        pass
    small.at += timedelta(seconds=LONGEST)
    small.crm.away = False
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(small.delivery, "_calls", lambda writes: ([], "no calls"))
        assert small.delivery.run("w")[0] == 1
    assert another(small).run("other")[0] == 1
    assert len(small.crm.made) == 1


def another(small):
    return Delivery(
        *(small.store.main, "crm", small.crm, "crm", lambda: small.at),
        *(lambda *_: contextlib.nullcontext(), structlog.get_logger()),
    )
