"""Reviews of the committee: packs of a period's numbers, decisions by them, and tasks."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields

from gateway.answers import reviewing
from gateway.store import reviews as store
from gateway.store.database import write
from gateway.times import to_micros
from gateway.web.api.caller import caller, noting
from gateway.web.api.forms import Text
from gateway.web.api.jobs import Begun, begin
from gateway.web.api.resource import Resource
from gateway.web.desk.page import desk

blueprint = Resource("reviews", "Reviews: a period's numbers as both teams looked at them, and what they decided")


class Wanted(Schema):
    period = Text(required=True, metadata={"description": "2026-Q3, 2026-10, last-quarter"})


class Decision(Schema):
    decision = Text(required=True)
    owner = Text(required=True)
    due = Text(required=True, metadata={"description": "a day, such as 2027-01-31"})


class Recorded(Schema):
    task = fields.String()
    period = fields.String()


@blueprint.looks("/reviews", None)
def listed() -> Any:
    """List the packs, the newest period first, and the tasks that are open."""
    with desk().looking() as connection:
        found, tasks = store.listed(connection), store.decisions(connection, open_only=True)
    return {
        "reviews": [reviewing.review_json(one) for one in found],
        "tasks": [reviewing.task_json(one) for one in tasks],
    }


@blueprint.changes("/reviews", "decide", Wanted, Begun)
def make(said: dict[str, Any]) -> Any:
    """Make the pack of a period, in a job; one that was decided by stays as it is."""
    chosen = reviewing.called(desk().gateway, said["period"])
    return begin("review", chosen.name, ["review", "--period", chosen.name, "--by", caller().email])


@blueprint.looks("/reviews/<name>", None)
def one(name: str) -> Any:
    """A pack: its sections, what was decided by it, and what the review before had decided."""
    with desk().looking() as connection:
        return reviewing.shown_json(reviewing.shown(desk().gateway, connection, name))


@blueprint.changes("/reviews/<name>/decisions", "decide", Decision, Recorded)
def decide(said: dict[str, Any], name: str) -> Any:
    """Record a decision as a task; the first makes the pack's numbers final."""
    gateway = desk().gateway
    words = (said["decision"], said["owner"], said["due"])
    with noting("review: decide", name) as entry, write(gateway.store.main) as connection:
        task = reviewing.decide(gateway, connection, name, *words, caller().email)
        entry.after = {"task": task}
    return {"task": task, "period": name}


@blueprint.changes("/reviews/tasks/<id_>/done", "decide", None, Recorded)
def done(id_: str) -> Any:
    """A task is finished."""
    by = caller().email
    with noting("review: done") as entry, write(desk().gateway.store.main) as connection:
        task = store.done(connection, id_, to_micros(desk().gateway.now()), by)
        entry.subject = task.id
    return {"task": task.id, "period": task.period}
