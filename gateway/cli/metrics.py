"""``gateway metrics``: the numbers both teams look at."""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import click

from gateway.cli.attribution import attribution
from gateway.cli.campaigns import campaigns
from gateway.cli.main import MOMENT, App, pass_app_to_look
from gateway.cli.output import json_option, say, say_json, table
from gateway.cli.recycled import recycled
from gateway.cli.velocity import velocity
from gateway.times import to_micros


@click.group()
def metrics() -> None:
    """The numbers both teams look at."""


metrics.add_command(attribution)
metrics.add_command(campaigns)
metrics.add_command(velocity)
metrics.add_command(recycled)


@metrics.command()
@click.option(
    "--by",
    metavar="ATTRIBUTE|month",
    help="Count each value of a lead's attribute (a company's: company.NAME), persona, stage, or month of entry.",
)
@click.option("--since", type=MOMENT, help="Leads that entered from then on.")
@click.option("--until", type=MOMENT, help="Leads that entered before then.")
@click.option("--definitions", is_flag=True, help="Say what each number means, too.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV: a row for each value, or one for all.")
@json_option
@pass_app_to_look
def funnel(
    app: App,
    by: str | None,
    since: datetime | None,
    until: datetime | None,
    definitions: bool,
    as_csv: bool,
    as_json: bool,
) -> None:
    """Count leads at each stage, with conversions, and what they brought.

    A stage counts every lead that ever reached it; the conversion is from the listed stage before. The numbers are of
    the leads that entered in the time asked for, whenever they moved on. A month is marked as maturing while its leads
    have not had as long as the median lead took to win: it is not to be held against older ones.
    """
    from gateway.cli.leads import known_field
    from gateway.metrics.definitions import DEFINITIONS
    from gateway.metrics.funnel import funnel as counted
    from gateway.metrics.funnel import maturing
    from gateway.metrics.report import report
    from gateway.metrics.velocity import DAY, quantile
    from gateway.store.database import read
    from gateway.store.funnel import funnel as count
    from gateway.store.velocity import cycle

    gateway, journey = app.gateway, app.gateway.model.journey
    begin, end = app.micros(since), app.micros(until)
    now = gateway.now()
    with read(gateway.store.main) as connection:
        counts = count(connection, journey, by, app.zone, gateway.instance.currency, begin, end)
        took = cycle(connection, journey, to_micros(now), app.zone).took if by == "month" and journey.tracked else ()
    data = {"currency": gateway.instance.currency, **counted(counts, journey.tracked)}
    if by == "month":
        data["groups"].sort(key=lambda group: group["value"] or "")
        median = quantile(took, 0.5) / DAY if took else None
        maturing(data["groups"], median, now.astimezone(app.zone).date())
        data["median_days_to_win"] = median
    elif by is not None and by not in ("persona", "stage") and all(one["value"] is None for one in data["groups"]):
        known_field(app, by)
    if as_json:
        say_json({**data, "definitions": DEFINITIONS})
        return
    if as_csv:
        _write(data, by)
        return
    for part in report(data, by):
        if isinstance(part, str):
            say(part)
        else:
            say()
            table(part.columns, part.rows, right=part.columns[1:])
    if definitions:
        say()
        for name, words in DEFINITIONS.items():
            say(f"{name}: {words}")


def _write(data: Mapping[str, Any], by: str | None) -> None:
    groups = data["groups"] if by else [{"value": "", **data}]
    rows = csv.writer(sys.stdout, lineterminator="\n")
    stages = [one["stage"] for one in data["stages"]]
    rows.writerow(
        (by or "", f"revenue_{data['currency']}", "entered", *stages, *(["maturing"] if by == "month" else []))
    )
    for one in groups:
        counts = (stage["count"] for stage in one["stages"])
        young = [one.get("maturing", "")] if by == "month" else []
        rows.writerow((one["value"], one["revenue"], one["entered"], *counts, *young))
