"""``gateway metrics``: the numbers both teams look at."""

from __future__ import annotations

import click

from gateway.cli.attribution import attribution
from gateway.cli.campaigns import campaigns
from gateway.cli.main import App, pass_app_to_look
from gateway.cli.output import json_option, say, say_json, table
from gateway.cli.recycled import recycled
from gateway.cli.velocity import velocity


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
@json_option
@pass_app_to_look
def funnel(app: App, by: str | None, as_json: bool) -> None:
    """Count leads at each stage, with conversions.

    A stage counts every lead that ever reached it; the conversion is from the listed stage before.
    """
    from gateway.cli.leads import known_field
    from gateway.metrics.funnel import funnel as counted
    from gateway.metrics.report import report
    from gateway.store.database import read
    from gateway.store.funnel import funnel as count

    gateway = app.gateway
    with read(gateway.store.main) as connection:
        counts = count(connection, gateway.model.journey, by, app.zone)
    data = counted(counts, gateway.model.journey.tracked)
    if by == "month":
        data["groups"].sort(key=lambda group: group["value"] or "")
    elif by is not None and by not in ("persona", "stage") and all(one["value"] is None for one in data["groups"]):
        known_field(app, by)
    if as_json:
        say_json(data)
        return
    for part in report(data, by):
        if isinstance(part, str):
            say(part)
        else:
            say()
            table(part.columns, part.rows, right=part.columns[1:])
