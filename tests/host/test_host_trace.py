"""GATEWAY_TRACE=1 shows who was called, for how long, with how much and what came of it, and no value."""

import re
import sys
from datetime import UTC, datetime
from importlib.metadata import EntryPoint

import pytest

from gateway.contracts import Call, Document, Receipt, Score, Scorer, Sink, Skipped, Source, Subject, Write
from gateway.host import Host
from gateway.plugins.trace import trace

NOW = datetime(2026, 6, 1, tzinfo=UTC)
HOOKS = """
from gateway.hookspecs import hookimpl

@hookimpl
def register_transforms(register):
    register("loud", str.upper)

@hookimpl
def lead_scored(scores):
    raise OSError(scores[0]["lead"])
"""


class Mine(Source, Sink, Scorer):
    """One of each, which tells secrets in everything it gives."""

    def read(self, document):
        yield Skipped(object="contact", record="secret", reason="secret")
        yield Skipped(object="contact", record="secret", reason="secret")

    def pull(self, stream, cursor, since):
        raise RuntimeError("secret")

    def calls(self, writes):
        return [Call(title="secret", writes=tuple(writes))]

    def deliver(self, call):
        return [Receipt(key="secret", result="done"), Receipt(key="secret", result="secret")]

    def find(self, object, keys):
        return {key: ["secret"] for key in keys}

    def score(self, subject, at, explain=False):
        return Score(4711, 0, 0, "secret")


@pytest.fixture
def told(monkeypatch, capsys):
    """What was shown since, without the times."""
    monkeypatch.setenv("GATEWAY_TRACE", "1")

    def lines():
        shown = capsys.readouterr()
        assert shown.out == ""
        assert "secret" not in shown.err
        assert "4711" not in shown.err
        return [re.sub(r"\d+\.\d\d ms", "_ ms", line) for line in shown.err.splitlines()]

    return lines


def test_each_contract_method_is_shown_with_what_it_gave(told):
    """A generator's line comes at its end; what it was asked for is counted, never shown."""
    mine = Mine()
    trace(mine, "mine")
    trace(mine, "mine")  # built once, shown once
    document = Document(id="1", system="x", received_at=NOW, body=b"secret")
    assert len(list(mine.read(document))) == 2
    writes = [Write(key=str(n), object="contact", record=None, fields={"a": "secret"}) for n in range(3)]
    [call] = mine.calls(writes)
    mine.deliver(call)
    mine.find("contact", ["1", "2"])
    mine.score(Subject({"a": "secret"}), NOW)
    with pytest.raises(RuntimeError):
        mine.pull("contacts", None, None)
    next(mine.read(document))
    assert told() == [
        "trace mine: read _ ms -> 2 Skipped",
        "trace mine: calls of 3 _ ms -> 1 Call",
        "trace mine: deliver _ ms -> 1 Receipt done, 1 Receipt",
        "trace mine: find of 2 _ ms -> 2 of list",
        "trace mine: score _ ms -> Score",
        "trace mine: pull _ ms -> raised RuntimeError",
        "trace mine: read _ ms -> closed early, 1 Skipped",
    ]


def test_each_hook_is_shown(told, tmp_path, monkeypatch):
    """Those a plugin does not implement are not."""
    (tmp_path / "hooks_of_a_test.py").write_text(HOOKS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "hooks_of_a_test", raising=False)

    class Installed:
        metadata = {"Name": "hooks"}  # noqa: RUF012 - as importlib.metadata has it
        version = "1.0"
        requires = ()

    host = Host([(EntryPoint("hooks", "hooks_of_a_test", "lead_gateway"), Installed())])
    host.observe("lead_scored", scores=[{"lead": "secret"}])
    host.observe("stage_changed", moves=[{"lead": "secret"}])
    assert told() == [
        "trace hooks: register_transforms _ ms -> none",
        "trace hooks: lead_scored _ ms -> raised OSError",
    ]


@pytest.mark.parametrize("off", [None, "", "0"])
def test_without_the_variable_nothing_is_wrapped(monkeypatch, off):
    """So nothing is spent."""
    monkeypatch.delenv("GATEWAY_TRACE", raising=False)
    if off is not None:
        monkeypatch.setenv("GATEWAY_TRACE", off)
    mine = Mine()
    trace(mine, "mine")
    assert vars(mine) == {}
