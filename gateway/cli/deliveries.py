"""``gateway deliveries``: writes on their way out, and those that did not get there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from gateway.answers.texts import iso, moment, plural
from gateway.cli.main import MOMENT, App, pass_app, pass_app_to_look
from gateway.cli.output import json_option, limit_option, say, say_json, table
from gateway.errors import NotFound, Refused

STATES = ("waiting", "confirmed", "superseded", "dead")
system_option = click.option("--system", metavar="NAME", help="Only writes to this system.")


def which(command: Any) -> Any:
    """The options that choose dead writes; the command gets what was chosen as ``Chosen``."""
    for option in reversed(
        (
            click.argument("ids", nargs=-1, metavar="[ID]..."),
            system_option,
            click.option("--object", "object_", metavar="NAME", help="Only of this object."),
            click.option("--code", metavar="CODE", help="Only those refused with it, as `deliveries list` shows."),
            click.option("--since", type=MOMENT, help="Only those given up from then on."),
            click.option("--until", type=MOMENT, help="Only those given up before then."),
            click.option("--dry-run", is_flag=True, help="Only say which."),
            json_option,
        )
    ):
        command = option(command)
    return command


@click.group()
def deliveries() -> None:
    """Writes on their way out, and dead letters."""


@deliveries.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only writes in this state.")
@system_option
@limit_option
@json_option
@pass_app_to_look
def list_(app: App, state: str | None, system: str | None, limit: int, as_json: bool) -> None:
    """List writes, the newest first."""
    from gateway.runtime import known_systems
    from gateway.store import listing
    from gateway.store.database import read
    from gateway.sync.companions import in_words

    with read(app.gateway.store.main) as connection:
        rows = listing.deliveries(connection, limit, system, state)
    if system is not None and not rows:  # one that left gateway.yaml may have left writes
        known_systems(app.instance, [system])
    if as_json:
        names = (
            "id",
            "system",
            "object",
            "record",
            "lead",
            "key",
            "create",
            "fields",
            "state",
            "attempts",
            "push",
            "code",
            "message",
        )
        times = ("planned_at", "due_at", "finished_at")
        found = [{**{name: row[name] for name in names}, **{name: iso(row[name]) for name in times}} for row in rows]
        say_json({"deliveries": found})
        return
    table(
        ("write", "planned", "system", "what", "lead", "state", "tries", "why"),
        [
            (
                row["id"],
                moment(row["planned_at"], app.zone),
                row["system"],
                in_words(row["object"], row["fields"], row["record"]),
                row["lead"],
                row["state"],
                row["attempts"],
                ": ".join(filter(None, [row["code"], row["message"]])),
            )
            for row in rows
        ],
        right=("tries",),
    )
    if not rows:
        say("no such writes" if system or state else "nothing was to be written yet")


@deliveries.command()
@which
@click.option("--per-minute", type=click.IntRange(1), metavar="N", help="Send no more than N of them a minute.")
@pass_app
def retry(
    app: App, /, ids: tuple[str, ...], dry_run: bool, as_json: bool, per_minute: int | None, **chosen_by: Any
) -> None:
    """Try dead writes again.

    Those with these ids, or all that the options choose; at least one of the two must be given. What a newer write
    says anyway is left alone, and tried twice is tried once.
    """
    from gateway.store import outbox
    from gateway.store.database import write
    from gateway.times import to_micros

    gateway = app.gateway
    chosen = _dead(app, ids, chosen_by)
    count = len(chosen)
    if chosen and not dry_run:
        apart = 60_000_000 // per_minute if per_minute is not None else 0
        with write(gateway.store.main) as connection:
            count = outbox.retry(connection, to_micros(gateway.now()), chosen, chosen_by["system"], apart=apart)
    _tell("retried", "would be tried again" if dry_run else "tried again", chosen, count, dry_run, as_json)


@deliveries.command()
@which
@pass_app
def discard(app: App, /, ids: tuple[str, ...], dry_run: bool, as_json: bool, **chosen_by: Any) -> None:
    """Give up writes.

    Those with these ids (waiting or dead), or all dead ones that the options choose.
    """
    from gateway.store import switches
    from gateway.store.database import write
    from gateway.times import to_micros

    gateway = app.gateway
    chosen = list(ids) if ids and not any(chosen_by.values()) else _dead(app, ids, chosen_by)
    count = len(chosen)
    if chosen and not dry_run:
        with write(gateway.store.main) as connection:
            count = switches.discard(connection, to_micros(gateway.now()), chosen)
        if ids and not count:
            raise NotFound("no write with these ids that waits or is dead; `gateway deliveries list` shows them")
    _tell("discarded", "would be given up" if dry_run else "given up", chosen, count, dry_run, as_json)


def _dead(app: App, ids: tuple[str, ...], chosen_by: Mapping[str, Any]) -> list[str]:
    from gateway.runtime import known_systems
    from gateway.store import listing
    from gateway.store.database import read

    gateway = app.gateway
    system, object_, code = chosen_by["system"], chosen_by["object_"], chosen_by["code"]
    since, until = app.micros(chosen_by["since"]), app.micros(chosen_by["until"])
    if not ids and not any(chosen_by.values()):
        raise Refused("name writes, or say which dead ones: --system, --object, --code, --since, --until")
    if system is not None:
        known_systems(gateway.instance, [system])
    with read(gateway.store.main) as connection:
        found = listing.dead_letters(connection, ids or None, system, object_, code, since, until)
    if ids and not found:
        raise NotFound("no dead write with these ids; `gateway deliveries list --state dead` shows them")
    return found


def _tell(word: str, words: str, chosen: list[str], count: int, dry_run: bool, as_json: bool) -> None:
    if as_json:
        say_json({"dry_run": dry_run, "chosen": chosen, word: 0 if dry_run else count})
        return
    say(f"{plural(count, 'write')} {words}")
    if count < len(chosen):
        left = plural(len(chosen) - count, "write")
        say(f"  {left} left alone: on the way right now, or a newer write says everything")
