"""What is wrong with a plugin, and what is not: one finding per thing looked at.

``of_plugin`` looks at what is installed, without running any of it; what loading it showed comes from ``probe``, and so
does what concerns the systems of an instance (``systems``, which runs in the probe's process).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from gateway.answers.texts import told_at
from gateway.plugins.contents import EDITABLE, UNKNOWN, added, came_from, changed, fingerprint
from gateway.plugins.lock import LOCK, Lock
from gateway.plugins.probe import Seen, Tell

if TYPE_CHECKING:
    from gateway.host import Host
    from gateway.plugins.rules import Rules
    from gateway.settings.instance import Instance

UTC = ZoneInfo("UTC")
OK, WRONG, UNTRIED = "ok", "wrong", "not tried"


@dataclass(frozen=True, slots=True)
class Finding:
    """``state``: ok, wrong or not tried; ``about``: what was looked at; ``told``: what was found, or why not."""

    state: str
    about: str
    told: str


def of_plugin(
    seen: Seen, distribution: Distribution | None, rules: Rules, in_instance: bool, zone: ZoneInfo = UTC
) -> Iterator[Finding]:
    """The plugin's own part. ``zone``: of the times that are told."""
    if distribution is not None:
        yield from _installed(distribution, rules.lock)
        yield from _approved(distribution, rules, in_instance, zone)
    if seen.state == "incompatible":
        yield Finding(WRONG, "hook API", seen.reason)
    else:
        yield Finding(OK, "hook API", f"{seen.requires or 'no range stated'}; this is {version('lead-gateway')}")
    since = f" since {told_at(seen.since, zone)}" if seen.since else ""
    if seen.state == "quarantined":
        yield Finding(WRONG, "state", f"quarantined{since}: {seen.reason}")
    if seen.state in ("disabled", "incompatible") or (seen.state == "quarantined" and not seen.offers):
        yield Finding(UNTRIED, "loading", f"it is {seen.state}{since}: {seen.reason}")
        return
    if seen.state == "broken":
        yield Finding(WRONG, "loading", f"broken{since}: {seen.reason}")
        return
    yield Finding(OK, "loading", f"offers {', '.join(seen.offers)}" if seen.offers else "offers nothing by name")
    if seen.state == "active" and seen.reason:
        yield Finding(WRONG, "names", seen.reason)
    for place in seen.deprecations:
        yield Finding(OK, "hooks", f"they still work, but {place}")
    if seen.wrong:
        yield Finding(WRONG, "settings schema", f"asking for it raised {seen.wrong}")


def _installed(distribution: Distribution, lock: Lock | None) -> Iterator[Finding]:
    whole = f"{distribution.metadata['Name']} {distribution.version}"
    found = fingerprint(distribution)
    if found == EDITABLE:
        yield Finding(UNTRIED, "files", f"{whole} is worked on in place: its files may change at any time")
    elif found == UNKNOWN:
        yield Finding(UNTRIED, "files", f"{whole} was installed without RECORD: what its files were nobody knows")
    elif odd := changed(distribution):
        more = f" and {len(odd) - 5} more" if len(odd) > 5 else ""
        approved = lock.approved(distribution) if lock is not None else None
        origin = approved.origin if approved is not None else ""
        again = f"--again {origin or came_from(distribution) or distribution.metadata['Name']}"
        if lock is not None and approved is not None and lock.against(distribution):
            again = "--locked"
        told = f"{'; '.join(odd[:5])}{more}"
        if len(odd) > len(added(distribution)):
            told += f"; `gateway plugins install {again}` puts them back"
        yield Finding(WRONG, "files", told)
    else:
        yield Finding(OK, "files", f"{whole}, as installed")


def _approved(distribution: Distribution, rules: Rules, in_instance: bool, zone: ZoneInfo) -> Iterator[Finding]:
    if unread := [one for one in rules.problems if str(one).startswith(LOCK)]:
        yield Finding(WRONG, "approval", str(unread[0]))
        return
    if (lock := rules.lock) is None:
        why = f"there is no {LOCK}; `gateway plugins lock` begins one" if in_instance else "no instance is given"
        yield Finding(UNTRIED, "approval", why)
        return
    if why := lock.against(distribution):
        yield Finding(WRONG, "approval", why)
    elif (approved := lock.approved(distribution)) is not None:
        yield Finding(OK, "approval", f"by {approved.by} at {told_at(approved.at, zone)}")
        for name, need in approved.needs.items():
            try:
                there = version(name)
            except PackageNotFoundError:
                there = "not installed"
            if there != need["version"]:
                yield Finding(WRONG, "approval", f"{name} came with it as {need['version']}, and is {there}")


# -- systems: in the probe's process -----------------------------------------------------------------------------------


def systems(root: Path, host: Host, arguments: Sequence[str], tell: Tell) -> None:
    """Look at each system of one plugin. ``arguments``: it, what it offers with commas, and ``online`` or not."""
    from gateway.errors import ConfigError, Problem
    from gateway.settings.loading import load_instance

    plugin, names, online = arguments
    tell(doing="the instance was read", plugin=plugin)
    offered = set(names.split(","))
    try:
        instance = load_instance(root, host)
    except ConfigError as exc:
        problems = [one for one in exc.problems if isinstance(one, Problem)]
        for name in _named(root, offered):
            ours = [one for one in problems if _concerns(one, name)]
            for one in ours:
                about = "settings" if one.file == "gateway.yaml" else "mapping"
                tell(system=name, **dataclasses.asdict(Finding(WRONG, about, str(one))))
            if not ours:
                told = f"the instance has other problems: {exc.problems[0]}; `gateway check` tells all"
                tell(system=name, **dataclasses.asdict(Finding(UNTRIED, "system", told)))
        return
    for system in instance.systems.values():
        if system.plugin in offered:
            for finding in _system(instance, host, system.name, online == "online", tell, plugin):
                tell(system=system.name, **dataclasses.asdict(finding))


def _system(instance: Instance, host: Host, name: str, online: bool, tell: Tell, plugin: str) -> Iterator[Finding]:
    from gateway.cli.checking import secrets_in
    from gateway.runtime import Gateway

    system = instance.systems[name]
    if system.absent:
        yield Finding(WRONG, "plugin", system.absent)
        return
    yield Finding(OK, "settings", "as its schema wants them")
    secrets = sorted(set(secrets_in(system.settings)))
    yield Finding(OK, "secrets", f"{', '.join(secrets)}: there" if secrets else "none are needed")
    tell(doing=f"{name} was built", plugin=plugin)
    # only this system: no other plugin's code is run
    alone = dataclasses.replace(instance, systems={name: system}, scoring=None)
    gateway = Gateway(alone, host)
    try:
        if name in gateway.problems:
            yield Finding(WRONG, "building", gateway.problems[name])
            return
        doors = [word for word, shelf in (("source", gateway.sources), ("sink", gateway.sinks)) if name in shelf]
        yield Finding(OK, "building", " and ".join(doors))
        gateway.instance = instance
        yield from _asked(gateway, name, online, tell, plugin)
    finally:
        gateway.close()


def _asked(gateway: Any, name: str, online: bool, tell: Tell, plugin: str) -> Iterator[Finding]:
    """The account behind it, as `gateway check --online` asks it."""
    from gateway.cli.connections import in_words, look_at_all
    from gateway.settings.findings import Findings, in_order
    from gateway.store import bundle
    from gateway.store.database import require_current, upgrade

    system = gateway.instance.systems[name]
    if system.plugin not in gateway.host.connections:
        yield Finding(UNTRIED, "credentials", f"plugin {system.plugin} connects no accounts: there is nobody to ask")
        return
    if not online:
        yield Finding(UNTRIED, "credentials", "--offline")
        return
    if not bundle.has_tables(gateway.store):  # calls are paid from a budget, which is kept there
        upgrade(gateway.store)
    require_current(gateway.store)
    tell(doing=f"the account of {name} was asked", plugin=plugin)
    looks = look_at_all(gateway, [name])
    for look in looks:
        if look.account is None or look.failure:
            yield Finding(WRONG, "credentials", look.failure)
            yield Finding(UNTRIED, "mapping", "the account could not be asked")
            continue
        yield Finding(OK, "credentials", in_words(look.account))
        found = [one for one in in_order(Findings(gateway.instance, looks).problems) if _concerns(one, name)]
        for one in found:
            yield Finding(WRONG, "mapping", str(one))
        if not found and system.mapping is not None:
            yield Finding(OK, "mapping", "fits the account's fields")


def _concerns(problem: Any, system: str) -> bool:
    mine = f"systems.{system}"
    return bool(
        problem.file == f"mappings/{system}.yaml"
        or (problem.file == "gateway.yaml" and (problem.key == mine or problem.key.startswith(f"{mine}.")))
    )


def _named(root: Path, offered: set[str]) -> list[str]:
    from gateway.errors import ConfigError
    from gateway.plugins.uses import uses

    try:
        return [use.name for use in uses(root, [f"sink {name}" for name in offered]) if use.what == "system"]
    except ConfigError:
        return []
