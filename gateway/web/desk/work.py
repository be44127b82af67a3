"""What needs a person: each item with what may be said about it, settled on the spot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flask import render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection

from gateway.answers.texts import who
from gateway.answers.work import ASKING, WAYS, in_words, item_named, sides_of
from gateway.errors import Refused
from gateway.people.resolving import Said, resolve, ways
from gateway.people.resolving import words as words_for
from gateway.store import listing
from gateway.store import work as items
from gateway.web.desk.page import Desk, chosen, done, page, place_of, visitor
from gateway.web.desk.troubles import troubles

PAGE = 50


@page("/work")
def work(desk: Desk) -> ResponseReturnValue:
    asked = chosen({"kind": 60, "system": 60, "after": 60})
    with desk.looking() as connection:
        after = place_of(asked.get("after", ""))
        rows = listing.work_items(connection, PAGE + 1, asked.get("kind"), asked.get("system"), after)
        kinds = listing.work_kinds(connection)
        people = names(connection, rows)
    last = rows[PAGE - 1] if len(rows) > PAGE else None
    return render_template(
        "desk/work.html",
        rows=[settled_by(desk, row) | {"whom": people.get(row["lead"])} for row in rows[:PAGE]],
        kinds=sorted(kinds),
        troubles=troubles(desk) if asked.keys() <= {"system"} else {},
        asked=asked,
        systems=desk.gateway.instance.systems,
        following=f"{last['opened_at']}:{last['id']}" if last else "",
        **SAYING,
    )


SAYING = {"words_of": WAYS, "asking": ASKING}
"""What the template's ``settle`` needs beside an item."""


def names(connection: Connection, rows: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The leads that these rows are about → what they are called, or the end of their ids."""
    known = listing.attributes_of(connection, list({row["lead"] for row in rows if row["lead"]}))
    return {lead: who(attributes) or lead[-8:] for lead, attributes in known.items()}


def settled_by(desk: Desk, row: Mapping[str, Any]) -> dict[str, Any]:
    """An item with all that a form under it offers: what each side says, the ways to settle it, the words to choose."""
    over = row["resolved_at"] is not None
    return {
        **row,
        "words": in_words(row["kind"], row["detail"]),
        "sides": sides_of(desk.gateway, row),
        "ways": () if over else ways(row),
        "choices": () if over else words_for(desk.gateway, row) or row["detail"].get("candidates", ()),
    }


@page("/work/<id_>")
def work_item(desk: Desk, id_: str) -> ResponseReturnValue:
    gateway = desk.gateway
    row = item_named(gateway, id_)
    with desk.looking() as connection:
        said = items.resolutions(connection, row["id"])
    return render_template(
        "desk/work_item.html",
        row=settled_by(desk, row),
        said=said,
        **SAYING,
    )


@page("/work/<id_>/resolve", "settle", ("POST",))
def resolve_item(desk: Desk, id_: str) -> ResponseReturnValue:
    form = request.form
    way, value = form.get("way", ""), form.get("value", "").strip()[:1000]
    if way in ASKING and not value:
        raise Refused("it needs a word: choose or write one")
    with desk.deciding() as gateway:
        row = item_named(gateway, id_)
        with desk.noting(f"work: {way}", row["id"], None, {"kind": row["kind"]}, first=True):  # may edit a file
            told = resolve(gateway, row, Said(way, visitor().email, value, form.get("always") == "1"))
    return done(" ".join(told)[:500], "desk.work")
