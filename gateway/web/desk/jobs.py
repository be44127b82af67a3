"""Long work: how far it is, who began it, stopping it; and beginning what the desk may begin."""

from __future__ import annotations

from collections.abc import Sequence

from flask import render_template, send_file
from flask.typing import ResponseReturnValue

from gateway.answers import jobs as answers
from gateway.engine import errands
from gateway.errors import NotFound, Refused
from gateway.web import uploads
from gateway.web.desk.page import Desk, done, page, visitor

LISTED = 30


@page("/jobs")
def jobs(desk: Desk) -> ResponseReturnValue:
    rows = answers.jobs_of(desk.gateway, LISTED)
    return render_template(
        "desk/jobs.html",
        rows=[(row, answers.called(row), answers.far(row)) for row in rows],
        refused={row.id for row in rows if row.told and uploads.refused(desk.gateway, row.id)},
    )


@page("/jobs/<id_>/refused", "bodies")
def refused_lines(desk: Desk, id_: str) -> ResponseReturnValue:
    """The lines of a file that were refused, as they came: to be mended, and brought again."""
    file = uploads.refused(desk.gateway, id_)
    if file is None:
        raise NotFound("no line of it was refused, or they are gone: they are kept for a day")
    with desk.noting("import: refused lines looked into", id_):
        pass
    return send_file(file, as_attachment=True, download_name=f"refused{file.suffix}")


@page("/jobs/<id_>/<word>", "operate", ("POST",))
def steer_job(desk: Desk, id_: str, word: str) -> ResponseReturnValue:
    """``word``: stop or resume."""
    with desk.noting(f"job: {word}", id_):
        if word == "stop":
            told = answers.stop(desk.gateway, id_, visitor().email)
        elif word == "resume":
            told = answers.go_on(desk.gateway, id_)
        else:
            raise Refused(f"no such word: {word}")
    return done(f"{told[:1].upper()}{told[1:]}.", "desk.jobs")


def begin(desk: Desk, what: str, subject: str, arguments: Sequence[str], seconds: float | None = None) -> None:
    """Start a command of the gateway's for the visitor. Raises ``Refused`` when the same goes on already."""
    gateway, by = desk.gateway, visitor().email
    with desk.noting(f"job: {what}", subject) as entry:
        id_ = errands.start(gateway.store.main, gateway.instance.root, what, subject, by, arguments, seconds)
        entry.after = {"job": id_}
