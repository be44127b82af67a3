"""Which installed plugins an instance does not let in: those switched off, and, with a lock, those not approved.

In: the texts of plugins.yaml and plugins.lock. Out: for each plugin why it is not to be loaded, asked by the host
before anything of it is imported. A file that cannot be read lets nobody in, and is a problem of the instance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution
from pathlib import Path

from packaging.utils import canonicalize_name

from gateway.errors import ConfigError, Problem
from gateway.plugins.lock import LOCK, Lock
from gateway.plugins.switched import SWITCHES, Switched, SwitchesForm, switched
from gateway.settings.files import ConfigFile

FILES = (SWITCHES, LOCK)


@dataclass(frozen=True, slots=True)
class Kept:
    """Why a plugin is kept out, and since when, where that is known."""

    reason: str
    since: str = ""
    state: str = "disabled"  # or broken


class Rules:
    """``problems`` are those of the two files; ``off`` and ``lock`` what they say."""

    def __init__(self, texts: Mapping[str, str] | None = None) -> None:
        """:param texts: name of the file → its text; a file that is not there says nothing."""
        texts = texts or {}
        self.problems: list[Problem | str] = []
        self.off: dict[str, Switched] = {}
        self.bad: dict[str, str] = {}
        """Plugins that were just found to be dangerous to load → why."""
        self.lock: Lock | None = None
        try:
            if SWITCHES in texts:
                file = ConfigFile(SWITCHES, texts[SWITCHES])
                self.problems += file.check(SwitchesForm())
                self.off = {} if self.problems else switched(file)
            if LOCK in texts:
                self.lock = Lock.of(texts[LOCK])
        except ConfigError as exc:
            self.problems += exc.problems

    @classmethod
    def of(cls, root: Path) -> Rules:
        """The rules of the instance in ``root``; of a folder that is none there are no rules."""
        return cls(texts(root))

    def against(self, name: str, distribution: Distribution) -> Kept | None:
        """None lets the plugin ``name`` of ``distribution`` in."""
        if self.problems:
            return Kept(str(self.problems[0]))
        if off := self._off(name, distribution):
            return Kept(str(off), off.since)
        if self.lock is not None and (why := self.lock.against(distribution)):
            return Kept(why)
        return Kept(self.bad[name], state="broken") if name in self.bad else None

    def lets_in_more(self, before: Rules) -> bool:
        """Whether plugins may be loaded now that were not: switched on again, or approved anew."""
        locks = self.lock is not None and before.lock is not None and self.lock != before.lock
        return locks or bool(before.off.keys() - self.off.keys())

    def offers(self, name: str, distribution: Distribution) -> Sequence[str]:
        """What the plugin offered when it was switched off or approved: ``sink hubspot``; empty when nobody knows."""
        if (off := self._off(name, distribution)) and off.offers:
            return off.offers
        approved = self.lock.approved(distribution) if self.lock is not None else None
        return approved.plugins.get(name, ()) if approved is not None else ()

    def _off(self, name: str, distribution: Distribution) -> Switched | None:
        return next((self.off[one] for one in sorted(called(name, distribution)) if one in self.off), None)


def called(name: str, distribution: Distribution) -> set[str]:
    """What files and people may call a plugin: ``x``, and where two have that name ``gateway-x:x``."""
    whole = distribution.metadata["Name"] or "?"
    return {name, f"{whole}:{name}", f"{canonicalize_name(whole)}:{name}"}


def texts(root: Path) -> dict[str, str]:
    """The files that are there, name → text. One that is there and cannot be read keeps everybody out."""
    found = {}
    for name in FILES:
        try:
            found[name] = (root / name).read_text(encoding="utf-8", errors="replace")
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as exc:
            found[name] = f"]: {exc.strerror}"  # neither YAML nor JSON
    return found
