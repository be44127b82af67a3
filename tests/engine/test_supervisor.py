"""The supervisor with small real processes: it starts, restarts, cuts off, drains and gives up."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

import pytest

from gateway.engine.supervisor import DRAIN, STATUS, Supervisor, wanted_processes
from gateway.errors import ConfigError

pytestmark = pytest.mark.processes

CHILD = """
import os, pathlib, signal, subprocess, sys, time
kind, slot, slots, before, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4], pathlib.Path(sys.argv[5])
life = len(list(folder.glob(f"{kind}.life*")))
(folder / f"{kind}.life{life}").write_text(f"{os.getpid()} {before}")
from gateway.engine.slots import Slots
mine = Slots(pathlib.Path(slots)).slot(slot)
if kind == "refused":
    sys.exit(2)
if kind == "sick":
    sys.exit(7)
mine.ready(f"{kind}-{life}")
if kind == "crashes" and life < 4:  # at once, more often than a process may that never comes up
    os.kill(os.getpid(), signal.SIGKILL)
if kind == "hangs" and life == 0:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    (folder / "helper").write_text(str(helper.pid))
    with mine.calling("slowpoke", "read 1", 0.5):
        time.sleep(600)
if kind == "slow":
    with mine.calling("slowpoke", "read 1", 5.0):
        (folder / "slow.up").touch()
        for _ in range(15):  # each a moment in which it must run itself
            time.sleep(0.1)
    (folder / "slow.done").touch()
if kind == "stubborn":
    signal.signal(signal.SIGTERM, lambda *_: (folder / "stubborn.asked").touch())
    (folder / "stubborn.up").touch()
if kind == "careful":
    def finish(*_):
        time.sleep(0.5)
        (folder / "careful.done").touch()
        sys.exit(0)
    signal.signal(signal.SIGTERM, finish)
    (folder / "careful.up").touch()
time.sleep(600)
"""


def until(condition):
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "child.py"
    path.write_text(CHILD)
    return path


@pytest.fixture
def supervise(tmp_path, script, monkeypatch):
    """Run a supervisor over the named kinds until ``then`` is done; returns its exit code."""

    def command(kind, slot, slots, before):
        return [sys.executable, str(script), kind, str(slot), str(slots), before, str(tmp_path)]

    def run(wanted, then, drain=120.0, edits=None):
        supervisor = Supervisor(wanted if callable(wanted) else lambda: wanted, command, tmp_path, drain, edits)
        failures = []

        def meanwhile():
            try:
                then()
            except BaseException as exc:  # noqa: BLE001 - told in the main thread
                failures.append(exc)
            supervisor._stopping += 1

        thread = threading.Thread(target=meanwhile)
        thread.start()
        code = supervisor.run()
        thread.join()
        if failures:
            raise failures[0]
        return code

    return run


def lives(tmp_path, kind):
    """(pid, the worker before) of each life so far."""
    found = sorted(tmp_path.glob(f"{kind}.life*"), key=lambda path: int(path.suffix[5:]))
    return [(int(text[0]), text[1]) for path in found if len(text := path.read_text().split(" ")) == 2]


def status(tmp_path):
    until((tmp_path / STATUS).exists)
    return json.loads((tmp_path / STATUS).read_text())


def test_a_process_that_dies_is_started_again_and_told_whose_heir_it_is(supervise, tmp_path):
    """Killed four times, it lives a fifth time; each life knows the worker whose leases it must free.

    It was ready each time, however shortly: that is no process that cannot start.
    """
    code = supervise(["crashes"], lambda: until(lambda: len(lives(tmp_path, "crashes")) == 5))
    assert code == 0
    assert [before for _, before in lives(tmp_path, "crashes")] == ["", *(f"crashes-{n}" for n in range(4))]


def test_a_hanging_plugin_call_is_cut_off_and_nobody_else_suffers(supervise, tmp_path):
    """Killed with its helpers although it ignores SIGTERM, restarted, and the admin sees who and what."""
    assert supervise(["hangs", "calm"], lambda: until(lambda: len(lives(tmp_path, "hangs")) == 2)) == 0
    until(lambda: not alive(int((tmp_path / "helper").read_text())))
    assert len(lives(tmp_path, "calm")) == 1
    [cut] = status(tmp_path)["cut_off"]
    assert (cut["process"], cut["plugin"], cut["call"]) == ("hangs", "slowpoke", "read 1")


@pytest.mark.parametrize(("kind", "tries"), [("sick", 3), ("refused", 1)])
def test_a_process_that_cannot_start_ends_the_whole_with_an_error(supervise, tmp_path, kind, tries):
    """A wrong configuration at once, anything else after three tries; the others are ended too."""
    assert supervise([kind, "calm"], lambda: until(lambda: not list(tmp_path.glob("slots.*")))) == 1
    assert len(lives(tmp_path, kind)) == tries
    assert not any(alive(pid) for pid, _ in lives(tmp_path, "calm"))


def test_a_command_that_does_not_exist_is_an_error(tmp_path):
    """Not a loop."""
    assert Supervisor(lambda: ["web"], lambda *_: [str(tmp_path / "nothing")], tmp_path).run() == 1


def test_a_stop_waits_for_what_is_being_finished(supervise, tmp_path):
    """SIGTERM to each, then patience."""
    assert supervise(["careful"], lambda: until((tmp_path / "careful.up").exists)) == 0
    assert (tmp_path / "careful.done").exists()


def test_a_stop_kills_what_does_not_end(supervise, tmp_path):
    """After the drain time, whatever it is doing."""
    start = time.monotonic()
    assert supervise(["stubborn"], lambda: until((tmp_path / "stubborn.up").exists), drain=0.5) == 0
    assert time.monotonic() - start < DRAIN
    assert not alive(lives(tmp_path, "stubborn")[0][0])


def test_what_is_no_longer_wanted_is_ended_and_what_is_new_is_started(supervise, tmp_path, monkeypatch):
    """A system is switched on in the file while the gateway runs; another is switched off."""
    monkeypatch.setattr("gateway.engine.supervisor.LOOK", 0.1)
    wanted = ["calm"]

    def then():
        until(lambda: lives(tmp_path, "calm"))
        wanted[:] = ["other"]
        until(lambda: lives(tmp_path, "other") and not alive(lives(tmp_path, "calm")[0][0]))

    assert supervise(lambda: list(wanted), then) == 0
    assert len(lives(tmp_path, "calm")) == 1


def test_an_unreadable_file_changes_nothing_while_running(supervise, tmp_path, monkeypatch):
    """Somebody saves a half-edited gateway.yaml: what runs goes on."""
    monkeypatch.setattr("gateway.engine.supervisor.LOOK", 0.05)
    broken = threading.Event()
    looks = []

    def wanted():
        if broken.is_set():
            looks.append(1)
            raise ConfigError(["gateway.yaml:3: not readable as YAML"])
        return ["calm"]

    def then():
        until(lambda: lives(tmp_path, "calm"))
        broken.set()
        until(lambda: len(looks) >= 5)
        assert alive(lives(tmp_path, "calm")[0][0])

    assert supervise(wanted, then) == 0


def test_the_status_file_names_the_processes(supervise, tmp_path):
    """For `gateway status`: kind, pid, lives, whether it is ready."""

    def then():
        until(lambda: any(process["ready"] for process in status(tmp_path)["processes"]))
        [process] = status(tmp_path)["processes"]
        assert (process["kind"], process["pid"], process["lives"]) == ("calm", lives(tmp_path, "calm")[0][0], 1)

    assert supervise(["calm"], then) == 0
    assert [path.name for path in tmp_path.glob("slots.*")] == []


RUN = """
import sys, pathlib
from gateway import logs
from gateway.engine.supervisor import Supervisor
logs.configure(logs.INFO)
folder = pathlib.Path(sys.argv[1])
command = lambda kind, slot, slots, before: [
    sys.executable, str(folder / "child.py"), kind, str(slot), str(slots), before, str(folder)
]
sys.exit(Supervisor(lambda: [sys.argv[2]], command, folder, drain=600).run())
"""


@pytest.fixture
def started(tmp_path, script):
    """Start a supervisor in a process of its own and wait until its only process of this kind is up."""
    running = []

    def start(kind, up="up", **more):
        running.append(subprocess.Popen([sys.executable, "-c", RUN, str(tmp_path), kind], **more))
        until((tmp_path / f"{kind}.{up}").exists)
        return running[0]

    yield start
    for process in running:
        process.kill()
        process.wait()
    for pid, _ in lives(tmp_path, "*"):
        with suppress(ProcessLookupError):  # it ended, unless the test failed
            os.kill(pid, signal.SIGKILL)


def test_time_in_which_everything_stood_still_is_no_plugins(tmp_path, started):
    """A machine is suspended, or out of memory, for longer than a call may take: nobody is cut off for it."""
    process = started("slow")
    both = [process.pid, lives(tmp_path, "slow")[0][0]]
    for pid in both:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(6)
    for pid in both:
        os.kill(pid, signal.SIGCONT)
    until((tmp_path / "slow.done").exists)
    assert len(lives(tmp_path, "slow")) == 1
    assert status(tmp_path)["cut_off"] == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_drain_and_exit_0(tmp_path, started, number):
    """Both of them, as sent by a service manager or by Ctrl-C."""
    process = started("careful")
    process.send_signal(number)
    assert process.wait(120) == 0
    assert (tmp_path / "careful.done").exists()
    assert not alive(lives(tmp_path, "careful")[0][0])


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_a_log_on_a_full_disk_ends_nobody(tmp_path, started):
    """Lines are lost, and a process that dies meanwhile is started again: there may be room by then."""
    with open("/dev/full", "w") as full:
        process = started("crashes", "life4", stderr=full, stdout=full)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(120) in (0, 120)  # Python's own word for a last line that nobody took


def test_a_second_signal_does_not_wait(tmp_path, started):
    """Ctrl-C twice means now; once would mean ten minutes here."""
    process = started("stubborn")
    process.send_signal(signal.SIGINT)
    until((tmp_path / "stubborn.asked").exists)
    process.send_signal(signal.SIGINT)
    assert process.wait(120) == 0
    assert not alive(lives(tmp_path, "stubborn")[0][0])


def test_the_supervisor_loads_no_plugin_code():
    """Nothing that a plugin could break is imported by the process that watches over them."""
    code = "import sys, gateway.engine.supervisor; print(*(m for m in sys.modules if m.startswith('gateway')))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    allowed = {"gateway", "gateway.engine", "gateway.engine.supervisor", "gateway.engine.slots", "gateway.errors"}
    allowed |= {"gateway.settings", "gateway.settings.files", "gateway.engine.edits", "gateway.awake"}
    assert set(found) <= allowed
    assert os.environ.get("PYTEST_CURRENT_TEST")


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("instance: {}\n", ["web", "pipeline"]),
        ("systems:\n  crm: {plugin: files, outbound: on}\n  ma: {outbound: off}\n", ["web", "pipeline", "deliver:crm"]),
        ("systems:\n  ma: {plugin: api, pull: 15m}\n", ["web", "pipeline", "pull:ma"]),
        ("pipeline_workers: 3\n", ["web", "pipeline", "pipeline:2", "pipeline:3"]),
        ("pipeline_workers: nonsense\n", ["web", "pipeline"]),
        ("systems: nonsense\n", ["web", "pipeline"]),  # the processes themselves will say what is wrong
    ],
)
def test_what_runs_is_read_from_the_file_as_plain_data(tmp_path, text, kinds):
    """One delivery worker per system that is switched on, one that asks for news where that is wanted."""
    (tmp_path / "gateway.yaml").write_text(text)
    assert wanted_processes(tmp_path) == kinds


class Edited:
    """Files whose verdicts a test gives."""

    def __init__(self):
        self.problems, self.news, self.verdicts, self.held = [], True, [], []

    def look(self, now):
        if self.verdicts:
            self.problems = self.verdicts.pop(0)
            return True
        return False

    def close(self):
        pass


def test_broken_files_end_nothing_and_right_ones_are_acted_on(supervise, tmp_path):
    """Whatever a file in the middle of an edit seems to want, those run that ran."""
    edits, wanted, asked = Edited(), ["steady"], []

    def now_wanted():
        asked.append(list(wanted))
        return asked[-1]

    def then():
        until(lambda: lives(tmp_path, "steady"))
        wanted[:] = ["other"]
        edits.verdicts = [["gateway.yaml:3: systems: is missing"]]
        until(lambda: status(tmp_path)["files"] == ["gateway.yaml:3: systems: is missing"])
        assert [process["kind"] for process in status(tmp_path)["processes"]] == ["steady"]
        edits.verdicts = [[]]
        until(lambda: lives(tmp_path, "other"))
        until(lambda: [process["kind"] for process in status(tmp_path)["processes"]] == ["other"])

    assert supervise(now_wanted, then, edits=edits) == 0
    assert asked == [["steady"], ["other"]]
    assert status(tmp_path)["files"] == []


@pytest.mark.parametrize(("word", "on"), [("on", True), ("yes", True), ("true", True), ("1", True), ("off", False)])
def test_outbound_is_on_in_every_spelling_that_the_check_takes(tmp_path, word, on):
    """Else the pipeline would plan writes that nobody delivers."""
    (tmp_path / "gateway.yaml").write_text(f"systems:\n  crm: {{outbound: {word}}}\n")
    assert ("deliver:crm" in wanted_processes(tmp_path)) is on
