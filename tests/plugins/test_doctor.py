"""The plugin's own part of `gateway plugins check`: what loading showed, what is on disk, what was approved."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import NotFound, Refused
from gateway.plugins.approving import (
    affected,
    approved_now,
    away,
    differences,
    distribution_of,
    merged,
    unlike,
    wanted,
    with_origins,
)
from gateway.plugins.contents import fingerprint, fingerprint_of
from gateway.plugins.doctor import of_plugin
from gateway.plugins.lock import Approved, Lock
from gateway.plugins.pip import Change
from gateway.plugins.probe import Seen
from gateway.plugins.rules import Rules


def seen(state: str = "active", reason: str = "", **more: Any) -> Seen:
    given = {"offers": ["sink x"] if state == "active" else [], **more}
    return Seen("x", "made_x", "made-x", "1.0", "<2,>=1", state, reason, **given)


STATES = {
    "works": (seen(), {"loading": ("ok", "offers sink x")}),
    "broken": (
        seen("broken", "import failed", since="2026-11-22T10:00:00+00:00"),
        {"loading": ("wrong", "broken since 2026-11-22 10:00:00 UTC: import failed")},
    ),
    "for another version": (
        seen("incompatible", "wants lead-gateway>=2"),
        {"hook API": ("wrong", "wants lead-gateway>=2"), "loading": ("not tried", "it is incompatible")},
    ),
    "switched off": (
        seen("disabled", "by anna", since="2026-11-22"),
        {"loading": ("not tried", "it is disabled since 2026-11-22: by anna")},
    ),
    "quarantined at work": (
        seen("quarantined", "read raised KeyError", since="2026-11-22", offers=["source x"]),
        {"state": ("wrong", "quarantined since 2026-11-22: read raised"), "loading": ("ok", "offers source x")},
    ),
    "quarantined at loading": (
        seen("quarantined", "import ended the process"),
        {"state": ("wrong", "quarantined: import"), "loading": ("not tried", "it is quarantined")},
    ),
    "contested": (seen(reason="plugins 'x' and 'y' both offer"), {"names": ("wrong", "plugins 'x' and 'y'")}),
    "old hooks": (seen(deprecations=["x.py:3: goes in 2.0"]), {"hooks": ("ok", "they still work, but x.py:3")}),
    "odd schema": (seen(wrong="ValueError"), {"settings schema": ("wrong", "asking for it raised ValueError")}),
}


@pytest.mark.parametrize(("one", "told"), STATES.values(), ids=STATES)
def test_each_state_is_told_as_what_it_is(one: Seen, told: dict[str, tuple[str, str]]) -> None:
    """Wrong is what somebody must mend; what was not tried says why."""
    found = {finding.about: (finding.state, finding.told) for finding in of_plugin(one, None, Rules(), True)}
    for about, (state, words) in told.items():
        assert found[about][0] == state
        assert found[about][1].startswith(words)
    wrong = {about for about, (state, _) in found.items() if state == "wrong"}
    assert wrong == {about for about, (state, _) in told.items() if state == "wrong"}


def findings(distribution: Distribution, lock: Lock | None, in_instance: bool = True) -> dict[str, list[str]]:
    told: dict[str, list[str]] = {}
    rules = Rules()
    rules.lock = lock
    for one in of_plugin(seen(), distribution, rules, in_instance):
        told.setdefault(one.about, []).append(f"{one.state}: {one.told}")
    return told


def test_files_and_approval_are_looked_at(made: Any, site: Path) -> None:
    """Without a lock nothing was approved, and nothing had to be; what came with a plugin is held to it, too."""
    one = made("x", more={"made_x/more.py": ""})
    assert findings(one, None)["files"] == ["ok: made-x 1.0, as installed"]
    assert findings(one, None)["approval"][0].startswith("not tried: there is no plugins.lock")
    assert findings(one, None, in_instance=False)["approval"] == ["not tried: no instance is given"]
    lock = merged(None, approved_now(["made-x"], "anna", "2026-11-22"))
    assert findings(one, lock)["approval"] == ["ok: by anna at 2026-11-22"]
    (site / "made_x" / "more.py").unlink()
    told = findings(one, lock)
    assert told["files"][0].startswith("wrong: made_x/more.py is gone; `gateway plugins install --locked`")
    assert told["approval"][0].startswith("wrong: its files are not those approved")
    assert "`gateway plugins install --again made-x`" in findings(one, None)["files"][0]
    came_from = {"url": f"file://{site}", "dir_info": {}}
    (site / "made_x-1.0.dist-info" / "direct_url.json").write_text(json.dumps(came_from))
    assert f"`gateway plugins install --again {site}`" in findings(one, None)["files"][0]
    (site / "made_x-1.0.dist-info" / "direct_url.json").unlink()
    (site / "made_x" / "more.py").touch()
    needs = {"pluggy": {"version": "0.1"}, "made-gone": {"version": "1.0"}}
    entry = Approved("1.0", lock.distributions["made-x"].files, {"x": []}, "anna", "now", needs=needs)
    told = findings(one, Lock({"made-x": entry}))
    assert [line.partition(" came")[0] for line in told["approval"]] == [
        "ok: by anna at now",
        "wrong: pluggy",
        "wrong: made-gone",
    ]
    assert told["approval"][2].endswith("as 1.0, and is not installed")


def test_a_file_that_was_added_is_found(made: Any, site: Path) -> None:
    """Python imports it as any other; what another distribution brought into the same package is its own."""
    one = made("x", more={"made_x/part/__init__.py": ""})
    lock = merged(None, approved_now(["made-x"], "anna", "now"))
    made("y", more={"made_x/of_y.py": ""})
    (site / "made_x" / "__pycache__").mkdir()
    (site / "made_x" / "__pycache__" / "part.cpython-311.pyc").touch()
    assert findings(one, lock)["files"] == ["ok: made-x 1.0, as installed"]
    (site / "made_x" / "part" / "evil.pyc").touch()
    assert findings(one, lock)["files"][0].startswith("wrong: made_x/part/evil.pyc was added, which no installer")
    assert "made_x/part/evil.pyc was added; delete" in findings(one, lock)["approval"][0]
    with pytest.raises(Refused, match=r"delete them first:\n  made-x: made_x/part/evil\.pyc$"):
        wanted(lock)


def test_what_a_new_lock_would_change_is_told(made: Any, site: Path) -> None:
    """Who approved what has not changed stays; what RECORD does not say is pointed out before it is approved."""
    made("x")
    made("y")
    old = merged(None, approved_now(["made-x", "made-y"], "anna", "before"))
    assert list(differences(None, old)) == ["made-x 1.0 (plugin x)", "made-y 1.0 (plugin y)"]
    (site / "made_y" / "__init__.py").write_text("print('evil')")
    new = merged(old, approved_now(["made-x", "made-y"], "bert", "now"))
    assert (new.distributions["made-x"].by, new.distributions["made-y"].by) == ("anna", "bert")
    assert list(differences(old, new)) == [
        "made-y 1.0 (plugin y): its files have changed; not as its own RECORD says: made_y/__init__.py has changed"
    ]
    assert list(differences(old, merged(old, {}, {"made-x"}))) == ["made-x 1.0: no longer"]


KNOWN = Approved("1.0", "sha256:f", {}, "a", "b", archive={"sha256": "aa"}, needs={"lib": {"version": "2"}})
CHANGES: dict[str, tuple[Any, Any]] = {
    "the same archive": (("Made_X", "1.0", "aa", "sha256:f"), None),
    "another version": (("made-x", "1.1", "aa", "sha256:f"), "made-x 1.1 from somewhere: approved is 1.0"),
    "another archive": (("made-x", "1.0", "bb", "sha256:f"), "made-x 1.0 from somewhere with hash bb: approved is aa"),
    "other files": (("made-x", "1.0", "aa", "sha256:g"), "made-x 1.0 from somewhere: its files are not those approved"),
    "built of a folder, alike": (("made-x", "1.0", "bb", "sha256:f", True), None),
    "built of a folder, otherwise": (
        ("made-x", "1.0", "bb", "sha256:g", True),
        "its files are not those approved; it was",
    ),
    "what came with it": (("lib", "2", "any", "sha256:any"), None),
    "what came with it, of another version": (("lib", "3", "any", ""), "lib 3 from somewhere: approved is 2"),
    "what nobody approved": (("z", "1", "c", ""), "z 1 from somewhere is not in it"),
}


@pytest.mark.parametrize(("given", "told"), CHANGES.values(), ids=CHANGES)
def test_what_is_not_what_the_lock_approves_is_named(given: Any, told: str | None) -> None:
    """By version, by hash, by its files, or because nobody approved it."""
    name, then, sha256, files, built = (*given, False)[:5]
    change = Change(name, "", then, "somewhere", sha256, Path(), files=files, built=built)
    found = list(unlike(Lock({"made-x": KNOWN}), [change]))
    assert len(found) == (told is not None)
    assert not found or (told or "") in found[0]


def test_without_a_hash_of_the_archive_the_files_count() -> None:
    """As in a lock made of what was installed already."""
    lock = Lock({"made-x": replace(KNOWN, archive={})})
    assert not list(unlike(lock, [Change("made-x", "", "1.0", "here", "any", Path(), files="sha256:f")]))
    assert list(unlike(lock, [Change("made-x", "", "1.0", "here", "any", Path(), files="sha256:g")]))


def test_what_is_not_here_as_it_was_approved_is_wanted(made: Any, site: Path, tmp_path: Path) -> None:
    """Gone, of another version, with other files, or without what came with it; from where it came, if that is here."""
    for name in "abc":
        made(name)
    approved = dict(merged(None, approved_now(["made-a", "made-b", "made-c"], "anna", "now")).distributions)
    assert wanted(Lock(approved)) == ([], [])
    approved["made-a"] = replace(approved["made-a"], needs={"pluggy": {"version": "0.1"}, "gone": {"version": "1"}})
    (site / "made_b" / "__init__.py").write_text("print('evil')")
    approved["made-c"] = replace(approved["made-c"], version="0.9", archive={"source": "/nowhere"})
    approved["made-d"] = replace(approved["made-c"], archive={"source": tmp_path.as_uri()})
    missing = ["made-c==0.9", tmp_path.as_uri(), "pluggy==0.1", "gone==1"]
    assert wanted(Lock(approved)) == (missing, ["made-b==1.0"])
    assert list(away(Lock(approved), missing)) == ["made-c 0.9 came from /nowhere, which is not here"]


@pytest.mark.parametrize(("files", "why"), [("editable", "as a project worked"), ("", "without knowing its")])
def test_what_cannot_be_brought_back_is_said_before_anything_is_done(files: str, why: str) -> None:
    """A wheel of that version would not be what was approved."""
    with pytest.raises(Refused, match=f"made-x 1.0 was approved {why}"):
        wanted(Lock({"made-x": replace(KNOWN, files=files)}))


def test_a_wheel_has_the_fingerprint_that_it_will_have_when_it_is_installed(made: Any, site: Path) -> None:
    """Files from where a wheel keeps those for other places count by where they go; scripts and notes do not."""
    one = made("x", more={"made_x/more.py": "more = 1"})
    whole = site / "x.whl"
    with zipfile.ZipFile(whole, "w") as wheel:
        for path in (site / "made_x-1.0.dist-info").iterdir():
            wheel.write(path, f"made_x-1.0.dist-info/{path.name}")
        wheel.write(site / "made_x" / "__init__.py", "made_x/__init__.py")
        wheel.write(site / "made_x" / "more.py", "made_x-1.0.data/purelib/made_x/more.py")
        wheel.writestr("made_x-1.0.data/scripts/x", "#!python")
        wheel.writestr("made_x-1.0.dist-info/WHEEL", "Generator: another")
    assert fingerprint_of(whole) == fingerprint(one)


def test_what_came_with_a_plugin_is_written_down_without_what_the_gateway_brings(made: Any, site: Path) -> None:
    """And so a new version of it is something to approve, with the hash of what stayed."""
    for name, needs in (("lib", "made-deep\nRequires-Dist: made-not-there"), ("deep", "pluggy"), ("y", "pluggy")):
        made(name)
        meta = site / f"made_{name}-1.0.dist-info" / "METADATA"
        meta.write_text(f"{meta.read_text()}Requires-Dist: {needs}\n")
        if name != "y":
            (meta.parent / "entry_points.txt").unlink()
    made("x")
    meta = site / "made_x-1.0.dist-info" / "METADATA"
    meta.write_text(
        f"{meta.read_text()}Requires-Dist: Made_Lib\nRequires-Dist: made-y\nRequires-Dist: none; extra == 'z'"
    )
    old = merged(None, approved_now(["made-x"], "anna", "before"))
    assert {name: told["version"] for name, told in old.distributions["made-x"].needs.items()} == {
        "made-deep": "1.0",
        "made-lib": "1.0",
    }
    assert next(differences(None, old)).startswith("made-x 1.0 (plugin x); with made-deep 1.0, with made-lib 1.0")
    known = with_origins(
        old, [Change("made_deep", "", "1.0", "u", "dd", Path()), Change("made-x", "", "1.0", "v", "xx", Path())]
    )
    (site / "made_lib-1.0.dist-info").rename(site / "made_lib-1.1.dist-info")
    meta = site / "made_lib-1.1.dist-info" / "METADATA"
    meta.write_text(meta.read_text().replace("Version: 1.0", "Version: 1.1"))
    new = merged(known, approved_now(["made-x"], "bert", "now"))
    assert next(differences(known, new)).startswith("made-x 1.0 (plugin x); with made-lib 1.1 (was 1.0)")
    entry = new.distributions["made-x"]
    assert (entry.by, entry.archive["sha256"], entry.needs["made-deep"]["sha256"]) == ("bert", "xx", "dd")
    assert affected(known, [Change("made-lib", "1.0", "1.1", "u", "l", Path())]) == {"made-x"}
    (site / "made_x" / "__init__.py").write_text("print('evil')")
    assert affected(known, [Change("made-lib", "1.0", "1.1", "u", "l", Path())]) == set()


def test_a_lock_that_cannot_be_read_is_wrong_and_not_missing(made: Any) -> None:
    """It keeps everybody out; a file of switches that cannot be read says nothing of approvals."""
    one = made("x")
    told = {one.about: one for one in of_plugin(seen(), one, Rules({"plugins.lock": "{"}), True)}
    assert told["approval"].state == "wrong"
    assert told["approval"].told.startswith("plugins.lock:1: not readable as JSON")
    told = {one.about: one for one in of_plugin(seen(), one, Rules({"plugins.yaml": "]"}), True)}
    assert told["approval"].state == "not tried"


def test_a_name_that_two_have_means_neither(made: Any, site: Path) -> None:
    """What is uninstalled or approved must be what was meant."""
    made("x")
    made("y")
    (site / "made_y-1.0.dist-info" / "entry_points.txt").write_text("[lead_gateway]\nx = made_y\n")
    with pytest.raises(NotFound, match="x is a plugin of made-x and of made-y; name one of these"):
        distribution_of("x")
    assert {distribution_of(one).metadata["Name"] for one in ("made-y", "Made_Y", "made_y:x")} == {"made-y"}
