"""The accounts that the systems are connected with, asked by commands: whose they are, what they hold and tell."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from gateway.cli.main import plugin_call
from gateway.cli.output import say, say_under
from gateway.errors import GatewayError, Refused
from gateway.mapping.draft import Frame
from gateway.settings.files import ConfigFile
from gateway.settings.findings import Look

if TYPE_CHECKING:
    from gateway.contracts import Account, Connection, Signal, Sink
    from gateway.mapping.fitting import Catalogue
    from gateway.runtime import Gateway


def look_at_all(gateway: Gateway, only: Collection[str] = ()) -> list[Look]:
    """Every system that offers a connection, asked one after the other; one that fails keeps nobody from the others.

    :param only: these systems alone.
    """
    found = []
    for system in gateway.instance.systems.values():
        if only and system.name not in only:
            continue
        if system.plugin in gateway.host.connections and system.name not in gateway.problems:
            look = Look(system.name)
            try:
                plugin_call(system.plugin, "check --online", partial(_ask, gateway, look))
            except GatewayError as exc:
                look.failure = str(exc)
            found.append(look)
    return found


def _ask(gateway: Gateway, look: Look) -> None:
    connection = gateway.connection(look.system)
    mapping, sink = gateway.instance.systems[look.system].mapping, gateway.sinks.get(look.system)
    assert connection is not None
    look.prefix = connection.prefix
    look.account = connection.account()
    look.signals = connection.signals()
    if mapping is not None and sink is not None:
        look.catalogues = catalogues(sink, mapping.objects)
        look.steps = list(connection.setup(dry_run=True))


def catalogues(sink: Sink, objects: Collection[str]) -> dict[str, Catalogue]:
    return {name: sink.describe(name) for name in objects}


def frame_of(
    connection: type[Connection],
    signals: Sequence[Signal],
    about: Mapping[str, Any],
    types: Mapping[tuple[str, str], str],
) -> Frame:
    """What a draft starts from. ``about``: the instance's ``zone`` and ``currency``; ``signals`` of the account."""
    template = ConfigFile("the plugin's mapping", connection.mapping()).data
    told = {signal.object: signal for signal in signals}
    streams, finer = {}, {name for signal in signals if signal.state == "delivered" for name in signal.activities}
    for name in connection.streams:
        one = told.get(name)
        delivered = one is not None and one.state == "delivered"
        streams[name] = "" if delivered else f"{one.name}: {one.message}" if one else "its stream was not asked for"
        if delivered:
            finer |= {rule["activity"] for rule in template["objects"][name].get("activities") or ()}
    return Frame(template, connection.prefix, str(about["zone"]), str(about["currency"]), types, streams, finer)


def as_json(look: Look) -> dict[str, Any]:
    about = dataclasses.asdict(look.account) if look.account is not None else None
    return {
        "system": look.system,
        "failure": look.failure,
        "account": about,
        "signals": [dataclasses.asdict(signal) for signal in look.signals],
        "fields": {name: len(catalogue) for name, catalogue in look.catalogues.items()},
    }


def tell(look: Look) -> None:
    """The account and its signals, below the system's lines."""
    if look.account is None:
        say(f"  account  could not be asked: {look.failure}")
        return
    say(f"  account  {in_words(look.account)}")
    tell_signals(look.signals)


def tell_signals(signals: Sequence[Signal]) -> None:
    states = {"delivered": "delivered", "off": "there, but not asked for", "refused": "not given"}
    for signal in signals:
        said = f"  signal   {signal.name}: {states[signal.state]}"
        say_under(f"{said} ({signal.message})" if signal.message else said, 11)


def in_words(account: Account) -> str:
    kind = {True: "a sandbox", False: "production", None: ""}[account.sandbox]
    about = [f"{name}: {value}" for name, value in account.about.items()]
    return ", ".join(filter(None, [account.name, f"id {account.id}", kind, *about]))


def connection_of(gateway: Gateway, system: str) -> Connection:
    """Raises ``Refused`` when the system's plugin offers no connection."""
    from gateway.settings.instance import known_systems

    known_systems(gateway.instance, [system])
    plugin = gateway.instance.systems[system].plugin
    if system in gateway.problems:
        raise Refused(f"{system}: {gateway.problems[system]}")
    made: Connection | None = plugin_call(plugin, "connecting", lambda: gateway.connection(system))
    if made is None:
        raise Refused(f"{system}: plugin {plugin} connects no accounts: there is nothing to ask or to set up")
    return made
