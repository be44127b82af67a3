"""Numbers: what both teams count, drawn and as tables, with what each means and the leads behind it.

An answer may take seconds, so it is worked out beside the page, which says when that was. What is asked stands in the
address: it can be kept, and sent to somebody.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from flask import Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from gateway.answers import sheet
from gateway.answers.brought import fields
from gateway.answers.metrics import reconcile
from gateway.answers.metrics.asked import COUNTS, Answer, Asked, settled
from gateway.answers.metrics.asking import METRICS, Question, question
from gateway.answers.texts import who
from gateway.errors import NotFound, Refused
from gateway.metrics.definitions import DEFINITIONS
from gateway.metrics.report import Table, number
from gateway.pictures.figure import Figure
from gateway.pictures.metrics import figures
from gateway.store import listing
from gateway.store.database import read
from gateway.store.funnel import WORDS
from gateway.times import to_micros
from gateway.web.desk import apart
from gateway.web.desk.page import Desk, blueprint, page, visitor

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from gateway.runtime import Gateway

ASKED = {"period": 40, "since": 10, "until": 10, "by": 100, "count": 10, "unassigned": 3, "window": 10, "half_life": 10}
PERIODS = ("this-month", "last-month", "this-quarter", "last-quarter", "this-year", "last-year")
ROWS = 200
"""So many rows and leads are shown; CSV has all."""
LONGEST = 600.0
"""Seconds that systems may take to be asked for their own counts."""
_SHEETS = re.compile(rb'getElementById\("([0-9a-f]{64})"\)')
FOR_A_DAY = "private, max-age=86400"


@dataclass(frozen=True, slots=True)
class Told:
    """An answer as the page shows it: nothing of it is read from the store any more. ``at``: microseconds.

    ``numbers``: the names of those whose leads can be listed. ``live``: what systems that were asked said, which is not
    to be had again.
    """

    at: int
    counts: str
    parts: list[str | Table]
    figures: list[Figure]
    definitions: Mapping[str, str]
    numbers: frozenset[str]
    live: Answer | None = None


@page("/numbers")
def numbers(desk: Desk) -> ResponseReturnValue:
    return redirect(url_for("desk.numbers_of", name="funnel"))


@page("/numbers/<name>")
def numbers_of(desk: Desk, name: str) -> ResponseReturnValue:
    if name not in METRICS:
        raise NotFound(f"there are no numbers called {name}")
    said, asked, problem, kept = _said(), None, "", None
    try:
        asked = question(name, said, desk.gateway)
    except Refused as exc:
        problem = str(exc)
    if asked is not None:
        kept = desk.beside.look(key(desk, asked)) if METRICS[name].live else told(desk, asked)
    return render_template(
        "desk/numbers.html",
        metrics=METRICS,
        name=name,
        metric=METRICS[name],
        periods=PERIODS if COUNTS[name] else (),
        said=said,
        sheets=sheets(),
        by=(*WORDS, *sorted(fields(desk.gateway.instance))) if name == "funnel" else (),
        problem=problem or (kept.problem if kept is not None else ""),
        told=kept.value if kept is not None else None,
        working=kept is not None and kept.running is not None,
        again=kept.again if kept is not None else None,
        may_ask=visitor().may("decide"),
    )


@page("/numbers/<name>", "decide", ("POST",))
def ask_systems(desk: Desk, name: str) -> ResponseReturnValue:
    """Ask other systems for their own counts: each time somebody wants it, for it costs calls."""
    if name not in METRICS or not METRICS[name].live:
        raise NotFound(f"{name} asks no other system")
    said = _said(request.form)
    asked = question(name, said, desk.gateway)
    if asked.period.since is None:
        raise Refused("say of when: a period, or since which day")
    with desk.noting(f"numbers: {name}", name, first=True):
        desk.beside.again(key(desk, asked), _live(desk.gateway, asked))
    flash("The systems are being asked.", "done")
    return redirect(url_for("desk.numbers_of", name=name, **said))


@page("/numbers/<name>.csv")
def numbers_csv(desk: Desk, name: str) -> ResponseReturnValue:
    """The whole table."""
    asked = question(name, _said(), desk.gateway)
    return _csv(name, apart.worked(desk.gateway, _table, asked, _of_systems(desk, asked)))


@page("/numbers/<name>/leads")
def numbers_leads(desk: Desk, name: str) -> ResponseReturnValue:
    """The leads behind one number."""
    asked, which = question(name, _said(), desk.gateway), request.args.get("number", "")[:500]
    gateway = desk.gateway
    if METRICS[name].live:
        found = desk.beside.look(key(desk, asked))
        behind = found.value.live.leads.get(which) if found is not None and found.value is not None else None
        ids = list(behind()) if behind is not None else []
        kept, some = found, (None if behind is None else (len(ids), ids[:ROWS]))
    else:
        kept = desk.beside.ask((key(desk, asked), which), lambda: apart.worked(gateway, _some, asked, which))
        some = kept.value
    rows: list[dict[str, Any]] = []
    if some is not None:
        with desk.looking() as connection:
            rows = [dict(row) for row in listing.named(connection, some[1], gateway.model.score_name)]
            names = listing.record_names(connection, [row["id"] for row in rows if not who(row["attributes"])])
        for row in rows:
            row["called"] = who(row["attributes"]) or names.get(row["id"], row["id"][-8:])
    return render_template(
        "desk/numbers_leads.html",
        name=name,
        metric=METRICS[name],
        said=_said(),
        which=which,
        rows=rows,
        count=some[0] if some is not None else 0,
        known=some is not None,
        problem=kept.problem if kept is not None else "",
        working=kept is not None and kept.running is not None,
        again=kept.again if kept is not None else None,
    )


@page("/numbers/<name>/leads.csv")
def numbers_leads_csv(desk: Desk, name: str) -> ResponseReturnValue:
    """All of them."""
    asked, which = question(name, _said(), desk.gateway), request.args.get("number", "")[:500]
    return _csv(f"{name}-leads", apart.worked(desk.gateway, _leads, asked, which, _of_systems(desk, asked)))


@blueprint.route("/static/desk/plotly.js")
def plotly() -> ResponseReturnValue:
    """What draws: of the package, so that no other server is asked for it. Every browser of today unpacks it."""
    headers = {"Content-Encoding": "gzip", "Cache-Control": FOR_A_DAY}
    return Response(_plotly()[0], mimetype="text/javascript", headers=headers)


def sheets() -> list[str]:
    """Ids of the style sheets that plotly would write into a page that has none of that id."""
    return ["plotly.js-style-global", *_plotly()[1]]


@cache
def _plotly() -> tuple[bytes, list[str]]:
    """The script, packed; and the ids of the style sheets (of maps) that it would write into a page without them."""
    script = (resources.files("plotly") / "package_data" / "plotly.min.js").read_bytes()
    return gzip.compress(script, 6), [one.decode() for one in _SHEETS.findall(script)]


def told(desk: Desk, asked: Question) -> Any:
    """What is kept of the answer, or is being worked out: ``beside.Kept`` of ``Told``."""
    gateway = desk.gateway
    return desk.beside.ask(key(desk, asked), lambda: apart.worked(gateway, _worked, asked))


def _said(given: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What is asked by the address, or by a form."""
    given = request.args if given is None else given
    found = {name: given.get(name, "").strip()[:most] for name, most in ASKED.items()}
    return {name: value for name, value in found.items() if value}


def key(desk: Desk, asked: Question) -> Hashable:
    """Other files, another answer."""
    return asked, tuple(sorted(desk.gateway.model.hashes.items())), desk.gateway.instance.hashes.get("goals")


def _worked(gateway: Gateway, asked: Question) -> Told:
    with read(gateway.store.main) as connection:
        at, answer = asked.answer(gateway, connection)
        return _told(at.now, asked, answer)


def _told(at: datetime, asked: Question, answer: Answer) -> Told:
    counts = answer.counts or COUNTS[asked.name]
    return Told(
        to_micros(at),
        f"{counts} {(answer.period or asked.period).words()}" if counts else "",
        list(_cut(answer.parts)),
        figures(asked.name, answer.data),
        {name: DEFINITIONS[name] for name in answer.definitions},
        frozenset(answer.leads),
    )


def _live(gateway: Gateway, asked: Question) -> Callable[[], Told]:
    """In a process of its own: a plugin that hangs keeps no page and no webhook."""

    def work() -> Told:
        at = gateway.now()
        ends = {"since": asked.period.since, "until": asked.period.until}
        options = [f"--{name}={end.isoformat()}" for name, end in ends.items() if end is not None]
        answer = reconcile.told(apart.answer(gateway.instance.root, ["metrics", asked.name, *options], LONGEST))
        return replace(_told(at, asked, answer), live=answer)

    return work


def _of_systems(desk: Desk, asked: Question) -> Any:
    """What systems that were asked said then, as JSON; None: it is asked of our own store."""
    if not METRICS[asked.name].live:
        return None
    kept = desk.beside.look(key(desk, asked))
    if kept is None or kept.value is None:
        raise Refused("nobody has asked the systems for this time lately: ask them first")
    return kept.value.live.data


def _whole(gateway: Gateway, connection: Connection, asked: Question, said: Any) -> tuple[Asked, Answer]:
    """The answer, worked out anew, or made of what the systems ``said``."""
    if said is None:
        return asked.answer(gateway, connection)
    return Asked(gateway, connection, asked.period, gateway.now()), reconcile.told(said)


def _table(gateway: Gateway, asked: Question, said: Any) -> str:
    """All of it as CSV."""
    with read(gateway.store.main) as connection:
        looked, answer = _whole(gateway, connection, asked, said)
        counts = answer.counts or COUNTS[asked.name]
        return sheet.csv_text(sheet.dated(answer.rows, settled(looked, answer), counts))


def _leads(gateway: Gateway, asked: Question, which: str, said: Any) -> str:
    """All leads behind a number as CSV."""
    with read(gateway.store.main) as connection:
        looked, answer = _whole(gateway, connection, asked, said)
        rows = listing.named(connection, list(_behind(answer, which)), gateway.model.score_name)
        counts = answer.counts or COUNTS[asked.name]
        return sheet.csv_text(sheet.dated(sheet.leads(rows, which), settled(looked, answer), counts))


def _some(gateway: Gateway, asked: Question, which: str) -> tuple[int, list[str]]:
    """(how many, the first) behind a number."""
    with read(gateway.store.main) as connection:
        ids = list(_behind(asked.answer(gateway, connection)[1], which))
    return len(ids), ids[:ROWS]


def _behind(answer: Answer, which: str) -> Any:
    if which not in answer.leads:
        raise Refused("this number is not there any more, or no leads are behind it")
    return answer.leads[which]()


def _cut(parts: Any) -> Iterator[str | Table]:
    for part in parts:
        if isinstance(part, Table) and len(part.rows) > ROWS:
            yield replace(part, rows=part.rows[:ROWS])
            yield f"{number(ROWS)} of {number(len(part.rows))} rows; CSV has all"
        else:
            yield part


def _csv(name: str, text: str) -> Response:
    headers = {"Content-Disposition": f"attachment; filename={name}.csv"}
    return Response(text, mimetype="text/csv", headers=headers)
