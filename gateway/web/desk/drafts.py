"""Versions of the model, and the drafts of the next: made, compared, tried, commented on, approved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import render_template, request
from flask.typing import ResponseReturnValue

from gateway import jobs
from gateway.answers.simulation import LISTS, named, sentences
from gateway.answers.versions import DISK, LIVE, draft_json, editable, files_called, history, open_drafts
from gateway.committee import drafting, governing, proposing
from gateway.errors import NotFound, Refused
from gateway.governance.keys import APPROVE, COMMENT, OVERRIDE, REJECT, WITHDRAW
from gateway.governance.parts import score_of
from gateway.store import drafts
from gateway.store.database import read
from gateway.store.drafts import Draft
from gateway.web.desk.drafting import looked, sheet, tried, trying, written
from gateway.web.desk.page import Desk, done, page, visitor

SHOWN = 30
"""Versions."""
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
        begun=open_drafts(gateway, [drafts.BEGUN]),
        disk=governing.changes(files_called(gateway, LIVE)[1], files_called(gateway, DISK)[1]),
        off=gateway.instance.approval == "off",
        files=editable(files_called(gateway, LIVE)[1]),
        known=[LIVE, DISK, *(one.bundle[:8] for one in found[1:])],
        asked=asked,
        compared=compared,
        problem=problem,
    )


@page("/model/drafts/<id_>")
def draft(desk: Desk, id_: str) -> ResponseReturnValue:
    """What it changes and what it would have done, side by side; its files as forms while it is worked on."""
    gateway, job = desk.gateway, trying(desk, _named(desk, id_))
    found = _named(desk, id_)  # after its replay: what that found is kept before it is over
    begun = found.state == drafts.BEGUN
    told: Any = None
    if found.trial is not None:
        with desk.looking() as connection:
            told = named(connection, found.trial["told"])
    beside = looked(desk, found) if found.state in (drafts.BEGUN, *drafts.OPEN) else None
    form = begun and visitor().may("decide")
    return render_template(
        "desk/draft.html",
        draft=draft_json(gateway, found),
        begun=begun,
        mine=found.user == visitor().user.id,
        looked=beside.value if beside is not None else None,
        checking=beside is not None and beside.value is None and beside.running is not None,
        again=beside.again if beside is not None else 0,
        moved=drafting.moved(gateway, found) if beside is not None else (),
        trial=found.trial,
        told=told,
        sentences=list(sentences(told)) if told else (),
        outdated=drafting.outdated(gateway, found) if beside is not None else (),
        lists=LISTS,
        job=job,
        scores=_tried_by(gateway.model.score_names, found),
        form=form,
        **(sheet(desk, found, request.args.get("file", "")) if form else {}),
    )


@page("/model/drafts/<id_>/<word>", "decide", ("POST",))
def judge_draft(desk: Desk, id_: str, word: str) -> ResponseReturnValue:
    """``word``: approve, reject, withdraw, comment; write or discard, while it is worked on; try or stop, which have
    no effect."""
    found = _named(desk, id_)
    if word == "write":
        return written(desk, found, request.form.get("file", ""))
    if word == "try":
        return tried(desk, found)
    if word == "stop":
        if (job := trying(desk, found)) is None:
            raise Refused("it is not being tried")
        with desk.noting("job: stop", job.id):
            jobs.ask_to_stop(desk.gateway.store.main, job.id, visitor().email)
        return done("It stops at its next good moment.", "desk.draft", id_=found.id)
    if word == "discard":
        with desk.deciding() as held:
            drafting.drop(held, visitor().user, found)
        return done("The draft is thrown away.", "desk.versions")
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


def _tried_by(live: Sequence[str], found: Draft) -> list[str]:
    """The scores that a replay can hold side by side: the live ones that the draft leaves, the main one first."""
    gone = {score_of(name) for name, text in found.files.items() if not text.strip()}
    return [name for name in live if name not in gone]


def _named(desk: Desk, id_: str) -> Draft:
    with read(desk.gateway.store.main) as connection:
        return proposing.draft_called(connection, id_)
