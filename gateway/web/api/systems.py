"""The systems: how each stands, which field meets which; stopped, and going on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import request
from marshmallow import Schema, fields, validate
from sqlalchemy import Connection

from gateway.answers.plan import preview, preview_json
from gateway.answers.systems import SystemSchema, counts_json, mapping_json, systems_of
from gateway.errors import NotFound, Refused
from gateway.inbound.unheard import require_heard
from gateway.store import listing, restored, switches
from gateway.store.database import write
from gateway.times import to_micros
from gateway.web import uploads
from gateway.web.api.caller import noting
from gateway.web.api.forms import Text
from gateway.web.api.jobs import Begun, begin
from gateway.web.api.resource import Resource
from gateway.web.desk.beside import PATIENCE
from gateway.web.desk.page import desk
from gateway.web.desk.sums import sums
from gateway.web.desk.systems import CHECKED, EXAMPLES, LOOK

blueprint = Resource("systems", "MA platforms and CRMs")
BYTES = {"type": "string", "format": "binary"}


class SystemsPage(Schema):
    systems = fields.List(fields.Nested(SystemSchema))


class Pause(Schema):
    reason = Text(load_default="paused by hand", metadata={"description": "shown until it is resumed"})


class Activated(Schema):
    existing = fields.String(
        required=True,
        validate=validate.OneOf(["ignore", "handover"]),
        metadata={"description": "leads over a threshold already: ignored until they cross it anew, or handed over"},
    )


class Brought(Schema):
    file = Text(200, 1, required=True, metadata={"description": "what it is called; its ending says what it is"})
    history = fields.Boolean(load_default=False, metadata={"description": "nobody is handed over, nothing sent"})


@blueprint.looks("/systems", SystemsPage)
def listed() -> Any:
    """List the systems in the order of gateway.yaml, which is their rank."""
    return {"systems": _all()}


@blueprint.looks("/systems/<name>", None)
def one(name: str) -> Any:
    """One system, with what became of all that came from it and was to go there; of much, some seconds ago."""
    found = _named(name)
    counts = sums(desk(), PATIENCE).answer().systems.get(name)
    return {**SystemSchema().dump(found), "counts": counts_json(counts)}


@blueprint.looks("/systems/<name>/mapping", None)
def mapping(name: str) -> Any:
    """Which field there meets which here."""
    _named(name)
    return {"fields": mapping_json(desk().gateway.instance.systems[name])}


@blueprint.looks("/systems/<name>/plan", None, "operate")
def plan(name: str) -> Any:
    """What would be written there, field by field, for as many leads as there is time for; nothing is sent."""
    _named(name)
    return preview_json(preview(desk().gateway, name, LOOK, EXAMPLES))


@blueprint.changes("/systems/<name>/pause", "operate", Pause, SystemSchema)
def pause(said: dict[str, Any], name: str) -> Any:
    """Stop sending to a system; its writes wait."""
    with _turned("pause", _named(name), said["reason"]) as connection:
        switches.pause(connection, name, said["reason"], to_micros(desk().gateway.now()))
    return SystemSchema().dump(_named(name))


@blueprint.changes("/systems/<name>/resume", "operate", None, SystemSchema)
def resume(name: str) -> Any:
    """Send to it again. After a restore its news since then has to be pulled and read before."""
    found = _named(name)
    require_heard(desk().gateway, name)
    with _turned("resume", found, "") as connection:
        restored.go_on(connection, name, to_micros(desk().gateway.now()))
    return SystemSchema().dump(_named(name))


@blueprint.changes("/systems/<name>/pull", "operate", None, Begun)
def pull(name: str) -> Any:
    """Fetch what is new there, now."""
    found = _named(name)
    if not found["source"]:
        raise Refused(f"{name}: {found['problem'] or 'its plugin has no source'}")
    return begin("pull", name, ("pull", name))


@blueprint.changes("/systems/<name>/activate", "operate", Activated, Begun)
def activate(said: dict[str, Any], name: str) -> Any:
    """Switch its outbound on in gateway.yaml, and settle the leads that stand over a threshold already."""
    if not _named(name)["sink"]:
        raise Refused(f"{name}: its plugin has no sink: nothing can be sent there")
    return begin("activate", name, ("activate", name, "--existing", said["existing"]))


@blueprint.changes("/systems/<name>/import", "operate", None, Begun, kept=False, asks=Brought)
@blueprint.doc(requestBody={"content": {"application/octet-stream": {"schema": BYTES}}})
def bring(said: dict[str, Any], name: str) -> Any:
    """Take in a file of it: the body is the file as it is."""
    _named(name)
    request.max_content_length = uploads.LARGEST
    return begin("import", *uploads.bring(desk().gateway, name, said["file"], request.stream, said["history"]))


@blueprint.changes("/systems/<name>/push", "operate", None, Begun)
def push(name: str) -> Any:
    """Write there what is planned, now."""
    found = _named(name)
    if not found["outbound"]:
        raise Refused(f"{name}: outbound is off; `gateway activate {name}` switches it on")
    return begin("push", name, ("push", name))


@blueprint.changes("/systems/check", "operate", None, Begun)
def check() -> Any:
    """Look at the files, and at the connected accounts."""
    return begin("check", "", ("check", "--online"), CHECKED)


@contextmanager
def _turned(word: str, one: dict[str, Any], after: str) -> Iterator[Connection]:
    """What it is noted in is done in one transaction. ``after``: why it is paused then; empty: it is not."""
    with (
        desk().deciding() as gateway,
        noting(f"system: {word}", one["system"], {"paused": one["paused"]}, {"paused": after}),
        write(gateway.store.main) as connection,
    ):
        yield connection


def _all() -> list[dict[str, Any]]:
    with desk().looking() as connection:
        return systems_of(desk().gateway, listing.systems(connection))


def _named(name: str) -> dict[str, Any]:
    found = next((one for one in _all() if one["system"] == name), None)
    if found is None:
        raise NotFound(f"no system {name!r} in gateway.yaml")
    return found
