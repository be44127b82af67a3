"""Today: what is due, how the systems are, what needs a person, and the funnel of the last days."""

from __future__ import annotations

from datetime import timedelta

from flask import render_template
from flask.typing import ResponseReturnValue

from gateway.answers.jobs import jobs_of, line
from gateway.metrics.period import midnight
from gateway.people.owning import ids_of
from gateway.people.staffing import name_of
from gateway.store import desk as queries
from gateway.store import listing
from gateway.times import to_micros
from gateway.web.desk.goals import goals
from gateway.web.desk.page import Desk, page, visitor
from gateway.web.desk.sums import sums
from gateway.web.desk.troubles import troubles
from gateway.web.desk.work import SAYING, names, settled_by

SHOWN = 10
PERIOD = timedelta(days=30)


@page("/")
def today(desk: Desk) -> ResponseReturnValue:
    gateway, now = desk.gateway, desk.gateway.now()
    micros, tomorrow = to_micros(now), to_micros(now + timedelta(days=1))
    since = now.astimezone(gateway.instance.zone).date() - PERIOD
    with desk.looking() as connection:
        roster = gateway.pipeline.roster(connection, now)
        mine = ids_of(roster, visitor().email)
        owners = mine if mine and visitor().role == "sales" else None
        handoffs = queries.due(connection, SHOWN, owners)
        counts = queries.how_due(connection, micros, tomorrow, owners)
        items = listing.work_items(connection, SHOWN)
        people = names(connection, items)
        begin = to_micros(midnight(since, gateway.instance.zone))
        moved = queries.moved(connection, [one.name for one in gateway.model.journey.stages], begin)
        fresh = not queries.anybody(connection)
    counted = sums(desk)
    for row in handoffs:
        row["owner_name"] = name_of(roster, row["system"], row["owner"])
    return render_template(
        "desk/today.html",
        handoffs=handoffs,
        counts=counts,
        mine=owners is not None,
        micros=micros,
        found=counted.value,
        again=counted.again,
        systems=gateway.instance.systems,
        problems=gateway.problems,
        troubles=troubles(desk),
        items=[settled_by(desk, item) | {"whom": people.get(item["lead"])} for item in items],
        **SAYING,
        jobs=[line(one) for one in jobs_of(gateway, running=True)],
        goals=goals(desk),
        moved=moved,
        since=since.isoformat(),
        numbers={ours[0]: shared for shared, ours in gateway.model.journey.shared_stages().items() if len(ours) == 1},
        heard=desk.beside.count("heard", lambda: gateway.inbox.heard(gateway.instance.systems.keys())).value or {},
        calls={name: budget.today() for name, budget in gateway.budgets.items()},
        days=PERIOD.days,
        fresh=fresh,
    )
