"""Where the files of an instance use what a plugin offers: systems, the scoring strategy, transforms of mappings."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.settings.files import ConfigFile, KeyPath
from gateway.settings.instance import GATEWAY, MAPPINGS, SCORING, STRATEGY, texts


@dataclass(frozen=True, slots=True)
class Use:
    """``what``: system, strategy or transform; ``where``: file:line."""

    what: str
    name: str
    where: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what} {self.name}"


def uses(root: Path, offers: Collection[str]) -> list[Use]:
    """Who uses one of ``offers`` (``sink hubspot``). Raises ``ConfigError`` when a file cannot be read."""
    return [*_uses(root, set(offers))] if offers else []


def _uses(root: Path, offers: set[str]) -> Iterator[Use]:
    for name, text in texts(root).items():
        if name != GATEWAY and name != SCORING and not name.startswith(f"{MAPPINGS}/"):
            continue
        file = ConfigFile(name, text)
        if name == GATEWAY:
            systems = file.data.get("systems")
            for system, entry in systems.items() if isinstance(systems, dict) else ():
                plugin = entry.get("plugin") if isinstance(entry, dict) else None
                if {f"source {plugin}", f"sink {plugin}"} & offers:
                    yield Use("system", str(system), f"{name}:{file.line(('systems', system, 'plugin'))}")
        elif name == SCORING:
            if f"scorer {file.data.get('strategy', STRATEGY)}" in offers:
                yield Use("strategy", str(file.data["strategy"]), f"{name}:{file.line(('strategy',))}")
        else:
            for path, transform in _transforms(file.data, ()):
                if f"transform {transform}" in offers:
                    yield Use("transform", transform, f"{name}:{file.line(path)}")


def _transforms(node: Any, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "transforms" and isinstance(value, list):
                yield from (((*path, key, index), one) for index, one in enumerate(value) if isinstance(one, str))
            else:
                yield from _transforms(value, (*path, key))
    elif isinstance(node, list):
        for index, one in enumerate(node):
            yield from _transforms(one, (*path, index))
