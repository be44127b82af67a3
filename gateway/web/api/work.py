"""What needs a person: listed, looked at, settled."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, validate

from gateway.answers.work import ASKING, WAYS, WorkSchema, item_named, work_json
from gateway.errors import Refused
from gateway.people.resolving import Said, resolve, ways
from gateway.people.resolving import words as words_for
from gateway.store import listing
from gateway.web.api.caller import caller, noting
from gateway.web.api.forms import Page, Paged, Text, after, cut
from gateway.web.api.resource import Resource
from gateway.web.desk.page import desk

blueprint = Resource("work", "Work items: what needs a person")


class Asked(Paged):
    kind = Text(100, load_default=None)
    system = Text(100, load_default=None)


class WorkPage(Page):
    work = fields.List(fields.Nested(WorkSchema))


class Word(Schema):
    way = fields.String(required=True, validate=validate.OneOf(list(WAYS)))
    value = Text(1000, load_default="")
    always = fields.Boolean(load_default=False)


class Done(Schema):
    id = fields.String()
    done = fields.List(fields.String())


@blueprint.looks("/work", WorkPage, asks=Asked)
def listed(asked: dict[str, Any]) -> Any:
    """List open work items, the newest first."""
    with desk().looking() as connection:
        rows = listing.work_items(connection, asked["limit"] + 1, asked["kind"], asked["system"], after(asked))
    shown, following = cut(rows, asked["limit"], lambda row: row["opened_at"])
    return {"work": shown, "next": following}


@blueprint.looks("/work/<id_>", None)
def one(id_: str) -> Any:
    """One item, with the ways to settle it that are legal."""
    row = item_named(desk().gateway, id_)
    over = row["resolved_at"] is not None
    legal = [] if over else list(ways(row))
    return {**work_json(row), "legal": legal, "words": [] if over else words_for(desk().gateway, row)}


@blueprint.changes("/work/<id_>/resolve", "settle", Word, Done)
def settle(said: dict[str, Any], id_: str) -> Any:
    """Settle an item."""
    if said["way"] in ASKING and not said["value"]:
        raise Refused(f"{said['way']} needs a `value`")
    with desk().deciding() as gateway:
        row = item_named(gateway, id_)
        with noting(f"work: {said['way']}", row["id"], None, {"kind": row["kind"]}, first=True):  # may edit a file
            done = resolve(gateway, row, Said(said["way"], caller().email, said["value"], said["always"]))
    return {"id": row["id"], "done": done}
