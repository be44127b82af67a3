"""The shared slots: what a worker writes, the supervisor reads, whenever it looks."""

import subprocess
import sys
import threading
import time

import pytest

from gateway.engine import slots
from gateway.engine.slots import Seen, Slots


@pytest.fixture
def shared(tmp_path):
    shared = Slots(tmp_path / "slots", 4)
    yield shared
    shared.close()


def test_a_call_is_seen_while_it_lasts_and_not_after(shared):
    """Plugin, call, since and until, by another mapping of the same file."""
    clock = iter([100.0, 105.0])
    slot = shared.slot(2, lambda: next(clock))
    slot.ready("pipeline:1")
    other = Slots(shared.path)
    with slot.calling("hubspot", "read 1", 10.0):
        assert other.seen(2) == Seen("pipeline:1", "hubspot", "read 1", 100.0, 110.0)
        with slot.calling("scorer", "score", 1.0):
            assert other.seen(2) == Seen("pipeline:1", "scorer", "score", 105.0, 106.0)
        assert other.seen(2).plugin == "hubspot"
    assert other.seen(2) == Seen("pipeline:1")
    assert other.seen(1) == Seen("")
    other.close()


def test_a_call_that_raises_is_over(shared):
    """The plugin's failure is somebody else's matter; the slot must not accuse the worker of hanging."""
    slot = shared.slot(0)
    with pytest.raises(ZeroDivisionError), slot.calling("p", "c"):
        raise ZeroDivisionError
    assert shared.seen(0).until == 0.0


def test_long_names_are_cut_and_odd_ones_survive(shared):
    """A slot has a fixed size; a plugin's name must not break its neighbour's slot."""
    shared.slot(1).ready("neighbour")
    with shared.slot(0).calling("ü" * 200, "c" * 500):
        assert shared.seen(0).plugin == "ü" * 32
        assert shared.seen(0).call == "c" * 64
        assert shared.seen(1) == Seen("neighbour")


@pytest.mark.parametrize("number", [-1, 4])
def test_a_slot_that_does_not_exist_is_refused(shared, number):
    """Writing outside the memory would be somebody else's slot."""
    with pytest.raises(ValueError, match="there are 4"):
        shared.slot(number)


def test_readings_are_whole_while_the_worker_writes(shared):
    """Call and times belong together in every one of thousands of looks."""
    slot = shared.slot(0, lambda: 7.0)
    stop = threading.Event()

    def work():
        number = 0
        while not stop.is_set():
            number = number % 50 + 1
            with slot.calling(f"plugin{number}", f"call{number}", float(number)):
                pass

    thread = threading.Thread(target=work)
    thread.start()
    busy: list[Seen] = []
    until = time.monotonic() + 60  # the thread gets its turn some time, also on a busy machine
    while len(busy) < 1000 and time.monotonic() < until:
        busy += [each for each in [shared.seen(0)] if each.until]
    stop.set()
    thread.join()
    assert busy
    assert all(each.plugin[6:] == each.call[4:] and each.until == 7.0 + int(each.call[4:]) for each in busy)


def test_clear_empties_one_slot(shared):
    """The next life of the process starts with nothing said of it."""
    shared.slot(0).ready("a")
    shared.slot(1).ready("b")
    shared.clear(0)
    assert (shared.seen(0), shared.seen(1)) == (Seen(""), Seen("b"))


def test_calling_without_a_slot_is_free(shared):
    """A command run by hand has no supervisor; plugin calls work all the same."""
    slots.enter(None)
    with slots.calling("p", "c"):
        assert shared.seen(0) == Seen("")
    slots.enter(shared.slot(0))
    with slots.calling("p", "c"):
        assert shared.seen(0).plugin == "p"
    slots.enter(None)


@pytest.mark.processes
def test_another_process_sees_the_same_clock(shared):
    """``until`` of a worker must mean the same to the supervisor."""
    code = (
        "import sys, pathlib, time; from gateway.engine.slots import Slots;"
        "slot = Slots(pathlib.Path(sys.argv[1])).slot(3); slot.ready('w');"
        "c = slot.calling('p', 'c', 5.0); c.__enter__(); print('in', flush=True); time.sleep(600)"
    )
    started = time.monotonic()
    with subprocess.Popen([sys.executable, "-c", code, str(shared.path)], stdout=subprocess.PIPE) as process:
        said = process.stdout.readline()
        seen = shared.seen(3)
        process.kill()
    assert said == b"in\n"
    assert started <= seen.since <= time.monotonic()
    assert seen.until == pytest.approx(seen.since + 5.0)


def test_a_sign_of_life_is_each_round_and_each_call(tmp_path):
    """A worker that is frozen, or stuck in itself, gives none; a long series of calls gives many."""
    now = [5.0]
    slots = Slots(tmp_path / "slots", 2)
    slot = slots.slot(1, lambda: now[0])
    slot.ready("worker")
    assert slots.beat(1) == 0
    slot.beat()
    assert slots.beat(1) == 5
    now[0] = 9.0
    with slot.calling("plugin", "read"):
        assert slots.beat(1) == 9
        assert slots.seen(1).plugin == "plugin"
    assert (slots.beat(1), slots.seen(1).worker, slots.beat(0)) == (9, "worker", 0)
    slots.clear(1)
    assert slots.beat(1) == 0
