"""The host as an instance lets plugins in: less those that its files keep out, or that end whoever loads them."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import Distribution, EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway import host as hosts
from gateway.host import Host
from gateway.plugins.rules import Rules

if TYPE_CHECKING:
    from gateway.model import Guard


def host_of(
    root: Path,
    rules: Rules | None = None,
    probing: bool = False,
    building: bool = False,
    guard: Guard | None = None,
    found: Iterable[tuple[EntryPoint, Distribution]] | None = None,
    **more: Any,
) -> Host:
    """Load the plugins of this environment for the instance in ``root``; a folder that is none keeps nobody out.

    :param rules: instead of those of its files. :param probing: load those, too, whose wait is over: this process may
        end by it, or wait. :param building: those, too, who have ended processes when they were built, once their wait
        is over. ``more``: what ``Host`` takes beside.
    """
    rules = rules or Rules.of(root)
    if not (root / "gateway.yaml").is_file():  # no instance, and nothing of a store needs to be imported
        return Host(found, rules, guard=guard, **more)
    from gateway.plugins.memory import Memory

    memory = Memory(root)
    everybody = hosts.installed()
    out = memory.kept_out(probing, building)
    host = Host(everybody if found is None else found, rules, guard=memory.around(guard), quarantined=out, **more)
    memory.keep(host, {entry.name for entry, _ in everybody})
    return host
