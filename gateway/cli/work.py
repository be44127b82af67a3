"""``gateway work``: what needs a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from gateway.cli.main import App, pass_app_to_look
from gateway.cli.output import iso, json_option, limit_option, moment, say, say_json, shown, table


@click.group()
def work() -> None:
    """What needs a person."""


@work.command("list")
@limit_option
@json_option
@pass_app_to_look
def list_(app: App, limit: int, as_json: bool) -> None:
    """List open work, the newest first.

    Ambiguous matches, dead letters, what could not be scored; the same trouble is one item, however often it is met.
    """
    from gateway.store import listing
    from gateway.store.database import read

    with read(app.gateway.store.main) as connection:
        rows = listing.work_items(connection, limit)
    if as_json:
        names = ("id", "kind", "system", "object", "record", "lead", "detail", "count")
        say_json(
            {"work": [{**{name: row[name] for name in names}, "opened_at": iso(row["opened_at"])} for row in rows]}
        )
        return
    table(
        ("since", "kind", "where", "lead", "times", "detail"),
        [
            (
                moment(row["opened_at"], app.zone),
                row["kind"],
                " ".join(filter(None, [row["system"], row["object"], row["record"]])),
                row["lead"],
                row["count"],
                _in_words(row["kind"], row["detail"]),
            )
            for row in rows
        ],
        right=("times",),
    )
    if not rows:
        say("nothing needs a person")


def _in_words(kind: str, detail: Mapping[str, Any]) -> str:
    if kind == "ambiguous match" and detail.keys() == {"namespace", "other"}:
        key = detail["namespace"].removeprefix("key:")
        key = "e-mail address" if key == "email" else key
        return f"the same {key} as lead {detail['other']}: one person or two?"
    return ", ".join(f"{name} {shown(value)}" for name, value in detail.items() if value not in ("", [], None))
