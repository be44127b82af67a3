"""Handoffs: what sales have to do, the first due first, and what they say of it."""

from __future__ import annotations

from typing import Any

from flask import render_template, request
from flask.typing import ResponseReturnValue

from gateway.answers.handoff import standing, state_words
from gateway.errors import Refused
from gateway.people import judging, staffing
from gateway.people.owning import ids_of
from gateway.people.reporting import OUTCOMES, report
from gateway.people.staffing import name_of
from gateway.store import desk as queries
from gateway.times import to_micros
from gateway.web.desk.page import Desk, chosen, day_of, done, page, place_of, visitor

PAGE = 50


@page("/handoffs")
def handoffs(desk: Desk) -> ResponseReturnValue:
    """``?whose=mine|all``; sales see their own first."""
    gateway, now = desk.gateway, desk.gateway.now()
    asked = chosen({"whose": 10, "after": 60})
    with desk.looking() as connection:
        roster = gateway.pipeline.roster(connection, now)
        mine = ids_of(roster, visitor().email)
        whose = asked.get("whose") or ("mine" if mine and visitor().role == "sales" else "all")
        owners = mine if whose == "mine" else None
        rows = queries.due(connection, PAGE + 1, owners, place_of(asked.get("after", "")))
        counts = queries.how_due(connection, to_micros(now), to_micros(now), owners)
        held = queries.held_back(connection)
    for row in rows:
        row["owner_name"] = name_of(roster, row["system"], row["owner"])
        row["words"] = state_words(row)
    last = rows[PAGE - 1] if len(rows) > PAGE else None
    due = (queries.NEVER if last["due_at"] is None else last["due_at"]) if last else None
    return render_template(
        "desk/handoffs.html",
        rows=rows[:PAGE],
        counts=counts,
        held=held,
        whose=whose,
        mine=bool(mine),
        micros=to_micros(now),
        following=f"{due}:{last['id']}" if last else "",
        **disposing(desk),
    )


def disposing(desk: Desk) -> dict[str, Any]:
    """What the forms under a handoff offer: reasons of each bucket, and who it can be given to."""
    journey = desk.gateway.model.journey
    return {
        "reasons": {word: list(journey.reasons.get(bucket, ())) for word, bucket in _buckets(desk).items()},
        "owners": [one.name for one in journey.owners.listed],
    }


def _buckets(desk: Desk) -> dict[str, str]:
    buckets = desk.gateway.model.journey.buckets
    return {word: buckets.get(outcome, "") for word, outcome in OUTCOMES.items()}


@page("/handoffs/release", "judge", ("POST",))
def release(desk: Desk) -> ResponseReturnValue:
    """The best so many of what is held back."""
    best = request.form.get("best", "").strip()
    if not (best.isascii() and best.isdigit() and 0 < len(best) < 7 and int(best)):
        raise Refused("say how many: a number")
    with desk.deciding() as gateway, desk.noting("handoffs: released", "handoffs") as entry:
        found = judging.release(gateway, (), int(best), visitor().email)
        entry.subject = f"{len(found.opened)} handoffs"
        entry.after = {"released": list(found.opened), "withdrawn": dict(found.withdrawn)}
    gone = f", {len(found.withdrawn):,} given up: what was right is no more" if found.withdrawn else ""
    return done(f"{len(found.opened):,} released{gone}.", "desk.handoffs")


@page("/handoffs/<id_>/<word>", "judge", ("POST",))
def dispose(desk: Desk, id_: str, word: str) -> ResponseReturnValue:
    """``word``: accept, qualify, reject, recycle; correct or reassign."""
    form = request.form
    reason, by = form.get("reason", "").strip()[:200], visitor().email
    with desk.deciding() as gateway:
        with desk.looking() as connection:
            one = staffing.handoff_of(gateway, connection, id_)
        with desk.noting(f"handoff: {word}", one["id"], standing(one)) as entry:
            entry.after = lambda connection: standing(staffing.handoff_of(gateway, connection, entry.subject))
            if word in OUTCOMES:
                row = report(gateway, id_, word, reason, by, day_of(desk, form.get("wake", "")))
                words = f"Ended as {row['bucket']}" if row["bucket"] else "Accepted"
            elif word == "reassign":
                staffing.reassign(gateway, id_, form.get("owner", "").strip()[:200], reason, by)
                words = "Given away"
            elif word == "correct":
                bucket = form.get("bucket", "")
                row = judging.correct(gateway, id_, bucket, reason, by, visitor().may("accounts"))
                words = f"It counts as {row['bucket']} now"
            else:
                raise Refused(f"no such word: {word}")
    return done(f"{words}.", "desk.handoffs")


@page("/leads/<id_>/hold", "judge", ("POST",))
def hold(desk: Desk, id_: str) -> ResponseReturnValue:
    form, by = request.form, visitor().email
    what = "lead: hold" if not form.get("end") else "lead: hold ended"
    with desk.deciding() as gateway, desk.noting(what, id_):
        if form.get("end"):
            judging.let_go(gateway, id_)
            words = "It may be handed over again."
        else:
            reason = form.get("reason", "").strip()[:200]
            if not reason:
                raise Refused("say why it is kept from sales")
            judging.hold(gateway, id_, day_of(desk, form.get("until", "")), reason, by)
            words = "It is kept from sales."
    return done(words, "desk.lead", id_=id_)


@page("/leads/<id_>/hand-over", "judge", ("POST",))
def hand_over(desk: Desk, id_: str) -> ResponseReturnValue:
    reason = request.form.get("reason", "").strip()[:200]
    if not reason:
        raise Refused("say why it is handed over now")
    with desk.deciding() as gateway, desk.noting("lead: handed over", id_) as entry:
        entry.after = {"handoff": judging.hand_over(gateway, id_, reason, visitor().email)["id"]}
    return done("Sales have it now.", "desk.lead", id_=id_)
