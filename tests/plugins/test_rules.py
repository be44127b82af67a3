"""Who is not let in: switched off in plugins.yaml, or not what plugins.lock approved. Nothing of them is imported."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import ConfigError
from gateway.host import Host, installed
from gateway.plugins import contents, switched
from gateway.plugins.lock import LOCK, Approved, Lock
from gateway.plugins.rules import Rules
from gateway.plugins.switched import SWITCHES, Switched

TELLS = "print('imported')\n"


def lock_of(*distributions: Distribution) -> Lock:
    return Lock(
        {
            str(one.metadata["Name"]): Approved(
                version=one.version,
                files=contents.fingerprint(one),
                plugins={entry.name: [f"sink {entry.name}"] for entry in one.entry_points},
                by="anna",
                at="2026-11-22T12:00:00Z",
            )
            for one in distributions
        }
    )


def listed(rules: Rules, name: str) -> Any:
    return next(plugin for plugin in Host(rules=rules).plugins if plugin.name == name)


def test_without_files_everybody_is_let_in(made: Any, tmp_path: Path) -> None:
    """As before there was a lock."""
    made("x")
    assert listed(Rules.of(tmp_path), "x").state == "active"


def test_what_was_approved_is_let_in_and_nobody_else(made: Any, tmp_path: Path, capsys: Any) -> None:
    """The gateway's own plugin needs no approval."""
    lock_of(made("x")).write(tmp_path)
    two = made("y", source=TELLS)
    rules = Rules.of(tmp_path)
    assert listed(rules, "x").state == "active"
    told = listed(rules, "y")
    assert (told.state, told.reason) == (
        "disabled",
        "not approved in plugins.lock; `gateway plugins lock made-y` approves it",
    )
    assert told.since == contents.changed_at(two)  # for so long it has been there
    assert abs(datetime.fromisoformat(told.since) - datetime.now(UTC)) < timedelta(minutes=10)
    assert listed(rules, "weighted").state == "active"
    assert capsys.readouterr().out == ""


CHANGES = {
    "another version": (lambda make, site: make("x", version="1.1"), "is 1.1, and plugins.lock approved 1.0"),
    "a changed file": (
        lambda make, site: (site / "made_x" / "__init__.py").write_text(TELLS),
        "its files are not those approved",
    ),
    "a file that is gone": (lambda make, site: (site / "made_x" / "more.py").unlink(), "not those approved"),
    "a changed file whose RECORD was changed, too": (
        lambda make, site: make("x", source=TELLS, more={"made_x/more.py": ""}),
        "its files are not those approved",
    ),
    "another entry point": (
        lambda make, site: (site / "made_x-1.0.dist-info" / "entry_points.txt").write_text(
            "[lead_gateway]\nx = made_x\nz = made_x\n"
        ),
        "its files are not those approved",
    ),
    "worked on in place": (
        lambda make, site: (site / "made_x-1.0.dist-info" / "direct_url.json").write_text(
            '{"url": "file:///x", "dir_info": {"editable": true}}'
        ),
        "is now a project worked on in place",
    ),
}


@pytest.mark.parametrize(("change", "reason"), CHANGES.values(), ids=CHANGES)
def test_what_is_not_what_was_approved_is_not_imported(
    made: Any, site: Path, tmp_path: Path, capsys: Any, change: Any, reason: str
) -> None:
    """And what it offered is known to be missing, not unknown."""
    first = made("x", more={"made_x/more.py": ""})
    lock_of(first).write(tmp_path)
    if "version" in reason or "1.1" in reason:
        for path in (site / "made_x-1.0.dist-info").iterdir():
            path.unlink()
        (site / "made_x-1.0.dist-info").rmdir()
    change(made, site)
    rules = Rules.of(tmp_path)
    told = listed(rules, "x")
    assert told.state == "disabled"
    assert reason in told.reason
    assert Host(rules=rules).unavailable["x"] == f"disabled: {told.reason}"
    assert capsys.readouterr().out == ""


def test_what_the_machine_makes_of_a_distribution_is_no_change(made: Any, site: Path, tmp_path: Path) -> None:
    """Byte code, the installer's notes and scripts: the lock is for every machine."""
    lock_of(made("x")).write(tmp_path)
    info = site / "made_x-1.0.dist-info"
    (info / "INSTALLER").write_text("uv\n")
    (info / "direct_url.json").write_text('{"url": "file:///somewhere/x.whl", "archive_info": {}}')
    (info / "RECORD").write_text((info / "RECORD").read_text() + "../../../bin/x,sha256=abc,3\n")
    assert listed(Rules.of(tmp_path), "x").state == "active"


def test_a_project_worked_on_in_place_stays_approved_while_it_changes(made: Any, site: Path, tmp_path: Path) -> None:
    """Who approves such a one approves whatever it becomes."""
    one = made("x")
    (site / "made_x-1.0.dist-info" / "direct_url.json").write_text('{"url": "f", "dir_info": {"editable": true}}')
    assert contents.fingerprint(one) == contents.EDITABLE
    lock_of(one).write(tmp_path)
    made("x", more={"made_x/more.py": "1"})
    assert listed(Rules.of(tmp_path), "x").state == "active"


def test_the_lock_reads_what_it_wrote_and_writes_it_alike(made: Any, tmp_path: Path) -> None:
    """So that a commit shows what changed and nothing else; the order of what was approved first does not matter."""
    one, two = lock_of(made("x"), made("y")), lock_of(made("y"), made("x"))
    assert one.text() == two.text()
    one.write(tmp_path)
    assert Lock.read(tmp_path) == one
    assert (tmp_path / LOCK).read_text() == one.text()


WRONG = {
    "no JSON": ("{", "plugins.lock:1: not readable as JSON"),
    "a merge that was not finished": ("{\n<<<<<<< ours\n}", "plugins.lock:2: not readable as JSON: it has the marks"),
    "no object": ("[]", "plugins.lock:1: expected keys"),
    "a newer form": ('{"format": 2, "distributions": {}}', "plugins.lock:1: format: is of a newer gateway"),
    "an entry without a version": (
        '{"format": 1,\n"distributions": {\n"x": {"files": "",\n"approved": {"by": "a", "at": "b"}}}}',
        "plugins.lock:3: distributions.x.version: is missing",
    ),
}


@pytest.mark.parametrize(("text", "told"), WRONG.values(), ids=WRONG)
def test_a_lock_that_cannot_be_read_lets_nobody_in(made: Any, tmp_path: Path, text: str, told: str) -> None:
    """And says where, as every file does."""
    made("x")
    (tmp_path / LOCK).write_text(text)
    rules = Rules.of(tmp_path)
    assert str(rules.problems[0]).startswith(told)
    assert listed(rules, "x").reason.startswith(told)
    with pytest.raises(ConfigError):
        Lock.read(tmp_path)


def test_who_is_switched_off_is_listed_with_since_by_and_reason(made: Any, tmp_path: Path, capsys: Any) -> None:
    """Also while the lock approves it; what it offered is known."""
    made("x", source=TELLS)
    switched.write(tmp_path, {"x": Switched("2026-11-22T12:00:00Z", "anna", "they migrate", ["sink other"])})
    rules = Rules.of(tmp_path)
    told = listed(rules, "x")
    assert (told.state, told.reason, told.since) == ("disabled", "by anna: they migrate", "2026-11-22T12:00:00Z")
    assert Host(rules=rules).unavailable == {
        "x": "disabled: by anna: they migrate",
        "other": "disabled: by anna: they migrate",
    }
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("text", ["disabled: {x: }", "disabled: {x: {}}", "disabled: {x: {since: 2026-11-22}}"])
def test_a_hand_written_line_is_enough(made: Any, tmp_path: Path, text: str) -> None:
    """Somebody in a hurry writes as little as this."""
    made("x")
    (tmp_path / SWITCHES).write_text(text)
    assert listed(Rules.of(tmp_path), "x").state == "disabled"


@pytest.mark.parametrize(
    "text", ["disabled: [x]", "disbled: {x: }", "disabled: {x: {why: y}}", "disabled: {x: {since: y}}", "]"]
)
def test_a_switch_that_cannot_be_read_lets_nobody_in(made: Any, tmp_path: Path, text: str) -> None:
    """Rather too few than one that was meant to be off."""
    made("x")
    (tmp_path / SWITCHES).write_text(text)
    told = listed(Rules.of(tmp_path), "x")
    assert (told.state, told.reason.partition(":")[0]) == ("disabled", "plugins.yaml")


def test_names_that_nobody_has_are_told_with_what_may_be_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slip of the pen leaves on what was to be off, and off what was to be on."""
    monkeypatch.setenv("GATEWAY_PLUGINS", "files, fils, Gateway_Files:files, gateway-files:file")
    rules = Rules({SWITCHES: "disabled:\n  notify:\n  notfy:\n"})
    known = [("files", "Gateway_Files"), ("notify", "gateway-notify")]
    assert list(map(str, rules.strangers(known))) == [
        "plugins.yaml:3: disabled.notfy: no such plugin is installed; did you mean 'notify'?",
        "GATEWAY_PLUGINS: no plugin 'fils' is installed; did you mean 'files'?",
        "GATEWAY_PLUGINS: no plugin 'gateway-files:file' is installed",
    ]
    monkeypatch.delenv("GATEWAY_PLUGINS")
    assert list(Rules().strangers(known)) == []


def test_the_last_plugin_that_is_switched_on_takes_the_file_with_it(tmp_path: Path) -> None:
    """What is not there needs no reading."""
    switched.write(tmp_path, {"x": Switched()})
    assert (tmp_path / SWITCHES).exists()
    switched.write(tmp_path, {})
    assert not (tmp_path / SWITCHES).exists()


def test_each_plugin_is_told_of_before_it_is_imported(made: Any) -> None:
    """Whoever watches the loading knows who hangs."""
    made("x")
    told: list[str] = []
    Host([pair for pair in installed() if pair[0].name in ("x", "weighted")], loading=lambda one: told.append(one.name))
    assert told == ["weighted", "x"]


def test_changed_files_are_named(made: Any, site: Path) -> None:
    """Held against the distribution's own RECORD."""
    one = made("x", more={"made_x/more.py": "", "made_x/gone.py": ""})
    assert contents.changed(one) == []
    (site / "made_x" / "more.py").write_text("1")
    (site / "made_x" / "gone.py").unlink()
    assert contents.changed(one) == ["made_x/gone.py is gone", "made_x/more.py has changed"]


def test_the_lock_is_plain_json(made: Any, tmp_path: Path) -> None:
    """Other programs may read it; a person can, too."""
    lock_of(made("x")).write(tmp_path)
    data = json.loads((tmp_path / LOCK).read_text())
    assert data["format"] == 1
    assert data["distributions"]["made-x"]["plugins"] == {"x": ["sink x"]}
