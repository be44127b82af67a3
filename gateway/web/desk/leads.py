"""Leads: looked for, narrowed down, kept as a link, taken away as CSV."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flask import Response, render_template, request, stream_with_context
from flask.typing import ResponseReturnValue

from gateway.answers.leads import wanted_of
from gateway.answers.sheet import csv_text
from gateway.answers.texts import iso, points, who
from gateway.journey.words import BUCKETS
from gateway.model import score_called
from gateway.people.staffing import name_of
from gateway.store import desk as queries
from gateway.store import listing
from gateway.store.database import read
from gateway.store.desk import Wanted
from gateway.web.desk.beside import Kept
from gateway.web.desk.page import Desk, chosen, page, place_of

PAGE = 50
CSV_PAGE = 1000
ASKED = {"text": 200, "stage": 100, "persona": 100, "band": 20, "bucket": 20, "owner": 200, "campaign": 200} | {
    "score": 100
}
BANDS = ("great", "good", "bad")


@page("/leads")
def leads(desk: Desk) -> ResponseReturnValue:
    gateway, journey = desk.gateway, desk.gateway.model.journey
    asked = chosen(ASKED)
    score = score_called(asked.get("score", ""), gateway.model.score_names)
    after = place_of(request.args.get("after", ""))
    with desk.looking() as connection:
        roster = gateway.pipeline.roster(connection, gateway.now())
        wanted = wanted_of(gateway, roster, asked)
        rows = queries.leads(connection, score, wanted, PAGE + 1, after)
        records = listing.record_names(connection, [row["id"] for row in rows if not who(row["attributes"])])
    counted = _counted(desk, score, wanted) if len(rows) > PAGE and after is None else Kept(len(rows))
    for row in rows:
        row["called"] = who(row["attributes"]) or records.get(row["id"], row["id"][-8:])
        row["owner_name"] = name_of(roster, row["system"], row["owner"]) if row["handoff"] else ""
    last = rows[PAGE - 1] if len(rows) > PAGE else None
    total = (-1 if last["total"] is None else last["total"]) if last else None
    choices = {
        "stage": [one.name for one in journey.stages],
        "persona": list(journey.personas),
        "band": BANDS,
        "bucket": ("open", *BUCKETS),
        "owner": [one.name for one in journey.owners.listed],
        "score": gateway.model.score_names[1:],
    }
    return render_template(
        "desk/leads.html",
        rows=rows[:PAGE],
        count=counted.value,
        again=counted.again,
        most=queries.COUNTED,
        asked=asked,
        score=score,
        main=gateway.model.score_name,
        choices=choices,
        following=f"{total}:{last['id']}" if last else "",
        later=after is not None,
    )


def _counted(desk: Desk, score: str, wanted: Wanted) -> Kept:
    """How many there are, ``COUNTED`` + 1 for more than that: beside the page, for it may have to look at each."""
    gateway = desk.gateway

    def work() -> int:
        with read(gateway.store.main) as connection:
            return queries.how_many(connection, score, wanted)

    return desk.beside.count(("leads", score if wanted.band else "", wanted), work)


@page("/leads.csv")
def leads_csv(desk: Desk) -> ResponseReturnValue:
    """All that the same address without ``.csv`` lists, page by page."""
    gateway = desk.gateway
    with desk.looking() as connection:
        roster = gateway.pipeline.roster(connection, gateway.now())
    asked = chosen(ASKED)
    wanted, score = wanted_of(gateway, roster, asked), score_called(asked.get("score", ""), gateway.model.score_names)
    points_of = "score" if score == gateway.model.score_name else f"score {score}"
    columns = ("lead", "name", "email", "company", "stage", "persona", points_of, "band", "entered_at", "handoff")

    def lines() -> Iterator[str]:
        yield csv_text([columns])
        after = None
        while True:
            with read(gateway.store.main) as connection:
                rows = queries.leads(connection, score, wanted, CSV_PAGE, after)
            yield csv_text(map(_cells, rows))
            if len(rows) < CSV_PAGE:
                return
            after = (-1 if rows[-1]["total"] is None else rows[-1]["total"], rows[-1]["id"])

    headers = {"Content-Disposition": "attachment; filename=leads.csv"}
    return Response(stream_with_context(lines()), mimetype="text/csv", headers=headers)


def _cells(row: Mapping[str, Any]) -> tuple[object, ...]:
    known = row["attributes"]
    person = row["id"], who(known), known.get("email"), known.get("company_name")
    return (*person, row["stage"], row["persona"], points(row["total"]), row["band"], iso(row["entered_at"]),
            row["handoff"])  # fmt: skip
