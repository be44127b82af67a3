"""What needs a person: listed, looked at, settled."""

from __future__ import annotations

from typing import Any

from flask_smorest import Blueprint
from marshmallow import Schema, fields, validate

from gateway.answers.work import ASKING, WAYS, item_named, work_json
from gateway.errors import Refused
from gateway.people.resolving import Said, resolve, ways
from gateway.people.resolving import words as words_for
from gateway.store import listing
from gateway.web.api.caller import caller, needs, note
from gateway.web.api.once import once
from gateway.web.desk.page import desk

blueprint = Blueprint("api_work", __name__, description="Work items: what needs a person")


class Asked(Schema):
    kind = fields.String(load_default=None, validate=validate.Length(max=100))
    system = fields.String(load_default=None, validate=validate.Length(max=100))
    limit = fields.Integer(load_default=50, validate=validate.Range(1, 1000))


class Word(Schema):
    way = fields.String(required=True, validate=validate.OneOf(list(WAYS)))
    value = fields.String(load_default="", validate=validate.Length(max=1000))
    always = fields.Boolean(load_default=False)


class Done(Schema):
    id = fields.String()
    done = fields.List(fields.String())


@blueprint.get("/work")
@blueprint.arguments(Asked, location="query")
@blueprint.response(200)
@needs("read")
def listed(asked: dict[str, Any]) -> Any:
    """List open work items, the newest first."""
    with desk().looking() as connection:
        rows = listing.work_items(connection, asked["limit"], asked["kind"], asked["system"])
    return {"work": [work_json(row) for row in rows]}


@blueprint.get("/work/<id_>")
@blueprint.response(200)
@needs("read")
def one(id_: str) -> Any:
    """One item, with the ways to settle it that are legal."""
    row = item_named(desk().gateway, id_)
    over = row["resolved_at"] is not None
    legal = [] if over else list(ways(row))
    return {**work_json(row), "legal": legal, "words": [] if over else words_for(desk().gateway, row)}


@blueprint.post("/work/<id_>/resolve")
@blueprint.arguments(Word)
@blueprint.response(200)
@blueprint.alt_response(200, schema=Done)
@needs("settle")
@once
def settle(said: dict[str, Any], id_: str) -> Any:
    """Settle an item."""
    if said["way"] in ASKING and not said["value"]:
        raise Refused(f"{said['way']} needs a `value`")
    with desk().deciding() as gateway:
        row = item_named(gateway, id_)
        done = resolve(gateway, row, Said(said["way"], caller().email, said["value"], said["always"]))
    note(f"work: {said['way']}", row["id"], None, {"kind": row["kind"]})
    return {"id": row["id"], "done": done}
