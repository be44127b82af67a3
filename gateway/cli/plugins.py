"""``gateway plugins``: who is installed, what they offer, why one does not work; and what theirs is made ready."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.answers.texts import iso_time, plural, told_at
from gateway.cli.installing import install, lock, now_iso, uninstall
from gateway.cli.main import App, pass_app, plugin_call
from gateway.cli.output import by_option, json_option, say, say_json, table
from gateway.cli.scaffolding import new
from gateway.cli.sheets import test
from gateway.errors import NotFound, Refused

if TYPE_CHECKING:
    from gateway.contracts import Step
    from gateway.plugins.probe import Seen
    from gateway.plugins.rules import Rules
    from gateway.plugins.switched import Switched


@click.group()
def plugins() -> None:
    """Who is installed, and what they offer."""


@plugins.command("list")
@json_option
@pass_app
def list_(app: App, as_json: bool) -> None:
    """List every plugin, working or not.

    Plugins are loaded in a process of their own: one that hangs or ends it is told as broken. GATEWAY_PLUGINS=a,b loads
    only those named. The exit code is 1 when plugins.lock or plugins.yaml is broken: nobody can say who is let in.
    """
    from gateway.plugins.rules import Rules

    found, rules = looked(app), Rules.of(app.root)
    if as_json:
        names = ("name", "distribution", "version", "requires", "state", "reason", "since", "offers", "deprecations")
        say_json({"plugins": [{name: getattr(one, name) for name in names} for one in found]})
    else:
        _tell(app, found, rules)
    if rules.problems:
        click.get_current_context().exit(1)


def _tell(app: App, found: Sequence[Seen], rules: Rules) -> None:
    from gateway.settings.folder import zone_of

    zone = zone_of(app.root)
    table(
        ("plugin", "distribution", "version", "hook API", "state", "since", "offers"),
        [
            (one.name, one.distribution, one.version, one.requires, one.state, told_at(one.since, zone), _said(one))
            for one in found
        ],
    )
    for one in found:
        for place in one.deprecations:
            say(f"plugin {one.name}: {place}", err=True)
    for stranger in rules.strangers((one.name, one.distribution) for one in found):
        say(f"warning: {stranger}", err=True)


@plugins.command()
@click.argument("name")
@click.option("--section", "system", metavar="SYSTEM", help="Print a section of gateway.yaml to begin with, named so.")
@json_option
@pass_app
def show(app: App, name: str, system: str | None, as_json: bool) -> None:
    """Show everything of one plugin: where it is from, what it offers, and each setting of a system that is of it.

    NAME is a plugin, its distribution, or a name that it offers.
    """
    from gateway.settings.folder import zone_of

    one = one_of(looked(app), name)
    if system is not None:
        text = _section(one, name, system)
        if as_json:
            say_json({"plugin": one.name, "system": system, "section": text})
        else:
            click.echo(text, nl=False)
        return
    if as_json:
        say_json(dataclasses.asdict(one))
        return
    say(f"{one.name}: {one.distribution} {one.version} ({one.module}), hook API {one.requires or 'any version'}")
    since = f" since {told_at(one.since, zone_of(app.root))}" if one.since else ""
    say(f"  state    {one.state}{since}{f': {one.reason}' if one.reason else ''}")
    for offer in one.offers or one.would_offer:
        say(f"  offers   {offer}" + ("" if one.offers else ", when it was last loaded"))
    for place in one.deprecations:
        say(f"  will go  {place}")
    for word, settings in one.settings.items():
        say()
        say(f"settings of `plugin: {word}`" + ("" if settings else ": none"))
        table(("setting", "type", "default", "", "what it is for"), [_row(setting) for setting in settings], indent=2)
    if one.wrong:
        say(f"  asking for its settings raised {one.wrong}", err=True)
    if one.sections:
        say()
        names = [name] if name in one.sections else one.sections
        commands = " or ".join(f"`gateway plugins show {offer} --section SYSTEM`" for offer in names)
        say(f"{commands} prints a section of gateway.yaml to begin with")


@plugins.command()
@click.argument("name")
@click.option("--reason", default="", help="Why; shown wherever the plugin is missed.")
@by_option
@json_option
@pass_app
def disable(app: App, name: str, reason: str, by: str, as_json: bool) -> None:
    """Load a plugin no more in this instance; what its systems send and are to be sent waits.

    It is written into plugins.yaml, and a gateway that runs takes it up by itself. Where two distributions have a
    plugin of this name, NAME is DISTRIBUTION:PLUGIN.
    """
    from gateway.plugins import switched
    from gateway.plugins.approving import plugins_of
    from gateway.plugins.rules import called, spelled
    from gateway.plugins.uses import uses

    app.require()
    # Whoever else takes long to load is not waited for.
    theirs = [f"{distribution}:{plugin}" for plugin, distribution in plugins_of(name)]
    found, off = looked(app, only=theirs or None), _switches(app)
    one = one_of(found, name)
    for key in [key for key in off if spelled(key) in called(one.name, one.distribution)]:
        raise Refused(f"{key} is disabled already, {off[key]}")
    if one.name == "weighted" and one.distribution == "lead-gateway":
        raise Refused("weighted is part of the gateway itself")
    twins = [pair for pair in plugins_of(one.name) if pair[0] == one.name and pair[1] != one.distribution]
    served = any(not {spelled(key) for key in off} & called(*pair) for pair in twins)  # by another one from now on
    used = [] if served else uses(app.root, [*(one.offers or one.would_offer)])
    if serious := [use for use in used if use.what != "system"]:
        raise Refused(
            "\n  ".join([f"{one.name} cannot be spared; take this out of the files first:", *map(str, serious)])
        )
    entry = switched.Switched(now_iso(), by, reason, tuple(one.offers or one.would_offer))
    key = _whole(one, found)
    switched.write(app.root, off | {key: entry})
    systems = [use.name for use in used]
    if as_json:
        say_json({"plugin": key, "disabled": True, "systems": systems})
        return
    say(f"{key} is disabled; a gateway that runs takes it up by itself")
    if systems:
        say(f"until `gateway plugins enable {key}`, all news of and for {', '.join(systems)} waits")


@plugins.command()
@click.argument("name")
@json_option
@pass_app
def enable(app: App, name: str, as_json: bool) -> None:
    """Load a plugin again that was disabled in this instance, or try one at once that is quarantined.

    NAME is a plugin, its distribution, or a name that it offers. A gateway that runs takes it up by itself.
    """
    from gateway.plugins import switched
    from gateway.plugins.approving import plugins_of
    from gateway.plugins.rules import called, spelled
    from gateway.settings.folder import store_place
    from gateway.store.breakers import try_now
    from gateway.store.times import utc_now
    from gateway.times import to_micros

    app.require()
    off = _switches(app)
    theirs = plugins_of(name)
    words = {word for pair in theirs for word in called(*pair)}
    meant = [
        key
        for key, entry in off.items()
        if spelled(key) in words or any(name == one.partition(" ")[2] for one in entry.offers)
    ]
    if len(meant := [name] if name in off else meant) > 1:
        raise Refused(f"{name} is more than one plugin that is disabled; name one: {', '.join(meant)}")
    if not meant:
        for plugin in dict.fromkeys([name, *(plugin for plugin, _ in theirs)]):
            if try_now(store_place(app.root), plugin, to_micros(utc_now())):
                found = [one for one in looked(app, True, [name]) if one.name == plugin and one.state != "quarantined"]
                _tell_enabled(plugin, found, as_json, "was quarantined; a gateway that runs tries it now")
                return
        raise Refused(f"{name} is not disabled in plugins.yaml" + (f"; disabled are {', '.join(off)}" if off else ""))
    [key] = meant
    switched.write(app.root, {other: entry for other, entry in off.items() if other != key})
    found = [one for one in looked(app, only=[key]) if spelled(key) in called(one.name, one.distribution)]
    _tell_enabled(key, found, as_json, "is no longer disabled; a gateway that runs takes it up by itself")


def _tell_enabled(plugin: str, found: Sequence[Seen], as_json: bool, words: str) -> None:
    if as_json:
        told = [{"state": one.state, "reason": one.reason} for one in found]
        say_json({"plugin": plugin, "disabled": False, "found": told})
        return
    say(f"{plugin} {words}")
    for one in found:
        if one.state != "active":
            say(f"but it is {one.state}: {one.reason}", err=True)


def _switches(app: App) -> dict[str, Switched]:
    """Those of plugins.yaml. Raises ``ConfigError`` when it cannot be read."""
    from gateway.errors import ConfigError
    from gateway.plugins.rules import Rules
    from gateway.plugins.switched import SWITCHES

    rules = Rules.of(app.root)
    if wrong := [one for one in rules.problems if str(one).startswith(SWITCHES)]:
        raise ConfigError(wrong)
    return rules.off


def looked(app: App, probing: bool = False, only: Collection[str] | None = None) -> list[Seen]:
    """Every plugin, with what is quarantined by the gateway at work. ``probing``, ``only``: see ``probe.look``."""
    from gateway.plugins.probe import look
    from gateway.settings.folder import store_place
    from gateway.store.breakers import quarantined

    found = look(app.root, probing=probing, only=only)
    out = quarantined(store_place(app.root)) if (app.root / "gateway.yaml").is_file() else {}
    return [
        dataclasses.replace(one, state="quarantined", reason=out[one.name].reason, since=iso_time(out[one.name].since))
        if one.name in out and one.state in ("active", "quarantined")
        else one
        for one in found
    ]


def matching(found: Sequence[Seen], name: str) -> list[Seen]:
    """The plugins meant by ``name``: theirs, their distribution's, or one that they offer. Raises ``NotFound``."""
    from packaging.utils import canonicalize_name

    from gateway.plugins.rules import called, spelled
    from gateway.settings.files import suggest

    plugin = [one for one in found if spelled(name) in called(one.name, one.distribution)]
    distribution = [one for one in found if canonicalize_name(name) == canonicalize_name(one.distribution)]
    if meant := plugin or distribution or [one for one in found if name in one.names]:
        return meant
    known = [word for one in found for word in (one.name, *one.names)]
    raise NotFound(f"no plugin {name!r} is installed{suggest(name, known)}; `gateway plugins list` shows all")


def one_of(found: Sequence[Seen], name: str) -> Seen:
    """The plugin meant by ``name``. Raises ``NotFound``, also when it is several."""
    one, *others = matching(found, name)
    if others:
        words = ", ".join(_whole(each, found) for each in (one, *others))
        raise NotFound(f"{name} is more than one plugin; name one: {words}")
    return one


def _whole(one: Seen, found: Sequence[Seen]) -> str:
    """Its name, with its distribution's where another one has a plugin of this name."""
    return f"{one.distribution}:{one.name}" if sum(other.name == one.name for other in found) > 1 else one.name


def _section(one: Seen, name: str, system: str) -> str:
    """A section of gateway.yaml for ``system``. Raises ``Refused`` with what to do."""
    from gateway.settings.form import SYSTEM_NAME

    if not SYSTEM_NAME.fullmatch(system):
        raise Refused(f"{system!r}: a system's name is written in small letters, digits, - and _")
    if not one.sections and one.state != "active":
        why = f"{one.name} is {one.state}: {one.reason}"
        raise Refused(f"{why}; what a system of it is set up with can be told only while it is loaded")
    offered = [name] if name in one.sections else [*one.sections]
    if not offered:
        raise Refused(f"plugin {one.name} offers nothing that gateway.yaml could name as a system's plugin")
    if len(offered) > 1:
        raise Refused(f"{name} offers {', '.join(offered)}; name one: `gateway plugins show {offered[0]} --section …`")
    return "  # below `systems:` in gateway.yaml\n" + _renamed(one.sections[offered[0]], offered[0], system)


def _renamed(text: str, offer: str, system: str) -> str:
    """A section named otherwise: its key, and the names that are made of it."""
    return (
        text.replace(f"  {offer}:\n", f"  {system}:\n", 1)
        .replace(f"${{{offer.upper()}_", f"${{{re.sub(r'[^A-Za-z0-9]', '_', system).upper()}_")
        .replace(f"`gateway activate {offer}`", f"`gateway activate {system}`")
    )


def _row(setting: Mapping[str, Any]) -> tuple[object, ...]:
    from gateway.plugins.describing import legible

    marks = [word for word in ("required", "secret") if setting[word]]
    default = setting["default"]
    choices = [one for one in setting["choices"] if one not in setting["help"]]
    about = "; ".join(
        filter(None, [setting["help"], f"one of {', '.join(map(legible, setting['choices']))}" if choices else ""])
    )
    shown = "" if default in (None, [], {}) else default if isinstance(default, str) else json.dumps(default)
    return setting["path"], setting["type"], shown, ", ".join(marks), about


def _said(one: Seen) -> str:
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
    person can do is listed. The exit code is 1 when something could not be made.
    """
    from gateway.cli.connections import connection_of

    system = _system(app, name)
    connection = connection_of(app.gateway, system)
    plugin = app.instance.systems[system].plugin
    steps = plugin_call(plugin, "setup", lambda: list(connection.setup(dry_run, folder)))
    if as_json:
        say_json({"system": system, "dry_run": dry_run, "steps": [dataclasses.asdict(step) for step in steps]})
    else:
        _tell_steps(system, steps)
    if not dry_run and any(step.state == "missing" for step in steps):
        raise click.exceptions.Exit(1)


def _tell_steps(system: str, steps: Sequence[Step]) -> None:
    done = [step for step in steps if step.state != "by hand"]
    table(("object", "name", "state"), [(step.object, step.name, step.state) for step in done])
    if left := [step for step in steps if step.state == "by hand"]:
        say()
        say("Only a person can:")
        for step in left:
            say(f"  {step.object}.{step.name} {step.message}" if step.object else f"  {step.message}")
    missing = sum(step.state == "missing" for step in steps)
    if missing:
        made = any(step.state == "made" for step in steps)
        say(f"{system}: {plural(missing, 'thing')} missing" + ("" if made else "; nothing was made"))
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


def _add_commands() -> None:
    """Those that have modules of their own, some of which use what is above."""
    from gateway.cli.doctor import check

    for command in (check, new, test, install, lock, uninstall):
        plugins.add_command(command)


_add_commands()
