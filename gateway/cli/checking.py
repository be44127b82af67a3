"""``gateway check`` says what is wrong with an instance, and what its files amount to."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from gateway.answers.texts import plural
from gateway.cli.main import App, load_host, pass_app
from gateway.cli.output import json_option, say, say_json
from gateway.cli.patience import impatient
from gateway.errors import ConfigError, Problem

if TYPE_CHECKING:
    from gateway.host import Host
    from gateway.runtime import Gateway
    from gateway.settings.findings import Look
    from gateway.settings.instance import Instance, System


@click.command()
@click.option(
    "--online", is_flag=True, help="Ask the connected accounts, too: what do they lack, refuse, or never tell?"
)
@json_option
@pass_app
def check(app: App, online: bool, as_json: bool) -> None:
    """Check every file and show what they amount to.

    Every problem is told at once, as file:line: key: what is wrong; then the exit code is 2. Nothing is stored or sent.
    With --online each account is asked whose it is, and the mapping files are held against its fields.
    """
    from gateway.settings.loading import load_instance

    app.require()
    host = load_host(app.root, probing=True)
    try:
        instance = load_instance(app.root, host)
    except ConfigError as exc:
        if not as_json:
            raise
        say_json({"ok": False, "problems": [_problem(one) for one in exc.problems], "warnings": [], "systems": []})
        click.get_current_context().exit(2)
    gateway = _built(instance, host)
    warnings = (
        *instance.warnings,
        *host.rules.strangers((plugin.name, plugin.distribution) for plugin in host.plugins),
        *_uncarried(gateway),
        *_untold(gateway),
        *_unread(gateway),
        *_strangers(gateway),
        *_unguarded(gateway),
        *_unfetched(gateway),
        *_never_made(gateway),
    )
    gateway.instance = instance = dataclasses.replace(instance, warnings=warnings)
    looks: list[Look] = []
    problems = list(_away(gateway))
    try:
        if online and not problems:
            looks, found, instance = _asked(gateway)
            problems += found
        report = _report(instance, host, gateway, problems) | {"approval": _approval(gateway)}
    finally:
        gateway.close()
    if as_json:
        from gateway.cli import connections

        say_json({**report, "online": [connections.as_json(look) for look in looks]})
    else:
        _print(report, instance, looks)
        for problem in problems:
            say(str(problem), err=True)
        if gateway.unscored:
            none = gateway.model.scorer is None
            whose, what = (
                ("scoring.yaml: strategy: ", "no lead is scored") if none else ("", "this score stays as it is")
            )
            say(f"{whose}{gateway.unscored}: {what}", err=True)
    if not report["ok"]:
        click.get_current_context().exit(2 if problems else 1)


def _approval(gateway: Gateway) -> list[str]:
    """How the model changes; what of these files is not live, since nobody approved it."""
    from gateway.committee import governing
    from gateway.store import bundle

    files = gateway.instance.files
    active = bundle.stored(gateway.instance.store)
    live = active.files if active is not None else governing.unapproved(files)
    held = governing.Held(active.id if active is not None else "", governing.held_back(files, live))
    return [f"approval: {governing.approval_of(live)}", *held.lines]


def _away(gateway: Gateway) -> Iterator[Problem]:
    """A database that does not answer."""
    from sqlalchemy import select
    from sqlalchemy.exc import DBAPIError

    from gateway.settings.files import ConfigFile
    from gateway.store.database import in_words, read

    place = gateway.instance.store
    if place.url is not None:
        try:
            with read(gateway.store.main) as connection:
                connection.execute(select(1))
        except DBAPIError as exc:
            file = ConfigFile("gateway.yaml", gateway.instance.files["gateway.yaml"])
            yield file.problem(("store",), f"{place} {in_words(exc) or type(exc.orig).__name__}")


def _asked(gateway: Gateway) -> tuple[list[Look], list[Problem], Instance]:
    """The accounts looked at, what is wrong, and the instance with what is only suspicious among its warnings."""
    from gateway.cli import connections
    from gateway.settings.findings import Findings, in_order
    from gateway.store import bundle
    from gateway.store.database import require_current, upgrade

    if not bundle.has_tables(gateway.store):  # calls are paid from a budget, which is kept there
        upgrade(gateway.store)
    require_current(gateway.store)
    looks = connections.look_at_all(gateway)
    _compare(gateway, looks)
    findings = Findings(gateway.instance, looks)
    streams = [f"activity {name!r}" for look in looks for one in look.signals for name in one.activities]
    kept = [one for one in gateway.instance.warnings if not any(stream in one.message for stream in streams)]
    instance = dataclasses.replace(gateway.instance, warnings=(*kept, *findings.warnings))
    return looks, in_order(findings.problems), instance


def _compare(gateway: Gateway, looks: Sequence[Look]) -> None:
    """What has changed since the last look is an alarm, as it is when the gateway looks by itself, every day."""
    from gateway.outbound import catalogues
    from gateway.store import bundle
    from gateway.store.database import read

    with read(gateway.store.main) as connection:
        active = bundle.active(connection)
    if active is None or active.files != dict(gateway.instance.files):
        return  # an edit that nobody works with yet
    gateway.bundle = active.id
    for look in looks:
        for name, catalogue in look.catalogues.items():
            catalogues.heard(gateway, look.system, name, catalogue)


def _unread(gateway: Gateway) -> list[Problem]:
    """Fields that are taken in with these files, and that known records were read without."""
    from gateway.inbound import rereading
    from gateway.settings.files import ConfigFile
    from gateway.store import bundle
    from gateway.store.database import read

    instance = gateway.instance
    if (active := bundle.stored(instance.store)) is None:
        return []
    with read(gateway.store.main) as connection:
        found = list(rereading.unread_fields(gateway, connection, active.files))
    names = {one.system: f"mappings/{one.system}.yaml" for one in found}
    files = {system: ConfigFile(name, instance.files[name]) for system, name in names.items()}
    return [one.problem(files[one.system]) for one in found]


def _strangers(gateway: Gateway) -> list[Problem]:
    """Owners whom none of their systems, or only as inactive, knows among the users that it told of."""
    from gateway.people.staffing import strangers
    from gateway.settings.files import ConfigFile
    from gateway.store import bundle
    from gateway.store.database import read

    instance = gateway.instance
    if not gateway.model.journey.owners.listed or bundle.stored(instance.store) is None:
        return []
    with read(gateway.store.main) as connection:
        return list(strangers(gateway, connection, ConfigFile("journey.yaml", instance.files["journey.yaml"])))


def _unguarded(gateway: Gateway) -> list[Problem]:
    """Fields that are to be looked at again before they are written, of systems that cannot be asked."""
    from gateway.contracts import Sink
    from gateway.outbound.guarding import guarded
    from gateway.settings.files import ConfigFile

    found = []
    for system, sink in gateway.sinks.items():
        if type(sink).held is Sink.held:
            name = f"mappings/{system}.yaml"
            for object_, fields in guarded(gateway.model.objects.get(system, ())).items():
                file, plugin = ConfigFile(name, gateway.instance.files[name]), gateway.instance.systems[system].plugin
                places = [("objects", object_, "fields", field, "guard") for field in fields]
                message = f"has no effect: the plugin {plugin} cannot look at records before it writes them"
                found += [file.problem(place, message) for place in places]
    return found


def _unfetched(gateway: Gateway) -> list[Problem]:
    """Systems whose webhooks may only name a record, which nobody then fetches."""
    from gateway.contracts import Source
    from gateway.settings.files import ConfigFile

    file = ConfigFile("gateway.yaml", gateway.instance.files["gateway.yaml"])
    found = []
    for name, system in gateway.instance.systems.items():
        source = gateway.sources.get(name)
        if system.pull is None and source is not None and type(source).fetch is not Source.fetch:
            offer = gateway.host.connections.get(system.plugin)
            often = getattr(offer and offer.factory, "pull", "") or "15m"
            message = f"nothing is fetched by itself, nor what webhooks only name; write `pull: {often}` here"
            found.append(file.problem(("systems", name), f"{message}, or run `gateway pull {name}` yourself"))
    return found


def _never_made(gateway: Gateway) -> list[Problem]:
    """Records that would be made at a handoff, of systems to which nobody is handed over."""
    from gateway.settings.files import ConfigFile

    instance, found = gateway.instance, []
    for name, system in instance.systems.items():
        if system.mapping is None or name not in gateway.sinks or name in instance.journey.systems:
            continue
        file = ConfigFile(f"mappings/{name}.yaml", instance.files[f"mappings/{name}.yaml"])
        for one in system.mapping.objects.values():
            if one.kind == "person" and one.outbound and one.create == "handoff":
                message = (
                    f"made at a handoff, but journey.yaml hands nobody over to {name}; write `handoff: {name}` there"
                )
                found.append(file.problem(("objects", one.name), message))
    return found


def _uncarried(gateway: Gateway) -> list[Problem]:
    """Lists and campaigns that the journey names and no system keeps."""
    from gateway.settings.files import ConfigFile
    from gateway.sync.companions import uncarried

    file = ConfigFile("journey.yaml", gateway.instance.files.get("journey.yaml", ""))
    objects = [one for mapped in gateway.model.objects.values() for one in mapped]
    sent = {field.to for one in objects for field in one.outbound.values()}
    return list(uncarried(file, gateway.model.carries, sent))


def _untold(gateway: Gateway) -> list[Problem]:
    """Who is to hear of something through a system that is off."""
    from gateway.settings.files import ConfigFile

    file = ConfigFile("journey.yaml", gateway.instance.files.get("journey.yaml", ""))
    return [
        file.problem(
            ("notify", role, "through"), f"{one.through} is off, so nobody is told; `gateway activate {one.through}`"
        )
        for role, one in gateway.model.journey.notify.items()
        if one.through not in gateway.model.active
    ]


def _built(instance: Instance, host: Host) -> Gateway:
    """Sources, sinks and scorer built for a look; the store is not opened, and no bundle becomes active."""
    from gateway.runtime import Gateway

    return Gateway(instance, host, guard=impatient)


def _report(instance: Instance, host: Host, gateway: Gateway, problems: Sequence[Problem]) -> dict[str, Any]:
    systems = [_system(one, gateway) for one in instance.systems.values()]
    used = {one.plugin for one in instance.systems.values()}
    broken = [plugin for plugin in host.plugins if plugin.reason and plugin.state != "disabled"]
    return {
        "ok": not gateway.problems and not problems and not gateway.unscored,
        "problems": [
            *map(_problem, problems),
            *([_problem(Problem("scoring.yaml", 0, "strategy", gateway.unscored))] if gateway.unscored else []),
            *(
                {"file": "gateway.yaml", "line": 0, "key": f"systems.{name}", "message": problem}
                for name, problem in gateway.problems.items()
            ),
        ],
        "warnings": [_problem(one) for one in instance.warnings],
        "systems": systems,
        "plugins": [
            {"name": plugin.name, "state": plugin.state, "reason": plugin.reason, "used": plugin.name in used}
            for plugin in broken
        ],
    }


def _system(system: System, gateway: Gateway) -> dict[str, Any]:
    from gateway.settings.files import ConfigFile

    objects = list(system.mapping.objects.values()) if system.mapping else []
    name = f"mappings/{system.name}.yaml"
    written = ConfigFile(name, gateway.instance.files.get(name, "")).data.get("objects") or {}
    return {
        "system": system.name,
        "plugin": system.plugin,
        "role": system.role,
        "outbound": system.outbound,
        "source": system.name in gateway.sources,
        "sink": system.name in gateway.sinks,
        "in": [
            {
                "object": one.name,
                "kind": one.kind,
                "fields": len(one.inbound),
                **{rules: len(written.get(one.name, {}).get(rules) or ()) for rules in ("activities", "outcomes")},
            }
            for one in objects
        ],
        "out": [
            {"object": one.name, "fields": len(one.outbound), "create": one.create} for one in objects if one.outbound
        ],
        "beside": {object_: list(names) for object_, names in gateway.model.carries.get(system.name, {}).items()},
        "secrets": sorted(set(secrets_in(system.settings))),
        "problem": gateway.problems.get(system.name, ""),
    }


def secrets_in(settings: Any) -> Iterator[str]:
    """References of the secrets that were found; a missing one is a problem of the file already."""
    from gateway.contracts import Secret

    if isinstance(settings, Secret):
        yield settings.reference
    elif isinstance(settings, Mapping):
        for one in settings.values():
            yield from secrets_in(one)
    elif isinstance(settings, (list, tuple)):
        for one in settings:
            yield from secrets_in(one)
    elif dataclasses.is_dataclass(settings) and not isinstance(settings, type):
        for field in dataclasses.fields(settings):
            yield from secrets_in(getattr(settings, field.name))


def _problem(problem: Problem | str) -> dict[str, Any]:
    if isinstance(problem, str):
        return {"file": "", "line": 0, "key": "", "message": problem}
    return {"file": problem.file, "line": problem.line, "key": problem.key, "message": problem.message}


def _print(report: Mapping[str, Any], instance: Instance, looks: Sequence[Look]) -> None:
    from gateway.cli import connections

    asked = {look.system: look for look in looks}
    for warning in instance.warnings:
        say(f"warning: {warning}")
    for plugin in report["plugins"]:
        idle = "" if plugin["state"] == "active" else f" is {plugin['state']}"
        say(f"warning: plugin {plugin['name']}{idle}: {plugin['reason']}", err=True)
    for system in report["systems"]:
        doors = " and ".join(name for name in ("source", "sink") if system[name]) or "nothing usable"
        say(
            f"{system['system']}: plugin {system['plugin']} ({doors}), role {system['role']}, "
            f"outbound {'on' if system['outbound'] else 'off'}"
        )
        for one in system["in"]:
            said = [plural(one["fields"], "field")]
            said += [
                plural(one[name], name[:-1] if name == "outcomes" else "activity", name)
                for name in ("activities", "outcomes")
                if one[name]
            ]
            say(f"  in       {one['object']} ({one['kind']}): {', '.join(said)}")
        for one in system["out"]:
            say(f"  out      {one['object']}: {plural(one['fields'], 'field')}, created: {one['create']}")
        for object_, names in system["beside"].items():
            say(f"  beside   {object_}" + ("" if "*" in names else f": {', '.join(names)}"))
        if system["secrets"]:
            say(f"  secrets  {', '.join(system['secrets'])}: there")
        if system["problem"]:
            say(f"  PROBLEM  {system['problem']}")
        if look := asked.get(system["system"]):
            connections.tell(look)
    for place, words in enumerate(report["approval"]):
        say(words, err=place > 0)
    scores = [file.data for file in (instance.scoring, *instance.scores.values()) if file is not None]
    rules = sum(len(scoring.get(axis) or ()) for scoring in scores for axis in ("fit", "behaviour"))
    parts = [
        plural(len(instance.systems), "system"),
        plural(rules, "scoring rule") + (f" of {len(scores)} scores" if len(scores) > 1 else "")
        if scores
        else "no scoring.yaml",
        plural(len(instance.journey.stages), "stage"),
        plural(len(instance.journey.personas), "persona"),
    ]
    if report["ok"]:
        warned = len(instance.warnings) + len(report["plugins"])
        say(f"ok: {instance.name}: {', '.join(parts)}" + (f"; {plural(warned, 'warning')}" if warned else ""))
    elif unusable := [system for system in report["systems"] if system["problem"]]:
        say(f"the files are right, but {plural(len(unusable), 'system')} cannot be used", err=True)
