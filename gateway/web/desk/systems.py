"""The systems: how each is, which field meets which, stopping and going on; and the plugins behind them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from gateway import jobs
from gateway.answers.plan import preview, write_json
from gateway.answers.plugins import plugins_of
from gateway.answers.texts import who
from gateway.answers.work import in_words as work_in_words
from gateway.contracts import Source
from gateway.errors import NotFound, Refused
from gateway.inbound.unheard import require_heard
from gateway.store import listing, restored, switches
from gateway.store.database import write
from gateway.sync.companions import in_words
from gateway.times import to_micros
from gateway.web import uploads
from gateway.web.desk.jobs import begin
from gateway.web.desk.page import Desk, done, page, visitor
from gateway.web.desk.sums import sums

LOOK = 3.0
"""Seconds that a preview looks through leads."""
EXAMPLES = 20
TOLD = 500
"""The newest writes and work items that are looked through for what a field was told last, and what differs."""
CHECKED = 120.0
"""Seconds that a check may take: it asks the systems."""


@page("/systems")
def systems(desk: Desk) -> ResponseReturnValue:
    gateway = desk.gateway
    with desk.looking() as connection:
        rows = listing.systems(connection)
    counted = sums(desk)
    checks = [one for one in jobs.rows(gateway.store.main, 200) if one.what == "check"]
    return render_template(
        "desk/systems.html",
        checked=next(iter(checks), None),
        systems=gateway.instance.systems.values(),
        rows=rows,
        found=counted.value,
        again=counted.again,
        problems=gateway.problems,
        plugins=plugins_of(gateway),
    )


@page("/systems/<name>")
def system(desk: Desk, name: str) -> ResponseReturnValue:
    gateway = desk.gateway
    one = _named(desk, name)
    with desk.looking() as connection:
        row = listing.systems(connection).get(name, {})
        items = listing.work_items(connection, 20, None, name)
        told = _told(listing.deliveries(connection, TOLD, name))
        differ = Counter(
            one["detail"].get("field", "") for one in listing.work_items(connection, TOLD) if _about(one, name)
        )
    counted = sums(desk)
    objects = [
        {
            "name": object_,
            "kind": mapping.kind,
            "fields": [
                _field(field) | {"told": told.get((object_, field.field)), "differs": differ[field.to]}
                for field in mapping.fields
            ],
        }
        for object_, mapping in (one.mapping.objects.items() if one.mapping else ())
    ]
    return render_template(
        "desk/system.html",
        system=one,
        row=row,
        counting=counted.value is None,
        again=counted.again,
        counts=counted.value.systems.get(name) if counted.value is not None else None,
        problem=gateway.problems.get(name, ""),
        reads=name in gateway.sources and type(gateway.sources[name]).pull is not Source.pull,
        pulls=name in gateway.sources and _pulls(gateway.sources[name]),
        sends=bool(gateway.model.objects.get(name)),
        plugin=gateway.plugin_of(name),
        objects=objects,
        items=[item | {"words": work_in_words(item["kind"], item["detail"])} for item in items],
    )


@page("/systems/<name>/<word>", "operate", ("POST",))
def steer(desk: Desk, name: str, word: str) -> ResponseReturnValue:
    """``word``: pause or resume, pull or push."""
    one = _named(desk, name)
    if word == "pull":
        if name not in desk.gateway.sources:
            raise Refused(f"{name}: {desk.gateway.problems.get(name) or 'its plugin has no source'}")
        begin(desk, "pull", name, ("pull", name))
        return done(f"What is new in {name} is fetched.", "desk.jobs")
    if word == "push":
        if not one.outbound:
            raise Refused(f"{name}: outbound is off; `gateway activate {name}` switches it on")
        begin(desk, "push", name, ("push", name))
        return done(f"{name} is told what is planned.", "desk.jobs")
    if word == "resume":
        require_heard(desk.gateway, name)
    reason = request.form.get("reason", "").strip()[:200]
    after = {"reason": reason} if reason else None
    with (
        desk.deciding() as gateway,
        desk.noting(f"system: {word}", name, None, after),
        write(gateway.store.main) as connection,
    ):
        if word == "pause":
            switches.pause(connection, name, reason or "paused by hand", to_micros(gateway.now()))
            told = f"{name} is paused; its writes wait."
        elif word == "resume":
            before, left = restored.go_on(connection, name, to_micros(gateway.now()))
            told = f"{name} is written to again." if before else f"{name} was not paused."
            if left:
                told += f" {left} messages planned until now become dead letters: the store before may have sent them."
        else:
            raise Refused(f"no such word: {word}")
    return done(told, "desk.system", name=name)


@page("/systems/<name>/import", "operate", ("POST",))
def bring(desk: Desk, name: str) -> ResponseReturnValue:
    """A file of this system, taken in beside the pages."""
    _named(desk, name)
    given = request.files.get("file")
    if given is None or not given.filename:
        raise Refused("choose a file")
    subject, command = uploads.bring(desk.gateway, name, given.filename, given.stream, "history" in request.form)
    begin(desk, "import", subject, command)
    flash(f"{subject}: it is taken in.", "done")
    return redirect(url_for("desk.jobs"))  # where it is seen; what is refused is told where the file was chosen


@page("/systems/<name>/plan", "operate")
def plan(desk: Desk, name: str) -> ResponseReturnValue:
    """Wanted minus known, for as many leads as there is time for: nothing is sent, and nobody is asked."""
    gateway, one = desk.gateway, _named(desk, name)
    found = preview(gateway, name, LOOK, EXAMPLES)
    made = found.plan
    with desk.looking() as connection:
        people = listing.attributes_of(connection, list({planned.wanted.lead for planned in made.examples}))
    creates, updates = made.total("create"), made.total("update")
    return render_template(
        "desk/plan.html",
        system=one,
        creates=creates,
        updates=updates,
        whole=found.whole,
        seen=found.seen,
        fields=made.fields.most_common(),
        unsent=made.unsent.most_common(),
        examples=[
            write_json(planned)
            | {
                "words": in_words(planned.wanted.object, planned.wanted.fields, planned.wanted.record),
                "who": who(people.get(planned.wanted.lead, {})),
            }
            for planned in made.examples
        ],
        more=creates + updates - len(made.examples),
        may_send=name in gateway.outbound_systems() and creates + updates > 0 and visitor().may("operate"),
    )


@page("/check", "operate", ("POST",))
def check(desk: Desk) -> ResponseReturnValue:
    """The files, and the connected accounts: in a process of its own, which is not waited for."""
    begin(desk, "check", "", ("check", "--online"), CHECKED)
    return done("The files and the systems are looked at.", "desk.systems")


def _named(desk: Desk, name: str) -> Any:
    one = desk.gateway.instance.systems.get(name)
    if one is None:
        raise NotFound(f"no system {name} in gateway.yaml")
    return one


def _told(rows: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    """(object, field) → the newest of these writes that held it: when, and what became of it."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        for name in row["fields"]:
            found.setdefault((row["object"], name), {"at": row["planned_at"], "state": row["state"]})
    return found


def _about(item: Mapping[str, Any], system: str) -> bool:
    """Whether it is about a value that this system holds otherwise than another."""
    return any(side[0] == system for side in item["detail"].get("sides", ()))


def _pulls(source: Source) -> bool:
    """Whether it fetches anything by itself; one that only takes webhooks or files has no streams of its own."""
    return type(source).pull is not Source.pull and type(source).streams is not Source.streams


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
