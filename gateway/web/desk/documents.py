"""Inbox and deliveries: what came in and what goes out, looked into, read or sent again, given up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from gateway.answers.texts import plural
from gateway.errors import NotFound, Refused
from gateway.people import redelivering
from gateway.store import listing
from gateway.store.inbox import EMPTIED
from gateway.store.inbox import STATES as DOCUMENTS
from gateway.sync.companions import in_words
from gateway.times import to_micros
from gateway.web.desk.jobs import begin
from gateway.web.desk.page import Desk, chosen, day_of, done, page, place_of, visitor
from gateway.web.desk.work import names

PAGE = 100
SHOWN = 20_000
"""Characters of a body that are shown."""
AGAIN = ("quarantined", "read")
"""Documents that can be read again."""
WRITES = ("waiting", "confirmed", "superseded", "dead")


@page("/inbox")
def inbox(desk: Desk) -> ResponseReturnValue:
    asked, store = chosen({"system": 60, "state": 20, "before": 40, "id": 255}), desk.gateway.inbox
    if (key := asked.get("id")) is not None:
        if store.one(key) is not None:
            return redirect(url_for("desk.document", id_=key))
        names = [asked["system"]] if "system" in asked else desk.gateway.instance.systems
        rows = [row for name in names for row in store.listing(name, asked.get("state"), PAGE, key=key)][:PAGE]
    else:
        rows = store.listing(asked.get("system"), asked.get("state"), PAGE + 1, asked.get("before"))
    last = rows[PAGE - 1]["id"] if len(rows) > PAGE else ""
    return render_template(
        "desk/inbox.html",
        rows=[
            {**row, "received_at": to_micros(row["received_at"]), "reason": EMPTIED.get(row["reason"], row["reason"])}
            for row in rows[:PAGE]
        ],
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
        with desk.noting("document: looked into", id_):
            pass
    return render_template(
        "desk/document.html",
        row={**row, "received_at": to_micros(row["received_at"]), "reason": EMPTIED.get(row["reason"], row["reason"])},
        body=body[:SHOWN],
        cut=len(body) > SHOWN,
        may=may,
        again=row["state"] in AGAIN and row["reason"] not in EMPTIED,
        troubles=found,
    )


@page("/inbox/<id_>/replay", "operate", ("POST",))
def replay(desk: Desk, id_: str) -> ResponseReturnValue:
    with desk.noting("document: read again", id_, first=True):
        if not desk.gateway.inbox.requeue([id_], None, AGAIN):
            raise Refused("it waits already, or has no body any more")
    return done("It is read again; what is known already has no effect.", "desk.document", id_=id_)


@page("/inbox/all/replay", "operate", ("GET", "POST"))
def replay_all(desk: Desk) -> ResponseReturnValue:
    """Everything that fits a filter: first how many that are, then the doing, which may take long."""
    asked = _filter("system", "state", "since", "until")
    state = asked.get("state", "quarantined")
    if state not in AGAIN:
        raise Refused("only documents that are quarantined or read can be read again")
    since, until = _days(desk, asked)
    count = desk.gateway.inbox.how_many(asked.get("system"), (state,), since, until)
    words = f"{plural(count, f'{state} document')}{_of(asked)}"
    if request.method != "POST":
        title, will = "Read again", f"{words} would be read again; what is known already has no effect."
        more = {"fields": asked, "count": count, "back": "desk.inbox", "then": "desk.jobs"}
        return render_template("desk/sure.html", title=title, words=will, **more)
    options = [
        part for name, at in (("since", since), ("until", until)) if at for part in (f"--{name}", at.isoformat())
    ]
    of = ("--system", asked["system"]) if "system" in asked else ()
    subject = asked.get("system", "documents")
    begin(desk, "replay", subject, ("inbox", "replay", *of, "--state", state, *options))
    return done(f"{words} are read again.", "desk.jobs")


@page("/inbox/<id_>/discard", "operate", ("POST",))
def discard(desk: Desk, id_: str) -> ResponseReturnValue:
    return _discarded(desk, [id_], id_, "desk.document", id_=id_)


@page("/inbox/all/discard", "operate", ("GET", "POST"))
def discard_all(desk: Desk) -> ResponseReturnValue:
    """All in quarantine that fit a filter: first how many that are."""
    asked = _filter("system", "since", "until")
    chosen = desk.gateway.inbox.quarantined(None, asked.get("system"), *_days(desk, asked))
    words = f"{plural(len(chosen), 'quarantined document')}{_of(asked)}"
    if request.method != "POST":
        will = f"{words} would be given up: what they said is emptied, and cannot be read again."
        more = {"fields": asked, "count": len(chosen), "back": "desk.inbox", "reason": True}
        return render_template("desk/sure.html", title="Give up", words=will, **more)
    return _discarded(desk, chosen, plural(len(chosen), "document"), "desk.inbox")


def _discarded(desk: Desk, ids: Sequence[str], subject: str, back: str, **where: str) -> ResponseReturnValue:
    reason = request.form.get("reason", "").strip()[:200]
    if not reason:
        raise Refused("say why they are given up")
    with desk.noting("documents: discard", subject, None, {"ids": list(ids[:1000]), "reason": reason}, first=True):
        if not (count := desk.gateway.inbox.discard(ids, visitor().email, reason)):
            raise Refused("none of them is in quarantine any more")
    return done(f"{plural(count, 'document')} given up.", back, **where)


@page("/deliveries/all/<word>", "operate", ("GET", "POST"))
def settle_all(desk: Desk, word: str) -> ResponseReturnValue:
    """Every dead write that fits a filter: first how many that are, then ``word``: retry or discard."""
    if word not in ("retry", "discard"):
        raise Refused(f"no such word: {word}")
    asked = _filter("system", "object", "code", "since", "until")
    since, until = _days(desk, asked)
    with desk.looking() as connection:
        narrowed = (asked.get("system"), asked.get("object"), asked.get("code"))
        begins, ends = (None if at is None else to_micros(at) for at in (since, until))
        ids = listing.dead_letters(connection, None, *narrowed, begins, ends)
    words = f"{plural(len(ids), 'dead write')}{_of(asked)}"
    if request.method != "POST":
        title = "Try again" if word == "retry" else "Give up"
        will = f"{words} would be {'tried again' if word == 'retry' else 'given up'}."
        more = {"title": title, "words": will, "fields": asked, "count": len(ids), "reason": word == "discard"}
        return render_template("desk/sure.html", back="desk.deliveries", **more)
    return _settled(desk, word, ids)


def _filter(*names: str) -> dict[str, str]:
    """What a filter asks for, from the address or the form."""
    given = {name: request.values.get(name, "").strip()[:100] for name in names}
    return {name: value for name, value in given.items() if value}


def _days(desk: Desk, asked: Mapping[str, str]) -> tuple[datetime | None, datetime | None]:
    """From the first moment of ``since`` to the last of ``until``."""
    return day_of(desk, asked.get("since", "")), day_of(desk, asked.get("until", ""), 1)


def _of(asked: Mapping[str, str]) -> str:
    words = {"system": "of", "object": "object", "code": "refused with", "since": "from", "until": "until and with"}
    return "".join(f" {words[name]} {asked[name]}" for name in words if name in asked)


@page("/deliveries")
def deliveries(desk: Desk) -> ResponseReturnValue:
    asked = chosen({"system": 60, "state": 20, "lead": 320, "after": 60})
    after, problem, lead = place_of(asked.pop("after", "")), "", None
    if "lead" in asked:
        try:
            lead = desk.gateway.find_lead(asked["lead"])
        except NotFound as exc:
            problem, lead = str(exc), ""
    with desk.looking() as connection:
        rows = listing.deliveries(connection, PAGE + 1, asked.get("system"), asked.get("state"), after, lead)
        people = names(connection, rows)
    last, rows = rows[PAGE - 1] if len(rows) > PAGE else None, rows[:PAGE]
    for row in rows:
        row["words"], row["whom"] = in_words(row["object"], row["fields"], row["record"]), people.get(row["lead"])
    return render_template(
        "desk/deliveries.html",
        rows=rows,
        asked=asked,
        states=WRITES,
        systems=desk.gateway.instance.systems,
        problem=problem,
        following=f"{last['planned_at']}:{last['id']}" if last else "",
    )


@page("/deliveries/<word>", "operate", ("POST",))
def settle(desk: Desk, word: str) -> ResponseReturnValue:
    """``word``: retry or discard, of the writes that are marked."""
    ids = request.form.getlist("id")[:1000]
    if not ids:
        raise Refused("mark the writes first")
    return _settled(desk, word, ids)


def _settled(desk: Desk, word: str, ids: Sequence[str]) -> ResponseReturnValue:
    reason = request.form.get("reason", "").strip()[:200]
    if word not in ("retry", "discard"):
        raise Refused(f"no such word: {word}")
    if word == "discard" and not reason:
        raise Refused("say why they are given up")
    with desk.noting(f"writes: {word}", plural(len(ids), "write"), None, {"ids": list(ids[:1000])}):
        if word == "retry":
            told = f"{redelivering.retry(desk.gateway, ids):,} tried again."
        else:
            told = f"{redelivering.give_up(desk.gateway, ids, reason):,} given up."
    return done(told, "desk.deliveries")
