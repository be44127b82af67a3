"""The audit: who changed what, from what to what; narrowed down, kept as a link, taken away as CSV. For admins."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from flask import Response, render_template, request, stream_with_context
from flask.typing import ResponseReturnValue

from gateway.accounts import audit as trail
from gateway.accounts import users
from gateway.answers.sheet import csv_text
from gateway.answers.texts import iso, shown
from gateway.store.database import read
from gateway.times import to_micros
from gateway.web.desk.page import Desk, chosen, day_of, page, place_of

PAGE = 100
CSV_PAGE = 1000
ASKED = {"by": 320, "what": 100, "subject": 200, "since": 10, "until": 10}
COLUMNS = ("at", "by", "token", "what", "subject", "before", "after")


@page("/audit", "accounts")
def audit(desk: Desk) -> ResponseReturnValue:
    asked = chosen(ASKED)
    with desk.looking() as connection:
        rows = trail.entries(connection, PAGE + 1, **_which(desk, asked), after=place_of(request.args.get("after", "")))
        names = {one.id: one.email for one in users.everybody(connection)}
    last = rows[PAGE - 1] if len(rows) > PAGE else None
    for row in rows:
        row["about"] = names.get(row["subject"], row["subject"])
        row |= {side: _words(row[side]) for side in ("before", "after")}
    return render_template(
        "desk/audit.html", rows=rows[:PAGE], asked=asked, following=f"{last['at']}:{last['id']}" if last else ""
    )


@page("/audit.csv", "accounts")
def audit_csv(desk: Desk) -> ResponseReturnValue:
    """All that the same address without ``.csv`` lists, page by page."""
    which = _which(desk, chosen(ASKED))

    def lines() -> Iterator[str]:
        yield csv_text([COLUMNS])
        after = None
        while True:
            with read(desk.gateway.store.main) as connection:
                rows = trail.entries(connection, CSV_PAGE, **which, after=after)
            yield csv_text(map(_cells, rows))
            if len(rows) < CSV_PAGE:
                return
            after = rows[-1]["at"], rows[-1]["id"]

    headers = {"Content-Disposition": "attachment; filename=audit.csv"}
    return Response(stream_with_context(lines()), mimetype="text/csv", headers=headers)


def _cells(row: Mapping[str, Any]) -> tuple[object, ...]:
    sides = (json.dumps(row[side]) if row[side] is not None else "" for side in ("before", "after"))
    return (iso(row["at"]), *(row[name] for name in COLUMNS[1:5]), *sides)


def _which(desk: Desk, asked: dict[str, str]) -> dict[str, Any]:
    """Days are those of the company's zone; the last one belongs to it. Raises ``Refused``."""
    words = {name: asked.get(name, "") for name in ("by", "what", "subject")}
    days = day_of(desk, asked.get("since", "")), day_of(desk, asked.get("until", ""), 1)
    since, until = (to_micros(day) if day is not None else None for day in days)
    return {**words, "since": since, "until": until}


def _words(side: Any) -> str:
    if not isinstance(side, dict):
        return shown(side)
    return ", ".join(f"{name.replace('_', ' ')}: {shown(value) or '–'}" for name, value in side.items())
