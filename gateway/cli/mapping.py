"""``gateway mapping``: a first mapping file, drafted from the live catalogues."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING

import click

from gateway.cli.main import App, pass_app, plugin_call
from gateway.cli.output import json_option, progress, say, say_json, told_when_stopped
from gateway.errors import Refused

if TYPE_CHECKING:
    from gateway.contracts import Field
    from gateway.mapping.pairs import Side
    from gateway.runtime import Gateway


@click.group()
def mapping() -> None:
    """How systems' fields and the lead's meet."""


@mapping.command()
@click.argument("system")
@click.option("--with", "other", metavar="SYSTEM", help="Find the fields' partners in this system, too.")
@click.option(
    "--records",
    type=click.IntRange(0, 2000),
    default=200,
    show_default=True,
    metavar="N",
    help="Look at so many records of each object, to say how often a field is filled; 0 = none.",
)
@click.option("--write", is_flag=True, help="Write mappings/SYSTEM.yaml instead of printing.")
@click.option("--force", is_flag=True, help="With --write: replace a file that is there.")
@json_option
@pass_app
def draft(app: App, system: str, other: str | None, records: int, write: bool, force: bool, as_json: bool) -> None:
    """Draft SYSTEM's mapping file from its live catalogue.

    In use are the fields that the plugin knows and those with a partner in the other system, each with a direction and
    the picklists' values side by side. The rest stands there as comments, with how often each field is filled.
    """
    from gateway.cli.connections import connection_of, frame_of
    from gateway.mapping.draft import draft as drafted

    gateway = app.gateway
    connection = connection_of(gateway, system)
    path = gateway.instance.root / "mappings" / f"{system}.yaml"
    if write and path.exists() and not force:
        raise Refused(f"mappings/{system}.yaml is there already; --force replaces it, without --write it is printed")
    beside = None
    if other == system:
        raise Refused(f"--with {other}: name another system than the one that is drafted")
    if other is not None:
        connection_of(gateway, other)
        mapped = gateway.instance.systems[other].mapping
        beside = _side(gateway, other, mapped.objects if mapped is not None else (), 0)
    instance = gateway.instance
    types = {
        (str(one.kind), field.to): field.type
        for name, each in instance.systems.items()
        if name != system and each.mapping is not None
        for one in each.mapping.objects.values()
        for field in one.inbound.values()
    }
    signals = plugin_call(instance.systems[system].plugin, "signals", connection.signals)
    about = {"zone": instance.zone, "currency": instance.currency}
    frame = frame_of(type(connection), signals, about, types)
    with told_when_stopped("no mapping file is written; what was asked of the system changes nothing there"):
        text = drafted(_side(gateway, system, frame.template["objects"], records), frame, beside)
    if write:
        new = path.with_name(f".{path.name}.new")
        new.write_text(text, encoding="utf-8")
        os.replace(new, path)
    if as_json:
        say_json({"system": system, "with": other, "written": str(path) if write else None, "text": text})
    elif write:
        say(f"wrote mappings/{system}.yaml; `gateway check --online` holds it against the account")
    else:
        click.echo(text, nl=False)


def _side(gateway: Gateway, system: str, objects: Iterable[str], records: int) -> Side:
    """One system, asked."""
    from gateway.cli.connections import catalogues, connection_of
    from gateway.mapping.pairs import Side

    connection, sink = connection_of(gateway, system), gateway.sinks[system]
    plugin = gateway.instance.systems[system].plugin
    names = list(objects)
    held: dict[str, Mapping[str, Field]] = {}
    with progress(f"fields of {system}", len(names)) as done:
        for count, name in enumerate(names):
            held |= plugin_call(plugin, "describe", partial(catalogues, sink, [name]))
            done(count + 1)
    samples = {}
    with progress(f"records of {system}", len(names) if records else 0) as done:
        for count, (name, catalogue) in enumerate(held.items() if records else ()):
            fields = [one.name for one in catalogue.values() if one.type not in ("other", "relation")]
            if fields:
                samples[name] = list(plugin_call(plugin, "sample", partial(connection.sample, name, fields, records)))
            done(count + 1)
    return Side(system, held, samples, gateway.instance.systems[system].mapping)
