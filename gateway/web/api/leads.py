"""Leads: listed, one of them with all that is known, its points; kept from sales, handed over."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from marshmallow import Schema, fields, validate

from gateway import past
from gateway.answers.handoff import HandoffSchema
from gateway.answers.lead import as_json, known_of
from gateway.answers.leads import LeadRowSchema, wanted_of
from gateway.answers.model import explained_json
from gateway.journey.words import BANDS, BUCKETS
from gateway.model import score_called
from gateway.people import judging
from gateway.store import desk as queries
from gateway.web.api.caller import caller, noting
from gateway.web.api.forms import OfScore, Page, Paged, Text, after, cut
from gateway.web.api.resource import Resource
from gateway.web.desk.page import desk

blueprint = Resource("leads", "People, as both teams see them")


class Asked(Paged):
    text = Text(load_default="", metadata={"description": "beginning of a name, address or key"})
    stage = Text(load_default="")
    persona = Text(load_default="")
    band = fields.String(load_default="", validate=validate.OneOf(["", *BANDS]))
    bucket = fields.String(load_default="", validate=validate.OneOf(["", "open", *BUCKETS]))
    campaign = Text(load_default="")
    owner = Text(load_default="", metadata={"description": "of the open handoff, as journey.yaml calls them"})
    score = Text(load_default="", metadata={"description": "by which score; empty: the main one"})


class LeadsPage(Page):
    leads = fields.List(fields.Nested(LeadRowSchema))


class Why(Schema):
    reason = Text(least=1, required=True)


class Hold(Why):
    until = fields.AwareDateTime(load_default=None, allow_none=True)


class Held(Schema):
    lead = fields.String()
    held = fields.Boolean()


@blueprint.looks("/leads", LeadsPage, asks=Asked)
def listed(asked: dict[str, Any]) -> dict[str, Any]:
    """List leads, the highest score first."""
    gateway, words = desk().gateway, {name: asked[name] for name in asked.keys() - {"limit", "after"}}
    score = score_called(asked["score"], gateway.model.score_names)
    with desk().looking() as connection:
        wanted = wanted_of(gateway, gateway.pipeline.roster(connection, gateway.now()), words)
        rows = queries.leads(connection, score, wanted, asked["limit"] + 1, after(asked))
    shown, following = cut(rows, asked["limit"], lambda row: -1 if row["total"] is None else row["total"])
    return {"leads": shown, "next": following}


@blueprint.looks("/leads/<key>", None)
def one(key: str) -> Any:
    """All that is known of one lead, by its id or any key of its own."""
    gateway = desk().gateway
    return as_json(known_of(gateway, gateway.find_lead(key)))


@blueprint.looks("/leads/<key>/score", None, asks=OfScore)
def score(asked: dict[str, Any], key: str) -> Any:
    """Every point of a lead's score with its reason."""
    gateway = desk().gateway
    return explained_json(past.explain_now(gateway, gateway.find_lead(key), asked["score"]), False)


@blueprint.changes("/leads/<key>/hold", "judge", Hold, Held)
def hold(said: dict[str, Any], key: str) -> dict[str, Any]:
    """Keep a lead from being handed over."""
    until: datetime | None = said["until"]
    with desk().deciding() as gateway, noting("lead: hold", gateway.find_lead(key)):
        lead = judging.hold(gateway, key, until, said["reason"], caller().email)
    return {"lead": lead, "held": True}


@blueprint.changes("/leads/<key>/hold", "judge", None, Held, method="DELETE")
def let_go(key: str) -> dict[str, Any]:
    """Let it be handed over again."""
    with desk().deciding() as gateway, noting("lead: hold ended", gateway.find_lead(key)):
        lead = judging.let_go(gateway, key)
    return {"lead": lead, "held": False}


@blueprint.changes("/leads/<key>/handoff", "judge", Why, HandoffSchema)
def hand_over(said: dict[str, Any], key: str) -> Any:
    """Hand a lead to sales now, whatever its score."""
    with desk().deciding() as gateway, noting("lead: handed over", gateway.find_lead(key)) as entry:
        row = judging.hand_over(gateway, key, said["reason"], caller().email)
        entry.after = {"handoff": row["id"]}
    return HandoffSchema().dump(row)
