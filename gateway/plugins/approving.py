"""A lock made of what is installed: what would be approved anew, is no longer there, or is not what it was.

In: the present lock and the distributions of this environment. Out: the next lock, and in words what it changes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import Distribution

from packaging.utils import canonicalize_name

from gateway.errors import NotFound
from gateway.host import DISTRIBUTION, installed
from gateway.plugins.contents import EDITABLE, changed, fingerprint
from gateway.plugins.lock import Approved, Lock
from gateway.plugins.pip import Change
from gateway.plugins.probe import Seen
from gateway.settings.files import suggest


def foreign() -> dict[str, Distribution]:
    """Installed distributions with plugins, by name; the gateway's own is none of them."""
    pairs = [pair for pair in installed() if pair[1].metadata["Name"] != DISTRIBUTION]
    return {str(canonicalize_name(one.metadata["Name"] or "?")): one for _, one in pairs}


def distribution_of(name: str) -> Distribution:
    """The distribution of this name, or with a plugin of this name. Raises ``NotFound``."""
    there = foreign()
    if (found := there.get(str(canonicalize_name(name)))) is not None:
        return found
    plugins = {entry.name: one for entry, one in installed() if one.metadata["Name"] != DISTRIBUTION}
    if name in plugins:
        return plugins[name]
    if name == DISTRIBUTION or any(entry.name == name for entry, _ in installed()):
        raise NotFound(f"{name} is part of the gateway itself")
    raise NotFound(f"no plugin {name!r} is installed{suggest(name, [*there, *plugins])}")


def approved_now(names: Collection[str], by: str, at: str) -> dict[str, Approved]:
    """The distributions ``names`` as they are installed, their plugins not yet asked what they offer."""
    there = foreign()
    return {
        name: Approved(
            version=there[name].version,
            files=fingerprint(there[name]),
            plugins={entry.name: () for entry, one in installed() if canonicalize_name(one.metadata["Name"]) == name},
            by=by,
            at=at,
        )
        for name in names
    }


def merged(old: Lock | None, new: Mapping[str, Approved], gone: Collection[str] = ()) -> Lock:
    """``new`` over ``old``; what is as it was approved keeps who approved it, and what it came from."""
    entries = {name: one for name, one in (old.distributions if old else {}).items() if name not in gone}
    for name, one in new.items():
        before = entries.get(name)
        same = before is not None and (before.version, before.files) == (one.version, one.files)
        entries[name] = before if same and before is not None else one
    return Lock(entries)


def with_offers(lock: Lock, seen: Sequence[Seen]) -> Lock:
    """The lock with what the plugins were found to offer."""
    offers = {(str(canonicalize_name(one.distribution)), one.name): list(one.offers) for one in seen if one.offers}
    return Lock(
        {
            name: replace(
                one, plugins={plugin: offers.get((name, plugin), known) for plugin, known in one.plugins.items()}
            )
            for name, one in lock.distributions.items()
        }
    )


def with_origins(lock: Lock, changes: Sequence[Change], old: Lock | None) -> Lock:
    """The lock with where its distributions came from, and what came with them, now or before, that is no plugin."""
    entries, before = dict(lock.distributions), old.distributions if old is not None else {}
    needs = {one.name: {"version": one.then, "sha256": one.sha256} for one in changes if not one.plugins}
    for one in changes:
        name = str(canonicalize_name(one.name))
        if one.plugins and name in entries:
            brought = {**(before[name].needs if name in before else {}), **needs}
            entries[name] = replace(entries[name], archive={"source": one.source, "sha256": one.sha256}, needs=brought)
    return Lock(entries)


def wanted(lock: Lock) -> list[str]:
    """What to install so that all that is approved is there: ``gateway-x==1.0``."""
    there = foreign()
    gone = [name for name, one in lock.distributions.items() if name not in there or there[name].version != one.version]
    needs = {need: one["version"] for name in gone for need, one in lock.distributions[name].needs.items()}
    return [f"{name}=={lock.distributions[name].version}" for name in gone] + [f"{n}=={v}" for n, v in needs.items()]


def unlike(lock: Lock, changes: Sequence[Change]) -> Iterator[str]:
    """What would be installed and is not what was approved, by version or by hash."""
    known = {
        str(canonicalize_name(need)): (str(told["version"]), told.get("sha256", ""))
        for one in lock.distributions.values()
        for need, told in one.needs.items()
    }
    known |= {name: (one.version, one.archive.get("sha256", "")) for name, one in lock.distributions.items()}
    for change in changes:
        number, sha256 = known.get(str(canonicalize_name(change.name)), ("", ""))
        if not number:
            yield f"{change.name} {change.then} is not in it"
        elif (change.then, change.sha256) != (number, sha256 or change.sha256):
            yield f"{change.name} {change.then} with hash {change.sha256}; approved is {number} with {sha256 or 'any'}"


def differences(old: Lock | None, new: Lock) -> Iterator[str]:
    """What the new lock approves, and the old one did not, one line each; then what it lets go."""
    before = old.distributions if old else {}
    there = foreign()
    for name, one in new.distributions.items():
        was = before.get(name)
        if was is not None and (was.version, was.files) == (one.version, one.files):
            continue
        plugins = ", ".join(one.plugins)
        told = f"{name} {one.version} (plugin {plugins})" if plugins else f"{name} {one.version}"
        if was is not None:
            told += f": was {was.version}" if was.version != one.version else ": its files have changed"
        if one.files == EDITABLE:
            told += "; worked on in place: whatever becomes of it is approved"
        elif name in there and (odd := changed(there[name])):
            told += f"; not as its own RECORD says: {', '.join(odd[:3])}{' …' if len(odd) > 3 else ''}"
        yield told
    for name in before.keys() - new.distributions.keys():
        yield f"{name} {before[name].version}: no longer"
