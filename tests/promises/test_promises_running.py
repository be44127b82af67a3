"""Promises 1, 2, 4 and 5 with real processes over real sockets: what was answered 200 is worked once, with one effect.

One gateway lives through it all. After each scenario it has nothing left to do, its three equations hold, and both CRMs
hold exactly what they would after an undisturbed run. ``GATEWAY_SOAK=1`` (tox -e soak) does more of everything.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from running_gateway import SOAK, HubSpot, Running, Salesforce, document, until
from sqlalchemy import create_engine, select, text

from gateway.store import tables as t
from gateway.store.database import read

KILLS = 50 if SOAK else 20
REPEATS = 1000 if SOAK else 10
ACCOUNT = r"GET /account-info"
"""What a worker asks before its first write, when it has said already that it will send."""


def ends_at_each_step_of_a_delivery(running: Running) -> None:
    """Before its request, before the system did it, before the answer, before our commit, and after it: no moment is
    left to chance, since the CRM itself kills the worker.
    """
    crm = running.crms["crm"]

    def kill() -> None:
        running.signal("deliver:crm")

    @contextlib.contextmanager
    def kill_before_commit() -> Iterator[None]:
        with running.no_commits():
            yield
            time.sleep(0.3)
            kill()

    def kill_after_commit() -> None:
        until(lambda: "leased" not in states(running, "crm"), running.log)
        kill()

    steps = [
        ("answered", crm.write, kill_after_commit),
        ("arrived", ACCOUNT, kill),
        ("arrived", crm.write, kill),
        ("done", crm.write, kill),
        ("while", crm.write, kill_before_commit),
    ]
    lives = running.processes()["deliver:crm"]["lives"]
    for number, (moment, call, act) in enumerate(steps):
        struck = crm.at(moment, call, act)
        running.send([(f"step-{number}", document(number, f"step{number}"))])
        until(lambda struck=struck: running.hurry() or struck.is_set(), running.log)
    running.quiet(hurry=True)
    assert running.processes()["deliver:crm"]["lives"] == lives + len(steps)


def is_stopped_past_its_lease_and_woken(running: Running) -> None:
    """A delivery worker with its answer in hand, and a pipeline worker with its batch computed, sleep until others have
    taken over: what they would commit is refused.
    """
    crm = running.crms["crm"]
    until(lambda: running.processes()["deliver:crm"]["pid"], running.log)

    @contextlib.contextmanager
    def stop_before_commit() -> Iterator[None]:
        with running.no_commits():
            yield
            time.sleep(0.3)
            running.signal("deliver:crm", signal.SIGSTOP)

    struck = crm.at("while", crm.write, stop_before_commit)
    running.send([("stopped-1", document(1, "stopped1"))])
    until(struck.is_set, running.log)
    with running.no_commits():
        running.send([("stopped-2", document(2, "stopped2"))])
        until(lambda: holders(running), running.log)
        time.sleep(0.5)
        [pipeline] = holders(running)
        running.signal(pipeline, signal.SIGSTOP)
    others = [running.beside("deliver:crm"), running.beside("pipeline")]
    running.quiet(hurry=True)
    refused = refusals(running)
    for kind in ("deliver:crm", pipeline):
        running.signal(kind, signal.SIGCONT)
    until(lambda: refusals(running) > refused, running.log)
    for other in others:
        other.terminate()
        other.wait()
    running.send([("woken", document(3, "stopped2"))])  # the woken ones work


def lives_through_jumps_of_the_clock(running: Running) -> None:
    """An hour ahead and back to where it was (and an hour behind): what comes is done at once all the same."""
    for number, hours in enumerate((1, 0, -1, 0) if SOAK else (1, 0)):
        running.clock(hours * 3600)
        time.sleep(0.3)
        running.send((f"jump-{number}-{n}", document(n, f"jump{number}{n}")) for n in range(3))
        running.quiet()


def is_stormed_by_duplicates(running: Running) -> None:
    """A hundred ids, each posted again and again by many threads to two web processes."""
    other = running.beside("web")
    storm = [(f"storm-{n}", document(n, f"storm{n % 20}")) for n in range(100)] * REPEATS
    random.Random(5).shuffle(storm)
    running.send(storm, senders=16)
    assert other.poll() is None
    other.terminate()
    other.wait()
    running.quiet()
    assert running.overview().systems["site"].duplicates >= 100 * (REPEATS - 1)


SICK = {
    "answers 500": {"status": 500, "body": ""},
    "hangs": {"slow": 600, "after": True},
    "drips a byte a second": {"drip": 1.0},
    "resets": {"drop": "after"},
    "sends half a document": {"garbage": True},
    "sends 10 MB": {"swell": 10_000_000},
}


def has_a_sick_crm(running: Running) -> None:
    """However one CRM fails, the other one gets everything meanwhile; once it is well it has one of each, too.

    In the long form the other one's latency stays within twice the spread of five runs without a fault.
    """
    crm = running.crms["crm"]
    well = [latency(running, f"well{n}") for n in range(5)] if SOAK else []
    for number, (name, action) in enumerate(SICK.items()):
        fault = crm.faults.add("", times=None, action=action)
        running.send([(f"sick-{number}", document(number, f"sick{number}"))])
        until(lambda fault=fault: fault.struck, running.log)
        running.quiet("site", "second")
        if action.keys() != {"swell"}:
            assert set(states(running, "crm")) & {"leased", "unknown", "waiting"}, name
        if SOAK:
            assert latency(running, f"beside{number}") < max(well) + 2 * (max(well) - min(well)), (name, well)
        crm.faults.clear()
        running.servers["crm"].hang_up()
        running.quiet(hurry=True)


def latency(running: Running, people: str, count: int = 10) -> float:
    """Median seconds from the call of the site to the record in the healthy CRM."""
    found = []
    for number in range(count):
        began = time.monotonic()
        running.send([(f"{people}-{number}", document(number, f"{people}x{number}"))])
        address = f"{people}x{number}@example.org"
        until(
            lambda address=address: any(one[0] == address for one in running.crms["second"].holds()), running.log, 0.01
        )
        found.append(time.monotonic() - began)
    return statistics.median(found)


def has_a_full_disk(running: Running) -> None:
    """Senders are told to come again, and nothing that was taken is lost; room alone makes all of it work again."""
    folder = running.root / "var"
    if not os.path.ismount(folder) or running.store.main.dialect.name != "sqlite":
        return  # only root, where it may mount, has a small disk
    running.send((f"full-{n}", document(n, f"full{n}")) for n in range(20))
    with (folder / "filler").open("wb", buffering=0) as filler, contextlib.suppress(OSError):
        while True:
            filler.write(bytes(65536))
    blanks = b" " * 200_000  # more than SQLite's log has room for beforehand
    more = [(f"fuller-{n}", document(n, f"full{n}") + blanks) for n in range(20, 90)]
    answers = [running.post(*one) for one in more]
    assert set(answers) <= {200, 503}
    assert 503 in answers, "the disk was not full"
    time.sleep(1)
    (folder / "filler").unlink()
    running.send(more)


def loses_its_database_ten_times(running: Running) -> None:
    """PostgreSQL ends every connection, and for a moment takes no other, as at a restart; senders go on calling."""
    url = running.store.main.url
    if url.get_backend_name() != "postgresql":
        return
    keeper = create_engine(url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    documents = [(f"lost-{n}", document(n, f"lost{n % 20}")) for n in range(200)]
    sender = threading.Thread(target=running.send, args=(documents,))
    sender.start()
    for _ in range(10):
        with keeper.connect() as connection:
            connection.exec_driver_sql(f'ALTER DATABASE "{url.database}" ALLOW_CONNECTIONS false')
            ends = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name")
            connection.execute(ends, {"name": url.database})
            time.sleep(0.3)
            connection.exec_driver_sql(f'ALTER DATABASE "{url.database}" ALLOW_CONNECTIONS true')
        time.sleep(0.5)
    keeper.dispose()
    sender.join()
    assert {one for one, _ in documents} <= running.sent.keys()


def is_killed_again_and_again(running: Running) -> None:
    """Any of its processes, at random moments, while several senders call."""
    stop = threading.Event()
    numbers = itertools.count()
    left: list[tuple[str, bytes]] = []

    def load() -> None:
        while not stop.is_set():
            number = next(numbers)
            one = (f"load-{number}", document(number, f"load{number % 60}", chief=number % 3 == 0))
            if running.post(*one, seconds=5) != 200:
                left.append(one)  # as a sender does: the same again, later
            time.sleep(0.02)

    senders = [threading.Thread(target=load) for _ in range(2)]
    for sender in senders:
        sender.start()
    rng = random.Random(17)
    for _ in range(KILLS):
        time.sleep(rng.uniform(0.1, 3.0 if SOAK else 1.0))
        assert running.process is not None
        if victims := offspring(running.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(rng.choice(victims), signal.SIGKILL)
    stop.set()
    for sender in senders:
        sender.join()
    running.send(left)
    running.send(list(running.sent.items())[-100:])  # and once more, though they were answered
    running.quiet(hurry=True)


SCENARIOS = (
    is_stopped_past_its_lease_and_woken,
    lives_through_jumps_of_the_clock,
    is_stormed_by_duplicates,
    has_a_sick_crm,
    has_a_full_disk,
    loses_its_database_ten_times,
    ends_at_each_step_of_a_delivery,
    is_killed_again_and_again,
)


@pytest.mark.processes
@pytest.mark.slow  # one start of all processes costs more than most tests; this is one for all scenarios
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds the processes to kill in /proc")
def test_nothing_answered_is_lost_or_doubled_whatever_happens(tmp_path, store_line):
    """The scenarios one after another, on what the ones before have left."""
    with small_disk(tmp_path / "var"), Running(tmp_path, {"crm": HubSpot(), "second": Salesforce()}, store_line) as it:
        it.start()
        for scenario in SCENARIOS:
            began = time.monotonic()
            scenario(it)
            it.quiet(hurry=True)
            it.agrees()
            print(f"{scenario.__name__}: {time.monotonic() - began:.1f} s")
        assert it.status() == 0


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """``folder`` on a disk of its own, if we may make one: for SQLite's log (64 MiB), and as much that is kept free."""
    folder.mkdir(mode=0o700)
    mount = ["mount", "-t", "tmpfs", "-o", "size=256m,mode=700", "tmpfs", str(folder)]
    mounted = sys.platform == "linux" and os.geteuid() == 0 and not subprocess.run(mount, check=False).returncode
    try:
        yield
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def states(running: Running, system: str) -> list[str]:
    """Of the writes of one system."""
    with read(running.store.main) as connection:
        return list(connection.scalars(select(t.writes.c.state).where(t.writes.c.system == system)))


def refusals(running: Running) -> int:
    """Of commits: they came too late, or PostgreSQL has ended the transaction that kept the others waiting."""
    log = (running.root / "log").read_text()
    return log.count("error=StaleCommit") + log.count("error=OperationalError") + log.count("error=InternalError")


def holders(running: Running) -> set[str]:
    """The kinds of the processes that hold a document."""
    with read(running.store.inbox) as connection:
        leases = select(t.documents.c.lease).where(t.documents.c.state == "waiting", t.documents.c.lease != "")
        held = connection.scalars(leases).all()
    pids = {f"{kind}:{told['pid']}:": kind for kind, told in running.processes().items()}
    return {kind for prefix, kind in pids.items() if any(lease.startswith(prefix) for lease in held)}


def offspring(pid: int) -> list[int]:
    """Every process below ``pid``, as /proc tells it."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, queue = [], [pid]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found
