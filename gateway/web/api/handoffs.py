"""Handoffs: those that are open, and what sales say of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from marshmallow import Schema, fields, validate

from gateway.answers.handoff import HandoffSchema, standing
from gateway.errors import Refused
from gateway.journey.words import BUCKETS
from gateway.people import judging, staffing
from gateway.people.reporting import report
from gateway.store import desk as queries
from gateway.web.api.caller import caller, noting
from gateway.web.api.forms import Page, Paged, Text, after, cut
from gateway.web.api.resource import Resource
from gateway.web.desk.page import desk

if TYPE_CHECKING:
    from gateway.runtime import Gateway

blueprint = Resource("handoffs", "Passings of a lead to sales")


class HandoffRow(HandoffSchema):
    owner_name = fields.String(metadata={"description": "whose it is, as they are called here"})


class HandoffsPage(Page):
    handoffs = fields.List(fields.Nested(HandoffRow))


class HeldList(Schema):
    handoffs = fields.List(fields.Nested(HandoffSchema))


class Released(Schema):
    keys = fields.List(Text(), load_default=list, metadata={"description": "of handoffs, or of their leads"})
    best = fields.Integer(load_default=None, allow_none=True, validate=validate.Range(1, 1_000_000))


class ReleasedList(Schema):
    released = fields.List(fields.String(), metadata={"description": "ids of handoffs that are open now"})
    withdrawn = fields.Dict(metadata={"description": "id of a handoff → why it was given up instead"})


class Said(Schema):
    reason = Text(load_default="")


class Recycled(Said):
    wake = fields.AwareDateTime(load_default=None, allow_none=True, metadata={"description": "wanted again then"})


class Corrected(Said):
    bucket = fields.String(required=True, validate=validate.OneOf(BUCKETS))


class Given(Said):
    owner = Text(load_default="", metadata={"description": "none: by rule"})


@blueprint.looks("/handoffs", HandoffsPage, asks=Paged)
def listed(asked: dict[str, Any]) -> dict[str, Any]:
    """List open handoffs, the first due first."""
    with desk().looking() as connection:
        rows = queries.due(connection, asked["limit"] + 1, None, after(asked))
        names = staffing.called(desk().gateway, connection, rows)
    shown, following = cut(rows, asked["limit"], lambda row: queries.NEVER if row["due_at"] is None else row["due_at"])
    return {"handoffs": [{**row, "owner_name": names[row["id"]]} for row in shown], "next": following}


@blueprint.looks("/handoffs/held", HeldList)
def held() -> dict[str, Any]:
    """List what is held back, being more than `capacity` in journey.yaml; the best first."""
    return {"handoffs": judging.held(desk().gateway)}


@blueprint.changes("/handoffs/release", "judge", Released, ReleasedList)
def release(said: dict[str, Any]) -> dict[str, Any]:
    """Give sales what was held back: these, or the best so many."""
    if bool(said["keys"]) is (said["best"] is not None):
        raise Refused("say which, by keys, or how many of the best")
    with desk().deciding() as gateway, noting("handoffs: released", "handoffs") as entry:
        found = judging.release(gateway, said["keys"], said["best"], caller().email)
        told = {"released": list(found.opened), "withdrawn": dict(found.withdrawn)}
        entry.subject, entry.after = f"{len(found.opened)} handoffs", told
    return told


@blueprint.looks("/handoffs/<key>", HandoffSchema)
def one(key: str) -> Any:
    """One handoff, by its id or a key of its lead."""
    with desk().looking() as connection:
        return staffing.handoff_of(desk().gateway, connection, key)


def _decided(key: str, word: str, decide: Callable[[Gateway], Any]) -> Any:
    """Have it decided, and put how it stood before and after into the audit."""
    with desk().deciding() as gateway:
        with desk().looking() as connection:
            one = staffing.handoff_of(gateway, connection, key)
        with noting(f"handoff: {word}", one["id"], standing(one)) as entry:
            entry.after = lambda connection: standing(staffing.handoff_of(gateway, connection, entry.subject))
            row = decide(gateway)
            entry.subject = row["id"]
    return HandoffSchema().dump(row)


@blueprint.changes("/handoffs/<key>/<any(accept, qualify, reject):word>", "judge", Said, HandoffSchema)
def said_of(said: dict[str, Any], key: str, word: str) -> Any:
    """Sales accept it, or end it as qualified or rejected."""
    return _decided(key, word, lambda gateway: report(gateway, key, word, said["reason"], caller().email))


@blueprint.changes("/handoffs/<key>/recycle", "judge", Recycled, HandoffSchema)
def recycle(said: dict[str, Any], key: str) -> Any:
    """End it: back to nurture."""
    by, wake = caller().email, said["wake"]
    return _decided(key, "recycle", lambda gateway: report(gateway, key, "recycle", said["reason"], by, wake))


@blueprint.changes("/handoffs/<key>/correct", "judge", Corrected, HandoffSchema)
def correct(said: dict[str, Any], key: str) -> Any:
    """Give one that has ended another bucket."""
    by, admin = caller().email, "accounts" in caller().rights
    bucket, reason = said["bucket"], said["reason"]
    return _decided(key, "correct", lambda gateway: judging.correct(gateway, key, bucket, reason, by, admin))


@blueprint.changes("/handoffs/<key>/reassign", "judge", Given, HandoffSchema)
def reassign(said: dict[str, Any], key: str) -> Any:
    """Give it to somebody else."""
    by, owner = caller().email, said["owner"]
    return _decided(key, "reassign", lambda gateway: staffing.reassign(gateway, key, owner, said["reason"], by))
