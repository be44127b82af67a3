"""Edits of the files are noticed, judged by a process of their own, and never guessed at."""

import json
import os
import sys
import time

import pytest

from gateway.engine import edits
from gateway.engine.edits import AGAIN, LOOK, Edits
from gateway.plugins import lock

BROKEN = json.dumps({"problems": ["scoring.yaml:3: weights: must add up to 100"]})


@pytest.fixture
def folder(tmp_path):
    """Some files; what they say does not matter to who only notices."""
    for name in ("mappings", "scores"):
        (tmp_path / name).mkdir()
    for name in ("gateway.yaml", "scoring.yaml", "mappings/crm.yaml"):
        (tmp_path / name).write_text("a: 1\n")
    return tmp_path


def says(text, code=0):
    return [sys.executable, "-c", f"print({text!r}); raise SystemExit({code})"]


def verdict(edits, clock, looks=3):
    """Look until a process has judged; False when none was started."""
    for _ in range(looks):
        clock[0] += LOOK
        if edits.look(clock[0]):
            return True
    deadline = time.monotonic() + 120
    while edits._process is not None:
        assert time.monotonic() < deadline
        if edits.look(clock[0]):
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize(
    "name",
    ["gateway.yaml", "scoring.yaml", "journey.yaml", "mappings/x.yml", "scores/x.yaml", "plugins.yaml", "plugins.lock"],
)
def test_an_edit_of_any_file_is_judged_once(folder, name):
    """Changed or new; without an edit nothing is started."""
    edits, clock = Edits(folder, says(BROKEN, 2)), [0.0]
    assert not verdict(edits, clock)
    (folder / name).write_text("a: 12\n")
    assert verdict(edits, clock)
    assert (edits.problems, edits.news) == (["scoring.yaml:3: weights: must add up to 100"], False)
    assert not verdict(edits, clock)
    (folder / name).unlink()
    assert verdict(edits, clock)


def test_a_file_that_is_still_being_written_is_not_judged(folder):
    """As long as two looks in a row differ; half an edit would be called broken."""
    edits, clock = Edits(folder, says(BROKEN, 2)), [0.0]
    for length in range(5):
        (folder / "scoring.yaml").write_text("a" * length)
        clock[0] += LOOK
        assert not edits.look(clock[0])
        assert edits._process is None
    assert verdict(edits, clock)


def test_news_is_a_bundle_that_was_not_active_at_the_last_verdict(folder):
    """So that an edit of a comment is taken up in words, and a touched file is not."""
    said = json.dumps({"problems": [], "bundle": "b1", "before": "b0"})
    edits, clock = Edits(folder, says(f"a plugin speaks\n{said}")), [0.0]
    found = []
    for nanoseconds in (10**18, 2 * 10**18):
        os.utime(folder / "scoring.yaml", ns=(nanoseconds, nanoseconds))
        assert verdict(edits, clock)
        found.append((edits.problems, edits.news))
    assert found == [([], True), ([], False)]


@pytest.mark.parametrize("command", [says("", 1), says("nonsense", 0), says("", 2), ["false"]])
def test_a_check_without_a_verdict_is_no_verdict_and_is_tried_again(folder, command):
    """The store may be busy, a plugin may leave: neither makes the files right or broken for ever."""
    edits, clock = Edits(folder, command), [0.0]
    (folder / "scoring.yaml").write_text("b")
    assert verdict(edits, clock)
    assert edits.problems[0].startswith("the files could not be checked: exit code")
    assert not verdict(edits, clock)
    edits._command = says(json.dumps({"problems": [], "bundle": "b1"}))
    clock[0] += AGAIN
    assert verdict(edits, clock)
    assert edits.problems == []


def test_a_check_that_hangs_is_ended(folder, monkeypatch):
    """Checking loads plugins; the supervisor waits for none."""
    monkeypatch.setattr("gateway.engine.edits.LONGEST", 0.5)
    edits, clock = Edits(folder, [sys.executable, "-c", "import time; time.sleep(600)"]), [0.0]
    (folder / "scoring.yaml").write_text("b")
    for _ in range(2):
        clock[0] += LOOK
        assert not edits.look(clock[0])
    process = edits._process
    assert edits.look(clock[0] + 1.0)
    assert edits.problems == ["the files could not be checked: no end within 0.5 s: a plugin hangs"]
    assert process.poll() is not None


def test_the_lock_of_plugins_is_known_by_its_name():
    """Without loading what reads it."""
    assert edits.LOCK == lock.LOCK
