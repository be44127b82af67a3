"""``gateway work``: what needs a person, and what the person says."""

from __future__ import annotations

import getpass
from typing import Any

import click

from gateway.answers.texts import iso, moment, raw
from gateway.answers.work import ASKING, WAYS, in_words, item_named, sides_of, where, work_json
from gateway.cli.main import App, pass_app, pass_app_to_look
from gateway.cli.output import json_option, limit_option, say, say_json, table
from gateway.errors import Refused

FIELDS = {"keep": "SYSTEM", "value": "VALUE", "link": "RECORD", "map": "WORD", "reason": "REASON"}


@click.group()
def work() -> None:
    """What needs a person."""


@work.command("list")
@click.option("--kind", help="Only of this kind, such as conflict or `unmapped value`.")
@click.option("--system", help="Only of this system.")
@limit_option
@json_option
@pass_app_to_look
def list_(app: App, kind: str | None, system: str | None, limit: int, as_json: bool) -> None:
    """List open work, the newest first.

    Conflicts, ambiguous matches, unmapped values, dead letters, contested fields; the same trouble is one item, however
    often it is met.
    """
    from gateway.settings.files import suggest
    from gateway.settings.instance import known_systems
    from gateway.store import listing
    from gateway.store.database import read

    if system is not None:
        known_systems(app.instance, [system])
    with read(app.gateway.store.main) as connection:
        rows = listing.work_items(connection, limit, kind, system)
        kinds = listing.work_kinds(connection)
    if kind is not None and kind not in kinds and not rows and (near := suggest(kind, kinds)):
        raise Refused(f"no open work of kind {kind!r}{near}")
    if as_json:
        say_json({"work": [work_json(row) for row in rows]})
        return
    table(
        ("since", "id", "kind", "where", "lead", "times", "detail"),
        [
            (
                moment(row["opened_at"], app.zone),
                row["id"],
                row["kind"],
                where(row),
                row["lead"],
                row["count"],
                in_words(row["kind"], row["detail"]),
            )
            for row in rows
        ],
        right=("times",),
    )
    if not rows:
        say("nothing needs a person" if not kind and not system else "no such work is open")


@work.command()
@click.argument("id_", metavar="ID")
@json_option
@pass_app_to_look
def show(app: App, id_: str, as_json: bool) -> None:
    """Show one item: what it is about, what may be said, and what was said before.

    ID is an item's id, or the end of it.
    """
    from gateway.people.resolving import ways
    from gateway.people.resolving import words as words_for
    from gateway.store import work as items
    from gateway.store.database import read

    gateway = app.gateway
    row = item_named(gateway, id_)
    with read(gateway.store.main) as connection:
        said = items.resolutions(connection, row["id"])
    sides = sides_of(gateway, row)
    over = row["resolved_at"] is not None
    legal = [] if over else [f"--{way}" for way in ways(row)]
    choices = [] if over else words_for(gateway, row)
    if as_json:
        past = [{"at": iso(one["at"]), "by": one["by"], "resolution": one["resolution"]} for one in said]
        ended = {"resolved_at": iso(row["resolved_at"]), "resolution": row["resolution"]}
        sides = [{**one, "since": iso(one["since"])} for one in sides]
        say_json({**work_json(row), **ended, "legal": legal, "words": choices, "sides": sides, "said": past})
        return
    say(f"{row['kind']} {row['id']}, since {moment(row['opened_at'], app.zone)}, met {_times(row['count'])}")
    if place := where(row):
        say(f"  {place}")
    if row["lead"]:
        say(f"  lead {row['lead']}")
    if words := in_words(row["kind"], row["detail"]):
        say(f"  {words}")
    if "write" in row["detail"]:
        say(f"  write {row['detail']['write']} (`gateway deliveries show {row['detail']['write']}`)")
    table(
        ("system", "object", "record", "field", "value", "since"),
        [
            (
                *(one[name] for name in ("system", "object", "record", "field")),
                raw(one["value"]),
                moment(one["since"], app.zone),
            )
            for one in sides
        ],
        indent=2,
    )
    for one in said:
        say(f"  {moment(one['at'], app.zone)} {one['by']}: {one['resolution']}")
    if over:
        say(f"settled {moment(row['resolved_at'], app.zone)}: {row['resolution']}")
    else:
        say("to settle it, `gateway work resolve` it with one of:")
        for way in ways(row):
            option = f"--{way} {FIELDS.get(way, '')}".rstrip()
            say(f"  {option:<16} {WAYS[way]}")
        if choices:
            say(f"  that is one of: {', '.join(choices)}")


def _way_options(command: Any) -> Any:
    for name, help_ in reversed(WAYS.items()):
        said: Any = {"metavar": FIELDS[name]} if name in ASKING else {"is_flag": True}
        command = click.option(f"--{name}", help=help_, **said)(command)
    return command


@work.command()
@click.argument("ids", metavar="ID…", nargs=-1, required=True)
@_way_options
@click.option("--always", is_flag=True, help="With --keep: from now on, for all leads; written into the mapping files.")
@click.option("--by", metavar="NAME", help="Who says so; default: the user of this machine.")
@json_option
@pass_app
def resolve(app: App, /, ids: tuple[str, ...], always: bool, by: str | None, as_json: bool, **said: Any) -> None:
    """Settle items, each with the one thing that is said.

    `gateway work show ID` says what is legal for an item.
    """
    from gateway.people.resolving import Said
    from gateway.people.resolving import resolve as settle

    chosen = [(name, value) for name, value in said.items() if value not in (None, False)]
    if len(chosen) != 1:
        raise click.UsageError("say exactly one thing; `gateway work show ID` says which are legal")
    [(way, value)] = chosen
    if value == "":
        raise click.UsageError(f"--{way} needs something to say")
    word = Said(way, by or getpass.getuser(), "" if value is True else value, always)
    told = []
    for row in [item_named(app.gateway, id_) for id_ in ids]:
        try:
            done = settle(app.gateway, row, word)
        except Refused as exc:
            raise Refused(f"{row['id']}: {exc}") from None
        told.append({"id": row["id"], "kind": row["kind"], "done": done})
        if not as_json:
            say(f"{row['kind']} {row['id']}: {done[0]}")
            for line in done[1:]:
                say(f"  {line}")
    if as_json:
        say_json({"resolved": told, "by": word.by, "resolution": way})


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"
