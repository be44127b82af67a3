"""pip of this environment: what an installation would change, then exactly that, from files whose hashes were shown.

In: what pip takes (a name, a wheel, a folder, an address). ``plan`` lets pip resolve without installing, brings what it
chose into a folder as wheels and reads them; ``install`` puts these very files in. Indexes and the like are pip's own
settings (pip.conf, ``PIP_INDEX_URL``, ``PIP_FIND_LINKS`` …).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, PathDistribution, distributions, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from packaging.utils import canonicalize_name

from gateway.errors import Refused
from gateway.hookspecs import PROJECT
from gateway.plugins.contents import fingerprint_of
from gateway.plugins.needs import DISTRIBUTION, needs

REPOSITORIES = ("git+", "hg+", "svn+", "bzr+")


@dataclass(frozen=True, slots=True)
class Change:
    """One package: version ``now`` ("" = not installed) and ``then``, where from, the hash of what comes from there.

    ``wheel``: the file that will be installed; ``plugins``: entry points it brings; ``files``: the fingerprint that it
    will have, see ``contents``; ``built``: made here of a folder or a repository, so that its hash is of this once.
    """

    name: str
    now: str
    then: str
    source: str
    sha256: str
    wheel: Path
    plugins: tuple[str, ...] = ()
    files: str = ""
    built: bool = False


def usable() -> None:
    """Raises ``Refused`` where nothing can be installed, with the reason."""
    site = Path(sysconfig.get_path("purelib"))
    if find_spec("pip") is None:
        raise Refused(
            f"there is no pip in {sys.prefix}: install with the tool that made this environment (or add pip with "
            "`python -m ensurepip`), then approve what is there with `gateway plugins lock`"
        )
    try:
        with tempfile.NamedTemporaryFile(dir=site, prefix=".gateway"):
            pass
    except OSError as exc:
        raise Refused(
            f"{site}: {(exc.strerror or type(exc).__name__).lower()}: packages cannot be changed from here; install "
            "where this environment is built, then approve what is there with `gateway plugins lock`"
        ) from None


def plan(asked: Sequence[str], folder: Path, upgrade: bool = False, again: bool = False) -> list[Change]:
    """What installing ``asked`` would change, in pip's order; the wheels are in ``folder`` then.

    :param again: install what is named once more, although it is there. Raises ``Refused`` with what pip says.
    """
    if odd := [one for one in asked if one.startswith("-")]:
        raise Refused(f"{odd[0]}: options are pip's own settings, such as PIP_INDEX_URL or pip.conf")
    usable()
    report, rules, built = folder / "report.json", folder / "constraints.txt", folder / "built"
    rules.write_text(f"{DISTRIBUTION}=={version(DISTRIBUTION)}\n")  # a plugin never changes the gateway itself
    origins = {one: given for given in asked for one in _archives(given, built)}
    options = ["--constraint", str(rules), *(["--upgrade"] if upgrade else [])]
    options += ["--force-reinstall", "--no-deps"] if again else []
    _pip("install", "--dry-run", "--report", str(report), *options, "--", *origins)
    chosen = json.loads(report.read_text(encoding="utf-8"))["install"]
    _bring(chosen, folder)
    changes = list(
        _changes(
            chosen, folder / "wheels", {Path(one).as_uri(): given for one, given in origins.items() if given != one}
        )
    )
    if broken := list(_broken(changes)):
        raise Refused("not installed, for it would break what is there:\n  " + "\n  ".join(broken))
    return changes


def install(changes: Sequence[Change], folder: Path) -> None:
    """Exactly these wheels, by hash. Raises ``Refused`` with what pip says; pip puts back what was there before."""
    wanted = folder / "install.txt"
    wanted.write_text("".join(f"{one.name}=={one.then} --hash=sha256:{_sha256(one.wheel)}\n" for one in changes))
    wheels = ["--no-index", "--find-links", str(folder / "wheels")]
    exactly = ["--no-deps", "--require-hashes", "--force-reinstall", "--no-warn-script-location"]
    _pip("install", *wheels, *exactly, "--requirement", str(wanted))


def uninstall(distribution: Distribution) -> None:
    """Raises ``Refused`` with what pip says."""
    usable()
    _pip("uninstall", "--yes", distribution.metadata["Name"])


def needed_by(name: str) -> list[str]:
    """Installed distributions that require ``name``."""
    return sorted(
        one.metadata["Name"]
        for one in distributions()
        if any(canonicalize_name(need.name) == canonicalize_name(name) for need in needs(one))
    )


def _archives(given: str, built: Path) -> Iterator[str]:
    """Folders and repositories have no hash of their own: a wheel is built of them first, and installed from there."""
    # As pip reads it: a word alone is a name, also where a folder is called so.
    is_path = (os.sep in given or given.startswith(".")) and "://" not in given
    if not ((is_path and Path(given).is_dir()) or "git+" in given or given.startswith(REPOSITORIES)):
        is_file = given.endswith((".whl", ".tar.gz", ".zip")) and "://" not in given
        if (is_path or is_file) and not Path(given).is_file():
            raise Refused(f"{given}: no such {'file' if is_file else 'folder'}")
        yield given
        return
    before = set(built.glob("*.whl"))
    _pip("wheel", "--no-deps", "--wheel-dir", str(built), "--", given)
    yield from map(str, set(built.glob("*.whl")) - before)


def _bring(chosen: Sequence[Mapping[str, Any]], folder: Path) -> None:
    """Everything chosen as a wheel in ``folder/wheels``, checked against its hash on the way."""
    hashed: list[str] = []
    others: list[str] = []
    for one in chosen:
        meta, info = one["metadata"], one["download_info"]
        name, number, sha256 = meta["name"], meta["version"], _hash(one)
        line = f"{name} @ {info['url']}" if one.get("is_direct") else f"{name}=={number}"
        (hashed if sha256 else others).append(f"{line} --hash=sha256:{sha256}" if sha256 else line)
    for lines, more in ((hashed, ["--require-hashes"]), (others, [])):
        if lines:
            wanted = folder / "wanted.txt"
            wanted.write_text("\n".join(lines) + "\n")
            _pip("wheel", "--no-deps", "--wheel-dir", str(folder / "wheels"), *more, "--requirement", str(wanted))


def _changes(chosen: Sequence[Mapping[str, Any]], wheels: Path, built: Mapping[str, str]) -> Iterator[Change]:
    """:param built: address of a wheel that was built here → what it was built of."""
    found = {canonicalize_name(one.metadata["Name"]): (path, one) for path, one in _read(wheels)}
    there = {canonicalize_name(one.metadata["Name"] or ""): one.version for one in distributions()}
    for one in chosen:
        name = canonicalize_name(one["metadata"]["name"])
        path, distribution = found[name]
        url = one["download_info"]["url"]
        yield Change(
            name=distribution.metadata["Name"],
            now=there.get(name, ""),
            then=distribution.version,
            source=_place(built.get(url, url)),
            sha256=_hash(one) or _sha256(path),
            wheel=path,
            plugins=tuple(entry.name for entry in distribution.entry_points if entry.group == PROJECT),
            files=fingerprint_of(path),
            built=url in built,
        )


def _read(wheels: Path) -> Iterator[tuple[Path, Distribution]]:
    for path in wheels.glob("*.whl"):
        archive = zipfile.ZipFile(path)
        info = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        yield path, PathDistribution(zipfile.Path(archive, info.removesuffix("METADATA")))


def _broken(changes: Sequence[Change]) -> Iterator[str]:
    """Requirements of what stays that would hold no more; pip itself only warns of them, and afterwards."""
    then = {canonicalize_name(one.name): one for one in changes}
    for distribution in distributions():
        if canonicalize_name(distribution.metadata["Name"] or "") in then:
            continue
        for need in needs(distribution):
            change = then.get(canonicalize_name(need.name))
            if change is not None and not need.specifier.contains(change.then, prereleases=True):
                who = f"{distribution.metadata['Name']} {distribution.version}"
                yield f"{who} needs {need.name}{need.specifier}, and {change.name} would be {change.then}"


def _hash(one: Mapping[str, Any]) -> str:
    archive = one["download_info"].get("archive_info") or {}
    return str(archive.get("hashes", {}).get("sha256", ""))


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _place(url: str) -> str:
    """The address without who logs in there; of a folder, where it is."""
    if "://" not in url:
        return str(Path(url).resolve())
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _pip(*arguments: str) -> None:
    quiet = {"PIP_NO_INPUT": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_COLOR": "1", "PIP_PROGRESS_BAR": "off"}
    done = subprocess.run(
        [sys.executable, "-m", "pip", *arguments],
        env={**os.environ, **quiet},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Refused("\n  ".join(["pip refuses:", *_told(done.stdout, done.stderr)]))


def _told(output: str, errors: str) -> Iterator[str]:
    """What a person needs of pip's words: its errors, and between what and what a conflict is."""
    lines = [
        line.strip().removeprefix("ERROR: ") for line in errors.splitlines() if line.startswith(("ERROR", "error"))
    ]
    yield from dict.fromkeys(lines or errors.strip().splitlines()[-3:] or ["it does not say why"])
    for built in re.findall(r"lines? of output\](.*?)\[end of output\]", errors, re.S):  # what building said last
        yield from (f"  {line.strip()[:200]}" for line in built.strip().splitlines()[-3:])
    _, found, cause = output.partition("The conflict is caused by:")
    if found:
        yield from (f"  {line.strip()}" for line in cause.strip().partition("\n\n")[0].splitlines())
