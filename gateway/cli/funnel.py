"""``gateway metrics funnel``: how many leads reached each stage, and what they brought."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from gateway.cli.metric import Answer, Asked, metric
from gateway.metrics.definitions import DEFINITIONS
from gateway.metrics.report import report
from gateway.times import to_micros


@metric("leads that entered")
@click.option(
    "--by",
    metavar="ATTRIBUTE|month",
    help="Count each value of a lead's attribute (a company's: company.NAME), persona, stage, or month of entry.",
)
def funnel(asked: Asked, by: str | None) -> Answer:
    """Count leads at each stage, with conversions, and what they brought.

    A stage counts every lead that ever reached it; the conversion is from the listed stage before. The numbers are of
    the leads that entered in the time asked for, whenever they moved on. A month is marked as maturing while its leads
    have not had as long as the median lead took to win: it is not to be held against older ones.
    """
    from gateway.cli.leads import known_field
    from gateway.metrics.funnel import funnel as counted
    from gateway.metrics.funnel import maturing
    from gateway.metrics.velocity import DAY, quantile
    from gateway.store.funnel import funnel as count
    from gateway.store.velocity import cycle

    connection, journey = asked.connection, asked.journey
    counts = count(connection, journey, by, asked.zone, asked.currency, asked.since, asked.until)
    data = {"currency": asked.currency, **counted(counts, journey.tracked)}
    if by == "month":
        took = cycle(connection, journey, to_micros(asked.now), asked.zone).took if journey.tracked else ()
        data["groups"].sort(key=lambda group: group["value"] or "")
        median = quantile(took, 0.5) / DAY if took else None
        maturing(data["groups"], median, asked.now.astimezone(asked.zone).date())
        data["median_days_to_win"] = median
    elif by is not None and by not in ("persona", "stage") and all(one["value"] is None for one in data["groups"]):
        known_field(asked.app, by)
    return Answer(data, report(data, by), _rows(data, by), definitions=tuple(DEFINITIONS))


def _rows(data: Mapping[str, Any], by: str | None) -> Iterator[Sequence[object]]:
    """A row for each value, or one for all."""
    groups = data["groups"] if by else [{"value": "", **data}]
    stages = [one["stage"] for one in data["stages"]]
    yield by or "", f"revenue_{data['currency']}", "entered", *stages, *(["maturing"] if by == "month" else [])
    for one in groups:
        counts = (stage["count"] for stage in one["stages"])
        young = [one.get("maturing", "")] if by == "month" else []
        yield one["value"], one["revenue"], one["entered"], *counts, *young
