"""The systems: how each is, which field meets which, stopping and going on; and the plugins behind them."""

from __future__ import annotations

from typing import Any

from flask import render_template, request
from flask.typing import ResponseReturnValue

from gateway.errors import NotFound, Refused
from gateway.store import listing, outbox, switches
from gateway.store.database import write
from gateway.store.overview import overview
from gateway.times import to_micros
from gateway.web.desk.page import Desk, done, page


@page("/systems")
def systems(desk: Desk) -> ResponseReturnValue:
    gateway = desk.gateway
    with desk.looking() as connection:
        found = overview(connection, gateway.inbox, gateway.model.score_name, to_micros(gateway.now()), people=False)
        rows = listing.systems(connection)
    return render_template(
        "desk/systems.html",
        systems=gateway.instance.systems.values(),
        rows=rows,
        found=found,
        problems=gateway.problems,
        plugins=sorted(gateway.host.plugins, key=lambda one: one.name),
    )


@page("/systems/<name>")
def system(desk: Desk, name: str) -> ResponseReturnValue:
    gateway = desk.gateway
    one = _named(desk, name)
    with desk.looking() as connection:
        row = listing.systems(connection).get(name, {})
        found = overview(connection, gateway.inbox, gateway.model.score_name, to_micros(gateway.now()), people=False)
        items = listing.work_items(connection, 20, None, name)
    objects = [
        {"name": object_, "kind": mapping.kind, "fields": [_field(field) for field in mapping.fields]}
        for object_, mapping in (one.mapping.objects.items() if one.mapping else ())
    ]
    return render_template(
        "desk/system.html",
        system=one,
        row=row,
        counts=found.systems.get(name),
        problem=gateway.problems.get(name, ""),
        plugin=gateway.plugin_of(name),
        objects=objects,
        items=items,
    )


@page("/systems/<name>/<word>", "operate", ("POST",))
def steer(desk: Desk, name: str, word: str) -> ResponseReturnValue:
    """``word``: pause or resume."""
    _named(desk, name)
    reason = request.form.get("reason", "").strip()[:200]
    with desk.deciding() as gateway, write(gateway.store.main) as connection:
        if word == "pause":
            outbox.pause(connection, name, reason or "paused by hand", to_micros(gateway.now()))
            told = f"{name} is paused; its writes wait."
        elif word == "resume":
            before = switches.resume(connection, name)
            told = f"{name} is written to again." if before else f"{name} was not paused."
        else:
            raise Refused(f"no such word: {word}")
    desk.note(f"system: {word}", name, None, {"reason": reason} if reason else None)
    return done(told, "desk.system", name=name)


def _named(desk: Desk, name: str) -> Any:
    one = desk.gateway.instance.systems.get(name)
    if one is None:
        raise NotFound(f"no system {name} in gateway.yaml")
    return one


def _field(field: Any) -> dict[str, Any]:
    said = {
        "in": "from there to here",
        "out": "from here to there",
        "newest": "both ways, the newest counts",
        "prefer": f"both ways, {field.prefer} is preferred",
    }
    return {
        "field": field.field,
        "to": field.to,
        "type": field.type,
        "rule": said.get(field.sync, field.sync.replace("_", " ")),
        "blank": field.blank,
        "mapped": len(field.values),
        "guard": field.guard,
    }
