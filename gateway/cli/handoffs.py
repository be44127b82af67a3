"""``gateway handoffs``: what sales were given, what they say of it, and how it ended."""

from __future__ import annotations

import getpass
from datetime import datetime
from typing import Any

import click

from gateway.answers.handoff import bucket_words, ended_as, handoff_json, state_words
from gateway.answers.texts import iso, moment
from gateway.cli.judging import correct, open_, release
from gateway.cli.main import MOMENT, App, pass_app, pass_app_to_look
from gateway.cli.output import by_option, json_option, limit_option, say, say_json, table

ALARMS = {"warned": "a warning", "escalated": "others hear of it", "reassigned": "it goes to the next owner"}


@click.group()
def handoffs() -> None:
    """What sales were given, and how it ended."""


for command in (correct, open_, release):
    handoffs.add_command(command)


@handoffs.command("list")
@click.option("--open", "open_only", is_flag=True, help="Only those that have not ended.")
@limit_option
@json_option
@pass_app_to_look
def list_(app: App, open_only: bool, limit: int, as_json: bool) -> None:
    """List handoffs, the newest first."""
    from gateway.answers.texts import who
    from gateway.people.staffing import called
    from gateway.store import listing
    from gateway.store.database import read

    with read(app.gateway.store.main) as connection:
        rows = listing.handoffs(connection, limit, open_only)
        whose = called(app.gateway, connection, rows)
    if as_json:
        say_json({"handoffs": [handoff_json(row) | {"owner_name": whose[row["id"]]} for row in rows]})
        return
    table(
        ("opened", "lead", "who", "to", "stage", "score", "owner", "why", "state", "ended as"),
        [
            (
                moment(row["opened_at"], app.zone),
                row["lead"],
                who(row["attributes"]),
                row["system"],
                row["stage"],
                f"{row['score'] / 100:.2f}",
                whose[row["id"]],
                row["owner_why"],
                state_words(row),
                ended_as(row),
            )
            for row in rows
        ],
        right=("score",),
    )
    if not rows:
        say("no open handoffs" if open_only else "no handoffs yet")


def _key(command: Any) -> Any:
    by = click.option("--by", metavar="NAME", help="Who says so; default: the user of this machine.")
    return click.argument("key")(by(json_option(pass_app(command))))


def _why(command: Any) -> Any:
    return click.option("--reason", default="", help="One of the reasons that journey.yaml lists.")(command)


@handoffs.command()
@_key
def accept(app: App, key: str, by: str | None, as_json: bool) -> None:
    """Sales take the lead up.

    KEY is a handoff's id, or the lead's: its id, e-mail address, or SYSTEM:OBJECT:ID.
    """
    _report(app, key, "accept", "", by, as_json)


@handoffs.command()
@_why
@_key
def qualify(app: App, key: str, reason: str, by: str | None, as_json: bool) -> None:
    """End it: sales-qualified."""
    _report(app, key, "qualify", reason, by, as_json)


@handoffs.command()
@_why
@_key
def reject(app: App, key: str, reason: str, by: str | None, as_json: bool) -> None:
    """End it: sales-rejected."""
    _report(app, key, "reject", reason, by, as_json)


@handoffs.command()
@click.option("--wake", type=MOMENT, help="When sales want it again, whatever it does until then.")
@_why
@_key
def recycle(app: App, key: str, wake: datetime | None, reason: str, by: str | None, as_json: bool) -> None:
    """End it: back to nurture."""
    _report(app, key, "recycle", reason, by, as_json, app.moment(wake) if wake is not None else None)


@handoffs.command()
@click.argument("key")
@json_option
@pass_app_to_look
def show(app: App, key: str, as_json: bool) -> None:
    """Show one handoff: whose it is and why, until when they have to answer, what its clock did, what sales were told.

    KEY is a handoff's id, or the lead's: its id, e-mail address, or SYSTEM:OBJECT:ID.
    """
    from gateway.people.staffing import called, events, handoff_of
    from gateway.store.database import read
    from gateway.store.listing import endings

    with read(app.gateway.store.main) as connection:
        row = handoff_of(app.gateway, connection, key)
        whose = called(app.gateway, connection, [row])[row["id"]]
        happened = events(app.gateway, connection, row)
        decided = endings(connection, row["id"])
    if as_json:
        told = [{**one, "at": iso(one["at"])} for one in happened]
        ends = [{**one, "at": iso(one["at"]), "decided_at": iso(one["decided_at"])} for one in decided]
        more = {"owner_name": whose, "clock_events": told, "endings": ends, "package": row["package"]}
        say_json(handoff_json(row) | more)
        return
    say(f"handoff {row['id']} of lead {row['lead']} to {row['system']}: {state_words(row)}")
    say(
        f"  {'opened':<14} {moment(row['opened_at'], app.zone)} at stage {row['stage']}, generation {row['generation']}"
    )
    if whose:
        say(f"  {'owner':<14} {whose} ({row['owner_why']})")
    for name, what in (("response_due", "answer due"), ("alarm_at", "next alarm"), ("period_ends", "follow-up ends")):
        if row[name] is not None and row["state"] == "open":
            which = f": {ALARMS[row['alarm']]}" if name == "alarm_at" else ""
            say(f"  {what:<14} {moment(row[name], app.zone)}{which}")
    for name in ("accepted", "contacted", "closed"):
        if row[f"{name}_at"] is not None:
            how = f" as {ended_as(row)} by {row['closed_by']}" if name == "closed" and row["bucket"] else ""
            say(f"  {name:<14} {moment(row[f'{name}_at'], app.zone)}{how}")
    for one in happened:
        whom = f"{one['before']} → {one['owner']}" if one["before"] and one["before"] != one["owner"] else one["owner"]
        by = f" by {one['by']}" if one["by"] else ""
        say(f"  {moment(one['at'], app.zone)}  {one['kind']:<10} {whom}: {one['reason']}{by}")
    for one in decided:
        how = f"{_ENDINGS[one['what']]} {bucket_words(one['bucket'], one['reason'])}"
        say(f"  {moment(one['decided_at'], app.zone)}  {how}" + (f" by {one['by']}" if one["by"] else ""))
    if row["wake_at"] is not None:
        say(f"  {'wanted again':<14} {moment(row['wake_at'], app.zone)}")
    if row["package"]:
        say(f"  {'told':<14} {row['package']['subject']}")
        for line in row["package"]["task"].splitlines():
            say(f"  {'':<14} {line}")


@handoffs.command()
@click.argument("key")
@click.argument("owner", required=False)
@click.option("--auto", is_flag=True, help="The rules of journey.yaml choose, among those who did not have it yet.")
@click.option("--reason", default="", help="Why; others see it.")
@by_option
@json_option
@pass_app
def reassign(app: App, key: str, owner: str | None, auto: bool, reason: str, by: str, as_json: bool) -> None:
    """Give an open handoff to somebody else, with a response time of their own.

    KEY is a handoff's id, or the lead's: its id, e-mail address, or SYSTEM:OBJECT:ID. OWNER is a name of journey.yaml,
    or a user's id or e-mail address in the CRM.
    """
    from gateway.people.staffing import called
    from gateway.people.staffing import reassign as give
    from gateway.store.database import read

    if auto == (owner is not None):
        raise click.UsageError("name the new OWNER, or let the rules choose with --auto")
    row = give(app.gateway, key, owner or "", reason, by)
    with read(app.gateway.store.main) as connection:
        whose = called(app.gateway, connection, [row])[row["id"]]
    if as_json:
        say_json(handoff_json(row) | {"owner_name": whose})
        return
    due = row["response_due"] if row["alarm_at"] is not None else None
    until = f"; answer due {moment(due, app.zone)}" if due is not None else ""
    say(f"handoff {row['id']} of lead {row['lead']} is {whose}'s now ({row['owner_why']}){until}")


def _report(
    app: App, key: str, word: str, reason: str, by: str | None, as_json: bool, wake: datetime | None = None
) -> None:
    from gateway.people.reporting import report

    row = report(app.gateway, key, word, reason, by or getpass.getuser(), wake)
    if as_json:
        say_json(handoff_json(row))
        return
    ended = f"ended as {row['bucket']}" + (f" ({row['bucket_reason']})" if row["bucket_reason"] else "")
    say(f"handoff {row['id']} of lead {row['lead']}: {ended if row['bucket'] else state_words(row)}")


_ENDINGS = {"end": "ended as", "correction": "corrected:", "return": "the lead came back:"}
"""What was decided of its end → in words."""
