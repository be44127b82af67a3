"""``gateway owners``: who gets handoffs, who of them is there, and whose turn it is."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from gateway.answers.owners import owners_json
from gateway.answers.texts import iso, moment
from gateway.cli.main import MOMENT, App, Moment, pass_app, pass_app_to_look
from gateway.cli.output import by_option, json_option, say, say_json, table
from gateway.times import to_micros

if TYPE_CHECKING:
    from gateway.people.staffing import Standing


class LastMoment(Moment):
    """Of a day its end."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        day = isinstance(value, str) and re.fullmatch(r"[0-9]{4}-?[0-9]{2}-?[0-9]{2}", value.strip())
        return super().convert(value, param, ctx) + timedelta(days=1 if day else 0)


@click.group()
def owners() -> None:
    """Who gets handoffs, and who of them is there."""


@owners.command("list")
@json_option
@pass_app_to_look
def list_(app: App, as_json: bool) -> None:
    """List the owners of journey.yaml as they stand now.

    TURN is the order among those who share the leads of nobody's territory: 1 gets the next.
    """
    from gateway.people.staffing import standings
    from gateway.store.database import read
    from gateway.store.roster import absences

    agreed = app.gateway.model.journey.owners
    with read(app.gateway.store.main) as connection:
        found = standings(app.gateway, connection)
        coming = absences(connection, to_micros(app.gateway.now()))
    if as_json:
        say_json(owners_json(agreed, found, coming))
        return
    table(
        ("owner", "who", "weight", "takes", "zone", "now", "open", "turn"),
        [
            (
                one.owner.name,
                "" if one.owner.who == one.owner.name else one.owner.who,
                f"{one.owner.weight:g}",
                _takes(one, agreed.fallback),
                one.zone.key if one.zone is not None else "",
                _now(one, app),
                one.open,
                one.turn or "",
            )
            for one in found
        ],
        right=("weight", "open", "turn"),
    )
    if not found:
        say("journey.yaml lists no owners: the CRM's own rules decide whose a handoff is")
    now = to_micros(app.gateway.now())
    for row in coming:
        if row.begins > now:
            when = f"{moment(row.begins, app.zone)}{_until(row.ends, app)}"
            say(f"{row.owner} will be absent from {when}{_why(row.reason)}")


@owners.command()
@click.argument("name")
@click.option("--from", "begins", type=MOMENT, help="The first day, or a time; default: now.")
@click.option("--until", "ends", type=LastMoment(), help="The last day, or a time; without it, until they are back.")
@click.option("--reason", default="", help="What others see, such as holidays.")
@by_option
@json_option
@pass_app
def absent(
    app: App, name: str, begins: datetime | None, ends: datetime | None, reason: str, by: str, as_json: bool
) -> None:
    """Note that NAME is absent.

    They get no handoffs meanwhile, and those they have go to somebody else within a minute of its begin.
    """
    from gateway.people.staffing import absent as note

    start = app.moment(begins) if begins is not None else app.gateway.now()
    end = app.moment(ends) if ends is not None else None
    note(app.gateway, name, start, end, reason, by)
    ends_at = to_micros(end) if end is not None else None
    if as_json:
        say_json({"owner": name, "from": iso(to_micros(start)), "until": iso(ends_at), "reason": reason, "by": by})
        return
    say(f"{name} is absent from {moment(to_micros(start), app.zone)}{_until(ends_at, app)}{_why(reason)}")


@owners.command()
@click.argument("name")
@json_option
@pass_app
def back(app: App, name: str, as_json: bool) -> None:
    """NAME is there again; an absence that is still to come is taken back, too."""
    from gateway.people.staffing import back as end

    end(app.gateway, name)
    if as_json:
        say_json({"owner": name, "absent": False})
        return
    say(f"{name} is there again and takes part from the next handoff on")


def _takes(one: Standing, fallback: str) -> str:
    where = [one.owner.where] if one.owner.territory is not None else []
    where += ["turns"] if one.owner.territory is None and one.owner.weight else []
    where += ["fallback"] if one.owner.name == fallback else []
    where += [f"of {one.owner.system} only"] if one.owner.system else []
    return ", ".join(where) or "own accounts"


def _now(one: Standing, app: App) -> str:
    if one.gone == "absent":
        return f"absent{_until(to_micros(one.until) if one.until is not None else None, app)}{_why(one.reason)}"
    if one.gone:
        return one.gone
    if one.known is False:
        return "NOT KNOWN there"
    return "at work" if one.at_work else "not at work"


def _until(ends: int | None, app: App) -> str:
    return f" until {moment(ends, app.zone)}" if ends is not None else ""


def _why(reason: str) -> str:
    return f" ({reason})" if reason else ""
