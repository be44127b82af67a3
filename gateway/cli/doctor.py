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
from gateway.cli.plugins import looked, matching

if TYPE_CHECKING:
    from gateway.plugins.doctor import Finding
    from gateway.plugins.probe import Seen
    from gateway.plugins.rules import Rules

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
    from gateway.plugins.doctor import WRONG
    from gateway.plugins.rules import Rules

    found, rules = looked(app, probing=True), Rules.of(app.root)
    chosen = matching(found, name) if name is not None else found
    told = [(one, list(_findings(app, one, found, rules, offline))) for one in chosen]
    missing = _missing(rules) if name is None else []
    problems, warnings = _beside(app, found, rules) if name is None else ([*map(str, rules.problems)], [])
    culprits = [one for one, findings in told if any(finding.state == WRONG for _, finding in findings)]
    wrong = bool(culprits or missing or problems)
    if as_json:
        plugins = [_json(one, findings) for one, findings in told]
        data = {"ok": not wrong, "plugins": plugins, "missing": missing, "problems": problems, "warnings": warnings}
        say_json(data)
    else:
        for one, findings in told:
            say(f"{one.name} ({one.distribution} {one.version})")
            rows = [
                (finding, f"{system}: {finding.about}" if system else finding.about) for system, finding in findings
            ]
            width = max((len(about) for _, about in rows), default=0)
            for finding, about in rows:
                say_under(f"  {finding.state:<9}  {about.ljust(width)}  {finding.told}", 15 + width)
            say()
        for line in problems:
            say(f"wrong: {line}")
        if missing:
            say(f"wrong: approved, but not installed: {', '.join(missing)}; `gateway plugins install --locked`")
        for line in warnings:
            say(f"warning: {line}")
        names = ", ".join(dict.fromkeys(one.name for one in culprits))
        parts = [*([names] if names else []), *(["the instance beside its plugins"] if problems or missing else [])]
        nothing = f"{plural(len(chosen), 'plugin')}: nothing is wrong"
        say(f"something is wrong with {' and '.join(parts)}" if wrong else nothing)
    if wrong:
        click.get_current_context().exit(1)


def _missing(rules: Rules) -> list[str]:
    from gateway.plugins.approving import foreign

    approved = rules.lock.distributions if rules.lock is not None else {}
    return [f"{key} {approved[key].version}" for key in sorted(approved.keys() - foreign().keys())]


def _beside(app: App, found: Sequence[Seen], rules: Rules) -> tuple[list[str], list[str]]:
    """What is wrong, and what is odd, that concerns no plugin that is installed."""
    from gateway.errors import ConfigError
    from gateway.plugins.uses import unmet

    problems = [*map(str, rules.problems)]
    warnings = [*map(str, rules.strangers((one.name, one.distribution) for one in found))]
    try:
        wanted = unmet(app.root, [offer for one in found for offer in (one.offers or one.would_offer)])
    except ConfigError as exc:
        problems += map(str, exc.problems)
        wanted = []
    unseen = [one for one in found if one.state != "active" and not one.names]
    for use in wanted:
        if use.plugin in {one.name for one in unseen}:  # told under it
            continue
        hint = f"; {rules.offerer(use.plugin)} did" if rules.offerer(use.plugin) else ""
        (warnings if unseen else problems).append(f"{use}: no plugin that is loaded offers {use.plugin!r}{hint}")
    return problems, warnings


def _findings(app: App, one: Seen, found: Sequence[Seen], rules: Rules, offline: bool) -> Iterator[tuple[str, Finding]]:
    """(system or "", finding)."""
    from gateway.errors import ConfigError
    from gateway.plugins.doctor import UNTRIED, Finding, of_plugin
    from gateway.plugins.probe import ask
    from gateway.plugins.uses import served, uses
    from gateway.settings.folder import zone_of

    in_instance = (app.root / "gateway.yaml").is_file()
    try:
        there = distribution(one.distribution)
    except (PackageNotFoundError, ValueError):
        there = None
    there = there if one.distribution != "lead-gateway" else None
    for finding in of_plugin(one, there, rules, in_instance, zone_of(app.root)):
        yield "", finding
    if not in_instance:
        return
    names = sorted({offer.partition(" ")[2] for offer in served(one, found)})
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
