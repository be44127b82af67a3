"""Leads: listed, one of them with all that is known, its points; kept from sales, handed over."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask_smorest import Blueprint
from marshmallow import Schema, fields, validate

from gateway import past
from gateway.answers.handoff import HandoffSchema
from gateway.answers.lead import as_json, known_of
from gateway.answers.leads import LeadRowSchema
from gateway.answers.model import explained_json
from gateway.journey.words import BANDS, BUCKETS
from gateway.people import judging
from gateway.store import desk as queries
from gateway.store.desk import Wanted
from gateway.web.api.caller import caller, needs, note
from gateway.web.api.once import once
from gateway.web.desk.page import desk

blueprint = Blueprint("api_leads", __name__, description="People, as both teams see them")
TEXT = validate.Length(max=200)


class Asked(Schema):
    text = fields.String(
        load_default="", validate=TEXT, metadata={"description": "beginning of a name, address or key"}
    )
    stage = fields.String(load_default="", validate=TEXT)
    persona = fields.String(load_default="", validate=TEXT)
    band = fields.String(load_default="", validate=validate.OneOf(["", *BANDS]))
    bucket = fields.String(load_default="", validate=validate.OneOf(["", "open", *BUCKETS]))
    campaign = fields.String(load_default="", validate=TEXT)
    limit = fields.Integer(load_default=50, validate=validate.Range(1, 1000))
    after = fields.String(
        load_default="",
        validate=validate.Regexp(r"^((-1|\d{1,5}):[0-9a-f]{32})?$", error="not a `next` of ours"),
        metadata={"description": "`next` of the page before"},
    )


class LeadsPage(Schema):
    leads = fields.List(fields.Nested(LeadRowSchema))
    next = fields.String(allow_none=True, metadata={"description": "say it as `after`; null: that was all"})


class Why(Schema):
    reason = fields.String(required=True, validate=validate.Length(1, 200))


class Hold(Why):
    until = fields.AwareDateTime(load_default=None, allow_none=True)


class Held(Schema):
    lead = fields.String()
    held = fields.Boolean()


@blueprint.get("/leads")
@blueprint.arguments(Asked, location="query")
@blueprint.response(200, LeadsPage)
@needs("read")
def listed(asked: dict[str, Any]) -> dict[str, Any]:
    """List leads, the highest score first."""
    limit, after = asked.pop("limit"), asked.pop("after")
    total, _, id_ = after.partition(":")
    with desk().looking() as connection:
        name = desk().gateway.model.score_name
        rows = queries.leads(connection, name, Wanted(**asked), limit + 1, (int(total), id_) if after else None)
    last = rows[limit - 1] if len(rows) > limit else None
    following = f"{-1 if last['total'] is None else last['total']}:{last['id']}" if last is not None else None
    return {"leads": rows[:limit], "next": following}


@blueprint.get("/leads/<key>")
@blueprint.response(200)
@needs("read")
def one(key: str) -> Any:
    """All that is known of one lead, by its id or any key of its own."""
    gateway = desk().gateway
    return as_json(known_of(gateway, gateway.find_lead(key)))


@blueprint.get("/leads/<key>/score")
@blueprint.response(200)
@needs("read")
def score(key: str) -> Any:
    """Every point of a lead's score with its reason."""
    gateway = desk().gateway
    return explained_json(past.explain_now(gateway, gateway.find_lead(key)), False)


@blueprint.post("/leads/<key>/hold")
@blueprint.arguments(Hold)
@blueprint.response(200, Held)
@needs("judge")
@once
def hold(said: dict[str, Any], key: str) -> dict[str, Any]:
    """Keep a lead from being handed over."""
    until: datetime | None = said["until"]
    with desk().deciding() as gateway:
        lead = judging.hold(gateway, key, until, said["reason"], caller().email)
    note("lead: hold", lead)
    return {"lead": lead, "held": True}


@blueprint.delete("/leads/<key>/hold")
@blueprint.response(200, Held)
@needs("judge")
def let_go(key: str) -> dict[str, Any]:
    """Let it be handed over again."""
    with desk().deciding() as gateway:
        lead = judging.let_go(gateway, key)
    note("lead: hold ended", lead)
    return {"lead": lead, "held": False}


@blueprint.post("/leads/<key>/handoff")
@blueprint.arguments(Why)
@blueprint.response(200)
@blueprint.alt_response(200, schema=HandoffSchema)
@needs("judge")
@once
def hand_over(said: dict[str, Any], key: str) -> Any:
    """Hand a lead to sales now, whatever its score."""
    with desk().deciding() as gateway:
        row = judging.hand_over(gateway, key, said["reason"], caller().email)
    note("lead: handed over", row["lead"], None, {"handoff": row["id"]})
    return HandoffSchema().dump(row)
