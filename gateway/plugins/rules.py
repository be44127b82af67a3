"""Which installed plugins an instance does not let in: those switched off, and, with a lock, those not approved.

In: the texts of plugins.yaml and plugins.lock. Out: for each plugin why it is not to be loaded, asked by the host
before anything of it is imported. A file that cannot be read lets nobody in, and is a problem of the instance.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution
from pathlib import Path

from packaging.utils import canonicalize_name

from gateway.errors import ConfigError, Problem
from gateway.plugins.contents import changed_at
from gateway.plugins.lock import LOCK, Lock
from gateway.plugins.switched import SWITCHES, Switched, SwitchesForm, switched
from gateway.settings.files import ConfigFile, suggest

FILES = (SWITCHES, LOCK)
ALLOWED = "GATEWAY_PLUGINS"


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
        self._switches: ConfigFile | None = None
        try:
            if SWITCHES in texts:
                self._switches = file = ConfigFile(SWITCHES, texts[SWITCHES])
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
        if off := self._off(name, distribution.metadata["Name"]):
            return Kept(str(off), off.since)
        if self.lock is not None and (why := self.lock.against(distribution)):
            return Kept(why, changed_at(distribution))
        return Kept(self.bad[name], state="broken") if name in self.bad else None

    def lets_in_more(self, before: Rules) -> bool:
        """Whether plugins may be loaded now that were not: switched on again, or approved anew."""
        locks = self.lock is not None and before.lock is not None and self.lock != before.lock
        return locks or bool(before.off.keys() - self.off.keys())

    def offers(self, name: str, distribution: Distribution) -> Sequence[str]:
        """What the plugin offered when it was switched off or approved: ``sink hubspot``; empty when nobody knows."""
        if (off := self._off(name, distribution.metadata["Name"])) and off.offers:
            return off.offers
        approved = self.lock.approved(distribution) if self.lock is not None else None
        return approved.plugins.get(name, ()) if approved is not None else ()

    def offerer(self, name: str) -> str:
        """The approved distribution that a source, sink or scorer ``name`` was of; "" when none was."""
        words = {f"source {name}", f"sink {name}", f"scorer {name}"}
        entries = self.lock.distributions if self.lock is not None else {}
        return next((key for key, one in entries.items() for told in one.plugins.values() if words & {*told}), "")

    def strangers(self, known: Iterable[tuple[str, str]]) -> Iterator[Problem]:
        """Whom plugins.yaml and GATEWAY_PLUGINS name and nobody is. ``known``: plugins with their distributions."""
        pairs = list(known)
        names, words = [name for name, _ in pairs], {word for pair in pairs for word in called(*pair)}
        for name in [one for one in self.off if spelled(one) not in words] if self._switches is not None else ():
            message = f"no such plugin is installed{suggest(name, names)}"
            yield self._switches.problem(("disabled", name), message)  # type: ignore[union-attr]
        for name in sorted((allowed() or set()) - words):
            yield Problem(ALLOWED, 0, "", f"no plugin {name!r} is installed{suggest(name, names)}")

    def _off(self, name: str, distribution: str | None) -> Switched | None:
        words = called(name, distribution)
        return next((off for key, off in self.off.items() if spelled(key) in words), None)


def called(name: str, distribution: str | None) -> set[str]:
    """What files and people may call a plugin: ``x``, and where two have that name ``gateway-x:x``."""
    return {name, f"{canonicalize_name(distribution or '?')}:{name}"}


def spelled(word: str) -> str:
    """``Gateway_X:x`` as ``gateway-x:x``: how a distribution is spelled does not matter."""
    distribution, colon, name = word.partition(":")
    return f"{canonicalize_name(distribution)}:{name}" if colon else word


def allowed() -> set[str] | None:
    """Whom the environment variable GATEWAY_PLUGINS names, apart from commas; None without it: everybody."""
    given = os.environ.get(ALLOWED)
    return None if given is None else {spelled(name.strip()) for name in given.split(",") if name.strip()}


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
