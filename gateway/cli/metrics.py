"""``gateway metrics``: the numbers both teams look at, each with its options."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from gateway.answers.metrics.asked import Answer, Asked
from gateway.cli.metric import metric
from gateway.durations import parse_duration
from gateway.metrics.content import KEYS
from gateway.metrics.funnel import BASES

if TYPE_CHECKING:
    _Duration = click.ParamType[timedelta]
else:  # click 8.2 knows no types of types
    _Duration = click.ParamType


class Length(_Duration):
    """``90d``, ``2w``, ``12h``, as the files write durations."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        try:
            return parse_duration(value)
        except ValueError as exc:
            self.fail(str(exc), param, ctx)


@metric
@click.option(
    "--by",
    metavar="ATTRIBUTE|WORD",
    help="Count each value of a lead's attribute (a company's: company.NAME), or month, quarter, year, persona, stage, "
    "campaign, channel, owner; an attribute of such a name is lead.NAME.",
)
@click.option(
    "--count",
    "basis",
    type=click.Choice(list(BASES)),
    default="cohort",
    show_default=True,
    help="cohort: who entered in the period, wherever they went since; period: what happened in it.",
)
def funnel(asked: Asked, by: str | None, basis: str) -> Answer:
    """Count leads at each stage, with conversions, and what they brought.

    A stage counts every lead that ever reached it; the conversion is from the listed stage before. A cohort is marked
    as maturing while its leads have not had as long as the median lead took to win: it is not to be held against
    older ones. A deal counts once: its revenue is split equally among its leads, to the cent.
    """
    from gateway.answers.metrics import funnel as answers

    return answers.funnel(asked, by, basis)


@metric
def baseline(asked: Asked) -> Answer:
    """Show how many leads usually go from each stage to the next, with the range that is more than chance.

    Of the last year, unless a period is said. Leads that have not had as long as nine of ten took are left out, as
    are those of whom only a later stage tells. What goals.yaml wants is held against this.
    """
    from gateway.answers.metrics import goals as answers

    return answers.baseline(asked)


@metric
def goals(asked: Asked) -> Answer:
    """Show how far each goal of goals.yaml has come, what it will come to by its day, and which are in doubt.

    Counted are leads that reached its first stage after the baseline. The forecast adds, for each that is still on the
    way, the chance that it goes on in time, as the baseline had it.
    """
    from gateway.answers.metrics import goals as answers

    return answers.goals(asked)


@metric
def velocity(asked: Asked) -> Answer:
    """Show how long each step takes, where it takes longest, and how soon owners answer.

    Days of 24 hours from the time one stage was first reached to that of the next; the median, and within how many
    days 75 and 90 of a hundred got there. Who is still on the way is counted apart.
    """
    from gateway.answers.metrics import velocity as answers

    return answers.velocity(asked)


@metric
def campaigns(asked: Asked) -> Answer:
    """Show what each campaign brought, what came of it, what it cost and returned.

    A lead counts once, for the campaign of its first touch that names one. A deal's revenue is shared equally among
    its people. Costs come with `gateway import FILE --costs` and are spread evenly over their days: those of the
    period count.
    """
    from gateway.answers.metrics import campaigns as answers

    return answers.campaigns(asked)


@metric
@click.option(
    "--by",
    type=click.Choice(list(KEYS)),
    default="asset",
    show_default=True,
    help="What a row is; an asset's has its channel.",
)
@click.option("--unassigned", "only_open", is_flag=True, help="Only what serves no stage of the journey yet.")
def content(asked: Asked, by: str, only_open: bool) -> Answer:
    """Show every asset and channel: its stage, engagements, people, the share of buyers, and the points it earns.

    content.yaml says which stage an asset, a channel or a campaign serves; --unassigned lists what it does not name.
    """
    from gateway.answers.metrics import content as answers

    return answers.content(asked, by, only_open)


@metric
@click.option(
    "--by",
    type=click.Choice(["channel", "campaign", "asset"]),
    default="channel",
    show_default=True,
    help="What a touch is known by.",
)
@click.option("--window", type=Length(), help="Leave out touches longer before the deal, such as 90d.")
@click.option("--half-life", type=Length(), default="30d", show_default=True, help="Of the model `decay`.")
def attribution(asked: Asked, by: str, window: timedelta | None, half_life: timedelta) -> Answer:
    """Share the deals that were won among the touches before them.

    No model is right: they stand side by side, each with what it takes for granted, and each adds up to all deals and
    all revenue. A touch is an activity with a channel (campaign, asset). A deal is one, however many people it has.
    """
    from gateway.answers.metrics import attribution as answers

    return answers.attribution(asked, by, window, half_life)


@metric
def recycled(asked: Asked) -> Answer:
    """Show how much of what was won had been recycled before, and for which reasons leads come back.

    A deal counts for the handoff that was opened last before it was won, of any of its people. Generation 1 was won at
    the first handoff; each return from marketing is one more.
    """
    from gateway.answers.metrics import recycled as answers

    return answers.recycled(asked)


@metric
def rules(asked: Asked) -> Answer:
    """Show what each scoring rule earned: how often it hit, and how much better those did whom it hit.

    By the points that each handoff was opened with, before anybody knew how it would end. Good is a handoff that sales
    qualified or won. With lift 2, those with the rule were good twice as often as all; below 1 a rule that gives points
    gives them to the wrong people.
    """
    from gateway.answers.metrics import handed as answers

    return answers.rules(asked)


@metric
def ideal(asked: Asked) -> Answer:
    """Show how many leads and wins are the ideal opportunity of their persona, and how much better those do.

    What is ideal stands in journey.yaml (`ideal:`). A lead is held against it as it is known today.
    """
    from gateway.answers.metrics import ideal as answers

    return answers.ideal(asked)


@metric
def surprises(asked: Asked) -> Answer:
    """Name the leads that the score misjudged: won with a low one, rejected with a high one, and what sales said.

    Low is the lowest quarter of the handoffs of the period, high the highest, by the score each was opened with.
    """
    from gateway.answers.metrics import handed as answers

    return answers.surprises(asked)


@metric
def reconcile(asked: Asked) -> Answer:
    """Ask marketing's and sales' systems for their own counts, and say of every lead on one side only why.

    What a system counts stands under `counts:` in its mapping file. Both are asked live, as are the records on one side
    only; that costs some calls of each system's budget. The differences add up exactly.
    """
    from gateway.answers.metrics import reconcile as answers

    return answers.reconcile(asked)


@click.group()
def metrics() -> None:
    """The numbers both teams look at."""


_NUMBERS = (funnel, baseline, goals, velocity, campaigns, content, attribution, recycled, ideal, rules, surprises)
for command in (*_NUMBERS, reconcile):
    metrics.add_command(command)
