"""``gateway handoffs``: what sales were given, what they say of it, and how it ended."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from typing import Any

import click

from gateway.cli.main import App, pass_app, pass_app_to_look
from gateway.cli.output import iso, json_option, limit_option, moment, points, say, say_json, table


@click.group()
def handoffs() -> None:
    """What sales were given, and how it ended."""


@handoffs.command("list")
@click.option("--open", "open_only", is_flag=True, help="Only those that have not ended.")
@limit_option
@json_option
@pass_app_to_look
def list_(app: App, open_only: bool, limit: int, as_json: bool) -> None:
    """List handoffs, the newest first."""
    from gateway.cli.leads import who
    from gateway.store import listing
    from gateway.store.database import read

    with read(app.gateway.store.main) as connection:
        rows = listing.handoffs(connection, limit, open_only)
    if as_json:
        say_json({"handoffs": [_json(row) for row in rows]})
        return
    table(
        ("opened", "lead", "who", "to", "stage", "score", "owner", "state", "ended as"),
        [
            (
                moment(row["opened_at"], app.zone),
                row["lead"],
                who(row["attributes"]),
                row["system"],
                row["stage"],
                f"{row['score'] / 100:.2f}",
                row["owner"],
                _state(row),
                " ".join(filter(None, [row["bucket"], row["bucket_reason"] and f"({row['bucket_reason']})"])),
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
@_why
@_key
def recycle(app: App, key: str, reason: str, by: str | None, as_json: bool) -> None:
    """End it: back to nurture."""
    _report(app, key, "recycle", reason, by, as_json)


def _report(app: App, key: str, word: str, reason: str, by: str | None, as_json: bool) -> None:
    from gateway.reporting import report

    row = report(app.gateway, key, word, reason, by or getpass.getuser())
    if as_json:
        say_json(_json(row))
        return
    ended = f"ended as {row['bucket']}" + (f" ({row['bucket_reason']})" if row["bucket_reason"] else "")
    say(f"handoff {row['id']} of lead {row['lead']}: {ended if row['bucket'] else _state(row)}")


def _json(row: Mapping[str, Any]) -> dict[str, Any]:
    times = ("opened_at", "response_due", "period_ends", "accepted_at", "contacted_at", "closed_at")
    names = ("lead", "system", "stage", "persona", "generation", "owner", "state", "bucket", "bucket_reason")
    return {
        "handoff": row["id"],
        **{name: row[name] for name in names},
        "score": points(row["score"]),
        **{name: iso(row[name]) for name in times},
        "contributions": [
            {"rule": rule, "points": points(given), "reason": reason, "axis": axis}
            for rule, given, reason, axis in row["contributions"]
        ],
    }


def _state(row: Mapping[str, Any]) -> str:
    if row["state"] != "open":
        return str(row["state"])
    return "contacted" if row["contacted_at"] else "accepted" if row["accepted_at"] else "open"
