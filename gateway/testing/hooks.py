"""The plugin under test, as the gateway finds it: what it offers, and what of its hooks will go.

In: the packages that a test module imports from. An installed plugin in one of them is the one that is tested.
"""

from __future__ import annotations

import importlib
import re
import warnings
from collections.abc import Collection
from functools import cache
from importlib.metadata import distributions, entry_points
from types import ModuleType

import pluggy

from gateway import hookspecs
from gateway.host import DISTRIBUTION, Host, deprecations, installed

_ASKS = re.compile(r"^Requires-Dist: lead[-_.]gateway\b", re.MULTILINE | re.IGNORECASE)


def packages_of(module: ModuleType) -> frozenset[str]:
    """The top packages of whatever a test module has imported by name."""
    found = {getattr(one, "__module__", None) or getattr(one, "__name__", "") for one in vars(module).values()}
    return frozenset(name.partition(".")[0] for name in found if isinstance(name, str)) - {"", "gateway", "builtins"}


def refuse_deprecated(packages: Collection[str], specs: ModuleType = hookspecs) -> None:
    """Fail when an installed plugin in one of ``packages`` implements what will go."""
    told = [place for package in sorted(packages) for place in _deprecated(package, specs)]
    if told:
        raise AssertionError("\n".join(told))


@cache
def loaded(packages: frozenset[str]) -> Host | None:
    """The installed plugins of these packages, loaded as the gateway does; None when there are none.

    Raises ``AssertionError`` when one does not work, or an installed distribution for the gateway names no plugin.
    """
    of_plugins = [pair for pair in installed() if pair[1].metadata["Name"] != DISTRIBUTION]
    pairs = [pair for pair in of_plugins if pair[0].module.partition(".")[0] in packages]
    if not pairs:
        silent = sorted({name for package, name in _silent() if package in packages})
        why = f"no entry point of the group {hookspecs.PROJECT} leads to it, so nobody finds it"
        assert not silent, f"{', '.join(silent)}: {why}"
        return None
    host = Host(pairs)
    wrong = [f"{one.name} is {one.state}: {one.reason}" for one in host.plugins if one.state != "active" or one.reason]
    assert not wrong, "; ".join(wrong)
    return host


@cache
def _silent() -> frozenset[tuple[str, str]]:
    """(package, distribution) of those that ask for the gateway and have no plugin in their packages."""
    found = set()
    for one in distributions():
        if _ASKS.search(one.read_text("METADATA") or ""):
            packages = (one.read_text("top_level.txt") or "").split()
            entries = one.entry_points.select(group=hookspecs.PROJECT)
            if not {entry.module.partition(".")[0] for entry in entries} & {*packages}:
                found |= {(package, one.metadata["Name"]) for package in packages}
    return frozenset(found)


@cache
def _deprecated(package: str, specs: ModuleType) -> tuple[str, ...]:
    found: list[str] = []
    for entry in entry_points(group=hookspecs.PROJECT):
        if entry.module.partition(".")[0] == package:
            manager = pluggy.PluginManager(hookspecs.PROJECT)
            manager.add_hookspecs(specs)
            module = importlib.import_module(entry.module)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", hookspecs.HookDeprecated)
                manager.register(module)
            found += deprecations(module, manager)
    return tuple(found)
