"""``gateway work``: what needs a person, and what the person says."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from gateway.answers.texts import iso, moment, plain, raw, shown
from gateway.cli.main import App, pass_app, pass_app_to_look
from gateway.cli.output import json_option, limit_option, say, say_json, table
from gateway.errors import NotFound, Refused

if TYPE_CHECKING:
    from gateway.runtime import Gateway

NAMES = ("id", "kind", "system", "object", "record", "lead", "detail", "count")
FLAGS = {
    "merge": "They are one person.",
    "apart": "They are two people, whatever they share.",
    "create": "Make a new record, whoever is there already.",
    "ignore": "Make nothing of this lead there.",
    "retry": "Send it again.",
    "discard": "Give the write up.",
    "leave": "Leave the field as the system has it.",
    "done": "It is settled elsewhere.",
}
OPTIONS = {
    "keep": ("SYSTEM", "This system's value stands; the others are told."),
    "value": ("VALUE", "This value stands; all systems are told."),
    "link": ("RECORD", "This record over there is the lead's."),
    "map": ("WORD", "What the value means: a lead value, an outcome, a reason, or `nothing`."),
    "reason": ("REASON", "Why the handoff ended as it did: a reason of journey.yaml."),
}


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
    from gateway.runtime import known_systems
    from gateway.settings.files import suggest
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
        say_json({"work": [_row_json(row) for row in rows]})
        return
    table(
        ("since", "id", "kind", "where", "lead", "times", "detail"),
        [
            (
                moment(row["opened_at"], app.zone),
                row["id"],
                row["kind"],
                _where(row),
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
    row = _item(gateway, id_)
    with read(gateway.store.main) as connection:
        said = items.resolutions(connection, row["id"])
    sides = _sides(gateway, row)
    over = row["resolved_at"] is not None
    legal = [] if over else [f"--{way}" for way in ways(row)]
    choices = [] if over else words_for(gateway, row)
    if as_json:
        past = [{"at": iso(one["at"]), "by": one["by"], "resolution": one["resolution"]} for one in said]
        ended = {"resolved_at": iso(row["resolved_at"]), "resolution": row["resolution"]}
        sides = [{**one, "since": iso(one["since"])} for one in sides]
        say_json({**_row_json(row), **ended, "legal": legal, "words": choices, "sides": sides, "said": past})
        return
    say(f"{row['kind']} {row['id']}, since {moment(row['opened_at'], app.zone)}, met {_times(row['count'])}")
    if where := _where(row):
        say(f"  {where}")
    if row["lead"]:
        say(f"  lead {row['lead']}")
    if words := in_words(row["kind"], row["detail"]):
        say(f"  {words}")
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
            metavar, help_ = OPTIONS.get(way, ("", FLAGS.get(way, "")))
            say(f"  {f'--{way} {metavar}'.rstrip():<16} {help_}")
        if choices:
            say(f"  that is one of: {', '.join(choices)}")


def _way_options(command: Any) -> Any:
    for name, help_ in reversed(FLAGS.items()):
        command = click.option(f"--{name}", is_flag=True, help=help_)(command)
    for name, (metavar, help_) in reversed(OPTIONS.items()):
        command = click.option(f"--{name}", metavar=metavar, help=help_)(command)
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
    for row in [_item(app.gateway, id_) for id_ in ids]:
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


def _item(gateway: Gateway, id_: str) -> dict[str, Any]:
    from gateway.store import work as items
    from gateway.store.database import read

    with read(gateway.store.main) as connection:
        found = items.item(connection, id_)
    if len(found) != 1:
        which = "several items end with" if found else "no work item is or ends with"
        raise NotFound(f"{which} {id_!r}; `gateway work list` shows them")
    return found[0]


def _row_json(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**{name: row[name] for name in NAMES}, "opened_at": iso(row["opened_at"])}


def _sides(gateway: Gateway, row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What each record in question holds in the field in question, as it is now."""
    from gateway.store import listing
    from gateway.store.database import read

    detail = row["detail"]
    refs = detail.get("sides") or (
        [[row["system"], row["object"], row["record"]]] if row["kind"] == "contested" else []
    )
    sides = []
    for system, object_, record in refs:
        with read(gateway.store.main) as connection:
            held = [one.snapshot for one in listing.record(connection, (system, object_, record))]
        for name, rule in gateway.model.joining.inbound(system, object_).items():
            if held and name in held[0] and detail["field"] in (rule.to if detail.get("sides") else name,):
                value, since = held[0][name][:2]
                sides.append({
                    "system": system, "object": object_, "record": record, "field": name, "value": value,
                    "since": since,
                })  # fmt: skip
    return sides


def _where(row: Mapping[str, Any]) -> str:
    return " ".join(filter(None, [row["system"], row["object"], row["record"]]))


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def in_words(kind: str, detail: Mapping[str, Any]) -> str:
    if kind == "ambiguous match" and detail.keys() == {"namespace", "other"}:
        key = detail["namespace"].removeprefix("key:")
        key = "e-mail address" if key == "email" else key
        return f"the same {key} as lead {detail['other']}: one person or two?"
    if kind == "conflict" and detail:
        return f"{detail['field']}: edited in {' and '.join(side[0] for side in detail['sides'])}, and no rule decides"
    if kind == "unmapped value" and detail:
        return f"{detail['field']}: {plain(detail['value'])}: what does it mean?"
    if kind == "contested" and detail:
        return f"{detail['field']}: changed back over there each time it is written; left alone until you decide"
    if kind == "reason not given" and detail:
        return f"handoff {detail['handoff']} ended as {detail['bucket']} without a reason"
    if "what" in detail:  # alarms say it themselves
        return str(detail["what"])
    return ", ".join(f"{name} {shown(value)}" for name, value in detail.items() if value not in ("", [], None))
