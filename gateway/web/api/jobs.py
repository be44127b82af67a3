"""Long work: how far it is, stopping it; and commands that are begun by a call and run in a process of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import send_file
from marshmallow import Schema, fields, validate

from gateway.answers import jobs as answers
from gateway.engine import errands
from gateway.errors import NotFound
from gateway.web import uploads
from gateway.web.api.caller import caller, noting
from gateway.web.api.resource import Resource
from gateway.web.desk.page import desk

blueprint = Resource("jobs", "Long work: imports, pulls, rescoring, replays")


class Asked(Schema):
    limit = fields.Integer(load_default=50, validate=validate.Range(1, 1000))


class Begun(Schema):
    job = fields.String(metadata={"description": "its id: ask for it under /jobs"})


class Told(Schema):
    told = fields.String()


@blueprint.looks("/jobs", None, asks=Asked)
def listed(asked: dict[str, Any]) -> Any:
    """List what goes on and what ended in the last days, the newest first."""
    return {"jobs": [answers.job_json(row) for row in answers.jobs_of(desk().gateway, asked["limit"])]}


@blueprint.looks("/jobs/<id_>", None)
def one(id_: str) -> Any:
    """One, with what it said at its end; `refused`: whether lines of its file are kept that were."""
    gateway = desk().gateway
    row = answers.named(gateway, id_)
    return answers.job_json(row) | {"refused": uploads.refused(gateway, row.id) is not None}


@blueprint.looks("/jobs/<id_>/refused", None, "bodies")
def refused_lines(id_: str) -> Any:
    """The lines of its file that were refused, as they came, for a day: a file, not JSON."""
    file = uploads.refused(desk().gateway, id_)
    if file is None:
        raise NotFound("no line of it was refused, or they are gone: they are kept for a day")
    with noting("import: refused lines looked into", id_):
        pass
    return send_file(file, as_attachment=True, download_name=f"refused{file.suffix}")


@blueprint.changes("/jobs/<id_>/<any(stop, resume):word>", "operate", None, Told)
def steer(id_: str, word: str) -> Any:
    """Have it stop at its next good moment; a rescoring that rests goes on again."""
    gateway = desk().gateway
    with noting(f"job: {word}", id_):
        told = answers.stop(gateway, id_, caller().email) if word == "stop" else answers.go_on(gateway, id_)
    return {"told": told}


def begin(what: str, subject: str, arguments: Sequence[str], seconds: float | None = None) -> dict[str, str]:
    """Start a command of the gateway's for the caller. Raises ``Refused`` when the same goes on already."""
    gateway, by = desk().gateway, caller().email
    with noting(f"job: {what}", subject or "all") as entry:
        id_ = errands.start(gateway.store.main, gateway.instance.root, what, subject, by, arguments, seconds)
        entry.after = {"job": id_}
    return {"job": id_}
