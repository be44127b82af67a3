"""Finds plugins, loads them one at a time, asks each what it offers, and remembers what went wrong.

A failing plugin is listed with its reason and stops nobody else: pluggy's own entry-point loader would abort at the
first failing import, and a pluggy hook call stops at the first exception, so the host walks entry points itself and
calls plugins one by one. What two plugins offer under one name, nobody offers: the order of loading decides nothing.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import nullcontext, suppress
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import Distribution, EntryPoint, distributions, version
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pluggy
from marshmallow import Schema
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from gateway import hookspecs
from gateway.errors import GatewayError, Refused
from gateway.plugins import trace
from gateway.plugins.rules import Rules, allowed, called
from gateway.settings.files import suggest

if TYPE_CHECKING:
    from gateway.model import Guard
    from gateway.store.breakers import Quarantine

DISTRIBUTION = "lead-gateway"
_FAMILY = {"sources": "systems", "sinks": "systems", "connections": "systems"}
_OURS = (GatewayError, pluggy.PluginValidationError, hookspecs.HookDeprecated)
_PYTHONS = (ImportError, ModuleNotFoundError, SyntaxError, IndentationError, TabError)
"""Errors whose words are known to tell what is wrong, and no secret and nobody's data."""
_WORDS = 300
"""Characters of an error's text that are shown."""
_LONGEST = 100
"""Characters of a name that a plugin offers: files write it, and people read it."""
_SET = re.compile(r"\{('[^{}]*')\}")


class Overdue(GatewayError):
    """What a guard raises where a plugin is not loaded within the time that it has."""


@dataclass(slots=True)
class Plugin:
    """One entry point: who it is, what it offers, and why not if it does not work."""

    name: str
    module: str
    distribution: str
    version: str
    requires: str = ""
    state: str = "active"  # active | broken | incompatible | disabled | quarantined
    reason: str = ""
    offers: list[str] = field(default_factory=list)
    since: str = ""  # ISO time from which it is in this state, where that is known
    deprecations: list[str] = field(default_factory=list)  # what it uses that will go: file:line, what instead
    would_offer: Sequence[str] = ()  # what it is known to have offered once


@dataclass(frozen=True, slots=True)
class Offer:
    """Something a plugin registered: the factory, its settings schema (source, sink) or file check (scorer)."""

    plugin: str
    factory: Callable[..., Any]
    settings: Any = None
    check: Callable[[Any], Sequence[Any]] | None = None


class Host:
    """All plugins of this environment.

    ``sources``, ``sinks``, ``connections``, ``scorers``, ``transforms``: offered name → offer.
    """

    def __init__(
        self,
        found: Iterable[tuple[EntryPoint, Distribution]] | None = None,
        rules: Rules | None = None,
        loading: Callable[[Plugin], None] = lambda plugin: None,
        guard: Guard | None = None,
        quarantined: Mapping[str, Quarantine] | None = None,
        specs: ModuleType = hookspecs,
    ) -> None:
        """Load every plugin found (default: the installed ones, cut down by ``GATEWAY_PLUGINS``, a comma list).

        :param rules: whom an instance keeps out; without them nobody. :param loading: told before each import.
        :param guard: entered around every call of a plugin, its import included. :param quarantined: who must not even
            be imported now. :param specs: the module of the hooks.
        """
        self.guard: Guard = guard or (lambda plugin, call: nullcontext())
        self.stopped: Callable[[str, str], bool] = lambda plugin, part: False
        """Whether a part of a plugin is quarantined; what an observer would have heard meanwhile is not told again."""
        self._specs = specs
        self._traced = trace.traced()
        self.rules = rules or Rules()
        self.plugins: list[Plugin] = []
        self.sources: dict[str, Offer] = {}
        self.sinks: dict[str, Offer] = {}
        self.scorers: dict[str, Offer] = {}
        self.connections: dict[str, Offer] = {}
        self.transforms: dict[str, Callable[[Any], Any]] = {}
        self.contested: dict[str, str] = {}
        """A name that more than one plugin offers → who, and as what."""
        self._offers: list[tuple[str, str, str, Any]] = []  # (shelf, name, plugin, what), until all are known
        self._modules: dict[str, Any] = {}
        self._managers: dict[str, pluggy.PluginManager] = {}
        """Each plugin has one of its own: a hook is then that plugin's alone, and calling it costs what pluggy does."""
        names = allowed()
        let_in: list[tuple[Plugin, EntryPoint]] = []
        for entry, distribution in found if found is not None else installed():
            plugin = Plugin(entry.name, entry.value, distribution.metadata["Name"] or "?", distribution.version)
            self.plugins.append(plugin)
            plugin.requires = _range(distribution)
            plugin.would_offer = self.rules.offers(entry.name, distribution)
            foreign = plugin.distribution != DISTRIBUTION
            if foreign and names is not None and not names & called(entry.name, plugin.distribution):
                plugin.state, plugin.reason = "disabled", "not named in GATEWAY_PLUGINS"
            elif foreign and (kept := self.rules.against(entry.name, distribution)):
                plugin.state, plugin.reason, plugin.since = kept.state, kept.reason, kept.since
            elif out := (quarantined or {}).get(entry.name):
                plugin.state, plugin.reason, plugin.since = "quarantined", out.reason, out.since.isoformat()
            elif not _fits(plugin.requires):
                plugin.state = "incompatible"
                plugin.reason = f"wants {DISTRIBUTION}{plugin.requires}, this is {_ours()}"
            else:
                let_in.append((plugin, entry))
        for plugin, entry in let_in:
            if not self._twin(plugin, {other.distribution for other, _ in let_in if other.name == plugin.name}):
                loading(plugin)
                self._load(plugin, entry)
        self.plugins.sort(key=lambda plugin: (plugin.name, plugin.distribution))
        self._settle()

    @property
    def unavailable(self) -> dict[str, str]:
        """Plugin, or a name that one offers → why it is not to be had."""
        idle = [plugin for plugin in self.plugins if plugin.state != "active"]
        why = {id(plugin): f"{plugin.state}: {plugin.reason}" for plugin in idle}
        offered = {offer.partition(" ")[2]: why[id(plugin)] for plugin in idle for offer in plugin.would_offer}
        named = {plugin.name: why[id(plugin)] for plugin in idle}
        lost = {name: f"contested: {reason}" for name, reason in self.contested.items()}
        there = {plugin.name for plugin in self.active()}  # its twin may be kept out
        return {name: reason for name, reason in (offered | named).items() if name not in there} | lost

    @property
    def unseen(self) -> str:
        """Plugins that nobody could ask what they offer, with the reason: what is missing may be theirs."""
        silent = [one for one in self.plugins if one.state != "active" and not one.would_offer]
        return "; ".join(f"{one.name} ({one.state}: {one.reason})" for one in silent)

    def commands(self, cli: Any) -> None:
        """Let each active plugin add its commands; one that raises is marked broken."""
        for plugin in self.active():
            self._ask(plugin, "register_commands", cli=cli)

    def observe(self, hook: str, **values: Sequence[Mapping[str, Any]]) -> list[str]:
        """Call an observer of every plugin. They can neither change nor fail the main path: problems are returned."""
        problems = []
        for plugin in self._asked(hook):
            copies = {name: [dict(row) for row in rows] for name, rows in values.items()}
            try:
                self._call(plugin, hook, **copies)
            except KeyboardInterrupt:
                raise
            except BaseException as exc:  # noqa: BLE001 - the caller logs who did
                problems.append(f"plugin {plugin.name}: {hook} raised {type(exc).__name__}")
        return problems

    def assign_owner(self, lead: Mapping[str, Any], handoff: Mapping[str, Any], roster: Sequence[Any]) -> str | None:
        """The first plugin's answer that is not None; a plugin that raises has passed."""
        for plugin in self._asked("assign_owner"):
            try:
                own = {"lead": deepcopy(lead), "handoff": deepcopy(handoff), "roster": deepcopy(roster)}
                owner = self._call(plugin, "assign_owner", **own)
            except KeyboardInterrupt:
                raise
            except BaseException:  # noqa: BLE001 - the next plugin, or nobody, assigns
                continue
            if owner:
                return str(owner[0] if isinstance(owner, list) else owner)
        return None

    def _asked(self, hook: str) -> list[Plugin]:
        """Who implements ``hook`` and is not quarantined for it."""
        return [one for one in self.active() if self._caller(one, hook) and not self.stopped(one.name, hook)]

    def active(self) -> list[Plugin]:
        return [plugin for plugin in self.plugins if plugin.state == "active"]

    def _twin(self, plugin: Plugin, distributions: Collection[str]) -> bool:
        """Whether others that are let in have a plugin of this name: then neither is loaded. Ours never gives way."""
        if len(distributions) == 1 or plugin.distribution == DISTRIBUTION:
            return False
        plugin.state = "broken"
        plugin.reason = (
            f"{_both(distributions)} have a plugin named {plugin.name!r}; uninstall one, or disable it alone, "
        )
        plugin.reason += f"as in `gateway plugins disable {plugin.distribution}:{plugin.name}`"
        return True

    def _load(self, plugin: Plugin, entry: EntryPoint) -> None:
        try:
            with self.guard(plugin.name, "import"):
                module = importlib.import_module(entry.module)
                for name in entry.value.partition(":")[2].split("."):
                    module = getattr(module, name) if name else module
            if module is None:
                raise ImportError("it replaced itself by nothing")
        except KeyboardInterrupt:
            raise
        except BaseException as exc:  # noqa: BLE001 - it may leave, be cancelled, or panic in another language
            return self._broken(plugin, f"import of {entry.value} failed: {_spoken(exc)}")
        try:
            if known := next((name for name, one in self._modules.items() if one is module), None):
                raise ImportError(f"{entry.value} is the plugin {known!r} already")
            manager = pluggy.PluginManager(hookspecs.PROJECT)
            manager.add_hookspecs(self._specs)
            manager.register(module, plugin.name)
            if unknown := self._unknown_hooks(module, manager):
                raise pluggy.PluginValidationError(module, unknown)
            if not manager.get_hookcallers(module):
                raise pluggy.PluginValidationError(module, "it has no hooks: none of its functions has @hookimpl")
        except KeyboardInterrupt:
            raise
        except BaseException as exc:  # noqa: BLE001 - pluggy reads every name of the module, and that may run code
            return self._broken(plugin, _spoken(exc))
        self._modules[plugin.name], self._managers[plugin.name] = module, manager
        plugin.deprecations = deprecations(module, manager)
        for what in ("sources", "scorers", "sinks", "connections", "transforms"):
            if plugin.state == "active":
                self._ask(plugin, f"register_{what}", register=self._register(plugin, what))

    def _unknown_hooks(self, module: Any, manager: pluggy.PluginManager) -> str:
        """As pluggy's ``check_pending``, all at once and with a suggestion."""
        known = [name for name in vars(self._specs) if getattr(getattr(manager.hook, name, None), "spec", None)]
        wrong = []
        for name in dir(module):
            options = getattr(getattr(module, name, None), f"{hookspecs.PROJECT}_impl", None)
            if options is not None and (options.get("specname") or name) not in known and not options["optionalhook"]:
                wrong.append(f"unknown hook {name!r}{suggest(name, known)}")
        return "; ".join(wrong)

    def _register(self, plugin: Plugin, what: str) -> Callable[..., None]:
        kind = what[:-1]

        def register(name: str, made: Callable[..., Any], extra: Any = None, **named: Any) -> None:
            if not isinstance(name, str):
                raise Refused(f"a {kind}'s name must be a text, not a {type(name).__name__}")
            if not name.strip() or not name.isprintable() or len(name) > _LONGEST:
                raise Refused(f"{name[:_LONGEST]!r} is no name for a {kind}: at most {_LONGEST} printable characters")
            if not callable(made):
                raise Refused(f"{kind} {name!r}: the factory is not callable")
            if any(one[:3] == (what, name, plugin.name) for one in self._offers):
                raise Refused(f"it offers two {what} named {name!r}")
            extra = named.get("settings", named.get("check", extra))
            if what in ("sources", "sinks") and not (
                extra is None or (isinstance(extra, type) and issubclass(extra, Schema))
            ):
                raise Refused(f"{kind} {name!r}: the settings are no marshmallow schema")
            offer: Any = self._own_transform(plugin.name, name, made)
            if what != "transforms":
                key = "check" if what == "scorers" else "settings"
                offer = Offer(plugin.name, made, **{key: extra})
            self._offers.append((what, name, plugin.name, offer))

        return register

    def _own_transform(self, plugin: str, name: str, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """The function, called as its plugin's and with a value of its own: it runs in the midst of others' reading.

        Its ``ValueError`` is an answer; whatever else it raises refuses the value, too, and counts against its plugin.
        """

        def transform(value: Any) -> Any:
            try:
                with self.guard(plugin, f"transform {name}"):
                    try:
                        return function(deepcopy(value) if isinstance(value, list | dict) else value)
                    except ValueError as exc:
                        refused = exc
            except KeyboardInterrupt:
                raise
            except BaseException as exc:
                raise ValueError(f"plugin {plugin}: transform {name!r} raised {type(exc).__name__}") from exc
            raise refused

        transform.__wrapped__ = function  # type: ignore[attr-defined]
        return transform

    def _settle(self) -> None:
        """Put on the shelves what is offered under names of its own; a source and a sink of one name go together."""
        ours = {plugin.name for plugin in self.plugins if plugin.distribution == DISTRIBUTION}
        claims: dict[tuple[str, str], dict[str, list[str]]] = {}
        for what, name, owner, _ in self._offers:
            claims.setdefault((_FAMILY.get(what, what), name), {}).setdefault(owner, []).append(what[:-1])
        lost: set[tuple[str, str, str]] = set()
        for (family, name), owners in claims.items():
            if len(owners) > 1:
                kinds = " or ".join(sorted({kind for offered in owners.values() for kind in offered}))
                reason = f"plugins {_both(owners)} offer a {kinds} named {name!r}"
                lost |= {(family, name, owner) for owner in owners.keys() - ours}
                if not owners.keys() & ours:
                    self.contested[name] = f"{reason}; uninstall one, or load one alone with GATEWAY_PLUGINS"
                for plugin in self.plugins:
                    if plugin.state == "active" and plugin.name in owners.keys() - ours:
                        plugin.reason = "; ".join(filter(None, [plugin.reason, reason]))
        for plugin in self.plugins:
            plugin.offers = []
        for what, name, owner, offer in self._offers:
            if (_FAMILY.get(what, what), name, owner) not in lost:
                getattr(self, what)[name] = offer
                self._named(owner).offers.append(f"{what[:-1]} {name}")

    def _named(self, name: str) -> Plugin:
        return next(plugin for plugin in self.plugins if plugin.name == name and plugin.state == "active")

    def _ask(self, plugin: Plugin, hook: str, **values: Any) -> None:
        try:
            self._call(plugin, hook, **values)
        except KeyboardInterrupt:
            raise
        except BaseException as exc:  # noqa: BLE001 - as on import
            self._broken(plugin, f"{hook}: {_spoken(exc)}")

    def _call(self, plugin: Plugin, hook: str, **values: Any) -> Any:
        """One hook of one plugin; None when it does not implement it."""
        if (caller := self._caller(plugin, hook)) is None:
            return None
        with self.guard(plugin.name, hook):
            return caller(**values) if not self._traced else trace.call(plugin.name, hook, lambda: caller(**values))

    def _caller(self, plugin: Plugin, hook: str) -> Callable[..., Any] | None:
        manager = self._managers.get(plugin.name)
        caller = getattr(manager.hook, hook) if manager is not None else None
        return caller if caller is not None and caller.get_hookimpls() else None

    def _broken(self, plugin: Plugin, reason: str) -> None:
        """Mark the plugin and take back whatever it had offered."""
        plugin.state, plugin.reason, plugin.offers = "broken", reason, []
        for what, name, owner, offer in self._offers:
            shelf = getattr(self, what)
            if owner == plugin.name and shelf.get(name) is offer:
                del shelf[name]
        self._offers = [one for one in self._offers if one[2] != plugin.name]
        self._modules.pop(plugin.name, None)
        self._managers.pop(plugin.name, None)


def installed() -> list[tuple[EntryPoint, Distribution]]:
    """Every entry point of the group, one per name and distribution, in a stable order."""
    found: dict[tuple[str, str], tuple[EntryPoint, Distribution]] = {}
    for distribution in distributions():
        for entry in distribution.entry_points:
            if entry.group == hookspecs.PROJECT:
                found.setdefault((entry.name, distribution.metadata["Name"] or "?"), (entry, distribution))
    ours_first = sorted(found.items(), key=lambda item: (item[0][1] != DISTRIBUTION, item[0]))
    return [pair for _, pair in ours_first]


def deprecations(module: Any, manager: pluggy.PluginManager) -> list[str]:
    """What ``module``, which is registered, implements that will go: ``file:line: …``. pluggy has warned of it, too."""
    found = []
    for hook in manager.get_hookcallers(module) or ():
        mine = hook.get_hookimpls()
        if hook.spec is None or not mine:
            continue
        code = inspect.unwrap(mine[0].function).__code__
        warned = [hook.spec.warn_on_impl] if hook.spec.warn_on_impl else []
        warned += [text for name, text in (hook.spec.warn_on_impl_args or {}).items() if name in mine[0].argnames]
        found += [f"{code.co_filename}:{code.co_firstlineno}: {text}" for text in warned]
    return found


def _range(distribution: Distribution) -> str:
    """The plugin's own ``Requires-Dist: lead-gateway…`` range; empty when it states none."""
    for line in distribution.requires or ():
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        if requirement.name.replace("_", "-").lower() == DISTRIBUTION:
            return ",".join(sorted(map(str, requirement.specifier), reverse=True))  # >=1,<2: as people write it
    return ""


def _fits(specifier: str, this: str = "") -> bool:
    """Whether ``this`` gateway (default: the one that runs) is in the range. A pre-release counts as what it becomes,
    too: 1.5rc1 is there so that plugins for 1.5 are tried with it. ``<2`` leaves 2.0rc1 out."""
    ours, wanted = Version(this or _ours()), SpecifierSet(specifier)
    final = wanted.contains(ours.base_version) and not wanted.contains(ours, prereleases=True)
    return wanted.contains(ours, prereleases=True) or (final and ours.is_prerelease)


@cache
def _ours() -> str:
    return version(DISTRIBUTION)


def _both(names: Iterable[str]) -> str:
    """``'a' and 'b' both``, ``'a', 'b' and 'c' all``."""
    *first, last = (repr(name) for name in sorted(names))
    return f"{', '.join(first)} and {last} {'both' if len(first) == 1 else 'all'}"


def _spoken(exc: BaseException) -> str:
    """What was raised. Of errors that only the plugin knows, the type and the place: their text may hold anything."""
    from gateway.logs import places

    name, text = type(exc).__name__, ""
    if isinstance(exc, _OURS) or type(exc) in _PYTHONS or (type(exc) is SystemExit and isinstance(exc.code, int)):
        with suppress(Exception):  # it may be of a plugin's making
            text = " ".join(_SET.sub(_in_order, str(exc)).split())
    at = places(exc.__traceback__)[:1]
    told = text if isinstance(exc, _OURS) and text else f"{name}: {text}" if text else " at ".join([name, *at])
    told = "".join(letter if letter.isprintable() else "?" for letter in told)
    return told if len(told) <= _WORDS else f"{told[: _WORDS - 1]}…"


def _in_order(found: re.Match[str]) -> str:
    """pluggy shows a set, in another order each time."""
    return ", ".join(sorted(found[1].split(", ")))
