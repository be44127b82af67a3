"""The plugin's own part of `gateway plugins check`: what loading showed, what is on disk, what was approved."""

from __future__ import annotations

from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

import pytest

from gateway.plugins.approving import approved_now, differences, merged, unlike
from gateway.plugins.doctor import of_plugin
from gateway.plugins.lock import Approved, Lock
from gateway.plugins.pip import Change
from gateway.plugins.probe import Seen


def seen(state: str = "active", reason: str = "", **more: Any) -> Seen:
    given = {"offers": ["sink x"] if state == "active" else [], **more}
    return Seen("x", "made_x", "made-x", "1.0", "<2,>=1", state, reason, **given)


STATES = {
    "works": (seen(), {"loading": ("ok", "offers sink x")}),
    "broken": (seen("broken", "import failed"), {"loading": ("wrong", "import failed")}),
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
    found = {finding.about: (finding.state, finding.told) for finding in of_plugin(one, None, None, True)}
    for about, (state, words) in told.items():
        assert found[about][0] == state
        assert found[about][1].startswith(words)
    wrong = {about for about, (state, _) in found.items() if state == "wrong"}
    assert wrong == {about for about, (state, _) in told.items() if state == "wrong"}


def findings(distribution: Distribution, lock: Lock | None, in_instance: bool = True) -> dict[str, list[str]]:
    told: dict[str, list[str]] = {}
    for one in of_plugin(seen(), distribution, lock, in_instance):
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
    assert told["files"][0].startswith("wrong: made_x/more.py is gone; `gateway plugins install --again made-x`")
    assert told["approval"][0].startswith("wrong: its files are not those approved")
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


def test_what_is_not_what_the_lock_approves_is_named() -> None:
    """By version, by hash, or because nobody approved it; without a known hash the version counts."""
    entry = Approved("1.0", "", {}, "a", "b", archive={"sha256": "aa"}, needs={"lib": {"version": "2", "sha256": ""}})
    lock = Lock({"made-x": entry})

    def change(name: str, then: str, sha256: str) -> Change:
        return Change(name, "", then, "somewhere", sha256, Path())

    assert list(unlike(lock, [change("Made_X", "1.0", "aa"), change("lib", "2", "any")])) == []
    assert list(
        unlike(lock, [change("made-x", "1.1", "aa"), change("made-x", "1.0", "bb"), change("z", "1", "c")])
    ) == [
        "made-x 1.1 with hash aa; approved is 1.0 with aa",
        "made-x 1.0 with hash bb; approved is 1.0 with aa",
        "z 1 is not in it",
    ]
