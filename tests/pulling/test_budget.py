"""A system's calls: never more in any window than it allows, shared by all processes, handoffs refused last."""

from __future__ import annotations

import heapq
import random
from bisect import bisect_left
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select

from gateway.errors import TryLater
from gateway.outbound.budget import FLIGHT, LONGEST, SystemBudget
from gateway.store import tables as t
from gateway.store.database import open_store

TEN = timedelta(seconds=10)
DAY = timedelta(days=1)


class Clock:
    def __init__(self):
        self.now, self.spent = 1_000_000.0, []

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def engine(tmp_path):
    store = open_store(tmp_path)
    t.main.create_all(store.main)
    yield store.main
    store.close()


def budget(engine, clock, system="crm"):
    return SystemBudget(engine, system, lambda: clock.now, clock.sleep)


def test_no_window_wherever_it_begins_holds_more_than_allowed(engine, clock):
    """Two processes share one pace; at least 95 % of what is allowed is used."""
    pair = [budget(engine, clock), budget(engine, clock)]
    times = []
    for one in pair:
        one.allow(100, TEN)
    for n in range(400):
        pair[n % 2].spend()
        times.append(clock.now)
    assert all(sum(start <= at < start + 10 for at in times) <= 100 for start in times)
    assert 400 / (times[-1] - times[0]) >= 9.5


def arrivals(engine, clock, workers, seconds, moved):
    """When calls arrive of workers who never rest; ``moved`` draws when what leaves at a time is at the other side."""

    def asleep(seconds):
        raise TryLater(seconds, "the others have their turn meanwhile")

    shared = [SystemBudget(engine, "crm", lambda: clock.now, asleep) for _ in range(workers)]
    for one in shared:
        one.allow(100, TEN)
    came, ready, end = [], [(clock.now, number) for number in range(workers)], clock.now + seconds
    while ready[0][0] < end:
        clock.now, number = heapq.heappop(ready)
        try:
            shared[number].spend()
        except TryLater as later:
            heapq.heappush(ready, (clock.now + later.seconds, number))
            continue
        came.append(moved(clock.now))
        heapq.heappush(ready, (moved(came[-1]), number))
    return sorted(came)


@pytest.mark.parametrize(
    ("workers", "late", "often", "still"),
    [
        (3, 0.0, 0.0, 0.0),  # an answer takes a twentieth of a second, and that is all
        (3, 0.5, 0.3, 0.0),  # a busy machine
        (3, 0.0, 0.0, 0.5),  # one that stands still now and then, with all that is under way
        (8, 4.0, 0.1, 0.0),  # lines that fill, and empty at once
        (8, 30.0, 0.005, 0.0),  # processes that stand still after they have taken a call
    ],
)
def test_no_window_holds_more_than_allowed_however_late_calls_arrive(engine, clock, workers, late, often, still):
    """The system counts when they come, not when they were taken; what is held up keeps its place, and no more."""
    drawn = random.Random(7)

    def moved(at):
        at += drawn.uniform(0, late) if drawn.random() < often else drawn.uniform(0.01, 0.04)
        return at + max(0.0, still - at % 13)

    came = arrivals(engine, clock, workers, 60, moved)
    assert max(bisect_left(came, at + 10) - number for number, at in enumerate(came)) <= 100
    steady = sum(1_000_010 <= at < 1_000_060 for at in came)
    assert steady >= 0.95 * 500, steady


def test_who_died_with_a_call_takes_its_place_along_for_as_long_as_a_call_may_take(engine, clock):
    """Nobody says that it was answered; that it is still to arrive nobody can rule out."""
    dead, alive = budget(engine, clock), budget(engine, clock)
    for one in (dead, alive):
        one.allow(1, TEN)
    dead.spend()
    clock.now += FLIGHT
    with pytest.raises(TryLater):
        alive.spend()
    clock.now += 10.1
    alive.spend()


def test_a_thread_that_asks_again_says_nothing_of_the_call_of_another(engine, clock):
    """Threads of one process call beside each other."""
    one, process = budget(engine, clock), budget(engine, clock)
    for each in (one, process):
        each.allow(2, TEN)
    with ThreadPoolExecutor(1) as beside:
        beside.submit(one.spend).result()
        one.spend()
        with pytest.raises(TryLater):
            one.spend()  # which says that its first was answered
        clock.now += 10.1
        one.spend()
        with pytest.raises(TryLater):
            process.spend()
        clock.now += FLIGHT
        process.spend()


def test_a_clock_that_goes_back_costs_one_window(engine, clock):
    """What was taken before may all have been a moment ago, but not later."""
    one = budget(engine, clock)
    one.allow(100, TEN)
    one.spend()
    clock.now -= 3600
    with pytest.raises(TryLater) as raised:
        one.spend()
    assert 5 < raised.value.seconds < 11
    clock.now += raised.value.seconds
    one.spend()


def test_a_pause_saves_nothing_up_beyond_the_burst(engine, clock):
    """After an idle hour the next ten seconds are like any others."""
    one = budget(engine, clock)
    one.allow(100, TEN)
    one.spend()
    clock.now += 3600
    start = clock.now
    for _ in range(100):
        one.spend()
    assert clock.now - start >= 9.0


def test_what_takes_too_long_is_put_off(engine, clock):
    """Nobody sleeps for minutes inside a call: the work comes again when there is something left."""
    one = budget(engine, clock)
    one.allow(6, timedelta(minutes=1))
    one.spend()
    with pytest.raises(TryLater) as put_off:
        one.spend()
    assert LONGEST < put_off.value.seconds <= 60
    clock.now += put_off.value.seconds
    one.spend()


def test_the_last_tenth_of_a_day_is_for_handoffs(engine, clock):
    """Bulk sync stops first; at midnight all begins anew, and the old count is gone."""
    one = budget(engine, clock)
    one.allow(20, DAY)
    for _ in range(18):
        one.spend()
    with pytest.raises(TryLater, match="crm"):
        one.spend()
    one.spend(2, priority=1)
    with pytest.raises(TryLater) as put_off:
        one.spend(priority=1)
    clock.now += put_off.value.seconds
    one.spend()
    with engine.connect() as connection:
        assert [row.used for row in connection.execute(select(t.budgets))] == [1]


def test_what_the_system_counts_itself_is_believed_when_it_is_more(engine, clock):
    """Other programs use the same account; a lower number would let us forget our own calls."""
    one = budget(engine, clock)
    one.allow(100, DAY)
    one.spend(10)
    one.told(89, DAY)
    one.told(3, DAY)
    one.spend()
    with pytest.raises(TryLater):
        one.spend()


def test_a_refused_call_takes_nothing_from_the_other_limits(engine, clock):
    """All limits or none."""
    one = budget(engine, clock)
    one.allow(1000, TEN)
    one.allow(10, DAY)
    one.spend(9)
    with engine.connect() as connection:
        before = connection.execute(select(t.budgets)).all()
    with pytest.raises(TryLater):
        one.spend()
    with engine.connect() as connection:
        assert connection.execute(select(t.budgets)).all() == before


def test_systems_have_budgets_of_their_own(engine, clock):
    """One that is used up holds up nobody else."""
    crm, ma = budget(engine, clock), budget(engine, clock, "ma")
    for one in (crm, ma):
        one.allow(10, DAY)
    crm.spend(9)
    with pytest.raises(TryLater):
        crm.spend()
    ma.spend(9)


def test_without_a_limit_nothing_is_counted(engine, clock):
    """A file has no quota."""
    one = budget(engine, clock)
    one.spend(1_000_000)
    with engine.connect() as connection:
        assert connection.execute(select(t.budgets)).all() == []


def test_how_long_calls_take_is_told_by_the_tightest_limit(engine, clock):
    """The pace of the short one; of the day's calls what is left today, then as many midnights as it needs."""
    one = budget(engine, clock)
    assert one.takes(1000) == timedelta(0)
    one.allow(100, TEN)
    assert one.takes(1000) == timedelta(seconds=100)
    one.allow(1000, DAY)  # 900 of them are not kept for handoffs
    for _ in range(100):
        one.spend()
    midnight = timedelta(seconds=86_400 - clock.now % 86_400)
    assert one.takes(800) == timedelta(seconds=80)
    assert one.takes(801) == midnight
    assert one.takes(1700) == midnight
    assert one.takes(1701) == midnight + DAY
