"""Distributions made on disk as an installer leaves them, so that nothing has to be installed to be found."""

from __future__ import annotations

import base64
import hashlib
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import Distribution, PathDistribution
from pathlib import Path

import pytest

SINK = """
from gateway.hookspecs import hookimpl

@hookimpl
def register_sinks(register):
    register({name!r}, dict)
"""
Make = Callable[..., Distribution]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of installed distributions, on the path of this process."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    before = set(sys.modules)
    yield folder
    for name in set(sys.modules) - before:
        if name.startswith("made_"):
            del sys.modules[name]


@pytest.fixture
def made(site: Path) -> Make:
    """``made("x")``: the distribution made-x with the plugin x in the package made_x, which offers a sink x."""

    def make(
        name: str, version: str = "1.0", source: str | None = None, more: Mapping[str, str] | None = None
    ) -> Distribution:
        package, info = f"made_{name}", f"made_{name}-{version}.dist-info"
        files = {
            f"{package}/__init__.py": SINK.format(name=name) if source is None else source,
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: made-{name}\nVersion: {version}\n"
            "Requires-Dist: lead-gateway>=1,<2\n",
            f"{info}/entry_points.txt": f"[lead_gateway]\n{name} = {package}\n",
            **(more or {}),
        }
        rows = []
        for path, text in files.items():
            (site / path).parent.mkdir(parents=True, exist_ok=True)
            (site / path).write_text(text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            rows.append(f"{path},sha256={digest},{len(text)}")
        (site / info / "INSTALLER").write_text("pip\n")
        rows += [f"{info}/RECORD,,", f"{info}/INSTALLER,,", f"{package}/__pycache__/__init__.cpython-311.pyc,,"]
        (site / info / "RECORD").write_text("\n".join(rows) + "\n")
        return PathDistribution(site / info)

    return make
