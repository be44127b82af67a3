"""The committee's reviews: packs of a period's numbers, what was decided by them, and what became of it."""

from __future__ import annotations

from flask import Response, render_template, request
from flask.typing import ResponseReturnValue

from gateway.answers import reviewing
from gateway.answers.review import overdue
from gateway.pictures.metrics import figures
from gateway.store import reviews
from gateway.store.database import write
from gateway.times import to_micros
from gateway.web.desk.jobs import begin
from gateway.web.desk.numbers import sheets
from gateway.web.desk.page import Desk, done, page, visitor

PAGES = {
    "model": ("model", "The model in use"),
    "overlays": ("model", "The model in use"),
    "drift": ("work", "Work"),
    "proposed": ("versions", "Versions and drafts"),
}
"""Section → the page that says more, where that is none of the numbers."""
PERIODS = ("last-quarter", "last-month", "this-quarter", "last-year")


@page("/reviews")
def reviews_made(desk: Desk) -> ResponseReturnValue:
    gateway = desk.gateway
    with desk.looking() as connection:
        found, tasks = reviews.listed(connection), reviews.decisions(connection, open_only=True)
        late = overdue(gateway, connection)
    return render_template(
        "desk/reviews.html",
        reviews=found,
        tasks=tasks,
        today=gateway.now().astimezone(gateway.instance.zone).date().isoformat(),
        late=late,
        committee=gateway.instance.committee,
        periods=PERIODS,
    )


@page("/reviews", "decide", ("POST",))
def make_review(desk: Desk) -> ResponseReturnValue:
    """Work a pack out, beside the page: of a million leads that takes a while."""
    chosen = reviewing.called(desk.gateway, request.form.get("period", "").strip()[:40])
    begin(desk, "review", chosen.name, ["review", "--period", chosen.name, "--by", visitor().email])
    return done(f"The pack of {chosen.name} is being made.", "desk.reviews_made")


@page("/reviews/<name>")
def review(desk: Desk, name: str) -> ResponseReturnValue:
    with desk.looking() as connection:
        found = reviewing.shown(desk.gateway, connection, name)
    drawn = [figures(one.name, one.data) if one.data else [] for one in found.sections]
    return render_template(
        "desk/review.html",
        found=found,
        pages=PAGES,
        review=found.review,
        chapters=list(zip(found.sections, drawn, strict=True)),
        figures=[figure for few in drawn for figure in few],
        sheets=sheets(),
        owners=[one.name for one in desk.gateway.instance.committee.members]
        if desk.gateway.instance.committee is not None
        else [],
    )


@page("/reviews/<name>/page.html")
def review_page(desk: Desk, name: str) -> ResponseReturnValue:
    """To keep, to mail and to print."""
    with desk.looking() as connection:
        text = reviewing.drawn(desk.gateway, reviewing.shown(desk.gateway, connection, name))
    headers = {"Content-Disposition": f"attachment; filename=review-{name}.html"}
    return Response(text, mimetype="text/html", headers=headers)


@page("/reviews/<name>/decide", "decide", ("POST",))
def decide_review(desk: Desk, name: str) -> ResponseReturnValue:
    words, owner, due = (request.form.get(field, "")[:2000] for field in ("words", "owner", "due"))
    by = visitor().email
    with desk.noting("review: decide", name) as entry, write(desk.gateway.store.main) as connection:
        task = reviewing.decide(desk.gateway, connection, name, words, owner, due, by)
        entry.after = {"task": task}
    return done("Recorded.", "desk.review", name=name)


@page("/reviews/tasks/<id_>/done", "decide", ("POST",))
def end_task(desk: Desk, id_: str) -> ResponseReturnValue:
    by = visitor().email
    with desk.noting("review: done") as entry, write(desk.gateway.store.main) as connection:
        task = reviews.done(connection, id_, to_micros(desk.gateway.now()), by)
        entry.subject = task.id
    return done("Done.", "desk.reviews_made")
