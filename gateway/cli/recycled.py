"""``gateway metrics recycled``: what came back from marketing, and what it brought."""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.main import MOMENT, App, pass_app_to_look
from gateway.cli.output import json_option, plural, say, say_json, table
from gateway.metrics.report import number, percent, without_rate

if TYPE_CHECKING:
    from gateway.metrics.recycled import Sale
    from gateway.store.touches import Won


@click.command()
@click.option("--since", type=MOMENT, help="Deals won from then on.")
@click.option("--until", type=MOMENT, help="Deals won before then.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV: a row for each generation, then for each reason.")
@json_option
@pass_app_to_look
def recycled(app: App, since: datetime | None, until: datetime | None, as_csv: bool, as_json: bool) -> None:
    """Show how much of what was won had been recycled before, and for which reasons leads come back.

    A deal counts for the handoff that was opened last before it was won, of any of its people. Generation 1 was won at
    the first handoff; each return from marketing is one more.
    """
    from gateway.metrics.recycled import recycled as counted
    from gateway.store.database import read
    from gateway.store.recycled import handoffs
    from gateway.store.touches import won

    gateway, currency = app.gateway, app.gateway.instance.currency
    begin, end = app.micros(since), app.micros(until)
    with read(gateway.store.main) as connection:
        sold = won(connection, gateway.model.journey, currency, begin, end)
        data = counted(handoffs(connection), _sales(sold))
    data |= {"currency": currency, "without_rate": dict(sold.foreign)}
    if as_json:
        say_json(data)
    elif as_csv:
        _write(data)
    else:
        _print(data)


def _sales(sold: Won) -> list[Sale]:
    from gateway.metrics.recycled import Sale

    leads: dict[int, list[str]] = defaultdict(list)
    for lead, journeys in sold.of_lead.items():
        for journey in journeys:
            leads[id(journey)].append(lead)
    return [Sale(leads[id(one)], one.won_at, one.value) for one in sold.journeys if one.won_at is not None]


def _write(data: Mapping[str, Any]) -> None:
    rows = csv.writer(sys.stdout, lineterminator="\n")
    for name in ("generations", "reasons"):
        if data[name]:
            rows.writerow(data[name][0])
            rows.writerows(one.values() for one in data[name])
            rows.writerow(())


def _print(data: Mapping[str, Any]) -> None:
    currency = data["currency"]
    say(f"{plural(data['deals'], 'deal')} of {data['revenue']:,.2f} {currency}")
    for line in without_rate(data["without_rate"], currency):
        say(line)
    columns = ("won at", "deals", f"revenue in {currency}", "share")
    rows = [
        (_generation(one["generation"]), number(one["deals"]), f"{one['revenue']:,.0f}", percent(one["share"]))
        for one in data["generations"]
    ]
    table(columns, rows, right=columns[1:])
    if (back := data["from_recycling"])["deals"]:
        days = f"{back['median_days']:,.1f} days (90 of 100 within {back['p90_days']:,.1f})"
        say(f"from the last recycling to the deal: a median of {days}")
    if data["reasons"]:
        say()
        because = ("recycled because", "leads", "came back", "", "deals", f"revenue in {currency}", "days to the deal")
        table(
            because,
            [
                (
                    one["reason"] or "(no reason)",
                    *(number(one["recycled"]), number(one["returned"]), percent(one["returned_share"])),
                    *(number(one["deals"]), f"{one['revenue']:,.0f}"),
                    "" if one["median_days"] is None else f"{one['median_days']:,.1f}",
                )
                for one in data["reasons"]
            ],
            right=because[1:],
        )


def _generation(generation: int | None) -> str:
    return "(never handed over)" if generation is None else f"generation {generation}"
