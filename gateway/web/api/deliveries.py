"""Deliveries: writes on their way out, and those that did not get there; tried again, given up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from marshmallow import Schema, fields, validate

from gateway.answers.deliveries import DeliverySchema
from gateway.answers.texts import plural
from gateway.people import redelivering
from gateway.store import listing
from gateway.times import to_micros
from gateway.web.api.caller import noting
from gateway.web.api.forms import Page, Paged, Text, Which, after, cut
from gateway.web.api.resource import Resource
from gateway.web.desk.page import desk

blueprint = Resource("deliveries", "Writes on their way out, and dead letters")
STATES = ("waiting", "confirmed", "superseded", "dead")


class Asked(Paged):
    system = Text(100, load_default=None)
    state = fields.String(load_default=None, validate=validate.OneOf(STATES))


class DeliveriesPage(Page):
    deliveries = fields.List(fields.Nested(DeliverySchema))


class Dead(Which):
    object = Text(100, load_default=None, allow_none=True)
    code = Text(100, load_default=None, allow_none=True, metadata={"description": "what they were refused with"})


class Retry(Dead):
    per_minute = fields.Integer(load_default=None, allow_none=True, validate=validate.Range(1, 1_000_000))


class Discard(Dead):
    reason = Text(least=1, required=True, metadata={"description": "why they are given up"})


class Settled(Schema):
    dry_run = fields.Boolean()
    chosen = fields.List(fields.String())
    settled = fields.Integer(metadata={"description": "the rest is under way, or a newer write says everything"})


@blueprint.looks("/deliveries", DeliveriesPage, asks=Asked)
def listed(asked: dict[str, Any]) -> Any:
    """List writes, the newest first."""
    with desk().looking() as connection:
        rows = listing.deliveries(connection, asked["limit"] + 1, asked["system"], asked["state"], after(asked))
    shown, following = cut(rows, asked["limit"], lambda row: row["planned_at"])
    return {"deliveries": shown, "next": following}


@blueprint.changes("/deliveries/retry", "operate", Retry, Settled)
def retry(said: dict[str, Any]) -> Any:
    """Try dead writes again: those with these ids, or all that fit."""
    gateway = desk().gateway
    chosen = redelivering.dead(gateway, _which(said))
    again = partial(redelivering.retry, gateway, chosen, said["system"], said["per_minute"])
    return _settled("retry", chosen, again, said["dry_run"])


@blueprint.changes("/deliveries/discard", "operate", Discard, Settled)
def discard(said: dict[str, Any]) -> Any:
    """Give up writes: those with these ids, waiting or dead, or all dead ones that fit."""
    gateway = desk().gateway
    chosen = redelivering.doomed(gateway, _which(said))
    give_up = partial(redelivering.give_up, gateway, chosen, said["reason"])
    return _settled("discard", chosen, give_up, said["dry_run"])


def _settled(word: str, chosen: Sequence[str], settle: Callable[[], int], dry: bool) -> dict[str, Any]:
    count = 0
    if chosen and not dry:
        with noting(f"writes: {word}", plural(len(chosen), "write"), None, {"ids": list(chosen[:1000])}):
            count = settle()
    return {"dry_run": dry, "chosen": chosen, "settled": count}


def _which(said: dict[str, Any]) -> redelivering.Which:
    since, until = (at and to_micros(at) for at in (said["since"], said["until"]))
    return redelivering.Which(said["ids"], said["system"], said["object"], said["code"], since, until)
