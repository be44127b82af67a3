"""``gateway metrics``: the numbers both teams look at."""

from __future__ import annotations

import click

from gateway.cli.attribution import attribution
from gateway.cli.campaigns import campaigns
from gateway.cli.content import content
from gateway.cli.funnel import funnel
from gateway.cli.goals import baseline, goals
from gateway.cli.reconcile import reconcile
from gateway.cli.recycled import recycled
from gateway.cli.velocity import velocity


@click.group()
def metrics() -> None:
    """The numbers both teams look at."""


for command in (funnel, baseline, goals, velocity, campaigns, content, attribution, recycled, reconcile):
    metrics.add_command(command)
