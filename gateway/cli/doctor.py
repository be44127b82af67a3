"""``gateway plugins check``: what is wrong with a plugin, with its systems, and what could not be tried."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, distribution
from typing import TYPE_CHECKING, Any

import click

from gateway.answers.texts import plural
from gateway.cli.main import App, pass_app
from gateway.cli.output import json_option, say, say_json, say_under
from gateway.cli.plugins import looked, one_of

if TYPE_CHECKING:
    from gateway.plugins.doctor import Finding
    from gateway.plugins.lock import Lock
    from gateway.plugins.probe import Seen

ONLINE = 60.0
"""Seconds that one question to a system, its account included, may take."""


@click.command()
@click.argument("name", required=False)
@click.option("--offline", is_flag=True, help="Ask no accounts.")
@json_option
@pass_app
def check(app: App, name: str | None, offline: bool, as_json: bool) -> None:
    """Say what is wrong with a plugin, or with all of them, and with the systems that are of it.

    Looks at the installed files, the approval, the hook API range, what loading it shows, and for each system at its
    settings, secrets (never shown), credentials (the account is asked) and mapping. Without an instance, at the
    plugin's own part. Plugins are loaded in a process of their own. The exit code is 1 when something is wrong.
    """
    from gateway.plugins.approving import foreign
    from gateway.plugins.doctor import WRONG
    from gateway.plugins.rules import Rules

    found = looked(app)
    chosen = [one_of(found, name)] if name is not None else found
    lock = Rules.of(app.root).lock
    told = {one.name: (one, list(_findings(app, one, found, lock, offline))) for one in chosen}
    approved = lock.distributions if lock is not None and name is None else {}
    missing = [f"{key} {approved[key].version}" for key in sorted(approved.keys() - foreign().keys())]
    culprits = [one for one, findings in told.values() if any(finding.state == WRONG for _, finding in findings)]
    if as_json:
        plugins = [_json(one, findings) for one, findings in told.values()]
        say_json({"ok": not culprits, "plugins": plugins, "missing": missing})
    else:
        for one, findings in told.values():
            say(f"{one.name} ({one.distribution} {one.version})")
            rows = [
                (finding, f"{system}: {finding.about}" if system else finding.about) for system, finding in findings
            ]
            width = max((len(about) for _, about in rows), default=0)
            for finding, about in rows:
                say_under(f"  {finding.state:<9}  {about.ljust(width)}  {finding.told}", 15 + width)
            say()
        if missing:
            say(f"approved, but not installed: {', '.join(missing)}; `gateway plugins install --locked`")
        names = ", ".join(one.name for one in culprits)
        say(f"something is wrong with {names}" if culprits else f"{plural(len(chosen), 'plugin')}: nothing is wrong")
    if culprits:
        click.get_current_context().exit(1)


def _findings(
    app: App, one: Seen, found: Sequence[Seen], lock: Lock | None, offline: bool
) -> Iterator[tuple[str, Finding]]:
    """(system or "", finding)."""
    from gateway.errors import ConfigError
    from gateway.plugins.doctor import UNTRIED, Finding, of_plugin
    from gateway.plugins.probe import ask
    from gateway.plugins.uses import uses

    in_instance = (app.root / "gateway.yaml").is_file()
    try:
        there = distribution(one.distribution)
    except (PackageNotFoundError, ValueError):
        there = None
    for finding in of_plugin(one, there if one.distribution != "lead-gateway" else None, lock, in_instance):
        yield "", finding
    if not in_instance:
        return
    names = one.names or [one.name]
    try:
        used = [use for use in uses(app.root, [f"sink {name}" for name in names]) if use.what == "system"]
    except ConfigError as exc:
        yield "", Finding(UNTRIED, "systems", str(exc.problems[0]))
        return
    if used:
        bad = {other.name: other.reason for other in found if other.state == "broken"}
        online = "offline" if offline else "online"
        for row in ask("systems", app.root, bad, [one.name, ",".join(names), online], ONLINE):
            yield row["system"], Finding(row["state"], row["about"], row["told"])


def _json(one: Seen, findings: Sequence[tuple[str, Finding]]) -> dict[str, Any]:
    told = [{"system": system or None, **dataclasses.asdict(finding)} for system, finding in findings]
    return {"plugin": one.name, "distribution": one.distribution, "version": one.version, "findings": told}
