"""``gateway undo``: what was sent lately, and putting it back."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from gateway.answers.texts import iso, moment, plural, raw
from gateway.cli.main import App, pass_app
from gateway.cli.output import go_option, json_option, limit_option, say, say_json, table

if TYPE_CHECKING:
    from gateway.outbound.undo import Change, Undo

EXAMPLES = 20


@click.command()
@click.argument("push", required=False)
@click.option("--release", is_flag=True, help="Hold nothing of it any more: what is still wanted is written again.")
@click.option("--all", "everything", is_flag=True, help=f"Show every field, not the first {EXAMPLES}.")
@limit_option
@go_option
@json_option
@pass_app
def undo(app: App, push: str | None, release: bool, everything: bool, limit: int, go: bool, as_json: bool) -> None:
    """Put back what PUSH wrote; without PUSH list what was sent, and what is held.

    Each `gateway push` has a name, and so has each minute in which `gateway run` sent something. What nobody changed
    since is put back with --go, as ordinary writes, and then left alone until a newer value comes, or --release.
    Records that the push made are listed, not deleted.
    """
    from gateway.outbound import undo as taking_back

    if push is None and (go or release):
        raise click.UsageError("name the push; `gateway undo` lists them")
    if go and release:
        raise click.UsageError("--go takes back, --release ends that: one of them")
    if push is None:
        _list(app, limit, as_json)
    elif release:
        count = taking_back.release(app.gateway, push)
        if as_json:
            say_json({"push": push, "released": count})
        else:
            say(f"{plural(count, 'field')} released; what is still wanted there is planned again")
    elif go:
        done, waiting = taking_back.undo(app.gateway, push)
        if as_json:
            say_json({**_json(done), "done": True, "waiting": waiting})
        else:
            _print(done, app, everything, True)
            waits = plural(waiting, "write waits", "writes wait")
            say(f"{waits} for {done.system}; `gateway push {done.system}` or `gateway run` sends")
    else:
        found = taking_back.planned(app.gateway, push)
        if as_json:
            say_json({**_json(found), "done": False})
        else:
            _print(found, app, everything, False)


def _list(app: App, limit: int, as_json: bool) -> None:
    from gateway.store import pushes
    from gateway.store.database import read

    with read(app.gateway.store.main) as connection:
        rows = pushes.newest(connection, limit)
        held = Counter(one[4] for _, _, fields in pushes.holds(connection) for one in fields.values())
    shown = {row.push for row in rows}
    if as_json:
        found = [
            {"push": row[0], "system": row[1], "at": iso(row[2]), "created": row[3], "updated": row[4] - row[3]}
            for row in rows
        ]
        say_json({"pushes": [{**one, "held": held.get(one["push"], 0)} for one in found], "held": dict(held)})
        return
    table(
        ("push", "system", "until", "creates", "updates", "fields held"),
        [(row[0], row[1], moment(row[2], app.zone), row[3], row[4] - row[3], held.get(row[0], "")) for row in rows],
        right=("creates", "updates", "fields held"),
    )
    for name, count in sorted(held.items()):
        if name not in shown:
            say(f"{plural(count, 'field')} held of the older push {name}")
    say("`gateway undo PUSH` shows what could be put back" if rows else "nothing was sent yet")


def _print(done: Undo, app: App, everything: bool, gone: bool) -> None:
    possible = done.possible
    records = len({change.ref for change in possible})
    word = "being put back" if gone else "to put back"
    say(f"{done.push}: {plural(len(possible), 'field')} {word} in {plural(records, 'record')} of {done.system}")
    for change in possible if everything else possible[:EXAMPLES]:
        say(f"  {_name(change)}  {raw(change.sent)} → {raw(change.before)}")
    if not everything and len(possible) > EXAMPLES:
        say(f"  … and {plural(len(possible) - EXAMPLES, 'more field')}; --all shows them")
    left = [change for change in done.changes if change.left]
    for (name, why), count in Counter((change.field, change.left) for change in left).most_common():
        say(f"  {name}, {plural(count, 'time')}: {why}")
    if everything:
        for change in left:
            say(f"    {_name(change)}  {change.left}")
    if done.created:
        say(f"  {plural(len(done.created), 'record')} made by it; they are not deleted:")
        for ref, lead in done.created if everything else done.created[:EXAMPLES]:
            say(f"    {ref[1]} {ref[2]}, lead {lead}")
    if done.beside:
        say(f"  {plural(done.beside, 'task or membership', 'tasks and memberships')} beside records stay as they are")
    if not gone and possible:
        say("nothing is put back yet; --go does it")


def _name(change: Change) -> str:
    return f"{change.ref[1]} {change.ref[2]} {change.field}"


def _json(done: Undo) -> dict[str, Any]:
    return {
        "push": done.push,
        "system": done.system,
        "fields": [
            {
                "object": change.ref[1],
                "record": change.ref[2],
                "lead": change.lead,
                "field": change.field,
                "before": change.before,
                "sent": change.sent,
                "held": change.held,
                "possible": not change.left,
                "reason": change.left,
            }
            for change in done.changes
        ],
        "created": [{"object": ref[1], "record": ref[2], "lead": lead} for ref, lead in done.created],
        "beside": done.beside,
    }
