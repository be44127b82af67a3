"""A draft of the model under way: its files as forms, one at a time, kept until it is tried, proposed or dropped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from itertools import groupby
from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from gateway.answers.versions import DISK, LIVE, called, editable, files_called
from gateway.committee import drafting, governing, proposing
from gateway.errors import ConfigError, GatewayError, NotFound, Refused
from gateway.governance import sheets
from gateway.governance.numbers import changed, numbers
from gateway.governance.parts import JOURNEY, SCORING, is_model, is_score, score_of
from gateway.metrics.period import midnight
from gateway.settings.files import ConfigFile, content_hash
from gateway.store import bundle, jobs
from gateway.store.database import read
from gateway.store.drafts import Draft
from gateway.times import from_micros
from gateway.web.desk.beside import Kept
from gateway.web.desk.jobs import begin
from gateway.web.desk.page import Desk, done, page, real_now, visitor

MORE = "more "
"""Before the name of a file whose text comes beside that of the form."""
LASTING = 1e9
"""Seconds for which it stays right: for ever."""
PATIENT = 5.0
"""Seconds that a form waits for it, so that the page that follows has it."""
BUTTONS = ("look", sheets.MOVE, sheets.DROP, "open", "away", "back", "try")
"""Without one of these it is proposed."""
TRIAL = "simulate"
"""What a replay of a draft is called among long work."""


@page("/model/drafts/new", "decide", ("GET", "POST"))
def new_draft(desk: Desk) -> ResponseReturnValue:
    """Nothing is kept before something is changed. ``file=disk``: what is edited on disk already."""
    name = request.values.get("file", "")
    live = files_called(desk.gateway, LIVE)[1]
    if name != DISK and name not in editable(live) and not is_model(name):
        raise NotFound(f"no file of the model is called {name}")
    if request.method == "POST":
        return written(desk, None, name)
    disk = governing.changes(live, files_called(desk.gateway, DISK)[1]) if name == DISK else {}
    return render_template("desk/new_draft.html", disk=disk, **sheet(desk, None, name))


def written(desk: Desk, found: Draft | None, name: str) -> ResponseReturnValue:
    """Keep what the form says, and do what its button asks for; whatever is refused, nothing typed is lost."""
    given = request.form
    live = files_called(desk.gateway, LIVE)[1]
    stored = _text(found, live, name)
    text = given.get("text", stored).replace("\r\n", "\n")
    try:
        text = _arranged(name, text, stored)
        files = {**(found.files if found is not None else {}), **_files(desk, found, live, name, text)}
        begins, words = _day(desk, given.get("from", "")), [given.get(one, "").strip() for one in ("called", "reason")]
        with desk.deciding() as held:
            said = (words[0][:100], files, words[1][:1000], begins, given.get("base", "")[:32] or None)
            kept = drafting.keep(held, visitor().user, found, *said)
    except GatewayError as exc:
        told = sheet(desk, found, name, str(exc), text, given)
        return render_template("desk/new_draft.html", disk={}, **told), 409
    looked(desk, kept, PATIENT)
    follow = next((button for button in BUTTONS if button in given), "")
    if follow == "try":
        return tried(desk, kept)
    if not follow:
        return _proposed(desk, kept)
    after = given["open"] or given.get("other", "").strip() if follow == "open" else name
    if follow == "open" and not is_model(after) and after not in editable(live):
        flash("A score's file is called scores/name.yaml, in small letters.", "refused")
    return redirect(url_for("desk.draft", id_=kept.id, file=after))


def _arranged(name: str, text: str, shown: str) -> str:
    """The text with the numbers and tables of the form that somebody touched; ``shown``: the text that the form was
    made of. Raises ``ConfigError`` where it is no YAML."""
    if name == DISK or not text.strip():
        return text
    before = {one.key: one.value for one in numbers({name: shown})}
    fields = {key: said for key, said in request.form.items() if said.strip() != before.get(key)}
    tables = sheets.touched(ConfigFile(name, shown).data, request.form.to_dict(flat=False))
    return sheets.arranged(name, changed({name: text}, fields).get(name, text), tables)


def _files(desk: Desk, found: Draft | None, live: Mapping[str, str], name: str, text: str) -> dict[str, str]:
    """What the form says of its file, and of those that come beside it. Raises ``Refused`` and ``ConfigError``."""
    given = request.form
    if name == DISK:
        files = proposing.files_of(desk.gateway.instance.root, "", live)[1]
        return {one: files[one] for one in governing.changes(live, governing.merged(live, files)) if one in files}
    stored = _text(found, live, name)
    if given.get("was", content_hash(stored)) != content_hash(stored):
        raise Refused(f"somebody else changed {name} in this draft meanwhile; what you send now takes its place")
    if "away" in given:
        return {name: ""}
    if "back" in given:
        return {name: live.get(name, "")}
    more = {key.removeprefix(MORE): given[key].replace("\r\n", "\n") for key in given if key.startswith(MORE)}
    return {name: text} | {one: said for one, said in more.items() if is_model(one)}


def _proposed(desk: Desk, kept: Draft) -> ResponseReturnValue:
    effective = from_micros(kept.effective_at) if kept.effective_at is not None else None
    try:
        if moved := drafting.moved(desk.gateway, kept):
            raise Refused(f"the live model changed since you looked: {', '.join(moved)}")
        with desk.deciding() as held:
            user, token = visitor().user, ""
            proposing.propose(held, user, kept.name, kept.files, kept.reason, effective, token, kept)
    except ConfigError:
        flash("It is not proposed: what is wrong with it stands below.", "refused")
    except GatewayError as exc:
        flash(f"It is not proposed: {str(exc).replace('--', '')}", "refused")
    else:
        desk.anew("approval")
        flash("It is proposed.", "done")
    return redirect(url_for("desk.draft", id_=kept.id))


def tried(desk: Desk, found: Draft) -> ResponseReturnValue:
    """Replay it beside the pages, as long work that can be stopped."""
    score = request.form.get("score", "")[:100]
    begin(desk, TRIAL, called(found), ["model", "simulate", found.id, "--keep", *([f"--score={score}"] * bool(score))])
    return done("It is tried on the last 90 days.", "desk.draft", id_=found.id)


def looked(desk: Desk, found: Draft, wait: float = 0.0) -> Kept:
    """What it comes to beside the live model: worked out once for each text of it and each live model.

    :param wait: seconds for a first answer, where who asks has more time than a page.
    """
    gateway = desk.gateway
    with desk.looking() as connection:
        active = bundle.active(connection)
    key = ("draft", found.id, found.changed_at, active.id if active is not None else "")
    return desk.beside.ask(key, lambda: drafting.look(gateway, found), wait, LASTING)


def trying(desk: Desk, found: Draft) -> jobs.JobRow | None:
    """The last replay of it, unless that is over and what it found is kept."""
    with read(desk.gateway.store.main) as connection:
        row = jobs.last(connection, TRIAL, called(found), real_now())
    return row if row is not None and row.ended != "done" else None


# -- a file as a form --------------------------------------------------------------------------------------------------


def sheet(
    desk: Desk, found: Draft | None, name: str, problem: str = "", text: str | None = None, given: Any = None
) -> dict[str, Any]:
    """What the form of one file shows. ``given``: what was typed and not kept."""
    with read(desk.gateway.store.main) as connection:
        live = governing.live_files(connection, desk.gateway.instance)
        active = bundle.active(connection)
    mine = found.files if found is not None else {}
    known = editable({**live, **mine})
    name = (
        name
        if name == DISK or name in known or is_model(name)
        else next((one for one in mine if one in known), SCORING)
    )
    known += [name] if name not in (DISK, *known) else []
    stored = _text(found, live, name)
    text = stored if text is None else text
    return {
        "id_": found.id if found is not None else "",
        "file": name,
        "tabs": [(one, one in mine, one in mine and not mine[one].strip()) for one in known],
        "disk_only": name == DISK,
        "gone": name in mine and not stored.strip(),
        "score": score_of(name),
        "in_draft": name in mine,
        "text": text,
        "was": content_hash(stored),
        "base": active.id if active is not None else "",
        "problem": problem,
        "typed": given if given is not None else _typed(desk, found),
        **_form(name, text),
    }


def _text(found: Draft | None, live: Mapping[str, str], name: str) -> str:
    return (found.files if found is not None else {}).get(name, live.get(name, ""))


def _typed(desk: Desk, found: Draft | None) -> dict[str, str]:
    """What is said of the whole draft, as it was kept."""
    if found is None:
        return {}
    zone, begins = desk.gateway.instance.zone, found.effective_at
    day = from_micros(begins).astimezone(zone).date().isoformat() if begins is not None else ""
    return {"called": found.name, "reason": found.reason, "from": day}


def _form(name: str, text: str) -> dict[str, Any]:
    """The numbers of a file, those of one rule together, and what stands in tables."""
    try:
        found, data = list(_fields(name, text)), ConfigFile(name, text).data if name != DISK else {}
    except GatewayError:  # what is wrong with the text is told; its numbers are there again once it is mended
        found, data = [], {}
    return {
        "groups": [(of, list(some)) for of, some in groupby(found, lambda one: one.of)],
        "overlays": [*sheets.overlays(data), sheets.Overlay()] if is_score(name) else [],
        "choices": sheets.choices(data),
        "orders": sheets.orders(data),
        "personas": sheets.personas(data),
        "thresholds": sheets.thresholds(data) if name == JOURNEY else {},
    }


def _fields(name: str, text: str) -> Iterator[Any]:
    yield from (one for one in numbers({name: text}) if not sheets.elsewhere(one))


def _day(desk: Desk, text: str) -> datetime | None:
    try:
        return midnight(date.fromisoformat(text), desk.gateway.instance.zone) if text else None
    except ValueError:
        raise Refused(f"a day is written like 2026-10-31, not {text!r}") from None
