"""A file is broken while the gateway runs, or while somebody looks: the files of before stay in use, and it is said."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.engine.files import take_up

LOOKING = [
    ("status",),
    ("systems", "list"),
    ("plan",),
    ("leads", "list"),
    ("leads", "show", "ann@one.example"),
    ("leads", "explain", "ann@one.example"),
    ("leads", "values", "country"),
    ("handoffs", "list"),
    ("work", "list"),
    ("inbox", "list"),
    ("inbox", "list", "--troubles"),
    ("deliveries", "list"),
    ("metrics", "funnel"),
    ("model", "show"),
]
CHANGING = [
    ("check",),
    ("run",),
    ("web",),
    ("worker",),
    ("activate", "sales"),
    ("systems", "pause", "sales"),
    ("systems", "resume", "sales"),
    ("import", "gateway.yaml", "--system", "leads"),
    ("pull", "leads"),
    ("push",),
    ("inbox", "replay", "--system", "leads"),
    ("deliveries", "retry", "--system", "sales"),
    ("deliveries", "discard", "--system", "sales"),
]
BREAK = ("scoring.yaml", "weights: {fit: 60, behaviour: 40}", "weights: {fit: 60, behaviour: 50}")
WHERE = "scoring.yaml:2: weights: the weights of fit and behaviour add up to 110, not to 100"


@pytest.mark.parametrize("command", LOOKING, ids=" ".join)
def test_who_only_looks_is_answered_from_the_files_in_use(filled: Any, command: tuple[str, ...]) -> None:
    """The same answer as before, and on stderr what is wrong and whose answer this is; nothing becomes active."""
    before = filled.run(*command)
    bundle = filled.json("model", "show")["bundle"]
    filled.edit(*BREAK)
    (filled.root / "journey.yaml").write_text("stages: [")
    after = filled.run(*command)
    assert after.stdout == before.stdout
    first, second = after.stderr.splitlines()
    assert first.startswith("the files are broken: journey.yaml:1: ")
    assert first.endswith("and 1 more problem (`gateway check`)")
    assert "files in use" in second
    assert filled.json("model", "show")["bundle"] == bundle


@pytest.mark.parametrize("command", CHANGING, ids=" ".join)
def test_who_changes_something_is_told_every_problem(filled: Any, command: tuple[str, ...], monkeypatch: Any) -> None:
    """Exit code 2, as for every file that needs an edit."""
    monkeypatch.chdir(filled.root)
    filled.edit(*BREAK)
    assert WHERE in filled.run(*command, code=2).stderr


def test_status_names_the_broken_files_for_programs(filled: Any) -> None:
    """An empty list is the usual answer."""
    assert filled.json("status")["problems"] == []
    filled.edit(*BREAK)
    [problem] = filled.json("status")["problems"]
    assert problem.startswith(WHERE)


@pytest.mark.parametrize("broken", ["systems: [", "store: [", "instance: {name: Example}\nstore: elsewhere\n"])
def test_a_gateway_yaml_that_does_not_tell_the_store_is_told_itself(filled: Any, broken: str) -> None:
    """The folder of the store is guessed from a line or the default, and no other store answers for this one."""
    filled.write("gateway.yaml", broken)
    found = filled.run("leads", "list", code=0 if broken == "systems: [" else 2)
    assert "gateway.yaml:" in found.stderr


def test_without_files_in_use_the_problems_are_the_answer(instance: Any) -> None:
    """A new instance has no store, and looking makes none."""
    instance.edit(*BREAK)
    assert WHERE in instance.run("status", code=2).stderr
    assert not (instance.root / "var").exists()


class Running:
    """``gateway run`` over an instance, and what it logs."""

    def __init__(self, root: Path) -> None:
        with closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.root = root
        file = root / "gateway.yaml"
        file.write_text(f"listen: 127.0.0.1:{self.port}\n{file.read_text()}")
        self.log = root / "run.log"
        with self.log.open("wb") as log:
            command = [sys.executable, "-m", "gateway", "-C", str(root), "run"]
            self.process = subprocess.Popen(command, stderr=log, stdout=log)

    def ready(self) -> Any:
        """The answer of /health/ready where it is 200, else None."""
        try:
            with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)) as connection:
                connection.request("GET", "/health/ready")
                answer = connection.getresponse()
                return json.loads(answer.read()) if answer.status == 200 else None
        except OSError:
            return None

    def warnings(self) -> list[str]:
        found: list[str] = (self.ready() or {}).get("warnings", [])
        return found

    def logged(self, *words: str) -> list[str]:
        return [line for line in self.log.read_text().splitlines() if all(word in line for word in words)]

    def pid(self, kind: str) -> int:
        told = json.loads((self.root / "var" / "run.json").read_text())
        return next(one["pid"] or 0 for one in told["processes"] if one["kind"] == kind)

    def until(self, condition: Callable[[], Any]) -> None:
        deadline = time.monotonic() + 180
        while not condition():
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.1)


@pytest.fixture
def running(filled: Any) -> Iterator[Running]:
    running = Running(filled.root)
    try:
        running.until(lambda: running.ready() == {"ok": True})
        yield running
        running.process.terminate()
        assert running.process.wait(120) == 0
    finally:
        running.process.kill()  # its children end with it
        running.process.wait()


@pytest.mark.processes
def test_a_running_gateway_goes_on_with_the_files_of_before_and_says_so(filled: Any, running: Running) -> None:
    """In the log once, with file and line; in its health; and when the file is right again, it is taken up."""
    filled.edit(*BREAK)
    running.until(lambda: running.logged("level=error", "files are broken: the old ones stay active", WHERE))
    running.until(lambda: WHERE in str(running.warnings()))
    running.until(lambda: "stay in use" in str(running.warnings()))

    # Who is born meanwhile works with the files of before, too.
    for kind in ("pipeline", "web"):
        running.until(lambda kind=kind: running.pid(kind))
        dead = running.pid(kind)
        os.kill(dead, signal.SIGKILL)
        running.until(lambda kind=kind, dead=dead: running.pid(kind) not in (0, dead))
    running.until(running.ready)
    assert running.process.poll() is None

    filled.edit("scoring.yaml", "weights: {fit: 60, behaviour: 50}", "weights: {fit: 50, behaviour: 50}")
    running.until(lambda: running.logged("files are right again and taken up"))
    running.until(lambda: running.logged("renewed", "process=pipeline"))
    running.until(lambda: running.ready() == {"ok": True})
    assert len(running.logged("the old ones stay active")) == 1


@pytest.mark.processes
def test_a_running_gateway_takes_up_an_edit_and_a_new_system(filled: Any, running: Running) -> None:
    """Without a command and without a restart; the web server knows new senders, and no call meets a closed door."""
    filled.write("secret", "s3cret")
    filled.write("mappings/forms.yaml", "system: forms\nobjects: {c: {kind: person, id: id, time: received}}\n")
    filled.edit(
        "gateway.yaml",
        "systems:\n",
        "systems:\n  forms:\n    plugin: webhook\n    settings:\n      secrets: ['file:secret']\n"
        "      verify: {scheme: token, header: X-Token, id_header: X-Id}\n",
    )
    web = running.pid("web")

    def called(secret: str = "s3cret") -> int:
        with closing(http.client.HTTPConnection("127.0.0.1", running.port, timeout=60)) as connection:
            connection.request("POST", "/hooks/forms", b"{}", {"X-Token": secret, "X-Id": "1"})
            return connection.getresponse().status

    answers = {called()}
    running.until(lambda: answers.add(called()) or 200 in answers)
    assert answers <= {404, 200}
    assert running.pid("web") == web
    running.until(lambda: running.logged("files taken up"))

    # Its secret is exchanged: both are good for a while, then the old one is not; at last its file is written anew.
    filled.write("next", "n3xt")
    filled.edit("gateway.yaml", "['file:secret']", "['file:secret', 'file:next']")
    running.until(lambda: called("n3xt") == 200)
    assert called() == 200
    filled.edit("gateway.yaml", "['file:secret', 'file:next']", "['file:next']")
    running.until(lambda: called() == 401)
    assert called("n3xt") == 200
    filled.write("next", "")  # half exchanged: nothing is lost meanwhile
    assert called("n3xt") == 200
    filled.write("next", "l4st")
    running.until(lambda: called("l4st") == 200)
    assert called("n3xt") == 401
    assert running.pid("web") == web
    assert not running.logged("l4st") + running.logged("s3cret") + running.logged("n3xt")


def test_another_store_is_not_taken_up_while_the_gateway_runs(filled: Any) -> None:
    """Else some of its processes would work in one store and some in the other; and nothing is made there."""
    store = str((filled.root / "var").resolve())
    assert take_up(filled.root, store)["problems"] == []
    filled.edit("gateway.yaml", "systems:", "store: elsewhere\nsystems:")
    [problem] = take_up(filled.root, store)["problems"]
    assert problem.startswith("gateway.yaml: store: ")
    assert not (filled.root / "elsewhere").exists()
