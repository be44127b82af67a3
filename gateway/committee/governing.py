"""Under approval the model in use changes by keys, not by edits: what of the files is held back, what goes live.

In: the files on disk, those in use, the drafts. Out: the files to work with. ``governance`` says what belongs to the
model and whose keys it takes; ``proposing`` is what people do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from gateway.errors import ConfigError, Problem
from gateway.governance.keys import APPROVALS, Approval
from gateway.governance.parts import (
    CONTENT,
    GATEWAY,
    JOURNEY,
    SCORING,
    apart,
    governed,
    is_mapping,
    is_score,
    names,
    of_model,
    score_of,
)
from gateway.governance.words import differences
from gateway.journey.content import WEIGHTS
from gateway.settings.doubts import uses
from gateway.settings.files import ConfigFile
from gateway.settings.folder import texts
from gateway.settings.instance import Instance
from gateway.settings.loading import Plugins, load_instance
from gateway.store import bundle

if TYPE_CHECKING:
    from gateway.host import Host

SHORT = 4
"""Characters of an id that people are told."""
MISSED = {
    SCORING: "nobody is scored any more: scoring.yaml is taken away{}, and with it every threshold",
    JOURNEY: "nobody is handed over any more: journey.yaml is taken away, and with it all stages",
    CONTENT: "no activity counts by what its content serves any more: content.yaml is taken away",
}
"""What it means that a file of the model is not there any more."""
UNAPPROVED = (
    "# No model is approved yet: the stages of journey.yaml, into which only outcomes lead, without handoffs.\n"
)


@dataclass(frozen=True, slots=True)
class Held:
    """What the files on disk change of the model in use, and does not count yet. ``live``: the bundle in use, empty
    before the first; ``changes``: file → changes in words."""

    live: str = ""
    changes: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def lines(self) -> list[str]:
        """``scoring.yaml differs from live 3f2a (4 changes): propose or discard``."""
        return [
            f"{name} differs from live {self.live[:SHORT] or '(none)'} "
            f"({len(found)} change{'s' if len(found) != 1 else ''}): propose or discard"
            for name, found in self.changes.items()
        ]


NOTHING = Held()


@lru_cache(maxsize=64)
def _data(name: str, text: str) -> Any:
    """A file's plain data; nobody changes them. Of one that is not there, or broken, none."""
    try:
        return ConfigFile(name, text).data
    except ConfigError:
        return {}


def data_of(files: Mapping[str, str], name: str) -> Mapping[str, Any]:
    return _data(name, files[name]) if name in files else {}


def approval_of(files: Mapping[str, str]) -> Approval:
    """What gateway.yaml asks for; off when it says nothing."""
    said = data_of(files, GATEWAY).get("approval", "off")
    return said if said in APPROVALS else "off"


def used_by(files: Mapping[str, str]) -> frozenset[str]:
    """Attributes and activities that scores and journey look at, and ``CONTENT`` where content is weighed."""
    words = frozenset(word for name in of_model(files) for _, _, word in uses(data_of(files, name), ()))
    return words | {CONTENT} if any(WEIGHTS in data_of(files, name) for name in of_model(files)) else words


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, list[str]]:
    """File → how its part of the model differs, in words; files with the same model are left out."""
    before, after = _in_force(before), _in_force(after)
    used, found = used_by(before) | used_by(after), dict[str, list[str]]()
    for name in names({*before, *after}):
        if before.get(name) == after.get(name):
            continue
        old, new = data_of(before, name), data_of(after, name)
        if not apart(name, new, old, used):
            continue
        if name not in after and (name in MISSED or score_of(name)):
            found[name] = [_gone(name, old)]
            continue
        whose = f"score {score_of(name)}: " if score_of(name) else ""
        words = differences(governed(name, old, used), governed(name, new, used))
        found[name] = [f"{whose}{one}" for one in words]
    return found


def _gone(name: str, old: Mapping[str, Any]) -> str:
    """A file that is taken away is one sentence, not a line for everything that was in it."""
    rules = sum(len(old.get(axis) or ()) for axis in ("fit", "behaviour"))
    said = f" with its {rules} rules" if rules > 1 else " with its rule" if rules else ""
    return MISSED.get(name, f"the score {score_of(name)} is taken away{{}}").format(said)


def _in_force(files: Mapping[str, str]) -> Mapping[str, str]:
    """Without scoring.yaml nobody is scored: the scores beside it are names for journey and mappings only."""
    return files if SCORING in files else {name: text for name, text in files.items() if not is_score(name)}


def held_back(disk: Mapping[str, str], live: Mapping[str, str]) -> dict[str, list[str]]:
    """``changes`` that the files on disk would make, where ``live`` needs keys for them."""
    return {} if approval_of(live) == "off" else changes(live, disk)


def working(disk: Mapping[str, str], live: Mapping[str, str], held: Mapping[str, Any]) -> dict[str, str]:
    """The files to work with: those on disk, but of those held back the ones in use."""
    return {
        name: live[name] if name in held else text for name, text in disk.items() if name not in held or name in live
    } | {name: live[name] for name in held if name in live}


def merged(live: Mapping[str, str], draft: Mapping[str, str]) -> dict[str, str]:
    """The live files with those of a draft in their place; one that is empty there is taken away."""
    return {name: text for name, text in {**live, **draft}.items() if text.strip() or draft.get(name) is None}


def unapproved(disk: Mapping[str, str]) -> dict[str, str]:
    """The files before the first model is approved: nobody is scored or handed over; what sales report counts."""
    files = {name: text for name, text in disk.items() if name != SCORING}
    if JOURNEY in files:
        files[JOURNEY] = _without_handoffs(data_of(files, JOURNEY))
    return files


def _without_handoffs(journey: Mapping[str, Any]) -> str:
    import json

    stages = []
    for one in journey.get("stages", ()):
        entry = {key: value for key, value in one.get("entry", {}).items() if key == "outcome"} or {"score": 100}
        kept = {key: one[key] for key in ("name", "shared") if key in one}
        stages.append(kept | ({"entry": entry} if "entry" in one else {}))
    told = {"stages": stages, "reasons": journey.get("reasons", {})}
    return UNAPPROVED + json.dumps({key: one for key, one in told.items() if one}, indent=1) + "\n"  # YAML, too


def settled(root: Path, host: Plugins, instance: Instance) -> tuple[Instance, Held, str | None]:
    """The instance to work with, given the checked files on disk; what of them is held back; and the id of the bundle
    in use that this was found with (None: there is none).

    Raises ``ConfigError`` where what is free does not fit what is in use.
    """
    active = bundle.stored(instance.store)
    if active is not None and active.files == instance.files:
        return instance, NOTHING, active.id
    live = active.files if active is not None else unapproved(instance.files)
    if approval_of(live) == "off":
        return instance, NOTHING, active.id if active is not None else None
    held = held_back(instance.files, live)
    if not held:
        return instance, NOTHING, active.id if active is not None else None
    files = working(instance.files, live, held)
    found = Held(active.id if active is not None else "", held)
    try:
        return load_instance(root, host, files), found, active.id if active is not None else None
    except ConfigError as exc:
        lines = [*found.lines, "what is free of the edit does not fit the live model:", *exc.problems]
        raise ConfigError(lines) from None


def held_now(root: Path, connection: Connection) -> Held:
    """What the files on disk change of the model in use at this moment. Broken ones change nothing; others tell."""
    active = bundle.active(connection)
    if active is None or approval_of(active.files) == "off":
        return NOTHING
    disk = texts(root)
    readable = {name: text for name, text in disk.items() if not text.strip() or _data(name, text)}
    there = {name: text for name, text in active.files.items() if name in disk or name == GATEWAY or is_mapping(name)}
    return Held(active.id, changes(active.files, {**there, **readable}))


def live_files(connection: Connection, instance: Instance) -> Mapping[str, str]:
    """The files in use; before any are, those that would be."""
    active = bundle.active(connection)
    return active.files if active is not None else unapproved(instance.files)


def fits(root: Path, host: Host, files: Mapping[str, str], live: Instance) -> Instance:
    """The instance that these files make. Raises ``ConfigError`` with what is wrong, and with what the model looks at
    and no mapping brings in or no persona is, where the live one lacks it, too, only what is new."""
    found = load_instance(root, host, files)
    lacks = [one for one in doubts(found, live) if one.message.startswith(("no mapping brings in", "no such persona"))]
    if lacks:
        raise ConfigError(lacks)
    return found


def doubts(found: Instance, live: Instance) -> list[Problem]:
    """What is suspicious about an instance, and was not about the live one."""
    known = {(one.file, one.key, one.message) for one in live.warnings}
    return [one for one in found.warnings if (one.file, one.key, one.message) not in known]
