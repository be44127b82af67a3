"""Inbox and deliveries: what came in and what goes out, looked into, read or sent again, given up."""

from __future__ import annotations

from flask import render_template, request
from flask.typing import ResponseReturnValue

from gateway.errors import NotFound, Refused
from gateway.store import listing, outbox, switches
from gateway.store.database import write
from gateway.sync.companions import in_words
from gateway.times import to_micros
from gateway.web.desk.page import Desk, chosen, done, page, visitor

PAGE = 100
SHOWN = 20_000
"""Characters of a body that are shown."""
DOCUMENTS = ("waiting", "read", "quarantined")
WRITES = ("waiting", "confirmed", "superseded", "dead")


@page("/inbox")
def inbox(desk: Desk) -> ResponseReturnValue:
    asked = chosen({"system": 60, "state": 20, "before": 40})
    rows = desk.gateway.inbox.listing(asked.get("system"), asked.get("state"), PAGE + 1, asked.get("before"))
    last = rows[PAGE - 1]["id"] if len(rows) > PAGE else ""
    return render_template(
        "desk/inbox.html",
        rows=[{**row, "received_at": to_micros(row["received_at"])} for row in rows[:PAGE]],
        asked=asked,
        states=DOCUMENTS,
        systems=desk.gateway.instance.systems,
        following=last,
    )


@page("/inbox/<id_>")
def document(desk: Desk, id_: str) -> ResponseReturnValue:
    """Its body only for who may see personal data as it came."""
    with desk.looking() as connection:
        found = listing.troubles_of(connection, id_)
    row = desk.gateway.inbox.one(id_)
    if row is None:
        raise NotFound("no document has this id")
    may = visitor().may("bodies")
    body = row["body"].decode("utf-8", "replace") if may else ""
    if may:
        desk.note("document: looked into", id_)
    return render_template(
        "desk/document.html",
        row={**row, "received_at": to_micros(row["received_at"])},
        body=body[:SHOWN],
        cut=len(body) > SHOWN,
        may=may,
        troubles=found,
    )


@page("/inbox/<id_>/replay", "operate", ("POST",))
def replay(desk: Desk, id_: str) -> ResponseReturnValue:
    again = desk.gateway.inbox.requeue([id_], None, ("quarantined", "read"))
    if not again:
        raise Refused("it waits already, or has no body any more")
    desk.note("document: read again", id_)
    return done("It is read again; what is known already has no effect.", "desk.document", id_=id_)


@page("/deliveries")
def deliveries(desk: Desk) -> ResponseReturnValue:
    asked = chosen({"system": 60, "state": 20})
    with desk.looking() as connection:
        rows = listing.deliveries(connection, PAGE, asked.get("system"), asked.get("state"))
    for row in rows:
        row["words"] = in_words(row["object"], row["fields"], row["record"])
    return render_template(
        "desk/deliveries.html",
        rows=rows,
        asked=asked,
        states=WRITES,
        systems=desk.gateway.instance.systems,
    )


@page("/deliveries/<word>", "operate", ("POST",))
def settle(desk: Desk, word: str) -> ResponseReturnValue:
    """``word``: retry or discard, of the writes that are marked."""
    ids = request.form.getlist("id")[:1000]
    if not ids:
        raise Refused("mark the writes first")
    with desk.deciding() as gateway, write(gateway.store.main) as connection:
        now = to_micros(gateway.now())
        if word == "retry":
            count = outbox.retry(connection, now, listing.dead_letters(connection, ids), None)
            told = f"{count:,} tried again."
        elif word == "discard":
            reason = request.form.get("reason", "").strip()[:200]
            if not reason:
                raise Refused("say why they are given up")
            count = switches.discard(connection, now, ids)
            told = f"{count:,} given up."
        else:
            raise Refused(f"no such word: {word}")
    desk.note(f"writes: {word}", f"{len(ids)} writes", None, {"ids": ids})
    return done(told, "desk.deliveries")
