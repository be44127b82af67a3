"""Finds plugins, loads them one at a time, asks each what it offers, and remembers what went wrong.

A failing plugin is listed with its reason and stops nobody else: pluggy's own entry-point loader would abort at the
first failing import, and a pluggy hook call stops at the first exception, so the host walks entry points itself and
calls plugins one by one.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from importlib.metadata import Distribution, EntryPoint, distributions, version
from typing import Any

import pluggy
from marshmallow import Schema
from packaging.requirements import InvalidRequirement, Requirement

from gateway import hookspecs
from gateway.settings.files import suggest

DISTRIBUTION = "lead-gateway"
_ANYTHING = (Exception, SystemExit)
"""What plugin code may raise: it may even leave."""


@dataclass(slots=True)
class Plugin:
    """One entry point: who it is, what it offers, and why not if it does not work."""

    name: str
    module: str
    distribution: str
    version: str
    requires: str = ""
    state: str = "active"  # active | broken | incompatible | disabled
    reason: str = ""
    offers: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Offer:
    """Something a plugin registered: the factory, its settings schema (source, sink) or file check (scorer)."""

    plugin: str
    factory: Callable[..., Any]
    settings: Any = None
    check: Callable[[Any], Sequence[Any]] | None = None


class Host:
    """All plugins of this environment. ``sources``, ``sinks``, ``scorers``, ``transforms``: offered name → offer."""

    def __init__(self, found: Iterable[tuple[EntryPoint, Distribution]] | None = None) -> None:
        """Load every plugin found (default: the installed ones, cut down by ``GATEWAY_PLUGINS``, a comma list)."""
        self.plugins: list[Plugin] = []
        self.sources: dict[str, Offer] = {}
        self.sinks: dict[str, Offer] = {}
        self.scorers: dict[str, Offer] = {}
        self.transforms: dict[str, Callable[[Any], Any]] = {}
        self._owner: dict[tuple[str, str], str] = {}
        self._modules: dict[str, Any] = {}
        self._pm = pluggy.PluginManager(hookspecs.PROJECT)
        self._pm.add_hookspecs(hookspecs)
        allowed = os.environ.get("GATEWAY_PLUGINS")
        names = None if allowed is None else {name.strip() for name in allowed.split(",") if name.strip()}
        for entry, distribution in found if found is not None else installed():
            plugin = Plugin(entry.name, entry.value, distribution.metadata["Name"] or "?", distribution.version)
            self.plugins.append(plugin)
            if names is not None and entry.name not in names and distribution.metadata["Name"] != DISTRIBUTION:
                plugin.state, plugin.reason = "disabled", "not named in GATEWAY_PLUGINS"
                continue
            self._load(plugin, entry, distribution)
        self.plugins.sort(key=lambda plugin: plugin.name)

    @property
    def unavailable(self) -> dict[str, str]:
        """Plugin → why what it offers is not to be had."""
        return {plugin.name: f"{plugin.state}: {plugin.reason}" for plugin in self.plugins if plugin.state != "active"}

    def commands(self, cli: Any) -> None:
        """Let each active plugin add its commands; one that raises is marked broken."""
        for plugin in self.active():
            self._ask(plugin, "register_commands", cli=cli)

    def observe(self, hook: str, **values: Sequence[Mapping[str, Any]]) -> list[str]:
        """Call an observer of every plugin. They can neither change nor fail the main path: problems are returned."""
        problems = []
        for plugin in self.active():
            copies = {name: [dict(row) for row in rows] for name, rows in values.items()}
            try:
                self._call(plugin, hook, **copies)
            except _ANYTHING as exc:  # the caller logs who did
                problems.append(f"plugin {plugin.name}: {hook} raised {type(exc).__name__}")
        return problems

    def assign_owner(self, lead: Mapping[str, Any], handoff: Mapping[str, Any], roster: Sequence[Any]) -> str | None:
        """The first plugin's answer that is not None; a plugin that raises has passed."""
        for plugin in self.active():
            try:
                own = {"lead": deepcopy(lead), "handoff": deepcopy(handoff), "roster": deepcopy(roster)}
                owner = self._call(plugin, "assign_owner", **own)
            except _ANYTHING:  # the next plugin, or nobody, assigns
                continue
            if owner:
                return str(owner[0] if isinstance(owner, list) else owner)
        return None

    def active(self) -> list[Plugin]:
        return [plugin for plugin in self.plugins if plugin.state == "active"]

    def _load(self, plugin: Plugin, entry: EntryPoint, distribution: Distribution) -> None:
        twin = next((one for one in self.active() if one is not plugin and one.name == plugin.name), None)
        if twin is not None:
            plugin.state = "broken"
            plugin.reason = (
                f"{twin.distribution!r} and {plugin.distribution!r} both have a plugin named {plugin.name!r}"
            )
            return
        plugin.requires = _range(distribution)
        if not _fits(plugin.requires):
            plugin.state = "incompatible"
            plugin.reason = f"wants {DISTRIBUTION}{plugin.requires}, this is {version(DISTRIBUTION)}"
            return
        try:
            module = importlib.import_module(entry.module)
            for name in entry.value.partition(":")[2].split("."):
                module = getattr(module, name) if name else module
            if module is None:
                raise ImportError("it replaced itself by nothing")
        except _ANYTHING as exc:
            return self._broken(plugin, f"import of {entry.value} failed: {_spoken(exc)}")
        try:
            if known := self._pm.get_name(module):
                raise ImportError(f"{entry.value} is the plugin {known!r} already")
            self._pm.register(module, plugin.name)
            if unknown := self._unknown_hooks(module):
                raise pluggy.PluginValidationError(module, unknown)
        except _ANYTHING as exc:  # pluggy looks at every name of the module, and reading a name may run code
            if self._pm.has_plugin(plugin.name):
                self._pm.unregister(name=plugin.name)
            return self._broken(plugin, _spoken(exc).removeprefix("PluginValidationError: "))
        self._modules[plugin.name] = module
        for hook in ("register_sources", "register_scorers", "register_sinks", "register_transforms"):
            if plugin.state == "active":
                self._ask(plugin, hook, register=self._register(plugin, hook.removeprefix("register_")))

    def _unknown_hooks(self, module: Any) -> str:
        """pluggy's ``check_pending`` looks at all plugins; this names the misspelt hooks of one."""
        known = [name for name in vars(hookspecs) if self._pm.hook.__dict__.get(name)]
        wrong = []
        for name in dir(module):
            options = getattr(getattr(module, name, None), f"{hookspecs.PROJECT}_impl", None)
            if options is not None and (options.get("specname") or name) not in known and not options["optionalhook"]:
                wrong.append(f"unknown hook {name!r}{suggest(name, known)}")
        return "; ".join(wrong)

    def _register(self, plugin: Plugin, what: str) -> Callable[..., None]:
        shelf: dict[str, Any] = getattr(self, what)
        kind = what[:-1]

        def register(name: str, made: Callable[..., Any], extra: Any = None, **named: Any) -> None:
            if not isinstance(name, str):
                raise TypeError(f"a {kind}'s name must be a text, not a {type(name).__name__}")
            if not callable(made):
                raise TypeError(f"{kind} {name!r}: the factory is not callable")
            if name in shelf:
                raise ValueError(
                    f"plugins {self._owner[what, name]!r} and {plugin.name!r} both offer a {kind} named {name!r}"
                )
            extra = named.get("settings", named.get("check", extra))
            if what in ("sources", "sinks") and not (
                extra is None or (isinstance(extra, type) and issubclass(extra, Schema))
            ):
                raise TypeError(f"{kind} {name!r}: the settings are no marshmallow schema")
            self._owner[what, name] = plugin.name
            plugin.offers.append(f"{kind} {name}")
            if what == "transforms":
                shelf[name] = made
            elif what == "scorers":
                shelf[name] = Offer(plugin.name, made, check=extra)
            else:
                shelf[name] = Offer(plugin.name, made, settings=extra)

        return register

    def _ask(self, plugin: Plugin, hook: str, **values: Any) -> None:
        try:
            self._call(plugin, hook, **values)
        except _ANYTHING as exc:
            self._broken(plugin, f"{hook}: {_spoken(exc)}")

    def _call(self, plugin: Plugin, hook: str, **values: Any) -> Any:
        """One hook of one plugin: pluggy's caller without the others."""
        module = self._modules.get(plugin.name)
        others = [other for name, other in self._modules.items() if name != plugin.name]
        return self._pm.subset_hook_caller(hook, others)(**values) if module is not None else None

    def _broken(self, plugin: Plugin, reason: str) -> None:
        """Mark the plugin and take back whatever it had offered."""
        plugin.state, plugin.reason, plugin.offers = "broken", reason, []
        for (what, name), owner in list(self._owner.items()):
            if owner == plugin.name:
                del self._owner[what, name]
                getattr(self, what).pop(name, None)
        if self._modules.pop(plugin.name, None) is not None:
            self._pm.unregister(name=plugin.name)


def installed() -> list[tuple[EntryPoint, Distribution]]:
    """Every entry point of the group, one per name and distribution, in a stable order."""
    found: dict[tuple[str, str], tuple[EntryPoint, Distribution]] = {}
    for distribution in distributions():
        for entry in distribution.entry_points:
            if entry.group == hookspecs.PROJECT:
                found.setdefault((entry.name, distribution.metadata["Name"] or "?"), (entry, distribution))
    ours_first = sorted(found.items(), key=lambda item: (item[0][1] != DISTRIBUTION, item[0]))
    return [pair for _, pair in ours_first]


def _range(distribution: Distribution) -> str:
    """The plugin's own ``Requires-Dist: lead-gateway…`` range; empty when it states none."""
    for line in distribution.requires or ():
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        if requirement.name.replace("_", "-").lower() == DISTRIBUTION:
            return str(requirement.specifier)
    return ""


def _fits(specifier: str) -> bool:
    return Requirement(f"{DISTRIBUTION}{specifier}").specifier.contains(version(DISTRIBUTION), prereleases=True)


def _spoken(exc: BaseException) -> str:
    text = " ".join(str(exc).split())
    return f"{type(exc).__name__}: {text}" if text else type(exc).__name__
