"""``gateway metrics velocity``: how long leads stand where, and how soon owners answer."""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

import click

from gateway.cli.main import MOMENT, App, pass_app_to_look
from gateway.cli.output import json_option, plural, say, say_json, table
from gateway.metrics.report import number, percent
from gateway.times import to_micros

UNSURE = "of {} the time of a stage is only known from a later one, or lies after it: not counted"


@click.command()
@click.option("--since", type=MOMENT, help="Leads that reached a step's first stage from then on.")
@click.option("--until", type=MOMENT, help="Leads that reached it before then.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV: a row for each step, then for each owner.")
@json_option
@pass_app_to_look
def velocity(app: App, since: datetime | None, until: datetime | None, as_csv: bool, as_json: bool) -> None:
    """Show how long each step takes, where it takes longest, and how soon owners answer.

    Days of 24 hours from the time one stage was first reached to that of the next; the median, and within how many
    days 75 and 90 of a hundred got there. Who is still on the way is counted apart.
    """
    from gateway.metrics.velocity import velocity as timed
    from gateway.people.staffing import name_of
    from gateway.store.database import read
    from gateway.store.velocity import velocity as counted

    gateway = app.gateway
    begin, end = app.micros(since), app.micros(until)
    with read(gateway.store.main) as connection:
        name = partial(name_of, gateway.pipeline.roster(connection, gateway.now()))
        found = counted(connection, gateway.model.journey, to_micros(gateway.now()), begin, end, name, app.zone)
    data = timed(found)
    if as_json:
        say_json(data)
    elif as_csv:
        _write(data)
    else:
        _print(data)


def _write(data: Mapping[str, Any]) -> None:
    steps = [*data["steps"], {**data["cycle"], "stage": f"{data['cycle']['stage']} (whole cycle)"}]
    rows = csv.writer(sys.stdout, lineterminator="\n")
    rows.writerow(steps[0])
    rows.writerows(one.values() for one in steps)
    if data["owners"]:
        rows.writerow(())
        rows.writerow(data["owners"][0])
        rows.writerows(one.values() for one in data["owners"])


def _print(data: Mapping[str, Any]) -> None:
    columns = ("step", "leads", "median", "75 of 100", "90 of 100", "by calendar", "on the way", "for (median)")
    table(columns, [_row(one) for one in (*data["steps"], data["cycle"])], right=columns[1:])
    say("days of 24 hours from the first time at one stage to that at the next; by calendar: the median in dates")
    if slowest := data["bottleneck"]:
        say(f"it takes longest from {slowest['stage']} to {slowest['to']}: {_days(slowest['median_days'])} days")
    if unsure := sum(one["unsure"] for one in data["steps"]):
        say(UNSURE.format(plural(unsure, "step")))
    if data["owners"]:
        say()
        owners = ("owner", "handoffs", "answered", "median", "90 of 100", "in time", "bucket by a person")
        table(owners, [_owner(one) for one in data["owners"]], right=owners[1:])
        say("hours from getting a lead to the first word of it; clocks that still run count in neither share")


def _row(one: Mapping[str, Any]) -> tuple[str, ...]:
    times = (_days(one[name]) for name in ("median_days", "p75_days", "p90_days"))
    dates = "" if one["median_calendar_days"] is None else f"{one['median_calendar_days']:g}"
    waits = _days(one["waiting_median_days"])
    return (f"{one['stage']} → {one['to']}", number(one["leads"]), *times, dates, number(one["waiting"]), waits)


def _owner(one: Mapping[str, Any]) -> tuple[str, ...]:
    counts = number(one["handoffs"]), number(one["answered"])
    kept = (
        f"{percent(one[share])} of {number(one[whole])}" if one[whole] else ""
        for share, whole in (("in_time", "in_time_of"), ("ended_by_a_person", "ended_of"))
    )
    return (one["owner"] or "(nobody)", *counts, _hours(one["median_days"]), _hours(one["p90_days"]), *kept)


def _days(days: float | None) -> str:
    return "" if days is None else f"{days:,.1f}"


def _hours(days: float | None) -> str:
    return "" if days is None else f"{days * 24:,.1f}"
