"""Where the files of an instance use what a plugin offers: systems, the scoring strategy, transforms of mappings."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.governance.parts import is_score
from gateway.settings.files import ConfigFile
from gateway.settings.folder import GATEWAY, MAPPINGS, texts
from gateway.settings.instance import STRATEGY
from gateway.settings.loading import transforms_of

if TYPE_CHECKING:
    from gateway.plugins.probe import Seen


@dataclass(frozen=True, slots=True)
class Use:
    """``what``: system, strategy or transform; ``where``: file:line; ``plugin``: the offered name that it wants."""

    what: str
    name: str
    where: str
    plugin: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what} {self.name}"


def uses(root: Path, offers: Collection[str]) -> list[Use]:
    """Who uses one of ``offers`` (``sink hubspot``). Raises ``ConfigError`` when a file cannot be read."""
    return [use for wanted, use in _uses(root) if wanted & {*offers}] if offers else []


def served(one: Seen, found: Collection[Seen]) -> set[str]:
    """What ``one`` offers, or did when it was last known to, and no other one of ``found`` does in its place."""
    if one.state == "active":
        return {*one.offers}  # nobody else's, or it would be contested
    others = [other for other in found if other.distribution != one.distribution and other.state == "active"]
    if any(other.name == one.name for other in others):
        return set()
    kinds = {f"{kind} {one.name}" for kind in ("source", "sink")}
    return {*(one.offers or one.would_offer or kinds)} - {offer for other in others for offer in other.offers}


def spared(one: Seen, found: Collection[Seen]) -> bool:
    """Whether another distribution's plugin of this name can be loaded once ``one`` has gone: together neither is."""
    twins = [other for other in found if other.name == one.name and other.state == "broken"]
    return one.state == "broken" and len(twins) > 1


def unmet(root: Path, offers: Collection[str]) -> list[Use]:
    """Systems and the strategy that want none of ``offers``, which are all there are. Raises ``ConfigError``."""
    return [use for wanted, use in _uses(root) if use.what != "transform" and not wanted & {*offers}]


def _uses(root: Path) -> Iterator[tuple[set[str], Use]]:
    """(what would do, who wants it)."""
    for name, text in texts(root).items():
        if name != GATEWAY and not is_score(name) and not name.startswith(f"{MAPPINGS}/"):
            continue
        file = ConfigFile(name, text)
        if name == GATEWAY:
            systems = file.data.get("systems")
            for system, entry in systems.items() if isinstance(systems, dict) else ():
                plugin = entry.get("plugin") if isinstance(entry, dict) else None
                where = f"{name}:{file.line(('systems', system, 'plugin'))}"
                yield {f"source {plugin}", f"sink {plugin}"}, Use("system", str(system), where, str(plugin))
        elif is_score(name):
            strategy = str(file.data.get("strategy", STRATEGY))
            yield {f"scorer {strategy}"}, Use("strategy", strategy, f"{name}:{file.line(('strategy',))}", strategy)
        else:
            for path, transform in transforms_of(file.data):
                use = Use("transform", transform, f"{name}:{file.line(path)}", transform)
                yield {f"transform {transform}"}, use
