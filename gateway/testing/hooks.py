"""The hooks of the plugin under test: what of them will go fails its suites, long before it is gone."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Collection
from functools import cache
from importlib.metadata import entry_points
from types import ModuleType

import pluggy

from gateway import hookspecs
from gateway.host import deprecations


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
