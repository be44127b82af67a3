"""Plugins that end, hang or swell whoever loads them: each is told as what it is, and the others are seen."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.patience import impatient
from gateway.errors import GatewayError
from gateway.host import Host, installed
from gateway.plugins import probe
from gateway.plugins.probe import look

BAD = {
    "hangs": ("while True: pass", "did not come to an end within 3 s while it was loaded"),
    "leaves": ("import os; os._exit(0)", "ended (exit code 0) while it was loaded"),
    "dies": ("import os; os.kill(os.getpid(), 9)", "ended (signal 9) while it was loaded"),
    "stops": ("raise KeyboardInterrupt", "ended (signal 2) while it was loaded"),
    "swells": ("much = bytearray(2 << 30)", "MemoryError at __init__.py:1: it wants more than the 2048 MiB"),
    "fails": ("import no_such_module", "No module named 'no_such_module'"),
}
LOUD = """
import os, sys
from gateway.hookspecs import hookimpl
print('a word')
os.write(1, b'{"name": "forged"}')
sys.stderr.write('another')

@hookimpl
def lead_scored(scores): pass
"""


@pytest.mark.processes
def test_who_ends_hangs_or_swells_is_named_and_the_others_are_seen(
    made: Any, site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What plugins print, a line like ours included, is lost."""
    for name, (source, _) in BAD.items():
        made(name, source=source)
    made("good")
    made("loud", source=LOUD)
    monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.setenv("GATEWAY_PLUGINS", ",".join(["good", "loud", *BAD]))
    found = {one.name: one for one in look(tmp_path, deadline=3.0) if one.distribution.startswith("made-")}
    assert found.keys() == {"good", "loud", *BAD}
    for name, (_, reason) in BAD.items():
        assert found[name].state == "broken", found[name]
        assert reason in found[name].reason
    assert (found["good"].state, found["good"].offers, found["good"].names) == ("active", ["sink good"], ["good"])
    assert found["loud"].state == "active"


@pytest.mark.processes
def test_the_trace_is_seen_and_what_plugins_print_is_not(
    made: Any, site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    made(
        "loud", source=LOUD + "from gateway.hookspecs import hookimpl\n@hookimpl\ndef register_sinks(register): pass\n"
    )
    for name, value in {"PYTHONPATH": str(site), "GATEWAY_PLUGINS": "loud", "GATEWAY_TRACE": "1"}.items():
        monkeypatch.setenv(name, value)
    assert {one.name: one.state for one in look(tmp_path)}["loud"] == "active"
    told = capfd.readouterr().err
    assert "trace loud: register_sinks" in told
    assert "another" not in told


@pytest.mark.processes
def test_settings_that_raise_are_told_without_their_words(
    made: Any, site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A schema is the plugin's code, too; its text may hold a secret."""
    source = """
from gateway.hookspecs import hookimpl
from marshmallow import Schema

class Settings(Schema):
    def __init__(self, **more):
        raise ValueError("s3cret")

@hookimpl
def register_sinks(register):
    register("odd", dict, Settings)
"""
    made("odd", source=source)
    monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.setenv("GATEWAY_PLUGINS", "odd")
    odd = next(one for one in look(tmp_path) if one.name == "odd")
    assert (odd.state, odd.wrong) == ("active", "ValueError")
    assert "s3cret" not in str(odd)


@pytest.mark.processes
def test_an_environment_in_which_nothing_runs_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not an endless search for the culprit."""
    monkeypatch.setattr(probe.sys, "executable", "/bin/false")
    with pytest.raises(GatewayError, match=r"cannot be looked at: .* ended \(exit code 1\) while it began"):
        look(tmp_path)


def test_a_command_that_loads_plugins_itself_waits_for_none_for_ever(made: Any) -> None:
    """The one that hangs, on import or when it is asked, is broken; the next one is there."""
    made("hangs", source="while True: pass")
    made(
        "sleeps",
        source="import time\nfrom gateway.hookspecs import hookimpl\n"
        "@hookimpl\ndef register_sinks(register): time.sleep(60)\n",
    )
    made("good")
    pairs = [pair for pair in installed() if pair[0].name in ("hangs", "sleeps", "good")]
    host = Host(pairs, guard=partial(impatient, seconds=0.5))
    found = {one.name: (one.state, one.reason) for one in host.plugins}
    why = "it did not come to an end within 0.5 s"
    assert found == {
        "good": ("active", ""),
        "hangs": ("broken", f"import of made_hangs failed: {why}"),
        "sleeps": ("broken", f"register_sinks: {why}"),
    }
