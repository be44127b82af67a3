"""Commands load plugins in their own process: none of them ends one unseen, or writes into what it prints."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from importlib.metadata import Distribution, EntryPoint
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import patience
from gateway.cli.crowd import kept_waiting
from gateway.cli.main import plugin_call
from gateway.cli.patience import impatient
from gateway.errors import GatewayError
from gateway.host import Host

INSTANCE = "instance: {name: Bad, zone: UTC, currency: EUR}\n"
HOOK = "from gateway.hookspecs import hookimpl\n@hookimpl\ndef register_transforms(register):\n    "
LEAVES = {  # name → (what its module does, what is told of it)
    "leaves": ("import os; os._exit(0)", "import of made_leaves failed: SystemExit: 0"),
    "presses": ("raise KeyboardInterrupt", "import of made_presses failed: it raised KeyboardInterrupt"),
    "cancels": ("import asyncio; raise asyncio.CancelledError", "failed: CancelledError at __init__.py:1"),
    "asked": (HOOK + "import os; os._exit(0)", "register_transforms: SystemExit: 0"),
}
LOUD = """
import os, sys
print("a word")
os.write(1, b"a second\\n")
os.system("echo a third")
sys.__stdout__.write("a fourth\\n")
"""
SPOKEN = HOOK + "print('a fifth'); register('loud', str.upper)"


def command(root: Path, site: Path, *words: str, plugins: str) -> subprocess.CompletedProcess[str]:
    (root / "gateway.yaml").write_text(INSTANCE)
    environment = {**os.environ, "PYTHONPATH": str(site), "GATEWAY_PLUGINS": plugins}
    asked = [sys.executable, "-m", "gateway", "-C", str(root), *words]
    return subprocess.run(asked, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.processes
def test_who_would_end_a_command_or_speak_in_it_is_listed_and_the_command_does_its_work(
    made: Any, site: Path, tmp_path: Path
) -> None:
    for name, (source, _) in LEAVES.items():
        made(name, source=source)
    made("loud", source=LOUD + SPOKEN)
    done = command(tmp_path, site, "check", "--json", plugins=",".join(["loud", *LEAVES]))
    told = json.loads(done.stdout)
    assert (done.returncode, told["ok"]) == (0, True)
    found = {one["name"]: one["reason"] for one in told["plugins"]}
    assert found.keys() == LEAVES.keys()
    for name, (_, reason) in LEAVES.items():
        assert reason in found[name]
    words = [f"plugin loud: a {word}" for word in ("word", "second", "third", "fourth", "fifth")]
    assert done.stderr.splitlines() == words


@pytest.mark.processes
@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing can be forked here")
def test_who_kills_a_command_is_named(made: Any, site: Path, tmp_path: Path) -> None:
    """Not only ``Killed``, or nothing at all."""
    made("kills", source="import os; os.write(2, b'my word'); os.kill(os.getpid(), 9)")
    made("slips", source="import ctypes; ctypes.CDLL(None)._exit(0)")
    for name, code, words in (("kills", -9, "plugin kills: my word\n"), ("slips", 0, "")):
        done = command(tmp_path, site, "--help", plugins=name)
        assert (done.returncode, done.stderr) == (
            code,
            f"{words}the command was ended in a call of plugin {name} (import); "
            f"`gateway plugins disable {name}` or GATEWAY_PLUGINS leaves it out\n",
        )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing can be forked here")
def test_who_cannot_be_interrupted_is_ended() -> None:
    """Here by nobody but the witness."""
    script = "from gateway.cli.witness import Witness; import time\n"
    script += "one = Witness()\nwith one.watching('deaf', 'import', 0.2): time.sleep(60)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == -9
    assert done.stderr.startswith("no end within 0.2 s: the command was ended in a call of plugin deaf (import);")


def loaded(name: str, distribution: Distribution) -> Host:
    return Host([(EntryPoint(name, f"made_{name}", "lead_gateway"), distribution)], guard=impatient)


def test_a_key_pressed_while_a_plugin_is_loaded_ends_the_command_and_names_it(
    made: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever waited for it wants to know for whom."""
    with pytest.raises(KeyboardInterrupt):
        loaded("pressed", made("pressed", source="import os, signal; os.kill(os.getpid(), signal.SIGINT)"))
    assert capsys.readouterr().err == "interrupted while plugin pressed was loaded (import)\n"


def test_a_plugin_that_asks_for_ever_is_stopped(made: Any) -> None:
    """Its ``except Exception`` is for what it asks, not for us."""
    source = "import time\nwhile True:\n    try:\n        time.sleep(60)\n    except Exception:\n        pass\n"
    made("asks", source=source)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gateway.cli.patience.LONGEST", 0.2)
        host = loaded("asks", made("asks", source=source))
    assert host.plugins[0].reason == "import of made_asks failed: it did not come to an end within 0.2 s"


def test_the_time_of_others_is_not_a_plugins(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here the machine has none for us: what sleeps three times as long as it may was only slow."""
    began = time.monotonic()
    monkeypatch.setattr("gateway.cli.patience.kept_waiting", lambda: time.monotonic() - began)
    monkeypatch.setattr("gateway.cli.patience.LONGEST", 0.2)
    [plugin] = loaded("slow", made("slow", source="import time; time.sleep(0.6)\n")).plugins
    assert plugin.reason == "it has no hooks: none of its functions has @hookimpl"  # it was loaded


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing can be forked here")
def test_nor_does_the_witness_count_it() -> None:
    script = "import time; from gateway.cli import witness\nwitness.LOOK, began = 0.01, time.monotonic()\n"
    script += "witness.kept_waiting = lambda process: time.monotonic() - began\n"
    script += "with witness.Witness().watching('slow', 'import', 0.5): time.sleep(1.5)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_clock_that_rings_as_a_load_ends_is_not_set_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would ring when nobody listens any more, which ends the process."""
    real = signal.setitimer

    def late(which: int, seconds: float, interval: float = 0.0) -> None:
        real(which, seconds, interval)
        if not seconds:
            os.kill(os.getpid(), signal.SIGALRM)

    monkeypatch.setattr(signal, "setitimer", late)
    try:
        with patience.impatient("quick", "import"):
            pass
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    finally:
        real(signal.ITIMER_REAL, 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing can be forked here")
def test_a_command_that_was_stopped_meanwhile_was_not_slow() -> None:
    """Ctrl-Z, or a machine that is suspended: neither the command nor its witness counts that time."""
    script = "import time; from gateway.cli import patience\npatience.alone(); patience.WAITS = patience.GRACE = 0.5\n"
    script += "with patience.impatient('slow', 'import', 3.0):\n    time.sleep(0.1); patience._tell('in')\n"
    script += "    for _ in range(8): time.sleep(0.1)"
    command = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, start_new_session=True)
    assert command.stderr is not None
    assert command.stderr.readline() == b"in\n"
    os.killpg(command.pid, signal.SIGSTOP)
    time.sleep(5)
    os.killpg(command.pid, signal.SIGCONT)
    said = command.communicate(timeout=60)[1].decode()
    assert (command.returncode, "Overdue" in said, "was ended" in said) == (0, False, False), said


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="the system does not tell")
def test_who_has_to_share_a_processor_was_kept_waiting_and_who_sleeps_was_not() -> None:
    """Two that want all of one, and one that wants nothing."""
    script = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\nwhile True: pass"
    busy = [subprocess.Popen([sys.executable, "-c", script]) for _ in range(2)]
    idle = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        deadline = time.monotonic() + 120
        while any(kept_waiting(one.pid) < 1 for one in busy):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        before = kept_waiting(idle.pid)
        time.sleep(1)
        assert kept_waiting(idle.pid) - before < 0.5
    finally:
        for one in (*busy, idle):
            one.kill()
            one.wait()


@pytest.mark.processes
def test_what_a_plugin_prints_while_it_is_loaded_is_no_output(made: Any, site: Path, tmp_path: Path) -> None:
    made("loud", source="print('a word')\n" + SPOKEN)
    done = command(tmp_path, site, "check", "--json", plugins="loud")
    assert json.loads(done.stdout)["ok"]
    assert done.stderr == "plugin loud: a word\nplugin loud: a fifth\n"


def test_what_a_plugin_does_in_any_call_is_no_output_and_no_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """``os._exit`` leaves the call; outside of calls it is what it was."""
    left: list[int] = []
    monkeypatch.setattr(os, "_exit", left.append)
    monkeypatch.setattr("gateway.cli.witness._fork", lambda slots, said: None)
    monkeypatch.setattr("gateway.cli.patience._witness", None)
    patience.alone()
    with pytest.raises(SystemExit), impatient("x", "read 1"):
        print("a word")
        os._exit(0)
    assert left == []
    assert capsys.readouterr() == ("", "a word\n")
    os._exit(4)
    assert left == [4]


def test_a_question_to_a_plugin_has_no_way_out() -> None:
    """It is an error that names it."""
    with pytest.raises(GatewayError, match="plugin x: account raised SystemExit"):
        plugin_call("x", "account", lambda: sys.exit(0))
