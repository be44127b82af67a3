"""``gateway deliveries``: writes on their way out, and those that did not get there."""

from __future__ import annotations

import click

from gateway.cli.main import App, pass_app, pass_app_to_look
from gateway.cli.output import iso, json_option, limit_option, moment, plural, say, say_json, table
from gateway.errors import NotFound, Refused

STATES = ("waiting", "confirmed", "superseded", "dead")
system_option = click.option("--system", metavar="NAME", help="Only writes to this system.")


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
@click.argument("ids", nargs=-1, metavar="[ID]...")
@system_option
@click.option("--dry-run", is_flag=True, help="Only say which.")
@json_option
@pass_app
def retry(app: App, ids: tuple[str, ...], system: str | None, dry_run: bool, as_json: bool) -> None:
    """Try dead writes again.

    Those with these ids, or all of a system.
    """
    from gateway.store import outbox
    from gateway.store.database import write
    from gateway.times import to_micros

    gateway = app.gateway
    chosen = _dead(app, ids, system)
    count = len(chosen)
    if chosen and not dry_run:
        with write(gateway.store.main) as connection:
            count = outbox.retry(connection, to_micros(gateway.now()), chosen, system)
    _tell("retried", "would be tried again" if dry_run else "tried again", chosen, count, dry_run, as_json)


@deliveries.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@system_option
@click.option("--dry-run", is_flag=True, help="Only say which.")
@json_option
@pass_app
def discard(app: App, ids: tuple[str, ...], system: str | None, dry_run: bool, as_json: bool) -> None:
    """Give up writes.

    Those with these ids (waiting or dead), or all dead ones of a system.
    """
    from gateway.store import switches
    from gateway.store.database import write
    from gateway.times import to_micros

    gateway = app.gateway
    chosen = list(ids) or _dead(app, ids, system)
    count = len(chosen)
    if chosen and not dry_run:
        with write(gateway.store.main) as connection:
            count = switches.discard(connection, to_micros(gateway.now()), chosen)
        if ids and not count:
            raise NotFound("no write with these ids that waits or is dead; `gateway deliveries list` shows them")
    _tell("discarded", "would be given up" if dry_run else "given up", chosen, count, dry_run, as_json)


def _dead(app: App, ids: tuple[str, ...], system: str | None) -> list[str]:
    from gateway.runtime import known_systems
    from gateway.store import listing
    from gateway.store.database import read

    gateway = app.gateway
    if not ids and system is None:
        raise Refused("name writes, or all dead ones of a system with --system NAME")
    if system is not None:
        known_systems(gateway.instance, [system])
    with read(gateway.store.main) as connection:
        found = listing.dead_letters(connection, ids or None, system)
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
