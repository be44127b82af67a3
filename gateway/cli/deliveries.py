"""``gateway deliveries``: writes on their way out, and those that did not get there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from gateway.answers.deliveries import DeliverySchema, OneDeliverySchema
from gateway.answers.texts import moment, plural, shown
from gateway.cli.main import MOMENT, App, pass_app, pass_app_to_look
from gateway.cli.output import by_option, json_option, limit_option, say, say_ids, say_json, say_under, table
from gateway.errors import NotFound

if TYPE_CHECKING:
    from gateway.people.redelivering import Which

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
            by_option,
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
    from gateway.settings.instance import known_systems
    from gateway.store import listing
    from gateway.store.database import read
    from gateway.sync.companions import in_words

    with read(app.gateway.store.main) as connection:
        rows = listing.deliveries(connection, limit, system, state)
    if system is not None and not rows:  # one that left gateway.yaml may have left writes
        known_systems(app.instance, [system])
    if as_json:
        say_json({"deliveries": DeliverySchema(many=True).dump(rows)})
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
@click.argument("id")
@json_option
@pass_app_to_look
def show(app: App, id: str, as_json: bool) -> None:
    """Show one write: what was to be written, because of what, and what the system said.

    Its id is in `deliveries list` and in the log; the end of it is enough.
    """
    from gateway.store import listing
    from gateway.store.database import read
    from gateway.sync.companions import in_words

    with read(app.gateway.store.main) as connection:
        found = listing.delivery(connection, id)
    if len(found) != 1:
        which = "several writes end with" if found else "no write is or ends with"
        raise NotFound(f"{which} {id!r}; `gateway deliveries list` shows them")
    [row] = found
    if as_json:
        say_json(OneDeliverySchema().dump(row))
        return
    say(f"write {row['id']} to {row['system']}: {in_words(row['object'], row['fields'], row['record'])}")
    if row["lead"]:
        say(f"  lead {row['lead']} (`gateway leads show {row['lead']}`)")
    because = f", because of document {row['document']} (`gateway inbox show`)" if row["document"] else ""
    say(f"  planned {moment(row['planned_at'], app.zone)}{because}")
    why = ": ".join(filter(None, [row["code"], row["message"]]))
    ended = f" {moment(row['finished_at'], app.zone)}" if row["finished_at"] else ""
    say_under(f"  {row['state']}{ended}{f': {why}' if why else ''}", 4)
    if row["attempts"]:
        again = f", again at {moment(row['due_at'], app.zone)}" if row["state"] in ("waiting", "unknown") else ""
        say(f"  {plural(row['attempts'], 'try', 'tries')} in vain{again}")
    width = max(map(len, row["fields"]), default=0)
    for name, value in row["fields"].items():
        say_under(f"    {name.ljust(width)}  {shown(value)}", 6 + width)
    if not row["fields"]:
        say("    its values are not kept any more")
    if row["state"] == "dead":
        say(f"`gateway deliveries retry {row['id']}` sends it again, `discard` gives it up")


@deliveries.command()
@which
@click.option("--per-minute", type=click.IntRange(1), metavar="N", help="Send no more than N of them a minute.")
@pass_app
def retry(
    app: App, /, ids: tuple[str, ...], by: str, dry_run: bool, as_json: bool, per_minute: int | None, **chosen_by: Any
) -> None:
    """Try dead writes again.

    Those with these ids, or all that the options choose; at least one of the two must be given. What a newer write
    says anyway is left alone, and tried twice is tried once.
    """
    from gateway.people import redelivering

    which = _which(app, ids, chosen_by)
    chosen = redelivering.dead(app.gateway, which)
    _left_out(ids, chosen, "not tried again (unknown, not dead, or not of those chosen)")
    again = partial(redelivering.retry, app.gateway, chosen, which.system, per_minute)
    count = len(chosen) if dry_run else _noted(app, by, "retry", chosen, again)
    _tell("retried", "would be tried again" if dry_run else "tried again", chosen, count, dry_run, as_json)


@deliveries.command()
@which
@click.option("--reason", default="", help="Why; it is shown with each of them.")
@pass_app
def discard(
    app: App, /, ids: tuple[str, ...], by: str, dry_run: bool, as_json: bool, reason: str, **chosen_by: Any
) -> None:
    """Give up writes.

    Those with these ids (waiting or dead), or all dead ones that the options choose.
    """
    from gateway.people import redelivering

    chosen = redelivering.doomed(app.gateway, _which(app, ids, chosen_by))
    _left_out(ids, chosen, "not given up (unknown, settled, or not of those chosen)")
    give_up = partial(redelivering.give_up, app.gateway, chosen, reason)
    count = len(chosen) if dry_run else _noted(app, by, "discard", chosen, give_up)
    _tell("discarded", "would be given up" if dry_run else "given up", chosen, count, dry_run, as_json)


def _noted(app: App, by: str, word: str, chosen: Sequence[str], settle: Callable[[], int]) -> int:
    if not chosen:
        return 0
    with app.noting(by, f"writes: {word}", plural(len(chosen), "write"), after={"ids": list(chosen[:1000])}):
        return settle()


def _which(app: App, ids: tuple[str, ...], chosen_by: Mapping[str, Any]) -> Which:
    from gateway.people.redelivering import Which

    since, until = app.micros(chosen_by["since"]), app.micros(chosen_by["until"])
    return Which(ids, chosen_by["system"], chosen_by["object_"], chosen_by["code"], since, until)


def _left_out(ids: Sequence[str], chosen: Collection[str], words: str) -> None:
    if missing := sorted(set(ids) - set(chosen)):
        say(f"{words}: {', '.join(missing)}", err=True)


def _tell(word: str, words: str, chosen: list[str], count: int, dry_run: bool, as_json: bool) -> None:
    if as_json:
        say_json({"dry_run": dry_run, "chosen": chosen, word: 0 if dry_run else count})
        return
    say(f"{plural(count, 'write')} {words}")
    if dry_run:
        say_ids(chosen)
    if count < len(chosen):
        left = plural(len(chosen) - count, "write")
        say(f"  {left} left alone: on the way right now, or a newer write says everything")
