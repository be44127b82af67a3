"""The folder of an instance: which files there are, and what is told of them though some may be broken."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

from marshmallow import ValidationError

from gateway.errors import ConfigError, Problem
from gateway.governance import committee as meetings
from gateway.plugins import rules
from gateway.settings.files import MAX_CHARACTERS, ConfigFile
from gateway.settings.form import PROCRASTINATE
from gateway.settings.secrets import secrets_of
from gateway.store.place import FOLDER, Place, place_of

GATEWAY, SCORING, JOURNEY, MAPPINGS = "gateway.yaml", "scoring.yaml", "journey.yaml", "mappings"
SCORES = "scores"
"""Folder of the scores beside the main one, a file each: in the same form as scoring.yaml, named by its score."""
CONTENT, RATES, GOALS = "content.yaml", "rates.yaml", "goals.yaml"


def texts(root: Path) -> dict[str, str]:
    """The files as they stand on disk, name → text, unchecked; those that cannot be read are left out."""
    folders = [root / name for name in (MAPPINGS, SCORES)]
    inside = [path for one in folders if one.is_dir() for path in sorted(one.glob("[!.]*.yaml"))]
    found = {}
    named = (GATEWAY, JOURNEY, SCORING, CONTENT, RATES, GOALS, meetings.FILE, *rules.FILES)
    for path in (*(root / name for name in named), *inside):
        with contextlib.suppress(OSError, UnicodeDecodeError), path.open(encoding="utf-8") as stream:
            found[str(path.relative_to(root))] = stream.read(MAX_CHARACTERS + 1)
    return found


def misplaced(root: Path, named: Path = Path()) -> list[Problem]:
    """What stands in the folder of the scores and is read by nobody. ``named``: how messages call ``root``."""
    found, folder = [], root / SCORES
    for path in sorted(folder.glob("[!.]*")):
        if path.suffix == ".yaml" and path.is_file():
            continue
        what = "folder" if path.is_dir() else "file"
        words = f"nobody reads this {what}: a score is {SCORES}/NAME.yaml; call it so, or move it elsewhere"
        words = f"call it {path.stem}.yaml" if path.suffix == ".yml" and path.is_file() else words
        found.append(Problem(str(named / SCORES / path.name), 0, "", words))
    return found


def store_place(root: Path) -> Place:
    """Where the store is, told from a gateway.yaml that may be broken: by its line ``store:``, else the default."""
    text = texts(root).get(GATEWAY, "")
    store, engine = (
        re.search(rf"""^{key}:[ \t]*(["']?)([^"'#\n]*[^"'#\s])\1[ \t]*(#.*)?$""", text, re.M)
        for key in ("store", "engine")
    )
    try:
        with secrets_of(root):
            place = place_of(store[2] if store else FOLDER).within(root)
            return replace(place, bells=engine is not None and engine[2] == PROCRASTINATE)
    except ValidationError:
        return Place(root / FOLDER)


def zone_of(root: Path) -> ZoneInfo:
    """The company's zone, told from a gateway.yaml that may be broken, or not be there: then UTC."""
    try:
        head = ConfigFile.read(root / GATEWAY, root).data.get("instance")
        return ZoneInfo(head["zone"]) if isinstance(head, Mapping) else ZoneInfo("UTC")
    except (ConfigError, KeyError, TypeError, ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError
        return ZoneInfo("UTC")
