"""Who gets handoffs, how they stand, and who of them is away."""

from __future__ import annotations

from flask import render_template, request
from flask.typing import ResponseReturnValue

from gateway.errors import Refused
from gateway.people import staffing
from gateway.people.owning import ids_of
from gateway.store import roster as stored
from gateway.times import to_micros
from gateway.web.desk.page import Desk, day_of, done, page, visitor


@page("/owners")
def owners(desk: Desk) -> ResponseReturnValue:
    """The owners of journey.yaml, the visitor first."""
    gateway, now = desk.gateway, desk.gateway.now()
    with desk.looking() as connection:
        mine = ids_of(gateway.pipeline.roster(connection, now), visitor().email)
        rows = staffing.standings(gateway, connection)
        coming = stored.absences(connection, to_micros(now))
    rows.sort(key=lambda one: one.owner.who not in mine)
    return render_template(
        "desk/owners.html",
        rows=[(one, one.owner.who in mine, to_micros(one.until) if one.until else None) for one in rows],
        away={row.owner for row in coming},
        coming=[row for row in coming if row.begins > to_micros(now)],
    )


@page("/owners/<word>", "judge", ("POST",))
def staff(desk: Desk, word: str) -> ResponseReturnValue:
    """``word``: absent or back, of the owner whom the form names."""
    form = request.form
    name = form.get("owner", "").strip()[:200]
    with desk.deciding() as gateway, desk.noting(f"owner: {word}", name):
        if word == "absent":
            last = day_of(desk, form.get("until", ""), 1)  # which counts as a whole
            start = day_of(desk, form.get("from", "")) or gateway.now()
            staffing.absent(gateway, name, start, last, form.get("reason", "").strip()[:200], visitor().email)
            words = f"{name} is away; within a minute of its begin what they have goes to somebody else."
        elif word == "back":
            staffing.back(gateway, name)
            words = f"{name} is there again, from the next handoff on."
        else:
            raise Refused(f"no such word: {word}")
    return done(words, "desk.owners")
