"""``gateway handoffs``: what sales were given, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from gateway.cli.main import App, pass_app_to_look
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
        times = ("opened_at", "response_due", "period_ends", "accepted_at", "contacted_at", "closed_at")
        names = ("lead", "system", "stage", "persona", "generation", "owner", "state", "bucket", "bucket_reason")
        found = [
            {
                "handoff": row["id"],
                **{name: row[name] for name in names},
                "score": points(row["score"]),
                **{name: iso(row[name]) for name in times},
                "contributions": [
                    {"rule": rule, "points": points(given), "reason": reason, "axis": axis}
                    for rule, given, reason, axis in row["contributions"]
                ],
            }
            for row in rows
        ]
        say_json({"handoffs": found})
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


def _state(row: Mapping[str, Any]) -> str:
    if row["state"] != "open":
        return str(row["state"])
    return "contacted" if row["contacted_at"] else "accepted" if row["accepted_at"] else "open"
