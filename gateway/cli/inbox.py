"""``gateway inbox``: documents as they came, and reading them again."""

from __future__ import annotations

import os
import time

import click

from gateway.cli.main import App, pass_app
from gateway.cli.output import iso_time, json_option, limit_option, plural, progress, say, say_json, table
from gateway.errors import NotFound, Refused

STATES = ("waiting", "read", "quarantined")


@click.group()
def inbox() -> None:
    """Documents as they came, and reading them again."""


@inbox.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only documents in this state.")
@click.option("--system", metavar="NAME", help="Only documents of this system.")
@limit_option
@json_option
@pass_app
def list_(app: App, state: str | None, system: str | None, limit: int, as_json: bool) -> None:
    """List documents, the newest first."""
    rows = app.gateway.inbox.listing(system, state, limit)
    if as_json:
        say_json({"documents": [{**row, "received_at": iso_time(row["received_at"])} for row in rows]})
        return
    table(
        ("document", "system", "received", "by", "bytes", "state", "reason"),
        [
            (
                row["id"],
                row["system"],
                f"{row['received_at'].astimezone(app.zone):%Y-%m-%d %H:%M:%S}",
                row["origin"],
                row["size"],
                row["state"],
                "; ".join(filter(None, [row["reason"], row["flags"]])),
            )
            for row in rows
        ],
        right=("bytes",),
    )
    if not rows:
        say("no such documents")


@inbox.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--system", metavar="NAME", help="Documents of this system.")
@click.option(
    "--state",
    type=click.Choice(["quarantined", "read"]),
    help="Documents in this state; quarantined unless ids are given.",
)
@click.option("--dry-run", is_flag=True, help="Only say which.")
@json_option
@pass_app
def replay(app: App, ids: tuple[str, ...], system: str | None, state: str | None, dry_run: bool, as_json: bool) -> None:
    """Read documents again.

    After a mapping or plugin was put right; what is known already has no effect.
    """
    from gateway.runtime import known_systems
    from gateway.store.overview import states_of
    from gateway.store.times import new_id

    gateway = app.gateway
    if not ids and system is None and state is None:
        raise Refused("name documents, or say which with --system or --state quarantined")
    if system is not None:
        known_systems(gateway.instance, [system])
    states = (state,) if state else ("quarantined", "read") if ids else ("quarantined",)
    chosen = gateway.inbox.requeue(list(ids) if ids else None, system, states, dry_run=dry_run)
    if missing := sorted(set(ids) - set(chosen)):
        if len(missing) == len(set(ids)):
            raise NotFound(f"no {' or '.join(states)} document with {'this id' if len(missing) == 1 else 'these ids'}")
        say(f"not replayed (unknown, or waiting already): {', '.join(missing)}", err=True)
    quarantined = 0
    if not dry_run and chosen:
        worker = f"replay:{os.getpid()}:{new_id()}"
        with progress("reading again") as tell:
            done = 0
            try:
                while True:
                    if worked := gateway.run_pipeline_once(worker):
                        done += worked
                        tell(done)
                    elif states_of(gateway.inbox, chosen).get("waiting"):
                        time.sleep(0.2)  # another worker has them
                    else:
                        break
            finally:
                gateway.inbox.release(worker)
        quarantined = states_of(gateway.inbox, chosen).get("quarantined", 0)
    if as_json:
        say_json({"dry_run": dry_run, "documents": chosen, "quarantined_again": quarantined})
    elif dry_run:
        say(f"{plural(len(chosen), 'document')} would be read again")
        for one in chosen[:20]:
            say(f"  {one}")
    else:
        say(f"{plural(len(chosen), 'document')} read again, {quarantined:,} of them quarantined again")
