"""``gateway inbox show``: one document from its arrival to the answers of the systems that were told because of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import click

from gateway.answers.texts import iso, moment, plural
from gateway.cli.main import App, pass_app_to_look
from gateway.cli.output import json_option, say, say_json, table
from gateway.errors import NotFound

TIMES = ("received_at", "read_at", "at", "opened_at", "planned_at", "finished_at")
PARTS = ("items", "moves", "handoffs", "writes")


@click.command()
@click.argument("id")
@json_option
@pass_app_to_look
def show(app: App, id: str, as_json: bool) -> None:
    """Follow one document: what was read out of it, what was decided, and what was sent because of it.

    Its id is in `inbox list`, in the log, and in the header X-Gateway-Document of what its sender was answered.
    """
    from gateway.store.database import read
    from gateway.store.inbox import EMPTIED
    from gateway.store.trace import document, trace

    with read(app.gateway.store.inbox) as connection:
        row = document(connection, id)
    if row is None:
        raise NotFound("no document has this id; `gateway inbox list` shows them")
    with read(app.gateway.store.main) as connection:
        found = trace(connection, id)
    if as_json:
        parts = {name: [_told(one) for one in getattr(found, name)] for name in PARTS}
        say_json({"document": _told(row), "read_at": iso(found.read_at), "leads": list(found.leads), **parts})
        return
    why = "; ".join(filter(None, [EMPTIED.get(row["reason"], row["reason"]), row["flags"]]))
    say(f"document {id}")
    when = moment(row["received_at"], app.zone)
    say(f"  received {when} from {row['system']} by {row['origin']}, {row['size']:,} bytes")
    say(f"  {row['state']} {moment(found.read_at, app.zone)}".rstrip() + (f": {why}" if why else ""))
    if found.items:
        say()
        table(("item", "record", "at", "state", "reason"), [_item(one, app) for one in found.items])
    for lead in found.leads:
        say()
        say(f"lead {lead} (`gateway leads show {lead}`)")
        for move in (one for one in found.moves if one["lead"] == lead):
            say(f"  {move['from_stage'] or 'new'} → {move['stage']} ({move['reason']})")
        for one in (one for one in found.handoffs if one["lead"] == lead):
            ended = f", {one['bucket']}" if one["bucket"] else ""
            say(f"  handoff {one['id']} to {one['system']}: {one['state']}{ended}")
        for one in (one for one in found.writes if one["lead"] == lead):
            say(f"  {_write(one, id, found.moments)}")
    if row["state"] == "read" and not found.writes:
        say()
        say("nothing was to be sent because of it")
    elif found.writes:
        say()
        say(f"{plural(len(found.writes), 'write')}; `gateway deliveries list` shows what they said")


def _item(one: Mapping[str, Any], app: App) -> tuple[str, ...]:
    record = f"{one['system']} {one['object']} {one['record'] or 'without id'}"
    return one["type"], record, moment(one["at"], app.zone), one["state"], one["reason"]


def _write(one: Mapping[str, Any], document: str, moments: Collection[int]) -> str:
    whose = "" if one["document"] == document or one["planned_at"] in moments else ", planned later in its place"
    said = ": ".join(filter(None, [one["code"], one["message"]]))
    answer = f" as {one['record']}" if one["state"] == "confirmed" and one["record"] else f" ({said})" if said else ""
    tries = f" after {plural(one['attempts'], 'try', 'tries')}" if one["attempts"] else ""
    return f"write {one['id']} to {one['system']} {one['object']}: {one['state']}{answer}{tries}{whose}"


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: iso(value) if name in TIMES else value for name, value in row.items()}
