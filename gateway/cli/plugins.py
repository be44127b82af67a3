"""``gateway plugins``: who is installed, what they offer, why one does not work; and what theirs is made ready."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.main import App, load_host, pass_app, plugin_call
from gateway.cli.output import json_option, plural, say, say_json, table
from gateway.cli.scaffolding import new
from gateway.errors import NotFound

if TYPE_CHECKING:
    from gateway.host import Plugin


@click.group()
def plugins() -> None:
    """Who is installed, and what they offer."""


plugins.add_command(new)


@plugins.command("list")
@json_option
@pass_app
def list_(app: App, as_json: bool) -> None:
    """List every plugin, working or not.

    GATEWAY_PLUGINS=a,b loads only those named.
    """
    found = load_host(app.root).plugins
    if as_json:
        names = ("name", "distribution", "version", "requires", "state", "reason", "offers")
        say_json({"plugins": [{name: getattr(one, name) for name in names} for one in found]})
        return
    table(
        ("plugin", "distribution", "version", "state", "offers"),
        [(one.name, one.distribution, one.version, one.state, _said(one)) for one in found],
    )


def _said(one: Plugin) -> str:
    return "; ".join(filter(None, [", ".join(one.offers), one.reason]))


@plugins.command()
@click.argument("name", metavar="SYSTEM")
@click.option("--dry-run", is_flag=True, help="Say what is missing, make nothing.")
@click.option(
    "--metadata",
    "folder",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write it into a new folder, for an administrator to deploy.",
)
@json_option
@pass_app
def setup(app: App, name: str, dry_run: bool, folder: Path | None, as_json: bool) -> None:
    """Make what SYSTEM lacks before it can be written to: our key, and the fields of the mapping that are ours.

    SYSTEM is a name of gateway.yaml, or of a plugin that one system has. What is there stays as it is; what only a
    person can do is listed.
    """
    from gateway.cli.accounts import connection_of

    system = _system(app, name)
    connection = connection_of(app.gateway, system)
    plugin = app.instance.systems[system].plugin
    steps = plugin_call(plugin, "setup", lambda: list(connection.setup(dry_run, folder)))
    if as_json:
        say_json({"system": system, "dry_run": dry_run, "steps": [dataclasses.asdict(step) for step in steps]})
        return
    done = [step for step in steps if step.state != "by hand"]
    table(("object", "name", "state"), [(step.object, step.name, step.state) for step in done])
    if left := [step for step in steps if step.state == "by hand"]:
        say()
        say("Only a person can:")
        for step in left:
            say(f"  {step.object}.{step.name} {step.message}" if step.object else f"  {step.message}")
    missing = sum(step.state == "missing" for step in steps)
    if missing:
        say(f"{system}: {plural(missing, 'thing')} missing; nothing was made")
    elif not left:
        say(f"{system} has everything that the mapping writes")


def _system(app: App, name: str) -> str:
    """The system meant by ``name``. Raises ``NotFound``."""
    systems = app.instance.systems
    of_plugin = [one.name for one in systems.values() if one.plugin == name]
    if name in systems or len(of_plugin) == 1:
        return name if name in systems else of_plugin[0]
    if of_plugin:
        raise NotFound(f"several systems are of plugin {name!r}; name one: {', '.join(of_plugin)}")
    raise NotFound(f"no system {name!r} in gateway.yaml; there are: {', '.join(systems) or 'none'}")
