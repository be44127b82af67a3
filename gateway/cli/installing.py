"""``gateway plugins install``, ``lock`` and ``uninstall``: what is there, and what of it was approved."""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.answers.texts import iso_time, plural
from gateway.cli.main import App, pass_app
from gateway.cli.output import by_option, json_option, say, say_json, table
from gateway.errors import NotFound, Refused

if TYPE_CHECKING:
    from gateway.plugins.lock import Lock
    from gateway.plugins.pip import Change
    from gateway.plugins.probe import Seen

yes_option = click.option("--yes", is_flag=True, help="Do not ask.")


@click.command()
@click.argument("asked", nargs=-1, metavar="[DIST]...")
@click.option("--upgrade", is_flag=True, help="Take the newest version, also of what is there already.")
@click.option("--again", is_flag=True, help="Install once more what is there already: its files have changed.")
@click.option("--locked", is_flag=True, help="What plugins.lock approves and is not here, and nothing else.")
@yes_option
@by_option
@json_option
@pass_app
def install(
    app: App, asked: Sequence[str], upgrade: bool, again: bool, locked: bool, yes: bool, by: str, as_json: bool
) -> None:
    """Install plugins with pip, after showing what would change, and approve them.

    DIST is what pip takes: a name, `name==1.2`, a wheel, a folder, an address. Exactly the files whose hashes were
    shown are installed. In an instance they are written into plugins.lock; if there is none yet, it is begun with all
    plugins that are installed. With --json and without --yes nothing is installed.

    --locked installs what plugins.lock approves and is not here, or is not here as it was approved: from the folder,
    file or repository it came from where that is here, else by name and version. What differs from what was approved
    is refused, and the lock stays as it is.
    """
    from gateway.plugins import pip
    from gateway.plugins.approving import affected, approved_now, foreign, merged, wanted, with_origins

    lock = _lock(app)
    if locked == bool(asked):
        raise click.UsageError("name what to install, or say --locked")
    if locked:
        if lock is None:
            raise Refused("there is no plugins.lock here that could say what to install")
        if upgrade or again:
            raise click.UsageError("--locked installs what was approved, and knows by itself what to install again")
        missing, changed = wanted(lock)
        if not missing and not changed:
            if as_json:
                say_json({"changes": [], "approves": [], "installed": False})
            else:
                say("everything that plugins.lock approves is installed, as it was approved")
            return
    with tempfile.TemporaryDirectory(prefix="gateway-") as folder:
        if locked and lock is not None:
            changes = _as_locked(lock, missing, changed, Path(folder))
        else:
            changes = pip.plan(asked, Path(folder), upgrade, again)
        also = [] if lock is not None or not _is_instance(app) else sorted(foreign())
        also = [name for name in also if name not in {_normal(one.name) for one in changes}]
        if as_json and (not yes or not changes):
            say_json({"changes": _json(changes), "approves": also, "installed": False})
            return
        if not changes:
            say("nothing to change: what was asked for is installed; --upgrade or --again install it anew")
            return
        if not as_json:
            _show(changes, also)
        if not yes:
            question = "Install and approve this?" if _is_instance(app) and not locked else "Install this?"
            click.confirm(question, abort=True, err=True)
        names = {_normal(one.name) for one in changes if one.plugins} | set(also) | affected(lock, changes)
        pip.install(changes, Path(folder))
    importlib.invalidate_caches()
    if _is_instance(app) and not locked:
        new = with_origins(merged(lock, approved_now(names & foreign().keys(), by, now_iso())), changes)
        seen = _write(app, new)
    else:
        seen = _look(app)
    brought = {name for one in changes for name in one.plugins}
    ours = [one for one in seen if one.name in brought]
    if as_json:
        told = [{"name": one.name, "state": one.state, "reason": one.reason, "offers": one.offers} for one in ours]
        say_json({"changes": _json(changes), "approves": also, "installed": True, "plugins": told})
    else:
        _tell_installed(changes, ours)
        _tell_approved(app, locked)
        if any(one.now for one in changes):
            say("restart a gateway that runs: a process that has loaded the old version keeps it")
    if any(one.state != "active" for one in ours):
        click.get_current_context().exit(1)


def _as_locked(lock: Lock, missing: Sequence[str], changed: Sequence[str], folder: Path) -> list[Change]:
    """What brings here what the lock approves. Raises ``Refused`` where that is not to be had, or is something else."""
    from gateway.plugins import pip
    from gateway.plugins.approving import away, unlike

    try:
        changes = pip.plan(missing, folder) if missing else []
        changes += pip.plan(changed, folder, again=True) if changed else []
    except Refused as exc:
        raise Refused("\n  ".join([str(exc), *away(lock, (*missing, *changed))])) from None
    if strange := list(unlike(lock, changes)):
        raise Refused("\n  ".join(["this is not what plugins.lock approves:", *strange]))
    return changes


def _tell_approved(app: App, locked: bool) -> None:
    if locked:
        say("as approved in plugins.lock")
    elif _is_instance(app):
        say("approved in plugins.lock; commit it")
    else:
        say("there is no instance here, so nothing was approved; `gateway plugins lock` does it in one")


@click.command()
@click.argument("names", nargs=-1, metavar="[DIST]...")
@yes_option
@by_option
@json_option
@pass_app
def lock(app: App, names: Sequence[str], yes: bool, by: str, as_json: bool) -> None:
    """Approve plugins as they are installed: all of them, or those named.

    Writes plugins.lock; from then on what is not in it, or is not what it was, is not loaded. Without names, what is
    no longer installed is taken out. With --json and without --yes nothing is written.
    """
    from gateway.plugins.approving import approved_now, differences, distribution_of, foreign, merged

    app.require()
    old = _lock(app)
    chosen = [_normal(distribution_of(name).metadata["Name"]) for name in names] or sorted(foreign())
    gone = set() if names or old is None else old.distributions.keys() - foreign().keys()
    new = merged(old, approved_now(chosen, by, now_iso()), gone)
    told = list(differences(old, new))
    if old is not None and not told:
        if as_json:
            say_json({"approves": [], "written": False})
        else:
            say("nothing to approve: plugins.lock says what is installed")
        return
    if as_json and not yes:
        say_json({"approves": told, "written": False})
        return
    if not as_json:
        if old is None:
            say("there is no plugins.lock yet: from now on only what it approves is loaded")
        for line in told:
            say(f"  {line}")
        out = sorted(foreign().keys() - new.distributions.keys())
        if out:
            say(f"not approved, so not loaded: {', '.join(out)}")
    if not yes:
        click.confirm("Approve this?", abort=True, err=True)
    seen = _write(app, new)
    if as_json:
        say_json({"approves": told, "written": True})
    else:
        say(f"wrote plugins.lock with {plural(len(new.distributions), 'distribution')}; commit it")
    for one in seen:
        if _normal(one.distribution) in chosen and one.state != "active":
            say(f"but {one.name} is {one.state}: {one.reason}", err=True)


@click.command()
@click.argument("name")
@yes_option
@json_option
@pass_app
def uninstall(app: App, name: str, yes: bool, as_json: bool) -> None:
    """Remove a plugin's distribution with pip, unless the instance uses it, and its approval.

    NAME is a plugin or a distribution. What came with it stays.
    """
    from gateway.plugins import pip
    from gateway.plugins.approving import distribution_of
    from gateway.plugins.uses import served, spared, uses

    lock = _lock(app)
    try:
        distribution = distribution_of(name)
    except NotFound:
        if lock is None or _normal(name) not in lock.distributions:
            raise
        _forget(app, lock, _normal(name))
        if as_json:
            say_json({"uninstalled": "", "version": "", "plugins": [], "stays": []})
        else:
            say(f"{name} is not installed; its approval is taken out of plugins.lock")
        return
    full, key = distribution.metadata["Name"], _normal(distribution.metadata["Name"])
    number = distribution.version  # read from disk, which will not have it any more
    found = _look(app)
    seen = [one for one in found if _normal(one.distribution) == key]
    if _is_instance(app):
        offers = {offer for one in seen if not spared(one, found) for offer in served(one, found)}
        if used := uses(app.root, offers):
            raise Refused("\n  ".join([f"{full} is used; take this out of the files first:", *map(str, used)]))
    if needed := pip.needed_by(full):
        raise Refused(f"{full} is needed by {', '.join(needed)}; uninstall that first")
    needs = lock.distributions[key].needs if lock is not None and key in lock.distributions else {}
    stays = [f"{need} {needs[need]['version']}" for need in needs]
    if not as_json:
        names = ", ".join(one.name for one in seen)
        say(f"goes: {full} {number} (plugin {names}) from {distribution.locate_file('')}")
        if stays:
            say(f"stays, though it came with it: {', '.join(stays)}")
    if not yes:
        click.confirm("Uninstall it?", abort=True, err=True)
    pip.uninstall(distribution)
    if lock is not None and key in lock.distributions:
        _forget(app, lock, key)
    if as_json:
        plugins = [one.name for one in seen]
        say_json({"uninstalled": full, "version": number, "plugins": plugins, "stays": stays})
    else:
        say(f"{full} is uninstalled" + (" and taken out of plugins.lock" if lock is not None else ""))


def _tell_installed(changes: Sequence[Change], seen: Sequence[Seen]) -> None:
    say(f"installed {', '.join(f'{one.name} {one.then}' for one in changes)}")
    for one in seen:
        what = ", ".join(one.offers) if one.state == "active" else f"{one.state}: {one.reason}"
        say(f"  plugin {one.name}: {what}")


def _show(changes: Sequence[Change], also: Sequence[str]) -> None:
    rows = [
        (one.name, one.now or "-", one.then, ", ".join(one.plugins), one.source, f"sha256:{one.sha256}")
        for one in changes
    ]
    table(("package", "now", "then", "plugins", "from", "hash"), rows)
    for one in changes:
        if one.built and one.source.startswith("/"):
            say(
                f"careful: {one.name} is built of {one.source}; elsewhere `install --locked` needs that folder, too, "
                "and tools that build the same: a wheel where pip looks can be had everywhere"
            )
    if also:
        say(f"plugins.lock is begun, and approves as they are, too: {', '.join(also)}")


def _json(changes: Sequence[Change]) -> list[dict[str, Any]]:
    return [{name: value for name, value in asdict(one).items() if name != "wheel"} for one in changes]


def _is_instance(app: App) -> bool:
    return (app.root / "gateway.yaml").is_file()


def _lock(app: App) -> Lock | None:
    from gateway.plugins.lock import Lock

    return Lock.read(app.root) if _is_instance(app) else None


def _forget(app: App, lock: Lock, name: str) -> None:
    from gateway.plugins.approving import merged

    merged(lock, {}, {name}).write(app.root)


def _look(app: App) -> list[Seen]:
    from gateway.plugins.probe import look

    return look(app.root)


def _write(app: App, lock: Lock) -> list[Seen]:
    """Written first, so that just what was approved is loaded and asked what it offers, then with the answers."""
    from gateway.plugins.approving import with_offers

    lock.write(app.root)
    seen = _look(app)
    with_offers(lock, seen).write(app.root)
    return seen


def _normal(name: str) -> str:
    from packaging.utils import canonicalize_name

    return str(canonicalize_name(name))


def now_iso() -> str:
    """The real time, by the second, as files hold it."""
    from datetime import UTC, datetime

    return iso_time(datetime.now(UTC).replace(microsecond=0))
