"""Handoffs: those that are open, and what sales say of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flask_smorest import Blueprint
from marshmallow import Schema, fields, validate

from gateway.answers.handoff import HandoffSchema, standing
from gateway.journey.words import BUCKETS
from gateway.people import judging, staffing
from gateway.people.reporting import report
from gateway.store import desk as queries
from gateway.web.api.caller import caller, needs, note
from gateway.web.api.once import once
from gateway.web.desk.page import desk

if TYPE_CHECKING:
    from gateway.runtime import Gateway

blueprint = Blueprint("api_handoffs", __name__, description="Passings of a lead to sales")


class Asked(Schema):
    limit = fields.Integer(load_default=50, validate=validate.Range(1, 1000))
    after = fields.String(
        load_default="",
        validate=validate.Regexp(r"^(\d{1,19}:[0-9a-f]{32})?$", error="not a `next` of ours"),
        metadata={"description": "`next` of the page before"},
    )


class HandoffsPage(Schema):
    handoffs = fields.List(fields.Dict(metadata={"description": "a handoff, with owner_name"}))
    next = fields.String(allow_none=True)


class Said(Schema):
    reason = fields.String(load_default="", validate=validate.Length(max=200))


class Recycled(Said):
    wake = fields.AwareDateTime(load_default=None, allow_none=True, metadata={"description": "wanted again then"})


class Corrected(Said):
    bucket = fields.String(required=True, validate=validate.OneOf(BUCKETS))


class Given(Said):
    owner = fields.String(load_default="", validate=validate.Length(max=200), metadata={"description": "none: by rule"})


@blueprint.get("/handoffs")
@blueprint.arguments(Asked, location="query")
@blueprint.response(200, HandoffsPage)
@needs("read")
def listed(asked: dict[str, Any]) -> dict[str, Any]:
    """List open handoffs, the first due first."""
    due, _, id_ = asked["after"].partition(":")
    limit = asked["limit"]
    with desk().looking() as connection:
        rows = queries.due(connection, limit + 1, None, (min(int(due), queries.NEVER), id_) if due else None)
        names = staffing.called(desk().gateway, connection, rows)
    last = rows[limit - 1] if len(rows) > limit else None
    when = (queries.NEVER if last["due_at"] is None else last["due_at"]) if last is not None else None
    schema = HandoffSchema()
    told = [{**schema.dump(row), "owner_name": names[row["id"]]} for row in rows[:limit]]
    return {"handoffs": told, "next": f"{when}:{last['id']}" if last is not None else None}


@blueprint.get("/handoffs/<key>")
@blueprint.response(200, HandoffSchema)
@needs("read")
def one(key: str) -> Any:
    """One handoff, by its id or a key of its lead."""
    with desk().looking() as connection:
        return staffing.handoff_of(desk().gateway, connection, key)


def _decided(key: str, word: str, decide: Callable[[Gateway], Any]) -> Any:
    """Have it decided, and put how it stood before and after into the audit."""
    with desk().deciding() as gateway:
        with desk().looking() as connection:
            before = standing(staffing.handoff_of(gateway, connection, key))
        row = decide(gateway)
    note(f"handoff: {word}", row["id"], before, standing(row))
    return HandoffSchema().dump(row)


@blueprint.post("/handoffs/<key>/<any(accept, qualify, reject):word>")
@blueprint.arguments(Said)
@blueprint.response(200)
@blueprint.alt_response(200, schema=HandoffSchema)
@needs("judge")
@once
def said_of(said: dict[str, Any], key: str, word: str) -> Any:
    """Sales accept it, or end it as qualified or rejected."""
    return _decided(key, word, lambda gateway: report(gateway, key, word, said["reason"], caller().email))


@blueprint.post("/handoffs/<key>/recycle")
@blueprint.arguments(Recycled)
@blueprint.response(200)
@blueprint.alt_response(200, schema=HandoffSchema)
@needs("judge")
@once
def recycle(said: dict[str, Any], key: str) -> Any:
    """End it: back to nurture."""
    by, wake = caller().email, said["wake"]
    return _decided(key, "recycle", lambda gateway: report(gateway, key, "recycle", said["reason"], by, wake))


@blueprint.post("/handoffs/<key>/correct")
@blueprint.arguments(Corrected)
@blueprint.response(200)
@blueprint.alt_response(200, schema=HandoffSchema)
@needs("judge")
@once
def correct(said: dict[str, Any], key: str) -> Any:
    """Give one that has ended another bucket."""
    by, admin = caller().email, "accounts" in caller().rights
    bucket, reason = said["bucket"], said["reason"]
    return _decided(key, "correct", lambda gateway: judging.correct(gateway, key, bucket, reason, by, admin))


@blueprint.post("/handoffs/<key>/reassign")
@blueprint.arguments(Given)
@blueprint.response(200)
@blueprint.alt_response(200, schema=HandoffSchema)
@needs("judge")
@once
def reassign(said: dict[str, Any], key: str) -> Any:
    """Give it to somebody else."""
    by, owner = caller().email, said["owner"]
    return _decided(key, "reassign", lambda gateway: staffing.reassign(gateway, key, owner, said["reason"], by))
