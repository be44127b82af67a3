"""``gateway demo`` as a newcomer runs it: real processes on this machine, to the end."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

import pytest
from click.testing import CliRunner

from gateway.cli.main import cli

COMMAND = [sys.executable, "-P", "-c", "from gateway.cli.main import main; main()"]
pytestmark = [pytest.mark.processes, pytest.mark.slow]


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "GATEWAY_DIR"}


def heeds_ctrl_c() -> None:
    """As in a terminal: what a shell starts in the background ignores it, and so do its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def alive(folder: Path) -> list[int]:
    """Processes that the demo's supervisor told of and that still run."""
    told = json.loads((folder / "var" / "run.json").read_text())
    pids = [told["supervisor"], *(process["pid"] for process in told["processes"] if process["pid"])]
    return [pid for pid in pids if runs(pid)]


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture(scope="module")
def once(tmp_path_factory) -> tuple[subprocess.CompletedProcess[str], Path]:
    folder = tmp_path_factory.mktemp("demo") / "instance"
    done = subprocess.run(
        [*COMMAND, "demo", "--once", "--dir", str(folder)],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
        env=environment(),
    )
    return done, folder


def test_demo_ends_by_itself_and_all_went_well(once):
    """Exit code 0: what the demo checks of itself holds, such as the equations and the number of handoffs."""
    done, _ = once
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "what",
    [
        r"a forged webhook .* answered 401",
        r"\d+ signed webhooks from HubSpot",
        r"buyers \d+ · accepted \d+ · rejected \d+ · recycled [1-9]",
        r"Viewed a page: ",  # reasons in words, of what HubSpot saw
        r"Downloaded the whitepaper: ",
        r"Clicked in an e-mail: ",
        r"[1-9]\d* of \d+ are of leads that were recycled and came back",
        r"[1-9]\d* came by fast track",
        r"no answer yet: [1-9]\d* warnings; none in time: [1-9]\d* escalations",
        r"[1-9]\d* times another owner",
        r"[1-9]\d* had no word from sales by the end of follow-up and were recycled by the clock",
        r"came back to marketing: [1-9]\d* lost",
        r"each is in exactly one bucket, but \d+ whose clock still runs",
        r"sales_qualified",
        r"sales_rejected \(",
        r"recycled \(not now\)",
        r"salesforce: .*update",
        r"won +[1-9]",
        r"passed: [1-9]\d* \([1-9]\d* contact in hubspot\)",
        r"received: [1-9]\d* \([1-9]\d* Lead in salesforce\)",
        r"salesforce counts it on \d{4}-\d\d-\d\d +late",  # who came back is counted anew by marketing alone
        r"deals won in Salesforce stand at their contacts in HubSpot",
    ],
)
def test_demo_tells_what_happened(once, what):
    """A newcomer reads it all in the output."""
    assert re.search(what, once[0].stdout)


def test_commands_it_names_work_afterwards(once):
    """What it says to try next can be tried: each command line is run as it is printed."""
    done, folder = once
    lines = re.findall(r"^  gateway -C (\S+) (.+?) +# ", done.stdout, re.M)
    assert len(lines) >= 6
    for directory, words in lines:
        assert Path(directory) == folder
        tried = CliRunner().invoke(cli, ["-C", directory, *words.split()])
        assert tried.exit_code == 0, (words, tried.output)
        assert tried.output.strip(), words


def test_folder_with_something_else_is_left_alone(tmp_path):
    """Only a demo's own folder is made anew."""
    (tmp_path / "thesis.txt").write_text("years of work")
    done = subprocess.run(
        [*COMMAND, "demo", "--once", "--dir", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
    )
    assert done.returncode == 1
    assert "something else in this folder" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_demo_keeps_running_until_ctrl_c(tmp_path):
    """Without --once it stays up, refuses a second demo in its folder, and ends cleanly on Ctrl-C."""
    folder = tmp_path / "instance"
    with subprocess.Popen(
        [*COMMAND, "demo", "--weeks", "1", "--speed", "20000", "--dir", str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
        preexec_fn=heeds_ctrl_c,
    ) as demo:
        assert demo.stdout is not None
        deadline = time.monotonic() + 900
        for line in demo.stdout:
            assert time.monotonic() < deadline
            if "keeps running" in line:
                with urlopen(line.split()[0], timeout=60) as page:
                    assert "Come in" in page.read().decode()
                break
        second = subprocess.run(
            [*COMMAND, "demo", "--dir", str(folder)], capture_output=True, text=True, check=False, env=environment()
        )
        assert second.returncode == 1
        assert "a demo is running in this folder" in second.stderr
        assert alive(folder)
        demo.send_signal(signal.SIGINT)
        assert "Stopping." in demo.stdout.read()
        assert demo.wait(180) == 0
    assert alive(folder) == []
