"""How a changed model goes live under approval: the versions that were, and drafts that wait for keys."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from gateway.accounts import users
from gateway.answers import versions as answers
from gateway.committee import proposing
from gateway.errors import NotFound
from gateway.governance.parts import CONTENT, MODEL, is_model
from gateway.web.api.caller import caller, noting
from gateway.web.api.forms import Text
from gateway.web.api.resource import Resource
from gateway.web.desk.page import desk

blueprint = Resource("proposals", "Versions of the model, and drafts that wait for keys")


def _governed(files: dict[str, str]) -> None:
    if other := sorted(name for name in files if not is_model(name) and name != CONTENT):
        known = ", ".join((*MODEL, CONTENT, "scores/NAME.yaml"))
        raise ValidationError(f"{', '.join(other)}: a draft has {known}")


class Asked(Schema):
    limit = fields.Integer(load_default=50, validate=validate.Range(1, 1000))


class Proposed(Schema):
    name = Text(100, 1, required=True, metadata={"description": "how people call it"})
    files = fields.Dict(
        keys=fields.String(),
        values=Text(500_000),
        required=True,
        validate=_governed,
        metadata={"description": "file → its whole text; what differs from the live model is proposed"},
    )
    reason = Text(2000, 1, required=True)
    effective = fields.AwareDateTime(
        load_default=None, allow_none=True, metadata={"description": "when it goes live; null: with the last key"}
    )


class KeyTurned(Schema):
    reason = Text(2000, 1, required=True)


@blueprint.looks("/model/versions", None, asks=Asked)
def versions(asked: dict[str, Any]) -> Any:
    """The models that were live, what each changed and who agreed to it; and the drafts that wait."""
    gateway = desk().gateway
    found = [answers.version_json(one) for one in answers.history(gateway, asked["limit"])]
    return {"approval": gateway.instance.approval, "drafts": answers.open_drafts(gateway), "versions": found}


@blueprint.looks("/model/proposals/<id_>", None)
def proposal(id_: str) -> Any:
    """A draft: what it changes, who turned which key, and whose is missing."""
    return answers.draft_json(desk().gateway, _named(id_))


@blueprint.changes("/model/proposals", "decide", Proposed)
def propose(said: dict[str, Any]) -> Any:
    """Put a changed model before both teams; nothing goes live by that."""
    gateway, words = desk().gateway, (said["name"], said["files"], said["reason"], said["effective"])
    made, _ = proposing.propose(gateway, _user(), *words, caller().token)
    return answers.draft_json(gateway, made)


@blueprint.changes("/model/proposals/<id_>/<any(approve, reject, withdraw, override):word>", "decide", KeyTurned)
def decide(said: dict[str, Any], id_: str, word: str) -> Any:
    """Turn the account's key for a draft, or end it; `override` is an admin's, in an emergency, and stays on record."""
    gateway = desk().gateway
    after = proposing.decide(gateway, _user(), _named(id_), word, said["reason"], caller().token)
    return answers.draft_json(gateway, after)


@blueprint.changes("/model/proposals/<id_>/comment", "decide", KeyTurned)
def comment(said: dict[str, Any], id_: str) -> Any:
    """Say something about a draft; it turns no key."""
    gateway, found = desk().gateway, _named(id_)
    with noting("model comment", found.id):
        proposing.comment(gateway, _user(), found, said["reason"])
    return answers.draft_json(gateway, found)


def _named(id_: str) -> Any:
    with desk().looking() as connection:
        found = proposing.named(connection, id_)
    if found is None:
        raise NotFound(f"no draft {id_!r}")
    return found


def _user() -> users.User:
    with desk().looking() as connection:
        return users.named(connection, caller().email)
