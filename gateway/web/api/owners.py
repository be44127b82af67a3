"""Who gets handoffs: how they stand, who is absent and who is back."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields

from gateway.answers.owners import owners_json
from gateway.people import staffing
from gateway.store.roster import absences
from gateway.times import to_micros
from gateway.web.api.caller import caller, noting
from gateway.web.api.forms import Text
from gateway.web.api.resource import Resource
from gateway.web.desk.page import desk

blueprint = Resource("owners", "Who gets handoffs")


class Absence(Schema):
    begins = fields.AwareDateTime(load_default=None, allow_none=True, metadata={"description": "null: now"})
    ends = fields.AwareDateTime(
        load_default=None, allow_none=True, metadata={"description": "null: when they are back"}
    )
    reason = Text(load_default="", metadata={"description": "what others see, such as holidays"})


class Noted(Schema):
    owner = fields.String()
    absent = fields.Boolean()


@blueprint.looks("/owners", None)
def listed() -> Any:
    """List the owners of journey.yaml as they stand now."""
    gateway = desk().gateway
    with desk().looking() as connection:
        found = staffing.standings(gateway, connection)
        coming = absences(connection, to_micros(gateway.now()))
    return owners_json(gateway.model.journey.owners, found, coming)


@blueprint.changes("/owners/<name>/absence", "judge", Absence, Noted)
def absent(said: dict[str, Any], name: str) -> Any:
    """Note an absence: no handoffs meanwhile, and those they have go to somebody else."""
    gateway = desk().gateway
    begins = said["begins"] or gateway.now()
    times = {"begins": begins.isoformat(), "ends": said["ends"].isoformat() if said["ends"] else None}
    with noting("owner: absent", name, None, times):
        staffing.absent(gateway, name, begins, said["ends"], said["reason"], caller().email)
    return {"owner": name, "absent": True}


@blueprint.changes("/owners/<name>/absence", "judge", None, Noted, method="DELETE")
def back(name: str) -> Any:
    """They are there again; an absence that is still to come is taken back, too."""
    with noting("owner: back", name):
        staffing.back(desk().gateway, name)
    return {"owner": name, "absent": False}
