"""Plugins installed, approved, upgraded, tampered with, put back and uninstalled, in an environment of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import pytest

PYPROJECT = '[build-system]\nrequires = ["setuptools>=77"]\nbuild-backend = "setuptools.build_meta"\n'
PLUGIN = """
from gateway.contracts import Sink
from gateway.hookspecs import hookimpl


class MadeSink(Sink):
    def __init__(self, settings, context):
        pass

    def describe(self, object):
        return {{}}

    def calls(self, writes):
        return []

    def deliver(self, call):
        return []


@hookimpl
def register_sinks(register):
    register("acme", MadeSink)


VERSION = {version!r}
"""


class Place:
    """An environment without plugins of its own, where all that is installed here can be seen, and an instance."""

    def __init__(self, folder: Path, borrowed: Path) -> None:
        self.folder, self.wheels, self.root = folder, folder / "wheels", folder / "instance"
        venv.create(folder / "env")
        self.python = folder / "env" / "bin" / "python"
        self.site = next((folder / "env").glob("lib/python*/site-packages"))
        (self.site / "borrowed.pth").write_text(f"import site; site.addsitedir({str(borrowed)!r})\n")
        self.root.mkdir()
        self.write("")

    def write(self, systems: str) -> None:
        head = "instance: {name: Example, zone: UTC, currency: EUR}\n"
        (self.root / "gateway.yaml").write_text(head + systems)

    def wheel(self, name: str, version: str, needs: str = "", plugin: bool = True) -> Path:
        """Build a distribution ``made-<name>``; returns its wheel."""
        return self.built(self.source(name, version, needs, plugin))

    def built(self, folder: Path) -> Path:
        before = set(self.wheels.glob("*.whl"))
        build = (sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index")
        subprocess.run([*build, "--wheel-dir", self.wheels, folder], check=True, capture_output=True)
        return (set(self.wheels.glob("*.whl")) - before).pop()

    def source(self, name: str, version: str, needs: str = "", plugin: bool = True) -> Path:
        folder = self.folder / f"{name}-{version}"
        (folder / f"made_{name}").mkdir(parents=True)
        (folder / f"made_{name}" / "__init__.py").write_text(PLUGIN.format(version=version) if plugin else "")
        (folder / "pyproject.toml").write_text(PYPROJECT)
        offered = f"[options.entry_points]\nlead_gateway =\n    acme = made_{name}\n" if plugin else ""
        (folder / "setup.cfg").write_text(
            f"[metadata]\nname = made-{name}\nversion = {version}\n[options]\npackages = made_{name}\n"
            f"install_requires =\n    lead-gateway>=1,<2\n    {needs}\n{offered}"
        )
        return folder

    def pip(self, *arguments: object) -> None:
        subprocess.run([self.python, "-m", "pip", *map(str, arguments)], check=True)

    def run(self, *arguments: object, code: int = 0) -> Any:
        done = subprocess.run(
            [self.python, "-m", "gateway", "-C", self.root, *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            cwd=self.folder,
            # setuptools is taken from here, not fetched: of the last one's values, pip reads 0 as "without isolation"
            env={**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.wheels), "PIP_NO_BUILD_ISOLATION": "0"},
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def json(self, *arguments: object, code: int = 0) -> Any:
        return json.loads(self.run(*arguments, "--json", code=code).stdout)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    pytest.importorskip("pip")
    borrowed = Path(pytest.__file__).parents[1]
    return Place(tmp_path_factory.mktemp("place"), borrowed)


@pytest.mark.slow
def test_a_plugin_from_its_wheel_to_its_end(place: Place) -> None:
    """Shown before it is done, approved with its hash, upgraded, tampered with and found out, put back, uninstalled."""
    first, helper = place.source("acme", "1.0", "made-helper>=1"), place.wheel("helper", "1.0", plugin=False)

    # What would change is said, and nothing is done.
    planned = place.json("plugins", "install", first)
    assert planned["installed"] is False
    assert [(one["name"], one["now"], one["then"], one["plugins"]) for one in planned["changes"]] == [
        ("made-acme", "", "1.0", ["acme"]),
        ("made-helper", "", "1.0", []),
    ]
    assert not (place.root / "plugins.lock").exists()
    assert not list(place.site.glob("made_*"))

    installed = place.json("plugins", "install", first, "--yes", "--by", "anna")
    assert installed.keys() == {"changes", "approves", "installed", "plugins"}
    assert [(one["name"], one["state"], one["offers"]) for one in installed["plugins"]] == [
        ("acme", "active", ["sink acme"])
    ]
    lock = json.loads((place.root / "plugins.lock").read_text())["distributions"]
    entry = lock["made-acme"]
    assert (entry["version"], entry["plugins"], entry["approved"]["by"]) == ("1.0", {"acme": ["sink acme"]}, "anna")
    assert entry["archive"]["source"] == str(first)  # a folder: the wheel that was built of it has a hash
    assert entry["needs"]["made-helper"] == {"version": "1.0", "sha256": planned["changes"][1]["sha256"]}
    assert set(lock) > {"made-acme", "gateway-files"}  # who was there when the lock was begun is approved, too

    # It runs.
    place.write("systems:\n  crm:\n    plugin: acme\n    outbound: off\n")
    (place.root / "mappings").mkdir()
    (place.root / "mappings" / "crm.yaml").write_text(
        "system: crm\nobjects: {c: {kind: person, id: id, fields: {e: email}}}\n"
    )
    assert "crm: plugin acme (sink)" in place.run("check").stdout

    # A file is changed by hand: it is not loaded, the doctor names it, its system is told as such.
    module = place.site / "made_acme" / "__init__.py"
    module.write_text(module.read_text() + "\nprint('evil')\n")
    doctor = place.run("plugins", "check", "acme", code=1)
    assert "made_acme/__init__.py has changed" in doctor.stdout
    assert "its files are not those approved in plugins.lock" in doctor.stdout
    assert "evil" not in doctor.stdout
    again = place.json("plugins", "install", first, "--again", "--yes")
    assert [one["state"] for one in again["plugins"]] == ["active"]

    second = place.wheel("acme", "1.1", "made-helper>=1")
    upgraded = place.json("plugins", "install", "made-acme", "--upgrade", "--yes")
    assert [(one["name"], one["now"], one["then"]) for one in upgraded["changes"]] == [("made-acme", "1.0", "1.1")]
    assert [one["state"] for one in upgraded["plugins"]] == ["active"]

    lock = json.loads((place.root / "plugins.lock").read_text())["distributions"]
    assert lock["made-acme"]["archive"]["source"] == second.as_uri()

    # Elsewhere the lock alone says what to install, also one that knows no archive; it stays as it is.
    (place.root / "plugins.lock").unlink()
    place.run("plugins", "lock", "--yes", "--by", "bert")
    whole = (place.root / "plugins.lock").read_text()
    assert "archive" not in json.loads(whole)["distributions"]["made-acme"]
    place.pip("uninstall", "-qy", "made-acme", "made-helper")
    locked = place.json("plugins", "install", "--locked", "--yes")
    assert {(one["name"], one["then"]) for one in locked["changes"]} == {("made-acme", "1.1"), ("made-helper", "1.0")}
    assert [one["state"] for one in locked["plugins"]] == ["active"]
    module.write_text(module.read_text() + "\nprint('evil')\n")
    locked = place.json("plugins", "install", "--locked", "--yes")
    assert [(one["name"], one["now"], one["then"]) for one in locked["changes"]] == [("made-acme", "1.1", "1.1")]
    assert json.loads(whole) == json.loads((place.root / "plugins.lock").read_text())

    # What is only called the same is refused.
    (place.folder / "acme-1.1" / "made_acme" / "__init__.py").write_text("print('evil')\n")
    second.unlink()
    place.built(place.folder / "acme-1.1")
    place.pip("uninstall", "-qy", "made-acme")
    refused = place.run("plugins", "install", "--locked", "--yes", code=1).stderr
    assert f"made-acme 1.1 from {second.as_uri()}: its files are not those approved" in refused
    assert (place.root / "plugins.lock").read_text() == whole
    assert not (place.site / "made_acme").exists()

    # A folder is built anew: another archive, the same files.
    place.run("plugins", "install", os.path.relpath(first, place.folder) + "/.", "--yes")
    place.pip("uninstall", "-qy", "made-acme")
    assert "built of" in place.run("plugins", "install", "--locked", "--yes").stdout
    assert place.json("plugins", "install", "--locked") == {"changes": [], "approves": [], "installed": False}

    # Used, it stays; then it goes, with its approval.
    used = place.run("plugins", "uninstall", "acme", "--yes", code=1).stderr
    assert "gateway.yaml:4: system crm" in used
    place.write("")
    (place.root / "mappings" / "crm.yaml").unlink()
    gone = place.json("plugins", "uninstall", "acme", "--yes")
    assert gone == {"uninstalled": "made-acme", "version": "1.0", "plugins": ["acme"], "stays": ["made-helper 1.0"]}
    assert not (place.site / "made_acme").exists()
    assert "made-acme" not in json.loads((place.root / "plugins.lock").read_text())["distributions"]
    assert helper.exists()


@pytest.mark.slow
def test_what_pip_refuses_is_told_readably_and_nothing_is_changed(place: Place) -> None:
    """Also what would break another distribution, of which pip itself only warns, and then afterwards."""
    place.wheel("lib", "1.0", plugin=False)
    place.wheel("lib", "2.0", plugin=False)
    place.wheel("old", "1.0", "made-lib<2", plugin=False)
    clash = place.wheel("clash", "1.0", "made-old\n    made-lib>=2")
    refused = place.run("plugins", "install", clash, code=1).stderr
    assert "made-old 1.0 depends on made-lib<2" in refused
    place.pip("install", "-q", "--no-index", "-f", place.wheels, "made-old")
    refused = place.run("plugins", "install", "made-lib", "--upgrade", code=1).stderr
    assert "made-old 1.0 needs made-lib<2, and made-lib would be 2.0" in refused
    assert not (place.site / "made_clash").exists()
