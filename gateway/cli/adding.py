"""``gateway systems add``: a real account connected without a line of YAML written by hand.

Asked or given settings → checked → the account asked whose it is → its id pinned → gateway.yaml and a first mapping
file written. Nothing is written before the account has answered.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.asking import ask_for, settings_of
from gateway.cli.main import App, load_host, pass_app, plugin_call
from gateway.cli.output import json_option, say, say_json
from gateway.errors import AccessRefused, ConfigError, GatewayError, NotFound, Problem, Refused

if TYPE_CHECKING:
    from marshmallow import Schema

    from gateway.cli.vendors import Vendor
    from gateway.contracts import Account, Connection, Signal, Sink
    from gateway.host import Host
    from gateway.settings.files import ConfigFile

MINIMAL = """# How {name}'s fields and the lead's meet. Name the object and its fields as the system does.
system: {name}
timezone: {zone}

objects:
  contact:
    kind: person
    id: id
    time: received
    fields:
      email: email
"""


@dataclass(slots=True)
class Adding:
    """To be written. ``entry``: the system's section of gateway.yaml; ``connection``: what the plugin offers."""

    root: Path
    main: ConfigFile
    name: str
    plugin: str
    entry: dict[str, Any]
    schema: type[Schema] | None
    connection: type[Connection] | None


@click.command("add")
@click.argument("plugin")
@click.option("--name", metavar="NAME", help="Name of the system here; default: the plugin's, or the vendor's.")
@click.option("--vendor", "sender", metavar="VENDOR", help="Begin with the ready files for this sender of webhooks.")
@click.option(
    "--role", type=click.Choice(["ma", "crm", "other", "notify"]), help="What the system is; default: the plugin's."
)
@click.option("--pull", metavar="15m", help="How often it is asked for news; default: the plugin's.")
@click.option("--set", "given", multiple=True, metavar="KEY=VALUE", help="A setting; may be repeated. YAML values.")
@click.option("--offline", is_flag=True, help="Write without asking the account.")
@click.option("--ask/--no-ask", default=None, help="Ask for what is not given; default: at a terminal.")
@json_option
@pass_app
def add(
    app: App,
    plugin: str,
    name: str | None,
    sender: str | None,
    role: str | None,
    pull: str | None,
    given: Sequence[str],
    offline: bool,
    ask: bool | None,
    as_json: bool,
) -> None:
    """Connect an account of PLUGIN (hubspot, salesforce …): settings, test, pin, first mapping file.

    The account is asked whose it is and what the credentials lack; its id goes into the settings, so that another
    account's credentials are refused later. Nothing is written unless it answers, and nothing is sent to it before
    `gateway activate`. With --vendor the settings and the mapping are those of mappings/vendors/VENDOR.
    """
    from gateway.cli.vendors import vendor
    from gateway.contracts import NOTICE

    app.require()
    host = load_host(app.root)
    ready = vendor(sender, plugin) if sender is not None else None
    adding = _adding(app.root.resolve(), host, plugin, name or sender or plugin)
    kind = adding.connection
    brings = NOTICE in getattr(host.sinks[plugin].factory, "carries", {}) if plugin in host.sinks else False
    adding.entry |= {
        "role": role or ("notify" if brings else kind.role if kind else ready.entry["role"] if ready else "other"),
        **({"pull": pull or (kind.pull if kind else "")} if pull or (kind and kind.pull) else {}),
        "outbound": "off",
        "settings": {**(ready.entry["settings"] if ready else {}), **settings_of(given)},
    }
    if adding.schema is not None and (sys.stdin.isatty() if ask is None else ask):
        ask_for(adding.schema(), adding.entry["settings"], adding.root, adding.name)
    _check(adding, offline)
    asked = None if offline or kind is None else _asked(adding, kind, host)
    account = asked.account if asked is not None else None
    comments = {"outbound": f"until `gateway activate {adding.name}`"}
    for key, value in (account.pin if account is not None else {}).items():
        adding.entry["settings"].setdefault(key, value)
        comments[key] = "another account's credentials are refused"
    text = "" if adding.entry["role"] == "notify" else _mapping(adding, host, asked, ready)
    written = _write(adding, host, text, comments)
    if as_json:
        about = asdict(account) if account is not None else None
        signals = [asdict(signal) for signal in asked.signals] if asked is not None else []
        steps = [step for step, _ in _next(adding, host)]
        say_json({"system": adding.name, "account": about, "signals": signals, "written": written, "next": steps})
        return
    _tell(adding, host, asked, written)


def _adding(root: Path, host: Host, plugin: str, name: str) -> Adding:
    """Raises ``NotFound`` for a plugin that is not there, ``Refused`` for a name that is taken."""
    from gateway.settings.files import ConfigFile, suggest
    from gateway.settings.form import SYSTEM_NAME

    offers = [shelf[plugin] for shelf in (host.sources, host.sinks) if plugin in shelf]
    if not offers:
        known = sorted({*host.sources, *host.sinks})
        why, offerer = host.unavailable.get(plugin), host.rules.offerer(plugin)
        hint = suggest(plugin, known) or "; install the plugin that does"
        if why or offerer:
            hint = f"; it is {why}" if why else f"; {offerer} does: `gateway plugins install --locked`"
        raise NotFound(f"no plugin offers {plugin!r}; there are: {', '.join(known)}{hint}")
    if not SYSTEM_NAME.fullmatch(name):
        raise Refused(f"{name!r}: a system's name is written in small letters, digits, - and _")
    main = ConfigFile.read(root / "gateway.yaml", root)
    if name in (main.data.get("systems") or {}):
        line = main.line(("systems", name))
        raise Refused(f"gateway.yaml:{line}: there is a system {name!r} already; give this one another --name")
    if (root / "mappings" / f"{name}.yaml").exists():
        raise Refused(f"mappings/{name}.yaml is there already; give the system another --name, or move the file away")
    schema = next((offer.settings for offer in offers if offer.settings is not None), None)
    connection = host.connections[plugin].factory if plugin in host.connections else None
    return Adding(root, main, name, plugin, {"plugin": plugin}, schema, connection)  # type: ignore[arg-type]


# -- settings ----------------------------------------------------------------------------------------------------------


def _check(adding: Adding, offline: bool) -> None:
    """Raises ``ConfigError`` with everything wrong with the settings. ``offline``: a secret may come later."""
    from gateway.settings.files import ConfigFile, suggest
    from gateway.settings.secrets import LITERAL, SecretField, secrets_of

    settings = adding.entry["settings"]
    if adding.schema is None:
        if settings:
            raise Refused(f"plugin {adding.plugin} has no settings")
        return
    schema = adding.schema()
    with secrets_of(adding.root):
        found = ConfigFile(f"settings of {adding.name}", "").check(schema, settings)
    problems: list[Problem | str] = []
    for problem in found:
        field = schema.fields.get(re.split(r"[.\[]", problem.key)[0])
        field = getattr(field, "inner", None) or getattr(field, "value_field", None) or field  # of a list, of a mapping
        given = problem.key in settings or problem.key not in schema.fields  # the whole, or one of several
        if offline and isinstance(field, SecretField) and problem.message != LITERAL and given:
            continue
        hint = ""
        if "missing" in problem.message or "needs it" in problem.message:
            secret = isinstance(field, SecretField)
            hint = f"; give --set '{problem.key}={'${NAME}' if secret else '…'}'"
        elif problem.message.startswith("unknown key") and "did you mean" not in problem.message:
            hint = suggest(problem.key, schema.fields) or f"; there are: {', '.join(schema.fields)}"
        problems.append(f"{problem.key}: {problem.message}{hint}")
    if problems:
        raise ConfigError(problems)


# -- the account -------------------------------------------------------------------------------------------------------


def _built(adding: Adding, factory: Callable[..., Any]) -> Any:
    """Built for a system that nobody else knows yet: there is no budget that its calls could be taken from."""
    from gateway.contracts import Context
    from gateway.settings.secrets import secrets_of
    from gateway.store.times import utc_now

    settings: Mapping[str, Any] = {}
    if adding.schema is not None:
        with secrets_of(adding.root):
            settings = adding.schema().load(adding.entry["settings"])
    return factory(settings, Context(system=adding.name, root=adding.root, mapping=None, now=utc_now))


@dataclass(frozen=True, slots=True)
class Asked:
    """What the account answered. ``sink``: who tells its fields, None where there is none."""

    account: Account
    signals: Sequence[Signal]
    sink: Sink | None


def _asked(adding: Adding, kind: type[Connection], host: Host) -> Asked:
    offer = host.sinks.get(adding.plugin)
    try:
        made: Connection = plugin_call(adding.plugin, "connecting", partial(_built, adding, kind))
        told = offer if adding.entry["role"] != "notify" else None  # whose fields are told
        sink = plugin_call(adding.plugin, "connecting", partial(_built, adding, told.factory)) if told else None
        return plugin_call(adding.plugin, "asking", lambda: Asked(made.account(), made.signals(), sink))  # type: ignore[no-any-return]
    except GatewayError as exc:
        raise Refused(f"{adding.name}: {exc}\nnothing was written; --offline writes without asking") from None


def _mapping(adding: Adding, host: Host, asked: Asked | None, ready: Vendor | None) -> str:
    """The first mapping file: the vendor's, or what the plugin knows, cut down to what the account has."""
    if ready is not None:
        return ready.mapping(adding.name)
    from gateway.cli.connections import catalogues, frame_of
    from gateway.mapping.draft import draft
    from gateway.mapping.pairs import Side

    about = {"zone": "UTC", "currency": "EUR", **(adding.main.data.get("instance") or {})}
    if adding.connection is None:
        return MINIMAL.format(name=adding.name, zone=about["zone"])
    frame = frame_of(adding.connection, asked.signals if asked else (), about, _types(adding, host))
    held = None
    if asked is not None and (sink := asked.sink) is not None:
        with suppress(AccessRefused):  # told under `missing`; the plugin knows enough for a frame
            held = plugin_call(adding.plugin, "describe", lambda: catalogues(sink, frame.template["objects"]))
    return draft(Side(adding.name, held), frame, rest=False)


def _types(adding: Adding, host: Host) -> dict[tuple[str, str], str]:
    """The types that the other mapping files give to lead fields, as far as these can be read."""
    from gateway.mapping import compile_mapping
    from gateway.settings.files import ConfigFile

    found: dict[tuple[str, str], str] = {}
    for name in adding.main.data.get("systems") or {}:
        path = adding.root / "mappings" / f"{name}.yaml"
        try:
            mapping = compile_mapping(ConfigFile.read(path, adding.root), "other", host.transforms)
        except ConfigError:  # `gateway check` tells of it
            continue
        for one in mapping.objects.values():
            found |= {(one.kind, field.to): field.type for field in one.inbound.values()}
    return found


# -- writing -----------------------------------------------------------------------------------------------------------


def _write(adding: Adding, host: Host, text: str, comments: Mapping[str, str]) -> list[str]:
    """Both files, or none. What the new system would bring of problems is told before; those of others are not ours."""
    from gateway.settings.folder import texts
    from gateway.settings.loading import load_instance
    from gateway.settings.section import with_system

    name = f"mappings/{adding.name}.yaml"
    main = with_system(adding.main, adding.name, adding.entry, comments)
    try:
        written = {"gateway.yaml": main, **({name: text} if text else {})}
        load_instance(adding.root, host, texts(adding.root) | written)
    except ConfigError as exc:
        at = f"systems.{adding.name}."
        told = [one for one in exc.problems if isinstance(one, Problem)]
        # its settings have been checked, but for secrets that may come later
        ours = [one for one in told if one.file == name or (one.key.startswith(at) and f"{at}settings" not in one.key)]
        if ours:
            raise ConfigError(ours) from None
    mapping, path = adding.root / name, adding.root / "gateway.yaml"
    if text:
        mapping.parent.mkdir(exist_ok=True)
        mapping.write_text(text, encoding="utf-8")
    new = path.with_name(".gateway.yaml.new")
    new.write_text(main, encoding="utf-8")
    os.replace(new, path)
    return list(written)


def _tell(adding: Adding, host: Host, asked: Asked | None, written: Sequence[str]) -> None:
    from gateway.cli.connections import in_words, tell_signals

    if asked is not None:
        account = asked.account
        say(f"{adding.name}: {in_words(account)}")
        for missing in account.missing:
            say(f"  missing: {missing}")
        for whose, sign in account.connectors.items():
            say(f"  careful: {whose} is at work there, too ({sign})")
        if not account.missing:
            say("  the credentials may do all that is needed")
        tell_signals(asked.signals)
    say(f"wrote {' and '.join(written)}; nothing is sent there before `gateway activate {adding.name}`")
    say()
    say("Next:")
    for step, why in _next(adding, host):
        say(f"  {step:<52}{why}")


def _next(adding: Adding, host: Host) -> Iterator[tuple[str, str]]:
    name, systems = adding.name, adding.main.data.get("systems") or {}
    if adding.entry["role"] == "notify":
        yield "edit journey.yaml", f"`notify:` says who hears what through {name}"
        yield "gateway check --online", "is everything right, and does the server take us?"
        yield f"gateway activate {name} --existing ignore", "from then on people are told"
    elif adding.connection is not None:
        connected = [one for one, data in systems.items() if data.get("plugin") in host.connections]
        beside = f" --with {connected[0]}" if connected else ""
        yield f"gateway mapping draft {name}{beside}", "everything the account holds, as a mapping to choose from"
        yield f"gateway plugins setup {name} --dry-run", "what it lacks before it can be written to"
        yield "gateway check --online", "the files held against the account"
        yield f"gateway pull {name} --history", "what is there already, as history"
    else:
        yield f"edit mappings/{name}.yaml", "its objects and fields"
        yield "gateway check", "is everything right?"
