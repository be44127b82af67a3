"""``gateway systems``: who is connected, who is written to, who is paused."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.answers.systems import SystemSchema, systems_of
from gateway.answers.texts import asked_again, moment, plural
from gateway.cli.adding import add
from gateway.cli.main import App, pass_app, pass_app_to_look
from gateway.cli.output import by_option, json_option, say, say_json, table
from gateway.errors import Refused

if TYPE_CHECKING:
    from gateway.outbound.planner import Activation
    from gateway.runtime import Gateway


@click.group()
def systems() -> None:
    """Who is connected, who is written to, who is paused."""


systems.add_command(add)


@systems.command("list")
@json_option
@pass_app_to_look
def list_(app: App, as_json: bool) -> None:
    """List the systems of gateway.yaml in their order, which is their rank."""
    from gateway.store import listing
    from gateway.store.database import read
    from gateway.times import to_micros

    gateway = app.gateway
    with read(gateway.store.main) as connection:
        rows = listing.systems(connection)
    found = systems_of(gateway, rows)
    if as_json:
        say_json({"systems": SystemSchema(many=True).dump(found)})
        return
    table(
        ("system", "plugin", "role", "outbound", "activated", "state"),
        [
            (
                one["system"],
                one["plugin"],
                one["role"],
                "on" if one["outbound"] else "off",
                moment(rows.get(one["system"], {}).get("activated_at"), app.zone),
                one["problem"] or _state(one, to_micros(gateway.now()), app),
            )
            for one in found
        ],
    )


def _state(one: Mapping[str, Any], now: int, app: App) -> str:
    if one["paused"]:
        return f"paused: {one['paused']}"
    again = one["asked_again_at"]
    return "ok" if again is None else f"no answer: {asked_again(again, now, app.zone)}"


@systems.command()
@click.argument("system")
@click.option(
    "--existing",
    type=click.Choice(["ignore", "handover"]),
    help="What becomes of leads over the threshold already: ignored until they cross it anew, or handed over now.",
)
@json_option
@pass_app
def activate(app: App, system: str, existing: str | None, as_json: bool) -> None:
    """Start writing to a system.

    Without --existing nothing is changed: it says what would happen. With it, the leads that stand over a threshold
    already are settled, and gateway.yaml gets `outbound: on`.
    """
    from gateway.outbound import planner
    from gateway.settings.instance import known_systems
    from gateway.store import switches
    from gateway.store.database import write
    from gateway.times import to_micros

    gateway = app.gateway
    known_systems(gateway.instance, [system])
    if system not in gateway.sinks:
        raise Refused(f"{system}: {gateway.problems.get(system, 'its plugin has no sink: nothing can be sent there')}")
    path = gateway.instance.root / "gateway.yaml"
    text = None if gateway.instance.systems[system].outbound else switched_on(path, system)
    if existing is None:
        report = planner.activation(gateway, system)
    else:
        new = _written(path, text) if text is not None else None  # before anybody is handed over
        report = planner.activate(gateway, system, existing)
        if new is not None:
            os.replace(new, path)
        with write(gateway.store.main) as connection:
            switches.activated(connection, system, existing, to_micros(gateway.now()))
    if as_json:
        say_json(
            {
                "system": system,
                "over": report.over,
                "owned": report.owned,
                "excluded": report.excluded,
                "would_hand_over": report.would_hand_over,
                "held_back": report.held_back,
                "existing": existing,
                "outbound": existing is not None or text is None,
            }
        )
        return
    _print(report, gateway, system, existing)


def _print(report: Activation, gateway: Gateway, system: str, existing: str | None) -> None:
    verb = {None: "would be handed over", "ignore": "ignored until the next crossing", "handover": "handed over"}
    parts = [f"{report.owned:,} have an owner or open deal"]
    parts += [f"{report.excluded:,} are never handed over"] if report.excluded else []
    parts += [f"{report.would_hand_over - report.held_back:,} {verb[existing]}"]
    say(f"{system}: {report.over:,} stand where leads are handed over to it: {', '.join(parts)}")
    if report.held_back:
        say(f"{report.held_back:,} more are held back, being more than sales can take: see `gateway handoffs release`")
    on = gateway.instance.systems[system].outbound
    if existing is not None:
        said = "was on already" if on else "is on now; a running gateway sees it within seconds"
        say(f"gateway.yaml: systems.{system}.outbound {said}")
    elif on and not report.would_hand_over:
        say("outbound is on, and nobody is left to decide about")
    else:
        say(f"nothing is changed yet; to go on, add to `gateway activate {system}` what becomes of them:")
        say("  --existing ignore    handed over when they cross it anew")
        say("  --existing handover  handed over now")


def switched_on(path: Path, system: str) -> str:
    """The text of gateway.yaml with ``outbound: on`` for one system and nothing else changed, comments included.

    Raises ``Refused`` when that takes more than one word on the line where ``outbound`` stands.
    """
    from gateway.settings.files import ConfigFile

    file = ConfigFile.read(path, path.parent)
    entry = file.data["systems"][system]
    lines = file.text.splitlines(keepends=True)
    at = file.line(("systems", system, "outbound")) - 1
    if "outbound" in entry:
        changed = re.sub(
            r"\boutbound:(\s*)(off|false|no|'off'|\"off\")", r"outbound:\1on", lines[at], count=1, flags=re.I
        )
        lines[at] = changed
    else:  # in a block of its own: the new line goes below the system's name, as deep as its other keys
        indents = [re.match(r"\s*", line)[0] for line in lines[at + 1 : at + 2]]  # type: ignore[index]
        lines.insert(at + 1, f"{indents[0] if indents else '    '}outbound: on\n")
    text = "".join(lines)
    wanted = {**file.data, "systems": {**file.data["systems"], system: {**entry, "outbound": "on"}}}
    try:
        safe = ConfigFile(path.name, text).data == wanted
    except Exception:  # noqa: BLE001 - whatever is wrong with the changed text, it is not used
        safe = False
    if not safe:
        raise Refused(
            f"{path.name}:{at + 1}: systems.{system}: write `outbound: on` here yourself, then run this again"
        )
    return text


def _written(path: Path, text: str) -> Path:
    """A new file beside ``path``, to take its place as a whole: a crash leaves the old one. Raises ``Refused``."""
    new = path.with_name(f".{path.name}.new")
    try:
        new.write_text(text, encoding="utf-8")
        shutil.copymode(path, new)
    except OSError as exc:
        raise Refused(f"{new}: cannot be written: {exc.strerror}; nothing is changed") from None
    return new


@systems.command()
@click.argument("system")
@click.option("--reason", default="paused by hand", show_default=True, help="Shown until the system is resumed.")
@by_option
@pass_app
def pause(app: App, system: str, reason: str, by: str) -> None:
    """Stop sending to a system; its writes wait."""
    from gateway.settings.instance import known_systems
    from gateway.store import due, switches
    from gateway.store.database import write
    from gateway.times import to_micros

    gateway = app.gateway
    known_systems(gateway.instance, [system])
    with app.noting(by, "system: pause", system) as entry, write(gateway.store.main) as connection:
        entry.before, entry.after = {"paused": due.paused(connection, system)}, {"paused": reason}
        switches.pause(connection, system, reason, to_micros(gateway.now()))
    say(f"{system}: paused: {reason}")


@systems.command()
@click.argument("systems", metavar="SYSTEM...", nargs=-1, required=True)
@click.option("--unheard", is_flag=True, help="After a restore: though their news since was not pulled.")
@by_option
@pass_app
def resume(app: App, systems: tuple[str, ...], unheard: bool, by: str) -> None:
    """Send to paused systems again.

    After a restore only those whose news since then was pulled and read: else they would be told again what they know.
    """
    from gateway.inbound.unheard import require_heard
    from gateway.outbound.delivery import MAYBE_SENT
    from gateway.settings.instance import known_systems
    from gateway.store import restored
    from gateway.store.database import write
    from gateway.times import to_micros

    gateway = app.gateway
    known_systems(gateway.instance, systems)
    for system in () if unheard else systems:
        require_heard(gateway, system)
    done = dict[str, tuple[str, int]]()
    for system in systems:
        with app.noting(by, "system: resume", system) as entry, write(gateway.store.main) as connection:
            reason, left = done[system] = restored.go_on(connection, system, to_micros(gateway.now()))
            entry.before, entry.after, entry.made = {"paused": reason}, {"paused": ""}, bool(reason)
    for system, (reason, left) in done.items():
        say(f"{system}: resumed (it was paused: {reason})" if reason else f"{system}: was not paused")
        if left:
            say(f"{system}: {plural(left, 'message')} planned until now will not be sent: the store before may have;")
            say(f"look at `gateway deliveries list --system {system} --state dead`, and send those that nobody has by")
            say(f"`gateway deliveries retry ID...`, or all by `--system {system} --code {MAYBE_SENT}`")
