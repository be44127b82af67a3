"""Runs a plugin's own tests in a process of their own. In: a plugin's distribution. Out: its pass sheet."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import Distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from gateway.errors import NotFound, Refused

ENDED, FAILED = 0, 1
"""What pytest ends with when it could run the tests, all of them good or some not."""


def place_of(distribution: Distribution, module: str, folder: Path | None = None, origin: str = "") -> Path:
    """The folder with a plugin's tests: ``folder``, else ``tests`` beside the source it was installed from, else those
    inside its package. ``origin``: where that source is, if it is known. Raises ``NotFound`` with all places looked at.
    """
    looked = []
    known = [Path(unquote(origin.removeprefix("file://"))) / "tests"] if origin else []
    for place in [folder] if folder is not None else [*known, *_places(distribution, module)]:
        if place.is_dir() and any(place.rglob("test_*.py")):
            return place
        looked.append(str(place))
    name = distribution.metadata["Name"]
    where = next((f" ({url})" for url in _sources(distribution)), "")
    raise NotFound(
        f"no tests of {name} in {' or '.join(looked) or 'its installed files'}: a wheel brings none. They are in its "
        f"source{where}: get that, and name the folder of its tests, as in `gateway plugins test {name} SOURCE/tests`; "
        f"`gateway plugins check {name}` looks at what is installed"
    )


def run(folder: Path, every: bool, arguments: Sequence[str] = ()) -> tuple[dict[str, Any], str]:
    """Run the contract suites of a folder of tests, or ``every`` test of it. Gives the pass sheet and what pytest said.

    Raises ``Refused`` where pytest is missing, or could not run them.
    """
    if find_spec("pytest") is None:
        raise Refused("pytest is not installed here: pip install 'lead-gateway[test]'")
    with tempfile.TemporaryDirectory() as made:
        sheet = Path(made) / "sheet.json"
        command = [sys.executable, "-m", "pytest", str(folder), "--gateway-sheet", str(sheet), "-q", *arguments]
        command += [] if every else ["--gateway-contracts"]
        ended = subprocess.run(
            command, cwd=_home(folder), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        if ended.returncode not in (ENDED, FAILED) and not (sheet.exists() and ended.returncode == 5):
            raise Refused(f"pytest could not run the tests in {folder}:\n{ended.stdout.strip()}")
        told: dict[str, Any] = json.loads(sheet.read_text(encoding="utf-8"))
    return told | {"ok": told["ok"] and ended.returncode == ENDED}, ended.stdout


def _sources(distribution: Distribution) -> Iterator[str]:
    """Where its metadata says that its source is, the likeliest first."""
    told = [line.partition(",") for line in distribution.metadata.get_all("Project-URL") or ()]
    urls = {label.strip().lower(): url.strip() for label, _, url in told}
    yield from (urls[one] for one in ("source", "source code", "repository", "homepage") if one in urls)
    yield from distribution.metadata.get_all("Home-page") or ()


def _places(distribution: Distribution, module: str) -> list[Path]:
    places = []
    with contextlib.suppress(TypeError, ValueError):  # not installed from a place that it names
        origin: Mapping[str, Any] = json.loads(distribution.read_text("direct_url.json") or "")
        parts = urlsplit(str(origin.get("url")))
        if parts.scheme == "file":
            places.append(Path(unquote(parts.path)) / "tests")
    top = module.partition(":")[0].partition(".")[0]
    found = distribution.locate_file(top)
    return [*places, Path(str(found))]


def _home(folder: Path) -> Path:
    """Where the tests' own pytest settings are: the nearest folder above that has some, else the tests' own."""
    for place in (folder, *folder.parents):
        if any((place / name).is_file() for name in ("tox.ini", "pytest.ini", "pyproject.toml", "setup.cfg")):
            return place
    return folder
