"""A lock made of what is installed: what would be approved anew, is no longer there, or is not what it was.

In: the present lock and the distributions of this environment. Out: the next lock, and in words what it changes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import Distribution, PackageNotFoundError, version

from packaging.utils import canonicalize_name

from gateway.errors import NotFound, Refused
from gateway.host import DISTRIBUTION, installed
from gateway.plugins.contents import EDITABLE, UNKNOWN, added, changed, fingerprint
from gateway.plugins.lock import LOCK, Approved, Lock
from gateway.plugins.needs import brought
from gateway.plugins.pip import Change
from gateway.plugins.probe import Seen
from gateway.plugins.rules import called, spelled
from gateway.settings.files import suggest


def foreign() -> dict[str, Distribution]:
    """Installed distributions with plugins, by name; the gateway's own is none of them."""
    pairs = [pair for pair in installed() if pair[1].metadata["Name"] != DISTRIBUTION]
    return {str(canonicalize_name(one.metadata["Name"] or "?")): one for _, one in pairs}


def distribution_of(name: str) -> Distribution:
    """The distribution of this name, or with a plugin of this name. Raises ``NotFound``, also when it is several."""
    there = foreign()
    if (found := there.get(str(canonicalize_name(name)))) is not None:
        return found
    plugins = {entry.name: one for entry, one in installed() if one.metadata["Name"] != DISTRIBUTION}
    theirs = sorted({str(canonicalize_name(whole)) for _, whole in plugins_of(name)} & there.keys())
    if len(theirs) > 1:
        raise NotFound(f"{name} is a plugin of {' and of '.join(theirs)}; name one of these")
    if theirs:
        return there[theirs[0]]
    if name == DISTRIBUTION or any(entry.name == name for entry, _ in installed()):
        raise NotFound(f"{name} is part of the gateway itself")
    raise NotFound(f"no plugin {name!r} is installed{suggest(name, [*there, *plugins])}")


def plugins_of(name: str) -> list[tuple[str, str]]:
    """(plugin, distribution) of each that is called so, or that a distribution of this name has."""
    wanted = str(canonicalize_name(name))
    pairs = [(entry.name, str(one.metadata["Name"] or "?")) for entry, one in installed()]
    return [pair for pair in pairs if canonicalize_name(pair[1]) == wanted or spelled(name) in called(*pair)]


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
            needs={need: {"version": number, "sha256": ""} for need, number in brought(there[name]).items()},
        )
        for name in names
    }


def merged(old: Lock | None, new: Mapping[str, Approved], gone: Collection[str] = ()) -> Lock:
    """``new`` over ``old``; what is as it was approved keeps who approved it, and what it came from."""
    entries = {name: one for name, one in (old.distributions if old else {}).items() if name not in gone}
    for name, one in new.items():
        if (before := entries.get(name)) is None:
            entries[name] = one
        elif _unlike(before, one):
            needs = {
                need: before.needs[need] if _version(before, need) == told["version"] else told
                for need, told in one.needs.items()
            }
            same = (before.version, before.files) == (one.version, one.files)
            entries[name] = replace(one, needs=needs, archive=before.archive if same else {})
    return Lock(entries)


def _unlike(before: Approved, now: Approved) -> bool:
    versions = [{need: told["version"] for need, told in one.needs.items()} for one in (before, now)]
    return (before.version, before.files) != (now.version, now.files) or versions[0] != versions[1]


def _version(one: Approved, need: str) -> str:
    return one.needs[need]["version"] if need in one.needs else ""


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


def with_origins(lock: Lock, changes: Sequence[Change]) -> Lock:
    """The lock with where its distributions came from, and the hashes of what came with them."""
    came = {str(canonicalize_name(one.name)): one for one in changes}
    entries = {}
    for name, one in lock.distributions.items():
        needs = {
            need: {**told, "sha256": came[need].sha256} if need in came and came[need].then == told["version"] else told
            for need, told in one.needs.items()
        }
        archive = {"source": came[name].source, "sha256": came[name].sha256} if name in came else one.archive
        entries[name] = replace(one, archive=archive, needs=needs)
    return Lock(entries)


def affected(lock: Lock | None, changes: Sequence[Change]) -> set[str]:
    """Approved distributions, as they were approved, of which something changes that came with them."""
    names = {str(canonicalize_name(one.name)) for one in changes}
    there = foreign()
    return {
        name
        for name, one in (lock.distributions if lock is not None else {}).items()
        if lock is not None and one.needs.keys() & names and name in there and not lock.against(there[name])
    }


def wanted(lock: Lock) -> tuple[list[str], list[str]]:
    """What to install so that all that is approved is there, and what to install once more for its files have changed.

    As ``gateway-x==1.0``, or as the folder, file or repository where it was taken from, if that is here. Raises
    ``Refused`` with everything approved that nobody can bring back.
    """
    there, entries = foreign(), lock.distributions
    gone = [name for name, one in entries.items() if name not in there or there[name].version != one.version]
    other = [name for name in entries if name not in gone and fingerprint(there[name]) != entries[name].files]
    if lost := [_lost(name, entries[name]) for name in (*gone, *other) if entries[name].files in (EDITABLE, UNKNOWN)]:
        raise Refused("\n  ".join([f"{LOCK} approves what cannot be brought back by itself:", *lost]))
    if more := [f"{name}: {path}" for name in other for path in added(there[name])]:
        raise Refused("\n  ".join(["files were added, which no installer takes away; delete them first:", *more]))
    needs = {need: told["version"] for one in entries.values() for need, told in one.needs.items()}
    pins = [f"{need}=={number}" for need, number in needs.items() if _installed(need) != number]
    return [_asked(name, entries[name]) for name in gone] + pins, [_asked(name, entries[name]) for name in other]


def away(lock: Lock, asked: Collection[str]) -> Iterator[str]:
    """What is ``asked`` for by name because where it came from is not here."""
    for name, one in lock.distributions.items():
        source = one.archive.get("source", "")
        if _asked(name, one) in asked and not one.origin and source.startswith(("/", "file:///")):
            yield f"{name} {one.version} came from {source}, which is not here"


def _lost(name: str, one: Approved) -> str:
    how = "as a project worked on in place: install it here as such (`pip install -e`)"
    if one.files == UNKNOWN:
        how = "without knowing its files: install it here"
    return f"{name} {one.version} was approved {how}, then approve what is here with `gateway plugins lock {name}`"


def _asked(name: str, one: Approved) -> str:
    return one.origin or f"{name}=={one.version}"


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def unlike(lock: Lock, changes: Sequence[Change]) -> Iterator[str]:
    """What would be installed and is not what was approved: by version, by the archive's hash, or by its files."""
    needs = {
        str(canonicalize_name(need)): (str(told["version"]), told.get("sha256", ""))
        for one in lock.distributions.values()
        for need, told in one.needs.items()
    }
    for change in changes:
        name = str(canonicalize_name(change.name))
        approved = lock.distributions.get(name)
        known = (approved.version, approved.archive.get("sha256", "")) if approved is not None else needs.get(name)
        told = f"{change.name} {change.then} from {change.source}"
        if known is None:
            yield f"{told} is not in it; where all is installed, `gateway plugins lock` writes down what came with what"
        elif change.then != known[0]:
            yield f"{told}: approved is {known[0]}"
        elif known[1] not in ("", change.sha256) and not (approved is not None and change.built):
            yield f"{told} with hash {change.sha256}: approved is {known[1]}"
        elif approved is not None and change.files != approved.files:
            why = "; it was built here, where the tools that build may differ" if change.built else ""
            yield f"{told}: its files are not those approved{why}"


def differences(old: Lock | None, new: Lock) -> Iterator[str]:
    """What the new lock approves, and the old one did not, one line each; then what it lets go."""
    before = old.distributions if old else {}
    there = foreign()
    for name, one in new.distributions.items():
        was = before.get(name)
        if was is not None and not _unlike(was, one):
            continue
        plugins = ", ".join(one.plugins)
        told = f"{name} {one.version} (plugin {plugins})" if plugins else f"{name} {one.version}"
        if was is not None and was.version != one.version:
            told += f": was {was.version}"
        elif was is not None and was.files != one.files:
            told += ": its files have changed"
        if needs := list(_with(was, one)):
            told += f"; {', '.join(needs)}"
        if one.files == EDITABLE:
            told += "; worked on in place: whatever becomes of it is approved"
        elif name in there and (odd := changed(there[name])):
            told += f"; not as its own RECORD says: {', '.join(odd[:3])}{' …' if len(odd) > 3 else ''}"
        yield told
    for name in before.keys() - new.distributions.keys():
        yield f"{name} {before[name].version}: no longer"


def _with(was: Approved | None, one: Approved) -> Iterator[str]:
    """What comes with a distribution now."""
    for need, told in one.needs.items():
        before = _version(was, need) if was is not None else ""
        if before != told["version"]:
            yield f"with {need} {told['version']}" + (f" (was {before})" if before else "")
    for need in sorted(was.needs.keys() - one.needs.keys()) if was is not None else ():
        yield f"without {need}"
