"""Versions of the model, and the drafts of the next: made, compared, tried, commented on, approved."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from itertools import groupby
from typing import Any

from flask import render_template, request
from flask.typing import ResponseReturnValue

from gateway.answers.simulation import LISTS, sentences
from gateway.answers.versions import DISK, LIVE, draft_json, files_called, history, model_files, open_drafts
from gateway.committee import governing, proposing
from gateway.errors import GatewayError, NotFound, Refused
from gateway.governance import sheets
from gateway.governance.keys import APPROVE, COMMENT, OVERRIDE, REJECT, WITHDRAW
from gateway.governance.numbers import changed, numbers
from gateway.governance.parts import CONTENT, JOURNEY, MODEL, is_model, is_score, of_model
from gateway.metrics.period import midnight
from gateway.settings.files import ConfigFile
from gateway.store.database import read
from gateway.store.drafts import Draft
from gateway.web.desk import apart
from gateway.web.desk.page import Desk, done, page, visitor

SHOWN = 30
"""Versions."""
LONGEST = 900.0
"""Seconds that a trial may take."""
WORDS = {
    APPROVE: "Your key is turned.",
    REJECT: "It is rejected.",
    WITHDRAW: "It is withdrawn.",
    OVERRIDE: "It is live by your emergency override, which stays on record.",
    COMMENT: "It is noted.",
}


@page("/model/versions")
def versions(desk: Desk) -> ResponseReturnValue:
    gateway = desk.gateway
    asked = [request.args.get(name, "").strip()[:40] for name in ("before", "after")]
    compared: dict[str, list[str]] | None = None
    problem = ""
    if all(asked):
        try:
            compared = governing.changes(*(files_called(gateway, one)[1] for one in asked))
        except NotFound as exc:
            problem = str(exc)
    found = history(gateway, SHOWN)
    return render_template(
        "desk/versions.html",
        versions=found,
        drafts=open_drafts(gateway),
        disk=governing.changes(files_called(gateway, LIVE)[1], files_called(gateway, DISK)[1]),
        off=gateway.instance.approval == "off",
        files=_edited(files_called(gateway, LIVE)[1]),
        known=[LIVE, DISK, *(one.bundle[:8] for one in found[1:])],
        asked=asked,
        compared=compared,
        problem=problem,
    )


@page("/model/drafts/new", "decide", ("GET", "POST"))
def new_draft(desk: Desk) -> ResponseReturnValue:
    """A file of the model to be edited, its numbers or its text; ``file=disk``: what is edited on disk already."""
    gateway, given = desk.gateway, request.form
    name = request.values.get("file", "")
    if name not in (DISK, CONTENT) and not is_model(name):
        raise NotFound(f"no file of the model is called {name}")
    live = files_called(gateway, LIVE)[1]
    text = given.get("text", live.get(name, "")).replace("\r\n", "\n")
    problem = ""
    if request.method == "POST":
        try:
            text = changed({name: text}, given).get(name, text)
            text = sheets.arranged(name, text, given.to_dict(flat=False)) if name != DISK else text
            if {"look", sheets.MOVE, sheets.DROP} & given.keys():
                governing.fits(gateway.instance.root, gateway.host, {**live, name: text}, gateway.instance)
                return _editing(name, text, compared=governing.changes(live, {**live, name: text}))
            called, files = (
                proposing.files_of(gateway.instance.root, "", live) if name == DISK else (name, {name: text})
            )
            reason, begins = given.get("reason", "").strip()[:1000], _day(desk, given.get("from", ""))
            with desk.deciding() as held:
                made, _ = proposing.propose(held, visitor().user, called, files, reason, begins)
            desk.anew("approval")
            return done("It is proposed.", "desk.draft", id_=made.id)
        except GatewayError as exc:  # nothing typed is lost
            problem = str(exc)
    return _editing(name, text, problem)


def _editing(name: str, text: str, problem: str = "", compared: Any = None) -> ResponseReturnValue:
    try:
        found, data = numbers({name: text}), ConfigFile(name, text).data if name != DISK else {}
    except GatewayError:  # what is wrong with the text is told; its numbers are there again once it is mended
        found, data = [], {}
    found = [one for one in found if not sheets.elsewhere(one)]
    groups = [(of, list(some)) for of, some in groupby(found, lambda one: one.of)]
    told = {"file": name, "disk": name == DISK, "text": text, "problem": problem, "given": request.form}
    page_ = render_template("desk/new_draft.html", groups=groups, compared=compared, **told, **_tables(name, data))
    return page_, 409 if problem else 200


def _tables(name: str, data: Any) -> dict[str, Any]:
    """What of the file stands in tables."""
    return {
        "overlays": [*sheets.overlays(data), sheets.Overlay()] if is_score(name) else [],
        "choices": sheets.choices(data),
        "orders": sheets.orders(data),
        "personas": sheets.personas(data),
        "thresholds": sheets.thresholds(data) if name == JOURNEY else {},
    }


@page("/model/drafts/<id_>")
def draft(desk: Desk, id_: str) -> ResponseReturnValue:
    found = _named(desk, id_)
    tried = desk.beside.look(_trial(found))
    told: Any = tried.value if tried is not None else None
    return render_template(
        "desk/draft.html",
        draft=draft_json(desk.gateway, found),
        mine=found.user == visitor().user.id,
        told=told,
        sentences=list(sentences(told)) if told else (),
        lists=LISTS,
        problem=tried.problem if tried is not None else "",
        working=tried is not None and tried.running is not None,
    )


@page("/model/drafts/<id_>/<word>", "decide", ("POST",))
def judge_draft(desk: Desk, id_: str, word: str) -> ResponseReturnValue:
    """``word``: approve, reject, withdraw, comment, or try, which has no effect."""
    found, root = _named(desk, id_), desk.gateway.instance.root
    if word == "try":
        with desk.noting("model tried", found.id, first=True):
            desk.beside.again(_trial(found), lambda: apart.answer(root, ["model", "simulate", found.id], LONGEST))
        return done("It is tried on the last 90 days.", "desk.draft", id_=found.id)
    if word not in WORDS:
        raise Refused(f"no such word: {word}")
    reason = request.form.get("reason", "").strip()[:1000]
    if word == OVERRIDE and not request.form.get("sure"):
        raise Refused("an override is for emergencies: say that this is one")
    with desk.deciding() as held:
        if word == COMMENT:
            with desk.noting("model commented on", found.id):
                proposing.comment(held, visitor().user, found, reason)
        else:
            proposing.decide(held, visitor().user, found, word, reason)
    desk.anew("approval")
    return done(WORDS[word], "desk.draft", id_=found.id)


def _edited(live: Mapping[str, str]) -> list[str]:
    """The files that a draft can be made of here; content.yaml where a score weighs content."""
    return [*of_model({*MODEL, *live}), *(name for name in model_files(live) if name == CONTENT)]


def _named(desk: Desk, id_: str) -> Draft:
    with read(desk.gateway.store.main) as connection:
        return proposing.draft_called(connection, id_)


def _trial(found: Draft) -> tuple[str, str]:
    return "trial", found.id


def _day(desk: Desk, text: str) -> datetime | None:
    try:
        return midnight(date.fromisoformat(text), desk.gateway.instance.zone) if text else None
    except ValueError:
        raise Refused(f"a day is written like 2026-10-31, not {text!r}") from None
