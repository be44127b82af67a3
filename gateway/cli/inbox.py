"""``gateway inbox``: documents as they came, reading them again, and giving up those that cannot be read."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from datetime import datetime

import click

from gateway.answers.texts import iso, iso_time, moment, plural
from gateway.cli.main import MOMENT, App, pass_app, pass_app_to_look
from gateway.cli.output import by_option, json_option, limit_option, say, say_ids, say_json, table
from gateway.cli.tracing import show
from gateway.cli.working import long_work
from gateway.errors import NotFound, Refused

STATES = ("waiting", "read", "quarantined", "discarded")
PART = 500
"""Documents that are read again before anybody can stop it."""


@click.group()
def inbox() -> None:
    """Documents as they came, what became of them, reading them again, giving them up."""


inbox.add_command(show)


@inbox.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only documents in this state.")
@click.option("--system", metavar="NAME", help="Only documents of this system.")
@click.option("--troubles", is_flag=True, help="Instead, the records that were quarantined or lost a field, and why.")
@limit_option
@json_option
@pass_app_to_look
def list_(app: App, state: str | None, system: str | None, troubles: bool, limit: int, as_json: bool) -> None:
    """List documents, the newest first.

    A document that was read may hold records that could not be: --troubles names those, with what is wrong.
    """
    if troubles:
        if state is not None:
            raise click.UsageError("--troubles looks into all documents; leave --state out")
        _troubles(app, system, limit, as_json)
        return
    from gateway.settings.instance import known_systems
    from gateway.store.inbox import EMPTIED

    rows = app.gateway.inbox.listing(system, state, limit)
    if system is not None and not rows:  # one that left gateway.yaml may have left documents
        known_systems(app.instance, [system])
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
                "; ".join(filter(None, [EMPTIED.get(row["reason"], row["reason"]), row["flags"]])),
            )
            for row in rows
        ],
        right=("bytes",),
    )
    if not rows:
        say("no such documents" if system or state else "no documents yet: a running gateway or an import brings them")


def _troubles(app: App, system: str | None, limit: int, as_json: bool) -> None:
    from gateway.settings.instance import known_systems
    from gateway.store import listing
    from gateway.store.database import read

    with read(app.gateway.store.main) as connection:
        rows = listing.troubles(connection, limit, system)
    if system is not None and not rows:
        known_systems(app.instance, [system])
    if as_json:
        names = ("document", "system", "object", "record", "state", "reason")
        found = [{**{name: row[name] for name in names}, "known_at": iso(row["known_at"])} for row in rows]
        say_json({"troubles": found})
        return
    table(
        ("document", "record", "known", "state", "what is wrong"),
        [
            (
                row["document"],
                " ".join(filter(None, [row["system"], row["object"], row["record"] or "without id"])),
                moment(row["known_at"], app.zone),
                "quarantined" if row["state"] == "dead" else row["state"],
                row["reason"].removeprefix(f"{row['object']} {row['record'] or 'without id'}: "),
            )
            for row in rows
        ],
    )
    say("`gateway inbox replay DOCUMENT` reads one again" if rows else "no record was quarantined or lost a field")


@inbox.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--system", metavar="NAME", help="Documents of this system.")
@click.option(
    "--state",
    type=click.Choice(["quarantined", "read"]),
    help="Documents in this state; quarantined unless ids are given.",
)
@click.option("--since", type=MOMENT, help="Only those that came from then on.")
@click.option("--until", type=MOMENT, help="Only those that came before then.")
@by_option
@click.option("--dry-run", is_flag=True, help="Only say which.")
@json_option
@pass_app
def replay(
    app: App,
    ids: tuple[str, ...],
    system: str | None,
    state: str | None,
    since: datetime | None,
    until: datetime | None,
    by: str,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Read documents again.

    After a mapping or plugin was put right; what is known already has no effect.
    """
    from gateway.settings.instance import known_systems
    from gateway.store.overview import states_of
    from gateway.store.times import new_id

    gateway = app.gateway
    if not ids and not any((system, state, since, until)):
        raise Refused("name documents, or say which with --system, --state, --since or --until")
    if system is not None:
        known_systems(gateway.instance, [system])
    states = (state,) if state else ("quarantined", "read") if ids else ("quarantined",)
    began, ended = (at and app.moment(at) for at in (since, until))
    chosen = gateway.inbox.requeue(list(ids) if ids else None, system, states, began, ended, dry_run=True)
    if missing := sorted(set(ids) - set(chosen)):
        if len(missing) == len(set(ids)):
            which = "this id" if len(missing) == 1 else "these ids"
            what = f"no {' or '.join(states)} document with {which} that still has a body"
            raise NotFound(f"{what}; `gateway inbox list` shows them")
        say(f"not replayed (unknown, waiting already, or without a body): {', '.join(missing)}", err=True)
    quarantined = 0
    if not dry_run and chosen:
        worker, these = f"replay:{os.getpid()}:{new_id()}", {"ids": chosen[:1000]}
        with (
            app.noting(by, "documents: read again", plural(len(chosen), "document"), after=these, first=True),
            long_work(gateway, "replay", system or "documents") as work,
            work.progress("", len(chosen)) as tell,
        ):
            try:
                for start in range(0, len(chosen), PART):  # who stops it leaves the rest as it was
                    part = gateway.inbox.requeue(chosen[start : start + PART], None, states)
                    while states_of(gateway.inbox, part).get("waiting"):
                        if not gateway.run_pipeline_once(worker):
                            time.sleep(0.2)  # another worker has them
                    tell(start + len(part))
            finally:
                gateway.inbox.release(worker)
        quarantined = states_of(gateway.inbox, chosen).get("quarantined", 0)
    if as_json:
        say_json({"dry_run": dry_run, "documents": chosen, "quarantined_again": quarantined})
    elif dry_run:
        _would(chosen, "would be read again")
    else:
        say(f"{plural(len(chosen), 'document')} read again, {quarantined:,} of them quarantined again")


@inbox.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--system", metavar="NAME", help="Documents of this system.")
@click.option("--since", type=MOMENT, help="Only those that came from then on.")
@click.option("--until", type=MOMENT, help="Only those that came before then.")
@click.option("--reason", default="", help="Why; it is shown with each of them.")
@by_option
@click.option("--dry-run", is_flag=True, help="Only say which.")
@json_option
@pass_app
def discard(
    app: App,
    ids: tuple[str, ...],
    system: str | None,
    since: datetime | None,
    until: datetime | None,
    reason: str,
    by: str,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Give up documents in quarantine, for good.

    Those with these ids, or all that the options choose; at least one of the two must be given. What a document said is
    emptied and cannot be read again; that it came, why it could not be read, who gave it up and why stays.
    """
    from gateway.settings.instance import known_systems

    gateway = app.gateway
    if not ids and not any((system, since, until)):
        raise Refused("name documents, or say which with --system, --since or --until")
    if not reason.strip() and not dry_run:
        raise Refused("say why they are given up: --reason TEXT; it is shown with each of them")
    if system is not None:
        known_systems(gateway.instance, [system])
    began, ended = (at and app.moment(at) for at in (since, until))
    chosen = gateway.inbox.quarantined(list(ids) if ids else None, system, began, ended)
    if missing := sorted(set(ids) - set(chosen)):
        if not chosen:
            raise NotFound("no document with these ids is in quarantine; `gateway inbox list --state quarantined`")
        say(f"not given up (unknown, or not in quarantine): {', '.join(missing)}", err=True)
    count = 0
    if chosen and not dry_run:
        subject = chosen[0] if len(chosen) == 1 else plural(len(chosen), "document")
        after = {"ids": chosen[:1000], "reason": reason}
        with app.noting(by, "documents: discard", subject, after=after, first=True):
            count = gateway.inbox.discard(chosen, by, reason.strip())
    if as_json:
        say_json({"dry_run": dry_run, "documents": chosen, "discarded": count})
    elif dry_run:
        _would(chosen, "would be given up")
    else:
        say(f"{plural(count, 'document')} given up")


def _would(chosen: Sequence[str], words: str) -> None:
    say(f"{plural(len(chosen), 'document')} {words}")
    say_ids(chosen)
