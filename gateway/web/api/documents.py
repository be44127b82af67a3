"""The inbox: documents as they came, looked into, read again, given up."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, validate

from gateway.answers.documents import DocumentRowSchema, TroubleSchema, body_json, row_json
from gateway.answers.texts import plural
from gateway.errors import NotFound, Refused
from gateway.settings.instance import known_systems
from gateway.store import listing
from gateway.store.inbox import STATES
from gateway.web.api.caller import caller, noting
from gateway.web.api.forms import Page, Text, Which
from gateway.web.api.resource import Resource
from gateway.web.desk.page import desk

blueprint = Resource("inbox", "Documents as they came")
AGAIN = ("quarantined", "read")


class Asked(Schema):
    system = Text(100, load_default=None)
    state = fields.String(load_default=None, validate=validate.OneOf(STATES))
    limit = fields.Integer(load_default=50, validate=validate.Range(1, 1000))
    after = fields.String(
        load_default=None,
        validate=validate.Regexp(r"^[0-9a-f]{32}$", error="not a `next` of ours"),
        metadata={"description": "`next` of the page before"},
    )


class InboxPage(Page):
    documents = fields.List(fields.Nested(DocumentRowSchema))


class OneDocument(DocumentRowSchema):
    body = fields.Raw(allow_none=True, metadata={"description": "what it says; see `masked`"})
    masked = fields.Boolean(metadata={"description": "true: the token may not `bodies`, so the shape alone is told"})
    troubles = fields.List(fields.Nested(TroubleSchema(exclude=["document", "system", "known_at"])))


class Again(Which):
    state = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.OneOf(AGAIN),
        metadata={"description": "quarantined, unless ids are given"},
    )


class Unwanted(Which):
    reason = Text(least=1, required=True, metadata={"description": "why they are given up"})


class Discarded(Schema):
    dry_run = fields.Boolean()
    documents = fields.List(fields.String())
    discarded = fields.Integer()


class Queued(Schema):
    dry_run = fields.Boolean()
    documents = fields.List(fields.String())


@blueprint.looks("/inbox", InboxPage, asks=Asked)
def listed(asked: dict[str, Any]) -> Any:
    """List documents, the newest first."""
    limit = asked["limit"]
    rows = desk().gateway.inbox.listing(asked["system"], asked["state"], limit + 1, asked["after"])
    return {"documents": rows[:limit], "next": rows[limit - 1]["id"] if len(rows) > limit else None}


@blueprint.looks("/inbox/<id_>", None)
def one(id_: str) -> Any:
    """One document. What it says is told whole to who may see bodies, and to others without a value of it."""
    row = desk().gateway.inbox.one(id_)
    if row is None:
        raise NotFound("no document has this id")
    with desk().looking() as connection:
        troubles = listing.troubles_of(connection, id_)
    allowed = "bodies" in caller().rights
    if allowed:
        with noting("document: looked into", id_):
            pass
    said = {"body": body_json(row["body"], allowed), "masked": not allowed, "troubles": troubles}
    return {**row_json(row), **said}


@blueprint.changes("/inbox/replay", "operate", Again, Queued)
def replay(said: dict[str, Any]) -> Any:
    """Have documents read again, those with these ids, or all that fit; what is known already has no effect."""
    gateway, ids, system, state = desk().gateway, said["ids"], said["system"], said["state"]
    if not ids and not any((system, state, said["since"], said["until"])):
        raise Refused("name documents, or say which: system, state, since or until")
    if system is not None:
        known_systems(gateway.instance, [system])
    states = (state,) if state else AGAIN if ids else ("quarantined",)
    which = (ids or None, system, states, said["since"], said["until"])
    if said["dry_run"]:
        chosen = gateway.inbox.requeue(*which, True)
    else:
        with noting("documents: read again", "documents", first=True) as entry:
            chosen = gateway.inbox.requeue(*which)
            entry.made, entry.subject = bool(chosen), plural(len(chosen), "document")
            entry.after = {"ids": chosen[:1000]}
    if ids and not chosen:
        raise NotFound(f"no {' or '.join(states)} document with these ids that still has a body")
    return {"dry_run": said["dry_run"], "documents": chosen}


@blueprint.changes("/inbox/discard", "operate", Unwanted, Discarded)
def discard(said: dict[str, Any]) -> Any:
    """Give up documents in quarantine, those with these ids, or all that fit: what they said is emptied, for good."""
    gateway, ids, system = desk().gateway, said["ids"], said["system"]
    if not ids and not any((system, said["since"], said["until"])):
        raise Refused("name documents, or say which: system, since or until")
    if system is not None:
        known_systems(gateway.instance, [system])
    chosen = gateway.inbox.quarantined(ids or None, system, said["since"], said["until"])
    if ids and not chosen:
        raise NotFound("no document with these ids is in quarantine")
    count = 0
    if chosen and not said["dry_run"]:
        after = {"ids": chosen[:1000], "reason": said["reason"]}
        with noting("documents: discard", plural(len(chosen), "document"), None, after, first=True):
            count = gateway.inbox.discard(chosen, caller().email, said["reason"])
    return {"dry_run": said["dry_run"], "documents": chosen, "discarded": count}
