"""What needs a person: each item with what may be said about it, settled on the spot."""

from __future__ import annotations

from flask import render_template, request
from flask.typing import ResponseReturnValue

from gateway.answers.work import ASKING, WAYS, in_words, item_named, sides_of
from gateway.errors import Refused
from gateway.people.resolving import Said, resolve, ways
from gateway.people.resolving import words as words_for
from gateway.store import listing
from gateway.store import work as items
from gateway.web.desk.page import Desk, chosen, done, page, visitor

PAGE = 100


@page("/work")
def work(desk: Desk) -> ResponseReturnValue:
    asked = chosen({"kind": 60, "system": 60})
    with desk.looking() as connection:
        rows = listing.work_items(connection, PAGE, asked.get("kind"), asked.get("system"))
        kinds = listing.work_kinds(connection)
    for row in rows:
        row["words"] = in_words(row["kind"], row["detail"])
    return render_template("desk/work.html", rows=rows, kinds=kinds, asked=asked, systems=desk.gateway.instance.systems)


@page("/work/<id_>")
def work_item(desk: Desk, id_: str) -> ResponseReturnValue:
    gateway = desk.gateway
    row = item_named(gateway, id_)
    with desk.looking() as connection:
        said = items.resolutions(connection, row["id"])
    over = row["resolved_at"] is not None
    return render_template(
        "desk/work_item.html",
        row=row | {"words": in_words(row["kind"], row["detail"])},
        said=said,
        sides=sides_of(gateway, row),
        ways=() if over else ways(row),
        choices=() if over else words_for(gateway, row),
        words=WAYS,
        asking=ASKING,
    )


@page("/work/<id_>/resolve", "settle", ("POST",))
def resolve_item(desk: Desk, id_: str) -> ResponseReturnValue:
    form = request.form
    way, value = form.get("way", ""), form.get("value", "").strip()[:1000]
    if way in ASKING and not value:
        raise Refused("it needs a word: choose or write one")
    with desk.deciding() as gateway:
        row = item_named(gateway, id_)
        told = resolve(gateway, row, Said(way, visitor().email, value, form.get("always") == "1"))
    desk.note(f"work: {way}", row["id"], None, {"kind": row["kind"]})
    return done(" ".join(told)[:500], "desk.work")
