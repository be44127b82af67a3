"""What a distribution has on disk, held against its own RECORD: a fingerprint for the lock, and the files that changed.

Only what the plugin is counts: byte code, scripts made at installing and the installer's own notes differ from machine
to machine, and are left out.
"""

from __future__ import annotations

import base64
import contextlib
import csv
import hashlib
import json
import os
import re
import zipfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any
from urllib.parse import unquote

EDITABLE = "editable"
"""The fingerprint of a project that is worked on where it lies: what it is may change at any time."""
UNKNOWN = ""
"""The fingerprint of a distribution without RECORD."""
_NOTES = ("INSTALLER", "RECORD", "REQUESTED", "WHEEL", "direct_url.json", "RECORD.jws", "RECORD.p7s")


def fingerprint(distribution: Distribution) -> str:
    """``sha256:…`` over the names and contents of its files; ``EDITABLE`` or ``UNKNOWN`` where that says nothing."""
    if editable(distribution):
        return EDITABLE
    recorded = [path for path, _ in _recorded(distribution)]
    return _over({path: _content(distribution, path) for path in (*recorded, *added(distribution))})


def fingerprint_of(wheel: Path) -> str:
    """What ``fingerprint`` says of the wheel once it is installed."""
    found = {}
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            path = re.sub(r"^[^/]+\.data/(purelib|platlib)/", "", name)
            if _counts(path) and not path.endswith("/") and not re.match(r"[^/]+\.data/", path):
                with archive.open(name) as stream:
                    found[path] = hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]
    return _over(found)


def changed(distribution: Distribution) -> list[str]:
    """Its files that are gone, or are not what RECORD says, in words: ``gateway_x/sink.py has changed``."""
    wrong = []
    for path, recorded in sorted(_recorded(distribution)):
        if not (content := _content(distribution, path)):
            wrong.append(f"{path} is gone")
        elif recorded and content != recorded:
            wrong.append(f"{path} has changed")
    return [*wrong, *(f"{path} was added, which no installer takes away: delete it" for path in added(distribution))]


def added(distribution: Distribution) -> list[str]:
    """Files in its packages that neither its own RECORD nor another distribution's names: Python would import them."""
    recorded = {path for path, *_ in csv.reader((distribution.read_text("RECORD") or "").splitlines())}
    roots = {path.partition("/")[0] for path in recorded if path.count("/") == 1 and path.endswith("/__init__.py")}
    found = {path for root in sorted(roots) for path in _below(str(distribution.locate_file(root)), root)} - recorded
    if found:  # rare, so that this may take its time: a package may be made of several distributions
        for other in distributions():
            found -= {str(file) for file in other.files or ()}
    return sorted(found)


def changed_at(distribution: Distribution) -> str:
    """When its files were last written, what the installer notes included: ISO time by the second; "" = unknown."""
    times = []
    recorded = [path for path, *_ in csv.reader((distribution.read_text("RECORD") or "").splitlines())]
    for path in (*recorded, *added(distribution)):
        if not path.startswith(("..", "/")) and not path.endswith(".pyc"):
            with contextlib.suppress(OSError):
                times.append(os.stat(str(distribution.locate_file(path))).st_mtime)
    return f"{datetime.fromtimestamp(max(times), UTC):%Y-%m-%dT%H:%M:%SZ}" if times else ""


def editable(distribution: Distribution) -> bool:
    """Whether it is a project installed with ``pip install -e``."""
    info = _direct(distribution).get("dir_info")
    return isinstance(info, Mapping) and bool(info.get("editable"))


def came_from(distribution: Distribution) -> str:
    """The folder or file here that it was installed from; "" when that is not here, or was an index."""
    url = _direct(distribution).get("url")
    path = unquote(url.removeprefix("file://")) if isinstance(url, str) and url.startswith("file:///") else ""
    return path if path and os.path.exists(path) else ""


def _below(folder: str, name: str) -> Iterator[str]:
    """Every file of ``folder`` but byte code that Python keeps, as RECORD would write it: ``name/…``."""
    for where, folders, files in os.walk(folder):
        folders[:] = [one for one in folders if one != "__pycache__"]
        inner = os.path.relpath(where, folder).replace(os.sep, "/")
        yield from (f"{name}/{file}" if inner == "." else f"{name}/{inner}/{file}" for file in files)


def _direct(distribution: Distribution) -> Mapping[str, Any]:
    """What the installer noted of where it came from, if that was no index."""
    try:
        told = json.loads(distribution.read_text("direct_url.json") or "{}")
    except ValueError:
        return {}
    return told if isinstance(told, Mapping) else {}


def _recorded(distribution: Distribution) -> Iterator[tuple[str, str]]:
    """(path, sha256 in hex or "") of each file that counts."""
    for path, recorded, *_ in csv.reader((distribution.read_text("RECORD") or "").splitlines()):
        if _counts(path):
            yield path, _hex(recorded)


def _counts(path: str) -> bool:
    """Whether a file of the distribution is what the plugin is."""
    return not path.startswith(("..", "/")) and not path.endswith(".pyc") and path.rpartition("/")[2] not in _NOTES


def _over(files: Mapping[str, str]) -> str:
    """:param files: path → sha256 in hex, "" of one that is gone."""
    lines = "".join(f"{path}\0{files[path]}\n" for path in sorted(files))
    return f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}" if files else UNKNOWN


def _hex(recorded: str) -> str:
    """RECORD writes ``sha256=`` and base64 without padding."""
    kind, _, value = recorded.partition("=")
    try:
        return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)).hex() if kind == "sha256" else ""
    except ValueError:
        return "unreadable"


def _content(distribution: Distribution, path: str) -> str:
    try:
        with open(str(distribution.locate_file(path)), "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return ""
